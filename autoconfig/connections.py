"""What a connection may cost: limits that uvicorn's own HTTP connection does not have.

A head must come whole, small and soon; who does not read what he asked for is let go. Bodies are the front's business.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

_LAST_CALL = 1.0
"""Seconds for a new connection's request to come when the server ends."""


@dataclass(frozen=True)
class Limits:
    """Bounds of what one client may take: connections, bytes and seconds."""

    max_connections: int = 1000
    """Of one worker, at the same time; who comes above it gets 503."""
    max_head: int = 16 * 1024
    """Bytes of request line and headers."""
    head_timeout: float = 10.0
    """Seconds from the connection, or from the first byte of a request, to the end of the request's head."""
    keep_alive: int = 5
    """Seconds that a connection may rest between two requests."""
    write_timeout: float = 10.0
    """Seconds for which a client may not read what it is sent."""


class LimitedConfig(uvicorn.Config):
    """uvicorn's configuration, with limits."""

    def __init__(self, app: Any, limits: Limits, **options: Any) -> None:
        super().__init__(
            app,
            http=LimitedConnection,
            limit_concurrency=limits.max_connections,
            timeout_keep_alive=limits.keep_alive,
            **options,
        )
        self.limits = limits


class LimitedConnection(HttpToolsProtocol):
    """uvicorn's HTTP connection within limits. A request that comes whole only has its bytes counted."""

    config: LimitedConfig

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin: a head is due."""
        super().connection_made(transport)
        self._limits = self.config.limits
        self._head = 0
        self._timer: asyncio.TimerHandle | None = None
        self._stuck: asyncio.TimerHandle | None = None
        self._in_head = True
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._head_is_complete()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        self._head += len(data)
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            if self._head > self._limits.max_head:
                self._refuse(431, b"the head of the request is too large")
            elif self._timer is None:
                self._expect_head()

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Begin to answer, unless the head is too large after all: it may have come with other bytes at once."""
        self._in_head = False
        self._head_is_complete()
        too_large = self._head > self._limits.max_head and (
            len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > self._limits.max_head
        )
        self._head = 0
        if too_large:
            self._refuse(431, b"the head of the request is too large")
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body; of a refused request, nothing."""
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request; of a refused one there is nothing to end."""
        if not self.transport.is_closing():
            super().on_message_complete()

    def shutdown(self) -> None:
        """End with the server, but not before a request that may be on its way: who has just connected will ask."""
        if self.cycle is None and not self.transport.is_closing():
            self.loop.call_later(_LAST_CALL, super().shutdown)
        else:
            super().shutdown()

    def pause_writing(self) -> None:
        """The client does not read: it has a while to begin."""
        super().pause_writing()
        if self._stuck is None:
            self._stuck = self.loop.call_later(self._limits.write_timeout, self.transport.abort)

    def resume_writing(self) -> None:
        """The client reads again."""
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None
        super().resume_writing()

    def _expect_head(self) -> None:
        self._timer = self.loop.call_later(self._limits.head_timeout, self._too_slow)

    def _head_is_complete(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            if self._head:
                self._refuse(408, b"the head of the request took too long")
            else:
                self.transport.close()

    def _refuse(self, status: int, text: bytes) -> None:
        head = b"content-type: text/plain; charset=utf-8\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b\n"
        self.transport.write(STATUS_LINE[status] + head % (len(text) + 1, text))
        self.transport.close()
