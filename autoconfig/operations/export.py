"""`bt-autoconfig export`: the static documents as files for any web server or CDN."""

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
from autoconfig.operations.webservers import Headers, Location, Site
from autoconfig.protocols import PROTOCOLS, mobileconfig
from autoconfig.requests import FORM, Request
from autoconfig.responses import Response
from autoconfig.server import application
from autoconfig.site import setup_page
from autoconfig.site.assets import ASSETS
from autoconfig.sources import Settings
from autoconfig.visible import visible

MANIFEST = "manifest.json"
_MAX_MANIFEST = 1024 * 1024 * 1024
"""Maximum bytes of a manifest. For 10,000 definitions, it has about 100 million."""
_PAGES_AT = "autoconfig."
"""Prefix of the hosts with the setup page."""
_PAGES = (*setup_page.PATHS, *(asset.path for asset in ASSETS))
_DOCUMENTS = tuple((prefix, path.path) for one in PROTOCOLS for path in one.paths for prefix in path.exported_at)
"""Host prefixes, and the paths there whose response is the same for every client."""
_PREFIXES = tuple(dict.fromkeys(prefix for prefix, _ in _DOCUMENTS))
_PATHS = (*_DOCUMENTS, *((_PAGES_AT, path) for path in _PAGES))


class ExportError(Exception):
    """A folder that cannot be written. The message names it and gives the reason."""


class Exported(NamedTuple):
    """The numbers of files written and of hosts served."""

    files: int
    hosts: int


async def export(settings: Settings, path: Path, root: Path | None = None) -> Exported:
    """Write the files for every domain in the definitions to a folder. Hosted domains are not exported.

    Identical content is written once, to HOST/PATH of the first host that serves it. `manifest.json` lists each file
    with its digest, and each host and path with its file and headers. Configurations for nginx and Caddy are included;
    they read the files from `root`, by default the folder itself.

    Each file is replaced atomically, the manifest last. Obsolete files of an earlier export are removed, unless they
    were changed since. Nothing else in the folder is touched, and symbolic links are not followed. Raises ExportError
    if the folder cannot be written or contains another file with the same name, or if `root` cannot be written in a
    configuration.
    """
    root = (root or path).resolve()
    if unusable := webservers.UNUSABLE.search(str(root)):
        where, character = visible(str(root)), visible(unusable[0])
        raise ExportError(f"{where}: nginx and Caddy cannot use a path with '{character}'; use --root PATH")
    try:
        with Folder(path) as folder:
            files = _Files(folder)
            responses = _Responses(settings)
            sites = [site for one in settings.definitions async for site in _sites(one, responses, files)]
            for name, text in webservers.configurations(sites, root).items():
                files.write(name, text.encode(errors="surrogateescape"))
            folder.replace(MANIFEST, _manifest(sites, files.written))
            files.remove_obsolete()
    except FolderError as error:
        raise ExportError(str(error)) from error
    return Exported(len(files.written), sum(len(site.hosts) for site in sites))


class _Responses:
    """The server's responses. Identical profiles are signed only once, because each signature differs."""

    def __init__(self, settings: Settings) -> None:
        self._signed: dict[bytes, Response] = {}
        self._front = application(settings)
        self._unsigned = application(replace(settings, signer=None)) if settings.signer else self._front

    async def get(self, host: str, path: str) -> Response:
        """Return the response to a GET over https."""
        if path != mobileconfig.PATH:
            return await _respond(self._front, host, path)
        response = await _respond(self._unsigned, host, path)
        if self._unsigned is self._front or response.status != 200:
            return response
        if response.body not in self._signed:
            self._signed[response.body] = await _respond(self._front, host, path)
        return self._signed[response.body]


async def _respond(front: Front, host: str, path: str) -> Response:
    response = front.respond(Request("GET", "https", b"", host.encode(), b"", FORM, 0, path=path))
    return response if isinstance(response, Response) else await response


