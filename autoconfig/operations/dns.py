"""The DNS records that let clients find the server, and the mail servers: what to publish for each domain."""

import base64
import contextlib
import hashlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

from autoconfig.definition import Definition
from autoconfig.directory import CLIENT_HOSTS, NotServedError, directory
from autoconfig.protocols.pacc import Pacc

TTL = 3600
"""Seconds for which resolvers may keep a record: a change is everywhere an hour later."""

_SRV_NAMES = {
    ("imap", True): "_imaps._tcp",
    ("imap", False): "_imap._tcp",
    ("pop3", True): "_pop3s._tcp",
    ("pop3", False): "_pop3._tcp",
    ("smtp", True): "_submissions._tcp",
    ("smtp", False): "_submission._tcp",
}
"""Services by server type and whether TLS is implicit (RFC 6186, section 3; RFC 8314, section 5.1)."""

_WEB_SRV_NAMES = {"jmap": "_jmap._tcp", "caldav": "_caldavs._tcp", "carddav": "_carddavs._tcp"}
"""RFC 8620, section 2.2; RFC 6764, section 3."""
_NOT_OFFERED = "0 0 0 ."
"""An SRV record that says: there is no such service (RFC 2782; RFC 6186, section 3.4)."""


class Record(NamedTuple):
    """A resource record: `name` is relative to the domain, `data` in the notation of zone files."""

    name: str
    type: str
    data: str
    why: str
    """Who asks for it."""


def records(definition: Definition, domain: str, host: str, coming: Definition | None = None) -> list[Record]:
    """Return the records for a domain of a definition that is served at `host`.

    `coming` is the definition that is to take its place: both PACC digests are then published, so that clients find a
    right one whichever answer they have.
    """
    target = f"{host}."
    prefixes = [prefix for prefix in CLIENT_HOSTS if prefix and f"{prefix}{domain}" != host]
    return [
        *(Record(prefix.rstrip("."), "CNAME", target, _WHY[prefix]) for prefix in prefixes),
        Record("_autodiscover._tcp", "SRV", f"0 0 443 {target}", "Outlook, when it finds nothing else"),
        *_mail(definition, domain),
        *_web(definition, domain),
        *(
            Record("_ua-auto-config", "TXT", f'"{text}"', "PACC clients, who check what they fetched by it")
            for text in pacc_texts([definition, coming] if coming else [definition], domain)
        ),
    ]


_WHY = {
    "autoconfig.": "Thunderbird and its kin",
    "autodiscover.": "Outlook",
    "ua-auto-config.": "PACC clients",
}


def pacc_texts(definitions: Iterable[Definition], domain: str) -> list[str]:
    """Return what the TXT record of a domain says of each definition's PACC document (draft-ietf-mailmaint-pacc-03)."""
    return list(dict.fromkeys(text for one in definitions for text in _pacc_text(one, domain)))


def _pacc_text(definition: Definition, domain: str) -> Iterator[str]:
    with contextlib.suppress(NotServedError):
        yield pacc_text(Pacc(directory([definition])).render(domain))


def pacc_text(document: bytes) -> str:
    """Return what a TXT record says of a PACC document."""
    return f"v=UAAC1; a=sha256; d={base64.b64encode(hashlib.sha256(document).digest()).decode()}"


def _mail(definition: Definition, domain: str) -> Iterator[Record]:
    """Yield a record for every service: where it is, or that there is none.

    The order of the definition is the provider's preference; between IMAP and POP3 the priority tells it (RFC 6186,
    section 3.4).
    """
    found: dict[str, str] = {}
    preferred = next((server.type for server in definition.servers if server.type != "smtp"), None)
    for server in definition.servers:
        host = server.hostname.replace("%EMAILDOMAIN%", domain)
        if server.socket_type != "plain" and "%" not in host:
            priority = 0 if server.type in (preferred, "smtp") else 10
            name = _SRV_NAMES[server.type, server.socket_type == "SSL"]
            found.setdefault(name, f"{priority} 1 {server.port} {host}.")
    for name in _SRV_NAMES.values():
        yield Record(name, "SRV", found.get(name, _NOT_OFFERED), "clients that follow RFC 6186")


def _web(definition: Definition, domain: str) -> Iterator[Record]:
    """Yield where calendars, address books and JMAP are, the first of each; a path has a TXT record of its own."""
    found: set[str] = set()
    for service in definition.services:
        url = urlsplit(service.url.replace("%EMAILDOMAIN%", domain))
        name = _WEB_SRV_NAMES[service.type]
        if url.scheme == "https" and url.hostname and "%" not in url.geturl() and name not in found:
            found.add(name)
            yield Record(name, "SRV", f"0 1 {url.port or 443} {url.hostname}.", "calendar, contacts and JMAP clients")
            if service.type != "jmap" and url.path.strip("/"):
                yield Record(name, "TXT", f'"path={url.path}"', "calendar and contacts clients")


def zone(domain: str, found: Iterable[Record]) -> str:
    """Return records as a piece of a zone file (RFC 1035, section 5), to be included in the domain's zone."""
    lines = [f"; {domain}", f"$ORIGIN {domain}.", f"$TTL {TTL}"]
    why = ""
    for record in found:
        if record.why != why:
            why = record.why
            lines.append(f"; {why}")
        lines.append(f"{record.name:<20} {record.type:<5} {record.data}")
    return "\n".join(lines) + "\n"


def as_json(domain: str, found: Iterable[Record]) -> list[dict[str, str | int]]:
    """Return records as JSON has them, names in full and without the dot at their end."""
    return [
        {"name": f"{one.name}.{domain}", "type": one.type, "ttl": TTL, "data": one.data.strip('"'), "why": one.why}
        for one in found
    ]
