"""What a connection may cost: limits that uvicorn's own HTTP connection does not have.

A head must come whole, small and soon, and a body soon; who does not read what he asked for is let go. How large a body
may be is the front's business.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from autoconfig.responses import plain_text

_TOO_LARGE = "the head of the request is too large"
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
    body_timeout: float = 10.0
    """Seconds from the first bytes of a request's body to the last."""
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
        """Bytes of a head that is not complete."""
        self._came = 0
        """Bytes that a head can have at most that is completed now."""
        self._complete = False
        """Whether what has just come completes a head, or comes after it."""
        self._timer: asyncio.TimerHandle | None = None
        """What ends a request that does not come, its head or its body."""
        self._stuck: asyncio.TimerHandle | None = None
        self._start_timer(self._limits.head_timeout, self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._stop_timer()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what has come: most often one request, whole."""
        cycle = self.cycle
        # uvicorn has no cycle before the first request, whatever its types say.
        self._complete = cycle is not None and cycle.more_body  # type: ignore[redundant-expr]
        self._came = self._head + len(data)
        HttpToolsProtocol.data_received(self, data)
        if not self._complete:
            self._head_goes_on()
        elif self.cycle.more_body and self._timer is None:
            self._start_timer(self._limits.body_timeout, partial(self._body_is_late, self.cycle))

    def on_headers_complete(self) -> None:
        """Begin to answer; a head that is too large after all, for all of it came at once, is refused."""
        self._complete = True
        self._head = 0
        if self._timer is not None:
            self._stop_timer()
        if self._came > self._limits.max_head and self._head_size() > self._limits.max_head:
            self.app = _refuse_head
        HttpToolsProtocol.on_headers_complete(self)

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

    def _head_goes_on(self) -> None:
        self._head, first = self._came, not self._head
        if self.transport.is_closing():
            return
        if self._head > self._limits.max_head:
            self._refuse(431, _TOO_LARGE)
        elif first:
            self._start_timer(self._limits.head_timeout, self._head_is_late)

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _start_timer(self, seconds: float, late: Callable[[], None]) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(seconds, late)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _head_is_late(self) -> None:
        if self._head:
            self._refuse(408, "the head of the request took too long")
        else:
            self.transport.close()

    def _body_is_late(self, awaited: object) -> None:
        if awaited is self.cycle and self.cycle.more_body and not self.cycle.response_started:
            self._refuse(408, "the body of the request took too long")

    def _refuse(self, status: int, text: str) -> None:
        """Answer a request that is not complete: no application can. What waits for it hears that nobody is there."""
        if self.transport.is_closing():
            return
        head = b"content-type: text/plain; charset=utf-8\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b\n"
        self.transport.write(STATUS_LINE[status] + head % (len(text) + 1, text.encode()))
        self.transport.close()


async def _refuse_head(_scope: Scope, _receive: Receive, send: Send) -> None:
    for message in plain_text(431, _TOO_LARGE, {"Connection": "close"}).messages():
        await send(message)
