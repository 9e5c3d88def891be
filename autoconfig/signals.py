"""Handlers for SIGHUP and SIGTERM, set before any slow import.

Without a handler, SIGHUP ends a process, and SIGTERM does not end the first process of a container.
"""

import os
import signal
from queue import SimpleQueue

reloads: "SimpleQueue[None]" = SimpleQueue()
"""One entry for each SIGHUP. `put` is safe in a signal handler that interrupts another one."""


def catch() -> None:
    """Queue SIGHUP for later, and exit on SIGTERM. For the main thread."""
    signal.signal(signal.SIGHUP, lambda *_: reloads.put(None))
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
