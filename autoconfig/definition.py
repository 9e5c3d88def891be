"""The canonical settings of one provider: read them, check them, ask them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache, cached_property
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Self

from lxml import etree

from autoconfig import validation
from autoconfig.files import MAX_DEFINITION, FileError, read_file
from autoconfig.grammar import Grammar, Remark, line_of
from autoconfig.normal import complete, normalise
from autoconfig.parsing import MAX_ELEMENTS, ParseError, parse
from autoconfig.validation import IMPLICIT_TLS_PORTS, mail_servers, service_urls
from autoconfig.visible import visible

EMBEDDED = Path(__file__).with_name("bt.xml")
"""The definition that is served when no other is named."""

INCOMING_TYPES = ("imap", "pop3")

_MANY = 100
"""Domains."""
_MOST_REMARKS = 100


class DefinitionError(Exception):
    """A definition that cannot be served; `mistakes` has one line for each thing wrong, `FILE:LINE: what is wrong`."""

    def __init__(self, errors: list[str]) -> None:
        self.errors = list(map(visible, errors))
        super().__init__("\n".join(self.errors))


@dataclass(frozen=True)
class Server:
    """One mail server: `type` is imap, pop3 or smtp, `port` 1-65535, `socket_type` SSL, STARTTLS or plain.

    `authentication` lists its methods, the preferred one first; `hostname` and `username` may have placeholders.
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
        """Read a server section that fits the grammar."""
        return cls(
            type=section.get("type", ""),
            hostname=section.findtext("hostname", ""),
            port=int(section.findtext("port", "")),
            socket_type=section.findtext("socketType", ""),
            authentication=_methods(section),
            username=section.findtext("username"),
            line=line_of(section),
        )

    @property
    def on_default_tls_port(self) -> bool:
        """Whether it is where clients look for it that know nothing but its name: implicit TLS on the default port."""
        return self.socket_type == "SSL" and self.port == IMPLICIT_TLS_PORTS[self.type]


@dataclass(frozen=True)
class Service:
    """A service at a URL: `type` is jmap, ews, activeSync, caldav or carddav.

    `authentication` is as WEB_METHODS has it; `url` and `username` may have placeholders.
    """

    type: str
    url: str
    authentication: tuple[str, ...]
    username: str | None

    line: int = field(default=1, compare=False)

    @classmethod
    def read(cls, url: etree._Element) -> Self:
        """Read the section that the element of a URL is in. Thunderbird's `exchange` has URLs of several services."""
        section = next(url.iterancestors())
        return cls(
            type=_EXCHANGE.get(str(url.tag), section.get("type", "")),
            url=url.text or "",
            authentication=_methods(section),
            username=section.findtext("username"),
            line=line_of(section),
        )


_EXCHANGE = {"ewsURL": "ews", "easURL": "activeSync"}


def _methods(section: etree._Element) -> tuple[str, ...]:
    """Return the general methods of a section: SASL schemes have one beside them."""
    return tuple(one.text or "" for one in section.iterfind("authentication") if one.get("system") is None)


@dataclass(frozen=True)
class Definition:
    """A provider's settings in normal form, valid in every respect that `load` checks."""

    source: Path
    root: etree._Element
    """The clientConfig element; the templates read it."""
    warnings: tuple[str, ...]
    """What was changed, left out or is probably a mistake, one line each: `FILE:LINE: what`."""

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

    @cached_property
    def id(self) -> str:
        """The provider's identifier, a host name."""
        provider = self.root.find("emailProvider")
        return "" if provider is None else provider.get("id", "")

    @cached_property
    def display_name(self) -> str:
        """What the provider is called, 1-60 characters."""
        return self.root.findtext("emailProvider/displayName", "")

    @cached_property
    def domains(self) -> tuple[str, ...]:
        """The domains of the addresses that it is for, lower-case A-labels, in the order of the file."""
        return tuple(dict.fromkeys(domain.text or "" for domain in self.root.iterfind("emailProvider/domain")))

    @cached_property
    def servers(self) -> tuple[Server, ...]:
        """Its IMAP, POP3 and SMTP servers, in the order of the file."""
        return tuple(map(Server.read, mail_servers(self.root)))

    @cached_property
    def services(self) -> tuple[Service, ...]:
        """Its services at a URL that documents can name, in the order of the file."""
        return tuple(map(Service.read, service_urls(self.root)))

    @cached_property
    def issuer(self) -> str | None:
        """Who issues its OAuth2 tokens, where the definition says so."""
        return self.root.findtext("oAuth2/issuer")

    @cached_property
    def issuer_line(self) -> int:
        """The line of the issuer."""
        issuer = self.root.find("oAuth2/issuer")
        return 1 if issuer is None else line_of(issuer)

    def place(self, domain: str) -> str:
        """Return where one of its domains stands, FILE:LINE."""
        lines = (line_of(one) for one in self.root.iterfind("emailProvider/domain") if one.text == domain)
        return f"{self.source}:{next(lines, 1)}"

    @cached_property
    def hosts_customer_domains(self) -> bool:
        """Whether the provider hosts other people's domains.

        It says so by a domain with purpose mx: clients then look for an address's settings where its mail goes, so any
        domain may be one of theirs (section 4.3).
        """
        return self.root.find("emailProvider/domain[@purpose='mx']") is not None


def load(source: Path, content: bytes) -> Definition:
    """Read the content of a definition file. Raises DefinitionError with all that is wrong with it."""
    try:
        root, remarks = parse(content)
    except ParseError as error:
        raise DefinitionError(_lines(source, [error.remark], "errors")) from error
    remarks += normalise(root)
    errors = _grammar_errors(root)
    remarks += complete(root)
    explained = {error.line for error in errors}
    errors += [error for error in validation.errors(root) if error.line not in explained]
    if errors:
        raise DefinitionError(_lines(source, errors, "errors"))
    return Definition(source, root, tuple(_lines(source, [*remarks, *validation.warnings(root)], "warnings")))


def _lines(source: Path, remarks: Iterable[Remark], kind: str) -> list[str]:
    """Return remarks with file and line, in order; of very many the first ones, and how many more there are."""
    lines = [f"{source}:{line}: {text}" for line, text in sorted(remarks)]
    if more := lines[_MOST_REMARKS:]:
        lines[_MOST_REMARKS:] = [f"{source}:1: and {len(more)} more {kind}"]
    return lines


def _grammar_errors(root: etree._Element) -> list[Remark]:
    """Return why a tree does not fit the grammar, nothing when it does.

    The time that libxml2 takes grows with the square of the number of elements. Only domains come by the thousand, so
    it sees the first; all are checked elsewhere.
    """
    if next(islice(root.iter(), MAX_ELEMENTS + len(root.findall("emailProvider/domain")), None), None) is not None:
        return [Remark(1, f"the definition has more than {MAX_ELEMENTS} elements; split it into several definitions")]
    provider = root.find("emailProvider")
    others = [] if provider is None else provider.findall("domain")[1:]
    if provider is None or len(others) < _MANY:
        return _grammar().errors(root)
    for domain in others:
        provider.remove(domain)
    errors = _grammar().errors(root)
    place = provider.index(next(provider.iterfind("domain"))) + 1
    provider[place:place] = others
    return errors


@cache
def _grammar() -> Grammar:
    return Grammar(Path(__file__).with_name("definition.rng").read_bytes())
