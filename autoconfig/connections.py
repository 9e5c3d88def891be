"""HTTP/1.1 connections (RFC 9112): reading requests, writing responses, deadlines.

A connection reads one request at a time, and writes its response in one piece before it reads the next one. The path of
a request is `buffer_updated`, `_read`, `_respond`, `_send`. `_read` calls framing.py to parse the request head, and
`_respond` calls front.py to find the response.

Only this module decides where a message ends. A head ends at the first empty line. A body ends after Content-Length
bytes, or where framing.ChunkedBody finds the last chunk; after a chunked body the connection is closed. So no byte of
one message is ever read as part of another. `Upgrade` is ignored.
"""

import asyncio
import re
from collections.abc import Awaitable
from math import inf
from typing import Literal, cast

from starlette.exceptions import HTTPException

from autoconfig.connection_pool import ConnectionPool
from autoconfig.framing import ChunkedBody, parse_head
from autoconfig.front import Handler, refusal
from autoconfig.requests import CLOSE, Request
from autoconfig.responses import Response, plain_text

_LINGER = 2.0
"""Seconds for a client to read the last response; input that arrives meanwhile is discarded."""
_MAX_DISCARDED = 1024 * 1024
_LAST_REQUEST = 1.0
"""Seconds to wait for a request that a client may have sent when the server shuts down."""
_HEAD_END = b"\r\n\r\n"
_EMPTY_LINES = re.compile(rb"(?:\r\n){0,2}")
"""Ignored before a request (RFC 9112, section 2.2): some clients send a line break after a body."""
_CLOSE_LINE = b"connection: close\r\n"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


_State = Literal["request", "head", "body", "response", "reader", "end"]
"""What a connection waits for:

- request, head, body: a request, the rest of its head, or the rest of its body
- response: a response that takes time
- reader: the client to read its response
- end: the client to disconnect after its last response
"""


