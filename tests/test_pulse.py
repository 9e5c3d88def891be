"""Heartbeats of a worker."""

import asyncio
import socket

import pytest

from autoconfig import pulse as pulse_module
from autoconfig.handover import ALIVE
from autoconfig.pulse import Pulse


def test_a_worker_sends_heartbeats_from_its_event_loop_until_that_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pulse_module, "_INTERVAL", 3600.0)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        pulse = Pulse(theirs)
        assert ours.recv(1) == ALIVE  # while it loads: there is no event loop yet
        ours.setblocking(False)
        pulse.loop = asyncio.new_event_loop()
        pulse.beat()
        with pytest.raises(BlockingIOError):
            ours.recv(1)
        pulse.loop.call_soon(pulse.loop.stop)
        pulse.loop.run_forever()
        assert ours.recv(10) == ALIVE
        pulse.loop.close()
        pulse.beat()
        with pytest.raises(BlockingIOError):
            ours.recv(1)
