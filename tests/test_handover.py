"""Messages between a parent and its workers: they arrive, and sending never blocks."""

import os
import socket
from pathlib import Path

import pytest

from autoconfig import handover
from autoconfig.handover import ALIVE, DRAIN, SETTINGS
from autoconfig.sources import Settings, Sources
from tests.support import Write


def settings(write: Write) -> Settings:
    return Sources((write(),)).read().load()


def is_open(descriptor: int) -> bool:
    return Path(f"/proc/self/fd/{descriptor}").exists()


def test_settings_arrive_unchanged_and_their_descriptor_is_closed(write: Write) -> None:
    descriptor = handover.store(settings(write))
    assert handover.retrieve(descriptor).definitions[0].domains == ("example.com", "example.net")
    assert not is_open(descriptor)


def test_systems_without_memfd_use_an_unlinked_file(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create")
    descriptor = handover.store(settings(write))
    assert "deleted" in str(Path(f"/proc/self/fd/{descriptor}").readlink())
    assert handover.retrieve(descriptor).definitions[0].display_name == "Example Mail"


def test_a_descriptor_without_settings_is_closed_too() -> None:
    descriptor = os.memfd_create("nothing")
    with pytest.raises(ValueError, match="empty"):
        handover.retrieve(descriptor)
    assert not is_open(descriptor)


def test_messages_arrive_one_by_one_and_an_empty_one_means_closed(write: Write) -> None:
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            descriptor = handover.store(settings(write))
            assert handover.send(theirs, SETTINGS, descriptor)
            assert handover.send(theirs, DRAIN)
            message, received = handover.receive(ours)
            assert message == SETTINGS
            assert received is not None
            assert handover.retrieve(received).definitions
            os.close(descriptor)
            assert handover.receive(ours) == (DRAIN, None)
        assert handover.receive(ours) == (b"", None)


def test_a_message_that_would_block_is_not_sent() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setblocking(False)
        while handover.send(theirs, ALIVE):
            pass
        assert not handover.send(theirs, ALIVE)
        ours.close()
        assert not handover.send(theirs, ALIVE)
