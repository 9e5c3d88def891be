"""PACC, an IETF draft (draft-ietf-mailmaint-pacc-03; of -04 we could read only the first page)."""

import json
from typing import Any

from autoconfig.authentication import PASSWORD_METHODS, WEB_PASSWORD_METHODS
from autoconfig.definition import Definition
from autoconfig.directory import Directory, NotServedError
from autoconfig.protocols.description import Path, Probe, ProbeRequest, Protocol
from autoconfig.requests import Request
from autoconfig.responses import Response, StaticResponse

PATH = "/.well-known/user-agent-configuration.json"

_NAMES = {"imap": "imap", "pop3": "pop3", "smtp": "submit"}
"""PACC's names for mail servers. It gives only their host, which implies implicit TLS on the default port."""
_LONGEST_NAME, _LONGEST_SHORT_NAME = 60, 20
"""Maximum characters; a longer name is truncated, a longer short name omitted."""
_MAX_CACHED = 100
"""Maximum number of cached responses per definition, one per domain."""
_HEADERS = {"Cache-Control": "public, max-age=3600", "Access-Control-Allow-Origin": "*"}
_WEB_TYPES = frozenset({"jmap", "caldav", "carddav", "webdav"})


class Configuration:
    """One provider's configuration: the same for all its domains, unless it contains the domain's name."""

    def __init__(self, definition: Definition) -> None:
        hosts = (server.hostname for server in definition.servers)
        places = [definition.display_name, *hosts, *(service.url for service in definition.services)]
        self._definition = definition
        self._depends_on_domain = any("%EMAILDOMAIN%" in place for place in places)
        self._responses: dict[str, StaticResponse | None] = {}
        self.response(definition.domains[0])

    def response(self, domain: str) -> StaticResponse | None:
        """Return the response for a domain, or None if PACC cannot express any of the settings."""
        key = domain if self._depends_on_domain else ""
        if key not in self._responses:
            if len(self._responses) >= _MAX_CACHED:
                self._responses.clear()
            body = _body(self._definition, domain)
            self._responses[key] = StaticResponse(body, "application/json", _HEADERS) if body else None
        return self._responses[key]


class Pacc:
    """`GET /.well-known/user-agent-configuration.json` on `ua-auto-config.DOMAIN`."""

    def __init__(self, definitions: Directory[Definition]) -> None:
        self._configurations = definitions.each(Configuration)

    def render(self, domain: str | None = None) -> bytes:
        """Return the configuration for a domain; without one, that of the first definition.

        It is deterministic, because its digest is in the DNS. Raises NotServedError if the domain is not served, or if
        PACC cannot express any of the settings.
        """
        return self._response((domain or "").encode()).body

    def respond(self, request: Request) -> Response:
        """Respond to a request."""
        return self._response(request.host)

    def _response(self, host: bytes) -> StaticResponse:
        configuration, domain = self._configurations.find(None, host)
        response = configuration.response(domain)
        if response is None:
            raise NotServedError("PACC cannot express this provider's settings")
        return response


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
    # RFC 8414 requires an issuer to be an https URL; the bare hostnames of older definitions are left out.
    if "OAuth2" in methods and definition.issuer and definition.issuer.startswith("https://"):
        authentication["oauth-public"] = {"issuer": definition.issuer}
    provider = {"name": definition.display_name.replace("%EMAILDOMAIN%", domain)[:_LONGEST_NAME].rstrip()}
    if 0 < len(definition.short_name) <= _LONGEST_SHORT_NAME:
        provider["shortName"] = definition.short_name
    info: dict[str, Any] = {"provider": provider}
    if definition.documentation is not None:
        info["help"] = {"documentation": definition.documentation}
    content = {"protocols": protocols, "authentication": authentication, "info": info}
    return json.dumps(content, ensure_ascii=False, indent=2).encode() + b"\n"


PROTOCOL = Protocol(
    name="pacc",
    clients="clients of PACC, an IETF draft",
    make=lambda parts: Pacc(parts.definitions),
    paths=(Path(PATH, Pacc.respond, exported_at=("ua-auto-config.",)),),
    render=lambda pacc, wanted: pacc.render(wanted.address.domain if wanted.address else None),
    probes=lambda _address, _another: [Probe("ua-auto-config.", (ProbeRequest(PATH),))],
)
