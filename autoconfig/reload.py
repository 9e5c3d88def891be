"""Taking new definitions into use while the server runs: on SIGHUP, and only when all of them are right."""

import functools
import gc
import logging
import os
import signal
import socket
import threading
from collections.abc import Awaitable, Sequence
from pathlib import Path
from types import FrameType

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.supervisors import Multiprocess

from autoconfig.definition import DefinitionError
from autoconfig.directory import Files, read
from autoconfig.server import application_of
from autoconfig.templates import TemplateError

logger = logging.getLogger(__name__)


class Reloadable:
    """ASGI application that reads its definitions anew on SIGHUP.

    Requests in flight finish on the definitions that they began with. When the new ones are wrong, all that is wrong is
    logged and the old ones go on serving. For the main thread to make.
    """

    def __init__(self, sources: Sequence[Path], app: ASGIApp) -> None:
        self._sources = sources
        self._app = app
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
                self._app = application_of(read(self._sources))
                _settle()
            except (DefinitionError, TemplateError) as error:
                _tell(error)
            else:
                logger.warning("reloaded")


def reloadable(sources: Sequence[Path], files: Files) -> Reloadable:
    """Make the application of a worker, from what was read of its sources. Raises DefinitionError or TemplateError."""
    return Reloadable(sources, application_of(files))


class Workers(Multiprocess):
    """Worker processes that serve what this process has read and found right.

    On SIGHUP it reads anew, and only when all is right has the workers do so. A worker that dies is replaced by one
    that serves what was right last, whatever the files have become.
    """

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket], sources: Sequence[Path]) -> None:
        super().__init__(config, sockets)
        self._sources = sources

    def handle_hup(self) -> None:
        """Reload."""
        try:
            files = read(self._sources)
            application_of(files)
        except (DefinitionError, TemplateError) as error:
            _tell(error)
            return
        self.config.app = functools.partial(reloadable, self._sources, files)
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


def _tell(error: DefinitionError | TemplateError) -> None:
    for line in str(error).splitlines():
        logger.error("not reloaded, the old definitions go on serving: %s", line)
