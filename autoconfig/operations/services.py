"""What a definition names besides mail servers: calendars, address books, JMAP, Exchange, pages for people, OAuth2."""

import json
from typing import NamedTuple
from urllib.parse import urlsplit

from autoconfig.address import MailAddress
from autoconfig.definition import Definition
from autoconfig.operations.dns import hostname
from autoconfig.operations.expectations import expect_upstream
from autoconfig.operations.report import Finding, Problem, Verdict, right
from autoconfig.operations.web import Question, Reply, Web
from autoconfig.templates import placeholder_values

PAGE = "page"
ISSUER = "OAuth2 issuer"

_METADATA = "/.well-known/oauth-authorization-server"
_OPENID_METADATA = "/.well-known/openid-configuration"
_SCHEMES = {"Basic": "basic", "Digest": "digest", "OAuth2": "bearer", "NTLM": "ntlm", "GSSAPI": "negotiate"}
"""HTTP authentication schemes (IANA's registry, in lower case) of a definition's methods."""
_REQUESTS = {
    "caldav": ("PROPFIND", (("Depth", "0"),)),
    "carddav": ("PROPFIND", (("Depth", "0"),)),
    "jmap": ("GET", ()),
    "ews": ("GET", ()),
    "activeSync": ("OPTIONS", ()),
    PAGE: ("GET", ()),
}
"""The first request that clients send, still without credentials."""


class Place(NamedTuple):
    """Something at a URL: `type` is that of a service, PAGE or ISSUER; `methods` are the login methods promised."""

    type: str
    url: str
    methods: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.type} {self.url}"


def places(definition: Definition, address: MailAddress) -> list[Place]:
    """Return what a definition names by URL, in its order and each once, as for an address."""
    values = placeholder_values(address, address.domain)
    found = [Place(one.type, _filled(one.url, values), one.authentication) for one in definition.services]
    pages = [*definition.root.iterfind("webMail/loginPage"), *definition.root.iterfind("emailProvider/documentation")]
    found += [Place(PAGE, _filled(page.get("url", ""), values)) for page in pages]
    if definition.issuer:
        found.append(Place(ISSUER, definition.issuer))
    return list(dict.fromkeys(one for one in found if one.url))


def _filled(url: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        url = url.replace(f"%{name}%", value)
    return url


async def check(web: Web, place: Place) -> Finding:
    """Check that a service or a page is there: certificate, and a response as clients expect it. Raises Problem."""
    if place.type == ISSUER:
        return await _check_issuer(web, place.url)
    host, port = _host_and_port(place.url)
    certificate = await web.certificate(host, port) if place.url.startswith("https:") else None
    method, headers = _REQUESTS.get(place.type, ("GET", ()))
    reply = await web.ask(Question(place.url, method=method, headers=headers))
    finding = _judge_page(reply) if place.type == PAGE else _judge_service(place, reply)
    if place.type != PAGE and reply.touched_http:
        remedy = "use https for every redirect: clients send passwords here"
        raise Problem("requests are redirected over http", remedy)
    return certificate if certificate and certificate.verdict is Verdict.WARNING else finding


def _host_and_port(url: str) -> tuple[str, int | None]:
    """Return the host of a URL, and its port if it names one. Raises Problem when this is not a web address."""
    try:
        parts = urlsplit(url)
        host, port = hostname(parts.hostname or ""), parts.port
    except ValueError:
        host, port = "", None
    if not host or port == 0 or parts.scheme not in ("http", "https"):
        raise Problem("this is not a web address", "write a URL such as https://dav.example.com/ into the definition")
    return host, port


def _judge_page(reply: Reply) -> Finding:
    expect_upstream(reply)
    if reply.status in (401, 403, 429):  # some sites let no program in
        return Finding(
            Verdict.WARNING, f"it responds with {reply.status}", "see in a browser whether the page is there"
        )
    if reply.status >= 400:
        raise Problem(f"it responds with {reply.status}", "correct the URL in the definition")
    return right(f"it responds with {reply.status}")


def _judge_service(place: Place, reply: Reply) -> Finding:
    expect_upstream(reply)
    if reply.status == 401:
        offered = reply.headers.get("www-authenticate", "").lower()
        wanted = [_SCHEMES[method] for method in place.methods if method in _SCHEMES]
        if wanted and not any(scheme in offered for scheme in wanted):
            text = f"it requires a login, but does not offer {' or '.join(place.methods)}"
            raise Problem(text, "enable that, or change the definition to what the service offers")
        return right("it requires a login")
    if reply.status < 300 and _greets(place.type, reply):
        return right(f"it responds like a {place.type} service")
    remedy = f"write the URL of the {place.type} service into the definition; it must require a login"
    raise Problem(f"it responds with {reply.status}, not like a {place.type} service", remedy)


def _greets(type_: str, reply: Reply) -> bool:
    """Tell whether a successful response is that of a service of this type."""
    if type_ in ("caldav", "carddav"):
        return reply.status == 207 or "dav" in reply.headers
    if type_ == "jmap":
        return isinstance(found := _object(reply.body), dict) and "capabilities" in found
    return type_ == "activeSync" and "ms-asprotocolversions" in reply.headers


def _object(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


async def _check_issuer(web: Web, issuer: str) -> Finding:
    """Check the metadata of an OAuth2 issuer (RFC 8414, section 3; OpenID Connect Discovery, section 4)."""
    url = issuer if issuer.startswith("https://") else f"https://{issuer}"
    (host, port), path = _host_and_port(url), urlsplit(url).path.rstrip("/")
    certificate = await web.certificate(host, port)
    origin = f"https://{urlsplit(url).netloc}"
    for one in (f"{origin}{_METADATA}{path}", f"{origin}{path}{_OPENID_METADATA}"):
        reply = await web.ask(Question(one))
        expect_upstream(reply)
        found = _object(reply.body) if reply.status == 200 else None
        if not isinstance(found, dict):
            continue
        named = str(found.get("issuer", ""))
        if named.rstrip("/") != url.rstrip("/"):
            remedy = "write the issuer into the definition as its metadata has it; clients compare them (RFC 8414)"
            raise Problem(f"its metadata names the issuer {named or 'of no name'}", remedy)
        if missing := [name for name in ("authorization_endpoint", "token_endpoint") if not found.get(name)]:
            raise Problem(
                f"its metadata has no {' and no '.join(missing)}", "complete the issuer's metadata (RFC 8414)"
            )
        return certificate if certificate.verdict is Verdict.WARNING else right("its metadata names it")
    raise Problem("it has no metadata (RFC 8414)", f"publish {origin}{_METADATA}{path}, or correct the issuer")
