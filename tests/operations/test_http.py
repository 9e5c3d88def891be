"""One HTTP exchange with a server that disconnects."""

import asyncio
import socket
import struct

import pytest

from autoconfig.operations.http import Response, exchange
from autoconfig.operations.report import Finding, Verdict, attempted
from autoconfig.operations.tls import connected
from tests.operations.hosts import Handler, listening, web

BROKEN_OFF = Finding(Verdict.ERROR, "the connection breaks off during the response", "look at the web server's log")


def fetched(handle: Handler) -> Response | Finding:
    """Return the response of a server to a GET, or the finding on it."""

    async def fetch(port: int) -> Response | Finding:
        async with connected("a.example", "127.0.0.1", port, None) as (reader, writer):
            return await attempted(exchange, reader, writer, "/", [("Host", "a.example")])

    with listening(handle) as port:
        return asyncio.run(fetch(port))


@pytest.mark.parametrize("part", [b"", b"HTTP/1.1 200 OK\r\nContent-"])
def test_a_connection_that_is_closed_before_the_response_is_not_taken_for_another_protocol(part: bytes) -> None:
    """nginx does that for `return 444`, and a web server whose process dies."""
    assert fetched(web(part)) == BROKEN_OFF


def test_a_connection_that_is_reset_is_reported() -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close with a RST

    assert fetched(reset) == BROKEN_OFF


def test_interim_responses_are_ignored() -> None:
    """RFC 9110, section 15.2: a client must be able to parse them, even if it does not expect them."""
    final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    response = fetched(web(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", final))
    assert isinstance(response, Response)
    assert (response.status, response.body) == (200, b"hi")


OK = b"HTTP/1.1 200 OK\r\n"
KIB = 1024
SEE = "see which server responds at this address"


@pytest.mark.parametrize(
    ("body", "allowed"), [(256 * KIB, True), (256 * KIB + 1, False)], ids=["256 KiB", "256 KiB and a byte"]
)
@pytest.mark.parametrize("length", [True, False], ids=["with Content-Length", "until the end of the connection"])
def test_a_body_has_at_most_256_kib(body: int, allowed: bool, length: bool) -> None:
    head = OK + (b"Content-Length: %d\r\n\r\n" % body if length else b"\r\n")
    found = fetched(web(head + b"a" * body))
    if allowed:
        assert isinstance(found, Response)
        assert len(found.body) == body
    else:
        assert found == Finding(Verdict.ERROR, "the response body is larger than 256 KiB", SEE)


def test_an_endless_body_in_chunks_is_limited_by_all_its_bytes() -> None:
    """The sizes of chunks count too."""
    found = fetched(
        web(OK + b"Transfer-Encoding: chunked\r\n\r\n", forever=b"100;%b\r\n%b\r\n" % (b"e" * 999, b"a" * 256))
    )
    assert found == Finding(Verdict.ERROR, "the response body is larger than 256 KiB", SEE)


def test_headers_have_at_most_64_kib() -> None:
    found = fetched(web(OK + b"X-A: " + b"b" * (65 * KIB) + b"\r\n\r\n"))
    assert found == Finding(Verdict.ERROR, "the response headers are larger than 64 KiB", SEE)
    found = fetched(web(OK + b"X-A: " + b"b" * (63 * KIB) + b"\r\nContent-Length: 0\r\n\r\n"))
    assert isinstance(found, Response)
    assert len(found.headers["x-a"]) == 63 * KIB


@pytest.mark.parametrize(("chunks", "allowed"), [(1998, True), (1999, False)])
def test_a_response_has_at_most_2000_parts_with_its_head_and_end(chunks: int, allowed: bool) -> None:
    """Otherwise, tiny chunks would cost much time."""
    found = fetched(web(OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * chunks + b"0\r\n\r\n"))
    if allowed:
        assert isinstance(found, Response)
        assert found.body == b"x" * chunks
    else:
        assert found == Finding(Verdict.ERROR, "the response has more than 2000 parts", SEE)


def test_bytes_that_are_not_http_are_an_error() -> None:
    found = fetched(web(b"* OK this is IMAP\r\n\r\n"))
    assert isinstance(found, Finding)
    assert (found.verdict, found.remedy) == (Verdict.ERROR, "see what listens on this port")
    assert found.text.startswith("the response is not HTTP: ")


def test_the_values_of_a_repeated_header_are_joined() -> None:
    found = fetched(web(OK + b"WWW-Authenticate: Basic\r\nwww-authenticate: Bearer \xff\r\nContent-Length: 0\r\n\r\n"))
    assert isinstance(found, Response)
    assert found.headers["www-authenticate"] == "Basic, Bearer ÿ"


@pytest.mark.parametrize(
    ("urls", "used"),
    [(("https://a.example/",), False), (("https://a.example/", "http://a.example/", "https://b.example/"), True)],
)
def test_a_response_knows_whether_a_request_went_over_http(urls: tuple[str, ...], used: bool) -> None:
    assert Response(200, {}, b"", urls).used_http is used
