"""Reads an operator's files safely: regular files only, up to a size, without ever blocking."""

import os
import stat
from pathlib import Path

MAX_DEFINITION = 16 * 1024 * 1024
"""Bytes of a definition file. 100,000 domains take about 4 MB."""
MAX_PEM = 1024 * 1024
"""Bytes of a file with certificates or a key."""

_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}


class FileError(Exception):
    """A file that cannot be read; the text is `FILE: what is wrong`."""


def read_file(path: Path, limit: int) -> bytes:
    """Return the content of a regular file of at most `limit` bytes, following symbolic links.

    Opening a FIFO blocks until it has a writer, and opening a device may have side effects, so neither is opened. If a
    FIFO replaces the file after the check, O_NONBLOCK keeps the call from blocking. Raises FileError.
    """
    try:
        _check(path, path.stat(), limit)
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123 - it is open already
            _check(path, os.fstat(descriptor), limit)
            content = bytearray()
            while chunk := file.read(min(limit + 1 - len(content), 1024 * 1024)):
                content += chunk
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise FileError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if len(content) > limit:
        raise _too_large(path, limit)
    return bytes(content)


def expand(source: Path, suffix: str) -> list[Path]:
    """Return a file's path, or for a folder the paths in it whose names end with `suffix`, in order.

    Raises FileError for a folder that cannot be read.
    """
    try:
        if not stat.S_ISDIR(source.stat().st_mode):
            return [source]
    except (OSError, ValueError):
        return [source]  # reading it gives the reason
    try:
        with os.scandir(source) as entries:
            names = sorted(one.name for one in entries if one.name.endswith(suffix))
    except OSError as error:
        raise FileError(f"{source}: cannot be read: {error.strerror}") from error
    return [source / name for name in names]


def _check(path: Path, status: os.stat_result, limit: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "something else")
        raise FileError(f"{path}: is {kind}; only regular files are read")
    if status.st_size > limit:
        raise _too_large(path, limit)


def _too_large(path: Path, limit: int) -> FileError:
    return FileError(f"{path}: is larger than {limit // 1024 // 1024} MiB")
