"""Checks that a grammar cannot express: contradictions in a definition in normal form, and common errors.

An error is something that no client can use. Everything else that looks wrong is a warning, with a remedy.
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from urllib.parse import urlsplit

from lxml import etree

from autoconfig.address import ascii_domain
from autoconfig.authentication import PASSWORD_METHODS
from autoconfig.grammar import Remark, line_of, quote

MAIL_SERVERS = (("incomingServer", "imap"), ("incomingServer", "pop3"), ("outgoingServer", "smtp"))
"""The sections of mail servers: element and type."""

PLACEHOLDERS = ("EMAILADDRESS", "EMAILLOCALPART", "EMAILDOMAIN")
"""The placeholders that clients fill (draft-ietf-mailmaint-autoconfig-06, section 3.8)."""

_PLACEHOLDER = re.compile(f"%(?:{'|'.join(PLACEHOLDERS)})%")
_MISSPELT = re.compile(r"%[A-Za-z]{4,}%?|[A-Za-z]*EMAIL[A-Z]+%")
IMPLICIT_TLS_PORTS = {"imap": 993, "pop3": 995, "smtp": 465}
"""The standard's ports (RFC 8314, section 7), not a provider's."""
STARTTLS_PORTS = {"imap": 143, "pop3": 110, "smtp": 587}
_TYPES_BY_PORT = {port: type_ for ports in (IMPLICIT_TLS_PORTS, STARTTLS_PORTS) for type_, port in ports.items()}
_CREDENTIALS = re.compile(r"[a-z]+://[^/?#]*@")
_SENDS_ITSELF = frozenset({"jmap", "ews", "activeSync", "graph", "exchange", "owa"})
"""Types of incoming servers that send mail too."""
_MAIL = _SENDS_ITSELF | {"imap", "pop3"}
_TYPES = {
    "emailProvider/incomingServer": _MAIL | {"managesieve", "nntp"},
    "emailProvider/outgoingServer": frozenset({"smtp"}),
    "calendar": frozenset({"caldav"}),
    "addressbook": frozenset({"carddav"}),
}
"""The types that clients know, by section (draft-ietf-mailmaint-autoconfig-06; nntp and owa: Thunderbird 153)."""
_LONGEST_NAME, _LONGEST_SHORT_NAME = 60, 20
"""Maximum characters (draft-ietf-mailmaint-autoconfig-06, section 3.2.4; draft-ietf-mailmaint-pacc-03, section 6)."""


def errors(root: etree._Element) -> Iterator[Remark]:
    """Yield what no client can use, in a tree that is valid by the grammar."""
    for provider in root.iterfind("emailProvider[@id]"):
        if not _is_hostname(provider.get("id", "")):
            text = f"id {quote(provider.get('id', ''))} is not a hostname; use the provider's main domain"
            yield Remark(line_of(provider), text)
    yield from domain_errors(root.iterfind("emailProvider/domain"))
    for section in mail_servers(root):
        yield from _mail_server_errors(section)
    for url in service_urls(root):
        if _CREDENTIALS.match(_filled(url.text or "")):  # not shown: many people read logs
            text = f"{url.tag!s} contains a username or password, which every client would get; remove it"
            yield Remark(line_of(url), text)
        elif problem := _url_problem(url.text or ""):
            yield Remark(line_of(url), f"{url.tag!s} {quote(url.text or '')} {problem}")
    yield from _missing_servers(root)


def domain_errors(domains: Iterable[etree._Element]) -> Iterator[Remark]:
    """Yield domain elements that are not valid domains."""
    for domain in domains:
        if len(domain) or not _is_domain(domain.text or ""):
            yield Remark(line_of(domain), f"domain {quote(domain.text or '')} is not a domain name such as example.com")


def warnings(root: etree._Element) -> Iterator[Remark]:
    """Yield what is probably wrong, in a tree without errors."""
    yield from _names(root)
    yield from _mail_servers(root)
    for url in service_urls(root):
        if (url.text or "").startswith("http:"):
            text = f"{url.tag!s} {quote(url.text or '')}: passwords and data are sent in clear text; use https://"
            yield Remark(line_of(url), text)
        host = urlsplit(_filled(url.text or "")).hostname or ""
        if problem := _hostname_problem(host):
            yield Remark(line_of(url), f"hostname {quote(host)} {problem}")
        yield from _misspelt(url, "clients will not fill it in")
    for username in root.iter("username"):
        yield from _misspelt(username, "clients will not fill it in")
    for section in root.iterfind("emailProvider/incomingServer"):
        if section.get("type") in ("ews", "activeSync"):
            yield from _exchange(section)
    for path, types in _TYPES.items():
        for section in root.iterfind(path):
            yield from _type(section, types)
    if not any(section.get("type") in _MAIL for section in root.iterfind("emailProvider/incomingServer")):
        text = "there is no incomingServer of a type that clients know, so there is no mail to set up; add one"
        yield Remark(_provider_line(root), text)


def mail_servers(root: etree._Element) -> Iterator[etree._Element]:
    """Yield the sections of IMAP, POP3 and SMTP servers, in the order of the file."""
    for provider in root.iterchildren("emailProvider"):
        for section in provider.iterchildren("incomingServer", "outgoingServer"):
            if (section.tag, section.get("type")) in MAIL_SERVERS:
                yield section


def service_urls(root: etree._Element) -> Iterator[etree._Element]:
    """Yield the elements that contain the URLs of services that documents can include."""
    for provider in root.iterchildren("emailProvider"):
        for section in provider.iterchildren("incomingServer"):
            if section.get("type") in ("jmap", "ews", "activeSync"):
                yield from section.iterchildren("url")
            elif section.get("type") == "exchange":
                yield from section.iterchildren("ewsURL")
                yield from section.iterchildren("easURL")
    for tag, type_ in (("calendar", "caldav"), ("addressbook", "carddav")):
        for section in root.iterchildren(tag):
            if section.get("type") == type_:
                yield from section.iterchildren("url")


def _mail_servers(root: etree._Element) -> Iterator[Remark]:
    ports: dict[tuple[str, str, str], int] = {}
    for section in mail_servers(root):
        yield from _hostname(section)
        yield from _port(section)
        type_, host, port = section.get("type", ""), section.findtext("hostname", ""), section.findtext("port", "")
        first = ports.setdefault((type_, host.lower(), port), line_of(section))
        if first != line_of(section):
            text = f"{type_} server {quote(host)}:{port} is already on line {first}; remove one, or correct its port"
            yield Remark(line_of(section), text)


def _mail_server_errors(section: etree._Element) -> Iterator[Remark]:
    methods = {method.text for method in section.iterchildren("authentication")}
    if section.find("username") is None and PASSWORD_METHODS.intersection(methods):
        text = f"{section.tag!s} requires a password but has no username; add one, such as %EMAILADDRESS%"
        yield Remark(line_of(section), text)
    for hostname in section.iterchildren("hostname"):
        misspelt = list(_misspelt(hostname))
        yield from misspelt
        if not misspelt and not _is_hostname(hostname.text or ""):
            text = f"hostname {quote(hostname.text or '')} is not a hostname such as mail.example.com"
            yield Remark(line_of(hostname), text)
    for username in section.iterchildren("username"):
        yield from _misspelt(username)


def _misspelt(element: etree._Element, effect: str = "") -> Iterator[Remark]:
    """Yield an unknown placeholder. A lone per cent sign is text: some providers' usernames contain one."""
    text = element.text or ""
    found = _MISSPELT.search(_PLACEHOLDER.sub(" ", text)) if "%" in text else None
    if found:
        name = found[0].strip("%").upper()
        meant = get_close_matches(name, PLACEHOLDERS, 1, cutoff=0.5)
        if effect and not meant:
            return  # an escape such as %20 in a URL, or a placeholder of other clients
        remedy = f"did you mean %{meant[0]}%?" if meant else f"use {', '.join(f'%{one}%' for one in PLACEHOLDERS)}"
        text = f"{element.tag!s} {quote(text)} has a placeholder that does not exist"
        yield Remark(line_of(element), f"{text}{', and ' + effect if effect else ''}; {remedy}")


