"""`bt-autoconfig init`: discover how mail works for a domain, with the evidence for each setting."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from autoconfig.operations import tls
from autoconfig.operations.attempts import Attempts
from autoconfig.operations.discovery.claims import Ports, ServiceClaim, Source
from autoconfig.operations.discovery.settle import Mail, Server
from autoconfig.operations.discovery.sources import Outcome, Sources
from autoconfig.operations.discovery.verify import VerifiedService, Verifier
from autoconfig.operations.mx import Exchanger, exchangers, registrable_domain
from autoconfig.operations.names import Names
from autoconfig.operations.report import Finding, Problem, attempted
from autoconfig.operations.web import Web

_SOURCES_SHARE = 0.4
"""The share of `max_time` for querying the sources."""
_MAX_SERVICES = 24

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Service:
    """A verified service for the definition."""

    verified: VerifiedService
    username: str
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class Text:
    """A text or URL for the definition, and its source."""

    value: str
    evidence: str


@dataclass
class Found:
    """What was discovered about a domain. Everything is verified, unless its evidence says otherwise."""

    domain: str
    date: str
    servers: list[Server] = field(default_factory=list)
    services: list[Service] = field(default_factory=list)
    display_name: Text | None = None
    short_name: Text | None = None
    domains: list[Text] = field(default_factory=list)
    """Other domains with the same settings."""
    mx_domains: list[Text] = field(default_factory=list)
    help_page: Text | None = None
    webmail: Text | None = None
    issuer: Text | None = None
    remarks: list[str] = field(default_factory=list)
    """Published settings that the definition leaves out, each with the reason."""
    tried: list[str] = field(default_factory=list)
    exchanger: Exchanger | None = None

    @property
    def is_usable(self) -> bool:
        """Whether clients can receive and send mail with these settings."""
        types = {one.verified.type for one in self.servers}
        sends = "smtp" in types or any(one.verified.type in ("jmap", "ews", "activeSync") for one in self.services)
        return sends and (bool(types & {"imap", "pop3"}) or any(one.verified.type == "jmap" for one in self.services))

    @property
    def knows_username(self) -> bool:
        """Whether each server's username is known."""
        return all(one.username for one in self.servers) and all(one.username for one in self.services)

    @property
    def hosts(self) -> set[str]:
        """The registrable domains of the mail servers."""
        return {registrable_domain(one.verified.host) for one in self.servers}

    @property
    def is_hosted(self) -> bool:
        """Whether the MX shows that a provider hosts this domain: it receives and sends the domain's mail."""
        base = self.exchanger.base_domain if self.exchanger else ""
        return bool(base) and base != registrable_domain(self.domain) and self.hosts == {base}


