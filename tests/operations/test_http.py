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
