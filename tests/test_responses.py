import httpx
import pytest

from autoconfig.responses import Response, ResponseKind, StaticResponse, plain_text
from tests.protocols.test_autodiscover import request

XML = [
    ("GET", "/mail/config-v1.1.xml", b""),
    ("GET", "/mail/config-v1.1.xml?emailaddress=fred@btinternet.com", b""),
    ("GET", "/.well-known/autoconfig/mail/config-v1.1.xml", b""),
    ("GET", "/v1.1/btinternet.com", b""),
    ("GET", "/autodiscover/autodiscover.xml", b""),
    ("POST", "/autodiscover/autodiscover.xml", request()),
    ("POST", "/autodiscover/autodiscover.xml", b"no XML"),
]


@pytest.mark.parametrize(("method", "path", "body"), XML)
def test_browsers_run_nothing_in_an_xml_response(http: httpx.Client, method: str, path: str, body: bytes) -> None:
    response = http.request(method, path, content=body)
    assert response.headers["content-type"] == "text/xml; charset=utf-8"
    assert response.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert response.headers["x-content-type-options"] == "nosniff"


def test_a_response_is_the_same_as_asgi_messages_and_as_http() -> None:
    response = Response(ResponseKind("text/plain", {"Cache-Control": "no-store"}, 404), b"body")
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"x-content-type-options", b"nosniff"),
        (b"cache-control", b"no-store"),
    ]
    assert response.messages() == (
        {"type": "http.response.start", "status": 404, "headers": [*headers, (b"content-length", b"4")]},
        {"type": "http.response.body", "body": b"body"},
    )
    lines = b"".join(b"%b: %b\r\n" % header for header in headers) + b"content-length: 4\r\n"
    assert response.kind.status_line == b"HTTP/1.1 404 Not Found\r\n"
    assert response.header_lines() == lines
    assert response.after_date() == lines + b"\r\nbody"


@pytest.mark.parametrize(
    ("status", "refusal", "refused"), [(200, False, False), (200, True, True), (399, True, True), (400, False, True)]
)
def test_a_response_is_a_refusal_by_its_status_or_its_kind(status: int, refusal: bool, refused: bool) -> None:
    kind = ResponseKind("text/plain", {}, refusal=refusal)
    kind.status = status
    assert Response(kind, b"").refused is refused


@pytest.mark.parametrize(
    ("headers", "closes"), [({"Connection": "close"}, True), ({"Connection": "x"}, False), ({}, False)]
)
def test_connection_close_is_recognised(headers: dict[str, str], closes: bool) -> None:
    assert ResponseKind("text/plain", headers).closes is closes


def test_a_matching_etag_gets_304() -> None:
    response = StaticResponse(b"body", "application/x", {"Cache-Control": "max-age=1"})
    etag = dict(response.kind.headers)[b"etag"]
    assert etag == b'"230d8358dc8e8890b4c58deeb62912ee"'  # of the SHA-256 digest of the body
    for known in (etag, b"*", b'W/"x", W/' + etag):
        short = response.for_client_with(known)
        assert (short.status, short.body) == (304, b"")
        assert short.messages()[0]["headers"] == [(b"etag", etag), (b"cache-control", b"max-age=1")]
        assert short.header_lines() == b"etag: %b\r\ncache-control: max-age=1\r\n" % etag
        assert short.after_date() == short.header_lines() + b"\r\n"
    for other in (b"", b'"x"', b"**", etag[:-1]):
        assert response.for_client_with(other) is response
    assert response.after_date() == response.header_lines() + b"\r\nbody"
    assert Response(response.kind, b"").for_client_with(b"*").status == 200


def test_an_error_is_plain_text_for_any_origin_and_not_cached() -> None:
    response = plain_text(503, "busy", {"Retry-After": "1"})
    assert (response.status, response.body) == (503, b"busy\n")
    headers = dict(response.kind.headers)
    assert headers[b"cache-control"] == b"no-store"
    assert headers[b"access-control-allow-origin"] == b"*"
    assert headers[b"retry-after"] == b"1"
