"""DNS lookups through a resolver, with an explanation of DNSSEC failures."""

import asyncio
import contextlib
import ipaddress
from typing import TYPE_CHECKING, NamedTuple, cast

import dns.asyncresolver
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rdata
import dns.rdatatype
import dns.resolver

from autoconfig.mail_exchangers import address_and_port
from autoconfig.operations.report import Finding, Problem, Verdict, attempted, result_of

if TYPE_CHECKING:
    from dns.rdtypes.IN.SRV import SRV

_AT_ONCE = 32
"""Maximum concurrent queries. The records of a 64 KiB response take some megabytes of memory."""
MAX_RECORDS = 32
"""Maximum records of one name and type. Clients need far fewer."""
_UDP_SIZE = 1232
"""Maximum bytes of a response over UDP (DNS Flag Day 2020). Larger ones come over TCP."""
_DNSSEC_CODES = frozenset({1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 25, 27})
"""Codes of extended DNS errors about DNSSEC (RFC 8914, section 4)."""


class Names:
    """A resolver that looks up each name once.

    `resolver` is an IP address with an optional port; without it, the system's resolvers are used. Raises ValueError if
    it is not valid, and Problem if the system has no resolver. With `public_only`, private addresses are ignored:
    untrusted names and redirects must not reach into this network. `authority_port` is the port of authoritative name
    servers.
    """

    def __init__(
        self, resolver: str | None, timeout: float, *, public_only: bool = False, authority_port: int = 53
    ) -> None:
        self.timeout, self.authority_port = timeout, authority_port
        self._public_only = public_only
        try:
            self._resolver = dns.asyncresolver.Resolver(configure=resolver is None)
        except dns.resolver.NoResolverConfiguration as error:
            raise Problem("this machine has no resolver", "set one with --resolver", Verdict.UNKNOWN) from error
        if resolver:
            address, self._resolver.port = address_and_port(resolver)
            self._resolver.nameservers = [address]
        self._resolver.lifetime = timeout
        self._resolver.use_edns(0, 0, _UDP_SIZE)
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._lookups: dict[tuple[str, str], asyncio.Task[_Found | Finding]] = {}

    async def find(self, name: str, type_: str) -> list[dns.rdata.Rdata]:
        """Return the records of a name, possibly none. Raises Problem if the lookup fails."""
        return (await self._find(name, type_)).records

    async def canonical(self, name: str) -> str:
        """Return the canonical name of a name: the target of its aliases, or the name itself."""
        return (await self._find(name, "A")).canonical

    async def exists(self, name: str) -> bool:
        """Return whether a name exists, with records of any type. Raises Problem if the lookup fails."""
        return (await self._find(name, "A")).exists

    async def addresses(self, host: str) -> list[str]:
        """Return the IP addresses of a hostname or IP address. Raises Problem if there are none."""
        found = await self._addresses(host)
        if not self._public_only:
            return found
        if public := [one for one in found if is_public(one)]:
            return public
        remedy = "clients elsewhere cannot reach it; use --private-addresses if that is intended"
        raise Problem(f"{host} resolves to {found[0]}, an address of this machine or of a private network", remedy)

    async def _addresses(self, host: str) -> list[str]:
        with contextlib.suppress(ValueError):
            return [str(ipaddress.ip_address(host))]
        # gather alone would raise the error that happens first, so the message could differ from run to run.
        found = await asyncio.gather(*(attempted(self.find, host, type_) for type_ in ("A", "AAAA")))
        if addresses := [record.to_text() for records in found for record in result_of(records)]:
            return addresses
        if (canonical := await self.canonical(host)).lower() != host.lower():
            remedy = f"publish an address for {canonical}, or point {host} at the server"
            raise DanglingAliasError(f"{host} is an alias of {canonical}, which has no address", remedy)
        raise NoAddressError(f"{host} has no address", f"publish an A, AAAA or CNAME record for {host}")

    async def _find(self, name: str, type_: str) -> "_Found":
        key = (name.lower(), type_)
        if key not in self._lookups:
            self._lookups[key] = asyncio.create_task(attempted(self._look_up, name, type_))
        return result_of(await asyncio.shield(self._lookups[key]))

    async def _look_up(self, name: str, type_: str) -> "_Found":
        try:
            async with self._slots:
                response = await self._resolver.resolve(f"{name}.", type_, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN as error:
            canonical = error.canonical_name.to_text(omit_final_dot=True)
            return _Found(canonical, [], exists=False)
        except (dns.exception.DNSException, OSError) as error:
            raise await self._failure(name, type_, error) from error
        records = list(response.rrset or ())
        if len(records) > MAX_RECORDS:
            remedy = f"publish at most {MAX_RECORDS}"
            raise Problem(f"{name} has {len(records)} records of type {type_}", remedy)
        return _Found(response.canonical_name.to_text(omit_final_dot=True), records)

    async def _failure(self, name: str, type_: str, error: Exception) -> Problem:
        """Return the reason why a lookup failed.

        It is DNSSEC if the resolver says so, or if the lookup succeeds with checking disabled (RFC 4035).
        """
        if isinstance(error, dns.resolver.NoNameservers):
            responses = [one[4] for one in error.kwargs["errors"] if isinstance(one[4], dns.message.Message)]
            errors = [one for each in responses for one in each.extended_errors() if one.code in _DNSSEC_CODES]
            if errors or (responses and await self._succeeds_unchecked(name, type_)):
                why = next((f" ({one.text})" for one in errors if one.text), "")
                remedy = (
                    "correct the zone's signatures or the DS record in its parent zone; https://dnsviz.net shows both"
                )
                return Problem(f"DNSSEC validation of {name} fails{why}", remedy)
        reason = "times out" if isinstance(error, dns.exception.Timeout) else "fails"
        remedy = "use another resolver (--resolver), or check the zone's name servers"
        return Problem(f"the lookup of {name} {type_} {reason}", remedy, Verdict.UNKNOWN)

    async def _succeeds_unchecked(self, name: str, type_: str) -> bool:
        """Return whether a lookup succeeds without DNSSEC validation."""
        unchecked = dns.asyncresolver.Resolver(configure=False)
        unchecked.nameservers, unchecked.port = self._resolver.nameservers, self._resolver.port
        unchecked.lifetime = self._resolver.lifetime
        unchecked.flags = dns.flags.RD | dns.flags.CD
        try:
            async with self._slots:
                await unchecked.resolve(f"{name}.", type_, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN:
            return True
        except (dns.exception.DNSException, OSError):
            return False
        return True


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""The prefix of IPv4 addresses behind NAT64 (RFC 6052)."""


def is_public(address: str) -> bool:
    """Return whether an IP address is reachable from the internet: not this machine, and not a private network."""
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo and found.teredo[1])
        if found in _NAT64:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        found = inner or found
    return found.is_global and not found.is_multicast


class NoAddressError(Problem):
    """A host without an IP address."""


class DanglingAliasError(Problem):
    """A host that is an alias of a name without an IP address."""


class _Found(NamedTuple):
    """The records of a name, and its canonical name after CNAMEs."""

    canonical: str
    records: list[dns.rdata.Rdata]
    exists: bool = True


def srv_target(record: dns.rdata.Rdata) -> tuple[str, int]:
    """Return the host and the port of a record, which must be an SRV record.

    The host is empty if the service is not offered. It is in lower case and in zone file notation. It need not be a
    hostname: DNS names may contain any bytes.
    """
    srv = cast("SRV", record)
    return "" if srv.target == dns.name.root else srv.target.to_text(omit_final_dot=True).lower(), srv.port
