"""The DNS records that let clients find the server, and the mail servers: what to publish for each domain."""

import base64
import contextlib
import hashlib
import ipaddress
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple
from urllib.parse import urlsplit

from autoconfig.address import ascii_domain
from autoconfig.definition import Definition
from autoconfig.protocols.pacc import Configuration

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

SMTPS = "_smtps._tcp"
"""Submission with implicit TLS, as aerc knows it (lib/autoconfig), where SRV records win over autoconfig.

No standard has this name, so no client needs to know that it is not offered.
"""

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
    optional: bool = False
    """Whether the domain can do without it."""

    @property
    def zone_data(self) -> str:
        """The data in the notation of zone files (RFC 1035, section 5.1)."""
        return _character_strings(self.data) if self.type == "TXT" else self.data


@lru_cache(maxsize=1024)
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


def address(text: str) -> IPv4Address | IPv6Address:
    """Read the IP address of a server. Raises ValueError when no record can lead clients to it."""
    found = ipaddress.ip_address(text)
    mapped = isinstance(found, IPv6Address) and (found.scope_id or found.ipv4_mapped)
    if mapped or found.is_unspecified or found.is_multicast or found.is_link_local:
        raise ValueError(f"{text} is not an address that clients can connect to")
    return found


class Publication:
    """What to publish so that clients find the server, and a definition's mail servers.

    `host` is the server's hostname, in A-labels; `addresses` are its IP addresses. With addresses, the hosts of clients
    have records of their own, A and AAAA; without, they are aliases of `host`, which is then needed. `coming` is the
    definition that is to take the place of this one: both PACC digests are published, so that clients find a right one
    whichever answer they have.
    """

    def __init__(
        self,
        definition: Definition,
        host: str | None,
        addresses: Sequence[IPv4Address | IPv6Address] = (),
        coming: Definition | None = None,
    ) -> None:
        self._definition = definition
        self._host = host
        self._addresses = addresses
        self._coming = coming

    def records(self, domain: str, *, hosted: bool = False) -> list[Record]:
        """Return the records for a domain, in A-labels.

        Of a hosted domain, the names of its own are optional: they need certificates, and most clients find the
        settings by its MX or SRV records. What no record can say is left out: servers without a hostname, paths of more
        than 250 bytes, and names that would be too long.
        """
        target = f"{self._host or f'autodiscover.{domain}'}."
        found = [
            *(one._replace(optional=hosted) for one in self._hosts(domain)),
            Record("_autodiscover._tcp", "SRV", f"0 0 443 {target}", "Outlook, if it finds nothing else"),
            *_mail(self._definition, domain),
            *_web(self._definition, domain),
            *(
                Record("_ua-auto-config", "TXT", text, "PACC clients, to verify the configuration", hosted)
                for text in self._pacc_texts(domain)
            ),
        ]
        return [one for one in found if len(f"{one.name}.{domain}") <= _LONGEST_NAME]

    def _hosts(self, domain: str) -> Iterator[Record]:
        for prefix, why in _WHY.items():
            name = prefix.rstrip(".")
            for one in self._addresses:
                yield Record(name, "A" if one.version == 4 else "AAAA", str(one), why)
            if not self._addresses and f"{prefix}{domain}" != self._host:
                yield Record(name, "CNAME", f"{self._host}.", why)

    def _pacc_texts(self, domain: str) -> list[str]:
        """Return what the TXT record says of each definition's PACC document (draft-ietf-mailmaint-pacc-03)."""
        documents = (one.response(domain) for one in self._configurations)
        return list(dict.fromkeys(pacc_text(one.body) for one in documents if one))

    @cached_property
    def _configurations(self) -> list[Configuration]:
        return [Configuration(one) for one in (self._definition, self._coming) if one]


_WHY = {
    "autoconfig.": "Thunderbird and other clients",
    "autodiscover.": "Outlook",
    "ua-auto-config.": "PACC clients",
}
"""The hosts that clients ask, without the domain itself, which has a web site of its own."""


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
    if submissions := found.get("_submissions._tcp"):
        yield Record(SMTPS, "SRV", submissions, "aerc")


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
