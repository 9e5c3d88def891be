"""SIGHUP and SIGTERM from the first moment of the server, before anything slow is imported.

Until a program catches it, SIGHUP ends it; and SIGTERM does not end the first process of a container.
"""

import os
import signal
from queue import SimpleQueue

reloads: "SimpleQueue[None]" = SimpleQueue()
"""One entry for each SIGHUP that came. `put` is safe in a signal handler that interrupts another."""


def catch() -> None:
    """Remember SIGHUP until it can be acted on, and exit on SIGTERM. For the main thread."""
    signal.signal(signal.SIGHUP, lambda *_: reloads.put(None))
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
