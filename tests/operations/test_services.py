"""The checks of services, web pages and the OAuth2 issuer."""

import asyncio
import json

import pytest
import trustme

from autoconfig.operations import services
from autoconfig.operations.attempts import Attempts
from autoconfig.operations.names import Names
from autoconfig.operations.report import Finding, Verdict, attempted
from autoconfig.operations.services import Resource
from autoconfig.operations.web import Web
from tests.operations.hosts import listening, resolver, tls_for, web
from tests.operations.world import DEFINITION, DOMAIN, FIRST, CheckResult, Request, Response, World

DAV, LOGIN = f"dav.{DOMAIN}", f"login.{DOMAIN}"
SERVICE = """<{section} type="{type}"><url>{url}</url>
<authentication system="http">Basic</authentication><username>%EMAILADDRESS%</username></{section}>"""
METADATA = {"issuer": f"https://{LOGIN}", "authorization_endpoint": "a", "token_endpoint": "b"}


def checked(
    world: World, more: str, status: int = 200, body: bytes = b"", headers: dict[str, str] | None = None
) -> CheckResult:
    """Check a provider whose definition has `more`. The hosts DAV and LOGIN send this response."""
    world.definition_text = DEFINITION.replace("</clientConfig>", f"{more}</clientConfig>")
    for host in (DAV, LOGIN):
        world.records[host, "A"] = [FIRST]

    def answer(request: Request) -> Response | None:
        if request.host not in (DAV, LOGIN):
            return None
        return status, headers or {}, body

    world.respond.append(answer)
    return world.check()


def service(type_: str, path: str = "/") -> tuple[str, str]:
    """Return a section of a definition, and the subject of its line."""
    section = {"caldav": "calendar", "carddav": "addressbook"}.get(type_, "incomingServer")
    url = f"https://{DAV}{path}"
    text = SERVICE.format(section=section, type=type_, url=url)
    return text, f"{type_} {url}"


@pytest.mark.parametrize("type_", ["caldav", "carddav"])
def test_a_service_that_requires_the_published_login_is_ok(world: World, type_: str) -> None:
    text, subject = service(type_)
    found = checked(world, text, 401, headers={"WWW-Authenticate": 'Basic realm="x"'})
    assert found.text(subject) == "requires a login"
    (request,) = [one for one in world.requests if one.host == DAV]
    assert (request.method, request.headers["depth"]) == ("PROPFIND", "0")
    assert "authorization" not in request.headers


@pytest.mark.parametrize(
    ("status", "headers", "text"),
    [
        (401, {"WWW-Authenticate": "Negotiate"}, "requires a login, but does not offer Basic"),
        (404, {}, "responds with 404, not like a caldav service"),
        (200, {}, "responds with 200, not like a caldav service"),
        (502, {}, "responds with 502: the reverse proxy gets no response from its upstream"),
    ],
)
def test_a_service_with_an_unexpected_response_is_an_error(
    world: World, status: int, headers: dict[str, str], text: str
) -> None:
    section, subject = service("caldav")
    found = checked(world, section, status, headers=headers)
    assert found.of(Verdict.ERROR)[subject] == text
    assert found.remedy(subject)


@pytest.mark.parametrize(("status", "headers"), [(207, {}), (200, {"DAV": "1, calendar-access"})])
def test_a_service_that_responds_without_a_login_as_its_protocol_does_is_ok(
    world: World, status: int, headers: dict[str, str]
) -> None:
    section, subject = service("caldav")
    assert checked(world, section, status, headers=headers).text(subject) == "responds like a caldav service"


def test_a_service_that_redirects_over_http_is_an_error(world: World) -> None:
    section, subject = service("caldav")

    def answer(request: Request) -> Response | None:
        if request.host != DAV or request.scheme == "http":
            return None
        return 302, {"Location": f"http://{DAV}/x"}, b""

    world.respond.append(answer)
    found = checked(world, section, 401, headers={"WWW-Authenticate": "Basic"})
    assert found.of(Verdict.ERROR)[subject] == "redirects over http"


