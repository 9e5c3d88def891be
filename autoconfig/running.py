"""A process that serves: its application, whose settings can be exchanged, and its orderly end."""

import asyncio
import gc
import math
import time
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any

import uvicorn

from autoconfig.listening import Listener
from autoconfig.metrics import counter
from autoconfig.observe import RequestRecord, log
from autoconfig.requests import Request
from autoconfig.responses import Response
from autoconfig.server import application
from autoconfig.sources import Options, Settings
from autoconfig.uvicorn_config import LimitedConfig

_SETTLED = 0.1
"""Seconds without a new connection after which the backlog is empty: handshakes that have begun are complete."""
_LONGEST_BACKLOG = 5.0
"""Seconds after which the backlog is given up: the kernel does not keep new connections off it everywhere."""


class Application:
    """Handler whose settings can be exchanged. Requests in flight finish on what they began with.

    While `draining`, /readyz is 503 and clients' connections end with their answers. Raises TemplateError.
    """

    def __init__(self, settings: Settings) -> None:
        self.draining = False
        self._report = _reporter(settings.options)
        self.take(settings)

    def take(self, settings: Settings) -> None:
        """Serve other settings. Raises TemplateError, and then serves the old ones."""
        self._app = application(settings, ready=lambda: not self.draining, report=self._report)
        _freeze()

    def respond(self, request: Request) -> Response | Awaitable[Response]:
        """Pass a request on."""
        return self._app.respond(request)

    def refuse(self, response: Response) -> Response:
        """Pass on what is no whole request."""
        return self._app.refuse(response)

    def evicted(self) -> None:
        """Pass on that a connection has been closed."""
        self._app.evicted()


class Server(uvicorn.Server):
    """uvicorn's server, which ends without resetting a connection.

    On SIGTERM it is no longer ready; after the drain time it accepts what waits in the backlog and stops listening;
    then uvicorn shuts its connections down, which leaves them time for a request that may be on its way.
    """

    def __init__(
        self,
        config: LimitedConfig,
        served: Application,
        listener: Listener,
        drain_time: float,
        on_ready: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._served = served
        self._listener = listener
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


def _reporter(options: Options) -> Callable[[RequestRecord], None] | None:
    """Return what takes note of each answer, None when nobody wants to know."""
    reports = [*([counter()] if options.metrics else []), *([log] if options.access_log else [])]

    def report(record: RequestRecord) -> None:
        for one in reports:
            one(record)

    return report if reports else None


def _freeze() -> None:
    """Take what has been made at start out of the garbage collector's rounds: it stays.

    What a reload has made superfluous goes first.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
