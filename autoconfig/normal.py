"""The normal form of a definition: what files in the field write in several ways stands in it in one.

Clients take these files, so they are no errors. What is changed, added or left out is told, with the right spelling.
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
"""The elements of the format, by the element that they stand in."""
_NAMES = frozenset(_CHILDREN).union(*_CHILDREN.values())

_SEEN = {"serverurl": "url", "displaynameshort": "displayShortName"}
"""Other names that files in the field have for elements, in lower case."""
_RIGHT_NAMES = {
    parent: {**{name.lower(): name for name in names}, **{old: new for old, new in _SEEN.items() if new in names}}
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
_RIGHT_TYPES = {name.lower(): name for name in _TYPES}
_COMPLETE = frozenset({"imap", "pop3", "smtp", "jmap", "ews", "activeSync", "caldav", "carddav"})
"""Types whose sections hold nothing but the elements of the format."""
_SOCKET_TYPES = {"ssl": "SSL", "starttls": "STARTTLS", "plain": "plain"}
_SOCKET_TYPES_BY_PORT = {
    **{str(port): "SSL" for port in IMPLICIT_TLS_PORTS.values()},
    **{str(port): "STARTTLS" for port in STARTTLS_PORTS.values()},
}
_URLS = ("url", "ewsURL", "easURL", "owaURL")
_VALUES = frozenset({"domain", "displayName", "displayShortName", "loginPage", "documentation", *_SECTION, "issuer"})


def normalise(root: etree._Element) -> list[Remark]:
    """Bring a definition's tree into normal form; return what was changed, in no particular order.

    The tree may still be wrong afterwards: it need not fit the grammar.
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
    """Write what clients assume where a definition says nothing; return what was added."""
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
    """Yield an element and those in it that the format knows, their names put right."""
    names = _RIGHT_NAMES[str(element.tag)]
    yield element
    complete = element.tag not in SECTIONS or element.get("type", "") in _COMPLETE
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
                text = f"{quote(tag)}: the element's name is {right}; it is read as that"
                remarks.append(Remark(line_of(child), text))
                child.tag = right
            if right in _CHILDREN:
                yield from _known(child, remarks)
            else:
                yield child
        elif complete and tag not in _NAMES:
            meant = get_close_matches(tag.lower(), names, 1, cutoff=0.8)
            remedy = f"; did you mean {names[meant[0]]}?" if meant and element.find(names[meant[0]]) is None else ""
            text = f"{quote(tag)} is not an element of the format; it is passed on as it is{remedy}"
            remarks.append(Remark(line_of(child), text))


def _stray(element: etree._Element, text: str) -> Remark:
    return Remark(line_of(element), f"the text {quote(text)} beside an element is left out")


def _attributes(element: etree._Element) -> Iterator[Remark]:
    """Leave out unknown attributes: Thunderbird 153 cannot read a value with one, Evolution no file with one."""
    known = _ATTRIBUTES.get(str(element.tag), frozenset[str]())
    tag = str(element.tag)
    for name in map(str, element.keys()):
        right = next((one for one in known if one.lower() == name.lower()), None)
        if right is None:
            del element.attrib[name]
            yield Remark(line_of(element), f"{tag}: {quote(name)} is not an attribute of it; it is left out")
        elif right != name:
            element.set(right, element.attrib.pop(name))
            yield Remark(line_of(element), f"{tag}: the attribute's name is {right}, not {quote(name)}")
    if url := element.get("url"):
        element.set("url", _with_scheme(url.strip()))


