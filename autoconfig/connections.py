"""HTTP/1.1 connections (RFC 9112): the framing of requests and responses.

A connection reads one request at a time and writes its response, in one piece, before it reads the next one. httptools
parses heads and chunked bodies. Where a message ends is decided here, in one way only: a head ends at the first empty
line, a body after Content-Length bytes or where httptools says that the last chunk ends; after a chunked body the
connection is closed. So no byte of one message is ever taken for a part of another. `Upgrade` is ignored.
"""

import asyncio
import re
from collections.abc import Awaitable
from math import inf
from typing import Literal, cast
from urllib.parse import unquote

import httptools
from starlette.exceptions import HTTPException

from autoconfig.connection_pool import ConnectionPool
from autoconfig.front import Handler, refusal
from autoconfig.requests import CLOSE, Request, check_size, read_head
from autoconfig.responses import Response, plain_text

_LINGER = 2.0
"""Seconds for a client to read the last response; what it still sends meanwhile is discarded."""
_MAX_DISCARDED = 1024 * 1024
_LAST_REQUEST = 1.0
"""Seconds for a request that may be on its way when the server shuts down."""
_HEAD_END = b"\r\n\r\n"
_EMPTY_LINES = re.compile(rb"(?:\r\n){0,2}")
"""What may stand before a request and is ignored (RFC 9112, section 2.2): some clients end a body with a line break."""
_CLOSE_LINE = b"connection: close\r\n"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_ABSOLUTE = re.compile(rb"https?://([^/?]*)(/[^?]*)?(?:\?(.*))?", re.IGNORECASE)
"""A request target in absolute form (RFC 9112, section 3.2.2): authority, path, query."""
_VERSIONS = {b" HTTP/1.1": "1.1", b" HTTP/1.0": "1.0"}
_VERSION_LENGTH = len(b" HTTP/1.1")
_METHODS = {method.encode(): method for method in ("GET", "HEAD", "POST")}


_State = Literal["request", "head", "body", "response", "reader", "end"]
"""What a connection is waiting for: a request, the rest of its head or its body, a response that takes time, a client
that does not read, or one that has its last response."""


