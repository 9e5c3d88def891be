"""Reloading on SIGHUP, with one process or many."""

import logging
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

from autoconfig.front import place_of
from autoconfig.metrics import State
from autoconfig.sources import CONFIGURATION_ERRORS, Settings, Sources

logger = logging.getLogger(__name__)

Apply = Callable[[Settings], None]
"""Applies settings; returns when every process serves them. Raises an exception if that fails."""


class Reloader:
    """Reads the sources again for each entry of `requests`, and applies them.

    Entries that arrive during a reload are merged into one. Every error is logged, and the previous configuration stays
    in use. A single thread does all this, so its memory is reused; it never delays the exit of the process.
    """

    def __init__(self, requests: "SimpleQueue[None]", sources: Sources, apply: Apply, state: State) -> None:
        self._requests = requests
        self.sources = sources
        self._apply = apply
        self._state = state

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._run, name="reload", daemon=True).start()

    def _run(self) -> None:
        while True:
            self._requests.get()
            _discard(self._requests)
            self._reload()

    def _reload(self) -> None:
        try:
            settings = self.sources.read().load()
            self._apply(settings)
        except CONFIGURATION_ERRORS as error:
            self._failed(str(error).splitlines())
        except Exception as error:  # otherwise the thread would end, and no later SIGHUP would have any effect
            self._failed([f"{error} ({place_of(error)})"])
        else:
            self._state.applied(settings)
            logger.warning("reloaded")
            for warning in settings.file_warnings():
                logger.warning("%s", warning)

    def _failed(self, errors: list[str]) -> None:
        self._state.refused()
        for error in errors:
            logger.error("not reloaded, the previous configuration stays in use: %s", error)


def _discard(requests: "SimpleQueue[None]") -> None:
    try:
        while True:
            requests.get_nowait()
    except Empty:
        pass
