"""The server while it runs: changed files taken into use on SIGHUP, an end in good order on SIGTERM, its workers."""

import functools
import gc
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Self

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import Multiprocess, Process

from autoconfig.definition import DefinitionError
from autoconfig.metrics import State, counter
from autoconfig.observe import RequestRecord, log
from autoconfig.requests import Request
from autoconfig.responses import Response
from autoconfig.server import application
from autoconfig.signing import SigningError
from autoconfig.sources import Contents, Options, Settings, Sources
from autoconfig.templates import TemplateError

CONFIGURATION_ERRORS = (DefinitionError, SigningError, TemplateError)
"""What is raised when something cannot be served."""

logger = logging.getLogger(__name__)


class Reloadable:
    """Handler that reads its sources anew on SIGHUP.

    Requests in flight finish on what they began with. When something new is wrong, all that is wrong is logged and the
    old goes on serving. For the main thread to make. Raises TemplateError.
    """

    def __init__(self, sources: Sources, settings: Settings, state: State | None = None) -> None:
        self._sources = sources
        self._state = state or State()
        self.draining = False
        self._report = _reporter(sources.options)
        self._take(settings)
        self._reloading = ThreadPoolExecutor(1, "reload")
        signal.signal(signal.SIGHUP, self._hangup)

    def drain(self) -> Self:
        """Have SIGTERM end the server in two steps: at once it is no longer ready, and after the drain time it ends.

        For when the server has installed its own handler, which then does the second step; a second signal does it too.
        """
        end = signal.getsignal(signal.SIGTERM)

        def terminate(number: int, frame: FrameType | None) -> None:
            if self.draining or not self._sources.options.drain_time:
                self.draining = True
                if callable(end):
                    end(number, frame)
                return
            self.draining = True
            again = threading.Timer(self._sources.options.drain_time, os.kill, (os.getpid(), signal.SIGTERM))
            again.daemon = True
            again.start()

        signal.signal(signal.SIGTERM, terminate)
        return self

    def _take(self, settings: Settings) -> None:
        self._app = application(settings, ready=lambda: not self.draining, report=self._report)
        self._state.applied(settings)
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

    def _hangup(self, _number: int, _frame: FrameType | None) -> None:
        # Beside the requests: many definitions take seconds. Always in one thread, whose memory is used again.
        self._reloading.submit(self._reload)

    def _reload(self) -> None:
        try:
            settings = self._sources.read().load()
            self._take(settings)
        except CONFIGURATION_ERRORS as error:
            self._state.refused()
            _log_errors(error)
        else:
            logger.warning("reloaded")
            for warning in settings.signing_warnings():
                logger.warning("%s", warning)


def _reporter(options: Options) -> Callable[[RequestRecord], None] | None:
    """Return what takes note of each answer, None when nobody wants to know."""
    reports = [*([counter()] if options.metrics else []), *([log] if options.access_log else [])]

    def report(record: RequestRecord) -> None:
        for one in reports:
            one(record)

    return report if reports else None


def reloadable(sources: Sources, contents: Contents) -> Reloadable:
    """Make the application of a worker, from what was read of its sources. Raises one of BROKEN."""
    return Reloadable(sources, contents.load()).drain()


class Workers(Multiprocess):
    """Worker processes that serve what this process has read and found right.

    On SIGHUP it reads anew, and only when all is right has the workers do so. A worker that dies is replaced by one
    that serves what was right last, whatever the files have become.
    """

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket], sources: Sources, state: State) -> None:
        super().__init__(config, sockets)
        self._sources = sources
        self._state = state

    def keep_subprocess_alive(self) -> None:
        """Replace workers that have died or hang.

        uvicorn waits for a worker's answer even when the worker has died since it was asked; meanwhile it hears no
        signal. This one looks.
        """
        for number, process in enumerate(self.processes):
            if self.should_exit.is_set() or self._lives(process):
                continue
            process.kill()
            process.join()
            if process.exitcode == STARTUP_FAILURE:
                logger.error("a worker cannot start; the server ends")
                self.should_exit.set()
                return
            self.processes[number] = Process(self.config, self.sockets)
            self.processes[number].start()

    def _lives(self, process: Process) -> bool:
        try:
            process.parent_conn.send(b"ping")
            deadline = time.monotonic() + self.config.timeout_worker_healthcheck
            while process.process.is_alive() and time.monotonic() < deadline:
                if process.parent_conn.poll(0.1):
                    process.parent_conn.recv()
                    return True
                if self.signal_queue:
                    return True  # signals first; the worker is asked again
        except (OSError, EOFError):
            pass
        return False

    def handle_hup(self) -> None:
        """Reload."""
        try:
            contents = self._sources.read()
            settings = contents.load()
            application(settings)
        except CONFIGURATION_ERRORS as error:
            self._state.refused()
            _log_errors(error)
            return
        self._state.applied(settings)
        self.config.app = functools.partial(reloadable, self._sources, contents)
        for process in self.processes:
            if process.pid is not None:
                os.kill(process.pid, signal.SIGHUP)


def _freeze() -> None:
    """Take what has been made at start out of the garbage collector's rounds: it stays.

    What a reload has made superfluous goes first.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def _log_errors(error: Exception) -> None:
    for line in str(error).splitlines():
        logger.error("not reloaded, what was served goes on: %s", line)