def _section(section: etree._Element) -> Iterator[Remark]:
    type_ = section.get("type", "")
    right = _RIGHT_TYPES.get(type_.strip().lower())
    if right and right != type_:
        section.set("type", right)
        yield Remark(line_of(section), f'type="{quote(type_)}": clients know this type as {right}; it is read as that')
    for url in section.iterchildren("url"):
        _write(url, _with_scheme(url.text or ""))
    for socket_type in section.iterchildren("socketType"):
        text = socket_type.text or ""
        known = _SOCKET_TYPES.get(text.lower()) or _socket_type_by_port(text, section.findtext("port"))
        if known and known != text:
            socket_type.text = known
            remark = f"socketType {quote(text)}: clients know this as {known}; it is read as that"
            yield Remark(line_of(socket_type), remark)
    at_url = next(section.iterchildren(*_URLS), None) is not None
    yield from _web_authentication(section) if at_url else _authentication(section)


def _socket_type_by_port(text: str, port: str | None) -> str | None:
    """Return what other programs mean by TLS, None where neither they nor the port say it."""
    if text.upper() not in ("TLS", "SSL/TLS", "TLS/SSL"):
        return None
    return _SOCKET_TYPES_BY_PORT.get(port or "")


def _with_scheme(url: str) -> str:
    """Return a URL with its scheme in lower case, as Thunderbird needs it (InputSanitizer.sys.mjs)."""
    scheme, colon, rest = url.partition(":")
    return f"{scheme.lower()}:{rest}" if colon and scheme.lower() in ("http", "https") else url


def _web_authentication(section: etree._Element) -> Iterator[Remark]:
    """Write the methods of a service at a URL as WEB_METHODS does, each once."""
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
    """Write the methods of a service over TCP as METHODS does, each once.

    A SASL scheme stays, for clients that know it; others read the general method after it, which is added if need be.
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
                seen.add(general)
                added = etree.Element("authentication")
                added.text, added.tail = general, one.tail
                one.addnext(added)
                text = f"authentication {quote(text)} is for clients that know it; {general} is added for the others"
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
    return Remark(line_of(authentication), f"{text}; write one of {', '.join(sorted(known))}")


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
            text = f"hostname {quote(hostname.text)} ends with a dot, which certificates do not have; it is left out"
            yield Remark(line_of(hostname), text)
            hostname.text = hostname.text.rstrip(".")


def _domains(provider: etree._Element) -> Iterator[Remark]:
    """Write domains as lower-case A-labels, each once, or twice if it stands there with and without a purpose."""
    first: dict[tuple[str, str | None], etree._Element] = {}
    for domain in provider.findall("domain"):
        purpose = domain.get("purpose")
        if purpose is not None and purpose != "mx":
            del domain.attrib["purpose"]
            purpose = None
            yield Remark(line_of(domain), "domain: its purpose is not mx, the only one that there is; it is left out")
        try:
            name = ascii_domain(domain.text or "")
        except ValueError:
            continue  # an error that is reported later
        if (earlier := first.setdefault((name, purpose), domain)) is not domain:
            provider.remove(domain)
            yield Remark(line_of(domain), f"domain {name} is on line {line_of(earlier)} already; remove one")
        else:
            _write(domain, name)


def _outgoing_username(provider: etree._Element) -> Iterator[Remark]:
    """Where an outgoing server has no username, clients use the incoming server's; other formats need it written."""
    username = provider.findtext("incomingServer/username")
    for section in provider.iterfind("outgoingServer[@type='smtp']"):
        methods = {method.text for method in section.iterchildren("authentication")}
        if username and section.find("username") is None and not methods <= {"none", "client-IP-address"}:
            etree.SubElement(section, "username").text = username
            text = f"outgoingServer has no username; {quote(username)}, the incoming server's, is used; better write it"
            yield Remark(line_of(section), text)


def _write(element: etree._Element, text: str) -> None:
    """Replace the text of an element, unless it is the same: that costs time, and the line of a late element."""
    if text != element.text:
        element.text = text


def _ascii(hostname: str) -> str:
    """Return a hostname with A-labels, as it is where it is none; placeholders stay."""
    try:
        return ".".join(label if "%" in label else ascii_domain(label) for label in hostname.split("."))
    except ValueError:
        return hostname
