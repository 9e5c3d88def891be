"""The checks of services, web pages and the OAuth2 issuer."""

import asyncio
import datetime
import json
from pathlib import Path

import pytest
import trustme

from autoconfig.address import MailAddress
from autoconfig.definition import load
from autoconfig.operations import services
from autoconfig.operations.attempts import Attempts
from autoconfig.operations.names import Names
from autoconfig.operations.report import Finding, Verdict, attempted, ok
from autoconfig.operations.services import Resource
from autoconfig.operations.web import Web
from tests.operations.hosts import Handler, listening, resolver, send, tls_for, web
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
        (300, {"DAV": "1"}, "responds with 300, not like a caldav service"),
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
    assert found.remedy(subject) == "redirect to https only: clients send passwords here"


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


def found(resource: Resource, authority: trustme.CA, response: bytes | Handler) -> Finding:
    """Return the finding on a resource at DAV that sends this response."""

    async def check(address: str, port: int) -> Finding:
        made = Web(Names(address, 5), Attempts(5), ports={"https": port})
        return await attempted(services.check, made, resource)

    handle = web(response) if isinstance(response, bytes) else response
    tls = tls_for(authority.issue_cert(DAV))
    with resolver({(DAV, "A"): ["127.0.0.1"]}) as address, listening(handle, tls) as port:
        return asyncio.run(check(address, port))


def ok_with(body: bytes, header: bytes = b"") -> bytes:
    return b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n%b" % (header, len(body), body)


@pytest.mark.parametrize(
    ("type_", "request_line", "depth"),
    [
        ("caldav", "PROPFIND /x?a=b HTTP/1.1", "0"),
        ("carddav", "PROPFIND /x?a=b HTTP/1.1", "0"),
        ("jmap", "GET /x?a=b HTTP/1.1", None),
        ("ews", "GET /x?a=b HTTP/1.1", None),
        ("activeSync", "OPTIONS /x?a=b HTTP/1.1", None),
        ("other", "GET /x?a=b HTTP/1.1", None),
        (services.PAGE, "GET /x?a=b HTTP/1.1", None),
    ],
)
def test_a_service_gets_the_first_request_of_its_clients(
    authority: trustme.CA, type_: str, request_line: str, depth: str | None
) -> None:
    heads: list[str] = []

    async def handle(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode())

    found(Resource(type_, f"https://{DAV}/x?a=b"), authority, handle)
    (first,) = [head for head in heads if head]
    line, *fields = first.splitlines()
    headers = dict(field.lower().split(": ", 1) for field in fields if field)
    assert (line, headers.get("depth")) == (request_line, depth)


def requires_login(*schemes: str) -> bytes:
    offers = "".join(f"WWW-Authenticate: {scheme}\r\n" for scheme in schemes)
    return f"HTTP/1.1 401 Unauthorized\r\n{offers}Content-Length: 0\r\n\r\n".encode()


@pytest.mark.parametrize(
    ("method", "scheme"),
    [
        ("Basic", 'Basic realm="Mail"'),
        ("Digest", 'Digest realm="Mail"'),
        ("OAuth2", "Bearer"),
        ("NTLM", "NTLM"),
        ("GSSAPI", "Negotiate"),
    ],
)
def test_a_service_must_offer_the_http_scheme_of_one_of_the_published_methods(
    authority: trustme.CA, method: str, scheme: str
) -> None:
    resource = Resource("caldav", f"https://{DAV}/", (method, "TLS-client-cert"))
    good = found(resource, authority, requires_login("Other", scheme))
    assert (good.verdict, good.text) == (Verdict.OK, "requires a login")
    bad = found(resource, authority, requires_login("Other"))
    text = f"requires a login, but does not offer {method} or TLS-client-cert"
    assert (bad.verdict, bad.text) == (Verdict.ERROR, text)
    assert bad.remedy == "enable it, or publish the methods that the service offers"


def test_a_service_whose_published_methods_are_not_http_schemes_may_offer_any(authority: trustme.CA) -> None:
    resource = Resource("caldav", f"https://{DAV}/", ("TLS-client-cert",))
    assert found(resource, authority, requires_login("Other")).text == "requires a login"


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (299, Verdict.OK),
        (399, Verdict.OK),
        (400, Verdict.ERROR),
        (401, Verdict.WARNING),
        (403, Verdict.WARNING),
        (429, Verdict.WARNING),
        (500, Verdict.ERROR),
    ],
)
def test_a_page_that_rejects_programs_is_a_warning_and_another_error_status_an_error(
    authority: trustme.CA, status: int, verdict: Verdict
) -> None:
    response = b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status
    finding = found(Resource(services.PAGE, f"https://{DAV}/"), authority, response)
    assert (finding.verdict, finding.text) == (verdict, f"responds with {status}")
    if verdict is Verdict.WARNING:
        assert finding.remedy == "check in a browser whether the page exists"
    if verdict is Verdict.ERROR:
        assert finding.remedy == "correct the URL in the settings"


def test_a_page_over_http_needs_no_certificate() -> None:
    async def check(address: str, port: int) -> Finding:
        made = Web(Names(address, 5), Attempts(5), ports={"http": port})
        return await services.check(made, Resource(services.PAGE, f"http://{DAV}/"))

    with resolver({(DAV, "A"): ["127.0.0.1"]}) as address, listening(web(ok_with(b""))) as port:
        assert asyncio.run(check(address, port)) == ok("responds with 200")


