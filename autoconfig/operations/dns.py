"""The DNS records that let clients find the server, and the mail servers: what to publish for each domain."""

import base64
import contextlib
import hashlib
import ipaddress
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

from autoconfig.address import ascii_domain
from autoconfig.definition import Definition
from autoconfig.directory import CLIENT_HOSTS, NotServedError, directory
from autoconfig.protocols.pacc import Pacc

_LONGEST_STRING = 255
_LONGEST_NAME = 253
"""Characters of a domain name without the dot at its end (RFC 1035, section 2.3.4)."""
_PLACEHOLDER = "%EMAIL"
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
    """A resource record: `name` is relative to the domain.

    `data` is the text itself of a TXT record, and of any other in the notation of zone files.
    """

    name: str
    type: str
    data: str
    why: str
    """Who asks for it."""

    @property
    def zone_data(self) -> str:
        """The data in the notation of zone files (RFC 1035, section 5.1)."""
        return _character_strings(self.data) if self.type == "TXT" else self.data


def hostname(name: str) -> str:
    """Return a host that a record can lead to, in lower-case A-labels; an empty text when it cannot.

    Its labels are letters, digits and hyphens, and it is no IP address: name servers refuse to load a zone with an SRV
    record that leads to anything else (BIND's check-names).
    """
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(name)
        return ""
    try:
        found = ascii_domain(name)
    except ValueError:
        return ""
    return "" if "_" in found else found


def _character_strings(text: str) -> str:
    """Return a text as the quoted strings of a TXT record, each of at most 255 bytes (RFC 1035, section 3.3.14)."""
    content = text.encode()
    parts = [content[start : start + _LONGEST_STRING] for start in range(0, len(content), _LONGEST_STRING)] or [b""]
    return " ".join(f'"{"".join(map(_escaped, part))}"' for part in parts)


def _escaped(byte: int) -> str:
    if byte in b'"\\':
        return f"\\{byte:c}"
    return chr(byte) if 0x20 <= byte < 0x7F else f"\\{byte:03}"


def records(definition: Definition, domain: str, host: str, coming: Definition | None = None) -> list[Record]:
    """Return the records for a domain of a definition that is served at `host`.

    `coming` is the definition that is to take its place: both PACC digests are then published, so that clients find a
    right one whichever answer they have. What no record can say is left out: servers without a hostname, paths of more
    than 250 bytes, and names that would be too long.
    """
    target = f"{host}."
    prefixes = [prefix for prefix in CLIENT_HOSTS if prefix and f"{prefix}{domain}" != host]
    found = [
        *(Record(prefix.rstrip("."), "CNAME", target, _WHY[prefix]) for prefix in prefixes),
        Record("_autodiscover._tcp", "SRV", f"0 0 443 {target}", "Outlook, when it finds nothing else"),
        *_mail(definition, domain),
        *_web(definition, domain),
        *(
            Record("_ua-auto-config", "TXT", text, "PACC clients, who check what they fetched by it")
            for text in pacc_texts([definition, coming] if coming else [definition], domain)
        ),
    ]
    return [one for one in found if len(f"{one.name}.{domain}") <= _LONGEST_NAME]


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
        host = hostname(server.hostname.replace("%EMAILDOMAIN%", domain))
        if server.socket_type != "plain" and host:
            priority = 0 if server.type in (preferred, "smtp") else 10
            name = _SRV_NAMES[server.type, server.socket_type == "SSL"]
            found.setdefault(name, f"{priority} 1 {server.port} {host}.")
    for name in _SRV_NAMES.values():
        yield Record(name, "SRV", found.get(name, _NOT_OFFERED), "clients that follow RFC 6186")


def _web(definition: Definition, domain: str) -> Iterator[Record]:
    """Yield where calendars, address books and JMAP are, the first of each; a path has a TXT record of its own."""
    found: set[str] = set()
    for service in definition.services:
        name, place = _WEB_SRV_NAMES.get(service.type), _place(service.url.replace("%EMAILDOMAIN%", domain))
        if name and place and name not in found:
            found.add(name)
            host, port, path = place
            yield Record(name, "SRV", f"0 1 {port} {host}.", "calendar, contacts and JMAP clients")
            text = f"path={path}"
            # An attribute is one string (RFC 6763, section 6.1). Without it, clients ask at /.well-known.
            if service.type != "jmap" and path.strip("/") and len(text.encode()) <= _LONGEST_STRING:
                yield Record(name, "TXT", text, "calendar and contacts clients")


def _place(url: str) -> tuple[str, int, str] | None:
    """Return host, port and path of a URL, None when an SRV record cannot lead there."""
    try:
        parts = urlsplit(url)
        host, port = hostname(parts.hostname or ""), parts.port
    except ValueError:
        return None
    if parts.scheme != "https" or not host or _PLACEHOLDER in url or port == 0:
        return None
    return host, port or 443, parts.path


def zone(domain: str, found: Iterable[Record]) -> str:
    """Return records as a piece of a zone file (RFC 1035, section 5), to be included in the domain's zone."""
    lines = [f"; {domain}", f"$ORIGIN {domain}.", f"$TTL {TTL}"]
    why = ""
    for record in found:
        if record.why != why:
            why = record.why
            lines.append(f"; {why}")
        lines.append(f"{record.name:<20} {record.type:<5} {record.zone_data}")
    return "\n".join(lines) + "\n"


def as_json(domain: str, found: Iterable[Record]) -> list[dict[str, str | int]]:
    """Return records as JSON has them, names in full and without the dot at their end."""
    return [
        {"name": f"{one.name}.{domain}", "type": one.type, "ttl": TTL, "data": one.data, "why": one.why}
        for one in found
    ]
