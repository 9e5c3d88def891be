"""One HTTP/1.1 exchange with a server that may be hostile. Everything that it sends is limited in size.

The caller limits the time. Nothing is decompressed: a few bytes could expand to gigabytes.
"""

import asyncio
from collections.abc import Iterable
from typing import NamedTuple

import h11

from autoconfig.operations.report import Problem

MAX_HEADERS = 64 * 1024
"""Maximum bytes of the status line and headers, including all interim (1xx) responses."""
MAX_BODY = 256 * 1024
"""Maximum bytes of the body. Settings have a few thousand."""
_PIECE = 16 * 1024


class Answer(NamedTuple):
    """A final response. Header names are in lower case; the values of repeated headers are joined with commas."""

    status: int
    headers: dict[str, str]
    body: bytes


async def exchange(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    target: str,
    headers: Iterable[tuple[str, str]],
    body: bytes | None = None,
    method: str = "",
) -> Answer:
    """Send a request for `target` and return the response. The default method is GET, or POST with a body.

    Raises Problem if the response is larger than MAX_HEADERS or MAX_BODY, breaks off, or is not HTTP/1.
    """
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEADERS)
    length = [] if body is None else [("Content-Length", str(len(body)))]
    method = method or ("GET" if body is None else "POST")
    request = h11.Request(method=method, target=target, headers=[*headers, *length])
    sent = [connection.send(request), connection.send(h11.Data(body or b"")), connection.send(h11.EndOfMessage())]
    try:
        writer.write(b"".join(part for part in sent if part))
        await writer.drain()
        return await _receive(reader, connection)
    except h11.RemoteProtocolError as error:
        raise Problem(f"the response is not HTTP: {error}", "see what listens on this port") from error
    except OSError as error:
        raise _broken_off() from error


async def _receive(reader: asyncio.StreamReader, connection: h11.Connection) -> Answer:
    response: h11.Response | None = None
    body = bytearray()
    allowed = MAX_HEADERS
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            if not allowed:
                raise _too_large("body is", MAX_BODY) if response else _too_large("headers are", MAX_HEADERS)
            data = await reader.read(min(allowed, _PIECE))
            allowed -= len(data)
            connection.receive_data(data)
        elif isinstance(event, h11.Response):
            response = event
            allowed = MAX_BODY  # with chunk sizes and trailers, which may be most of it
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > MAX_BODY:
                raise _too_large("body is", MAX_BODY)
        elif isinstance(event, h11.EndOfMessage) and response:
            return Answer(response.status_code, _joined(response.headers), bytes(body))
        elif not isinstance(event, h11.InformationalResponse):
            raise _broken_off()


def _joined(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
    return {name: ", ".join(values) for name, values in found.items()}


def _too_large(what: str, limit: int) -> Problem:
    return Problem(f"the response {what} larger than {limit // 1024} KiB", "see which server responds at this address")


def _broken_off() -> Problem:
    return Problem("the connection breaks off during the response", "look at the web server's log")
