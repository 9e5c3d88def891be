"""The sources of a domain's settings, in order of trust, queried as mail clients query them."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from urllib.parse import quote

from dns.rdata import Rdata
from dns.rdtypes.IN.SRV import SRV

from autoconfig.address import MailAddress
from autoconfig.operations.discovery.claims import PLACEHOLDER_USER, Claim, ServiceClaim, Source, url_of
from autoconfig.operations.discovery.documents import read_autoconfig, read_autodiscover, read_own_autoconfig, read_pacc
from autoconfig.operations.dns import hostname
from autoconfig.operations.http import Request
from autoconfig.operations.mx import Exchanger, exchangers
from autoconfig.operations.names import Names, srv_target
from autoconfig.operations.report import Problem
from autoconfig.operations.web import LONGEST_QUOTE, Web, redirected
from autoconfig.protocols import activesync, autoconfig, autodiscover, pacc
from autoconfig.protocols.description import autodiscover_request
from autoconfig.visible import visible

DATABASE = "https://autoconfig.thunderbird.net/v1.1/"
"""Thunderbird's public database. Requests to it contain the domain, never an address."""

Read = Callable[[str, bytes, MailAddress], Source | None]
Outcome = tuple[Source | None, str]
"""What a source says, if anything, and a line that reports the query."""

_MAIL_SRV = {
    "_imaps": ("imap", "SSL"),
    "_imap": ("imap", "STARTTLS"),
    "_pop3s": ("pop3", "SSL"),
    "_pop3": ("pop3", "STARTTLS"),
    "_submissions": ("smtp", "SSL"),
    "_smtps": ("smtp", "SSL"),  # in no RFC, but aerc and other clients look it up
    "_submission": ("smtp", "STARTTLS"),
}
"""RFC 6186, section 3; RFC 8314, section 5.1."""
_WEB_SRV = {"_caldavs": "caldav", "_carddavs": "carddav", "_jmap": "jmap"}
"""RFC 6764, section 3; RFC 8620, section 2.2."""
_WELL_KNOWN = ("caldav", "carddav", "jmap")
_MAX_EXCHANGERS = 3
_MAX_TARGETS = 4
"""Maximum number of SRV targets to try for one name."""


