"""Checks of the DNS records that clients follow: whether they are published and correct."""

from collections.abc import Iterable

import dns.rdata

from autoconfig.operations.dns import SMTPS, Record, hostname
from autoconfig.operations.names import Names, srv_target
from autoconfig.operations.report import Finding, Problem, Verdict, ok


async def check_host(names: Names, host: str) -> Finding:
    """Check that a client host has an address."""
    addresses = await names.addresses(host)
    canonical = await names.canonical(host)
    alias = f"alias of {canonical}, " if canonical != host else ""
    return ok(f"{alias}{', '.join(addresses)}")


async def check_autodiscover(names: Names, domain: str) -> Finding:
    """Check that Outlook's SRV record points to an existing host, on port 443: Outlook uses no other port."""
    name = f"_autodiscover._tcp.{domain}"
    found = await names.find(name, "SRV")
    remedy = f"publish `{name}. SRV 0 0 443 HOST.`; `bt-autoconfig dns --host HOST` prints it"
    if not found:
        raise Problem(f"there is no SRV record {name}", remedy)
    if len(found) > 1:
        raise Problem(f"there are {len(found)} SRV records; Outlook may use any", f"{remedy}; remove the others")
    target, port = srv_target(found[0])
    if port != 443:
        raise Problem(f"points to port {port}; Outlook uses only 443", remedy)
    if not target:
        raise Problem("says that the service is not offered", remedy)
    if not hostname(target):
        raise Problem(f"points to {target}, which is not a hostname", remedy)
    try:
        await names.addresses(target)
    except Problem as problem:
        raise Problem(f"points to {target}; {problem}", remedy, problem.finding.verdict) from problem
    return ok(f"{target}:{port}")


async def check_srv(names: Names, domain: str, expected: Record) -> Finding:
    """Check that an SRV record points to the definition's server, and that no other record points elsewhere.

    Priority and weight may differ: they are the operator's choice.
    """
    name = f"{expected.name}.{domain}"
    found = {srv_target(record): record.to_text() for record in await names.find(name, "SRV")}
    remedy = f"publish `{name}. SRV {expected.data}`"
    if text := found.pop(srv_target(dns.rdata.from_text("IN", "SRV", expected.data)), ""):
        if found:
            raise Problem(
                f"there is also SRV {', '.join(sorted(found.values()))}", f"remove all but `SRV {expected.data}`"
            )
        return ok(f"{text} (not offered)" if expected.data == "0 0 0 ." else text)
    if not found:
        if expected.data == "0 0 0 .":
            return Finding(Verdict.WARNING, "there is no record to say that this service is not offered", remedy)
        if expected.name == SMTPS:  # no standard has it
            return Finding(Verdict.WARNING, "is missing, so aerc finds no SMTP server", remedy)
        raise Problem(f"there is no SRV record {name}", remedy)
    raise Problem(f"differs from the definition: {', '.join(sorted(found.values()))}", f"{remedy} instead")


async def check_targets(names: Names, name: str) -> Finding:
    """Check that the SRV records of a name point to existing hosts, or say that the service is not offered."""
    remedy = f"correct the record {name}, or remove it"
    found = [srv_target(record) for record in await names.find(name, "SRV")]
    for host, port in found:
        if host and not hostname(host):
            raise Problem(f"points to {host}, which is not a hostname", remedy)
        if host and not port:
            raise Problem("points to port 0", remedy)
        if host:
            try:
                await names.addresses(host)
            except Problem as problem:
                raise Problem(f"points to {host}; {problem}", remedy, problem.finding.verdict) from problem
    return ok(", ".join(f"{host}:{port}" if host else "not offered" for host, port in found))


async def check_text(names: Names, name: str, expected: Iterable[str]) -> Finding:
    """Check that one of the expected digests of the PACC document is published. Warn if there are others."""
    expected = list(expected)
    found = [_text(record) for record in await names.find(name, "TXT")]
    published = [text for text in found if text.startswith("v=UAAC1")]
    remedy = f'publish `{name}. TXT "{expected[0]}"`'
    if not published:
        raise Problem(f"there is no TXT record {name} with a digest", remedy)
    if not set(expected) & set(published):
        raise Problem(
            "the digest does not match the document: it is out of date, or published too early", f"{remedy} instead"
        )
    if others := len(set(published) - set(expected)):
        text = f"matches the document, but there are {others} more: normal while caches expire after a change"
        return Finding(Verdict.WARNING, text, f"an hour after the change, remove all but `{expected[0]}`")
    return ok("matches the document")


def _text(record: dns.rdata.Rdata) -> str:
    return b"".join(getattr(record, "strings", ())).decode("ascii", "replace")
