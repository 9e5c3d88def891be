"""Brings definitions into normal form: one spelling for everything that published files spell in several ways.

Clients accept these files, so other spellings are not errors. Remarks say what was changed, added or left out.
"""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from itertools import chain

from lxml import etree

from autoconfig.address import ascii_domain
from autoconfig.authentication import METHODS, WEB_METHODS, method, sasl_method, web_method
from autoconfig.grammar import Remark, line_of, quote
from autoconfig.omissions import identify, leave_out, put_in_place
from autoconfig.validation import IMPLICIT_TLS_PORTS, STARTTLS_PORTS

SECTIONS = (
    *("incomingServer", "outgoingServer", "calendar", "addressbook"),
    *("fileShare", "chatServer", "videoConference", "setupServer"),
)
_SECTION = ("url", "hostname", "port", "socketType", "authentication", "username")
_CHILDREN = {
    "clientConfig": ("emailProvider", *SECTIONS[2:], "oAuth2", "webMail", "clientConfigUpdate"),
    "emailProvider": ("domain", "displayName", "displayShortName", "documentation", *SECTIONS[:2]),
    "documentation": ("descr",),
    "webMail": ("loginPage",),
    "oAuth2": ("authURL", "tokenURL", "issuer", "scope", "clientID", "clientSecret"),
    **dict.fromkeys(SECTIONS, _SECTION),
}
"""The elements of the format, by parent element."""
_NAMES = frozenset(_CHILDREN).union(*_CHILDREN.values())

_ALIASES = {"serverurl": "url", "displaynameshort": "displayShortName"}
"""Other names for elements in published files, in lower case."""
_NAMES_BY_LOWER_CASE = {
    parent: {**{name.lower(): name for name in names}, **{old: new for old, new in _ALIASES.items() if new in names}}
    for parent, names in _CHILDREN.items()
}
_ATTRIBUTES = {
    "clientConfig": {"version"},
    "emailProvider": {"id"},
    "domain": {"purpose"},
    "documentation": {"url"},
    "descr": {"lang"},
    "loginPage": {"url"},
    "authentication": {"system"},
    "clientConfigUpdate": {"url"},
    **{section: {"type"} for section in SECTIONS},
}
"""The attributes of the format, by element."""

_TYPES = ("imap", "pop3", "smtp", "jmap", "ews", "activeSync", "graph", "exchange", "caldav", "carddav", "webdav")
_TYPES_BY_LOWER_CASE = {name.lower(): name for name in _TYPES}
_COMPLETE = frozenset({"imap", "pop3", "smtp", "jmap", "ews", "activesync", "caldav", "carddav"})
"""Types whose sections contain only elements of the format, in lower case."""
_SOCKET_TYPES = {"ssl": "SSL", "starttls": "STARTTLS", "plain": "plain"}
_SOCKET_TYPES_BY_PORT = {
    **{str(port): "SSL" for port in IMPLICIT_TLS_PORTS.values()},
    **{str(port): "STARTTLS" for port in STARTTLS_PORTS.values()},
}
_URLS = ("url", "ewsURL", "easURL", "owaURL")
_VALUES = frozenset({"domain", "displayName", "displayShortName", *_SECTION, "issuer"})


def normalise(root: etree._Element) -> list[Remark]:
    """Bring a definition's tree into normal form; return what was changed, in no particular order.

    The tree may still be invalid afterwards.
    """
    remarks = list(put_in_place(root, _CHILDREN))
    known = list(_known(root, remarks))
    for element in known:
        if element.tag in _VALUES and element.text:
            _write(element, " ".join(element.text.split()))
        if element.keys():
            remarks += _attributes(element)
    for element in known:
        if element.tag in SECTIONS:
            remarks += _section(element)
    for provider in root.iterchildren("emailProvider"):
        remarks += _provider(provider)
        remarks += identify(provider)
    remarks += leave_out(root, SECTIONS)
    return remarks


def complete(root: etree._Element) -> list[Remark]:
    """Add the values that clients assume if a definition has none; return what was added."""
    remarks: list[Remark] = []
    if not root.get("version"):
        remarks.append(Remark(line_of(root), 'clientConfig has no version; version="1.1" is assumed'))
        root.set("version", "1.1")
    for provider in root.iterchildren("emailProvider"):
        if provider.find("displayName") is None:
            name = etree.SubElement(provider, "displayName")
            name.text = provider.get("id")
            text = f"emailProvider has no displayName; users see {quote(name.text or '')} instead"
            remarks.append(Remark(line_of(provider), text))
        remarks += _outgoing_username(provider)
    return remarks


