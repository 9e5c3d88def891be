"""Messages between the parent process and its workers: single bytes, and settings in anonymous memory.

The parent writes the validated settings to memory once and passes its file descriptor to each worker. So it never waits
for a worker that does not read.
"""

import mmap
import os
import pickle
import socket
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # slow to import, and not needed to start a worker
    from autoconfig.sources import Settings

ALIVE, READY, APPLIED = b".", b"R", b"A"
"""From a worker: heartbeat (every second); ready; the latest settings are in use."""
SETTINGS, DRAIN, END = b"S", b"D", b"E"
"""From the parent: use the settings in the attached file descriptor; stop being ready; shut down."""


def store(settings: "Settings") -> int:
    """Write settings to anonymous memory, and return its file descriptor. Raises OSError."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("bt-autoconfig")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    with open(descriptor, "wb", closefd=False) as file:
        pickle.dump(settings, file, pickle.HIGHEST_PROTOCOL)
    return descriptor


def retrieve(descriptor: int) -> "Settings":
    """Return the settings in a file descriptor that the parent has passed, and close it."""
    try:
        with mmap.mmap(descriptor, 0, prot=mmap.PROT_READ) as memory:
            settings: Settings = pickle.loads(memory)  # noqa: S301 - the parent process wrote it
            return settings
    finally:
        os.close(descriptor)


def send(channel: socket.socket, message: bytes, *descriptors: int) -> bool:
    """Send a message without blocking; return whether that succeeded."""
    try:
        if descriptors:
            socket.send_fds(channel, [message], list(descriptors))
        else:
            channel.send(message)
    except OSError:
        return False
    return True


def receive(channel: socket.socket) -> tuple[bytes, int | None]:
    """Wait for a message of the parent; return it with the file descriptor of settings, if any.

    The message is empty if the parent has exited. Raises OSError if the channel is broken.
    """
    message, descriptors, _flags, _address = socket.recv_fds(channel, 1, 1)
    return message, descriptors[0] if descriptors else None