class _Files:
    """The files in the folder: those of an earlier export, and those that this one writes."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._before = _written_before(folder)
        self._by_digest: dict[str, str] = {}
        self.written: dict[str, str] = {}

    def keep(self, file: str, content: bytes) -> str:
        """Write a file, unless another file has the same content. Return the name of the file with this content."""
        digest = _digest(content)
        if digest not in self._by_digest:
            self.write(file, content)
            self._by_digest[digest] = file
        return self._by_digest[digest]

    def write(self, file: str, content: bytes) -> None:
        """Write a file. Raises ExportError if a file of this name exists that no export has written.

        A file with this content stays as it is: an interrupted export leaves files that are in no manifest.
        """
        digest = _digest(content)
        if not self._folder.holds(file, digest):
            if self._folder.exists(file) and not (file in self._before and self._folder.is_file(file)):
                place = self._folder.place(file)
                raise ExportError(f"{place}: not written by an export; remove it, or choose another folder")
            self._folder.replace(file, content)
        self.written[file] = digest

    def remove_obsolete(self) -> None:
        """Remove the files of an earlier export that this one did not write, unless they were changed since."""
        for file in sorted(self._before.keys() - self.written.keys()):
            if self._folder.holds(file, self._before[file]):
                self._folder.remove(file)


@dataclass
class _Group:
    """Hosts with the same responses, except for paths that contain their domain."""

    locations: tuple[Location, ...]
    redirects: tuple[str, ...]
    prefix: str
    domains: list[str] = field(default_factory=list)

    def site(self, home: str) -> Site:
        locations = [one._replace(path=path) for one in self.locations for path in _filled(one.path, self.domains)]
        return Site(tuple(f"{self.prefix}{domain}" for domain in self.domains), tuple(locations), self.redirects, home)


def _filled(path: str, domains: list[str]) -> Iterator[str]:
    return (path.format(domain=domain) for domain in domains) if "{" in path else iter([path])


async def _sites(definition: Definition, responses: _Responses, files: _Files) -> AsyncIterator[Site]:
    """Yield the sites of a definition's domains.

    Most content is the same for all domains. But some pages contain their own URL as a QR code. They are written for
    the first domain only, and the hosts of the other domains redirect to it.
    """
    home = f"{_PAGES_AT}{definition.domains[0]}"
    shared, own = await _pages(definition, responses, files)
    groups: dict[object, _Group] = {}
    for domain in definition.domains:
        for prefix in _PREFIXES:
            host = f"{prefix}{domain}"
            locations = []
            for path in (path for at, path in _DOCUMENTS if at == prefix):
                response = await responses.get(host, path.format(domain=domain))
                if response.status == 200:
                    file = files.keep(_file(host, path.format(domain=domain)), response.body)
                    locations.append(Location(path, file, _headers(response)))
            redirects: tuple[str, ...] = ()
            if prefix == _PAGES_AT:
                locations += shared
                if host == home:
                    locations += own
                else:
                    redirects = tuple(one.path for one in own)
            key = (prefix, tuple((one.path, one.file, one.headers) for one in locations), redirects)
            groups.setdefault(key, _Group(tuple(locations), redirects, prefix)).domains.append(domain)
    for group in groups.values():
        if group.locations:
            yield group.site(home)


async def _pages(definition: Definition, responses: _Responses, files: _Files) -> tuple[list[Location], list[Location]]:
    """Return the pages that are the same for all domains, and those that differ."""
    shared: list[Location] = []
    own: list[Location] = []
    first, *others = (f"{_PAGES_AT}{domain}" for domain in definition.domains[:2])
    for path in _PAGES:
        response = await responses.get(first, path)
        if response.status == 200:
            location = Location(path, files.keep(_file(first, path), response.body), _headers(response))
            elsewhere = [await responses.get(host, path) for host in others]
            same = all((one.body, one.kind.headers) == (response.body, response.kind.headers) for one in elsewhere)
            (shared if same else own).append(location)
    return shared, own


def _headers(response: Response) -> Headers:
    """Return the headers for a web server's configuration, without the ETag: web servers generate their own."""
    return tuple((name.decode(), value.decode()) for name, value in response.kind.headers if name != b"etag")


def _manifest(sites: list[Site], written: dict[str, str]) -> bytes:
    kinds: dict[Headers, int] = {}
    listed = [
        {
            "hosts": site.hosts,
            "paths": [
                {"path": one.path, "file": one.file, "headers": kinds.setdefault(one.headers, len(kinds))}
                for one in site.locations
            ],
            "redirects": [{"path": path, "location": f"https://{site.home}{path}"} for path in site.redirects],
        }
        for site in sites
    ]
    files = [{"file": file, "sha256": digest} for file, digest in written.items()]
    content = {"files": files, "headers": [dict(headers) for headers in kinds], "sites": listed}
    return (json.dumps(content, indent=1) + "\n").encode()


def _file(host: str, path: str) -> str:
    return f"{host}{path}{'index.html' if path.endswith('/') else ''}"


def _written_before(folder: Folder) -> dict[str, str]:
    """Return the files in an earlier export's manifest, with their digests.

    The manifest is untrusted: filenames that no export writes are ignored. Raises ExportError if it is not a manifest.
    """
    content = folder.read(MANIFEST, _MAX_MANIFEST)
    if content is None:
        return {}
    try:
        files = {str(entry["file"]): str(entry.get("sha256")) for entry in json.loads(content)["files"]}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ExportError(f"{folder.place(MANIFEST)}: not written by an export; choose another folder") from error
    return {file: digest for file, digest in files.items() if _is_export_name(file)}


def _is_export_name(file: str) -> bool:
    """Return whether an export writes files of this name."""
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