def _url_problem(url: str) -> str | None:
    """Return what is wrong with a service's URL, or None."""
    try:
        parts = urlsplit(_filled(url))
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "is not a URL"
    if parts.scheme not in ("http", "https"):
        return "is not a web address that starts with https:// or http://"
    if port == 0:
        return "has port 0; use 1-65535"
    if ":" in host:
        return "has an IPv6 address as its host; use a hostname"
    if not _is_hostname(host) and not _is_ip_address(host):
        return "has no valid hostname"
    return None


def _missing_servers(root: etree._Element) -> Iterator[Remark]:
    types = {section.get("type") for section in root.iterfind("emailProvider/incomingServer")}
    first = root.find("emailProvider/incomingServer")
    if first is None:
        services = next(service_urls(root), None)
        if services is None:
            text = "there is no incomingServer; add one with a type of imap, pop3 or jmap"
            yield Remark(_provider_line(root), text)
        return
    outgoing = root.find("emailProvider/outgoingServer[@type='smtp']")
    if outgoing is None and types & {"imap", "pop3"} and not types & _SENDS_ITSELF:
        yield Remark(line_of(first), "there is no outgoingServer of type smtp to send mail with; add one")


def _names(root: etree._Element) -> Iterator[Remark]:
    for tag, longest in (("displayName", _LONGEST_NAME), ("displayShortName", _LONGEST_SHORT_NAME)):
        for name in root.iterfind(f"emailProvider/{tag}"):
            if len(name.text or "") > longest:
                text = f"{tag} {quote(name.text or '')} has {len(name.text or '')} characters; use at most {longest}"
                yield Remark(line_of(name), f"{text}, as some clients truncate it")


