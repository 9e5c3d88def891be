"""Supervision of workers that fail: the test acts as the workers, and runs the supervisor step by step."""

import errno
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from autoconfig import handover, workers
from autoconfig.connection_pool import Limits
from autoconfig.handover import ALIVE, APPLIED, DRAIN, END, READY, SETTINGS
from autoconfig.listening import Listener
from autoconfig.running import Application
from autoconfig.sources import Settings, Sources
from autoconfig.uvicorn_server import LimitedConfig
from autoconfig.worker import Setup
from autoconfig.workers import HandoverError, Workers
from tests.support import TIMEOUT, Write, wait_until


class Child(workers._Process):
    """A worker without a process: the test sends its messages and decides when it exits."""

    def __init__(self, _listener: Listener, _setup: bytes) -> None:
        self.channel, self.theirs = socket.socketpair()
        self.channel.setblocking(False)
        self.theirs.setblocking(False)
        self.ready = self.killed = False
        self.silent = 0.0
        self.sent = self.applied = 0
        self.status: int | None = None

    @property
    def sentinel(self) -> int:
        return self.theirs.fileno()

    @property
    def exit_status(self) -> int | None:
        return self.status

    def send(self, message: bytes) -> None:
        self.theirs.send(message)

    def received(self) -> list[tuple[bytes, Settings | None]]:
        """Return the parent's messages, with settings."""
        found: list[tuple[bytes, Settings | None]] = []
        while True:
            try:
                message, descriptor = handover.receive(self.theirs)
            except BlockingIOError:
                return found
            found.append((message, None if descriptor is None else handover.retrieve(descriptor)))

    def kill(self) -> None:
        self.killed = True
        self.status = -signal.SIGKILL

    def release(self) -> None:
        self.channel.close()
        self.theirs.close()


class FailingChild(Child):
    """A worker that cannot start."""

    def __init__(self, listener: Listener, setup: bytes) -> None:
        super().__init__(listener, setup)
        self.status = 1


class ObedientChild(Child):
    """A worker that is ready at once, and exits when the parent says so."""

    def __init__(self, listener: Listener, setup: bytes) -> None:
        super().__init__(listener, setup)
        self.send(READY)

    @property
    def exit_status(self) -> int | None:
        return 0 if (END, None) in self.received() else self.status


class UnresponsiveChild(Child):
    """A worker that is ready at once, and ignores the parent."""

    def __init__(self, listener: Listener, setup: bytes) -> None:
        super().__init__(listener, setup)
        self.send(READY)


def config(app: Application) -> LimitedConfig:
    return LimitedConfig(app, Limits())


def nothing() -> None:
    pass


Supervise = Callable[..., Workers]


@pytest.fixture
def supervise(monkeypatch: pytest.MonkeyPatch, write: Write) -> Iterator[Supervise]:
    """Return a function that makes a supervisor of workers of a kind, by default of one."""
    listener = Listener.open("127.0.0.1", 0)
    made: list[Workers] = []
    monkeypatch.setattr(workers, "_RETRY_PAUSE", 0.0)
    monkeypatch.setattr(workers, "_EXIT_TIME", 0.0)

    def make(
        kind: type[Child], on_ready: Callable[[], None] = nothing, number: int = 1, drain_time: float = 0
    ) -> Workers:
        monkeypatch.setattr(workers, "_Process", kind)
        setup = Setup(config, "text", drain_time, 0, metrics=False)
        made.append(Workers(number, listener, setup, settings(write), on_ready))
        return made[-1]

    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield make
    finally:
        signal.set_wakeup_fd(-1)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        listener.socket.close()
        for one in made:
            for process in one._processes:
                process.release()
            for end in (one._waker, one._woken):
                end.close()
            os.close(one._settings)


def settings(write: Write, host: str = "imap.example.com") -> Settings:
    return Sources((write({"imap.example.com": host}),)).read().load()


def hosts(child: Child) -> list[str]:
    """Return the first server in each of the settings that a worker has received."""
    return [one.definitions[0].servers[0].hostname for message, one in child.received() if message == SETTINGS and one]


def only(supervisor: Workers) -> Child:
    (child,) = supervisor._processes
    assert isinstance(child, Child)
    return child


