"""The DNS records to publish for each domain so that clients find the server and the mail servers."""

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

_MAX_STRING = 255
_MAX_NAME = 253
"""Maximum characters of a domain name without the final dot (RFC 1035, section 2.3.4)."""
_PLACEHOLDER = "%EMAIL"
TTL = 3600
"""Seconds for which resolvers may cache a record: all clients see a change after an hour."""

_SRV_NAMES = {
    ("imap", True): "_imaps._tcp",
    ("imap", False): "_imap._tcp",
    ("pop3", True): "_pop3s._tcp",
    ("pop3", False): "_pop3._tcp",
    ("smtp", True): "_submissions._tcp",
    ("smtp", False): "_submission._tcp",
}
"""SRV names by server type and implicit TLS (RFC 6186, section 3; RFC 8314, section 5.1)."""

SMTPS = "_smtps._tcp"
"""Submission with implicit TLS, as aerc looks it up (lib/autoconfig); aerc prefers SRV records to autoconfig.

No standard has this name, so there is no record to say that it is not offered.
"""

_WEB_SRV_NAMES = {"jmap": "_jmap._tcp", "caldav": "_caldavs._tcp", "carddav": "_carddavs._tcp"}
"""RFC 8620, section 2.2; RFC 6764, section 3."""
_NOT_OFFERED = "0 0 0 ."
"""An SRV record for a service that is not offered (RFC 2782; RFC 6186, section 3.4)."""


class Record(NamedTuple):
    """A resource record. `name` is relative to the domain.

    `data` is the plain text of a TXT record; for other types, it is in zone file notation.
    """

    name: str
    type: str
    data: str
    why: str
    """The clients that look it up."""
    optional: bool = False
    """Whether clients find the settings without it."""

    @property
    def zone_data(self) -> str:
        """The data in zone file notation (RFC 1035, section 5.1)."""
        return _character_strings(self.data) if self.type == "TXT" else self.data


@lru_cache(maxsize=1024)
def hostname(name: str) -> str:
    """Return a hostname in lower-case A-labels, or an empty string if records cannot point to it.

    Labels may contain only letters, digits and hyphens, and IP addresses are not allowed. Name servers refuse to load a
    zone with any other SRV target (BIND's check-names).
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
    """Return the quoted strings of a TXT record, each of at most 255 bytes (RFC 1035, section 3.3.14)."""
    content = text.encode()
    parts = [content[start : start + _MAX_STRING] for start in range(0, len(content), _MAX_STRING)] or [b""]
    return " ".join(f'"{"".join(map(_escaped, part))}"' for part in parts)


def _escaped(byte: int) -> str:
    if byte in b'"\\':
        return f"\\{byte:c}"
    return chr(byte) if 0x20 <= byte < 0x7F else f"\\{byte:03}"


def address(text: str) -> IPv4Address | IPv6Address:
    """Parse the IP address of a server. Raises ValueError if clients could not connect to it."""
    found = ipaddress.ip_address(text)
    mapped = isinstance(found, IPv6Address) and (found.scope_id or found.ipv4_mapped)
    if mapped or found.is_unspecified or found.is_multicast or found.is_link_local:
        raise ValueError(f"{text} is not an address that clients can connect to")
    return found


class Publication:
    """The records to publish so that clients find the server, and a definition's mail servers.

    `host` is the server's hostname, in A-labels; `addresses` are its IP addresses. With addresses, the client hosts get
    A and AAAA records. Without, they become aliases of `host`, which is then required. `coming` is the definition that
    will replace this one: the digests of both PACC documents are published, so that either document is valid.
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

        The client hosts of a hosted domain are optional: they need certificates, and most clients find the settings by
        its MX or SRV records. Servers without a hostname, paths of more than 250 bytes and names that would be too
        long are left out.
        """
        target = f"{self._host or f'autodiscover.{domain}'}."
        found = [
            *(one._replace(optional=hosted) for one in self._hosts(domain)),
            Record("_autodiscover._tcp", "SRV", f"0 0 443 {target}", "Outlook, as a last resort"),
            *_mail(self._definition, domain),
            *_web(self._definition, domain),
            *(
                Record("_ua-auto-config", "TXT", text, "PACC clients, to verify the configuration", hosted)
                for text in self._pacc_texts(domain)
            ),
        ]
        return [one for one in found if len(f"{one.name}.{domain}") <= _MAX_NAME]

    def _hosts(self, domain: str) -> Iterator[Record]:
        for prefix, clients in _CLIENTS.items():
            name = prefix.rstrip(".")
            for one in self._addresses:
                yield Record(name, "A" if one.version == 4 else "AAAA", str(one), clients)
            if not self._addresses and f"{prefix}{domain}" != self._host:
                yield Record(name, "CNAME", f"{self._host}.", clients)

    def _pacc_texts(self, domain: str) -> list[str]:
        """Return the TXT data for each definition's PACC document (draft-ietf-mailmaint-pacc-03)."""
        documents = (one.response(domain) for one in self._configurations)
        return list(dict.fromkeys(pacc_text(one.body) for one in documents if one))

    @cached_property
    def _configurations(self) -> list[Configuration]:
        return [Configuration(one) for one in (self._definition, self._coming) if one]


_CLIENTS = {
    "autoconfig.": "Thunderbird and other clients",
    "autodiscover.": "Outlook",
    "ua-auto-config.": "PACC clients",
}
"""The clients that look up each prefix. The domain itself is left out: it has its own website."""


def pacc_text(document: bytes) -> str:
    """Return the TXT data for a PACC document: its digest."""
    return f"v=UAAC1; a=sha256; d={base64.b64encode(hashlib.sha256(document).digest()).decode()}"


def _mail(definition: Definition, domain: str) -> Iterator[Record]:
    """Yield a record for every service: the server, or the statement that the service is not offered.

    The order of the definition is the provider's preference. Priorities express it between IMAP and POP3 (RFC 6186,
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
    """Yield records for the first calendar, address book and JMAP service; a path goes into a TXT record."""
    found: set[str] = set()
    for service in definition.services:
        name, place = _WEB_SRV_NAMES.get(service.type), _place(service.url.replace("%EMAILDOMAIN%", domain))
        if name and place and name not in found:
            found.add(name)
            host, port, path = place
            yield Record(name, "SRV", f"0 1 {port} {host}.", "calendar, contacts and JMAP clients")
            text = f"path={path}"
            # An attribute is one string (RFC 6763, section 6.1). Without it, clients use /.well-known.
            if service.type != "jmap" and path.strip("/") and len(text.encode()) <= _MAX_STRING:
                yield Record(name, "TXT", text, "calendar and contacts clients")


def _place(url: str) -> tuple[str, int, str] | None:
    """Return the host, port and path of a valid URL, or None if SRV and TXT records cannot express it."""
    parts = urlsplit(url)
    host, port = hostname(parts.hostname or ""), parts.port
    if parts.scheme != "https" or not host or _PLACEHOLDER in url:
        return None
    return host, port or 443, parts.path