def _type(section: etree._Element, known: frozenset[str]) -> Iterator[Remark]:
    """Yield a remark on a type that no client knows in this section: all clients then ignore the section."""
    type_ = section.get("type", "")
    if type_ in known:
        return
    place = next((path.rpartition("/")[2] for path, types in _TYPES.items() if type_ in types), None)
    meant = get_close_matches(type_.lower(), known, 1)
    if place:
        remedy = f"it belongs in {place}"
    elif meant:
        remedy = f"did you mean {meant[0]}?"
    else:
        remedy = f"use {', '.join(sorted(known))}"
    text = f'type="{quote(type_)}": clients do not know this type of {section.tag!s} and ignore it'
    yield Remark(line_of(section), f"{text}; {remedy}")


def _hostname(section: etree._Element) -> Iterator[Remark]:
    for hostname in section.iterchildren("hostname"):
        name = (hostname.text or "").lower()
        if problem := _hostname_problem(name):
            yield Remark(line_of(hostname), f"hostname {quote(name)} {problem}")


def _hostname_problem(name: str) -> str | None:
    """Return why clients may not reach a host by this name, or None."""
    if name == "localhost" or name.endswith(".localhost"):
        return "is the client's own machine; use a name that clients can look up"
    if _is_ip_address(name):
        return "is an IP address, but certificates and most clients need a name; use a hostname"
    if "." not in name and "%" not in name:
        return "has no domain, so clients cannot look it up; use the full name"
    if "_" in name:
        return "has an underscore, which Thunderbird rejects; use letters, digits and hyphens"
    return None


def _port(section: etree._Element) -> Iterator[Remark]:
    type_, socket_type = section.get("type", ""), section.findtext("socketType")
    port = int(section.findtext("port", "0"))
    tls, starttls = IMPLICIT_TLS_PORTS[type_], STARTTLS_PORTS[type_]
    line = line_of(next(section.iterchildren("port"), section))
    if (other := _TYPES_BY_PORT.get(port, type_)) != type_:
        yield Remark(line, f"port {port} is for {other}; {type_} uses {tls} with SSL, or {starttls} with STARTTLS")
        return
    if type_ == "smtp" and port == 25:
        text = "port 25 is for mail between servers, and many networks block it; use 465 with SSL, or 587 with STARTTLS"
        yield Remark(line, text)
    elif socket_type == "SSL" and port in STARTTLS_PORTS.values():
        yield Remark(line, f"SSL on port {port}: this port uses STARTTLS; use {tls} or STARTTLS")
    elif socket_type != "SSL" and port in IMPLICIT_TLS_PORTS.values():
        other = f"{starttls} or SSL" if socket_type == "STARTTLS" else "SSL"
        yield Remark(line, f"{socket_type} on port {port}: this port uses SSL; use {other}")


def _exchange(section: etree._Element) -> Iterator[Remark]:
    """Yield why clients ignore an Exchange server."""
    if section.find("url") is None:
        yield Remark(line_of(section), f"{section.get('type')} server has no url, so clients ignore it; add one")
    elif section.find("authentication") is None:
        text = f"{section.get('type')} server has no authentication, so clients may ignore it; add one, such as"
        yield Remark(line_of(section), f'{text} <authentication system="http">Basic</authentication>')


def _provider_line(root: etree._Element) -> int:
    return line_of(next(root.iterchildren("emailProvider"), root))


def _filled(text: str) -> str:
    """Return a text with its placeholders filled for an example address."""
    return _PLACEHOLDER.sub(lambda one: "x.example" if "DOMAIN" in one[0] else "x", text) if "%" in text else text


def _is_domain(name: str) -> bool:
    try:
        return "." in ascii_domain(name)
    except ValueError:
        return False


def _is_hostname(name: str) -> bool:
    try:
        return bool(ascii_domain(_filled(name)))
    except ValueError:
        return False


def _is_ip_address(name: str) -> bool:
    if not name[-1:].isdigit() and ":" not in name:
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
