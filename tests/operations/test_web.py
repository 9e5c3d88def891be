"""Requests and certificates at the addresses of a host."""

import asyncio
import datetime
import ssl
import warnings

import pytest
import trustme

from autoconfig.operations.attempts import Attempts
from autoconfig.operations.http import Request, Response
from autoconfig.operations.names import Names
from autoconfig.operations.report import Finding, Problem, Verdict, attempted
from autoconfig.operations.web import Web, redirected
from tests.operations.hosts import listening, resolver, tls_for, web

HOST = "autoconfig.example.com"
COMMON = [f"Host: {HOST}", "User-Agent: bt-autoconfig test", "Accept-Encoding: identity", "Connection: close"]


def test_a_certificate_that_expires_in_less_than_two_weeks_is_a_warning(authority: trustme.CA) -> None:
    """It should have been renewed; the server's versions of TLS do not matter then."""
    end = datetime.datetime.now() + datetime.timedelta(days=5, hours=1)
    certificate = authority.issue_cert(HOST, not_after=end)

    async def check(address: str, port: int) -> Finding:
        return await Web(Names(address, 5), Attempts(5), ports={"https": port}).certificate(HOST)

    with resolver({(HOST, "A"): ["127.0.0.1"]}) as address, listening(web(), tls_for(certificate)) as port:
        found = asyncio.run(check(address, port))
    text = "certificate valid for 5 more days at 127.0.0.1"
    assert found == Finding(Verdict.WARNING, text, "renew the certificate now")


