"""What the parent process and its workers send to each other: single bytes, and contents in anonymous memory.

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
    from autoconfig.sources import Contents

ALIVE, READY, APPLIED = b".", b"R", b"A"
"""From a worker: its event loop runs (every second); it serves; it serves the contents that came last."""
CONTENTS, DRAIN, END = b"C", b"D", b"E"
"""From the parent: serve the contents behind the descriptor that comes along; be no longer ready; end."""


def store(contents: "Contents") -> int:
    """Write contents into anonymous memory, and return its descriptor. Raises OSError."""
    data = pickle.dumps(contents, pickle.HIGHEST_PROTOCOL)
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("bt-autoconfig")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    with open(descriptor, "wb", closefd=False) as file:
        file.write(data)
    return descriptor


def retrieve(descriptor: int) -> "Contents":
    """Return the contents behind a descriptor that the parent has passed."""
    with mmap.mmap(descriptor, 0, prot=mmap.PROT_READ) as memory:
        contents: Contents = pickle.loads(memory)  # noqa: S301 - the parent process wrote it
        return contents


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


def receive(channel: socket.socket) -> "tuple[bytes, Contents | None]":
    """Wait for one message of the parent: empty when it has exited. Raises OSError when the channel is broken."""
    message, descriptors, _flags, _address = socket.recv_fds(channel, 1, 1)
    try:
        return message, retrieve(descriptors[0]) if descriptors else None
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