def _known(element: etree._Element, remarks: list[Remark]) -> Iterator[etree._Element]:
    """Yield an element and its descendants that are in the format, and correct their names."""
    names = _NAMES_BY_LOWER_CASE[str(element.tag)]
    yield element
    complete = element.tag not in SECTIONS or element.get("type", "").strip().lower() in _COMPLETE
    if element.text and not element.text.isspace():
        remarks.append(_stray(element, element.text))
        element.text = None
    for child in element.iterchildren(etree.Element):
        if child.tail and not child.tail.isspace():
            remarks.append(_stray(child, child.tail))
            child.tail = None
        tag = str(child.tag)
        right = names.get(tag.lower())
        if right is not None:
            if right != tag:
                text = f"{quote(tag)} is read as {right}, the element's name in the format"
                remarks.append(Remark(line_of(child), text))
                child.tag = right
            if right in _CHILDREN:
                yield from _known(child, remarks)
            else:
                yield child
        elif complete and tag not in _NAMES:
            meant = get_close_matches(tag.lower(), names, 1, cutoff=0.8)
            remedy = f"; did you mean {names[meant[0]]}?" if meant and element.find(names[meant[0]]) is None else ""
            text = f"{quote(tag)} is not an element of the format; it is passed on unchanged{remedy}"
            remarks.append(Remark(line_of(child), text))


def _stray(element: etree._Element, text: str) -> Remark:
    return Remark(line_of(element), f"the text {quote(text)} between elements is left out")


def _attributes(element: etree._Element) -> Iterator[Remark]:
    """Remove unknown attributes: Thunderbird 153 cannot read a value that has one, nor Evolution a file."""
    known = _ATTRIBUTES.get(str(element.tag), frozenset[str]())
    tag = str(element.tag)
    for name in map(str, element.keys()):
        right = next((one for one in known if one.lower() == name.lower()), None)
        if right is None:
            del element.attrib[name]
            yield Remark(line_of(element), f"{tag} has no attribute {quote(name)}; it is left out")
        elif right != name:
            element.set(right, element.attrib.pop(name))
            yield Remark(line_of(element), f"{tag}: the attribute's name is {right}, not {quote(name)}")
    if url := element.get("url"):
        element.set("url", _with_scheme(url.strip()))


def _section(section: etree._Element) -> Iterator[Remark]:
    type_ = section.get("type", "")
    right = _TYPES_BY_LOWER_CASE.get(type_.strip().lower())
    if right and right != type_:
        section.set("type", right)
        yield Remark(line_of(section), f'type="{quote(type_)}" is read as {right}, as clients call it')
    for url in section.iterchildren("url"):
        _write(url, _with_scheme(url.text or ""))
    for socket_type in section.iterchildren("socketType"):
        text = socket_type.text or ""
        known = _SOCKET_TYPES.get(text.lower()) or _socket_type_by_port(text, section.findtext("port"))
        if known and known != text:
            socket_type.text = known
            remark = f"socketType {quote(text)} is read as {known}, as clients call it"
            yield Remark(line_of(socket_type), remark)
    at_url = next(section.iterchildren(*_URLS), None) is not None
    yield from _web_authentication(section) if at_url else _authentication(section)


def _socket_type_by_port(text: str, port: str | None) -> str | None:
    """Return the socketType that other programs call TLS, by its port, or None."""
    if text.upper() not in ("TLS", "SSL/TLS", "TLS/SSL"):
        return None
    return _SOCKET_TYPES_BY_PORT.get(port or "")


def _with_scheme(url: str) -> str:
    """Return a URL with its scheme in lower case, as Thunderbird requires (InputSanitizer.sys.mjs)."""
    scheme, colon, rest = url.partition(":")
    return f"{scheme.lower()}:{rest}" if colon and scheme.lower() in ("http", "https") else url


def _web_authentication(section: etree._Element) -> Iterator[Remark]:
    """Spell the methods of a service with a URL as in WEB_METHODS, and remove duplicates."""
    seen: set[str] = set()
    for one in section.findall("authentication"):
        found = web_method(one.text or "")
        if found is None:
            yield _unknown(one, WEB_METHODS)
        else:
            one.attrib.pop("system", None)
            _write(one, found)
        if (one.text or "") in seen:
            section.remove(one)
        seen.add(one.text or "")


