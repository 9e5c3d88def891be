"""Standard streams that the caller closed, or that cannot be written."""

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF, errno.EAGAIN})
"""Errors of a write without a file name: the standard output's. Commands explain those of their own files."""


class OutputError(Exception):
    """The standard output cannot be written. The message gives the reason."""


def open_closed() -> None:
    """Open the standard streams that the caller closed, so that no other file gets their descriptors.

    Input is then empty, writing to stdout fails, and stderr is discarded.
    """
    streams: Any = sys  # a closed stream is None, which its type does not say
    if streams.stdin is None:
        streams.stdin = os.fdopen(os.open(os.devnull, os.O_RDONLY))
    if streams.stdout is None:
        streams.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w")
    if streams.stderr is None:
        streams.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")


@contextmanager
def checked_output() -> Iterator[None]:
    """Raise OutputError if the standard output cannot be written. A closed pipe is left to click, which is quiet."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL or error.filename is not None:
            raise
        discard_output()
        raise OutputError(f"cannot write to standard output: {os.strerror(error.errno)}") from error


def discard_output() -> None:
    """Discard what stdout has not written: the interpreter would try again at exit, and complain."""
    with contextlib.suppress(OSError):  # in a program that collects the output
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