@pytest.mark.parametrize("type_", ["caldav", services.PAGE, services.ISSUER])
def test_a_certificate_that_expires_soon_is_a_warning_although_the_resource_works(
    authority: trustme.CA, type_: str
) -> None:
    soon = datetime.datetime.now() + datetime.timedelta(days=5, hours=1)
    metadata = {"issuer": f"https://{DAV}", "authorization_endpoint": "a", "token_endpoint": "b"}

    async def check(address: str, port: int) -> Finding:
        made = Web(Names(address, 5), Attempts(5), ports={"https": port})
        return await services.check(made, Resource(type_, f"https://{DAV}"))

    tls = tls_for(authority.issue_cert(DAV, not_after=soon))
    response = web(ok_with(json.dumps(metadata).encode(), b"DAV: 1\r\n"))
    with resolver({(DAV, "A"): ["127.0.0.1"]}) as address, listening(response, tls) as port:
        finding = asyncio.run(check(address, port))
    assert (finding.verdict, finding.remedy) == (Verdict.WARNING, "renew the certificate now")


@pytest.mark.parametrize(
    ("issuer", "paths"),
    [
        (DAV, ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"]),
        (
            f"https://{DAV}/tenant/",
            ["/.well-known/oauth-authorization-server/tenant", "/tenant/.well-known/openid-configuration"],
        ),
    ],
)
def test_the_metadata_of_an_issuer_is_at_one_of_two_paths(authority: trustme.CA, issuer: str, paths: list[str]) -> None:
    """RFC 8414, section 3.1, and OpenID Connect Discovery, section 4.1, put the issuer's own path in different places."""
    url = issuer if issuer.startswith("https:") else f"https://{issuer}"
    metadata = json.dumps({"issuer": url, "authorization_endpoint": "a", "token_endpoint": "b"}).encode()
    asked: list[str] = []

    def at(path: str) -> Handler:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.append((await reader.readuntil(b"\r\n\r\n")).decode().split()[1])
            missing = b"HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n"
            await send(writer, ok_with(metadata) if asked[-1] == path else missing)

        return handle

    for number, path in enumerate(paths, 1):
        asked.clear()
        assert found(Resource(services.ISSUER, issuer), authority, at(path)).text == "the metadata is valid"
        assert asked == paths[:number]
    nothing = found(Resource(services.ISSUER, issuer), authority, at(""))
    assert (nothing.verdict, nothing.text) == (Verdict.ERROR, "has no metadata (RFC 8414)")
    assert nothing.remedy == f"publish https://{DAV}{paths[0]}, or correct the issuer in the settings"


@pytest.mark.parametrize(
    ("missing", "text"),
    [
        ("authorization_endpoint", "the metadata has no authorization_endpoint"),
        ("token_endpoint", "the metadata has no token_endpoint"),
    ],
)
def test_metadata_without_an_endpoint_is_an_error(authority: trustme.CA, missing: str, text: str) -> None:
    metadata = {"issuer": f"https://{DAV}", "authorization_endpoint": "a", "token_endpoint": "b"}
    del metadata[missing]
    finding = found(Resource(services.ISSUER, DAV), authority, ok_with(json.dumps(metadata).encode()))
    assert (finding.verdict, finding.text) == (Verdict.ERROR, text)
    assert finding.remedy == "complete the issuer's metadata (RFC 8414)"


@pytest.mark.parametrize("response", [b"HTTP/1.1 502 X\r\nContent-Length: 0\r\n\r\n", ok_with(b"")])
def test_an_issuer_or_a_service_behind_a_proxy_without_an_upstream_is_named(
    authority: trustme.CA, response: bytes
) -> None:
    down = b"502" in response
    for type_ in (services.ISSUER, services.PAGE, "caldav"):
        text = found(Resource(type_, f"https://{DAV}/"), authority, response).text
        assert text.startswith("responds with 502: the reverse proxy gets no response") is down


def test_the_resources_of_a_definition_are_its_services_pages_and_issuer_each_once() -> None:
    text = SERVICE.format(section="calendar", type="caldav", url="https://dav.example/%EMAILLOCALPART%/")
    page = '<documentation url="https://example.com/help"><descr lang="en">Help</descr></documentation>'
    pages = '<webMail><loginPage url="https://mail.%EMAILDOMAIN%/"/></webMail>'
    content = DEFINITION.format(imap=993, smtp=465)
    content = content.replace("</emailProvider>", f"{page}{page}</emailProvider>")
    content = content.replace("</clientConfig>", f"{text}{text}{pages}{OAUTH2}</clientConfig>")
    definition = load(Path("example.xml"), content.encode())
    assert services.resources(definition, MailAddress("fred", DOMAIN)) == [
        Resource("caldav", "https://dav.example/fred/", ("Basic",)),
        Resource(services.PAGE, "https://mail.example.com/"),
        Resource(services.PAGE, "https://example.com/help"),
        Resource(services.ISSUER, LOGIN),
    ]


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
        assert finding.remedy == f"put the URL of the {type_} service in the settings; it must require a login"


@pytest.mark.parametrize(
    "url",
    [
        "https://[",
        f"https://{DAV}:99999/",
        f"https://{DAV}:0/",
        f"ftp://{DAV}/",
        "https://192.0.2.1/",
        "https:///x",
        "x",
    ],
)
def test_a_url_of_a_provider_that_is_not_a_web_address_is_an_error(authority: trustme.CA, url: str) -> None:
    finding = found(Resource(services.PAGE, url), authority, ok_with(b""))
    assert (finding.verdict, finding.text) == (Verdict.ERROR, "this is not a web address")
    assert finding.remedy == "put a URL such as https://dav.example.com/ in the settings"