def _authentication(section: etree._Element) -> Iterator[Remark]:
    """Spell the methods of a service over TCP as in METHODS, and remove duplicates.

    SASL schemes stay, for clients that know them. Other clients read the general method after it, added if missing.
    """
    elements = section.findall("authentication")
    written = {method(one.text or "") for one in elements if not _is_sasl(one)}
    seen: set[str] = set()
    for one in elements:
        text = one.text or ""
        if _is_sasl(one):
            general = sasl_method(text)
            if general is None:
                yield _unknown(one, METHODS)
            elif general not in written:
                written.add(general)
                added = etree.Element("authentication")
                added.text, added.tail = general, one.tail
                one.addnext(added)
                text = f"authentication {quote(text)}: {general} is added, for clients that do not know this scheme"
                yield Remark(line_of(one), text)
            continue
        found = method(text)
        if found is None:
            yield _unknown(one, METHODS)
        else:
            one.attrib.pop("system", None)
            text = found
            _write(one, found)
        if text in seen:
            section.remove(one)
        seen.add(text)


def _is_sasl(authentication: etree._Element) -> bool:
    return authentication.get("system", "").lower() == "sasl"


def _unknown(authentication: etree._Element, known: Iterable[str]) -> Remark:
    text = f"authentication {quote(authentication.text or '')} is not a method that clients know"
    return Remark(line_of(authentication), f"{text}; use one of {', '.join(sorted(known))}")


def _provider(provider: etree._Element) -> Iterator[Remark]:
    yield from _domains(provider)
    names = (provider.findall(path) for path in ("displayName", "displayShortName", "documentation/descr"))
    for name in chain.from_iterable(names):
        if not (name.text or "").strip() and (parent := name.getparent()) is not None:
            parent.remove(name)
            yield Remark(line_of(name), f"{name.tag!s} is empty; it is left out")
    for port in provider.iterfind("*/port"):
        digits = (port.text or "").removeprefix("+").lstrip("0")
        if digits.isascii() and digits.isdigit():
            _write(port, digits)
    for hostname in provider.iterfind("*/hostname"):
        if hostname.text and not hostname.text.isascii():
            hostname.text = _ascii(hostname.text)
        if hostname.text and hostname.text.endswith("."):
            text = f"hostname {quote(hostname.text)} ends with a dot, unlike the names in certificates; it is left out"
            yield Remark(line_of(hostname), text)
            hostname.text = hostname.text.rstrip(".")


def _domains(provider: etree._Element) -> Iterator[Remark]:
    """Write domains as lower-case A-labels, and remove those with the same name and purpose."""
    first: dict[tuple[str, str | None], etree._Element] = {}
    for domain in provider.findall("domain"):
        purpose = domain.get("purpose")
        if purpose is not None and purpose != "mx":
            del domain.attrib["purpose"]
            purpose = None
            yield Remark(line_of(domain), "domain: the only valid purpose is mx; this one is left out")
        try:
            name = ascii_domain(domain.text or "")
        except ValueError:
            continue  # an error that is reported later
        if (earlier := first.setdefault((name, purpose), domain)) is not domain:
            provider.remove(domain)
            yield Remark(line_of(domain), f"domain {name} is already on line {line_of(earlier)}; remove one")
        else:
            _write(domain, name)


def _outgoing_username(provider: etree._Element) -> Iterator[Remark]:
    """Add the incoming server's username to outgoing servers without one, as clients do: other formats need it."""
    username = provider.findtext("incomingServer/username")
    for section in provider.iterfind("outgoingServer[@type='smtp']"):
        methods = {method.text for method in section.iterchildren("authentication")}
        if username and section.find("username") is None and not methods <= {"none", "client-IP-address"}:
            etree.SubElement(section, "username").text = username
            text = f"outgoingServer has no username; the incoming server's, {quote(username)}, is used; add it"
            yield Remark(line_of(section), text)


def _write(element: etree._Element, text: str) -> None:
    """Replace the text of an element if it differs: replacing takes time, and can lose the line (see `line_of`)."""
    if text != element.text:
        element.text = text


def _ascii(hostname: str) -> str:
    """Return a hostname with A-labels; placeholders, and text that is not a hostname, stay unchanged."""
    try:
        return ".".join(label if "%" in label else ascii_domain(label) for label in hostname.split("."))
    except ValueError:
        return hostname
