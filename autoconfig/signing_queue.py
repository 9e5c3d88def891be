"""Signing in a thread, while the event loop serves other requests."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

MAX_PENDING = 256
"""Maximum number of signatures that wait. With an RSA 4096 key, each takes some 1.5 ms."""
_BATCH = 0.006
"""Seconds after which finished signatures are delivered. Each delivery interrupts the signing: the event loop runs,
responds, and reads those clients' next requests."""

_thread = ThreadPoolExecutor(1, "sign")
"""One thread for all queues, because each reload creates a new signer. To use more cores, run more workers."""

_Signed = list[tuple["asyncio.Future[bytes]", bytes | Exception]]


class BusyError(Exception):
    """Too many signatures are waiting."""


class SigningQueue:
    """Calls `sign` in a thread, in which the library releases the interpreter lock. For one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, sign: Callable[[bytes], bytes]) -> None:
        self.loop = loop
        self._sign = sign
        self._waiting: deque[tuple[asyncio.Future[bytes], bytes]] = deque()
        self._pending = 0
        """Number of signatures not yet delivered."""
        self._running = False

    def add(self, content: bytes) -> "asyncio.Future[bytes]":
        """Return a future for the signed content. Raises BusyError if MAX_PENDING signatures are already waiting."""
        if self._pending >= MAX_PENDING:
            raise BusyError
        future = self.loop.create_future()
        self._pending += 1
        self._waiting.append((future, content))
        if not self._running:
            self._run()
        return future

    def _run(self) -> None:
        self._running = True
        _thread.submit(self._sign_waiting)

    def _sign_waiting(self) -> None:
        """Sign until none is waiting. Runs in the thread."""
        signed: _Signed = []
        due = time.monotonic() + _BATCH
        while self._waiting:
            future, content = self._waiting.popleft()
            try:
                signed.append((future, b"" if future.cancelled() else self._sign(content)))
            except Exception as error:
                signed.append((future, error))
            if time.monotonic() >= due and self._waiting:
                self.loop.call_soon_threadsafe(self._deliver, signed)
                signed, due = [], time.monotonic() + _BATCH
        self.loop.call_soon_threadsafe(self._finish, signed)

    def _deliver(self, signed: _Signed) -> None:
        self._pending -= len(signed)
        for future, result in signed:
            if future.cancelled():
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)

    def _finish(self, signed: _Signed) -> None:
        """Deliver the last signatures; more may have been added since."""
        self._deliver(signed)
        self._running = False
        if self._waiting:
            self._run()
