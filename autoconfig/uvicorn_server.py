"""uvicorn runs our connections: all that depends on uvicorn's internals.

uvicorn keeps the sockets and the event loop. It makes a connection with `Config.http`, finds open connections in
`ServerState.connections`, calls `shutdown` on each of them and waits until there are none. Our server overrides
`handle_exit`, `startup`, `on_tick` and `shutdown`. tests/test_uvicorn_server.py tells when a new uvicorn differs.
"""

import asyncio
import math
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any, cast

import uvicorn
from uvicorn.server import ServerState

from autoconfig.connection_pool import ConnectionPool, Limits, TrustedProxies
from autoconfig.connections import Connection
from autoconfig.front import Handler
from autoconfig.listening import Listener

_ACCEPTED_AT_ONCE = 64
"""Connections that are accepted each time that the event loop looks for work."""
_BUSY = 0.002
"""Seconds between two accepted connections after which more may be waiting."""
_SETTLED = 0.1
"""Seconds without a new connection after which the backlog is empty: handshakes that have begun are complete."""
_LONGEST_BACKLOG = 5.0
"""Seconds after which the backlog is given up: the kernel does not keep new connections off it everywhere."""


class LimitedConfig(uvicorn.Config):
    """uvicorn's configuration for an application that is a Handler, with limits.

    `trusted_proxies` has IP addresses and networks, separated by commas, or * for all.
    """

    def __init__(self, app: Any, limits: Limits, trusted_proxies: str = "127.0.0.1,::1", **options: Any) -> None:
        super().__init__(
            app,
            http=cast("Any", self._connection),
            ws="none",
            lifespan="off",
            interface="asgi3",
            loop="uvloop",
            access_log=False,  # it would print query strings, and so addresses
            proxy_headers=False,  # the connection does that
            **options,
        )
        self._limits, self._proxies = limits, TrustedProxies(trusted_proxies)
        self._pool: ConnectionPool | None = None
        self.listener: Listener | None = None
        """What the server listens on, where more connections may wait beside one that is accepted."""
        self._accepting: set[asyncio.Task[Any]] = set()
        self._accepted_at = -math.inf

    def _connection(self, *, server_state: ServerState, **_: object) -> asyncio.BufferedProtocol:
        """Make a connection: uvicorn calls `http` as it calls its own protocol class."""
        loop = asyncio.get_running_loop()
        handler: Handler = self.loaded_app
        if self._pool is None:
            self._pool = ConnectionPool(self._limits, self._proxies, loop, handler.evicted)
        pool = self._pool

        def make() -> _UvicornConnection:
            return _UvicornConnection(handler, pool, loop, server_state)

        now = loop.time()
        if now - self._accepted_at > _BUSY:
            loop.call_soon(self._accept_others, make, loop)
        self._accepted_at = now
        return make()

    def _accept_others(self, make: Callable[[], Connection], loop: asyncio.AbstractEventLoop) -> None:
        """Accept the connections that wait beside one that has just been accepted.

        uvloop accepts one each time that it looks for work, and then responds to all requests that have come. So beside
        a thousand clients that send requests without pause, a new one would wait for seconds.
        """
        if self.listener is None:
            return
        with suppress(OSError):  # no more wait, most often
            for _ in range(_ACCEPTED_AT_ONCE):
                accepted, _peer = self.listener.socket.accept()
                accepted.setblocking(False)
                task = loop.create_task(loop.connect_accepted_socket(make, accepted))
                self._accepting.add(task)
                task.add_done_callback(self._accepting.discard)


class _UvicornConnection(Connection):
    """A connection that uvicorn knows of."""

    def __init__(
        self, handler: Handler, pool: ConnectionPool, loop: asyncio.AbstractEventLoop, server_state: ServerState
    ) -> None:
        super().__init__(handler, pool, loop)
        self._server_state = server_state

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin."""
        self._server_state.connections.add(cast("Any", self))
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._server_state.connections.discard(cast("Any", self))
        super().connection_lost(exc)


class Server(uvicorn.Server):
    """uvicorn's server, which ends without resetting a connection.

    On SIGTERM it is no longer ready; after the drain time it accepts what waits in the backlog and stops listening;
    then uvicorn shuts its connections down, which leaves them time for a request that may be on its way.
    """

    def __init__(
        self,
        config: LimitedConfig,
        served: Handler,
        listener: Listener,
        drain_time: float,
        on_ready: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._served = served
        self._listener = config.listener = listener
        self.drain_time = drain_time
        self._on_ready = on_ready
        self._ends_at = math.inf
        self._alone = True

    @property
    def is_draining(self) -> bool:
        """Whether it is no longer ready."""
        return self._served.draining

    def listen(self) -> None:
        """Serve until the end. For the main thread."""
        self.run(sockets=[self._listener.socket])

    def drain(self, seconds: float) -> None:
        """Be no longer ready, and end in some seconds. Safe in a signal handler or another thread."""
        self._served.draining = True
        self._ends_at = time.monotonic() + seconds

    def leave(self, seconds: float) -> None:
        """Drain, while others go on listening on the same socket."""
        self._alone = False
        self.drain(seconds)

    def end(self) -> None:
        """End now, as the last that listens."""
        self._alone = True
        self.drain(0)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Drain on SIGTERM or SIGINT; a second one ends the drain time."""
        self.drain(0 if self.is_draining else self.drain_time)

    async def startup(self, sockets: Any = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        self._on_ready()

    async def on_tick(self, counter: int) -> bool:
        """End when it is time. uvicorn calls this ten times a second."""
        self.should_exit = time.monotonic() >= self._ends_at
        return await super().on_tick(counter)

    async def shutdown(self, sockets: Any = None) -> None:
        """End."""
        if self._alone and not self._listener.passed:
            self._listener.refuse_new()
            await self._empty_backlog()
        for server in self.servers:
            server.close()
        await asyncio.sleep(0.01)  # connections that were accepted last are made
        await super().shutdown(sockets)

    async def _empty_backlog(self) -> None:
        """Wait until no connection has waited to be accepted for a moment; the event loop accepts them."""
        start = last = time.monotonic()
        while (now := time.monotonic()) < min(last + _SETTLED, start + _LONGEST_BACKLOG):
            if self._listener.has_waiting():
                last = now
            await asyncio.sleep(0.01)
