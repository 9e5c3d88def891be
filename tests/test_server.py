"""Properties of every protocol: invalid input, limits, privacy."""

import asyncio
import socket

import httpx
import pytest

from autoconfig import server as server_module
from autoconfig.definition import EMBEDDED
from autoconfig.sources import Sources
from tests.support import Served

ADDRESS_PATHS = ["/mail/config-v1.1.xml", "/.well-known/autoconfig/mail/config-v1.1.xml", "/email.mobileconfig"]
SECRET = "very.secret"


@pytest.mark.parametrize("path", ADDRESS_PATHS)
@pytest.mark.parametrize(
    ("query", "text"),
    [
        (f"emailaddress={SECRET}", "emailaddress has no @"),
        (f"emailaddress=@{SECRET}", "emailaddress has nothing before the @"),
        (f"emailaddress={SECRET}%0D%0AX-Evil:1@talk21.com", "emailaddress has a control character in it"),
        (f"emailaddress={SECRET}%00@talk21.com", "emailaddress has a control character in it"),
        ("emailaddress=" + SECRET * 40 + "@talk21.com", "emailaddress is longer than 320 characters"),
        (f"emailaddress={SECRET}@talk21.com&emailaddress={SECRET}@talk21.com", "emailaddress is given twice"),
        (f"emailaddress={SECRET}@talk21.com&EmailAddress={SECRET}@talk21.com", "emailaddress is given twice"),
        (f"emailaddress={SECRET}%FF@talk21.com", "emailaddress is not UTF-8"),
        (f"emailaddress={SECRET}@%3Cscript%3E", "emailaddress has no domain name after the @"),
    ],
)
def test_an_invalid_address_gets_400_with_the_reason_and_is_not_quoted(
    http: httpx.Client, path: str, query: str, text: str
) -> None:
    response = http.get(f"{path}?{query}")
    assert (response.status_code, response.text) == (400, f"{text}\n")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"


def test_an_unknown_path_gets_404(http: httpx.Client) -> None:
    for path in (
        "/nothing",
        "/mail/config-v1.1.xml/",
        "/mail",
        "//mail/config-v1.1.xml",
        "/%00",
        "/%ff",
        "/v1.1/{domain}",
        "/xx/setup/",
    ):
        assert http.get(path).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/mail/config-v1.1.xml", {"GET", "HEAD"}),
        ("DELETE", "/mail/config-v1.1.xml", {"GET", "HEAD"}),
        ("PUT", "/Autodiscover/Autodiscover.xml", {"GET", "HEAD", "POST"}),
        ("OPTIONS", "/email.mobileconfig", {"GET", "HEAD", "POST"}),
        ("POST", "/healthz", {"GET", "HEAD"}),
    ],
)
def test_a_wrong_method_gets_405_and_the_list_of_supported_methods(
    http: httpx.Client, method: str, path: str, allowed: set[str]
) -> None:
    response = http.request(method, path)
    assert response.status_code == 405
    assert set(response.headers["allow"].split(", ")) == allowed


def test_healthz_gets_200(http: httpx.Client) -> None:
    response = http.get("/healthz")
    assert (response.status_code, response.text) == (200, "ok\n")


@pytest.mark.parametrize("path", ["/healthz", "/nothing", "/mail/config-v1.1.xml", "/email.mobileconfig"])
def test_no_response_can_be_sniffed_or_names_the_server_software(http: httpx.Client, path: str) -> None:
    headers = http.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "server" not in headers


def test_a_forged_host_is_in_no_response(http: httpx.Client) -> None:
    forged = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    for path in ("/", "/mail/", "/autodiscover/autodiscover.xml/", "/mail/config-v1.1.xml", "/email.mobileconfig"):
        response = http.get(path, headers=forged)
        assert "evil" not in response.text
        assert "evil" not in str(response.headers)


def converse(server: Served, request: bytes) -> bytes:
    """Send bytes; return everything that arrives before the server closes the connection."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(request)
        response = b""
        while received := connection.recv(65536):
            response += received
        return response


@pytest.mark.parametrize("path", [b"/autodiscover/autodiscover.xml", b"/email.mobileconfig", b"/nothing", b"/healthz"])
@pytest.mark.parametrize("method", [b"POST", b"GET"])
def test_a_body_announced_as_too_large_is_not_read(server: Served, method: bytes, path: bytes) -> None:
    head = b"%b %b HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n" % (method, path)
    response = converse(server, head)
    assert response.startswith(b"HTTP/1.1 413 ")
    assert b"\r\nconnection: close\r\n" in response
    assert response.endswith(b"\r\n\r\nthe body is larger than 65536 bytes\n")


def test_a_chunked_body_that_is_too_large_gets_413(server: Served) -> None:
    head = b"POST /autodiscover/autodiscover.xml HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    response = converse(server, head + b"10001\r\n" + b"a" * 65537)
    assert response.startswith(b"HTTP/1.1 413 ")
    assert b"\r\nconnection: close\r\n" in response


def test_a_body_of_64_kib_is_read(server: Served) -> None:
    response = server.http.post("/autodiscover/autodiscover.xml", content=b"a" * 65536)
    assert (response.status_code, b"<ErrorCode>600" in response.content) == (200, True)


def test_the_body_of_a_get_request_is_ignored(server: Served) -> None:
    response = server.http.request("GET", "/mail/config-v1.1.xml", content=b"a" * 1000)
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"\x00\x01\x02", b"400"),
        (b"GET / HTTP/9.9", b"505"),
        (b"GET /\xff HTTP/1.1", b"400"),
        (b"get / http/1.1", b"400"),
        (b"GET  HTTP/1.1", b"400"),
    ],
)
def test_malformed_http_gets_an_error(server: Served, request_line: bytes, status: bytes) -> None:
    response = converse(server, request_line + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert response.startswith(b"HTTP/1.1 %b " % status)


def test_a_failure_is_logged_by_kind_and_place_without_the_request(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError(f"about {SECRET}@talk21.com")

    monkeypatch.setattr("autoconfig.protocols.mobileconfig._Profiles.render", fail)
    transport = httpx.ASGITransport(server_module.application(Sources((EMBEDDED,)).read().load()))

    async def send() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return await client.get(f"/email.mobileconfig?emailaddress={SECRET}@talk21.com")

    response = asyncio.run(send())
    assert response.status_code == 500
    assert SECRET not in response.text
    assert "RuntimeError at " in caplog.text
    assert SECRET not in caplog.text


def test_no_address_query_or_password_is_logged(server: Served) -> None:
    """Send every request with a recognisable text, and look for it in everything that the server has printed."""
    headers = {"Authorization": f"Basic {SECRET}", "Cookie": SECRET, "Referer": SECRET}
    for path in (*ADDRESS_PATHS, "/autodiscover/autodiscover.xml", f"/{SECRET}"):
        for address in (f"{SECRET}@talk21.com", f"{SECRET}@example.org", f"{SECRET}\n@talk21.com", SECRET):
            server.http.get(path, params={"emailaddress": address, "name": SECRET}, headers=headers)
            server.http.post(path, data={"emailaddress": address, "name": SECRET}, headers=headers)
    converse(server, b"GET /%b\x00 HTTP/1.1\r\n\r\n" % SECRET.encode())
    assert SECRET not in server.printed()
    assert "fred" not in server.printed()
