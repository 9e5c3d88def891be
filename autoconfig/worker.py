"""A worker process: serves the settings that its parent passes to it."""

import asyncio
import logging
import logging.config
import math
import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType
from typing import cast

from autoconfig.front import place_of
from autoconfig.handover import APPLIED, DRAIN, END, READY, SETTINGS, receive, retrieve, send
from autoconfig.listening import Listener
from autoconfig.logs import configuration, descriptor_of, writer
from autoconfig.metrics import count_dropped_lines
from autoconfig.pulse import Pulse
from autoconfig.running import Application
from autoconfig.uvicorn_server import LimitedConfig, Server

_COMMANDS_TIME = 0.5
"""Seconds to wait for the parent's commands after SIGTERM, which systemd sends to all processes at once."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Setup:
    """Options that do not change while the server runs."""

    config: Callable[[Application], LimitedConfig]
    log_format: str
    drain_time: float
    """Seconds to keep listening after SIGTERM."""
    grace_time: float
    """Seconds for requests in flight after that."""
    metrics: bool


def run(channel: socket.socket, listener: Listener, setup: Setup, pulse: Pulse) -> None:
    """Serve until the parent commands shutdown or exits, or until SIGTERM. Exits the process."""
    logging.config.dictConfig(configuration(setup.log_format))
    status = 0
    try:
        _Worker(channel, listener, setup, pulse).run()
    except Exception as error:
        logger.error("a worker cannot serve: %s", place_of(error))
        status = 1
    writer(descriptor_of(setup.log_format)).flush()
    os._exit(status)  # does not wait for threads that load definitions


class _Worker:
    def __init__(self, channel: socket.socket, listener: Listener, setup: Setup, pulse: Pulse) -> None:
        self._channel = channel
        self._listener = listener
        self._setup = setup
        self._pulse = pulse
        self._server: _Server | None = None

    def run(self) -> None:
        descriptor = None
        with suppress(OSError):  # the parent has exited without reading a heartbeat
            _, descriptor = receive(self._channel)
        if descriptor is None:
            return
        setup = self._setup
        if setup.metrics:
            count_dropped_lines(writer(descriptor_of(setup.log_format)))
        threading.Thread(target=self._follow_commands, name="parent", daemon=True).start()
        self._served = Application(retrieve(descriptor))
        config = setup.config(self._served)
        self._server = _Server(config, self._served, self._listener, setup.drain_time, self._ready)
        self._server.listen()

    def _ready(self) -> None:
        self._pulse.loop = asyncio.get_running_loop()
        send(self._channel, READY)

    def _follow_commands(self) -> None:
        """Read the parent's commands and carry them out."""
        message = END
        with suppress(OSError):
            while (received := receive(self._channel))[0] == SETTINGS and received[1] is not None:
                self._apply(received[1])
            message = received[0]
        if self._server is None:
            os._exit(0)
        if message == DRAIN:
            self._server.drain(math.inf)
            with suppress(OSError):
                receive(self._channel)
        self._server.end()

    def _apply(self, descriptor: int) -> None:
        try:
            self._served.apply(retrieve(descriptor))
        except Exception as error:
            # The parent has loaded the same settings, so the cause is in this process; the parent replaces it.
            logger.error("a worker cannot load the new settings: %s", place_of(error))
            cast("_Server", self._server).leave(0)  # it exists: only workers that are ready get new settings
        else:
            send(self._channel, APPLIED)


class _Server(Server):
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Shut down on SIGTERM, unless the parent has received it too and sends commands."""
        if not self.is_draining:
            self.leave(max(self.drain_time, _COMMANDS_TIME))
