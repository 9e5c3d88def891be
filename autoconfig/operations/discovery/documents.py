"""Readers for the documents that domains publish: autoconfig, Autodiscover and PACC. Their servers may be hostile.

Invalid sections of a document are skipped; the valid ones are used.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from lxml import etree

from autoconfig import definition
from autoconfig.address import MailAddress, ascii_domain
from autoconfig.authentication import METHODS, WEB_METHODS
from autoconfig.definition import DefinitionError
from autoconfig.normal import normalise
from autoconfig.operations.discovery.claims import (
    MAIL_TYPES,
    WEB_TYPES,
    Claim,
    ServiceClaim,
    Source,
    host_of,
    port_of,
    url_of,
    username_of,
)
from autoconfig.parsing import ParseError, parse
from autoconfig.validation import IMPLICIT_TLS_PORTS
from autoconfig.visible import visible

_MAX_SECTIONS = 12
"""Sections of a document that are read."""
_MAX_DOMAINS = 20
_MAX_ERRORS = 3
_MAX_ELEMENTS = 2000
_LONGEST_TEXT = 2000
_LONGEST_NAME, _LONGEST_SHORT_NAME = 60, 20
_NOT_COPIED = ("fileShare", "chatServer", "videoConference", "setupServer")


def read_autoconfig(name: str, content: bytes, address: MailAddress) -> Source | None:
    """Return the settings in an autoconfig file (draft-ietf-mailmaint-autoconfig-06), or None if it has none."""
    try:
        root, _ = parse(content)
    except ParseError:
        return None
    if _is_huge(root):
        return None
    normalise(root)
    sections = [
        one
        for parent in ("emailProvider/", "")
        for tag in ("incomingServer", "outgoingServer", "calendar", "addressbook")
        for one in root.iterfind(parent + tag)
    ][:_MAX_SECTIONS]
    claims = [claim for one in sections if (claim := _claim(one, address))]
    services = [service for one in sections for service in _services(one, address)]
    nameless = [one for one in sections if one.findtext("hostname") and not _host(one, address)]
    if not claims and not services and not nameless:
        return None
    domains = root.findall("emailProvider/domain")
    not_copied = [tag for tag in _NOT_COPIED if root.find(tag) is not None]
    return Source(
        name,
        tuple(claims),
        tuple(services),
        display_name=_text(_value(root, "emailProvider/displayName"), _LONGEST_NAME),
        short_name=_text(_value(root, "emailProvider/displayShortName"), _LONGEST_SHORT_NAME),
        domains=tuple(_domains(one.text or "" for one in domains if one.get("purpose") is None)),
        mx_domains=tuple(_domains(one.text or "" for one in domains if one.get("purpose") == "mx")),
        help_page=_attribute(root, "emailProvider/documentation"),
        webmail=_attribute(root, "webMail/loginPage"),
        issuer=url_of(_value(root, "oAuth2/issuer")),
        remarks=(*map(_nameless, nameless), *(f"init does not copy the element {tag}" for tag in not_copied)),
    )


def read_own_autoconfig(name: str, content: bytes, address: MailAddress) -> Source | None:
    """Return the settings in a domain's own autoconfig file, with remarks about the errors in it, even without any."""
    found = read_autoconfig(name, content, address) or Source(name)
    return replace(found, remarks=(*found.remarks, *_errors(content)))


def _errors(content: bytes) -> list[str]:
    """Return the first errors in an autoconfig file, with their lines."""
    file = Path("autoconfig")
    try:
        if _is_huge(parse(content)[0]):
            limits = f"more than {_MAX_ELEMENTS} elements or a text of more than {_LONGEST_TEXT} characters"
            return [f"init does not read this file, because it has {limits}"]
        definition.load(file, content)
    except (ParseError, DefinitionError) as error:
        lines = error.errors if isinstance(error, DefinitionError) else [f"{error.remark.line}: {error}"]
        return [f"the file has an error in line {one.removeprefix(f'{file}:')}" for one in lines[:_MAX_ERRORS]]
    return []


def _is_huge(root: etree._Element) -> bool:
    """Return whether a document is too large to read quickly: a hostile one of 256 KiB could take seconds."""
    elements = list(islice(root.iter(), _MAX_ELEMENTS + 1))
    texts = (text for one in elements for text in (one.text, one.tail))
    return len(elements) > _MAX_ELEMENTS or any(len(text or "") > _LONGEST_TEXT for text in texts)


def _host(section: etree._Element, address: MailAddress) -> str:
    return host_of(_value(section, "hostname"), address.domain)


def _nameless(section: etree._Element) -> str:
    """Return a remark about a server whose hostname cannot be looked up, such as an IP address."""
    host = _text(_value(section, "hostname"), _LONGEST_NAME)
    return f"{_text(section.get('type', ''), _LONGEST_SHORT_NAME)} {host}; this is not a hostname"


def _claim(section: etree._Element, address: MailAddress) -> Claim | None:
    type_ = section.get("type", "")
    host = _host(section, address)
    if type_ not in MAIL_TYPES or (section.tag == "outgoingServer") != (type_ == "smtp") or not host:
        return None
    socket_type = _value(section, "socketType")
    return Claim(
        type_,
        host,
        port_of(_value(section, "port")),
        socket_type if socket_type in ("SSL", "STARTTLS", "plain") else "",
        _methods(section, METHODS),
        username_of(_value(section, "username"), address),
    )


