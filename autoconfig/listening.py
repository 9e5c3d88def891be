"""The socket that the server listens on, and how to stop listening without resetting a connection."""

import os
import select
import socket
import struct
import sys
from contextlib import suppress
from ctypes import addressof, create_string_buffer
from dataclasses import dataclass
from typing import Self

_BACKLOG = 2048
_FIRST_PASSED = 3
"""The file descriptor that systemd passes (sd_listen_fds(3))."""
_SO_ATTACH_FILTER = 26
"""Linux, asm-generic/socket.h."""
_DROP_SYN = (
    (0x30, 0, 0, 13),  # load the byte of the TCP header that has its flags
    (0x54, 0, 0, 0x12),  # keep SYN and ACK
    (0x15, 0, 1, 0x02),  # SYN alone?
    (0x06, 0, 0, 0),  # yes: drop the packet
    (0x06, 0, 0, 0xFFFFFFFF),  # no: keep all of it
)
"""A classic BPF program (Linux, Documentation/networking/filter.rst): code, jumps if true and if false, operand."""


@dataclass(frozen=True)
class Listener:
    """A listening socket; `passed` if systemd created it and keeps it open after this server exits."""

    socket: socket.socket
    passed: bool = False

    @classmethod
    def open(cls, host: str, port: int) -> Self:
        """Listen on an address, or on the socket passed by systemd. Raises OSError."""
        if os.environ.get("LISTEN_PID") == str(os.getpid()) and os.environ.get("LISTEN_FDS") == "1":
            return cls(socket.socket(fileno=_FIRST_PASSED), passed=True)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return cls(socket.create_server((host, port), family=family, backlog=_BACKLOG))

    def refuse_new(self) -> None:
        """Ignore new connections from now on; those in the backlog can still be accepted.

        Closing a listening socket resets the connections in its backlog, and one more can always arrive between the
        last accept and the close. So the kernel drops SYN packets first: those clients try again after a second, and
        are refused then. Without socket filters (outside Linux, in some sandboxes) this does nothing.
        """
        if self.passed or sys.platform != "linux":
            return
        program = create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in _DROP_SYN))
        argument = struct.pack("HP", len(_DROP_SYN), addressof(program))
        with suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, argument)

    def has_waiting(self) -> bool:
        """Return whether a connection waits in the backlog."""
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        return bool(poll.poll(0))


def notify_ready() -> None:
    """Notify systemd that the server is ready, if it has set NOTIFY_SOCKET (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address.startswith(("/", "@")):
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.connect(address.replace("@", "\0", 1) if address.startswith("@") else address)
            channel.send(b"READY=1")
