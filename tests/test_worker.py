"""A worker process, run in the process of the test."""

import logging
import math
import os
import pickle
import signal
import socket
import threading
import time
from collections.abc import Iterator
from typing import NoReturn

import pytest

from autoconfig import boot, handover
from autoconfig import worker as module
from autoconfig.connection_pool import Limits
from autoconfig.handover import ALIVE, APPLIED, SETTINGS
from autoconfig.listening import Listener
from autoconfig.pulse import Pulse
from autoconfig.running import Application
from autoconfig.sources import Settings, Sources
from autoconfig.uvicorn_server import LimitedConfig
from autoconfig.worker import Setup
from tests.support import TIMEOUT, Write, wait_until

CHANGED = {"imap.example.com": "changed.example.com"}


@pytest.fixture
def channels() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The parent's end of a channel, and the worker's."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(TIMEOUT)
        yield ours, theirs


@pytest.fixture
def listener() -> Iterator[Listener]:
    one = Listener.open("127.0.0.1", 0)
    with one.socket:
        yield one


@pytest.fixture
def statuses(channels: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Make workers exit their thread instead of the process; return their exit statuses."""
    found: list[int] = []

    def leave(status: int) -> NoReturn:
        found.append(status)
        raise SystemExit

    monkeypatch.setattr(os, "_exit", leave)
    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)  # ignores SystemExit, unlike pytest's
    monkeypatch.setattr(logging.config, "dictConfig", lambda _: None)
    yield found
    exit_of_parent(channels[0])


def exit_of_parent(channel: socket.socket) -> None:
    """Close the parent's end of the channel, and wait until the worker's thread has exited."""
    channel.close()
    for thread in threading.enumerate():
        if thread.name == "parent":
            thread.join(TIMEOUT)


def config(app: Application) -> LimitedConfig:
    return LimitedConfig(app, Limits())


def broken_config(_: Application) -> LimitedConfig:
    raise ValueError("secret")


def settings(write: Write, changes: dict[str, str] | None = None) -> Settings:
    return Sources((write(changes),)).read().load()


def setup(drain_time: float = 0) -> Setup:
    return Setup(config, "text", drain_time, 0, metrics=False)


def ready_worker(channel: socket.socket, listener: Listener, first: Settings) -> tuple[module._Worker, module._Server]:
    """Return a worker that is about to listen, and its server."""
    worker = module._Worker(channel, listener, setup(), Pulse(channel))
    worker._served = Application(first)
    worker._server = module._Server(config(worker._served), worker._served, listener, 0, worker._ready)
    return worker, worker._server


@pytest.fixture
def handlers() -> Iterator[None]:
    """Restore the process's signal handlers after the test."""
    before = {number: signal.getsignal(number) for number in boot.SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers")
def test_while_a_worker_loads_sigterm_ends_it_and_signals_from_a_terminal_do_not(
    channels: tuple[socket.socket, socket.socket],
    listener: Listener,
    statuses: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def load(_channel: socket.socket, _listener: Listener, given: Setup, _pulse: Pulse) -> None:
        assert given == setup()
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            signal.raise_signal(number)

    monkeypatch.setattr(module, "run", load)
    signal.pthread_sigmask(signal.SIG_BLOCK, boot.SIGNALS)  # as the parent does
    with pytest.raises(SystemExit):
        boot.start(channels[1], listener, pickle.dumps(setup()))
    assert statuses == [0]
    assert channels[0].recv(1) == ALIVE


@pytest.mark.parametrize("flags", [0, socket.MSG_PEEK], ids=["heartbeat read", "heartbeat not read"])
def test_a_worker_whose_parent_exits_before_it_sends_settings_exits_without_an_error(
    channels: tuple[socket.socket, socket.socket],
    listener: Listener,
    statuses: list[int],
    caplog: pytest.LogCaptureFixture,
    flags: int,
) -> None:
    ours, theirs = channels
    pulse = Pulse(theirs)
    assert ours.recv(1, flags) == ALIVE
    ours.close()
    with pytest.raises(SystemExit):
        module.run(theirs, listener, setup(), pulse)
    assert statuses == [0]
    assert caplog.text == ""


def test_a_worker_that_cannot_serve_exits_with_status_1_and_logs_the_place_but_not_the_message(
    channels: tuple[socket.socket, socket.socket],
    listener: Listener,
    statuses: list[int],
    write: Write,
    caplog: pytest.LogCaptureFixture,
) -> None:
    ours, theirs = channels
    descriptor = handover.store(settings(write))
    handover.send(ours, SETTINGS, descriptor)
    os.close(descriptor)
    with pytest.raises(SystemExit):
        module.run(theirs, listener, Setup(broken_config, "text", 0, 0, metrics=False), Pulse(theirs))
    assert statuses == [1]
    assert "a worker cannot serve: ValueError at " in caplog.text
    assert "secret" not in caplog.text
    exit_of_parent(ours)
    assert statuses == [1, 0]


def test_a_worker_confirms_new_settings_once_it_serves_them(
    channels: tuple[socket.socket, socket.socket], listener: Listener, write: Write
) -> None:
    ours, theirs = channels
    worker, server = ready_worker(theirs, listener, settings(write))
    worker._apply(handover.store(settings(write, CHANGED)))
    assert wait_until(lambda: ours.recv(1) == APPLIED)
    assert not server.is_draining


def test_a_worker_that_cannot_load_new_settings_drains_so_that_another_replaces_it(
    channels: tuple[socket.socket, socket.socket], listener: Listener, write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    ours, theirs = channels
    worker, server = ready_worker(theirs, listener, settings(write))
    worker._apply(os.memfd_create("empty"))
    assert server.is_draining
    assert not server._alone, "others accept the connections in the backlog"
    assert "a worker cannot load the new settings: ValueError at " in caplog.text
    assert APPLIED not in ours.recv(100)


def test_sigterm_drains_a_worker_and_gives_the_parent_time_for_commands(
    channels: tuple[socket.socket, socket.socket], listener: Listener, write: Write
) -> None:
    """systemd sends SIGTERM to all processes at once."""
    _, server = ready_worker(channels[1], listener, Sources((write(),)).read().load())
    before = time.monotonic()
    server.handle_exit(signal.SIGTERM, None)
    assert server.is_draining
    assert server._ends_at >= before + module._COMMANDS_TIME


def test_sigterm_does_not_stop_a_worker_that_the_parent_already_drains(
    channels: tuple[socket.socket, socket.socket], listener: Listener, write: Write
) -> None:
    _, server = ready_worker(channels[1], listener, settings(write))
    server.drain(math.inf)
    server.handle_exit(signal.SIGTERM, None)
    assert server._ends_at == math.inf
