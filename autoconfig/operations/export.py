"""`bt-autoconfig export`: the documents that need no computing, as files for any static host or CDN."""

import hashlib
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from autoconfig.address import ascii_domain
from autoconfig.definition import Definition
from autoconfig.front import Front
from autoconfig.operations import webservers
from autoconfig.operations.folder import Folder, FolderError
from autoconfig.operations.webservers import Headers, Place, Site
from autoconfig.protocols import PROTOCOLS, mobileconfig
from autoconfig.requests import FORM, Request
from autoconfig.responses import Response
from autoconfig.server import application
from autoconfig.site import setup_page
from autoconfig.site.assets import ASSETS
from autoconfig.sources import Settings

MANIFEST = "manifest.json"
_MAX_MANIFEST = 1024 * 1024 * 1024
"""Bytes; those of 10,000 definitions have some hundred million."""
_PAGES_AT = "autoconfig."
"""Prefix of the hosts that have the setup page."""
_PAGES = (*setup_page.PATHS, *(asset.path for asset in ASSETS))
_DOCUMENTS = tuple((prefix, path.path) for one in PROTOCOLS for path in one.paths for prefix in path.exported_at)
"""Prefixes of a domain's hosts, and the paths there whose response is the same for every client."""
_PREFIXES = tuple(dict.fromkeys(prefix for prefix, _ in _DOCUMENTS))
_PATHS = (*_DOCUMENTS, *((_PAGES_AT, path) for path in _PAGES))


class ExportError(Exception):
    """A folder that cannot be written; the text names it and says why."""


class Exported(NamedTuple):
    """What was written."""

    files: int
    hosts: int


async def export(settings: Settings, path: Path, root: Path | None = None) -> Exported:
    """Write the files of every domain of the definitions to a folder; hosted domains are in none of them.

    Each content is written once, to HOST/PATH of the first host that has it. `manifest.json` has the digest of each
    file, and the hosts and paths that it is for with their headers; there is a configuration for nginx and for Caddy,
    which find the files in `root`, by default the folder itself.

    A file is replaced whole or not at all, and the manifest last. What an earlier export wrote and this one does not is
    removed, unless it was changed since. Nothing else in the folder is written, replaced or removed, and symbolic links
    in it are not followed. Raises ExportError.
    """
    try:
        with Folder(path) as folder:
            files = _Files(folder)
            answers = _Answers(settings)
            sites = [site for one in settings.definitions async for site in _sites(one, answers, files)]
            for name, text in webservers.configurations(sites, (root or path).resolve()).items():
                files.write(name, text.encode())
            folder.replace(MANIFEST, _manifest(sites, files.written))
            files.remove_others()
    except FolderError as error:
        raise ExportError(str(error)) from error
    return Exported(len(files.written), sum(len(site.hosts) for site in sites))


class _Answers:
    """What the server responds. Profiles that are the same are signed once: signatures differ each time."""

    def __init__(self, settings: Settings) -> None:
        self._signed: dict[bytes, Response] = {}
        self._front = application(settings)
        self._unsigned = application(replace(settings, signer=None)) if settings.signer else self._front

    async def get(self, host: str, path: str) -> Response:
        """Return the response to a GET over https."""
        if path != mobileconfig.PATH:
            return await _asked(self._front, host, path)
        response = await _asked(self._unsigned, host, path)
        if self._unsigned is self._front or response.status != 200:
            return response
        if response.body not in self._signed:
            self._signed[response.body] = await _asked(self._front, host, path)
        return self._signed[response.body]


async def _asked(front: Front, host: str, path: str) -> Response:
    response = front.respond(Request("GET", "https", b"", host.encode(), b"", FORM, 0, path=path))
    return response if isinstance(response, Response) else await response


