"""The IETF's coming way: PACC (draft-ietf-mailmaint-pacc-03)."""

import json
from typing import Any

from autoconfig.authentication import PASSWORD_METHODS, WEB_PASSWORD_METHODS
from autoconfig.definition import Definition
from autoconfig.directory import Directory, NotServedError
from autoconfig.protocols.description import Ask, Path, Probe, Protocol
from autoconfig.requests import Request
from autoconfig.responses import Response, StaticResponse

PATH = "/.well-known/user-agent-configuration.json"

_NAMES = {"imap": "imap", "pop3": "pop3", "smtp": "submit"}
"""What PACC calls mail servers. It can say nothing of them but the host: it means implicit TLS on the default port."""
_LONGEST_NAME, _LONGEST_SHORT_NAME = 60, 20
"""Characters; a longer name is cut, a longer short name left out."""
_WEB_TYPES = frozenset({"jmap", "caldav", "carddav"})


class _Configuration:
    """One provider's configuration, for each of its domains."""

    def __init__(self, definition: Definition) -> None:
        hosts = (server.hostname for server in definition.servers)
        places = [definition.display_name, *hosts, *(service.url for service in definition.services)]
        if any("%EMAILDOMAIN%" in place for place in places):
            self._bodies = {domain: _body(definition, domain) for domain in definition.domains}
        else:
            self._bodies = dict.fromkeys(definition.domains, _body(definition, definition.domains[0]))
        headers = {"Cache-Control": "public, max-age=3600", "Access-Control-Allow-Origin": "*"}
        # Domains whose configurations are the same share one answer.
        responses = {
            body: StaticResponse(body, "application/json", headers) for body in set(self._bodies.values()) if body
        }
        self._responses = {domain: responses[body] for domain, body in self._bodies.items() if body}

    def render(self, domain: str) -> bytes:
        if body := self._bodies[domain]:
            return body
        raise NotServedError("nothing that this provider offers can be said in PACC")

    def response(self, domain: str) -> StaticResponse:
        self.render(domain)
        return self._responses[domain]


class Pacc:
    """`GET /.well-known/user-agent-configuration.json` on `ua-auto-config.DOMAIN`."""

    def __init__(self, definitions: Directory[Definition]) -> None:
        self._configurations = definitions.each(_Configuration)

    def render(self, domain: str | None = None) -> bytes:
        """Return the configuration of a domain, without one that of the first definition.

        Deterministic, for its digest stands in the DNS. Raises NotServedError.
        """
        configuration, domain = self._configurations.find(None, (domain or "").encode())
        return configuration.render(domain)

    def respond(self, request: Request) -> Response:
        """Answer a request."""
        configuration, domain = self._configurations.find(None, request.host)
        return configuration.response(domain)


def _body(definition: Definition, domain: str) -> bytes | None:
    protocols: dict[str, dict[str, str]] = {}
    methods: set[str] = set()
    for server in definition.servers:
        name = _NAMES[server.type]
        host = server.hostname.replace("%EMAILDOMAIN%", domain)
        if server.on_default_tls_port and "%" not in host and name not in protocols:
            protocols[name] = {"host": host}
            methods.update(server.authentication)
    for service in (one for one in definition.services if one.type in _WEB_TYPES):
        url = service.url.replace("%EMAILDOMAIN%", domain)
        if url.startswith("https://") and "%EMAIL" not in url and service.type not in protocols:
            protocols[service.type] = {"url": url}
            methods.update(service.authentication)
    if not protocols:
        return None
    authentication: dict[str, Any] = {"password": bool(methods & (PASSWORD_METHODS | WEB_PASSWORD_METHODS))}
    # An issuer is the https URL that RFC 8414 makes of it; the bare host names of older definitions are none.
    if "OAuth2" in methods and definition.issuer and definition.issuer.startswith("https://"):
        authentication["oauth-public"] = {"issuer": definition.issuer}
    provider = {"name": definition.display_name.replace("%EMAILDOMAIN%", domain)[:_LONGEST_NAME].rstrip()}
    short_name = definition.root.findtext("emailProvider/displayShortName", "")
    if 0 < len(short_name) <= _LONGEST_SHORT_NAME:
        provider["shortName"] = short_name
    info: dict[str, Any] = {"provider": provider}
    documentation = definition.root.find("emailProvider/documentation")
    if documentation is not None:
        info["help"] = {"documentation": documentation.get("url")}
    content = {"protocols": protocols, "authentication": authentication, "info": info}
    return json.dumps(content, ensure_ascii=False, indent=2).encode() + b"\n"


PROTOCOL = Protocol(
    name="pacc",
    clients="clients of the IETF's coming standard",
    make=lambda parts: Pacc(parts.definitions),
    paths=(Path(PATH, Pacc.respond, exported_at=("ua-auto-config.",)),),
    render=lambda pacc, wanted: pacc.render(wanted.address.domain if wanted.address else None),
    probes=lambda _address, _another: [Probe("ua-auto-config.", (Ask(PATH),))],
)
