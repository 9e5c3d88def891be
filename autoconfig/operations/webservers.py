"""Configurations of nginx and Caddy that serve an export with the headers that bt-autoconfig sends.

Requests for autoconfig files have email addresses in their query strings, so requests are not logged. All other paths
get 404.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

Headers = tuple[tuple[str, str], ...]
"""Names in lower case, and values."""


class Location(NamedTuple):
    """A path, the file with its content, and the response's headers."""

    path: str
    file: str
    headers: Headers


class Site(NamedTuple):
    """Hosts with the same locations. The paths in `redirects` redirect to the host `home`."""

    hosts: tuple[str, ...]
    locations: tuple[Location, ...]
    redirects: tuple[str, ...]
    home: str


UNUSABLE = re.compile(r"[${}\x00-\x1f\x7f]")
"""Characters that a path in a configuration cannot contain: variables of nginx and Caddy, and control characters."""
NGINX_HTTP, NGINX_SERVER, CADDY = NAMES = ("nginx-http.conf", "nginx-server.conf", "Caddyfile")


def configurations(sites: Sequence[Site], root: Path) -> dict[str, str]:
    """Return the text of each configuration by its filename. The web server reads the exported files from `root`."""
    kinds = dict.fromkeys(location.headers for site in sites for location in site.locations)
    numbered = {headers: f"k{number}" for number, headers in enumerate(kinds, 1)}
    made = {
        NGINX_HTTP: _nginx_http(sites, numbered),
        NGINX_SERVER: _nginx_server(numbered, root),
        CADDY: _caddy(sites, numbered, root),
    }
    return {name: "\n".join(lines) + "\n" for name, lines in made.items()}


def _is_for_http(headers: Headers) -> bool:
    """Return whether clients request the file over http too: autoconfig files, which are XML."""
    return dict(headers)["content-type"].startswith("text/xml")


def _names(kinds: dict[Headers, str]) -> list[str]:
    """Return the names of all headers."""
    return sorted({name for headers in kinds for name, _ in headers})


# nginx


def _nginx_http(sites: Sequence[Site], kinds: dict[Headers, str]) -> Iterator[str]:
    hosts = [(host, str(number)) for number, site in enumerate(sites, 1) for host in site.hosts]
    locations = [(f"{number}:{one.path}", one) for number, site in enumerate(sites, 1) for one in site.locations]
    redirects = [(f"{number}:{path}", site.home) for number, site in enumerate(sites, 1) for path in site.redirects]
    longest = max(len(key) for key, _ in chain(hosts, locations, redirects))
    yield "# `bt-autoconfig export` wrote this file. Include it in nginx's http block, as docs/export.md shows."
    # A bucket must hold the longest key and a few more bytes.
    yield f"map_hash_bucket_size {1 << max(6, (longest + 32).bit_length())};"
    yield f"map_hash_max_size {1 << max(11, max(len(hosts), len(locations)).bit_length() + 1)};"
    yield from _map("$host", "site", hosts)
    yield from _map("$bt_autoconfig_site:$uri", "file", [(key, one.file) for key, one in locations])
    yield from _map("$bt_autoconfig_site:$uri", "kind", [(key, kinds[one.headers]) for key, one in locations])
    yield from _map("$bt_autoconfig_site:$uri", "home", redirects)
    https_only = [(f"http:{kind}", "1") for headers, kind in kinds.items() if not _is_for_http(headers)]
    yield from _map("$scheme:$bt_autoconfig_kind", "https_only", https_only)
    for name in _names(kinds):
        values = [(kind, dict(headers)[name]) for headers, kind in kinds.items() if name in dict(headers)]
        # A redirect to https has none of these headers: it has 1 before the kind.
        yield from _map("$bt_autoconfig_https_only$bt_autoconfig_kind", _variable(name), values)


