"""Names as the world sees them: DNS look-ups, and whether the records that clients follow are there and right."""

import asyncio
import contextlib
import ipaddress
from collections.abc import Iterable
from typing import NamedTuple

import dns.asyncresolver
import dns.exception
import dns.name
import dns.rdata
import dns.rdatatype
import dns.resolver
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.IN.SRV import SRV

from autoconfig.mail_exchangers import address_and_port
from autoconfig.operations.dns import SMTPS, Record, hostname
from autoconfig.operations.report import Finding, Problem, Verdict, findings, result_of, right

_AT_ONCE = 32
"""Questions at once: an answer of 64 KiB makes some megabytes of records."""
MAX_RECORDS = 32
"""Records of one name and type that anybody needs."""


class Names:
    """A resolver that asks each question once.

    `resolver` is an IP address, perhaps with a port; without one, the system's are asked. With `public_only`, hosts
    have public addresses only: a stranger's names and redirects lead nowhere inside this network. Raises ValueError
    when the resolver is neither, and Problem when the system has none.
    """

    def __init__(self, resolver: str | None, timeout: float, *, public_only: bool = False) -> None:
        self._public_only = public_only
        try:
            self._resolver = dns.asyncresolver.Resolver(configure=resolver is None)
        except dns.resolver.NoResolverConfiguration as error:
            raise Problem("this machine has no resolver", "name one with --resolver", Verdict.UNKNOWN) from error
        if resolver:
            address, self._resolver.port = address_and_port(resolver)
            self._resolver.nameservers = [address]
        self._resolver.lifetime = timeout
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._asked: dict[tuple[str, str], asyncio.Task[_Found | Finding]] = {}

    async def find(self, name: str, type_: str) -> list[dns.rdata.Rdata]:
        """Return the records of a name, none when there are none. Raises Problem when the DNS does not answer."""
        return (await self._find(name, type_)).records

    async def canonical(self, name: str) -> str:
        """Return the name that a name is another name for."""
        return (await self._find(name, "A")).canonical

    async def addresses(self, host: str) -> list[str]:
        """Return the IP addresses of a host, which may be one itself. Raises Problem when it has none."""
        found = await self._addresses(host)
        if not self._public_only:
            return found
        if public := [one for one in found if is_public(one)]:
            return public
        remedy = "clients elsewhere cannot reach it; use --private-addresses if that is right"
        raise Problem(f"{host} leads to {found[0]}, an address of a private network or of this machine", remedy)

    async def _addresses(self, host: str) -> list[str]:
        with contextlib.suppress(ValueError):
            return [str(ipaddress.ip_address(host))]
        found = await asyncio.gather(self.find(host, "A"), self.find(host, "AAAA"))
        if addresses := [record.to_text() for records in found for record in records]:
            return addresses
        raise Problem(f"{host} has no address", f"publish an A, AAAA or CNAME record for {host}")

    async def _find(self, name: str, type_: str) -> "_Found":
        key = (name.lower(), type_)
        if key not in self._asked:
            self._asked[key] = asyncio.create_task(findings(self._ask(name, type_)))
        return result_of(await asyncio.shield(self._asked[key]))

    async def _ask(self, name: str, type_: str) -> "_Found":
        try:
            async with self._slots:
                response = await self._resolver.resolve(f"{name}.", type_, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN:
            return _Found(name, [])
        except (dns.exception.DNSException, OSError) as error:
            reason = "does not answer in time" if isinstance(error, dns.exception.Timeout) else "fails"
            remedy = "ask another with --resolver, or look after the zone's name servers"
            raise Problem(f"the resolver {reason} for {name} {type_}", remedy, Verdict.UNKNOWN) from error
        records = list(response.rrset or ())
        if len(records) > MAX_RECORDS:
            remedy = f"publish at most {MAX_RECORDS}"
            raise Problem(f"{name} has {len(records)} records of type {type_}", remedy)
        return _Found(response.canonical_name.to_text(omit_final_dot=True), records)


_EMBEDDED = ipaddress.IPv6Network("64:ff9b::/96")
"""IPv4 addresses behind NAT64 (RFC 6052)."""


def is_public(address: str) -> bool:
    """Tell whether an IP address can be reached from everywhere: no private network, and not this machine."""
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo and found.teredo[1])
        if found in _EMBEDDED:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        found = inner or found
    return found.is_global and not found.is_multicast


class _Found(NamedTuple):
    """The records of a name, and the name that they are under, after CNAMEs."""

    canonical: str
    records: list[dns.rdata.Rdata]


