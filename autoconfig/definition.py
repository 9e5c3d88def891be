"""The canonical settings of one provider: loads, validates and represents a definition."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Self

from lxml import etree

from autoconfig import validation
from autoconfig.files import MAX_DEFINITION, FileError, read_file
from autoconfig.grammar import Grammar, Remark, line_of, quote, unlisted
from autoconfig.normal import SECTIONS, complete, normalise
from autoconfig.parsing import MAX_ATTRIBUTES, MAX_ELEMENTS, ParseError, parse
from autoconfig.validation import IMPLICIT_TLS_PORTS, mail_servers, service_urls
from autoconfig.visible import visible

EMBEDDED = Path(__file__).with_name("bt.xml")
"""The built-in definition, served by default."""

INCOMING_TYPES = ("imap", "pop3")

_MANY_DOMAINS = 100
"""Minimum number of domains that are validated outside the tree."""
_MAX_REMARKS = 100


class DefinitionError(Exception):
    """A definition that cannot be served; `errors` has one line per error: `FILE:LINE: what is wrong`."""

    def __init__(self, errors: list[str]) -> None:
        self.errors = list(map(visible, errors))
        super().__init__("\n".join(self.errors))


@dataclass(frozen=True, slots=True)
class Server:
    """One mail server: `type` is imap, pop3 or smtp, `port` 1-65535, `socket_type` SSL, STARTTLS or plain.

    `authentication` lists its methods, preferred first; `hostname` and `username` may contain placeholders.
    """

    type: str
    hostname: str
    port: int
    socket_type: str
    authentication: tuple[str, ...]
    username: str | None
    line: int = field(default=1, compare=False)

    @classmethod
    def read(cls, section: etree._Element) -> Self:
        """Read a valid server section."""
        texts = {child.tag: child.text or "" for child in section}
        return cls(
            type=section.get("type", ""),
            hostname=texts["hostname"],
            port=int(texts["port"]),
            socket_type=texts["socketType"],
            authentication=_methods(section),
            username=texts.get("username"),
            line=line_of(section),
        )

    @property
    def on_default_tls_port(self) -> bool:
        """Whether clients find it by its hostname alone: it has implicit TLS on the default port."""
        return self.socket_type == "SSL" and self.port == IMPLICIT_TLS_PORTS[self.type]


@dataclass(frozen=True, slots=True)
class Service:
    """A service with a URL: `type` is jmap, ews, activeSync, caldav, carddav or webdav.

    `authentication` lists methods of WEB_METHODS; `url` and `username` may contain placeholders.
    """

    type: str
    url: str
    authentication: tuple[str, ...]
    username: str | None

    line: int = field(default=1, compare=False)

    @classmethod
    def read(cls, url: etree._Element) -> Self:
        """Read the section of a URL element. Thunderbird's `exchange` section has the URLs of several services."""
        section = next(url.iterancestors())
        return cls(
            type=_EXCHANGE.get(str(url.tag), section.get("type", "")),
            url=url.text or "",
            authentication=_methods(section),
            username=section.findtext("username"),
            line=line_of(section),
        )


_EXCHANGE = {"ewsURL": "ews", "easURL": "activeSync"}


def _service_urls(root: etree._Element) -> Iterator[etree._Element]:
    """Yield the elements that contain URLs of services, including file shares, which `validation` does not check."""
    yield from service_urls(root)
    yield from root.iterfind("fileShare[@type='webdav']/url")


def _methods(section: etree._Element) -> tuple[str, ...]:
    """Return the general methods of a section: each SASL scheme is followed by one."""
    return tuple(one.text or "" for one in section.iterchildren("authentication") if one.get("system") is None)


