"""Web servers as clients see them: the certificate at every address of a host, and responses to requests."""

import asyncio
import contextlib
import ipaddress
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from autoconfig.address import ascii_domain
from autoconfig.operations import caa, tls
from autoconfig.operations.attempts import Attempts, TimeLimitError
from autoconfig.operations.http import Request, Response, exchange
from autoconfig.operations.names import Names
from autoconfig.operations.report import Finding, Problem, Verdict, at_each, attempted, result_of
from autoconfig.operations.tls import HandshakeError, NotConnectedError
from autoconfig.visible import visible

MAX_REDIRECTS = 5
_PORTS = {"http": 80, "https": 443}
_REDIRECTS = (301, 302, 303, 307, 308)
_MAX_CACHED = 4 * 1024 * 1024
"""Maximum bytes of cached responses. A response that is dropped is requested again when it is needed."""
_RETRY_AFTER = 3
"""Seconds before a failed handshake is tried again: the server may be getting a certificate on demand (Caddy)."""
_IN_URLS = "%/:?@!$&'()*+,;=~"
LONGEST_QUOTE = 200
"""Maximum characters of a header's value in a message."""


class Web:
    """Sends requests and caches the responses.

    `at` is the URL of a server that is not in the DNS yet: all requests go there. `ports` are the default ports by
    scheme. The User-Agent names the `command`.
    """

    def __init__(
        self,
        names: Names,
        attempts: Attempts,
        at: str | None = None,
        *,
        ports: Mapping[str, int] = _PORTS,
        retry_after: float = _RETRY_AFTER,
        command: str = "check",
    ) -> None:
        self._names = names
        self._attempts = attempts
        self._at = urlsplit(at) if at else None
        self._ports, self._retry_after = ports, retry_after
        self._user_agent = f"bt-autoconfig {command}"
        self._tls = tls.context()
        self._origins: dict[str, asyncio.Lock] = {}
        self._tried: set[str] = set()
        self._unresponsive: set[str] = set()
        self._unreachable: set[str] = set()
        self._issuers: dict[str, str] = {}
        self._old_tls: dict[str, asyncio.Task[bool]] = {}
        self._responses: dict[_Key, asyncio.Task[Response | Finding]] = {}
        self._sizes: OrderedDict[_Key, int] = OrderedDict()
        self._cached = 0

    async def addresses(self, host: str) -> list[str]:
        """Return the IP addresses to which requests for a host are sent. Raises Problem if there are none."""
        return [self._at.hostname or ""] if self._at else await self._names.addresses(host)

    async def reachable(self, host: str) -> list[str]:
        """Return a host's addresses, except those to which no route was found."""
        return [one for one in await self.addresses(host) if one not in self._unreachable]

    def issuer(self, host: str) -> str | None:
        """Return the organisation that issued a host's certificate, or None if its certificate was not read."""
        return self._issuers.get(host)

    async def certificate(self, host: str, port: int | None = None) -> Finding:
        """Check that each address of a host has a certificate that clients trust. Raises Problem."""
        if self._at and self._at.scheme == "http":
            return Finding(Verdict.SKIPPED, "not checked: --url is http")
        addresses = await self.addresses(host)
        port = port or self._port("https")
        days = min(await at_each(addresses, lambda address: self._certificate(host, address, port)))
        text = f"certificate valid for {days} more days at {', '.join(addresses)}"
        if (finding := tls.expiry_finding(days, text)).verdict is Verdict.OK:
            for address in addresses:
                if await self._accepts_old_tls(host, address, port):
                    return Finding(Verdict.WARNING, f"{address}: {tls.OLD_TLS}", tls.OLD_TLS_REMEDY)
        return finding

    async def _certificate(self, host: str, address: str, port: int) -> int:
        try:
            return await self._days_left(host, address, port)
        except HandshakeError:
            await asyncio.sleep(self._retry_after)
            return await self._days_left(host, address, port)
        except NotConnectedError as error:
            if error.finding.verdict is Verdict.UNKNOWN:
                self._unreachable.add(address)
            raise

    async def _days_left(self, host: str, address: str, port: int) -> int:
        async with self._attempt(address), tls.connected(host, address, port, self._tls) as (_, writer):
            certificate = writer.get_extra_info("peercert")
            self._issuers[host] = caa.issuer(certificate)
            return tls.days_left(certificate)

    async def _accepts_old_tls(self, host: str, address: str, port: int) -> bool:
        """Return whether a listener accepts TLS 1.1 or 1.0, which RFC 8996 forbids.

        Each listener is tried only once, for any host.
        """
        key = f"{address} {port}"
        if key not in self._old_tls:
            self._old_tls[key] = asyncio.create_task(self._try_old_tls(host, address, port))
        return await asyncio.shield(self._old_tls[key])

    async def _try_old_tls(self, host: str, address: str, port: int) -> bool:
        try:
            async with self._attempt(address), tls.connected(host, address, port, tls.old_context()):
                return True
        except Problem:
            return False

    def _port(self, scheme: str) -> int:
        return (self._at and self._at.port) or self._ports[scheme]

    async def fetch(self, request: Request, *, follow: bool = True, address: str = "") -> Response:
        """Return the response to a request, after redirects if `follow` is true. Raises Problem.

        The request goes to `address`, by default to the first address of the host that accepts a connection.
        """
        key = (request, follow, address)
        if key not in self._responses:
            self._responses[key] = asyncio.create_task(attempted(self._fetch, *key))
            self._responses[key].add_done_callback(partial(self._limit_cache, key))
        return result_of(await asyncio.shield(self._responses[key]))

    def _limit_cache(self, key: "_Key", task: asyncio.Task[Response | Finding]) -> None:
        """Add the size of a response, and drop the oldest responses if the cache is full."""
        self._sizes[key] = _size(task)
        self._cached += self._sizes[key]
        while self._cached > _MAX_CACHED:
            key, size = self._sizes.popitem(last=False)
            self._cached -= size
            del self._responses[key]

    async def _fetch(self, request: Request, follow: bool, address: str) -> Response:
        urls: list[str] = []
        redirects: list[int] = []
        host = urlsplit(request.url).hostname
        while True:
            urls.append(request.url)
            at = address if urlsplit(request.url).hostname == host else ""
            response = await self._fetch_once(request, at)
            if not follow or response.status not in _REDIRECTS or "location" not in response.headers:
                return response._replace(urls=tuple(urls), redirects=tuple(redirects))
            request = request._replace(url=redirected(request.url, response.headers["location"]))
            redirects.append(response.status)
            if request.url in urls or len(urls) > MAX_REDIRECTS:
                raise _loop(urls[-1], request.url)

    async def _fetch_once(self, request: Request, address: str) -> Response:
        url = urlsplit(request.url)
        host = url.hostname or ""
        addresses = [address] if address else await self.reachable(host) or await self.addresses(host)
        *others, last = addresses
        for one in others:
            with contextlib.suppress(NotConnectedError):
                return await self._send_in_turn(request, url, one)
        return await self._send_in_turn(request, url, last)

    async def _send_in_turn(self, request: Request, url: SplitResult, address: str) -> Response:
        # The other requests wait for the first one: a host that hangs then costs one timeout, not one per request.
        origin = f"{url.scheme}://{url.netloc} {address}"
        async with self._origins.setdefault(origin, asyncio.Lock()):
            if origin in self._unresponsive:
                raise Problem(f"{url.hostname} does not respond", verdict=Verdict.SKIPPED)
            if origin not in self._tried:
                self._tried.add(origin)
                return await self._send(request, url, address, origin)
        return await self._send(request, url, address, origin)

    async def _send(self, request: Request, url: SplitResult, address: str, origin: str) -> Response:
        scheme = self._at.scheme if self._at else url.scheme
        headers = [
            ("Host", url.netloc),
            ("User-Agent", self._user_agent),
            # Only for --url: otherwise a reverse proxy that does not set it would go unnoticed.
            *([("X-Forwarded-Proto", url.scheme)] if self._at else []),
            ("Accept-Encoding", "identity"),
            ("Connection", "close"),
            *([("Content-Type", "text/xml")] if request.body is not None else []),
            *request.headers,
        ]
        target = f"{url.path or '/'}{f'?{url.query}' if url.query else ''}"
        context = self._tls if scheme == "https" else None
        port = self._port(scheme) if self._at else url.port or self._port(scheme)
        try:
            async with (
                self._attempt(address),
                tls.connected(url.hostname or "", address, port, context) as (reader, writer),
            ):
                return await exchange(reader, writer, target, headers, request.body, request.method)
        except TimeLimitError:
            self._unresponsive.add(origin)
            raise

    def _attempt(self, address: str) -> AbstractAsyncContextManager[None]:
        return self._attempts.one(address, "start the web server, and open its port in firewalls")


