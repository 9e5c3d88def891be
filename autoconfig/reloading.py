"""Reloading: what SIGHUP does, with one process or with many."""

import logging
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

from autoconfig.front import place_of
from autoconfig.metrics import State
from autoconfig.sources import CONFIGURATION_ERRORS, Settings, Sources

logger = logging.getLogger(__name__)

Apply = Callable[[Settings], None]
"""Has what was read served, and returns when it is served everywhere. Raises an exception when it cannot be."""


class Reloader:
    """Reads the sources anew for every entry of `requests`, and has them applied.

    Requests that come while it reads are one. Whatever goes wrong, it is reported, and the previous configuration stays
    in use. All happens in one thread beside the requests, whose memory is used again; it never keeps the process from
    exiting.
    """

    def __init__(self, requests: "SimpleQueue[None]", sources: Sources, apply: Apply, state: State) -> None:
        self._requests = requests
        self.sources = sources
        self._apply = apply
        self._state = state

    def start(self) -> None:
        """Begin."""
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
        except Exception as error:  # a thread that ends would leave every later SIGHUP without effect
            self._failed([f"{error} ({place_of(error)})"])
        else:
            self._state.applied(settings)
            logger.warning("reloaded")
            for warning in settings.signing_warnings():
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
