"""Listening sockets, and the notification of systemd."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from autoconfig import listening as module
from autoconfig.listening import Listener, notify_ready


def test_pending_connections_are_detected() -> None:
    listener = Listener.open("127.0.0.1", 0)
    with listener.socket as listening:
        assert not listener.has_waiting()
        with socket.create_connection(listening.getsockname()):
            assert listener.has_waiting()


def test_a_listener_passed_by_systemd_keeps_accepting_connections() -> None:
    """systemd keeps it open for the next start of the server."""
    with Listener.open("127.0.0.1", 0).socket as listening:
        Listener(listening, passed=True).refuse_new()
        with socket.create_connection(listening.getsockname(), timeout=5):
            listening.accept()[0].close()


@pytest.mark.parametrize(
    ("process", "descriptors", "used"), [(os.getpid, "1", True), (os.getppid, "1", False), (os.getpid, "2", False)]
)
def test_a_socket_that_systemd_passes_to_this_process_is_used(
    monkeypatch: pytest.MonkeyPatch, process: Callable[[], int], descriptors: str, used: bool
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as passed:
        monkeypatch.setattr(module, "_FIRST_PASSED", passed.fileno())
        monkeypatch.setenv("LISTEN_PID", str(process()))
        monkeypatch.setenv("LISTEN_FDS", descriptors)
        listener = Listener.open("127.0.0.1", 0)
        assert (listener.passed, listener.socket.getsockname() == passed.getsockname()) == (used, used)
        if used:
            listener.socket.detach()
        else:
            listener.socket.close()


def test_an_address_with_colons_is_ipv6() -> None:
    with Listener.open("::1", 0).socket as listening:
        assert listening.family == socket.AF_INET6


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_is_notified_when_the_server_is_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, abstract: bool
) -> None:
    address = f"@{tmp_path}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(address.replace("@", "\0"))
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        notify_ready()
        assert systemd.recv(100) == b"READY=1"


@pytest.mark.parametrize("address", ["", "vsock:2:1", "/nonexistent/notify"])
def test_an_unreachable_notify_socket_is_ignored(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    notify_ready()


def test_a_closed_listener_refuses_new_connections_and_keeps_pending_ones() -> None:
    listener = Listener.open("127.0.0.1", 0)
    with listener.socket as listening, socket.create_connection(listening.getsockname()):
        listener.refuse_new()
        with pytest.raises(TimeoutError):
            socket.create_connection(listening.getsockname(), timeout=0.2)
        listening.accept()[0].close()