def test_a_service_with_a_certificate_for_another_name_is_an_error(world: World) -> None:
    section, subject = service("carddav")
    world.issued[DAV] = world.authority.issue_cert("a.example")
    assert checked(world, section).of(Verdict.ERROR)[subject] == f"the certificate is not for {DAV}"


PAGE = f'<webMail><loginPage url="https://{LOGIN}/mail"/></webMail>'


@pytest.mark.parametrize(
    ("status", "verdict"), [(200, Verdict.OK), (404, Verdict.ERROR), (403, Verdict.WARNING), (503, Verdict.ERROR)]
)
def test_a_page_must_exist(world: World, status: int, verdict: Verdict) -> None:
    found = checked(world, PAGE, status)
    finding = found.line(f"page https://{LOGIN}/mail").finding
    assert finding
    assert finding.verdict is verdict
    assert finding.text.startswith(f"responds with {status}")


OAUTH2 = f"""<oAuth2><issuer>{LOGIN}</issuer><scope>mail</scope><authURL>https://{LOGIN}/a</authURL>
<tokenURL>https://{LOGIN}/t</tokenURL></oAuth2>"""


@pytest.mark.parametrize(
    ("metadata", "text"),
    [
        (METADATA, "the metadata is valid"),
        (METADATA | {"issuer": "https://other.example"}, "the metadata names another issuer: https://other.example"),
        ({"issuer": f"https://{LOGIN}/"}, "the metadata has no authorization_endpoint and no token_endpoint"),
        ([], "has no metadata (RFC 8414)"),
        ({}, "the metadata names another issuer: (none)"),
    ],
)
def test_the_metadata_must_name_its_issuer(world: World, metadata: object, text: str) -> None:
    found = checked(world, OAUTH2, 200, json.dumps(metadata).encode())
    assert found.text(f"OAuth2 issuer {LOGIN}") == text
    assert (text in found.of(Verdict.ERROR).values()) is (metadata != METADATA)


def found(resource: Resource, authority: trustme.CA, response: bytes) -> Finding:
    """Return the finding on a resource at DAV that sends this response."""

    async def check(address: str, port: int) -> Finding:
        made = Web(Names(address, 5), Attempts(5), ports={"https": port})
        return await attempted(services.check, made, resource)

    tls = tls_for(authority.issue_cert(DAV))
    with resolver({(DAV, "A"): ["127.0.0.1"]}) as address, listening(web(response), tls) as port:
        return asyncio.run(check(address, port))


def ok_with(body: bytes, header: bytes = b"") -> bytes:
    return b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n%b" % (header, len(body), body)


@pytest.mark.parametrize(
    ("type_", "response", "good"),
    [
        ("jmap", ok_with(b'{"capabilities": {}}'), True),
        ("jmap", ok_with(b'{"error": "unknown"}'), False),
        ("jmap", ok_with(b"[]"), False),
        ("jmap", ok_with(b"<h1>Welcome</h1>"), False),
        ("activeSync", ok_with(b"", b"MS-ASProtocolVersions: 16.1\r\n"), True),
        ("activeSync", ok_with(b""), False),
        ("ews", ok_with(b"", b"MS-ASProtocolVersions: 16.1\r\n"), False),
    ],
)
def test_a_service_without_a_login_must_respond_as_its_protocol_does(
    authority: trustme.CA, type_: str, response: bytes, good: bool
) -> None:
    finding = found(Resource(type_, f"https://{DAV}/"), authority, response)
    if good:
        assert (finding.verdict, finding.text) == (Verdict.OK, f"responds like a {type_} service")
    else:
        text = f"responds with 200, not like a {type_} service"
        assert (finding.verdict, finding.text) == (Verdict.ERROR, text)


@pytest.mark.parametrize(
    "url", ["https://[", f"https://{DAV}:99999/", f"https://{DAV}:0/", f"ftp://{DAV}/", "https://192.0.2.1/", "x"]
)
def test_a_url_of_a_provider_that_is_not_a_web_address_is_an_error(authority: trustme.CA, url: str) -> None:
    finding = found(Resource(services.PAGE, url), authority, ok_with(b""))
    assert (finding.verdict, finding.text) == (Verdict.ERROR, "this is not a web address")
    assert finding.remedy
