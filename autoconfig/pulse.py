"""A worker's heartbeat for its parent. This module imports nothing slow, so that heartbeats begin at once."""

import socket
import threading
import time
from typing import TYPE_CHECKING

from autoconfig.handover import ALIVE, send

if TYPE_CHECKING:
    import asyncio

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
            self.beat()
            time.sleep(_INTERVAL)

    def beat(self) -> None:
        """Send a heartbeat, unless the event loop has been closed."""
        if self.loop is None:
            send(self._channel, ALIVE)
        elif not self.loop.is_closed():
            self.loop.call_soon_threadsafe(send, self._channel, ALIVE)