def _services(section: etree._Element, address: MailAddress) -> Iterator[ServiceClaim]:
    username = username_of(_value(section, "username"), address)
    for tag, type_ in (("url", section.get("type", "")), ("ewsURL", "ews"), ("easURL", "activeSync")):
        url = url_of(_value(section, tag))
        if url and type_ in WEB_TYPES and (tag == "url" or section.get("type") == "exchange"):
            yield ServiceClaim(type_, url, _methods(section, WEB_METHODS), username)


def _methods(section: etree._Element, known: frozenset[str]) -> tuple[str, ...]:
    """Return the methods that clients know. `normalise` has added those of SASL schemes."""
    texts = (one.text for one in section.iterfind("authentication"))
    return tuple(dict.fromkeys(text for text in texts if text in known))


def _value(parent: etree._Element, path: str) -> str:
    return parent.findtext(path) or ""


def _attribute(root: etree._Element, path: str) -> str:
    element = root.find(path)
    return "" if element is None else url_of(element.get("url", ""))


def _text(text: str, longest: int) -> str:
    """Return a display name on one line, without invisible characters."""
    return visible(" ".join(text.split()), longest)


def _domains(names: Iterator[str]) -> Iterator[str]:
    found = 0
    for name in names:
        try:
            domain = ascii_domain(name)
        except ValueError:
            continue
        found += 1
        if "." in domain and found <= _MAX_DOMAINS:
            yield domain


def read_autodiscover(name: str, content: bytes, address: MailAddress) -> Source | None:
    """Return the settings in an Autodiscover document (MS-OXDSCLI), or None if it has none.

    Encryption overrides SSL.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError):
        return None
    if etree.QName(root).localname != "Autodiscover" or root.getroottree().docinfo.doctype:
        return None
    protocols = [_children(one) for one in root.iter("{*}Protocol")][:_MAX_SECTIONS]
    claims = [claim for one in protocols if (claim := _outlook_server(one, address))]
    services = [service for one in protocols if (service := _outlook_service(one, address))]
    for server in root.iter("{*}Server"):  # of the mobilesync schema (MS-ASCMD)
        texts = _children(server)
        if texts["Type"] == "MobileSync" and (url := url_of(texts["Url"])):
            services.append(ServiceClaim("activeSync", url))
            break
    return Source(name, tuple(claims), tuple(services)) if claims or services else None


def _children(element: etree._Element) -> defaultdict[str, str]:
    """Return the texts of an element's children by name, empty for those that it does not have."""
    texts = {etree.QName(one).localname: (one.text or "").strip() for one in element.iterchildren("{*}*")}
    return defaultdict(str, texts)


def _outlook_server(texts: defaultdict[str, str], address: MailAddress) -> Claim | None:
    type_, host = texts["Type"].lower(), host_of(texts["Server"], address.domain)
    type_ = "pop3" if type_ == "pop" else type_  # some servers write POP
    if type_ not in MAIL_TYPES or not host:
        return None
    without = "plain" if texts["SSL"].lower() == "off" else "SSL"
    encryption = texts["Encryption"].lower()
    socket_type = {"ssl": "SSL", "tls": "STARTTLS", "none": "plain"}.get(encryption, without)
    username = username_of(texts["LoginName"], address)
    return Claim(type_, host, port_of(texts["Port"]), socket_type, (), username)


def _outlook_service(texts: defaultdict[str, str], address: MailAddress) -> ServiceClaim | None:
    """Return a calendar or an address book in the form that eM Client reads."""
    type_, url = texts["Type"].lower(), url_of(texts["Server"])
    if type_ not in ("caldav", "carddav") or not url:
        return None
    return ServiceClaim(type_, url, (), username_of(texts["LoginName"], address))


def read_pacc(name: str, content: bytes, address: MailAddress) -> Source | None:
    """Return the settings in a PACC document (draft-ietf-mailmaint-pacc-03), or None if it has none.

    Mail servers use implicit TLS on the default ports.
    """
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return None
    protocols = _object(document, "protocols")
    claims = [
        Claim(type_, host, IMPLICIT_TLS_PORTS[type_], "SSL")
        for type_, key in (("imap", "imap"), ("pop3", "pop3"), ("smtp", "submit"))
        if (host := host_of(_string(_object(protocols, key), "host"), address.domain))
    ]
    services = [
        ServiceClaim(type_, url)
        for type_ in ("jmap", "caldav", "carddav")
        if (url := url_of(_string(_object(protocols, type_), "url")))
    ]
    if not claims and not services:
        return None
    info = _object(document, "info")
    provider = _object(info, "provider")
    return Source(
        name,
        tuple(claims),
        tuple(services),
        display_name=_text(_string(provider, "name"), _LONGEST_NAME),
        short_name=_text(_string(provider, "shortName"), _LONGEST_SHORT_NAME),
        help_page=url_of(_string(_object(info, "help"), "documentation")),
    )


def _object(parent: Any, key: str) -> dict[str, Any]:
    found = parent.get(key) if isinstance(parent, dict) else None
    return found if isinstance(found, dict) else {}


def _string(parent: dict[str, Any], key: str) -> str:
    found = parent.get(key)
    return found if isinstance(found, str) else ""
