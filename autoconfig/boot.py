"""Start of a worker: signal handlers and a heartbeat, before any slow import."""

import os
import pickle
import signal
import socket
import threading
import time
from typing import TYPE_CHECKING

from autoconfig.handover import ALIVE, send
from autoconfig.listening import Listener

if TYPE_CHECKING:
    import asyncio

SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
"""Signals that the parent blocks while it starts a worker, until the worker has set their handlers."""
_INTERVAL = 1.0
"""Seconds between two heartbeats."""


class Pulse:
    """Sends the parent a heartbeat every second, from the event loop once it runs."""

    def __init__(self, channel: socket.socket) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self._channel = channel
        threading.Thread(target=self._beat, name="pulse", daemon=True).start()

    def _beat(self) -> None:
        while True:
            if self.loop is None:
                send(self._channel, ALIVE)
            elif not self.loop.is_closed():
                self.loop.call_soon_threadsafe(send, self._channel, ALIVE)
            time.sleep(_INTERVAL)


def start(channel: socket.socket, listener: Listener, setup: bytes) -> None:
    """Run a worker process; `setup` is a pickled worker.Setup."""
    for number in (signal.SIGHUP, signal.SIGINT):  # a terminal sends them to all processes; the parent handles them
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    pulse = Pulse(channel)
    from autoconfig import worker

    worker.run(channel, listener, pickle.loads(setup), pulse)  # noqa: S301 - the parent process wrote it
