"""Runs our connections in uvicorn: everything that depends on uvicorn's internals.

uvicorn owns the sockets and the event loop. It creates connections with `Config.http`, finds open connections in
`ServerState.connections`, calls `shutdown` on each and waits until none is left. Our server overrides `handle_exit`,
`startup`, `on_tick` and `shutdown`. tests/test_uvicorn_server.py fails if a new uvicorn changes any of this.
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
"""Connections accepted at most per poll of the event loop."""
_BUSY = 0.002
"""Seconds after an accepted connection before the backlog is checked again."""
_SETTLED = 0.1
"""Seconds without a new connection after which the backlog counts as empty: all handshakes are complete."""
_LONGEST_BACKLOG = 5.0
"""Seconds after which the server stops accepting: not every kernel keeps new connections off the backlog."""


class LimitedConfig(uvicorn.Config):
    """uvicorn's configuration for an application that is a Handler, with limits.

    `trusted_proxies` is a list of IP addresses and networks, separated by commas; * means all.
    """

    def __init__(self, app: Any, limits: Limits, trusted_proxies: str = "127.0.0.1,::1", **options: Any) -> None:
        super().__init__(
            app,
            http=cast("Any", self._connection),
            ws="none",
            lifespan="off",
            interface="asgi3",
            loop="uvloop",
            access_log=False,  # it would log query strings, and so email addresses
            proxy_headers=False,  # the connection does that
            **options,
        )
        self._limits, self._proxies = limits, TrustedProxies(trusted_proxies)
        self._pool: ConnectionPool | None = None
        self.listener: Listener
        """The socket the server listens on, set by Server; more connections may wait in its backlog."""
        self._accepting: set[asyncio.Task[Any]] = set()
        self._accepted_at = -math.inf

    def _connection(self, *, server_state: ServerState, **_: object) -> asyncio.BufferedProtocol:
        """Create a connection: uvicorn calls `http` like its own protocol class."""
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
        """Accept the other connections in the backlog.

        uvloop accepts one connection per poll, then handles all requests that have arrived. So while a thousand clients
        send requests without pause, a new client would wait for seconds.
        """
        with suppress(OSError):  # usually: the backlog is empty
            for _ in range(_ACCEPTED_AT_ONCE):
                accepted, _peer = self.listener.socket.accept()
                accepted.setblocking(False)
                task = loop.create_task(loop.connect_accepted_socket(make, accepted))
                self._accepting.add(task)
                task.add_done_callback(self._accepting.discard)


class _UvicornConnection(Connection):
    """A connection registered with uvicorn."""

    def __init__(
        self, handler: Handler, pool: ConnectionPool, loop: asyncio.AbstractEventLoop, server_state: ServerState
    ) -> None:
        super().__init__(handler, pool, loop)
        self._server_state = server_state

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Register the connection."""
        self._server_state.connections.add(cast("Any", self))
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Unregister the connection."""
        self._server_state.connections.discard(cast("Any", self))
        super().connection_lost(exc)


class Server(uvicorn.Server):
    """uvicorn's server, which shuts down without resetting a connection.

    After SIGTERM it is no longer ready. After the drain time it accepts the connections in the backlog and stops
    listening. Then uvicorn shuts its connections down, which gives them time for requests already sent.
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
        """Serve until shutdown. For the main thread."""
        self.run(sockets=[self._listener.socket])

    def drain(self, seconds: float) -> None:
        """Stop being ready, and shut down in `seconds`. Safe in a signal handler or another thread."""
        self._served.draining = True
        self._ends_at = time.monotonic() + seconds

    def leave(self, seconds: float) -> None:
        """Drain, while other workers keep listening on the same socket."""
        self._alone = False
        self.drain(seconds)

    def end(self) -> None:
        """Shut down now; no other worker listens any more."""
        self._alone = True
        self.drain(0)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Drain on SIGTERM or SIGINT; shut down on a second one."""
        self.drain(0 if self.is_draining else self.drain_time)

    async def startup(self, sockets: Any = None) -> None:
        """Start listening, and report that the server is ready."""
        await super().startup(sockets)
        self._on_ready()

    async def on_tick(self, counter: int) -> bool:
        """Shut down when it is time. uvicorn calls this ten times a second."""
        self.should_exit = time.monotonic() >= self._ends_at
        return await super().on_tick(counter)

    async def shutdown(self, sockets: Any = None) -> None:
        """Accept the backlog, stop listening and close the connections."""
        if self._alone and not self._listener.passed:
            self._listener.refuse_new()
            await self._empty_backlog()
        for server in self.servers:
            server.close()
        await asyncio.sleep(0.01)  # until the connections accepted last are set up
        await super().shutdown(sockets)

    async def _empty_backlog(self) -> None:
        """Wait until the backlog has been empty for _SETTLED; the event loop accepts the connections."""
        start = last = time.monotonic()
        while (now := time.monotonic()) < min(last + _SETTLED, start + _LONGEST_BACKLOG):
            if self._listener.has_waiting():
                last = now
            await asyncio.sleep(0.01)
