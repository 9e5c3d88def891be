"""Start of a worker: signal handlers and a heartbeat, before any slow import."""

import os
import pickle
import signal
import socket

from autoconfig.listening import Listener
from autoconfig.pulse import Pulse

SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
"""Signals that the parent blocks while it starts a worker, until the worker has set their handlers."""


def start(channel: socket.socket, listener: Listener, setup: bytes) -> None:
    """Run a worker process; `setup` is a pickled worker.Setup."""
    for number in (signal.SIGHUP, signal.SIGINT):  # a terminal sends them to all processes; the parent handles them
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    pulse = Pulse(channel)
    from autoconfig import worker

    worker.run(channel, listener, pickle.loads(setup), pulse)  # noqa: S301 - the parent process wrote it
