"""What the parent process and its workers send to each other: single bytes, and settings in anonymous memory.

The parent writes what it has validated into memory once and passes each worker a descriptor of it. So sending never
waits for a worker that does not read.
"""

import mmap
import os
import pickle
import socket
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a worker starts without what it imports
    from autoconfig.sources import Settings

ALIVE, READY, APPLIED = b".", b"R", b"A"
"""From a worker: its event loop runs (every second); it serves; it serves the settings that came last."""
SETTINGS, DRAIN, END = b"S", b"D", b"E"
"""From the parent: serve the settings behind the descriptor that comes along; be no longer ready; end."""


def store(settings: "Settings") -> int:
    """Write settings into anonymous memory, and return its descriptor. Raises OSError."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("bt-autoconfig")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    with open(descriptor, "wb", closefd=False) as file:
        pickle.dump(settings, file, pickle.HIGHEST_PROTOCOL)
    return descriptor


def retrieve(descriptor: int) -> "Settings":
    """Return the settings behind a descriptor that the parent has passed, and close it."""
    try:
        with mmap.mmap(descriptor, 0, prot=mmap.PROT_READ) as memory:
            settings: Settings = pickle.loads(memory)  # noqa: S301 - the parent process wrote it
            return settings
    finally:
        os.close(descriptor)


def send(channel: socket.socket, message: bytes, *descriptors: int) -> bool:
    """Send a message; tell whether that was possible without waiting."""
    try:
        if descriptors:
            socket.send_fds(channel, [message], list(descriptors))
        else:
            channel.send(message)
    except OSError:
        return False
    return True


def receive(channel: socket.socket) -> tuple[bytes, int | None]:
    """Wait for one message of the parent, empty when it has exited, and return it with the descriptor of settings.

    Raises OSError when the channel is broken.
    """
    message, descriptors, _flags, _address = socket.recv_fds(channel, 1, 1)
    return message, descriptors[0] if descriptors else None
