"""Checks that the name servers of a zone agree: resolvers query any of them, so clients may get any server's answer."""

import asyncio
import contextlib
from collections.abc import Sequence
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
from autoconfig.operations.report import Finding, Problem, Verdict, ok

_MAX_SERVERS = 8
"""Maximum addresses of name servers to query. Hardly any zone has more."""
_AT_ONCE = 32

Question = tuple[str, str]
"""A name and a record type."""


class _Server(NamedTuple):
    name: str
    address: str

    def __str__(self) -> str:
        return f"{self.name} ({self.address})"


class ZoneServers:
    """Queries the authoritative name servers of zones."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def check(self, domain: str, questions: Sequence[Question]) -> Finding:
        """Check that all name servers of a domain's zone give the same answers. Raises Problem."""
        zone, servers = await self._servers(domain)
        if not servers:
            raise Problem(f"{domain} has no name server", "correct the zone's NS records", Verdict.UNKNOWN)
        # The other questions wait for the first one: a server that hangs then costs only one timeout.
        first = await asyncio.gather(*(self._answer(server, questions[0]) for server in servers))
        silent = [server for server, answer in zip(servers, first, strict=True) if answer is None]
        servers = [server for server in servers if server not in silent]
        if not servers:
            raise Problem(
                f"no name server of {zone} responds", "allow DNS queries from this machine to them", Verdict.UNKNOWN
            )
        answers = [await asyncio.gather(*(self._answer(server, one) for one in questions)) for server in servers]
        for server, found in zip(servers, answers, strict=True):
            for text in found:
                if isinstance(text, str):
                    remedy = "configure the zone there, or remove the server from the NS records (zone and parent zone)"
                    raise Problem(f"{server} does not serve {zone}: {text}", remedy)
        for number, (name, type_) in enumerate(questions):
            _compare(servers, [found[number] for found in answers], name, type_)
        if silent:
            text = f"no response from {', '.join(map(str, silent))}; {_agreement(servers)}"
            return Finding(Verdict.WARNING, text, "start the server, or remove it from the zone's NS records")
        return ok(_agreement(servers))

    async def _servers(self, domain: str) -> tuple[str, list[_Server]]:
        """Return the name of a domain's zone, and its name servers."""
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
                # First one address of each server, then the others.
                rounds = [[one[number] for one in found if len(one) > number] for number in range(_MAX_SERVERS)]
                return name, [server for one in rounds for server in one][:_MAX_SERVERS]
            name = name.partition(".")[2]
        return domain, []

    async def _addresses(self, host: str) -> list[_Server]:
        with contextlib.suppress(Problem):
            return [_Server(host, address) for address in await self._names.addresses(host)]
        return []

    async def _answer(self, server: _Server, question: Question) -> "frozenset[str] | str | None":
        """Return a server's records, the reason why it gives none, or None if it does not respond."""
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
            return f"it responds with {dns.rcode.to_text(response.rcode())}"
        if not response.flags & dns.flags.AA:
            return "its answer is not authoritative"
        owner = dns.name.from_text(f"{name}.")
        return frozenset(
            f"{dns.rdatatype.to_text(one.rdtype)} {record.to_text().lower()}"
            for one in response.answer
            if one.name == owner
            for record in one
        )


def _agreement(servers: Sequence[_Server]) -> str:
    return f"{servers[0]} responds" if len(servers) == 1 else f"{' and '.join(map(str, servers))} agree"


def _compare(servers: Sequence[_Server], found: Sequence[object], name: str, type_: str) -> None:
    """Check that all servers have the same records. Raises Problem."""
    for server, other in zip(servers[1:], found[1:], strict=True):
        if other != found[0] and other is not None and found[0] is not None:
            remedy = "transfer the zone to the secondary servers again; increase the SOA serial with each change"
            raise Problem(f"{servers[0]} and {server} have different records for {name} {type_}", remedy)
