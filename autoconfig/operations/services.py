"""Checks of the other resources in a definition: calendars, address books, JMAP, Exchange, web pages and OAuth2."""

import json
from typing import NamedTuple
from urllib.parse import urlsplit

from autoconfig.address import MailAddress
from autoconfig.definition import Definition
from autoconfig.operations.dns import hostname
from autoconfig.operations.expectations import expect_upstream
from autoconfig.operations.http import Request, Response
from autoconfig.operations.report import Finding, Problem, Verdict, ok
from autoconfig.operations.web import Web
from autoconfig.templates import placeholder_values

PAGE = "page"
ISSUER = "OAuth2 issuer"

_METADATA = "/.well-known/oauth-authorization-server"
_OPENID_METADATA = "/.well-known/openid-configuration"
_SCHEMES = {"Basic": "basic", "Digest": "digest", "OAuth2": "bearer", "NTLM": "ntlm", "GSSAPI": "negotiate"}
"""HTTP authentication schemes (IANA's registry, in lower case) by the methods in definitions."""
_REQUESTS = {
    "caldav": ("PROPFIND", (("Depth", "0"),)),
    "carddav": ("PROPFIND", (("Depth", "0"),)),
    "activeSync": ("OPTIONS", ()),
}
"""The method and headers of the first request that clients send, without credentials, if it is not a plain GET."""


class Resource(NamedTuple):
    """A resource at a URL. `type` is a service type, PAGE or ISSUER; `methods` are the definition's login methods."""

    type: str
    url: str
    methods: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.type} {self.url}"


def resources(definition: Definition, address: MailAddress) -> list[Resource]:
    """Return the resources in a definition, in its order and each once, with placeholders filled for an address."""
    values = placeholder_values(address, address.domain)
    found = [Resource(one.type, _filled(one.url, values), one.authentication) for one in definition.services]
    pages = [*definition.root.iterfind("webMail/loginPage"), *definition.root.iterfind("emailProvider/documentation")]
    found += [Resource(PAGE, _filled(page.get("url", ""), values)) for page in pages]
    if definition.issuer:
        found.append(Resource(ISSUER, definition.issuer))
    return list(dict.fromkeys(one for one in found if one.url))


def _filled(url: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        url = url.replace(f"%{name}%", value)
    return url


async def check(web: Web, resource: Resource) -> Finding:
    """Check a resource: the certificate, and whether the response is what clients expect. Raises Problem."""
    if resource.type == ISSUER:
        return await _check_issuer(web, resource.url)
    host, port = _host_and_port(resource.url)
    certificate = await web.certificate(host, port) if resource.url.startswith("https:") else None
    method, headers = _REQUESTS.get(resource.type, ("GET", ()))
    response = await web.fetch(Request(resource.url, method=method, headers=headers))
    finding = _judge_page(response) if resource.type == PAGE else _judge_service(resource, response)
    if resource.type != PAGE and response.used_http:
        remedy = "redirect to https only: clients send passwords here"
        raise Problem("redirects over http", remedy)
    return certificate if certificate and certificate.verdict is Verdict.WARNING else finding


def _host_and_port(url: str) -> tuple[str, int | None]:
    """Return the host of a URL, and its port if it has one. Raises Problem if it is not a web address."""
    try:
        parts = urlsplit(url)
        host, port = hostname(parts.hostname or ""), parts.port
    except ValueError:
        host, port = "", None
    if not host or port == 0 or parts.scheme not in ("http", "https"):
        raise Problem("this is not a web address", "put a URL such as https://dav.example.com/ in the settings")
    return host, port


def _judge_page(response: Response) -> Finding:
    expect_upstream(response)
    if response.status in (401, 403, 429):  # some sites reject programs
        remedy = "check in a browser whether the page exists"
        return Finding(Verdict.WARNING, f"responds with {response.status}", remedy)
    if response.status >= 400:
        raise Problem(f"responds with {response.status}", "correct the URL in the settings")
    return ok(f"responds with {response.status}")


def _judge_service(resource: Resource, response: Response) -> Finding:
    expect_upstream(response)
    if response.status == 401:
        offered = response.headers.get("www-authenticate", "").lower()
        wanted = [_SCHEMES[method] for method in resource.methods if method in _SCHEMES]
        if wanted and not any(scheme in offered for scheme in wanted):
            text = f"requires a login, but does not offer {' or '.join(resource.methods)}"
            raise Problem(text, "enable it, or publish the methods that the service offers")
        return ok("requires a login")
    if response.status < 300 and _is_service(resource.type, response):
        return ok(f"responds like a {resource.type} service")
    remedy = f"put the URL of the {resource.type} service in the settings; it must require a login"
    raise Problem(f"responds with {response.status}, not like a {resource.type} service", remedy)


def _is_service(type_: str, response: Response) -> bool:
    """Return whether a successful response is from a service of this type."""
    if type_ in ("caldav", "carddav"):
        return response.status == 207 or "dav" in response.headers
    if type_ == "jmap":
        return isinstance(found := _object(response.body), dict) and "capabilities" in found
    return type_ == "activeSync" and "ms-asprotocolversions" in response.headers


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
        response = await web.fetch(Request(one))
        expect_upstream(response)
        found = _object(response.body) if response.status == 200 else None
        if not isinstance(found, dict):
            continue
        named = str(found.get("issuer", ""))
        if named.rstrip("/") != url.rstrip("/"):
            remedy = "put the issuer from the metadata in the settings: clients compare them (RFC 8414)"
            raise Problem(f"the metadata names another issuer: {named or '(none)'}", remedy)
        if missing := [name for name in ("authorization_endpoint", "token_endpoint") if not found.get(name)]:
            raise Problem(
                f"the metadata has no {' and no '.join(missing)}", "complete the issuer's metadata (RFC 8414)"
            )
        return certificate if certificate.verdict is Verdict.WARNING else ok("the metadata is valid")
    remedy = f"publish {origin}{_METADATA}{path}, or correct the issuer in the settings"
    raise Problem("has no metadata (RFC 8414)", remedy)
