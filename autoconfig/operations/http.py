"""HTTP requests and responses, and one HTTP/1.1 exchange with a server that may be hostile.

The size of everything that the server sends is limited. The caller limits the time. Nothing is decompressed: a few
bytes could expand to gigabytes.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import h11

from autoconfig.operations.report import Problem

MAX_HEADERS = 64 * 1024
"""Maximum bytes of the status line and headers, including all interim (1xx) responses."""
MAX_BODY = 256 * 1024
"""Maximum bytes of the body. Settings have a few thousand."""
MAX_PARTS = 2000
"""Maximum number of interim responses and of chunks: reading 256 KiB in chunks of a byte would take half a second."""
_PIECE = 16 * 1024


class Request(NamedTuple):
    """A request. Without a method it is a GET or, with a body, a POST of XML."""

    url: str
    body: bytes | None = None
    method: str = ""
    headers: tuple[tuple[str, str], ...] = ()


class Response(NamedTuple):
    """A final response. Header names are in lower case; the values of repeated headers are joined with commas.

    If redirects were followed, `urls` are all the URLs that were requested, in order, and `redirects` the statuses of
    the responses before this one.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    urls: tuple[str, ...] = ()
    redirects: tuple[int, ...] = ()

    @property
    def used_http(self) -> bool:
        """Whether any of the requests went over plain http."""
        return any(url.startswith("http:") for url in self.urls)


async def exchange(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    target: str,
    headers: Iterable[tuple[str, str]],
    body: bytes | None = None,
    method: str = "",
) -> Response:
    """Send a request for `target` and return the response. The default method is GET, or POST with a body.

    Raises Problem if the response is larger than MAX_HEADERS or MAX_BODY, has more than MAX_PARTS interim responses
    and chunks, breaks off, or is not HTTP/1.
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


async def _receive(reader: asyncio.StreamReader, connection: h11.Connection) -> Response:
    response: h11.Response | None = None
    body = bytearray()
    allowed = MAX_HEADERS
    parts = 0
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            if not allowed:
                raise _too_large("body is", MAX_BODY) if response else _too_large("headers are", MAX_HEADERS)
            data = await reader.read(min(allowed, _PIECE))
            if not data and not response:
                raise _broken_off()
            allowed -= len(data)
            connection.receive_data(data)
            continue
        parts += 1
        if parts > MAX_PARTS:
            raise Problem(f"the response has more than {MAX_PARTS} parts", "see which server responds at this address")
        if isinstance(event, h11.Response):
            response = event
            allowed = MAX_BODY  # including chunk sizes and trailers
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > MAX_BODY:
                raise _too_large("body is", MAX_BODY)
        elif response:  # the end of the message; interim responses come before the response
            return Response(response.status_code, _joined(response.headers), bytes(body))


def _joined(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
    return {name: ", ".join(values) for name, values in found.items()}


def _too_large(what: str, limit: int) -> Problem:
    return Problem(f"the response {what} larger than {limit // 1024} KiB", "see which server responds at this address")


def _broken_off() -> Problem:
    return Problem("the connection breaks off during the response", "look at the web server's log")