def test_a_handshake_that_fails_is_tried_again_once_after_a_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server may be getting a certificate on demand (Caddy)."""
    connections = 0
    waits: list[float] = []

    async def handle(*_: object) -> None:
        nonlocal connections
        connections += 1

    async def wait(seconds: float) -> None:
        waits.append(seconds)

    async def check(address: str, port: int) -> Finding:
        made = Web(Names(address, 5), Attempts(5), ports={"https": port}, retry_after=7)
        return await attempted(made.certificate, HOST)

    with (
        resolver({(HOST, "A"): ["127.0.0.1"]}) as address,
        listening(handle) as port,
        monkeypatch.context() as patched,
    ):
        patched.setattr(asyncio, "sleep", wait)
        found = asyncio.run(check(address, port))
    assert found.text == "the server closes the connection during the TLS handshake"
    assert (connections, waits) == (2, [7])


@pytest.mark.parametrize("old", [True, False])
def test_a_server_that_accepts_old_versions_of_tls_gets_a_warning(authority: trustme.CA, old: bool) -> None:
    """RFC 8996 forbids them."""
    context = tls_for(authority.issue_cert(HOST))
    if old:
        context.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = ssl.TLSVersion.TLSv1

    async def check(address: str, port: int) -> tuple[Finding, str | None]:
        made = Web(Names(address, 5), Attempts(5), ports={"https": port})
        return await made.certificate(HOST), made.issuer(HOST)

    with resolver({(HOST, "A"): ["127.0.0.1"]}) as address, listening(web(), context) as port:
        found, issuer = asyncio.run(check(address, port))
    text, remedy = "127.0.0.1: the server also accepts TLS 1.1 or older", "allow only TLS 1.2 and 1.3 (RFC 8996)"
    assert (found == Finding(Verdict.WARNING, text, remedy)) is old
    assert found.text.startswith("certificate valid for ") is not old
    assert str(issuer).startswith("trustme ")


def test_a_request_goes_to_the_next_address_if_nothing_listens_at_the_first() -> None:
    async def fetch(address: str, port: int) -> bytes:
        return (await Web(Names(address, 5), Attempts(5), ports={"http": port}).fetch(Request(f"http://{HOST}/"))).body

    server = web(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
    with resolver({(HOST, "A"): ["127.0.0.9", "127.0.0.1"]}) as address, listening(server) as port:
        assert asyncio.run(fetch(address, port)) == b"hi"


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("http://[2001:DB8:0::1]:8080/x", "http://[2001:db8::1]:8080/x"),
        ("//[::1]/x", "https://[::1]/x"),
    ],
)
def test_a_redirect_to_an_ipv6_address_keeps_its_brackets(location: str, target: str) -> None:
    assert redirected(f"https://{HOST}/", location) == target


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/x", f"https://{HOST}/x"),
        ("b?c=d", f"https://{HOST}/a/b?c=d"),
        ("http://EXAMPLE.com", "http://example.com/"),
        ("http://example.com:80/", "http://example.com/"),
        ("https://example.com:443/", "https://example.com/"),
        ("http://example.com:443/", "http://example.com:443/"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
        ("/a%20b:c@d;e=f,g+h!i$j&k'l(m)n*o~p?q=/?r", f"https://{HOST}/a%20b:c@d;e=f,g+h!i$j&k'l(m)n*o~p?q=/?r"),
        ("/a b\x80?\xff", f"https://{HOST}/a%20b%80?%FF"),
    ],
)
def test_the_target_of_a_redirect_is_an_absolute_url_in_ascii(location: str, target: str) -> None:
    assert redirected(f"https://{HOST}/a/", location) == target


@pytest.mark.parametrize("location", ["ftp://example.com/", "mailto:a@example.com", "https:///x", "https://a_b:x/", ""])
def test_a_redirect_to_anything_but_a_web_address_is_an_error(location: str) -> None:
    with pytest.raises(Problem, match=r"which is not a web address$") as raised:
        redirected("mailto:a@example.com", location)
    assert raised.value.finding.text.startswith(f"redirects to {location}")
    assert raised.value.finding.remedy == "correct the redirect, or see which server responds there"


def test_a_long_location_is_quoted_in_part() -> None:
    with pytest.raises(Problem) as raised:
        redirected(f"https://{HOST}/", "x:" + "a" * 500)
    assert raised.value.finding.text == f"redirects to x:{'a' * 197}…, which is not a web address"


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


class Site:
    """A web server that remembers the requests, and sends `responses` in turn, then the last one again."""

    def __init__(self, *responses: bytes) -> None:
        self.heads: list[list[str]] = []
        self._responses = list(responses)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2])
        if not self._responses:
            await reader.read()  # until the client disconnects
        else:
            writer.write(self._responses.pop(0) if len(self._responses) > 1 else self._responses[0])
            await writer.drain()

    def fetch(self, *requests: Request, at: bool = False, timeout: float = 5) -> list[Response | Finding]:
        """Return what the requests to this server return, one after the other."""

        async def fetch(address: str, port: int) -> list[Response | Finding]:
            url = f"http://127.0.0.1:{port}" if at else None
            made = Web(Names(address, 5), Attempts(timeout), url, ports={"http": port}, command="test")
            return [await attempted(made.fetch, one) for one in requests]

        with resolver({(HOST, "A"): ["127.0.0.1"]}) as address, listening(self.handle) as port:
            return asyncio.run(fetch(address, port))


@pytest.mark.parametrize(
    ("request_", "at", "head"),
    [
        (Request(f"http://{HOST}"), False, ["GET / HTTP/1.1", *COMMON]),
        (
            Request(f"http://{HOST}/a?b", headers=(("Depth", "0"),), method="PROPFIND"),
            False,
            ["PROPFIND /a?b HTTP/1.1", *COMMON, "Depth: 0"],
        ),
        (
            Request(f"http://{HOST}/", b"<a/>"),
            False,
            ["POST / HTTP/1.1", *COMMON, "Content-Type: text/xml", "Content-Length: 4"],
        ),
        (
            Request(f"https://{HOST}/"),
            True,
            ["GET / HTTP/1.1", *COMMON[:2], "X-Forwarded-Proto: https", *COMMON[2:]],
        ),
    ],
)
def test_a_request_names_the_program_and_accepts_no_compression(request_: Request, at: bool, head: list[str]) -> None:
    site = Site(OK)
    site.fetch(request_, at=at)
    assert site.heads == [head]


@pytest.mark.parametrize("at", [True, False])
def test_a_request_goes_to_the_port_in_its_url_unless_all_go_to_one_server(at: bool) -> None:
    async def fetch(address: str, port: int) -> int:
        url = f"http://127.0.0.1:{port}" if at else None
        made = Web(Names(address, 5), Attempts(5), url, ports={"http": 1})
        return (await made.fetch(Request(f"http://{HOST}:{1 if at else port}/"))).status

    with resolver({(HOST, "A"): ["127.0.0.1"]}) as address, listening(Site(OK).handle) as port:
        assert asyncio.run(fetch(address, port)) == 200


def redirect(location: str, status: int = 302) -> bytes:
    return f"HTTP/1.1 {status} X\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()


@pytest.mark.parametrize(("redirects", "followed"), [(5, True), (6, False)])
def test_at_most_five_redirects_are_followed(redirects: int, followed: bool) -> None:
    site = Site(*(redirect(f"/{number}") for number in range(redirects)), OK)
    (found,) = site.fetch(Request(f"http://{HOST}/"))
    if followed:
        assert isinstance(found, Response)
        assert (found.status, found.redirects) == (200, (302,) * 5)
        assert found.urls == tuple(f"http://{HOST}/{path}" for path in ("", *range(5)))
    else:
        text, remedy = "redirects in a loop", "correct the redirects of the web server"
        assert found == Finding(Verdict.ERROR, text, remedy)


def test_a_redirect_over_https_to_the_same_url_is_the_reverse_proxys_fault() -> None:
    (found,) = Site(redirect("/")).fetch(Request(f"https://{HOST}/"), at=True)
    remedy = (
        "let the reverse proxy set X-Forwarded-Proto to https, and add its address to --trusted-proxies: "
        "bt-autoconfig takes the request for one over http"
    )
    assert found == Finding(Verdict.ERROR, "redirects to itself", remedy)


def test_a_redirect_over_http_to_the_same_url_is_not_the_reverse_proxys_fault() -> None:
    (found,) = Site(redirect("/")).fetch(Request(f"http://{HOST}/"))
    assert found == Finding(Verdict.ERROR, "redirects in a loop", "correct the redirects of the web server")


@pytest.mark.parametrize(
    ("status", "body"), [(300, b""), (301, b"hi"), (302, b"hi"), (303, b"hi"), (304, b""), (307, b"hi"), (308, b"hi")]
)
def test_the_redirects_that_clients_follow_are_followed(status: int, body: bytes) -> None:
    (found,) = Site(redirect("/x", status), OK).fetch(Request(f"http://{HOST}/"))
    assert isinstance(found, Response)
    assert found.body == body


def test_a_redirect_without_a_location_is_the_response() -> None:
    (found,) = Site(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n").fetch(Request(f"http://{HOST}/"))
    assert isinstance(found, Response)
    assert found.status == 302


def test_a_host_that_hangs_costs_one_timeout() -> None:
    first, second = Site().fetch(Request(f"http://{HOST}/a"), Request(f"http://{HOST}/b"), timeout=0.1)
    remedy = "start the web server, and open its port in firewalls"
    assert first == Finding(Verdict.ERROR, "127.0.0.1 does not respond within 0.1 seconds", remedy)
    assert second == Finding(Verdict.SKIPPED, f"{HOST} does not respond")


def test_once_a_host_has_responded_the_requests_to_it_are_concurrent() -> None:
    waiting: list[str] = []
    together = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        waiting.append((await reader.readuntil(b"\r\n\r\n")).decode().split()[1])
        if len(waiting) == 3:
            together.set()
        if len(waiting) > 1:
            await together.wait()
        writer.write(OK)
        await writer.drain()

    async def fetch(address: str, port: int) -> None:
        made = Web(Names(address, 5), Attempts(5), ports={"http": port})
        await made.fetch(Request(f"http://{HOST}/a"))
        await asyncio.gather(*(made.fetch(Request(f"http://{HOST}/{path}")) for path in "bc"))

    with resolver({(HOST, "A"): ["127.0.0.1"]}) as address, listening(handle) as port:
        asyncio.run(fetch(address, port))
    assert sorted(waiting) == ["/a", "/b", "/c"]


def test_a_response_is_requested_once_until_the_cache_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest response is dropped."""
    monkeypatch.setattr("autoconfig.operations.web._MAX_CACHED", 2 * len("content-length" + "2" + "hi"))
    a, b, c = (Request(f"http://{HOST}/{path}") for path in "abc")
    site = Site(OK)
    site.fetch(a, a, b, a, c, c, b, a)
    assert [head[0].split()[1] for head in site.heads] == ["/a", "/b", "/c", "/a"]
