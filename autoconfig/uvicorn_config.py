"""uvicorn runs our connections: all that depends on uvicorn's internals.

uvicorn keeps the sockets, the event loop and the shutdown. It makes a connection with `Config.http`, finds open
connections in `ServerState.connections` and the tasks that it waits for in `ServerState.tasks`, and calls `shutdown` on
each connection. tests/test_uvicorn_config.py holds a new uvicorn against that.
"""

import asyncio
from typing import Any, cast

import uvicorn
from uvicorn.server import ServerState

from autoconfig.connection_pool import ConnectionPool, Limits, TrustedProxies
from autoconfig.connections import Connection
from autoconfig.front import Handler


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

    def _connection(self, *, server_state: ServerState, **_: object) -> asyncio.Protocol:
        """Make a connection: uvicorn calls `http` as it calls its own protocol class."""
        loop = asyncio.get_running_loop()
        handler: Handler = self.loaded_app
        if self._pool is None:
            self._pool = ConnectionPool(self._limits, self._proxies, loop, handler.evicted)
        return _UvicornConnection(handler, self._pool, loop, server_state)


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
