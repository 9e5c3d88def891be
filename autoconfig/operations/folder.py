"""A folder for output. Symbolic links in it are not followed, so no file outside it is touched."""

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
    """A file that cannot be read or written. The message names it and gives the reason."""


class Folder:
    """A folder, created if it does not exist. The path to it may contain symbolic links.

    Files in it are named by relative paths with `/` as the separator. Each part is opened relative to the previous one,
    so other users cannot insert symbolic links. All methods raise FolderError.
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
        """Return the path of a file, for messages."""
        return str(self._path / file)

    def exists(self, file: str) -> bool:
        """Return whether the name exists, even as a broken symbolic link."""
        with self._explained(file):
            try:
                with self._parent(file) as (parent, name):
                    os.stat(name, dir_fd=parent, follow_symlinks=False)
            except FileNotFoundError:
                return False
            return True

    def read(self, file: str, limit: int) -> bytes | None:
        """Return the content of a regular file of at most `limit` bytes, or None if it does not exist."""
        with self._explained(file):
            try:
                with self._opened(file) as opened:
                    if (size := os.fstat(opened.fileno()).st_size) > limit:
                        raise FolderError(f"{self.place(file)}: has {size} bytes; the maximum is {limit}")
                    return opened.read(limit)
            except FileNotFoundError:
                return None

    def holds(self, file: str, digest: str) -> bool:
        """Return whether this is a regular file with this SHA-256 digest."""
        try:
            with self._opened(file) as opened:
                return hashlib.file_digest(opened, "sha256").hexdigest() == digest
        except OSError:
            return False

    def is_file(self, file: str) -> bool:
        """Return whether this is a regular file."""
        try:
            with self._opened(file):
                return True
        except OSError:
            return False

    def replace(self, file: str, content: bytes) -> None:
        """Write a file atomically, readable by all, and create its folders. Open descriptors keep the old content."""
        self._write(file, content, os.replace)

    def create(self, file: str, content: bytes) -> None:
        """Write a new file atomically, readable by all. Raises FolderError if the name exists, even as a dead link."""

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
            with contextlib.suppress(OSError):  # other files may be there
                while file := file.rpartition("/")[0]:
                    with self._parent(file) as (parent, name):
                        os.rmdir(name, dir_fd=parent)

    @contextmanager
    def _opened(self, file: str) -> Iterator[BufferedReader]:
        """Open a regular file for reading. Raises OSError if it is not one."""
        with self._parent(file) as (parent, name):
            # Without O_NONBLOCK, a FIFO would wait for a writer.
            descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | _NO_LINK, dir_fd=parent)
        with os.fdopen(descriptor, "rb") as opened:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, "Not a regular file")
            yield opened

    @contextmanager
    def _parent(self, file: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
        """Open a file's parent folder; yield its descriptor and the last part of the name."""
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
