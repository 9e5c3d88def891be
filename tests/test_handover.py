"""What a parent and its workers send to each other arrives, and sending never waits."""

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


def test_settings_arrive_as_they_were_and_their_descriptor_is_closed(write: Write) -> None:
    descriptor = handover.store(settings(write))
    assert handover.retrieve(descriptor).definitions[0].domains == ("example.com", "example.net")
    assert not is_open(descriptor)


def test_systems_without_anonymous_memory_use_a_file_without_a_name(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "memfd_create")
    descriptor = handover.store(settings(write))
    assert "deleted" in str(Path(f"/proc/self/fd/{descriptor}").readlink())
    assert handover.retrieve(descriptor).definitions[0].display_name == "Example Mail"


def test_what_cannot_be_read_is_closed_too() -> None:
    descriptor = os.memfd_create("nothing")
    with pytest.raises(ValueError, match="empty"):
        handover.retrieve(descriptor)
    assert not is_open(descriptor)


def test_messages_arrive_one_by_one_and_the_end_of_the_other_side_is_an_empty_one(write: Write) -> None:
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


def test_a_message_that_would_have_to_wait_is_not_sent() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setblocking(False)
        while handover.send(theirs, ALIVE):
            pass
        assert not handover.send(theirs, ALIVE)
        ours.close()
        assert not handover.send(theirs, ALIVE)
