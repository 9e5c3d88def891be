"""Standard streams that the caller closed, or that cannot be written."""

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF, errno.EAGAIN})
"""Errors of a write to standard output: they name no file. Commands explain the errors of their own files."""


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
    """Raise OutputError if the standard output cannot be written. click handles a closed pipe, without a message."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL or error.filename is not None:
            raise
        discard_output()
        raise OutputError(f"cannot write to standard output: {os.strerror(error.errno)}") from error


def discard_output() -> None:
    """Discard what stdout has not written: at exit, the interpreter would try again and print an error."""
    with contextlib.suppress(OSError):  # in a program that collects the output
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
