"""Whether the name servers of a zone agree: a resolver asks any of them, so clients get the answer of any."""

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
from dns.rdtypes.ANY.NS import NS

from autoconfig.operations.names import Names
from autoconfig.operations.report import Finding, Problem, Verdict, right

_MAX_SERVERS = 8
"""Addresses of name servers that are asked; hardly any zone has more."""
_AT_ONCE = 32

Question = tuple[str, str]
"""A name and a type of records."""


class _Server(NamedTuple):
    name: str
    address: str

    def __str__(self) -> str:
        return f"{self.name} ({self.address})"


class ZoneServers:
    """Asks the name servers of zones themselves, a few questions at a time."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def check(self, domain: str, questions: Sequence[Question]) -> Finding:
        """Check that the servers of the zone that a domain is in give the same answers. Raises Problem."""
        zone, servers = await self._servers(domain)
        if not servers:
            raise Problem(f"no name server of {domain} can be found", "see the zone's NS records", Verdict.UNKNOWN)
        # The first question shows whether a server answers: one that hangs costs one timeout.
        first = await asyncio.gather(*(self._answer(server, questions[0]) for server in servers))
        silent = [server for server, answer in zip(servers, first, strict=True) if answer is None]
        servers = [server for server in servers if server not in silent]
        if not servers:
            raise Problem(
                f"no name server of {zone} answers this machine", "let it send DNS requests to them", Verdict.UNKNOWN
            )
        answers = [await asyncio.gather(*(self._answer(server, one) for one in questions)) for server in servers]
        for server, found in zip(servers, answers, strict=True):
            for text in found:
                if isinstance(text, str):
                    remedy = "let it serve the zone, or remove it from the NS records of the zone and of its parent"
                    raise Problem(f"{server} does not serve {zone}: {text}", remedy)
        for number, (name, type_) in enumerate(questions):
            _compare(servers, [found[number] for found in answers], name, type_)
        if silent:
            text = f"{', '.join(map(str, silent))} does not answer; {_listed(servers)} agree"
            return Finding(Verdict.WARNING, text, "start it, or remove it from the zone's NS records")
        return right(f"{_listed(servers)} agree" if len(servers) > 1 else f"{servers[0]} answers")

    async def _servers(self, domain: str) -> tuple[str, list[_Server]]:
        """Return the zone that a domain is in, and its name servers."""
        name = domain
        while "." in name:
            hosts = [
                one.target.to_text(omit_final_dot=True)
                for one in await self._names.find(name, "NS")
                if isinstance(one, NS)
            ]
            if hosts:
                hosts.sort()
                found = await asyncio.gather(*(self._addresses(host) for host in hosts))
                # One address of each server first, then the others.
                rounds = [[one[number] for one in found if len(one) > number] for number in range(_MAX_SERVERS)]
                return name, [server for one in rounds for server in one][:_MAX_SERVERS]
            name = name.partition(".")[2]
        return domain, []

    async def _addresses(self, host: str) -> list[_Server]:
        with contextlib.suppress(Problem):
            return [_Server(host, address) for address in await self._names.addresses(host)]
        return []

    async def _answer(self, server: _Server, question: Question) -> "frozenset[str] | str | None":
        """Return the records that a server has, in words why it has no answer, or None when it is silent."""
        name, type_ = question
        query = dns.message.make_query(f"{name}.", type_, use_edns=0, payload=1232)
        query.flags &= ~dns.flags.RD
        try:
            async with self._slots:
                response, _ = await dns.asyncquery.udp_with_fallback(
                    query, server.address, self._names.timeout, self._names.authority_port, ignore_unexpected=True
                )
        except (dns.exception.DNSException, OSError):
            return None
        if response.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            return f"it answers {dns.rcode.to_text(response.rcode())}"
        if not response.flags & dns.flags.AA:
            return "its answer is not authoritative"
        owner = dns.name.from_text(f"{name}.")
        return frozenset(
            f"{dns.rdatatype.to_text(one.rdtype)} {record.to_text().lower()}"
            for one in response.answer
            if one.name == owner
            for record in one
        )


def _listed(servers: Iterable[_Server]) -> str:
    return " and ".join(map(str, servers))


def _compare(servers: Sequence[_Server], found: Sequence[object], name: str, type_: str) -> None:
    """Raise Problem when answers differ."""
    for server, other in zip(servers[1:], found[1:], strict=True):
        if other != found[0] and other is not None and found[0] is not None:
            remedy = "let the secondary servers transfer the zone again; each change must raise its serial number (SOA)"
            raise Problem(f"{servers[0]} and {server} have different records for {name} {type_}", remedy)
