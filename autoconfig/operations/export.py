"""`bt-autoconfig export`: the documents that need no computing, as files for any static host or CDN."""

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from autoconfig.definition import Definition
from autoconfig.operations.local import Local
from autoconfig.operations.web import Question
from autoconfig.protocols import mobileconfig, pacc
from autoconfig.site import setup_page

MANIFEST = "manifest.json"
_AT_DOMAIN = ("/.well-known/autoconfig/mail/config-v1.1.xml", "/.well-known/mail-v1.xml")
_AT_AUTOCONFIG = (
    *("/mail/config-v1.1.xml", "/v1.1/mail/config-v1.1.xml", "/v1.1/{domain}"),
    *_AT_DOMAIN,
    *(mobileconfig.PATH, setup_page.PATH),
    *(part.path for part in setup_page.ASSETS),
)
_PATHS = {"": _AT_DOMAIN, "autoconfig.": _AT_AUTOCONFIG, "ua-auto-config.": (pacc.PATH,)}
"""What is asked of each host of a domain and is the same for all who ask."""


class ExportError(Exception):
    """A folder that cannot be written; the text names it and says why."""


async def export(definitions: Sequence[Definition], local: Local, folder: Path) -> list[str]:
    """Write the files of every domain to HOST/PATH in a folder; return their names.

    `manifest.json` tells host, path, headers and file of each. A file is replaced whole or not at all, and the manifest
    last; what an earlier export wrote and this one does not is removed, and nothing else. Raises ExportError.
    """
    entries: list[dict[str, object]] = []
    written: list[str] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        before = _written_before(folder)
        for host, path in _places(definitions):
            reply = await local.ask(Question(f"https://{host}{path}"))
            if reply.status == 200:
                file = f"{host}{path}{'index.html' if path.endswith('/') else ''}"
                _replace(folder / file, reply.body)
                headers = {name: value for name, value in reply.headers.items() if name != "content-length"}
                entries.append({"host": host, "path": path, "file": file, "headers": headers})
                written.append(file)
        _replace(folder / MANIFEST, (json.dumps({"files": entries}, indent=2) + "\n").encode())
        for file in sorted(before - set(written)):
            (folder / file).unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # others' files may be there
                os.removedirs((folder / file).parent)
    except OSError as error:
        raise ExportError(f"{error.filename or folder}: cannot be written: {error.strerror}") from error
    return written


def _places(definitions: Sequence[Definition]) -> Iterator[tuple[str, str]]:
    for definition in definitions:
        for domain in definition.domains:
            for prefix, paths in _PATHS.items():
                for path in paths:
                    yield f"{prefix}{domain}", path.format(domain=domain)


def _written_before(folder: Path) -> set[str]:
    """Return what an earlier export wrote, as its manifest says; names that lead out of the folder are not believed."""
    try:
        files = {str(entry["file"]) for entry in json.loads((folder / MANIFEST).read_bytes())["files"]}
    except FileNotFoundError:
        return set()
    except (ValueError, KeyError, TypeError) as error:
        raise ExportError(f"{folder / MANIFEST}: is not what an export wrote; choose another folder") from error
    root = folder.resolve()
    return {file for file in files if root in (folder / file).resolve().parents}


def _replace(file: Path, content: bytes) -> None:
    """Write a file whole: who reads it meanwhile gets the old one or the new."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as new:
        try:
            new.write(content)
            new.flush()
            Path(new.name).chmod(0o644)
            Path(new.name).replace(file)
        except OSError:
            Path(new.name).unlink(missing_ok=True)
            raise