@contextmanager
def applying(supervise: Supervise, write: Write) -> Iterator[tuple[Workers, Future[None]]]:
    """Yield a supervisor that has passed new settings to its worker, and its result, which is pending."""
    supervisor = supervise(Child)
    supervisor._step()
    only(supervisor).send(READY)
    supervisor._step()
    with ThreadPoolExecutor(1) as other:
        applied = other.submit(supervisor.apply, settings(write, "changed.example.com"))
        assert wait_until(lambda: not supervisor._incoming.empty())
        supervisor._step()
        yield supervisor, applied


def test_settings_that_kill_workers_are_withdrawn_and_the_previous_ones_used_again(
    supervise: Supervise, write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    with applying(supervise, write) as (supervisor, applied):
        assert hosts(only(supervisor)) == ["imap.example.com", "changed.example.com"]
        for _ in range(2):
            only(supervisor).status = -signal.SIGSEGV
            supervisor._step()
            assert hosts(only(supervisor)) == ["changed.example.com"]
            assert not applied.done()
        only(supervisor).status = -signal.SIGSEGV
        supervisor._step()
        with pytest.raises(HandoverError, match="workers died while they loaded it"):
            applied.result(TIMEOUT)
    only(supervisor).send(READY)
    supervisor._step()
    assert hosts(only(supervisor))[-1] == "imap.example.com"
    assert caplog.text.count("a worker exited with status -11; starting another") == 3


def test_new_settings_are_in_use_once_every_worker_confirms_them(supervise: Supervise, write: Write) -> None:
    with applying(supervise, write) as (supervisor, applied):
        assert not applied.done()
        only(supervisor).send(APPLIED)
        supervisor._step()
        applied.result(TIMEOUT)


def test_settings_that_do_not_fit_into_a_workers_channel_are_sent_later(supervise: Supervise, write: Write) -> None:
    supervisor = supervise(Child)
    supervisor._step()
    child = only(supervisor)
    child.received()
    child.send(READY)
    supervisor._step()
    while handover.send(child.channel, ALIVE):  # the worker does not read
        pass
    with ThreadPoolExecutor(1) as other:
        applied = other.submit(supervisor.apply, settings(write, "changed.example.com"))
        assert wait_until(lambda: not supervisor._incoming.empty())
        supervisor._step()
        assert hosts(child) == []
        supervisor._step()
        assert hosts(child) == ["changed.example.com"]
        child.send(APPLIED)
        supervisor._step()
        applied.result(TIMEOUT)


def test_a_worker_that_cannot_be_started_is_started_later(
    supervise: Supervise, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_memory(*_: object) -> None:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    supervisor = supervise(Child)
    with monkeypatch.context() as patch:
        patch.setattr(workers, "_Process", no_memory)
        supervisor._step()
    assert supervisor._processes == []
    assert "cannot start a worker: Cannot allocate memory" in caplog.text
    supervisor._step()
    assert hosts(only(supervisor)) == ["imap.example.com"]


def test_a_server_whose_first_worker_cannot_start_exits_with_status_1(
    supervise: Supervise, caplog: pytest.LogCaptureFixture
) -> None:
    assert supervise(FailingChild).run() == 1
    assert "workers cannot start; the server exits" in caplog.text


def test_supervision_continues_after_an_error_whose_message_is_not_logged(
    supervise: Supervise, caplog: pytest.LogCaptureFixture
) -> None:
    def on_ready() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        raise ValueError("secret")

    assert supervise(ObedientChild, on_ready).run() == 0
    assert "supervision failed: ValueError at " in caplog.text
    assert "secret" not in caplog.text


def children(supervisor: Workers) -> list[Child]:
    return [one for one in supervisor._processes if isinstance(one, Child)]


def test_a_worker_is_killed_and_replaced_after_eight_seconds_without_a_heartbeat(
    supervise: Supervise, caplog: pytest.LogCaptureFixture
) -> None:
    supervisor = supervise(Child)
    supervisor._step()
    child = only(supervisor)
    supervisor._check_heartbeats(8)
    child.send(ALIVE)
    supervisor._check_heartbeats(1)
    supervisor._check_heartbeats(8)
    assert not child.killed
    supervisor._check_heartbeats(0.1)
    assert child.killed
    assert caplog.messages == ["a worker hangs; killing it"]
    supervisor._step()
    assert only(supervisor) is not child


def test_at_most_a_second_of_silence_counts_between_two_steps(supervise: Supervise) -> None:
    """The supervisor may have been stopped too."""
    supervisor = supervise(Child)
    supervisor._step()
    supervisor._last_step = time.monotonic() - 3600
    supervisor._step()
    assert only(supervisor).silent == 1


def test_readiness_is_reported_once_when_the_first_worker_is_ready(supervise: Supervise) -> None:
    reports: list[int] = []
    supervisor = supervise(Child, lambda: reports.append(1), number=2)
    supervisor._step()
    first, second = children(supervisor)
    first.send(ALIVE)
    supervisor._step()
    assert reports == []
    for child in (second, first):
        child.send(READY)
        supervisor._step()
        assert reports == [1]


@pytest.mark.parametrize(("message", "pauses"), [(ALIVE, True), (READY, False)])
def test_only_a_worker_that_dies_before_it_is_ready_is_replaced_after_a_pause(
    supervise: Supervise, monkeypatch: pytest.MonkeyPatch, message: bytes, pauses: bool
) -> None:
    supervisor = supervise(Child)
    supervisor._step()
    monkeypatch.setattr(workers, "_RETRY_PAUSE", 3600)
    only(supervisor).send(message)
    supervisor._step()
    only(supervisor).status = -signal.SIGKILL
    supervisor._step()
    assert bool(supervisor._processes) is not pauses
    supervisor._not_before -= 3600
    supervisor._step()
    assert len(supervisor._processes) == 1


def test_a_worker_that_fails_after_others_were_ready_does_not_end_the_server(supervise: Supervise) -> None:
    supervisor = supervise(Child)
    supervisor._step()
    only(supervisor).send(READY)
    supervisor._step()
    only(supervisor).status = 1
    supervisor._step()
    assert (supervisor._signals, supervisor._status, len(supervisor._processes)) == ([], 0, 1)


def test_settings_are_in_use_only_if_all_workers_serve_them_and_the_previous_are_freed(
    supervise: Supervise, write: Write
) -> None:
    supervisor = supervise(Child, number=2)
    supervisor._step()
    for child in children(supervisor):
        child.send(READY)
    supervisor._step()
    previous = supervisor._settings
    with ThreadPoolExecutor(1) as other:
        applied = other.submit(supervisor.apply, settings(write, "changed.example.com"))
        assert wait_until(lambda: not supervisor._incoming.empty())
        supervisor._step()
        first, second = children(supervisor)
        first.send(APPLIED)
        supervisor._step()
        assert supervisor._handing_over
        os.fstat(previous)
        second.send(APPLIED)
        supervisor._step()
        applied.result(TIMEOUT)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(previous)
    assert hosts(first) == ["imap.example.com", "changed.example.com"]


def test_the_first_signal_drains_workers_and_the_second_ends_them(supervise: Supervise) -> None:
    supervisor = supervise(Child, drain_time=3600)
    supervisor._step()
    child = only(supervisor)
    child.received()
    supervisor._signals.append(signal.SIGTERM)
    supervisor._step()
    supervisor._step()
    assert child.received() == [(DRAIN, None)]
    supervisor._signals.append(signal.SIGTERM)
    supervisor._step()
    assert child.received() == [(END, None)]


def test_workers_end_after_the_drain_time(supervise: Supervise) -> None:
    supervisor = supervise(Child, drain_time=3600)
    supervisor._step()
    child = only(supervisor)
    child.received()
    supervisor._shut_down(100)
    supervisor._shut_down(3699)
    assert child.received() == [(DRAIN, None)]
    supervisor._shut_down(3700)
    assert child.received() == [(END, None)]
    assert child.killed  # the grace time is 0 here


def test_a_worker_that_exits_during_shutdown_is_not_replaced(
    supervise: Supervise, caplog: pytest.LogCaptureFixture
) -> None:
    supervisor = supervise(Child, drain_time=3600)
    supervisor._step()
    supervisor._signals.append(signal.SIGTERM)
    supervisor._step()
    only(supervisor).status = 0
    supervisor._step()
    assert (supervisor._processes, caplog.messages) == ([], [])


def test_a_worker_that_does_not_exit_in_time_is_killed(supervise: Supervise) -> None:
    supervisor = supervise(UnresponsiveChild, lambda: os.kill(os.getpid(), signal.SIGTERM))
    supervisor._step()
    child = only(supervisor)
    assert supervisor.run() == 0
    assert child.killed