async def check_host(names: Names, host: str) -> Finding:
    """Check that a host of clients has an address."""
    addresses = await names.addresses(host)
    canonical = await names.canonical(host)
    via = f"{canonical}, " if canonical != host else ""
    return right(f"{via}{', '.join(addresses)}")


async def check_autodiscover(names: Names, domain: str) -> Finding:
    """Check that Outlook's SRV record leads to a host that exists, on port 443, the only one that Outlook takes."""
    name = f"_autodiscover._tcp.{domain}"
    found = await names.find(name, "SRV")
    remedy = f"publish `{name}. SRV 0 0 443 HOST.`; `bt-autoconfig dns --host HOST` prints it"
    if not found:
        raise Problem(f"there is no SRV record {name}", remedy)
    if len(found) > 1:
        raise Problem(f"there are {len(found)} SRV records; Outlook may take any", f"{remedy} and remove the others")
    target, port = srv_target(found[0])
    if port != 443:
        raise Problem(f"it leads to port {port}; Outlook takes only 443", remedy)
    if not target:
        raise Problem("it says that there is no such service", remedy)
    if not hostname(target):
        raise Problem(f"it leads to {target}, which is not a hostname", remedy)
    try:
        await names.addresses(target)
    except Problem as problem:
        raise Problem(f"it leads to {problem}", remedy, problem.finding.verdict) from problem
    return right(f"{target}:{port}")


def srv_target(record: dns.rdata.Rdata) -> tuple[str, int]:
    """Return the host and the port of an SRV record; the host is empty when there is no such service.

    It is in lower case, and need not be a hostname: names in the DNS may have any bytes, shown as in zone files.
    """
    if not isinstance(record, SRV):
        raise TypeError(f"{record.rdtype} is not SRV")
    return "" if record.target == dns.name.root else record.target.to_text(omit_final_dot=True).lower(), record.port


def mail_exchanger(records: Iterable[dns.rdata.Rdata]) -> str:
    """Return the preferred host of some MX records, empty when there is none or it is not a hostname."""
    hosts = ((one.preference, one.exchange) for one in records if isinstance(one, MX))
    _, host = min(hosts, default=(0, dns.name.root))
    return hostname(host.to_text(omit_final_dot=True))


async def check_srv(names: Names, domain: str, wanted: Record) -> Finding:
    """Check that an SRV record leads where the definition does, and that no other leads elsewhere.

    Priority and weight are the operator's business.
    """
    name = f"{wanted.name}.{domain}"
    found = {srv_target(record): record.to_text() for record in await names.find(name, "SRV")}
    remedy = f"publish `{name}. SRV {wanted.data}`"
    if text := found.pop(srv_target(dns.rdata.from_text("IN", "SRV", wanted.data)), ""):
        if found:
            raise Problem(
                f"there is also SRV {', '.join(sorted(found.values()))}", f"remove all but `SRV {wanted.data}`"
            )
        return right("not offered, and says so" if wanted.data == "0 0 0 ." else text)
    if not found:
        if wanted.data == "0 0 0 .":
            return Finding(Verdict.WARNING, "nothing says that this is not offered", remedy)
        if wanted.name == SMTPS:  # no standard has it
            return Finding(Verdict.WARNING, "there is none, so aerc finds no SMTP server", remedy)
        raise Problem(f"there is no SRV record {name}", remedy)
    raise Problem(f"it says {', '.join(sorted(found.values()))}", f"{remedy} instead")


async def check_text(names: Names, name: str, wanted: Iterable[str]) -> Finding:
    """Check that the digests of the PACC document that is served, and hardly another, are published."""
    wanted = list(wanted)
    found = [_text(record) for record in await names.find(name, "TXT")]
    published = [text for text in found if text.startswith("v=UAAC1")]
    remedy = f'publish `{name}. TXT "{wanted[0]}"`'
    if not published:
        raise Problem(f"there is no TXT record {name} with a digest", remedy)
    if not set(wanted) & set(published):
        raise Problem("the digest is not that of the definition: stale, or not yet due", f"{remedy} instead")
    if others := len(set(published) - set(wanted)):
        text = f"right, and {others} more: fine while caches turn"
        return Finding(Verdict.WARNING, text, f"an hour after the change, leave only `{wanted[0]}`")
    return right("the digest of the document")


def _text(record: dns.rdata.Rdata) -> str:
    return b"".join(getattr(record, "strings", ())).decode("ascii", "replace")
