"""Taking changed files into use while the server runs: on SIGHUP, and only when all of them are right."""

import functools
import gc
import logging
import os
import signal
import socket
import threading
from collections.abc import Awaitable
from types import FrameType

import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.supervisors import Multiprocess

from autoconfig.definition import DefinitionError
from autoconfig.server import application
from autoconfig.signing import SigningError
from autoconfig.sources import Contents, Settings, Sources
from autoconfig.templates import TemplateError

BROKEN = (DefinitionError, SigningError, TemplateError)
"""What is raised when something cannot be served."""

logger = logging.getLogger(__name__)


class Reloadable:
    """ASGI application that reads its sources anew on SIGHUP.

    Requests in flight finish on what they began with. When something new is wrong, all that is wrong is logged and the
    old goes on serving. For the main thread to make. Raises TemplateError.
    """

    def __init__(self, sources: Sources, settings: Settings) -> None:
        self._sources = sources
        self._app = application(settings)
        _settle()
        self._lock = threading.Lock()
        signal.signal(signal.SIGHUP, self._hangup)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Pass a request on."""
        return self._app(scope, receive, send)

    def _hangup(self, _number: int, _frame: FrameType | None) -> None:
        # Beside the requests: many definitions take seconds.
        threading.Thread(target=self._reload, name="reload").start()

    def _reload(self) -> None:
        with self._lock:
            try:
                settings = self._sources.read().load()
                self._app = application(settings)
                _settle()
            except BROKEN as error:
                _tell(error)
            else:
                logger.warning("reloaded")
                for warning in settings.signing_warnings():
                    logger.warning("%s", warning)


def reloadable(sources: Sources, contents: Contents) -> Reloadable:
    """Make the application of a worker, from what was read of its sources. Raises one of BROKEN."""
    return Reloadable(sources, contents.load())


class Workers(Multiprocess):
    """Worker processes that serve what this process has read and found right.

    On SIGHUP it reads anew, and only when all is right has the workers do so. A worker that dies is replaced by one
    that serves what was right last, whatever the files have become.
    """

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket], sources: Sources) -> None:
        super().__init__(config, sockets)
        self._sources = sources

    def handle_hup(self) -> None:
        """Reload."""
        try:
            contents = self._sources.read()
            application(contents.load())
        except BROKEN as error:
            _tell(error)
            return
        self.config.app = functools.partial(reloadable, self._sources, contents)
        for process in self.processes:
            if process.pid is not None:
                os.kill(process.pid, signal.SIGHUP)


def _settle() -> None:
    """Take what has been made at start out of the garbage collector's rounds: it stays.

    What a reload has made superfluous goes first.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def _tell(error: Exception) -> None:
    for line in str(error).splitlines():
        logger.error("not reloaded, what was served goes on: %s", line)