class Sources:
    """The sources for a domain. `database` is a URL to which the domain is appended, or None to skip it."""

    def __init__(self, domain: str, names: Names, web: Web, database: str | None) -> None:
        self.domain, self._names, self._web, self._database = domain, names, web, database
        self.address = MailAddress(PLACEHOLDER_USER, domain)
        self.exchangers: list[Exchanger] = []

    async def query(self, seconds: float, done: Callable[[], None] = lambda: None) -> list[Outcome]:
        """Return what each source says, the most trusted first. Cancels queries that take longer than `seconds`."""
        queries = [asyncio.create_task(self._exchangers())]
        queries += [
            asyncio.create_task(one) for one in (self._own(), self._outlook(), self._pacc(), self._from_database())
        ]
        queries += [asyncio.create_task(one) for one in (self._srv(), self._well_known(), self._by_mx())]
        for task in queries:
            task.add_done_callback(lambda _: done())
        _, late = await asyncio.wait(queries, timeout=seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        found: list[Outcome] = []
        for name, task in zip(_NAMES, queries, strict=True):
            found += [(None, f"{name}: not finished in time")] if task in late else task.result()
        return [*found, *self._guesses()]

    async def _exchangers(self) -> list[Outcome]:
        try:
            self.exchangers = await exchangers(self._names, self.domain)
        except Problem as problem:
            return [(None, f"MX of {self.domain}: {problem.finding.text}")]
        hosts = ", ".join(one.host for one in self.exchangers) or "none"
        return [(None, f"MX of {self.domain}: {hosts}")]

    async def _own(self) -> list[Outcome]:
        """Query the domain itself, in Thunderbird's order: https before http."""
        query = f"?emailaddress={quote(str(self.address), '')}"
        places = (f"autoconfig.{self.domain}{autoconfig.PATH}", f"{self.domain}{autoconfig.WELL_KNOWN_PATH}")
        urls = [f"{scheme}://{place}{query}" for scheme in ("https", "http") for place in places]
        found = await self._documents([Request(url) for url in urls], read_own_autoconfig)
        secure, forgeable = found[: len(places)], found[len(places) :]
        pairs = zip(secure, forgeable, strict=True)
        return [*secure, *((None if _same(one, other) else other, line) for (one, _), (other, line) in pairs)]

    async def _outlook(self) -> list[Outcome]:
        body = autodiscover.request_for(self.address)
        urls = [f"https://{host}{autodiscover.PATH}" for host in (self.domain, f"autodiscover.{self.domain}")]
        found = await self._documents([Request(url, body) for url in urls], read_autodiscover)
        if not any(source for source, _ in found):
            found += await self._redirected(body)
            found += await self._outlook_srv(body)
        body = autodiscover_request(self.address, activesync.REQUEST_NAMESPACE, activesync.RESPONSE_SCHEMA)
        mobile = [Request(url, body) for url in urls]
        return found + [one for one in await self._documents(mobile, read_autodiscover) if one[0]]

    async def _redirected(self, body: bytes) -> list[Outcome]:
        """Follow Outlook's redirect: a GET over http, then a POST to the target."""
        url = f"http://autodiscover.{self.domain}{autodiscover.PATH}"
        try:
            response = await self._web.fetch(Request(url), follow=False)
            target = redirected(url, response.headers.get("location", ""))
        except Problem as problem:
            return [(None, f"{url}: {problem.finding.text}")]
        if response.status not in (301, 302) or not target.startswith("https:"):
            return [(None, f"{url}: responds with {response.status}")]
        found = await self._documents([Request(target, body)], read_autodiscover)
        return [(source and replace(source, forgeable=True), line) for source, line in found]

    async def _outlook_srv(self, body: bytes) -> list[Outcome]:
        found: list[Outcome] = []
        for host, port in await self._targets("_autodiscover", found):
            if host and port == 443:
                found += await self._documents([Request(f"https://{host}{autodiscover.PATH}", body)], read_autodiscover)
        return found

    async def _pacc(self) -> list[Outcome]:
        return await self._documents([Request(f"https://ua-auto-config.{self.domain}{pacc.PATH}")], read_pacc)

    async def _from_database(self) -> list[Outcome]:
        return await self._in_database([self.domain])

    async def _in_database(self, domains: Iterable[str]) -> list[Outcome]:
        if self._database is None:
            return []
        requests = [Request(f"{self._database}{domain}") for domain in domains]
        return await self._documents(requests, read_autoconfig, "Listed at")

    async def _by_mx(self) -> list[Outcome]:
        """Query the mail exchanger's domains over https, as Thunderbird does (FetchConfig.sys.mjs, version 153)."""
        try:
            found = await exchangers(self._names, self.domain)
        except Problem:
            return []
        domains = [one for one in (found[0].domains if found else ()) if one != self.domain]
        query = f"?emailaddress={quote(str(self.address), '')}"
        requests = [Request(f"https://autoconfig.{one}{autoconfig.PATH}{query}") for one in domains]
        published = await self._documents(requests, read_autoconfig, "Published for the MX at")
        return published + await self._in_database(domains)

    async def _documents(self, requests: Sequence[Request], read: Read, prefix: str = "Published at") -> list[Outcome]:
        return list(await asyncio.gather(*(self._document(one, read, prefix) for one in requests)))

    async def _document(self, request: Request, read: Read, prefix: str) -> Outcome:
        place = request.url.partition("?")[0]
        try:
            response = await self._web.fetch(request)
        except Problem as problem:
            return None, f"{place}: {problem.finding.text}"
        if response.status != 200:
            return None, f"{place}: responds with {response.status}"
        final = visible(response.urls[-1].partition("?")[0], LONGEST_QUOTE)
        source = read(f"{prefix} {final}", response.body, self.address)
        if source and response.used_http:
            source = replace(source, forgeable=True)
        has_settings = source and (source.claims or source.services)
        return source, f"{place}: {'has settings' if has_settings else 'has no settings for mail clients'}"

    async def _srv(self) -> list[Outcome]:
        found: list[Outcome] = []
        names = [*_MAIL_SRV, *_WEB_SRV]
        targets = await asyncio.gather(*(self._targets(name, found) for name in names))
        claims, services = [], []
        for name, hosts in zip(names, targets, strict=True):
            for host, port in hosts:
                if name in _MAIL_SRV:
                    type_, socket_type = _MAIL_SRV[name]
                    claims.append(Claim(type_, host, port, socket_type))
                elif url := await self._srv_url(name, host, port):
                    services.append(ServiceClaim(_WEB_SRV[name], url))
        if claims or services:
            found.append((Source(f"SRV records of {self.domain}", tuple(claims), tuple(services)), ""))
        return found

    async def _targets(self, name: str, found: list[Outcome]) -> list[tuple[str, int]]:
        """Return the targets of a service's SRV records, the preferred first; add a line on the lookup to `found`."""
        full = f"{name}._tcp.{self.domain}"
        try:
            records = sorted(await self._names.find(full, "SRV"), key=_order)
        except Problem as problem:
            found.append((None, f"{full} SRV: {problem.finding.text}"))
            return []
        targets = [(hostname(host), port) for host, port in map(srv_target, records)]
        usable = [(host, port) for host, port in targets if "." in host and port][:_MAX_TARGETS]
        listed = ", ".join(f"{host}:{port}" for host, port in usable)
        found.append((None, f"{full} SRV: {listed or ('points to no host' if records else 'none')}"))
        return usable

    async def _srv_url(self, name: str, host: str, port: int) -> str:
        """Return the URL of a service that SRV and TXT records name (RFC 6764, section 4)."""
        path = "/.well-known/" + _WEB_SRV[name]
        try:
            texts = [
                part.decode("ascii", "replace")
                for record in await self._names.find(f"{name}._tcp.{self.domain}", "TXT")
                for part in getattr(record, "strings", ())
            ]
        except Problem:
            texts = []
        path = next((text.removeprefix("path=") for text in texts if text.startswith("path=/")), path)
        return url_of(f"https://{host}{'' if port == 443 else f':{port}'}{path}")

    async def _well_known(self) -> list[Outcome]:
        """Return the URLs where clients look if they know only the domain. They are verified later."""
        urls = [(type_, f"https://{self.domain}/.well-known/{type_}") for type_ in _WELL_KNOWN]
        services = tuple(ServiceClaim(type_, url, guessed=True) for type_, url in urls)
        return [(Source(f"Well-known URLs of {self.domain}", services=services), "")]

    def _guesses(self) -> list[Outcome]:
        """Return hosts that many providers have: the MX hosts, and imap., smtp., mail. and pop. of both domains."""
        hosts = [one.host for one in self.exchangers[:_MAX_EXCHANGERS]]
        exchange = self.exchangers[0].base_domain if self.exchangers else ""
        found: list[Outcome] = [(_named(self.domain, f"Common names of {self.domain}"), "")]
        if hosts:
            claims = tuple(Claim(type_, host) for type_ in ("imap", "pop3", "smtp") for host in hosts)
            found.append((Source(f"MX records of {self.domain}", claims, guess=True), ""))
        if exchange and exchange != self.domain:
            found.append((_named(exchange, f"Common names of {exchange}, the domain of the MX"), ""))
        return found


_NAMES = (
    "MX records",
    "autoconfig",
    "Autodiscover",
    "PACC",
    "database",
    "SRV records",
    "well-known URLs",
    "MX's settings",
)


def _same(one: Source | None, other: Source | None) -> bool:
    """Return whether two sources say the same."""
    return one is not None and other is not None and replace(other, name=one.name, forgeable=one.forgeable) == one


def _order(record: Rdata) -> tuple[int, int]:
    """Return the sort key of an SRV record (RFC 2782), without the random choice: results must be repeatable."""
    return (record.priority, -record.weight) if isinstance(record, SRV) else (0, 0)


def _named(domain: str, name: str) -> Source:
    names = {"imap": ("imap", "mail"), "pop3": ("pop", "mail"), "smtp": ("smtp", "mail")}
    claims = (Claim(type_, f"{one}.{domain}") for type_, hosts in names.items() for one in hosts)
    return Source(name, tuple(claims), guess=True)