class Connection(asyncio.BufferedProtocol):
    """Reads requests, and writes the responses of `handler`."""

    def __init__(self, handler: Handler, pool: ConnectionPool, loop: asyncio.AbstractEventLoop) -> None:
        self._handler, self._pool, self._loop = handler, pool, loop
        self._limits = pool.limits
        self._transport: asyncio.Transport
        self.client = ""
        self._behind_proxy = False
        self.since, self.deadline = 0.0, inf
        self._state: _State = "request"
        self._input: bytes | bytearray = b""
        """Bytes received; those from `_at` on have not been read."""
        self._at = 0
        self._scanned = 0
        """Where the search for the end of a head continues."""
        self._request: Request | None = None
        """A request whose body has not arrived yet."""
        self._chunks: ChunkedBody | None = None
        self._client_closes = False
        """Whether the client sends nothing after the last request."""
        self._closing = False
        """Whether the next response is the last one."""
        self._discarded = 0
        self._task: asyncio.Task[None] | None = None

    # The transport calls these.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Register the connection with the pool, and wait for a request."""
        self._transport = transport
        # At most one response waits for a client that does not read: the connection then reads no further request.
        transport.set_write_buffer_limits(high=0)
        peer = transport.get_extra_info("peername")
        self.client, self._behind_proxy = self._pool.identify(peer[0] if isinstance(peer, tuple) else "")
        self.since = self._loop.time()
        self.deadline = self.since + self._limits.head_timeout
        if not self._pool.add(self):
            self._refuse(plain_text(503, "too many connections", CLOSE | {"Retry-After": "1"}))
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Free everything that belongs to the connection."""
        self._state = "end"
        self._pool.discard(self)
        if self._task is not None:
            self._task.cancel()
        self._input, self._chunks = b"", None

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """Return the buffer into which the transport receives. All connections share it."""
        return self._pool.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Read received bytes: usually one whole request."""
        data = bytes(self._pool.buffer[:nbytes])
        if self._state == "end":
            self._discarded += nbytes
            if self._discarded > _MAX_DISCARDED:
                self._transport.abort()
            return
        if self._input:
            self._input += data
        else:
            self._input = data
        if self._state not in ("response", "reader"):
            self._read()

    def pause_writing(self) -> None:
        """Stop reading from a client that does not read its responses."""
        if self._state != "end":
            self._wait("reader", self._limits.write_timeout)
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Read the next request."""
        if self._state == "reader":
            self._wait("request", self._limits.keep_alive)
            self.resume()

    # The pool calls these.

    def expire(self) -> None:
        """Close the connection or send 408: the deadline has passed."""
        match self._state:
            case "request" if self._closing:
                self._end(linger=True)
            case "request":
                self._transport.close()
            case "head":
                self._refuse(plain_text(408, "the request headers took too long", CLOSE))
            case "body":
                self._refuse(plain_text(408, "the body of the request took too long", CLOSE))
            case _:
                self._transport.abort()

    def evict(self) -> bool:
        """Close the connection to make room, unless a response is being prepared; return whether it is closed."""
        if self._state == "response":
            return False
        self._state = "end"
        if self._transport.get_write_buffer_size():
            self._transport.abort()
        else:
            self._transport.close()
        return True

    def resume(self) -> None:
        """Continue reading, first the bytes that have already been received."""
        if self._state == "request" and not self._transport.is_closing():
            self._transport.resume_reading()
            if self._input:
                self._read()

    # The server calls this.

    def shutdown(self) -> None:
        """Close the connection after the next response, or after a second without a request."""
        self._closing = True
        if self._state == "request":
            self.deadline = min(self.deadline, self._loop.time() + _LAST_REQUEST)

    # Reading

    def _read(self) -> None:
        """Read a request and respond to it. Other connections get a turn before the next pipelined request."""
        request = self._request or self._read_head()
        if request is None or not (request.body_length == 0 or (request := self._read_body(request))):
            return
        self._respond(request)
        if self._state == "request" and self._input:
            self._transport.pause_reading()
            self._pool.resume_later(self)

    def _read_head(self) -> Request | None:
        """Return a request without its body; None if its head is incomplete, or invalid and refused."""
        data, start = self._input, self._at
        if data.startswith(b"\r\n", start):
            start = cast("re.Match[bytes]", _EMPTY_LINES.match(data, start)).end()
        end = data.find(_HEAD_END, max(start, self._scanned)) + len(_HEAD_END)
        if end < len(_HEAD_END):
            self._keep(start)
            if len(self._input) > self._limits.max_head:
                self._refuse_head()
            elif self._input:
                self._scanned = max(0, len(self._input) - 3)
                if self._state != "head":
                    self._wait("head", self._limits.head_timeout)
            return None
        if end - start > self._limits.max_head:
            self._refuse_head()
            return None
        head = data if end - start == len(data) else data[start:end]
        if end == len(data):
            self._input, self._at = b"", 0
        else:
            self._at = end
        self._scanned = 0
        try:
            request = parse_head(bytes(head), behind_proxy=self._behind_proxy)
        except HTTPException as error:
            self._refuse(refusal(error))
            return None
        self._client_closes = request.is_last
        return request

    def _read_body(self, request: Request) -> Request | None:
        """Return a request with its body; None if the body is incomplete, or invalid and refused."""
        begun = self._request is not None
        self._request = request
        try:
            body = self._read_chunks() if request.body_length is None else self._read_bytes(request.body_length)
        except HTTPException as error:
            self._refuse(refusal(error))
            return None
        if body is not None:
            if self._chunks is not None:
                self._closing = True  # bytes after a chunked body are lost
            self._request = self._chunks = None
            return request.with_body(body)
        if not begun:
            self._wait("body", self._limits.body_timeout)
            if request.expects_continue:
                self._transport.write(_CONTINUE)
        return None

    def _read_bytes(self, length: int) -> bytes | None:
        data, end = self._input, self._at + length
        if len(data) < end:
            self._keep(self._at)
            return None
        body = bytes(data[self._at : end])
        if end == len(data):
            self._input, self._at = b"", 0
        else:
            self._at = end
        return body

    def _read_chunks(self) -> bytes | None:
        self._chunks = self._chunks or ChunkedBody(self._limits.max_head)
        data, self._input, self._at = bytes(self._input[self._at :]), b"", 0
        return self._chunks.feed(data)

    def _keep(self, start: int) -> None:
        """Keep the bytes received from `start` on until more arrive; appending to a bytearray is cheap."""
        if start or not isinstance(self._input, bytearray):
            self._input = bytearray(self._input[start:])
        self._at = 0

    # Writing

    def _respond(self, request: Request) -> None:
        response = self._handler.respond(request)
        if isinstance(response, Response):
            self._send(response, body=request.method != "HEAD")
        else:
            self._wait("response", inf)
            self._transport.pause_reading()
            self._task = self._loop.create_task(self._respond_later(response, body=request.method != "HEAD"))

    async def _respond_later(self, pending: Awaitable[Response], *, body: bool) -> None:
        response = await pending
        self._task = None
        self._send(response, body=body)
        if self._state == "request":
            self.resume()

    def _send(self, response: Response, *, body: bool = True) -> None:
        kind = response.kind
        closes = kind.closes or self._client_closes or self._closing or self._handler.draining
        self._transport.write(
            b"%b%b%b%b"
            % (
                kind.status_line,
                self._pool.date,
                _CLOSE_LINE if closes and not kind.closes else b"",
                response.after_date() if body else response.header_lines() + b"\r\n",
            )
        )
        now = self.since = self._loop.time()
        if closes:
            self._end(linger=not self._client_closes or kind.closes or bool(self._input))
        elif self._state != "reader":
            self._state = "request"
            self.deadline = now + self._limits.keep_alive
        self._pool.touch(self)

    def _refuse(self, response: Response) -> None:
        """Respond to an incomplete or invalid request; nothing after it can be read."""
        self._send(self._handler.refuse(response))

    def _refuse_head(self) -> None:
        self._refuse(plain_text(431, "the request headers are too large", CLOSE))

    def _end(self, *, linger: bool) -> None:
        """Close the connection.

        Closing resets the connection of a client that is still sending, which may lose the response. So with `linger`
        the client has _LINGER seconds to read it.
        """
        self._wait("end", _LINGER)
        self._input, self._at = b"", 0
        if linger and self._transport.can_write_eof():
            self._transport.write_eof()
            self._transport.resume_reading()
        else:
            self._transport.close()

    def _wait(self, state: _State, seconds: float) -> None:
        self._state = state
        self.deadline = self._loop.time() + seconds