@dataclass(frozen=True, eq=False)
class Definition:
    """A provider's valid settings.

    There may be thousands, so each stores its values and the text of its normal form, but no tree.
    """

    source: Path
    warnings: tuple[str, ...]
    """What was changed, left out or is probably wrong, one line each: `FILE:LINE: what`."""
    id: str
    """The provider's identifier, a hostname."""
    display_name: str
    """The provider's name, 1-60 characters."""
    short_name: str
    """A shorter name, or an empty string."""
    documentation: str | None
    """The URL of its help page, if there is one."""
    domains: tuple[str, ...]
    """The domains of its addresses, lower-case A-labels, in the order of the file."""
    mx_domains: tuple[str, ...]
    """The domains of the MX hosts of hosted domains, lower-case A-labels (section 4.3)."""
    servers: tuple[Server, ...]
    """Its IMAP, POP3 and SMTP servers, in the order of the file."""
    services: tuple[Service, ...]
    """Its services with a URL, in the order of the file."""
    issuer: str | None
    """The issuer of its OAuth2 tokens, if the definition names it."""
    issuer_line: int
    """The line of the issuer."""
    structure: int
    """Equal for definitions that differ only in names, ports and texts: stylesheets treat them alike."""
    _lines: tuple[int, ...] = field(repr=False)
    _xml: bytes = field(repr=False)
    _settings: bytes = field(repr=False)

    @classmethod
    def from_file(cls, file: str | PathLike[str]) -> "Definition":
        """Read a clientConfig file of at most 16 MiB.

        Raises DefinitionError with every error in it, or with the reason why the file cannot be read.
        """
        path = Path(file)
        try:
            content = read_file(path, MAX_DEFINITION)
        except FileError as error:
            raise DefinitionError([str(error)]) from error
        return load(path, content)

    @classmethod
    def _read(cls, source: Path, root: etree._Element, others: Sequence[etree._Element], warnings: list[str]) -> Self:
        """Read a valid tree in normal form; `others` are the domains that `_detach` removed, put back here."""
        settings = etree.tostring(root, encoding="utf-8")
        structure = _structure(root)
        servers, services = map(Server.read, mail_servers(root)), map(Service.read, _service_urls(root))
        provider, issuer = next(root.iterchildren("emailProvider")), root.find("oAuth2/issuer")
        documentation = provider.find("documentation")
        domains = (*provider.iterchildren("domain"), *others)
        first: dict[str, int] = {}
        for domain in domains:
            first.setdefault(domain.text or "", line_of(domain))
        return cls(
            source=source,
            warnings=tuple(warnings),
            id=provider.get("id", ""),
            display_name=provider.findtext("displayName", ""),
            short_name=provider.findtext("displayShortName", ""),
            documentation=None if documentation is None else documentation.get("url"),
            mx_domains=tuple(dict.fromkeys(one.text or "" for one in domains if one.get("purpose") == "mx")),
            servers=tuple(servers),
            services=tuple(services),
            issuer=None if issuer is None else issuer.text or "",
            issuer_line=1 if issuer is None else line_of(issuer),
            structure=structure,
            domains=tuple(first),
            _lines=tuple(first.values()),
            _settings=settings,
            _xml=_whole(provider, others) if others else settings,
        )

    @property
    def root(self) -> etree._Element:
        """The clientConfig element in normal form, parsed on each access."""
        return etree.fromstring(self._xml)

    @property
    def settings(self) -> etree._Element:
        """The root for stylesheets that do not list the domains: if there are very many, it has only the first."""
        return etree.fromstring(self._settings)

    @property
    def others(self) -> list[tuple[str, str]]:
        """Its other sections, served only in autoconfig, in the order of the file: type, and URL or hostname."""
        root = self.settings
        known = {*mail_servers(root), *(next(url.iterancestors()) for url in _service_urls(root))}
        found = (*root.iterfind("emailProvider/*"), *root.iterfind("*"))
        return [
            (section.get("type", str(section.tag)), section.findtext("url") or section.findtext("hostname") or "")
            for section in found
            if section.tag in SECTIONS and section not in known
        ]

    @property
    def hosts_customer_domains(self) -> bool:
        """Whether the provider hosts customers' domains: then it has a domain with purpose mx."""
        return bool(self.mx_domains)

    @property
    def line(self) -> int:
        """The line of its first domain."""
        return self._lines[0]

    def place(self, domain: str) -> str:
        """Return the place of one of its domains, FILE:LINE."""
        return f"{self.source}:{self._lines[self.domains.index(domain)]}"


_CHOICES = frozenset({"socketType", "authentication"})


def _structure(root: etree._Element) -> int:
    """Return a hash that is equal for trees with the same elements, types, choices and placeholders."""
    return hash(tuple((one.tag, one.get("type"), _choice(one.tag, one.text or "")) for one in root.iter()))


def _choice(tag: object, text: str) -> str | bool:
    return text if tag in _CHOICES or "%" in text else bool(text)


def load(source: Path, content: bytes) -> Definition:
    """Load the content of a definition file. Raises DefinitionError with every error in it."""
    try:
        root, remarks = parse(content)
    except ParseError as error:
        raise DefinitionError(_lines(source, [error.remark], "error")) from error
    remarks += normalise(root)
    others = _detach(root)
    errors = _grammar_errors(root)
    remarks += complete(root)
    explained = {error.line for error in errors}
    wrong = (*validation.errors(root), *validation.domain_errors(others))
    errors += [error for error in wrong if error.line not in explained]
    if errors:
        raise DefinitionError(_lines(source, errors, "error"))
    warnings = _lines(source, [*remarks, *validation.warnings(root)], "warning")
    return Definition._read(source, root, others, warnings)


def _lines(source: Path, remarks: Iterable[Remark], kind: str) -> list[str]:
    """Return remarks with file and line, in order: up to _MAX_REMARKS, and the number of the rest."""
    lines = [f"{source}:{line}: {text}" for line, text in sorted(remarks)]
    if more := lines[_MAX_REMARKS:]:
        lines[_MAX_REMARKS:] = [f"{source}:1: {unlisted(len(more), kind)}"]
    return lines


def _detach(root: etree._Element) -> list[etree._Element]:
    """Remove all domains but the first from a tree that has very many, and return them.

    They are validated separately: libxml2's validation takes quadratic time in their number.
    """
    provider = root.find("emailProvider")
    others = [] if provider is None else provider.findall("domain")[1:]
    if provider is None or len(others) < _MANY_DOMAINS:
        return []
    for domain in others:
        provider.remove(domain)
    return others


def _whole(provider: etree._Element, others: Sequence[etree._Element]) -> bytes:
    """Return the whole file: the provider with the domains that were removed from it."""
    place = provider.index(next(provider.iterchildren("domain"))) + 1
    provider[place:place] = others
    return etree.tostring(provider.getroottree(), encoding="utf-8")


def _grammar_errors(root: etree._Element) -> list[Remark]:
    """Return why a tree is invalid by the grammar; an empty list if it is valid."""
    if next(islice(root.iter(), MAX_ELEMENTS, None), None) is not None:
        return [Remark(1, f"the definition has more than {MAX_ELEMENTS} elements; split it into several definitions")]
    if many := [one for one in root.iter() if len(one.attrib) > MAX_ATTRIBUTES]:
        text = f"has more than {MAX_ATTRIBUTES} attributes; remove those that no client reads"
        return [Remark(line_of(one), f"{quote(str(one.tag))} {text}") for one in many]
    return _grammar().errors(root)


@cache
def _grammar() -> Grammar:
    return Grammar(Path(__file__).with_name("definition.rng").read_bytes())
