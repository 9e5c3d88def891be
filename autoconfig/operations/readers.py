"""The account that each client sets up from a document.

The readers follow the clients' source code: Thunderbird 153 (readFromXML.sys.mjs), Thunderbird for Android
(RealAutoconfigParser.kt), Delta Chat's core (moz_autoconfigure.rs, outlook.rs); for Outlook, they follow MS-OXDSCLI.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from lxml import etree

from autoconfig.address import MailAddress
from autoconfig.operations.dns import hostname
from autoconfig.validation import IMPLICIT_TLS_PORTS

_MAX_PORT = 65535


class Endpoint(NamedTuple):
    """A server in an account."""

    type: str
    host: str
    port: int
    security: str
    username: str

    def __str__(self) -> str:
        return f"{self.type} {self.host}:{self.port} {self.security}"


class Account(NamedTuple):
    """An account in a client. Clients that only follow SRV records may find no outgoing server."""

    incoming: Endpoint
    outgoing: Endpoint | None

    def __str__(self) -> str:
        return f"{self.incoming}, {self.outgoing or 'no outgoing server'}"


Reader = Callable[[etree._Element, MailAddress], Account | None]


def read_xml(document: bytes, readers: Mapping[str, Reader], address: MailAddress) -> Account | None:
    """Return the account that a client sets up from an XML document, or None if it cannot use the document.

    `readers` are the client's readers by the name of the root element. Entities are not expanded, nothing is loaded,
    and documents with a DOCTYPE are rejected.
    """
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(document, parser)
    except (etree.XMLSyntaxError, ValueError):
        return None
    if root.getroottree().docinfo.doctype:
        return None
    reader = readers.get(etree.QName(root).localname)
    return reader(root, address) if reader else None


def _port(text: str) -> int | None:
    """Return a port number, or None if the text is not one."""
    text = text.strip()
    return int(text) if re.fullmatch("0*[0-9]{1,5}", text) and 1 <= int(text[-5:]) <= _MAX_PORT else None


def _fill(text: str, address: MailAddress) -> str:
    for name, value in (("ADDRESS", str(address)), ("LOCALPART", address.local), ("DOMAIN", address.domain)):
        text = text.replace(f"%EMAIL{name}%", value)
    return text


def _text(section: etree._Element, name: str) -> str:
    return (section.findtext(name) or "").strip()


def _endpoint(section: etree._Element, address: MailAddress) -> Endpoint | None:
    host, port = _text(section, "hostname"), _port(_text(section, "port"))
    if not host or port is None:
        return None
    username = _fill(_text(section, "username"), address)
    return Endpoint(section.get("type", ""), _fill(host, address), port, _text(section, "socketType"), username)


def autoconfig(incoming: tuple[str, ...]) -> Reader:
    """Return a reader of autoconfig files that uses the first incoming server of these types that it supports."""

    def reader(root: etree._Element, address: MailAddress) -> Account | None:
        servers = [
            endpoint
            for section in root.iterfind("emailProvider/*")
            if section.tag in ("incomingServer", "outgoingServer")
            and (endpoint := _endpoint(section, address))
            and endpoint.security in ("SSL", "STARTTLS", "plain")
        ]
        first = next((one for one in servers if one.type in incoming), None)
        outgoing = next((one for one in servers if one.type == "smtp"), None)
        if not first or not outgoing:
            return None
        if not outgoing.username:  # clients then use the username for the incoming server
            outgoing = outgoing._replace(username=first.username)
        return Account(first, outgoing)

    return reader


_ANDROID_METHODS = frozenset({"OAuth2", "password-cleartext", "password-encrypted"})


def android(root: etree._Element, address: MailAddress) -> Account | None:
    """Read an autoconfig file as Thunderbird for Android: it rejects a file with a section that it cannot use."""
    providers = root.findall("emailProvider")
    if not providers or not hostname(providers[-1].get("id", "")):
        return None
    if not any(hostname(_fill(one.text or "", address)) for one in providers[-1].iterfind("domain")):
        return None
    found: dict[str, Endpoint] = {}
    for tag, type_ in (("incomingServer", "imap"), ("outgoingServer", "smtp")):
        for section in providers[-1].iterfind(f"{tag}[@type='{type_}']"):
            endpoint = _endpoint(section, address)
            methods = {(one.text or "").strip() for one in section.iterfind("authentication")}
            if endpoint is None or endpoint.security not in ("SSL", "STARTTLS"):
                return None
            if section.find("username") is None or _ANDROID_METHODS.isdisjoint(methods):
                return None
            found.setdefault(type_, endpoint)
    return Account(found["imap"], found["smtp"]) if len(found) == 2 else None


def autodiscover(username: Callable[[MailAddress], str]) -> Reader:
    """Return a reader of Outlook's settings. Encryption overrides SSL; `username` replaces a missing LoginName."""

    def reader(root: etree._Element, address: MailAddress) -> Account | None:
        found: dict[str, Endpoint] = {}
        for protocol in root.iter("{*}Protocol"):
            text = {etree.QName(one).localname: (one.text or "").strip() for one in protocol.iterchildren("{*}*")}
            without = "plain" if text.get("SSL", "").lower() == "off" else "SSL"
            security = {"SSL": "SSL", "TLS": "STARTTLS", "None": "plain"}.get(text.get("Encryption", ""), without)
            type_, name = text.get("Type", "").lower(), text.get("LoginName") or username(address)
            port = _port(text.get("Port", ""))
            if port and text.get("Server"):
                found.setdefault(type_, Endpoint(type_, text["Server"], port, security, name))
        incoming = found.get("imap") or found.get("pop3")
        return Account(incoming, found["smtp"]) if incoming and "smtp" in found else None

    return reader


def read_pacc(document: bytes, address: MailAddress) -> Account | None:
    """Read a PACC document. Servers use implicit TLS on the default ports, and the username is the address."""
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


Targets = Mapping[str, tuple[str, int]]
"""Hosts and ports of the services that SRV records offer, by the record's name without the domain."""


def read_srv(names: tuple[str, ...], targets: Targets, address: MailAddress) -> Account | None:
    """Return the account of a client that follows SRV records with these names, the preferred ones first."""
    found: dict[str, Endpoint] = {}
    for name in names:
        type_, security = SRV_SERVICES[name]
        if name in targets:
            host, port = targets[name]
            found.setdefault(
                "smtp" if type_ == "smtp" else "incoming", Endpoint(type_, host, port, security, str(address))
            )
    return Account(found["incoming"], found.get("smtp")) if "incoming" in found else None


SRV_SERVICES = {
    "_imaps._tcp": ("imap", "SSL"),
    "_imap._tcp": ("imap", "STARTTLS"),
    "_pop3s._tcp": ("pop3", "SSL"),
    "_pop3._tcp": ("pop3", "STARTTLS"),
    "_submissions._tcp": ("smtp", "SSL"),
    "_smtps._tcp": ("smtp", "SSL"),
    "_submission._tcp": ("smtp", "STARTTLS"),
}
"""Server type and security by the name of an SRV record (RFC 6186; RFC 8314; `_smtps` is in no RFC)."""
