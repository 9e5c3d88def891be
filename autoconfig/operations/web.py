"""The web side as clients see it: HTTPS on each host, and what is answered there."""

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import partial
from typing import NamedTuple, Self
from urllib.parse import urljoin, urlsplit

import httpx

from autoconfig.operations import tls
from autoconfig.operations.names import Names
from autoconfig.operations.report import Finding, Problem, Verdict, at_each, right

MAX_REDIRECTS = 5


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
    """A request. A body makes it a POST of XML."""

    url: str
    body: bytes | None = None


class Web:
    """Asks hosts for documents, each question once.

    `at` is where to ask, whatever the DNS says: the URL of a server that is not in the DNS yet.
    """

    def __init__(self, names: Names, timeout: float, at: str | None = None) -> None:
        self._names = names
        self._timeout = timeout
        self._at = urlsplit(at) if at else None
        self._tls = tls.context()
        self._clients: dict[str, httpx.AsyncClient] = {}
        self._hosts: dict[str, asyncio.Lock] = {}
        self._silent: set[str] = set()
        self._asked: dict[tuple[Question, bool], asyncio.Task[Reply]] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def certificate(self, host: str) -> Finding:
        """Check that a host speaks HTTPS at each of its addresses, with a certificate that clients trust."""
        if self._at and self._at.scheme == "http":
            return right("asked at --url, without TLS")
        addresses = [self._at.hostname or ""] if self._at else await self._names.addresses(host)
        days = min(await at_each(addresses, partial(self._certificate, host)))
        return tls.unless_soon(days, f"trusted, for {days} more days, on {', '.join(addresses)}")

    async def _certificate(self, host: str, address: str) -> int:
        try:
            async with asyncio.timeout(self._timeout):
                _, writer = await tls.secured(host, address, (self._at and self._at.port) or 443, self._tls)
        except TimeoutError as error:
            raise self._no_answer(address) from error
        days = tls.days_left(writer.get_extra_info("peercert"))
        writer.close()
        return days

    async def ask(self, question: Question, *, follow: bool = True) -> Reply:
        """Return the answer to a question, redirects followed. Raises Problem."""
        key = (question, follow)
        if key not in self._asked:
            self._asked[key] = asyncio.create_task(self._ask(question, follow))
        return await asyncio.shield(self._asked[key])

    async def _ask(self, question: Question, follow: bool) -> Reply:
        urls: list[str] = []
        while True:
            urls.append(question.url)
            response = await self._ask_once(question)
            if (
                not follow
                or response.status_code not in (301, 302, 303, 307, 308)
                or "location" not in response.headers
            ):
                return Reply(response.status_code, response.headers, response.content, tuple(urls))
            question = question._replace(url=_redirected(question.url, response.headers["location"]))
            if question.url in urls or len(urls) > MAX_REDIRECTS:
                raise Problem("it redirects in a loop", "see that the web server passes on Host and X-Forwarded-Proto")

    async def _ask_once(self, question: Question) -> httpx.Response:
        url = urlsplit(question.url)
        host = url.hostname or ""
        origin = f"{url.scheme}://{host}"
        # The first question shows whether a host answers: one that hangs costs one timeout, not one for each question.
        async with self._hosts.setdefault(origin, asyncio.Lock()):
            if origin in self._silent:
                raise Problem(f"{host} does not answer", verdict=Verdict.FOLLOWS)
            first = origin not in self._clients
            if first:
                self._clients[origin] = await self._client()
                return await self._send(question, origin)
        return await self._send(question, origin)

    async def _send(self, question: Question, origin: str) -> httpx.Response:
        url = urlsplit(question.url)
        host = url.hostname or ""
        address = (self._at.hostname or "") if self._at else (await self._names.addresses(host))[0]
        scheme, port = (self._at.scheme, self._at.port) if self._at else (url.scheme, url.port)
        place = f"[{address}]" if ":" in address else address
        headers = {"Host": host, "X-Forwarded-Proto": url.scheme, "User-Agent": "bt-autoconfig check"}
        if question.body is not None:
            headers["Content-Type"] = "text/xml"
        try:
            with tls.trusted(host):
                return await self._clients[origin].request(
                    "GET" if question.body is None else "POST",
                    f"{scheme}://{place}{f':{port}' if port else ''}{url.path}{f'?{url.query}' if url.query else ''}",
                    content=question.body,
                    headers=headers,
                    extensions={"sni_hostname": host},
                )
        except httpx.TimeoutException as error:
            self._silent.add(origin)
            raise self._no_answer(address) from error
        except httpx.InvalidURL as error:  # httpx looks at a redirect even when it is not to follow it
            raise _to_nowhere() from error
        except httpx.HTTPError as error:
            if isinstance(error.__context__, ssl.SSLError):
                with tls.trusted(host):
                    raise error.__context__ from error
            raise Problem(f"{host} cannot be reached", f"see that the web server listens on {address}") from error

    async def _client(self) -> httpx.AsyncClient:
        # One for each host: connections are shared by address, and the name that TLS was told must not be.
        client = httpx.AsyncClient(verify=self._tls, timeout=self._timeout, trust_env=False)
        return await self._stack.enter_async_context(client)

    def _no_answer(self, address: str) -> Problem:
        remedy = "see that the web server there runs, and that firewalls let it be asked"
        return Problem(f"{address} does not answer within {self._timeout:g} seconds", remedy)


def _redirected(url: str, location: str) -> str:
    """Return where a redirect leads. Raises Problem when that is no web address."""
    try:
        target = urljoin(url, location)
        if httpx.URL(target).scheme in ("http", "https") and urlsplit(target).hostname:
            return target
    except (ValueError, httpx.InvalidURL):
        pass
    raise _to_nowhere()


def _to_nowhere() -> Problem:
    return Problem("it redirects to something that is no web address", "see what answers there")


def expect(reply: Reply, wanted: Reply) -> Finding:
    """Check that an answer is the one that this program would give. Raises Problem."""
    remedy = "let this server answer here, with this definition; reload it if the definition is newer"
    media_type, wanted_type = (one.headers.get("content-type", "of no type") for one in (reply, wanted))
    if reply.status == 401:
        raise Problem("it asks for a password, and clients then ask their users", remedy)
    if reply.status != wanted.status:
        raise Problem(f"it answers {reply.status}", remedy)
    if media_type.partition(";")[0].strip() != wanted_type.partition(";")[0]:
        raise Problem(f"its type is {media_type}, not {wanted_type}", remedy)
    # What is signed has the document inside it.
    if reply.body != wanted.body and not (reply.body[:1] == b"\x30" and wanted.body in reply.body):
        raise Problem("it is another document than the definition renders", remedy)
    if "no-store" in wanted.headers["cache-control"] and "no-store" not in reply.headers.get("cache-control", ""):
        remedy = "pass on the header Cache-Control: no-store, so that no cache hands one user's answer to another"
        raise Problem("nothing keeps caches from keeping it", remedy)
    redirected = f", after {len(reply.urls) - 1} redirects" if len(reply.urls) > 1 else ""
    return right(f"as the definition renders it{redirected}")