_Key = tuple[Request, bool, str]


def _loop(url: str, target: str) -> Problem:
    if url == target and url.startswith("https:"):
        remedy = (
            "let the reverse proxy set X-Forwarded-Proto to https, and add its address to --trusted-proxies: "
            "bt-autoconfig takes the request for one over http"
        )
        return Problem("redirects to itself", remedy)
    return Problem("redirects in a loop", "correct the redirects of the web server")


def _size(task: asyncio.Task[Response | Finding]) -> int:
    """Return the approximate size of a response in memory."""
    if task.cancelled() or task.exception() or isinstance(response := task.result(), Finding):
        return 0
    return len(response.body) + sum(len(name) + len(value) for name, value in response.headers.items())


def redirected(url: str, location: str) -> str:
    """Return the target of a redirect as a URL in ASCII. Raises Problem if it is not a web address."""
    try:
        target = urlsplit(urljoin(url, location))
        port = "" if target.port in (None, _PORTS.get(target.scheme)) else f":{target.port}"
        if target.scheme in _PORTS and target.hostname:
            path, query = (quote(part, _IN_URLS, "latin-1") for part in (target.path or "/", target.query))
            return f"{target.scheme}://{_host(target.hostname)}{port}{path}{f'?{query}' if query else ''}"
    except ValueError:
        pass
    raise Problem(
        f"redirects to {visible(location, LONGEST_QUOTE)}, which is not a web address",
        "correct the redirect, or see which server responds there",
    )


def _host(name: str) -> str:
    """Return a host as it is written in a URL. Raises ValueError if it is neither a domain name nor an IP address."""
    if ":" in name:
        return f"[{ipaddress.IPv6Address(name)}]"
    return ascii_domain(name)
