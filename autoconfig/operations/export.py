"""`bt-autoconfig export`: the documents that need no computing, as files for any static host or CDN."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from autoconfig.address import ascii_domain
from autoconfig.definition import Definition
from autoconfig.operations.folder import Folder, FolderError
from autoconfig.operations.local import Local
from autoconfig.operations.web import Question
from autoconfig.protocols import PROTOCOLS
from autoconfig.site import setup_page
from autoconfig.site.assets import ASSETS

MANIFEST = "manifest.json"
_MAX_MANIFEST = 1024 * 1024 * 1024
"""Bytes; 10,000 domains have some 700 million."""
_PATHS = (
    *((prefix, path.path) for one in PROTOCOLS for path in one.paths for prefix in path.exported_at),
    *(("autoconfig.", path) for path in (*setup_page.PATHS, *(asset.path for asset in ASSETS))),
)
"""Prefixes of a domain's hosts, and the paths there whose response is the same for every client."""


class ExportError(Exception):
    """A folder that cannot be written; the text names it and says why."""


async def export(definitions: Sequence[Definition], local: Local, path: Path) -> list[str]:
    """Write the files of every domain to HOST/PATH in a folder; return their names.

    `manifest.json` tells host, path, headers, file and SHA-256 digest of each. A file is replaced whole or not at all,
    and the manifest last. What an earlier export wrote and this one does not is removed, unless it was changed since.
    Nothing else in the folder is written, replaced or removed, and symbolic links in it are not followed. Raises
    ExportError.
    """
    entries: list[dict[str, object]] = []
    written: dict[str, str] = {}
    try:
        with Folder(path) as folder:
            before = _written_before(folder)
            for host, place in _places(definitions):
                reply = await local.ask(Question(f"https://{host}{place}"))
                file = _file(host, place)
                if reply.status != 200 or file in written:
                    continue
                _replace(folder, file, reply.body, ours=file in before)
                headers = {name: value for name, value in reply.headers.items() if name != "content-length"}
                written[file] = _digest(reply.body)
                entries.append({"host": host, "path": place, "file": file, "sha256": written[file], "headers": headers})
            folder.replace(MANIFEST, (json.dumps({"files": entries}, indent=2) + "\n").encode())
            for file in sorted(before.keys() - written.keys()):
                if folder.holds(file, before[file]):
                    folder.remove(file)
    except FolderError as error:
        raise ExportError(str(error)) from error
    return list(written)


def _places(definitions: Sequence[Definition]) -> Iterator[tuple[str, str]]:
    for definition in definitions:
        for domain in definition.domains:
            for prefix, path in _PATHS:
                yield f"{prefix}{domain}", path.format(domain=domain)


def _file(host: str, path: str) -> str:
    return f"{host}{path}{'index.html' if path.endswith('/') else ''}"


def _written_before(folder: Folder) -> dict[str, str]:
    """Return what an earlier export wrote, as its manifest says, with digests.

    A manifest may be anybody's: files that no export can have written are passed over. Raises ExportError when it is
    not an export's at all.
    """
    content = folder.read(MANIFEST, _MAX_MANIFEST)
    if content is None:
        return {}
    try:
        files = {str(entry["file"]): str(entry.get("sha256")) for entry in json.loads(content)["files"]}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ExportError(f"{folder.place(MANIFEST)}: is not what an export wrote; choose another folder") from error
    return {file: digest for file, digest in files.items() if _can_be_ours(file)}


def _can_be_ours(file: str) -> bool:
    """Tell whether a file has a name that an export gives to files."""
    host = file.partition("/")[0]
    for prefix, path in _PATHS:
        domain = host.removeprefix(prefix)
        try:
            if f"{prefix}{domain}" != host or ascii_domain(domain) != domain:
                continue
        except ValueError:
            continue
        if file == _file(host, path.format(domain=domain)):
            return True
    return False


def _replace(folder: Folder, file: str, content: bytes, *, ours: bool) -> None:
    """Write a file where there is none, or one of ours. An export that broke off left some that no manifest names."""
    if folder.exists(file) and not (folder.is_file(file) if ours else folder.holds(file, _digest(content))):
        raise ExportError(f"{folder.place(file)}: was not written by an export; remove it, or choose another folder")
    folder.replace(file, content)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