class _Files:
    """Files of the folder: which there are from before, and which have been written."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._before = _written_before(folder)
        self._by_digest: dict[str, str] = {}
        self.written: dict[str, str] = {}

    def keep(self, file: str, content: bytes) -> str:
        """Write a file, unless its content is in one already; return the name of the file that has it."""
        digest = _digest(content)
        if digest not in self._by_digest:
            self.write(file, content)
            self._by_digest[digest] = file
        return self._by_digest[digest]

    def write(self, file: str, content: bytes) -> None:
        """Write a file where there is none, or one of ours. One that has this content already is left as it is.

        An export that broke off left some that no manifest names.
        """
        digest = _digest(content)
        if not self._folder.holds(file, digest):
            if self._folder.exists(file) and not (file in self._before and self._folder.is_file(file)):
                place = self._folder.place(file)
                raise ExportError(f"{place}: was not written by an export; remove it, or choose another folder")
            self._folder.replace(file, content)
        self.written[file] = digest

    def remove_others(self) -> None:
        """Remove what an earlier export wrote and this one did not."""
        for file in sorted(self._before.keys() - self.written.keys()):
            if self._folder.holds(file, self._before[file]):
                self._folder.remove(file)


@dataclass
class _Group:
    """Hosts that respond alike, but for the paths that have their domain in them."""

    places: tuple[Place, ...]
    moved: tuple[str, ...]
    prefix: str
    domains: list[str] = field(default_factory=list)

    def site(self, home: str) -> Site:
        places = [one._replace(path=path) for one in self.places for path in _filled(one.path, self.domains)]
        return Site(tuple(f"{self.prefix}{domain}" for domain in self.domains), tuple(places), self.moved, home)


def _filled(path: str, domains: list[str]) -> Iterator[str]:
    return (path.format(domain=domain) for domain in domains) if "{" in path else iter([path])


async def _sites(definition: Definition, answers: _Answers, files: _Files) -> AsyncIterator[Site]:
    """Yield what the hosts of a definition's domains serve.

    Most of it is the same for all domains. Some pages have the URL of their own host in them, as a code to scan: they
    are written for the first domain, and the hosts of the others redirect there.
    """
    home = f"{_PAGES_AT}{definition.domains[0]}"
    shared, own = await _pages(definition, answers, files)
    groups: dict[object, _Group] = {}
    for domain in definition.domains:
        for prefix in _PREFIXES:
            host = f"{prefix}{domain}"
            places = []
            for path in (path for at, path in _DOCUMENTS if at == prefix):
                response = await answers.get(host, path.format(domain=domain))
                if response.status == 200:
                    file = files.keep(_file(host, path.format(domain=domain)), response.body)
                    places.append(Place(path, file, _headers(response)))
            moved: tuple[str, ...] = ()
            if prefix == _PAGES_AT:
                places += shared
                if host == home:
                    places += own
                else:
                    moved = tuple(one.path for one in own)
            key = (prefix, tuple((one.path, one.file, one.headers) for one in places), moved)
            groups.setdefault(key, _Group(tuple(places), moved, prefix)).domains.append(domain)
    for group in groups.values():
        if group.places:
            yield group.site(home)


async def _pages(definition: Definition, answers: _Answers, files: _Files) -> tuple[list[Place], list[Place]]:
    """Return the pages that are the same at the hosts of all domains, and those that differ."""
    shared: list[Place] = []
    own: list[Place] = []
    first, *others = (f"{_PAGES_AT}{domain}" for domain in definition.domains[:2])
    for path in _PAGES:
        response = await answers.get(first, path)
        if response.status == 200:
            place = Place(path, files.keep(_file(first, path), response.body), _headers(response))
            elsewhere = [await answers.get(host, path) for host in others]
            same = all((one.body, one.kind.headers) == (response.body, response.kind.headers) for one in elsewhere)
            (shared if same else own).append(place)
    return shared, own


def _headers(response: Response) -> Headers:
    """Return the headers that a web server must be told: it makes an entity tag of its own."""
    return tuple((name.decode(), value.decode()) for name, value in response.kind.headers if name != b"etag")


def _manifest(sites: list[Site], written: dict[str, str]) -> bytes:
    kinds: dict[Headers, int] = {}
    listed = [
        {
            "hosts": site.hosts,
            "paths": [
                {"path": one.path, "file": one.file, "headers": kinds.setdefault(one.headers, len(kinds))}
                for one in site.places
            ],
            "redirects": [{"path": path, "location": f"https://{site.home}{path}"} for path in site.moved],
        }
        for site in sites
    ]
    files = [{"file": file, "sha256": digest} for file, digest in written.items()]
    content = {"files": files, "headers": [dict(headers) for headers in kinds], "sites": listed}
    return (json.dumps(content, indent=1) + "\n").encode()


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
    if file in webservers.NAMES:
        return True
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


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
