"""Names as the world sees them: DNS look-ups, and whether the records that clients follow are there and right."""

import asyncio
from collections.abc import Iterable

import dns.asyncresolver
import dns.exception
import dns.name
import dns.rdata
import dns.rdatatype
import dns.resolver

from autoconfig.operations.dns import Record
from autoconfig.operations.report import Finding, Problem, Verdict, right


class Names:
    """A resolver that asks each question once. `resolver` is an IP address; without one, the system's are asked."""

    def __init__(self, resolver: str | None, timeout: float) -> None:
        try:
            self._resolver = dns.asyncresolver.Resolver(configure=resolver is None)
        except dns.resolver.NoResolverConfiguration as error:
            raise Problem("this machine has no resolver", "name one with --resolver", Verdict.UNKNOWN) from error
        if resolver:
            self._resolver.nameservers = [resolver]
        self._resolver.lifetime = timeout
        self._asked: dict[tuple[str, str], asyncio.Task[tuple[str, list[dns.rdata.Rdata]]]] = {}

    async def find(self, name: str, type_: str) -> list[dns.rdata.Rdata]:
        """Return the records of a name, none when there are none. Raises Problem when the DNS does not answer."""
        return (await self._find(name, type_))[1]

    async def canonical(self, name: str) -> str:
        """Return the name that a name is another name for."""
        return (await self._find(name, "A"))[0]

    async def addresses(self, name: str) -> list[str]:
        """Return the IP addresses of a name. Raises Problem when it has none."""
        found = await asyncio.gather(self.find(name, "A"), self.find(name, "AAAA"))
        if addresses := [record.to_text() for records in found for record in records]:
            return addresses
        raise Problem(f"{name} has no address", f"publish an A, AAAA or CNAME record for {name}")

    async def _find(self, name: str, type_: str) -> tuple[str, list[dns.rdata.Rdata]]:
        key = (name.lower(), type_)
        if key not in self._asked:
            self._asked[key] = asyncio.create_task(self._ask(name, type_))
        return await asyncio.shield(self._asked[key])

    async def _ask(self, name: str, type_: str) -> tuple[str, list[dns.rdata.Rdata]]:
        try:
            response = await self._resolver.resolve(f"{name}.", type_, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN:
            return name, []
        except (dns.exception.DNSException, OSError) as error:
            reason = "does not answer in time" if isinstance(error, dns.exception.Timeout) else "fails"
            remedy = "ask another with --resolver, or look after the zone's name servers"
            raise Problem(f"the resolver {reason} for {name} {type_}", remedy, Verdict.UNKNOWN) from error
        return response.canonical_name.to_text(omit_final_dot=True), list(response.rrset or ())


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
    target, port = srv_target(found[0].to_text())
    if port != 443:
        raise Problem(f"it leads to port {port}; Outlook takes only 443", remedy)
    if not target:
        raise Problem("it says that there is no such service", remedy)
    try:
        await names.addresses(target)
    except Problem as problem:
        raise Problem(f"it leads to {problem}", remedy, problem.finding.verdict) from problem
    return right(f"{target}:{port}")


def srv_target(record: str) -> tuple[str, int]:
    """Return the host and the port of an SRV record's text; the host is empty when it says that there is none."""
    _priority, _weight, port, target = record.split()
    return target.rstrip(".").lower(), int(port)


async def check_srv(names: Names, domain: str, wanted: Record) -> Finding:
    """Check that an SRV record leads where the definition does, and that no other leads elsewhere.

    Priority and weight are the operator's business.
    """
    name = f"{wanted.name}.{domain}"
    found = {srv_target(record.to_text()): record.to_text() for record in await names.find(name, "SRV")}
    remedy = f"publish `{name}. SRV {wanted.data}`"
    if text := found.pop(srv_target(wanted.data), ""):
        if found:
            raise Problem(
                f"there is also SRV {', '.join(sorted(found.values()))}", f"remove all but `SRV {wanted.data}`"
            )
        return right("not offered, and says so" if wanted.data == "0 0 0 ." else text)
    if not found:
        if wanted.data == "0 0 0 .":
            return Finding(Verdict.WARNING, "nothing says that this is not offered", remedy)
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
