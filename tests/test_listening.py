"""Sockets to listen on, and what systemd is told."""

import socket
from pathlib import Path

import pytest

from autoconfig.listening import Listener, notify_ready


def test_connections_that_wait_are_known() -> None:
    listener = Listener.open("127.0.0.1", 0)
    with listener.socket as listening:
        assert not listener.has_waiting()
        with socket.create_connection(listening.getsockname()):
            assert listener.has_waiting()


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_is_told_that_the_server_is_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, abstract: bool
) -> None:
    address = f"@{tmp_path}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(address.replace("@", "\0"))
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        notify_ready()
        assert systemd.recv(100) == b"READY=1"


@pytest.mark.parametrize("address", ["", "vsock:2:1", "/nonexistent/notify"])
def test_an_address_at_which_nothing_listens_keeps_no_server_from_starting(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    notify_ready()


def test_after_the_end_no_new_connection_is_opened_and_those_that_wait_can_be_accepted() -> None:
    listener = Listener.open("127.0.0.1", 0)
    with listener.socket as listening, socket.create_connection(listening.getsockname()):
        listener.refuse_new()
        with pytest.raises(TimeoutError):
            socket.create_connection(listening.getsockname(), timeout=0.2)
        listening.accept()[0].close()
