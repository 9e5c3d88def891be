"""Web servers as clients see them: HTTPS on every address of a host, and its responses."""

import asyncio
import ipaddress
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import NamedTuple
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from autoconfig.address import ascii_domain
from autoconfig.operations import caa, tls
from autoconfig.operations.attempts import Attempts, NoAnswer
from autoconfig.operations.http import Answer, exchange
from autoconfig.operations.names import Names, NoAddressError
from autoconfig.operations.report import Finding, Problem, Verdict, at_each, attempted, result_of, right
from autoconfig.operations.tls import HandshakeError, NotConnectedError
from autoconfig.visible import visible

MAX_REDIRECTS = 5
_PORTS = {"http": 80, "https": 443}
_REDIRECTS = (301, 302, 303, 307, 308)
_MAX_KEPT = 4 * 1024 * 1024
"""Bytes of responses that are kept in case that the same is requested again."""
_RETRY_AFTER = 3
"""Seconds until a second attempt where TLS fails: a certificate may be on its way (Caddy, on demand)."""
_IN_URLS = "%/:?@!$&'()*+,;=~"
LONGEST_QUOTE = 200
"""Characters of a header in a message."""


class Reply(NamedTuple):
    """A response, after redirects: `urls` are all that were requested, in order, `redirects` the statuses between."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    urls: tuple[str, ...]
    redirects: tuple[int, ...] = ()

    @property
    def touched_http(self) -> bool:
        """Whether any of it came without TLS."""
        return any(url.startswith("http:") for url in self.urls)


class Question(NamedTuple):
    """A request. Without a method it is a GET or, with a body, a POST of XML."""

    url: str
    body: bytes | None = None
    method: str = ""
    headers: tuple[tuple[str, str], ...] = ()


class Web:
    """Sends requests, and hardly ever the same one twice.

    `at` is the URL of a server that is not in the DNS yet: all requests go there. `ports` are those of http and https.
    The User-Agent names the `command`.
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
        self._silent: set[str] = set()
        self._unreachable: set[str] = set()
        self._issuers: dict[str, str] = {}
        self._old_tls: dict[str, asyncio.Task[bool]] = {}
        self._sent: dict[_Key, asyncio.Task[Reply | Finding]] = {}
        self._sizes: OrderedDict[_Key, int] = OrderedDict()
        self._kept = 0

    async def addresses(self, host: str) -> list[str]:
        """Return the IP addresses at which a host is asked. Raises Problem when it has none."""
        return [self._at.hostname or ""] if self._at else await self._names.addresses(host)

    async def reachable(self, host: str) -> list[str]:
        """Return those of a host's addresses to which there is a route, as far as is known."""
        return [one for one in await self.addresses(host) if one not in self._unreachable]

    def issuer(self, host: str) -> str | None:
        """Return the organisation that issued the certificate of a host, None when it has not been seen."""
        return self._issuers.get(host)

    async def certificate(self, host: str, port: int | None = None) -> Finding:
        """Check that a host speaks HTTPS at each of its addresses, with a certificate that clients trust.

        Raises Problem.
        """
        if self._at and self._at.scheme == "http":
            return right("requested at --url, without TLS")
        addresses = await self.addresses(host)
        port = port or self._port("https")
        days = min(await at_each(addresses, lambda address: self._certificate(host, address, port)))
        text = f"trusted, for {days} more days, on {', '.join(addresses)}"
        if (finding := tls.unless_soon(days, text)).verdict is Verdict.RIGHT:
            for address in addresses:
                if await self._accepts_old_tls(host, address, port):
                    return Finding(Verdict.WARNING, f"{address}: {tls.OLD_TLS}", tls.OLD_TLS_REMEDY)
        return finding

    async def _certificate(self, host: str, address: str, port: int) -> int:
        try:
            return await self._look_at_certificate(host, address, port)
        except HandshakeError:
            await asyncio.sleep(self._retry_after)
            return await self._look_at_certificate(host, address, port)
        except NotConnectedError as error:
            if error.finding.verdict is Verdict.UNKNOWN:
                self._unreachable.add(address)
            raise

    async def _look_at_certificate(self, host: str, address: str, port: int) -> int:
        async with self._attempt(address), tls.connected(host, address, port, self._tls) as (_, writer):
            certificate = writer.get_extra_info("peercert")
            self._issuers[host] = caa.issuer(certificate)
            return tls.days_left(certificate)

    async def _accepts_old_tls(self, host: str, address: str, port: int) -> bool:
        """Tell whether a listener accepts old versions of TLS; it is asked once, whatever the host."""
        key = f"{address} {port}"
        if key not in self._old_tls:
            self._old_tls[key] = asyncio.create_task(self._try_old_tls(host, address, port))
        return await asyncio.shield(self._old_tls[key])

    async def _try_old_tls(self, host: str, address: str, port: int) -> bool:
        try:
            async with self._attempt(address):
                return await tls.accepts_old(host, address, port)
        except NoAnswer:
            return False

    def _port(self, scheme: str) -> int:
        return (self._at and self._at.port) or self._ports[scheme]

    async def ask(self, question: Question, *, follow: bool = True, address: str = "") -> Reply:
        """Return the response to a request, redirects followed, from an address of the host or from its first.

        Raises Problem.
        """
        key = (question, follow, address)
        if key not in self._sent:
            self._sent[key] = asyncio.create_task(attempted(self._ask, *key))
            self._sent[key].add_done_callback(partial(self._keep, key))
        return result_of(await asyncio.shield(self._sent[key]))

    def _keep(self, key: "_Key", task: asyncio.Task[Reply | Finding]) -> None:
        """Count the size of a response, and forget the oldest ones when there is too much: they are requested again."""
        self._sizes[key] = _size(task)
        self._kept += self._sizes[key]
        while self._kept > _MAX_KEPT:
            key, size = self._sizes.popitem(last=False)
            self._kept -= size
            del self._sent[key]

    async def _ask(self, question: Question, follow: bool, address: str) -> Reply:
        urls: list[str] = []
        redirects: list[int] = []
        host = urlsplit(question.url).hostname
        while True:
            urls.append(question.url)
            at = address if urlsplit(question.url).hostname == host else ""
            answer = await self._ask_once(question, at)
            if not follow or answer.status not in _REDIRECTS or "location" not in answer.headers:
                return Reply(*answer, tuple(urls), tuple(redirects))
            question = question._replace(url=redirected(question.url, answer.headers["location"]))
            redirects.append(answer.status)
            if question.url in urls or len(urls) > MAX_REDIRECTS:
                raise _loop(urls[-1], question.url)

    async def _ask_once(self, question: Question, address: str) -> Answer:
        url = urlsplit(question.url)
        host = url.hostname or ""
        addresses = [address] if address else await self.reachable(host) or await self.addresses(host)
        for number, one in enumerate(addresses, 1):
            try:
                return await self._first_alone(question, url, one)
            except NotConnectedError:
                if number == len(addresses):
                    raise
        raise NoAddressError(f"{host} has no address")

    async def _first_alone(self, question: Question, url: SplitResult, address: str) -> Answer:
        # The first request shows whether a host answers: one that hangs costs one timeout, not one for each request.
        origin = f"{url.scheme}://{url.netloc} {address}"
        async with self._origins.setdefault(origin, asyncio.Lock()):
            if origin in self._silent:
                raise Problem(f"{url.hostname} does not respond", verdict=Verdict.FOLLOWS)
            if origin not in self._tried:
                self._tried.add(origin)
                return await self._send(question, url, address, origin)
        return await self._send(question, url, address, origin)

    async def _send(self, question: Question, url: SplitResult, address: str, origin: str) -> Answer:
        scheme = self._at.scheme if self._at else url.scheme
        headers = [
            ("Host", url.netloc),
            ("User-Agent", self._user_agent),
            # Only the server itself may be told: a reverse proxy that says nothing must be found out.
            *([("X-Forwarded-Proto", url.scheme)] if self._at else []),
            ("Accept-Encoding", "identity"),
            ("Connection", "close"),
            *([("Content-Type", "text/xml")] if question.body is not None else []),
            *question.headers,
        ]
        target = f"{url.path or '/'}{f'?{url.query}' if url.query else ''}"
        context = self._tls if scheme == "https" else None
        port = self._port(scheme) if self._at else url.port or self._port(scheme)
        try:
            async with (
                self._attempt(address),
                tls.connected(url.hostname or "", address, port, context) as (reader, writer),
            ):
                return await exchange(reader, writer, target, headers, question.body, question.method)
        except NoAnswer:
            self._silent.add(origin)
            raise

    def _attempt(self, address: str) -> AbstractAsyncContextManager[None]:
        return self._attempts.one(address, "start the web server, and open its port in firewalls")


