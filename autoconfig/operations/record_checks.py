"""Whether the DNS records that clients follow are published, and right."""

from collections.abc import Iterable

import dns.rdata

from autoconfig.operations.dns import SMTPS, Record, hostname
from autoconfig.operations.names import Names, srv_target
from autoconfig.operations.report import Finding, Problem, Verdict, right


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
        raise Problem(f"it points to port {port}; Outlook takes only 443", remedy)
    if not target:
        raise Problem("it says that the service is not offered", remedy)
    if not hostname(target):
        raise Problem(f"it points to {target}, which is not a hostname", remedy)
    try:
        await names.addresses(target)
    except Problem as problem:
        raise Problem(f"it points to {problem}", remedy, problem.finding.verdict) from problem
    return right(f"{target}:{port}")


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
            return Finding(Verdict.WARNING, "no record says that this service is not offered", remedy)
        if wanted.name == SMTPS:  # no standard has it
            return Finding(Verdict.WARNING, "not published, so aerc finds no SMTP server", remedy)
        raise Problem(f"there is no SRV record {name}", remedy)
    raise Problem(f"it says {', '.join(sorted(found.values()))}", f"{remedy} instead")


async def check_targets(names: Names, name: str) -> Finding:
    """Check that the SRV records of a name lead to hosts that exist, or say that there is no such service."""
    remedy = f"correct the record {name}, or remove it"
    found = [srv_target(record) for record in await names.find(name, "SRV")]
    for host, port in found:
        if host and not hostname(host):
            raise Problem(f"it points to {host}, which is not a hostname", remedy)
        if host and not port:
            raise Problem("it points to port 0", remedy)
        if host:
            try:
                await names.addresses(host)
            except Problem as problem:
                raise Problem(f"it points to {problem}", remedy, problem.finding.verdict) from problem
    return right(", ".join(f"{host}:{port}" if host else "not offered, and says so" for host, port in found))


async def check_text(names: Names, name: str, wanted: Iterable[str]) -> Finding:
    """Check that the digests of the PACC document that is served, and hardly another, are published."""
    wanted = list(wanted)
    found = [_text(record) for record in await names.find(name, "TXT")]
    published = [text for text in found if text.startswith("v=UAAC1")]
    remedy = f'publish `{name}. TXT "{wanted[0]}"`'
    if not published:
        raise Problem(f"there is no TXT record {name} with a digest", remedy)
    if not set(wanted) & set(published):
        raise Problem(
            "the digest does not match the document: out of date, or published too early", f"{remedy} instead"
        )
    if others := len(set(published) - set(wanted)):
        text = f"right, and {others} more: normal while caches expire"
        return Finding(Verdict.WARNING, text, f"an hour after the change, leave only `{wanted[0]}`")
    return right("the digest of the document")


def _text(record: dns.rdata.Rdata) -> str:
    return b"".join(getattr(record, "strings", ())).decode("ascii", "replace")
