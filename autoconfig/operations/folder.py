"""A folder that is written to without ever leaving it: symbolic links in it are not followed."""

import contextlib
import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Self

_NO_LINK = os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | _NO_LINK


class FolderError(Exception):
    """A file that cannot be read or written; the text names it and says why."""


class Folder:
    """A folder, made when it is not there; the path to it may have symbolic links.

    Files in it are named by relative paths whose parts are separated by `/`. Each part is opened from the one before,
    so nobody can put a link in between. All methods raise FolderError.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._explained(""):
            path.mkdir(parents=True, exist_ok=True)
            self._root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._root)

    def place(self, file: str) -> str:
        """Return the name of a file for a message."""
        return str(self._path / file)

    def exists(self, file: str) -> bool:
        """Tell whether there is something of this name, even a symbolic link that leads nowhere."""
        with self._explained(file):
            try:
                with self._parent(file) as (parent, name):
                    os.stat(name, dir_fd=parent, follow_symlinks=False)
            except FileNotFoundError:
                return False
            return True

    def read(self, file: str, most: int) -> bytes | None:
        """Return the content of a file, None when there is none. It must be regular, and have at most `most` bytes."""
        with self._explained(file):
            try:
                with self._opened(file) as opened:
                    if (size := os.fstat(opened.fileno()).st_size) > most:
                        raise FolderError(f"{self.place(file)}: has {size} bytes; at most {most} are read")
                    return opened.read(most)
            except FileNotFoundError:
                return None

    def holds(self, file: str, digest: str) -> bool:
        """Tell whether there is a regular file with a SHA-256 digest."""
        try:
            with self._opened(file) as opened:
                return hashlib.file_digest(opened, "sha256").hexdigest() == digest
        except OSError:
            return False

    def is_file(self, file: str) -> bool:
        """Tell whether there is a regular file of this name."""
        try:
            with self._opened(file):
                return True
        except OSError:
            return False

    def replace(self, file: str, content: bytes) -> None:
        """Write a file whole, for all to read: who has the old one open keeps it. Makes the folders on the way."""
        self._write(file, content, os.replace)

    def create(self, file: str, content: bytes) -> None:
        """Write a new file whole, for all to read. Nothing of this name is ever replaced, not even a link."""

        def move(new: str, name: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
            os.link(new, name, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd, follow_symlinks=False)
            os.unlink(new, dir_fd=src_dir_fd)

        self._write(file, content, move)

    def _write(self, file: str, content: bytes, move: Callable[..., None]) -> None:
        with self._explained(file), self._parent(file, make=True) as (parent, name):
            new = f".{secrets.token_hex(8)}.tmp"
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK, 0o600, dir_fd=parent)
            try:
                with os.fdopen(descriptor, "wb") as opened:
                    opened.write(content)
                    opened.flush()
                    os.fchmod(descriptor, 0o644)
                move(new, name, src_dir_fd=parent, dst_dir_fd=parent)
            except BaseException:
                os.unlink(new, dir_fd=parent)
                raise

    def remove(self, file: str) -> None:
        """Remove a file, and the folders that it leaves empty."""
        with self._explained(file):
            with self._parent(file) as (parent, name):
                os.unlink(name, dir_fd=parent)
            with contextlib.suppress(OSError):  # others' files may be there
                while file := file.rpartition("/")[0]:
                    with self._parent(file) as (parent, name):
                        os.rmdir(name, dir_fd=parent)

    @contextmanager
    def _opened(self, file: str) -> Iterator[BufferedReader]:
        """Open a regular file to read it. Raises OSError when it is anything else."""
        with self._parent(file) as (parent, name):
            # Without O_NONBLOCK, a FIFO would wait for a writer.
            descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | _NO_LINK, dir_fd=parent)
        with os.fdopen(descriptor, "rb") as opened:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, "Not a regular file")
            yield opened

    @contextmanager
    def _parent(self, file: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
        """Open the folder that a file is in, and give its descriptor with the last part of the name."""
        *folders, name = file.split("/")
        descriptor = os.dup(self._root)
        try:
            for part in folders:
                if make:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(part, 0o755, dir_fd=descriptor)
                below = os.open(part, _FOLDER, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = below
            yield descriptor, name
        finally:
            os.close(descriptor)

    @contextmanager
    def _explained(self, file: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            links = "; symbolic links are not followed" if error.errno in (errno.ELOOP, errno.ENOTDIR) else ""
            raise FolderError(f"{self.place(file)}: cannot be written: {error.strerror}{links}") from error
