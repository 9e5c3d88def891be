"""Turns claims into settings: the first working server of each type, with the sources in order of trust."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from autoconfig.operations.discovery.claims import Claim, Source
from autoconfig.operations.discovery.verify import Verified, Verifier, problem, working
from autoconfig.operations.report import Finding

_MAX_CLAIMS = 60
"""Maximum number of claims to verify, each on up to three ports."""

CHECK = "CHECK: "
"""Prefix of evidence that the operator should check."""
WRONG = "Wrong: "
"""Prefix of evidence about a published setting that does not work."""

Tasks = dict[Claim, list[asyncio.Task[Verified | Finding]]]


@dataclass(frozen=True)
class Server:
    """A mail server for the definition, with its lines of evidence. An empty `username` is unknown."""

    verified: Verified
    methods: tuple[str, ...]
    username: str
    evidence: tuple[str, ...]
    guessed: bool


@dataclass
class Settled:
    """The mail servers for the definition, in order, and remarks on claims that failed."""

    servers: list[Server] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def has(self, type_: str) -> bool:
        """Return whether there is a server of a type."""
        return any(one.verified.type == type_ for one in self.servers)


class Mail:
    """Settles a domain's mail servers. `date` is the date of the evidence, such as 2026-11-26."""

    def __init__(self, verifier: Verifier, date: str) -> None:
        self._verifier, self._date = verifier, date
        self._tasks: Tasks = {}

    async def settle(self, sources: Sequence[Source], deadline: float) -> Settled:
        """Verify what sources state, then guess what is still missing.

        `deadline` is a time of the event loop's clock.
        """
        stated = [one for one in sources if not one.guess]
        await self._verify(stated, deadline)
        wanted, settled = self._settled(stated, None)
        if not all(map(settled.has, wanted)):
            await self._verify([one for one in sources if one.guess], deadline)
            first = wanted if wanted != _UNKNOWN else None
            _, settled = self._settled(sources, first)
            if not (settled.has("smtp") and (settled.has("imap") or settled.has("pop3"))):
                named = await self._named(deadline)
                await self._verify(named, deadline)
                _, settled = self._settled([*sources, *named], first)
        return settled

    async def _named(self, deadline: float) -> list[Source]:
        try:
            async with asyncio.timeout_at(deadline):
                return [await self._verifier.named_in_certificates()]
        except TimeoutError:
            return []

    async def _verify(self, sources: Iterable[Source], deadline: float) -> None:
        for claim in (claim for source in sources for claim in source.claims):
            if len(self._tasks) < _MAX_CLAIMS and claim not in self._tasks:
                self._tasks[claim] = self._verifier.begin(claim)
        if tasks := {task for tasks in self._tasks.values() for task in tasks}:
            await asyncio.wait(tasks, timeout=max(0, deadline - asyncio.get_running_loop().time()))

    async def close(self) -> None:
        """Cancel what is not finished."""
        tasks = {task for tasks in self._tasks.values() for task in tasks}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _settled(self, sources: Sequence[Source], wanted: tuple[str, ...] | None) -> tuple[tuple[str, ...], Settled]:
        """Return the wanted server types and the servers found for them.

        The first source with a working IMAP or POP3 server decides the types: a provider may leave out POP3 on purpose.
        """
        if wanted is None:
            wanted = next((kinds for one in sources if (kinds := self._kinds(one))), _UNKNOWN)
        settled = Settled()
        for type_ in wanted:
            self._add(settled, type_, sources)
        return wanted, settled

    def _kinds(self, source: Source) -> tuple[str, ...]:
        incoming = tuple(dict.fromkeys(one.type for one in source.claims if one.type != "smtp"))
        works = any(one.type != "smtp" and working(self._tasks.get(one, [])) for one in source.claims)
        return (*incoming, "smtp") if works else ()

    def _add(self, settled: Settled, type_: str, sources: Sequence[Source]) -> None:
        """Add the servers of a type from the first source that has a working one."""
        published = next((c.username for s in sources for c in s.claims if c.type == type_ and c.username), "")
        wrong: list[str] = []
        for source in sources:
            found: dict[tuple[str, int], Server] = {}
            for claim in (one for one in source.claims if one.type == type_):
                tasks = self._tasks.get(claim, [])
                verified = working(tasks)
                if verified and not (source.guess and found):
                    server = self._server(source, claim, verified, tasks[0], published)
                    found.setdefault((verified.host, verified.port), server)
                elif not verified and not source.guess:  # a failed guess is not worth reporting
                    why = "; ".join(dict.fromkeys(map(problem, tasks))) or "skipped: too many servers are published"
                    wrong.append(f"{source.name}: {type_} {claim}; {why}")
            if found:
                first, *others = sorted(found.values(), key=lambda one: one.verified.socket_type != "SSL")
                failed = tuple(f"{WRONG}{one}" for one in wrong)
                settled.servers += [_with(first, failed), *others]
                return
        settled.remarks += wrong

    def _server(
        self,
        source: Source,
        claim: Claim,
        verified: Verified,
        first: asyncio.Task[Verified | Finding],
        published: str,
    ) -> Server:
        """Return a server for the definition. `first` is the attempt on the claimed port, if that is usable."""
        evidence = [f"{source.name}: {claim.type} {claim}"]
        better = f"Port {verified.port} with {verified.socket_type}"
        if claim.port and (claim.port, claim.socket_type) != (verified.port, verified.socket_type):
            if claim.socket_type not in ("SSL", "STARTTLS"):
                socket_type = claim.socket_type or "no socketType"
                evidence.append(f"{WRONG}{socket_type} leaves passwords unprotected. {better} works.")
            elif text := problem(first):
                evidence.append(f"{WRONG}{text}. {better} works.")
            else:
                evidence.append(f"{better} works too, and is preferred.")
        evidence.append(f"Verified on {self._date}: {verified.evidence}.")
        evidence += [f"Not at every address: {one}" for one in verified.problems]
        methods = tuple(one for one in claim.methods if one in verified.offered)
        if claim.methods and not methods:
            evidence.append(f"{WRONG}the server does not offer the published {' or '.join(claim.methods)}.")
        username = claim.username or published
        if source.forgeable:
            evidence.append(
                f"{CHECK}this arrived over http, so anyone on the network could have changed it. Is this your server?"
            )
        if username:
            evidence.append(f"The username is as published: {username}")
        return Server(verified, methods or verified.offered[:1], username, tuple(evidence), source.guess)


_UNKNOWN = ("imap", "pop3", "smtp")
"""The server types to look for if no source names any."""


def _with(server: Server, evidence: tuple[str, ...]) -> Server:
    return Server(server.verified, server.methods, server.username, (*evidence, *server.evidence), server.guessed)