class Discovery:
    """Discovers a domain's settings in at most `max_time` seconds. Calls `progress` with messages for the user."""

    def __init__(
        self,
        domain: str,
        names: Names,
        attempts: Attempts,
        *,
        database: str | None,
        max_time: float,
        ports: Ports = Ports(),  # noqa: B008 - it cannot change
        at: str | None = None,
        progress: Progress = lambda _: None,
    ) -> None:
        self._domain, self._names, self._progress = domain, names, progress
        self._max_time = max_time
        self._web = Web(names, attempts, at, command="init")
        self._sources = Sources(domain, names, self._web, database)
        self._verifier = Verifier(names, self._web, attempts, tls.context(), ports, self._count)
        self._done = 0

    async def find(self) -> Found:
        """Return what was discovered, which may be nothing."""
        deadline = asyncio.get_running_loop().time() + self._max_time
        found = Found(self._domain, time.strftime("%Y-%m-%d", time.gmtime()))
        self._progress(f"looking up what {self._domain} publishes")
        outcomes = await self._sources.query(self._max_time * _SOURCES_SHARE)
        sources = [source for source, _ in outcomes if source]
        found.exchanger = next(iter(self._sources.exchangers), None)
        settling = Mail(self._verifier, found.date)
        rest = asyncio.create_task(self._within(deadline, found, sources))
        try:
            settled = await settling.settle(sources, deadline)
            await rest
        finally:
            rest.cancel()
            await settling.close()
        found.servers, remarks = settled.servers, settled.remarks
        found.remarks += remarks
        found.tried = [*_lines(outcomes), *self._verifier.failures()]
        return found

    def _count(self) -> None:
        self._done += 1
        self._progress(f"connecting to mail servers: {self._done} of {self._verifier.attempts} attempts")

    async def _within(self, deadline: float, found: Found, sources: Sequence[Source]) -> None:
        """Verify everything but the mail servers, until the deadline."""
        try:
            async with asyncio.timeout_at(deadline):
                await self._verify_rest(found, sources)
        except TimeoutError:
            pass

    async def _verify_rest(self, found: Found, sources: Sequence[Source]) -> None:
        """Verify everything but the mail servers. Each result is stored at once, in case the time runs out."""
        await asyncio.gather(self._services(found, sources), self._texts(found, sources), self._domains(found, sources))

    async def _services(self, found: Found, sources: Sequence[Source]) -> None:
        claims = [(source, one) for source in sources for one in source.services][:_MAX_SERVICES]
        results = await asyncio.gather(*(attempted(self._service, found, *one) for one in claims))
        for (source, claim), service in zip(claims, results, strict=True):
            if isinstance(service, Service):
                if all(one.verified.type != claim.type for one in found.services):
                    found.services.append(service)
            elif not claim.guessed:
                found.remarks.append(f"{source.name}: {claim.type}; {service.text}")

    async def _service(self, found: Found, source: Source, claim: ServiceClaim) -> Service:
        verified = await self._verifier.service(claim, self._sources.address)
        evidence = [f"{source.name}: {claim.url}", f"Verified on {found.date}: {verified.evidence}."]
        if claim.username:
            evidence.append(f"The username is as published: {claim.username}")
        return Service(verified, claim.username, tuple(evidence))

    async def _texts(self, found: Found, sources: Iterable[Source]) -> None:
        for source in sources:
            if source.display_name and not found.display_name:
                found.display_name = Text(source.display_name, source.name)
                found.short_name = Text(source.short_name, source.name) if source.short_name else None
            found.remarks += [f"{source.name}: {one}" for one in source.remarks]
            found.help_page = found.help_page or await self._page(found, source, source.help_page)
            found.webmail = found.webmail or await self._page(found, source, source.webmail)
            if source.issuer and not found.issuer:
                found.issuer = await self._text(found, source, source.issuer, self._verifier.issuer)

    async def _page(self, found: Found, source: Source, url: str) -> Text | None:
        return await self._text(found, source, url, self._verifier.page) if url else None

    async def _text(
        self, found: Found, source: Source, url: str, verify: Callable[[str], Awaitable[str]]
    ) -> Text | None:
        evidence = await attempted(verify, url)
        if isinstance(evidence, Finding):
            found.remarks.append(f"{source.name}: {evidence.text}")
            return None
        return Text(url, f"{source.name}. On {found.date} it {evidence}.")

    async def _domains(self, found: Found, sources: Iterable[Source]) -> None:
        """Add the other domains that a source lists with this one, if their mail goes to the same provider."""
        listed = next((one for one in sources if self._domain in one.domains), None)
        if listed is None or found.exchanger is None:
            return
        own = found.exchanger
        for domain in dict.fromkeys(listed.domains):
            if domain == self._domain:
                continue
            try:
                theirs = await exchangers(self._names, domain)
            except Problem as problem:
                found.remarks.append(f"{listed.name}: domain {domain}; {problem.finding.text}")
                continue
            if theirs and theirs[0].base_domain == own.base_domain:
                found.domains.append(Text(domain, f"{listed.name}. Its MX, {theirs[0].host}, is the same provider's."))
            elif theirs:
                found.remarks.append(
                    f"{listed.name}: domain {domain}; its MX, {theirs[0].host}, is not in {own.base_domain}"
                )
            else:
                found.remarks.append(f"{listed.name}: domain {domain}; it has no MX")
        found.mx_domains += [
            Text(one, f"{listed.name}. The MX of {self._domain} is in this domain.")
            for one in listed.mx_domains
            if one in own.domains
        ]


def _lines(outcomes: Iterable[Outcome]) -> list[str]:
    return [line for _, line in outcomes if line]
