"""Runs commands as processes that need no time for imports.

For each command, one process imports its modules, and forks when a test starts the command. The fork behaves like the
installed command: it has its own arguments, environment, folder, output and process ID.
"""

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import IO

_FORKING = """
import __main__, importlib, json, os, random, signal, socket, sys

def run_forks(control, command):
    importlib.import_module("autoconfig.cli." + command)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all processes
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # forks are not waited for
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 65536, 3)
        while message and not message.endswith(b"\\n"):
            message += control.recv(65536)
        if not message:
            os._exit(0)
        if not os.fork():
            control.close()
            return json.loads(message), descriptors
        for descriptor in descriptors:
            os.close(descriptor)

def become_command(request, descriptors):
    report, stdout, stderr = descriptors
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if pid := os.fork():
        os.write(report, b"%d " % pid)
        for descriptor in (stdout, stderr):
            os.close(descriptor)
        _, status, usage = os.wait4(pid, 0)
        os.write(report, b"%d %d" % (os.waitstatus_to_exitcode(status), usage.ru_maxrss))
        os._exit(0)
    os.close(report)
    for descriptor, standard in ((stdout, 1), (stderr, 2)):
        os.dup2(descriptor, standard)
        os.close(descriptor)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    random.seed()
    sys.argv = request["arguments"]
    __main__.__file__ = sys.argv[0]  # spawned workers run it under another name

with socket.socket(fileno=int(sys.argv[1])) as control:
    become_command(*run_forks(control, sys.argv[2]))
from autoconfig.__main__ import main
main()
"""


class Process:
    """A running command, `[bt-autoconfig, command, ...]`. Its methods behave as those of subprocess.Popen."""

    def __init__(
        self,
        arguments: Sequence[str],
        stdout: IO[bytes],
        stderr: IO[bytes],
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._report, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        request = {
            "arguments": arguments,
            "environment": os.environ | dict(environment),
            "folder": "/",
        }
        message = json.dumps(request).encode() + b"\n"
        control = _forking(arguments[1])
        with theirs:
            sent = socket.send_fds(control, [message], [theirs.fileno(), stdout.fileno(), stderr.fileno()])
            control.sendall(message[sent:])
        self._received = b""
        self.returncode: int | None = None
        while b" " not in self._received:
            self._receive(None)
        self.pid = int(self._received.split()[0])

    @property
    def peak_kilobytes(self) -> int:
        """The peak of its resident memory, after it has exited."""
        return int(self._received.split()[2])

    def poll(self) -> int | None:
        """Return its exit status, or None while it runs."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit status. Raises subprocess.TimeoutExpired after `timeout` seconds."""
        while self.returncode is None:
            if not self._receive(timeout):
                self.returncode = int(self._received.split()[1])
                self._report.close()
        return self.returncode

    def _receive(self, timeout: float | None) -> bytes:
        """Receive more of the report."""
        self._report.settimeout(timeout)
        try:
            more = self._report.recv(100)
        except (TimeoutError, BlockingIOError) as error:
            raise subprocess.TimeoutExpired("bt-autoconfig", timeout or 0) from error
        self._received += more
        return more

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has exited."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send it SIGTERM, unless it has exited."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it, unless it has exited."""
        self.send_signal(signal.SIGKILL)


@cache
def _forking(command: str) -> socket.socket:
    """Start a process that forks for a command; it exits with this process. Return its control socket."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-c", _FORKING, str(theirs.fileno()), command],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )

    def stop() -> None:
        ours.close()
        process.wait()

    atexit.register(stop)
    return ours