def _map(source: str, variable: str, rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    yield f"map {source} $bt_autoconfig_{variable} {{"
    yield '    default "";'
    yield from (f"    {_quoted(key)} {_quoted(value)};" for key, value in rows)
    yield "}"


def _variable(header: str) -> str:
    return header.replace("-", "_")


def _nginx_server(kinds: dict[Headers, str], root: Path) -> Iterator[str]:
    yield "# `bt-autoconfig export` wrote this file. Include it in a server of nginx, as docs/export.md shows."
    yield "location / {"
    yield f"    root {_quoted(str(root))};"
    yield "    # Query strings contain email addresses, and error messages the client's IP address too."
    yield "    access_log off;"
    yield "    error_log /dev/null emerg;"
    yield "    # nginx evaluates a map once per request. try_files changes $uri, so this must be first."
    yield "    set $bt_autoconfig_chosen $bt_autoconfig_kind;"
    yield "    if ($bt_autoconfig_https_only) { return 308 https://$host$request_uri; }"
    yield "    if ($bt_autoconfig_home) { return 302 https://$bt_autoconfig_home$uri; }"
    yield '    if ($bt_autoconfig_file = "") { return 404; }'
    yield "    types { }"
    yield '    default_type "";'
    yield "    charset off;"
    yield from (f'    add_header {name} "$bt_autoconfig_{_variable(name)}";' for name in _names(kinds))
    yield "    try_files /$bt_autoconfig_file =404;"
    yield "}"


def _quoted(text: str) -> str:
    """Return a string as nginx and Caddy read it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


# Caddy


def _caddy(sites: Sequence[Site], kinds: dict[Headers, str], root: Path) -> Iterator[str]:
    yield "# `bt-autoconfig export` wrote this file. Import it into your Caddyfile, as docs/export.md shows."
    yield from _block("(bt_autoconfig_file)", _caddy_file(kinds, root))
    yield from _block("(bt_autoconfig)", _caddy_sites(sites, kinds))
    # The domain itself has its own website.
    hosts = [host for site in sites for host in site.hosts if host.startswith(("autoconfig.", "ua-auto-config."))]
    addresses = ", ".join(f"{scheme}://{host}" for host in hosts for scheme in ("http", "https"))
    yield from _block(addresses, ["import bt_autoconfig"])


def _block(head: str, lines: Iterable[str]) -> Iterator[str]:
    yield f"{head} {{"
    yield from (f"\t{line}" for line in lines)
    yield "}"


def _caddy_sites(sites: Sequence[Site], kinds: dict[Headers, str]) -> Iterator[str]:
    for number, site in enumerate(sites, 1):
        yield f"@bt_autoconfig_{number} host {' '.join(site.hosts)}"
        yield from _block(f"handle @bt_autoconfig_{number}", _caddy_site(site, kinds))
    yield from _block("handle", ["respond 404"])


def _caddy_site(site: Site, kinds: dict[Headers, str]) -> Iterator[str]:
    def rows() -> Iterator[str]:
        for one in site.locations:
            yield f"{one.path} {_quoted(one.file)} {kinds[one.headers]}"
        for path in site.redirects:
            yield f"{path} {site.home} moved"
        yield "default none none"

    yield from _block("map {http.request.orig_uri.path} {bt_autoconfig_file} {bt_autoconfig_kind}", rows())
    yield "import bt_autoconfig_file"


def _caddy_file(kinds: dict[Headers, str], root: Path) -> Iterator[str]:
    kind = "vars {bt_autoconfig_kind}"
    yield f"root * {_quoted(str(root))}"
    yield f"@bt_autoconfig_none {kind} none"
    yield f"@bt_autoconfig_moved {kind} moved"
    https_only = " ".join(name for headers, name in kinds.items() if not _is_for_http(headers))
    yield from _block("@bt_autoconfig_https_only", ["protocol http", f"{kind} {https_only}"])
    for headers, name in kinds.items():
        yield f"@bt_autoconfig_{name} {kind} {name}"
        yield from _block(f"header @bt_autoconfig_{name}", [f"{one} {_quoted(text)}" for one, text in headers])
    yield from _block("route", _caddy_route())


def _caddy_route() -> Iterator[str]:
    yield "respond @bt_autoconfig_none 404"
    yield "redir @bt_autoconfig_moved https://{bt_autoconfig_file}{http.request.orig_uri.path} 302"
    yield "redir @bt_autoconfig_https_only https://{host}{uri} 308"
    yield "@bt_autoconfig_other not method GET HEAD"
    yield "respond @bt_autoconfig_other 405"
    yield "rewrite * /{bt_autoconfig_file}"
    yield "file_server"
