"""Each mail client's own way to its settings: what it asks, in which order, and what it makes of the answers.

The orders are those of the clients' sources: Thunderbird 153 (FindConfig.sys.mjs), Thunderbird for Android
(feature/autodiscovery), Delta Chat's core (configure.rs), Evolution (e-mail-autoconfig.c), KMail (ispdb.cpp), and
Microsoft's description for classic Outlook. The databases and services that some ask besides are other people's and are
not asked here.
"""

import json
import re
from collections.abc import Callable
from typing import NamedTuple

from lxml import etree

from autoconfig.address import MailAddress
from autoconfig.protocols import autoconfig, autodiscover, pacc
from autoconfig.validation import IMPLICIT_TLS_PORTS

_MAX_PORT = 65535


class Endpoint(NamedTuple):
    """A server as a client would set it up."""

    type: str
    host: str
    port: int
    security: str
    username: str

    def __str__(self) -> str:
        return f"{self.type} {self.host}:{self.port} {self.security}"


class Account(NamedTuple):
    """What a client ends up with."""

    incoming: Endpoint
    outgoing: Endpoint

    def __str__(self) -> str:
        return f"{self.incoming}, {self.outgoing}"


Reader = Callable[[etree._Element, MailAddress], Account | None]


class LookUp(NamedTuple):
    """One thing that a client asks for. In `url` stand {domain}, {address} and {mx}, the domain of the mail exchanger.

    `how` is get or post; redirect, for a GET whose redirect is followed by a POST; srv, for a POST to the host that the
    SRV record names; pacc, for a document that must have the digest of the TXT record.
    """

    url: str
    how: str = "get"


class Client(NamedTuple):
    """A mail client. With `trusted_only` it takes nothing that came without TLS on the way."""

    name: str
    look_ups: tuple[LookUp, ...]
    read: dict[str, Reader]
    """How it reads XML documents, by the name of their root element."""
    trusted_only: bool = False
    pacc: bool = False
    """Whether it reads PACC's JSON."""


def read(client: Client, document: bytes, address: MailAddress) -> Account | None:
    """Return the account that a client makes of a document, None when it cannot use it."""
    if document.lstrip()[:1] == b"{":
        return _pacc(document, address) if client.pacc else None
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(document, parser)
    except (etree.XMLSyntaxError, ValueError):
        return None
    reader = client.read.get(etree.QName(root).localname)
    return reader(root, address) if reader else None


def _port(text: str) -> int | None:
    """Return the number of a port, None when it is none."""
    text = text.strip()
    return int(text) if re.fullmatch("0*[0-9]{1,5}", text) and 1 <= int(text[-5:]) <= _MAX_PORT else None


def _fill(text: str, address: MailAddress) -> str:
    for name, value in (("ADDRESS", str(address)), ("LOCALPART", address.local), ("DOMAIN", address.domain)):
        text = text.replace(f"%EMAIL{name}%", value)
    return text


def _endpoint(section: etree._Element, address: MailAddress) -> Endpoint | None:
    host, port = section.findtext("hostname", ""), _port(section.findtext("port", ""))
    if not host or port is None:
        return None
    return Endpoint(
        section.get("type", ""),
        _fill(host, address),
        port,
        section.findtext("socketType", ""),
        _fill(section.findtext("username", ""), address),
    )


def _autoconfig(incoming: tuple[str, ...], securities: tuple[str, ...] = ("SSL", "STARTTLS", "plain")) -> Reader:
    """Return a reader of autoconfig files that takes the first server of these kinds that it can use."""

    def reader(root: etree._Element, address: MailAddress) -> Account | None:
        servers = [
            endpoint
            for section in root.iterfind("emailProvider/*")
            if section.tag in ("incomingServer", "outgoingServer")
            and (endpoint := _endpoint(section, address))
            and endpoint.security in securities
        ]
        first = next((one for one in servers if one.type in incoming), None)
        outgoing = next((one for one in servers if one.type == "smtp"), None)
        return Account(first, outgoing) if first and outgoing else None

    return reader


def _android(root: etree._Element, address: MailAddress) -> Account | None:
    """RealAutoconfigParser: any other socketType drops the file; the id and domains are host names; IMAP only."""
    sections = [one for one in root.iterfind("emailProvider/*") if one.get("type") in ("imap", "smtp")]
    if any(section.findtext("socketType") not in ("SSL", "STARTTLS") for section in sections):
        return None
    if "%" in "".join(section.findtext("hostname", "") for section in sections):
        return None
    return _autoconfig(("imap",), ("SSL", "STARTTLS"))(root, address)