class Connection(asyncio.BufferedProtocol):
    """A connection: parses requests, and writes the responses of `handler`."""

    def __init__(self, handler: Handler, pool: ConnectionPool, loop: asyncio.AbstractEventLoop) -> None:
        self._handler, self._pool, self._loop = handler, pool, loop
        self._limits = pool.limits
        self._transport: asyncio.Transport
        self.client, self._trusted, self._scheme = "", False, "http"
        self.since, self.deadline = 0.0, inf
        self._state: _State = "request"
        self._input: bytes | bytearray = b""
        """What has been received and not been read."""
        self._at = 0
        """How far it has been read."""
        self._scanned = 0
        """How far it has been searched for the end of a head."""
        self._request: Request | None = None
        """A request whose body is still to come."""
        self._chunks: _ChunkedBody | None = None
        self._client_closes = False
        """Whether the client sends nothing after this request."""
        self._closing = False
        """Whether the next response is the last one."""
        self._discarded = 0
        self._task: asyncio.Task[None] | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._version = ""
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []

    # The transport calls these.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin: a request is due."""
        self._transport = transport
        # What the kernel does not take at once is all that is ever kept for a client that does not read.
        transport.set_write_buffer_limits(high=0)
        peer = transport.get_extra_info("peername")
        self.client, self._trusted = self._pool.identify(peer[0] if isinstance(peer, tuple) else "")
        if transport.get_extra_info("sslcontext"):
            self._scheme = "https"
        self.since = self._loop.time()
        self.deadline = self.since + self._limits.head_timeout
        if not self._pool.add(self):
            self._refuse(plain_text(503, "too many connections", CLOSE | {"Retry-After": "1"}))
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """End."""
        self._state = "end"
        self._pool.discard(self)
        if self._task is not None:
            self._task.cancel()
        # A parser refers to its connection, so the garbage collector would free what has been received much later.
        self._input = b""
        del self._parser
        if self._chunks is not None:
            self._chunks.end()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """Return where the transport puts what it receives next. All connections share it."""
        return self._pool.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take what has come: most often one request, whole."""
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
        """Read nothing more of a client that does not read."""
        if self._state != "end":
            self._wait("reader", self._limits.write_timeout)
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on."""
        if self._state == "reader":
            self._wait("request", self._limits.keep_alive)
            self.resume()

    # The pool calls these.

    def expire(self) -> None:
        """Act on the deadline of what this connection is waiting for."""
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
        """Close the connection to make room, unless a response is being made."""
        if self._state == "response":
            return False
        self._state = "end"
        if self._transport.get_write_buffer_size():
            self._transport.abort()
        else:
            self._transport.close()
        return True

    def resume(self) -> None:
        """Go on with what has been received."""
        if self._state == "request" and not self._transport.is_closing():
            self._transport.resume_reading()
            if self._input:
                self._read()

    # The server calls this.

    def shutdown(self) -> None:
        """Close the connection after a response, or after a second without a request: one may be on its way."""
        self._closing = True
        if self._state == "request":
            self.deadline = min(self.deadline, self._loop.time() + _LAST_REQUEST)

    # The parser calls these.

    def on_url(self, url: bytes) -> None:
        """Take a part of the request target."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Note whether the client sends nothing after this request; later the parser no longer knows."""
        self._client_closes = not self._parser.should_keep_alive()

    # Reading

    def _read(self) -> None:
        """Read a request and respond to it. If more have come, it is other connections' turn first."""
        request = self._request or self._read_head()
        if request is None or not (request.body_length == 0 or (request := self._read_body(request))):
            return
        self._respond(request)
        if self._state == "request" and self._input:
            self._transport.pause_reading()
            self._pool.resume_later(self)

    def _read_head(self) -> Request | None:
        """Return a request whose head has come, None when it has not or is invalid."""
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
            return self._parse_head(bytes(head))
        except HTTPException as error:
            self._refuse(refusal(error))
        except httptools.HttpParserError:
            self._refuse(plain_text(400, "this is not an HTTP request", CLOSE))
        return None

    def _parse_head(self, head: bytes) -> Request:
        """Return a request without its body. Raises HTTPException or HttpParserError."""
        if head.startswith((b"\r", b"\n")):
            raise HTTPException(400, "there are empty lines before the request", CLOSE)
        self._target, self._headers = b"", []
        parser = self._parser
        try:
            parser.feed_data(head)
            reusable = True
        except httptools.HttpParserUpgrade:
            reusable = False
        line_end = head.find(b"\r\n")
        # The parser also accepts versions of other protocols: RTSP/1.0, ICE/1.0.
        version = _VERSIONS.get(head[line_end - _VERSION_LENGTH : line_end])
        if version is None:
            raise HTTPException(505, "the HTTP version is not 1.1", CLOSE)
        method = parser.get_method()
        request = read_head(
            _METHODS.get(method) or method.decode(),
            self._scheme,
            *self._parse_target(),
            self._headers,
            version,
            behind_proxy=self._trusted,
        )
        if request.body_length != 0 or not reusable:
            # It would go on with a body that it is not given.
            self._parser = httptools.HttpRequestParser(self)
        self._version = version
        self._client_closes = self._client_closes or version == "1.0"
        return request

    def _parse_target(self) -> tuple[str, bytes]:
        """Return path and query. A host in the target takes the place of the Host header (RFC 9112, section 3.2.2)."""
        target = self._target
        if not target.isascii() or b"#" in target:
            raise HTTPException(400, "the request target is not a URL", CLOSE)
        if target.startswith(b"/"):
            path, _, query = target.partition(b"?")
        elif absolute := _ABSOLUTE.fullmatch(target):
            path, query = absolute[2] or b"/", absolute[3] or b""
            self._headers = [(b"host", absolute[1]) if one[0] == b"host" else one for one in self._headers]
        elif target == b"*":
            path, query = target, b""
        else:
            raise HTTPException(400, "the request target is not a path", CLOSE)
        text = path.decode("ascii")
        return unquote(text) if "%" in text else text, query

    def _read_body(self, request: Request) -> Request | None:
        """Return a request with its body, None when that has not come or is too large."""
        begun = self._request is not None
        self._request = request
        try:
            body = self._read_chunks() if request.body_length is None else self._read_bytes(request.body_length)
        except HTTPException as error:
            self._refuse(refusal(error))
            return None
        if body is not None:
            if self._chunks is not None:
                self._closing = True  # what has come behind a chunked body is lost
            self._request = self._chunks = None
            return request.with_body(body)
        if not begun:
            self._wait("body", self._limits.body_timeout)
            if self._version == "1.1" and self._expects_continue():
                self._transport.write(_CONTINUE)
        return None

    def _expects_continue(self) -> bool:
        """Tell whether the client waits for 100 before it sends the body (RFC 9110, section 10.1.1)."""
        return any(name == b"expect" and value.lower() == b"100-continue" for name, value in self._headers)

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
        self._chunks = self._chunks or _ChunkedBody(self._limits.max_head)
        data, self._input, self._at = bytes(self._input[self._at :]), b"", 0
        return self._chunks.feed(data)

    def _keep(self, start: int) -> None:
        """Keep what has been received from `start` on until more comes; a bytearray grows at little cost."""
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
        """Respond to what is no whole request; nothing that follows it can be read."""
        self._send(self._handler.refuse(response))

    def _refuse_head(self) -> None:
        self._refuse(plain_text(431, "the request headers are too large", CLOSE))

    def _end(self, *, linger: bool) -> None:
        """Close the connection.

        A client that is still sending would lose the response with a reset connection, so it may go on for a while.
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


class _ChunkedBody:
    """A chunked body (RFC 9112, section 7.1), whose chunk sizes, extensions and trailers have `max_framing` bytes."""

    # What the real head says of upgrades would keep the parser from reading a body.
    _HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

    def __init__(self, max_framing: int) -> None:
        self._max_framing = max_framing
        self._received = 0
        self._body = bytearray()
        self._complete = False
        self._parser = httptools.HttpRequestParser(self)
        self._parser.feed_data(self._HEAD)

    def feed(self, data: bytes) -> bytes | None:
        """Return the body when `data` completes it. Raises HTTPException 400, 413 or 431."""
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self._complete:
                raise HTTPException(400, "the chunks of the body are invalid", CLOSE) from error
        check_size(len(self._body))
        if self._complete:
            self.end()
            return bytes(self._body)
        if self._received - len(self._body) > self._max_framing:
            raise HTTPException(431, "the chunk sizes, extensions and trailers are too large", CLOSE)
        return None

    def end(self) -> None:
        """Let go of the parser, which refers to this."""
        del self._parser

    def on_body(self, data: bytes) -> None:
        """Take a part of the body; what comes after its end is another message's."""
        if not self._complete:
            self._body += data

    def on_message_complete(self) -> None:
        """Note that the last chunk and the trailers have come."""
        self._complete = True