_Key = tuple[Question, bool, str]


def _loop(url: str, target: str) -> Problem:
    if url == target and url.startswith("https:"):
        remedy = (
            "let the reverse proxy set X-Forwarded-Proto to https, and connect from an address in --trusted-proxies: "
            "the server believes that the request came over http"
        )
        return Problem("it redirects to itself, in a loop", remedy)
    return Problem("it redirects in a loop", "see where the web server redirects each of these URLs")


def _size(task: asyncio.Task[Reply | Finding]) -> int:
    """Return what an answer takes, roughly."""
    if task.cancelled() or task.exception() or isinstance(reply := task.result(), Finding):
        return 0
    return len(reply.body) + sum(len(name) + len(value) for name, value in reply.headers.items())


def redirected(url: str, location: str) -> str:
    """Return where a redirect from a URL leads, as a URL in ASCII. Raises Problem when that is no web address."""
    try:
        target = urlsplit(urljoin(url, location))
        port = "" if target.port in (None, _PORTS.get(target.scheme)) else f":{target.port}"
        if target.scheme in _PORTS and target.hostname:
            path, query = (quote(part, _IN_URLS, "latin-1") for part in (target.path or "/", target.query))
            return f"{target.scheme}://{_host(target.hostname)}{port}{path}{f'?{query}' if query else ''}"
    except ValueError:
        pass
    raise Problem(
        f"it redirects to {visible(location, LONGEST_QUOTE)}, which is not a web address",
        "see which server responds there",
    )


def _host(name: str) -> str:
    """Return the host of a URL, a domain name or an IP address. Raises ValueError when it is neither."""
    if ":" in name:
        return f"[{ipaddress.IPv6Address(name)}]"
    return ascii_domain(name)