def _autodiscover(username: Callable[[MailAddress], str]) -> Reader:
    """Return a reader of Outlook's settings: Encryption overrides SSL; `username` is what a missing LoginName means."""

    def reader(root: etree._Element, address: MailAddress) -> Account | None:
        found: dict[str, Endpoint] = {}
        for protocol in root.iter("{*}Protocol"):
            text = {etree.QName(one).localname: (one.text or "").strip() for one in protocol.iterchildren("{*}*")}
            without = "plain" if text.get("SSL") == "off" else "SSL"
            security = {"SSL": "SSL", "TLS": "STARTTLS", "None": "plain"}.get(text.get("Encryption", ""), without)
            type_, name = text.get("Type", "").lower(), text.get("LoginName") or username(address)
            port = _port(text.get("Port", ""))
            if port and text.get("Server"):
                found.setdefault(type_, Endpoint(type_, text["Server"], port, security, name))
        incoming = found.get("imap") or found.get("pop3")
        return Account(incoming, found["smtp"]) if incoming and "smtp" in found else None

    return reader


def _pacc(document: bytes, address: MailAddress) -> Account | None:
    """Read PACC: implicit TLS on the default ports, and the address as the username."""
    try:
        protocols = json.loads(document)["protocols"]
        hosts = {name: str(one["host"]) for name, one in protocols.items() if isinstance(one.get("host"), str)}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    name = "imap" if "imap" in hosts else "pop3"
    if name not in hosts or "submit" not in hosts:
        return None
    return Account(
        Endpoint(name, hosts[name], IMPLICIT_TLS_PORTS[name], "SSL", str(address)),
        Endpoint("smtp", hosts["submit"], IMPLICIT_TLS_PORTS["smtp"], "SSL", str(address)),
    )


_ISP = "https://autoconfig.{domain}" + autoconfig.PATH
_WELL_KNOWN = "https://{domain}" + autoconfig.WELL_KNOWN_PATH
_BY_MX = "https://autoconfig.{mx}" + autoconfig.PATH + "?emailaddress={address}"
_ADDRESS_QUERY = "?emailaddress={address}"
_OUTLOOK = "https://{domain}" + autodiscover.PATH
_OUTLOOK_HOST = "https://autodiscover.{domain}" + autodiscover.PATH


def _http(url: str) -> str:
    return url.replace("https:", "http:")


_ANY_MAIL = ("imap", "pop3")

CLIENTS = (
    Client(
        "Thunderbird",
        (
            LookUp(_ISP + _ADDRESS_QUERY),
            LookUp(_WELL_KNOWN + _ADDRESS_QUERY),
            LookUp(_http(_ISP) + _ADDRESS_QUERY),
            LookUp(_http(_WELL_KNOWN) + _ADDRESS_QUERY),
            LookUp(_BY_MX),
            LookUp(_OUTLOOK_HOST, "post"),
            LookUp(_OUTLOOK, "post"),
        ),
        {"clientConfig": _autoconfig(_ANY_MAIL), "Autodiscover": _autodiscover(str)},
    ),
    Client(
        "Thunderbird for Android",
        (LookUp(_ISP), LookUp(_WELL_KNOWN), LookUp(_http(_ISP)), LookUp(_BY_MX)),
        {"clientConfig": _android},
        trusted_only=True,
    ),
    Client(
        "Outlook, classic",
        (
            LookUp(_OUTLOOK, "post"),
            LookUp(_OUTLOOK_HOST, "post"),
            LookUp(_http(_OUTLOOK_HOST), "redirect"),
            LookUp("https://{srv}" + autodiscover.PATH, "srv"),
        ),
        {"Autodiscover": _autodiscover(lambda address: address.local)},
    ),
    Client(
        "Delta Chat",
        (LookUp(_ISP + _ADDRESS_QUERY), LookUp(_WELL_KNOWN), LookUp(_OUTLOOK), LookUp(_OUTLOOK_HOST)),
        {"clientConfig": _autoconfig(("imap",)), "Autodiscover": _autodiscover(str)},
    ),
    Client(
        "Evolution",
        (
            LookUp(_ISP + "?emailaddress=EVOLUTIONUSER%40{domain}&emailmd5=0"),
            LookUp(_WELL_KNOWN),
            LookUp(_http(_ISP) + "?emailaddress=EVOLUTIONUSER%40{domain}&emailmd5=0"),
        ),
        {"clientConfig": _autoconfig(_ANY_MAIL)},
    ),
    Client("KMail", (LookUp(_http(_ISP)), LookUp(_http(_WELL_KNOWN))), {"clientConfig": _autoconfig(_ANY_MAIL)}),
    Client(
        "PACC clients",
        (LookUp("https://ua-auto-config.{domain}" + pacc.PATH, "pacc"),),
        {},
        pacc=True,
    ),
)
