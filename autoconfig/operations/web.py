"""The web side as clients see it: HTTPS on each host, and what is answered there."""

import asyncio
import ipaddress
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import NamedTuple
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from autoconfig.address import ascii_domain
from autoconfig.operations import tls
from autoconfig.operations.attempts import Attempts, NoAnswer
from autoconfig.operations.http import Answer, exchange
from autoconfig.operations.names import Names
from autoconfig.operations.report import Finding, Problem, Verdict, at_each, findings, result_of, right
from autoconfig.visible import visible

MAX_REDIRECTS = 5
_PORTS = {"http": 80, "https": 443}
_REDIRECTS = (301, 302, 303, 307, 308)
_MAX_KEPT = 4 * 1024 * 1024
"""Bytes of answers that are kept in case that the same is asked again."""
_IN_URLS = "%/:?@!$&'()*+,;=~"
LONGEST_QUOTE = 200
"""Characters of a header in a message."""


class Reply(NamedTuple):
    """An answer, after redirects: `urls` are all that were asked, in order."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    urls: tuple[str, ...]

    @property
    def touched_http(self) -> bool:
        """Whether any of it came without TLS."""
        return any(url.startswith("http:") for url in self.urls)


class Question(NamedTuple):
    """A request. A body makes it a POST of XML, unless it has another method."""

    url: str
    body: bytes | None = None
    method: str = ""


class Web:
    """Asks hosts for documents, and hardly ever twice for the same.

    `at` is where to ask, whatever the DNS says: the URL of a server that is not in the DNS yet.
    """

    def __init__(self, names: Names, attempts: Attempts, at: str | None = None) -> None:
        self._names = names
        self._attempts = attempts
        self._at = urlsplit(at) if at else None
        self._tls = tls.context()
        self._origins: dict[str, asyncio.Lock] = {}
        self._tried: set[str] = set()
        self._silent: set[str] = set()
        self._asked: dict[tuple[Question, bool], asyncio.Task[Reply | Finding]] = {}
        self._sizes: OrderedDict[tuple[Question, bool], int] = OrderedDict()
        self._kept = 0

    async def certificate(self, host: str) -> Finding:
        """Check that a host speaks HTTPS at each of its addresses, with a certificate that clients trust."""
        if self._at and self._at.scheme == "http":
            return right("asked at --url, without TLS")
        addresses = [self._at.hostname or ""] if self._at else await self._names.addresses(host)
        days = min(await at_each(addresses, partial(self._certificate, host)))
        return tls.unless_soon(days, f"trusted, for {days} more days, on {', '.join(addresses)}")

    async def _certificate(self, host: str, address: str) -> int:
        port = (self._at and self._at.port) or _PORTS["https"]
        async with self._attempt(address), tls.connected(host, address, port, self._tls) as (_, writer):
            return tls.days_left(writer.get_extra_info("peercert"))

    async def ask(self, question: Question, *, follow: bool = True) -> Reply:
        """Return the answer to a question, redirects followed. Raises Problem."""
        key = (question, follow)
        if key not in self._asked:
            self._asked[key] = asyncio.create_task(findings(self._ask(question, follow)))
            self._asked[key].add_done_callback(partial(self._keep, key))
        return result_of(await asyncio.shield(self._asked[key]))

    def _keep(self, key: tuple[Question, bool], task: asyncio.Task[Reply | Finding]) -> None:
        """Count what an answer takes, and forget the oldest ones when it is too much: they are asked for again."""
        self._sizes[key] = _size(task)
        self._kept += self._sizes[key]
        while self._kept > _MAX_KEPT:
            key, size = self._sizes.popitem(last=False)
            self._kept -= size
            del self._asked[key]

    async def _ask(self, question: Question, follow: bool) -> Reply:
        urls: list[str] = []
        while True:
            urls.append(question.url)
            answer = await self._ask_once(question)
            if not follow or answer.status not in _REDIRECTS or "location" not in answer.headers:
                return Reply(*answer, tuple(urls))
            question = question._replace(url=redirected(question.url, answer.headers["location"]))
            if question.url in urls or len(urls) > MAX_REDIRECTS:
                raise Problem("it redirects in a loop", "see that the web server passes on Host and X-Forwarded-Proto")

    async def _ask_once(self, question: Question) -> Answer:
        url = urlsplit(question.url)
        origin = f"{url.scheme}://{url.netloc}"
        # The first question shows whether a host answers: one that hangs costs one timeout, not one for each question.
        async with self._origins.setdefault(origin, asyncio.Lock()):
            if origin in self._silent:
                raise Problem(f"{url.hostname} does not answer", verdict=Verdict.FOLLOWS)
            if origin not in self._tried:
                self._tried.add(origin)
                return await self._send(question, url, origin)
        return await self._send(question, url, origin)

    async def _send(self, question: Question, url: SplitResult, origin: str) -> Answer:
        host = url.hostname or ""
        address = (self._at.hostname or "") if self._at else (await self._names.addresses(host))[0]
        where = self._at or url
        headers = [
            ("Host", url.netloc),
            ("User-Agent", "bt-autoconfig check"),
            ("X-Forwarded-Proto", url.scheme),
            ("Accept-Encoding", "identity"),
            ("Connection", "close"),
            *([("Content-Type", "text/xml")] if question.body is not None else []),
        ]
        target = f"{url.path or '/'}{f'?{url.query}' if url.query else ''}"
        context = self._tls if where.scheme == "https" else None
        try:
            async with (
                self._attempt(address),
                tls.connected(host, address, where.port or _PORTS[where.scheme], context) as (reader, writer),
            ):
                return await exchange(reader, writer, target, headers, question.body, question.method)
        except NoAnswer:
            self._silent.add(origin)
            raise

    def _attempt(self, address: str) -> AbstractAsyncContextManager[None]:
        return self._attempts.one(address, "see that the web server there runs, and that firewalls let it be asked")


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
        f"it redirects to {visible(location, LONGEST_QUOTE)}, which is no web address", "see what answers there"
    )


def _host(name: str) -> str:
    """Return the host of a URL, a domain name or an IP address. Raises ValueError when it is neither."""
    if ":" in name:
        return f"[{ipaddress.IPv6Address(name)}]"
    return ascii_domain(name)


def expect(reply: Reply, wanted: Reply) -> Finding:
    """Check that an answer is the one that this program would give. Raises Problem."""
    remedy = "let this server answer here, with this definition; reload it if the definition is newer"
    media_type, wanted_type = (one.headers.get("content-type", "of no type") for one in (reply, wanted))
    if reply.status == 401:
        raise Problem("it asks for a password, and clients then ask their users", remedy)
    if reply.status != wanted.status:
        raise Problem(f"it answers {reply.status}", remedy)
    if media_type.partition(";")[0].strip() != wanted_type.partition(";")[0]:
        raise Problem(f"its type is {visible(media_type, LONGEST_QUOTE)}, not {wanted_type}", remedy)
    if (coding := reply.headers.get("content-encoding", "identity")) != "identity":
        remedy = "let the web server compress only for clients that ask for it by Accept-Encoding"
        raise Problem(f"it is compressed ({visible(coding, LONGEST_QUOTE)}), which was not asked for", remedy)
    # What is signed has the document inside it.
    if reply.body != wanted.body and not (reply.body[:1] == b"\x30" and wanted.body in reply.body):
        raise Problem("it is another document than the definition renders", remedy)
    if "no-store" in wanted.headers["cache-control"] and "no-store" not in reply.headers.get("cache-control", ""):
        remedy = "pass on the header Cache-Control: no-store, so that no cache hands one user's answer to another"
        raise Problem("nothing keeps caches from keeping it", remedy)
    after = f", after {len(reply.urls) - 1} redirects" if len(reply.urls) > 1 else ""
    return right(f"as the definition renders it{after}")
