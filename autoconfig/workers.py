"""Starts worker processes, replaces those that die or hang, passes them new settings, and shuts them down.

A single loop in the main thread does all this. It never waits for a worker.
"""

import logging
import multiprocessing
import os
import pickle
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import wait
from queue import Empty, SimpleQueue

from autoconfig import boot, handover
from autoconfig.front import place_of
from autoconfig.handover import APPLIED, DRAIN, END, READY, SETTINGS
from autoconfig.listening import Listener
from autoconfig.sources import Settings
from autoconfig.worker import Setup

HUNG = 8.0
"""Seconds without a heartbeat after which a worker counts as hung; there is one every second."""
_TICK = 0.2
_LONGEST_STEP = 1.0
"""Maximum seconds of silence counted between two steps: this process may have been stopped, too."""
_RETRY_PAUSE = 0.5
"""Seconds before the next attempt if a worker cannot start."""
_ATTEMPTS = 3
"""Workers that may die while they load new settings; then the previous settings are used again."""
_EXIT_TIME = 10.0
"""Seconds for a worker to exit after its last request."""

_SPAWN = multiprocessing.get_context("spawn")
logger = logging.getLogger(__name__)


class HandoverError(Exception):
    """Workers died while they loaded new settings; the previous settings are in use again."""


class _Process:
    """A worker, from its parent's point of view."""

    def __init__(self, listener: Listener, setup: bytes) -> None:
        self.channel, theirs = socket.socketpair()
        self.channel.setblocking(False)
        self.ready = self.killed = False
        self.silent = 0.0
        """Seconds since the last heartbeat."""
        self.sent = self.applied = 0
        """Numbers of the settings sent to it last, and of those that it serves."""
        self._process = _SPAWN.Process(target=boot.start, args=(theirs, listener, setup), name="worker", daemon=True)
        # The new process inherits the mask, so no signal can end it before it has set its handlers.
        signal.pthread_sigmask(signal.SIG_BLOCK, boot.SIGNALS)
        try:
            self._process.start()
        finally:
            theirs.close()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, boot.SIGNALS)

    @property
    def sentinel(self) -> int:
        """A file descriptor that becomes readable when the process exits."""
        return self._process.sentinel

    @property
    def exit_status(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""
        return self._process.exitcode

    def read_messages(self) -> None:
        """Read its messages."""
        try:
            messages = self.channel.recv(4096)
        except OSError:
            return
        if messages:
            self.silent = 0.0
        self.ready = self.ready or READY in messages
        if READY in messages or APPLIED in messages:
            self.applied = self.sent

    def send_settings(self, descriptor: int, number: int) -> None:
        """Send it settings, unless its channel is full."""
        if handover.send(self.channel, SETTINGS, descriptor):
            self.sent = number

    def kill(self) -> None:
        """Kill it."""
        self.killed = True
        self._process.kill()

    def release(self) -> None:
        """Release its resources after it has exited."""
        self._process.join()
        self._process.close()
        self.channel.close()


class Workers:
    """Worker processes that serve the settings validated by this process. Create and run it in the main thread."""

    def __init__(
        self, number: int, listener: Listener, setup: Setup, settings: Settings, on_ready: Callable[[], None]
    ) -> None:
        self._wanted = number
        self._listener = listener
        self._setup = setup
        self._on_ready = on_ready
        self._processes: list[_Process] = []
        self._settings = self._previous = handover.store(settings)
        self._number = 1
        self._incoming: SimpleQueue[int] = SimpleQueue()
        self._outcome: SimpleQueue[bool] = SimpleQueue()
        self._handing_over = False
        self._lost = 0
        self._not_before = self._last_step = 0.0
        self._signals: list[int] = []
        self._ends_at: float | None = None
        self._killed_at: float | None = None
        self._was_ready = False
        self._status = 0
        self._waker, self._woken = socket.socketpair()
        self._waker.setblocking(False)
        self._woken.setblocking(False)

    def apply(self, settings: Settings) -> None:
        """Pass new settings to the workers; return when all serve them. Call it from one other thread only.

        Raises HandoverError, or OSError if there is no memory for the settings.
        """
        self._incoming.put(handover.store(settings))
        self._waker.send(b".")
        if not self._outcome.get():
            raise HandoverError("workers died while they loaded it")

    def run(self) -> int:
        """Supervise until shutdown; return the exit status."""
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda number, _: self._signals.append(number))
        self._last_step = time.monotonic()
        while self._killed_at is None or self._processes:
            try:
                self._step()
            except Exception as error:  # otherwise nothing would ever shut the workers down
                logger.error("supervision failed: %s", place_of(error))
                time.sleep(0.1)
            if self._processes:
                wait([self._woken, *self._waited_for()], _TICK)
        return self._status

    def _waited_for(self) -> list[int | socket.socket]:
        return [one for process in self._processes for one in (process.sentinel, process.channel)]

    def _step(self) -> None:
        now = time.monotonic()
        self._empty_waker()
        self._check_heartbeats(min(now - self._last_step, _LONGEST_STEP))
        self._last_step = now
        self._remove_exited(now)
        if self._signals or self._ends_at is not None:
            self._shut_down(now)
        else:
            self._take_incoming()
            self._start_missing(now)
            self._hand_over()

    def _empty_waker(self) -> None:
        with suppress(BlockingIOError):
            while True:
                self._woken.recv(4096)

    def _check_heartbeats(self, seconds: float) -> None:
        for process in self._running():
            process.silent += seconds
            process.read_messages()
            if process.silent > HUNG:
                logger.error("a worker hangs; killing it")
                process.kill()
        if not self._was_ready and any(process.ready for process in self._processes):
            self._was_ready = True
            self._on_ready()

    def _running(self) -> list[_Process]:
        return [process for process in self._processes if not process.killed]

    def _remove_exited(self, now: float) -> None:
        """Remove the workers that have exited."""
        for process in list(self._processes):
            if (status := process.exit_status) is None:
                continue
            self._processes.remove(process)
            if self._ends_at is None:
                logger.error("a worker exited with status %s; starting another", status)
                if not process.ready:
                    self._not_before = now + _RETRY_PAUSE
                if self._handing_over and process.applied < process.sent:
                    self._lost += 1
                if not self._was_ready and status > 0:  # not a signal
                    logger.error("workers cannot start; the server exits")
                    self._status = 1
                    self._signals += [signal.SIGTERM] * 2
            process.release()

    def _start_missing(self, now: float) -> None:
        if now < self._not_before:
            return
        for _ in range(self._wanted - len(self._running())):
            try:
                process = _Process(self._listener, pickle.dumps(self._setup))
            except OSError as error:  # no memory, or too many processes: may be temporary
                logger.error("cannot start a worker: %s", error.strerror)
                self._not_before = now + _RETRY_PAUSE
                return
            process.send_settings(self._settings, self._number)
            self._processes.append(process)

    def _take_incoming(self) -> None:
        """Begin to pass new settings to the workers."""
        try:
            settings = self._incoming.get_nowait()
        except Empty:
            return
        self._previous, self._settings = self._settings, settings
        self._number += 1
        self._handing_over, self._lost = True, 0

    def _hand_over(self) -> None:
        """Pass the settings to workers that have older ones; report when all serve them, or that they cannot."""
        for process in self._running():
            if process.ready and process.sent == process.applied < self._number:
                process.send_settings(self._settings, self._number)
        if not self._handing_over:
            return
        if self._lost >= _ATTEMPTS:
            self._finish_handover(self._settings, applied=False)
            self._settings = self._previous
            self._number += 1
        elif [one.applied for one in self._running()] == [self._number] * self._wanted:
            self._finish_handover(self._previous, applied=True)
            self._previous = self._settings

    def _finish_handover(self, obsolete: int, *, applied: bool) -> None:
        self._handing_over = False
        os.close(obsolete)
        self._outcome.put(applied)

    def _shut_down(self, now: float) -> None:
        """Drain at the first signal; shut down after the drain time or at the second; kill workers that are late."""
        if self._ends_at is None:
            self._ends_at = now + self._setup.drain_time
            for process in self._running():
                handover.send(process.channel, DRAIN)
        if self._killed_at is None and (now >= self._ends_at or len(self._signals) > 1):
            self._killed_at = now + self._setup.grace_time + _EXIT_TIME
            self._listener.refuse_new()
            for process in self._running():
                handover.send(process.channel, END)
            self._listener.socket.close()
        if self._killed_at is not None and now >= self._killed_at:
            for process in self._running():
                process.kill()
