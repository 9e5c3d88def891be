"""The file of `--output`: checked before the work, and written atomically."""

import os
import stat
from pathlib import Path

from autoconfig.cli.options import Refusal
from autoconfig.operations.folder import Folder, FolderError


def check_output(output: Path, *, replace: bool) -> None:
    """Raise Refusal if the file cannot be written, or exists and `replace` is false."""
    try:
        mode = os.lstat(output).st_mode
    except (FileNotFoundError, NotADirectoryError):
        mode = None
    except OSError as error:
        raise Refusal(f"{output}: cannot be written: {error.strerror}") from error
    if mode is not None and not stat.S_ISREG(mode):
        raise Refusal(f"{output}: is not a regular file; choose another --output")
    if mode is not None and not replace:
        raise Refusal(f"{output}: already exists; choose another --output, or replace it with --force")
    if not output.parent.is_dir():
        raise Refusal(f"{output.parent}: is not a folder; create it first")


def save(output: Path, content: bytes, *, replace: bool) -> None:
    """Write the file atomically. Raises Refusal if it cannot be written, or was created meanwhile."""
    check_output(output, replace=True)
    try:
        with Folder(output.parent) as folder:
            if replace:
                folder.replace(output.name, content)
            else:
                folder.create(output.name, content)
    except FolderError as error:
        raise Refusal(str(error)) from error
