"""The canonical settings of one provider: read them, check them, ask them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from itertools import islice
from pathlib import Path
from typing import Self

from lxml import etree

from autoconfig.address import ascii_domain
from autoconfig.grammar import Grammar, Remark, line_of
from autoconfig.visible import visible

EMBEDDED = Path(__file__).with_name("bt.xml")
"""The definition that is served when no other is named."""

MAX_NODES = 25_000
"""Elements and comments in a definition. libxml2 takes a second to validate so many, and four for twice as many."""
MAX_ATTRIBUTES = 100
"""Attributes of one element. libxml2 takes 17 seconds to validate 24,000."""

MAIL_SERVERS = (("incomingServer", "imap"), ("incomingServer", "pop3"), ("outgoingServer", "smtp"))
"""The server sections that every document is made of: element and type."""

INCOMING_TYPES = ("imap", "pop3")

_VALUES = (
    *("domain", "displayName", "displayShortName", "hostname", "port", "socketType"),
    *("authentication", "username", "url", "issuer"),
)

WEB_SERVICES = (
    "emailProvider/incomingServer[@type='jmap']",
    "emailProvider/incomingServer[@type='ews']",
    "emailProvider/incomingServer[@type='activeSync']",
    "calendar[@type='caldav']",
    "addressbook[@type='carddav']",
)
"""The services at a URL that documents can name."""

IMPLICIT_TLS_PORTS = {"imap": 993, "pop3": 995, "smtp": 465}
"""RFC 8314, section 7: the standard's, not a provider's."""

PASSWORD_METHODS = frozenset({"password-cleartext", "password-encrypted", "NTLM"})
METHODS = PASSWORD_METHODS | {"OAuth2", "GSSAPI", "TLS-client-cert", "client-IP-address", "none"}
"""Values of authentication that clients of this format act upon (section 3.7.4)."""


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
            authentication=tuple(method.text or "" for method in section.iterfind("authentication")),
            username=section.findtext("username"),
            line=line_of(section),
        )

    @property
    def on_default_tls_port(self) -> bool:
        """Whether it is where clients look for it that know nothing but its name: implicit TLS on the default port."""
        return self.socket_type == "SSL" and self.port == IMPLICIT_TLS_PORTS[self.type]


@dataclass(frozen=True)
class Service:
    """A service at a URL: `type` is that of its section; `url` and `username` may have placeholders."""

    type: str
    url: str
    authentication: tuple[str, ...]
    username: str | None

    @classmethod
    def read(cls, section: etree._Element) -> Self:
        """Read a section that fits the grammar."""
        return cls(
            type=section.get("type", ""),
            url=section.findtext("url", ""),
            authentication=tuple(method.text or "" for method in section.iterfind("authentication")),
            username=section.findtext("username"),
        )


@dataclass(frozen=True)
class Definition:
    """A provider's settings, right in every respect that `load` checks."""

    source: Path
    root: etree._Element
    """The clientConfig element; the templates read it."""
    warnings: tuple[str, ...]
    """What was passed over, one line each: `FILE:LINE: what`."""

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
        return tuple(domain.text or "" for domain in self.root.iterfind("emailProvider/domain"))

    @cached_property
    def servers(self) -> tuple[Server, ...]:
        """Its IMAP, POP3 and SMTP servers, in the order of the file."""
        return tuple(map(Server.read, _mail_servers(self.root)))

    @cached_property
    def services(self) -> tuple[Service, ...]:
        """Its services at a URL that documents can name, in the order of the file."""
        return tuple(Service.read(section) for path in WEB_SERVICES for section in self.root.iterfind(path))

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
    root = _parse(source, content)
    grammar = _grammar()
    errors = grammar.errors(root)
    if not errors:
        _collapse_white_space(root)
        errors = sorted(_contradictions(root))
    if errors:
        raise DefinitionError([f"{source}:{line}: {text}" for line, text in errors])
    _write_names_in_ascii(root)
    warnings = sorted([*grammar.unknown(root), *_unknown_methods(root)])
    return Definition(source, root, tuple(f"{source}:{line}: {text}" for line, text in warnings))


@cache
def _grammar() -> Grammar:
    return Grammar(Path(__file__).with_name("definition.rng").read_bytes())


def _parse(source: Path, content: bytes) -> etree._Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        tree = etree.fromstring(content, parser).getroottree()
    except etree.XMLSyntaxError as error:
        raise DefinitionError([f"{source}:{error.lineno or 1}: not well-formed XML: {error.msg}"]) from error
    if tree.docinfo.doctype:
        raise DefinitionError([f"{source}:1: a DOCTYPE has no place in a definition; leave it out"])
    root = tree.getroot()
    if next(islice(root.iter(), MAX_NODES, None), None) is not None:
        problem = f"more than {MAX_NODES} elements and comments; split it into several definitions"
        raise DefinitionError([f"{source}:1: the definition has {problem}"])
    for element in root.iter(etree.Element):
        if len(element.attrib) > MAX_ATTRIBUTES:
            problem = f"{element.tag!s} has more than {MAX_ATTRIBUTES} attributes; leave some out"
            raise DefinitionError([f"{source}:{line_of(element)}: {problem}"])
    return root


def _collapse_white_space(root: etree._Element) -> None:
    """Take the white space around the values that are read out, as the grammar's token type does."""
    for value in root.iter(*_VALUES):
        if value.text:
            value.text = " ".join(value.text.split())


def _write_names_in_ascii(root: etree._Element) -> None:
    """Write domains and host names as the DNS and every format want them: lower-case A-labels."""
    for domain in root.iterfind("emailProvider/domain"):
        domain.text = ascii_domain(domain.text or "")
    for hostname in (hostname for section in _mail_servers(root) for hostname in section.iterfind("hostname")):
        if not (hostname.text or "").isascii():
            labels = (hostname.text or "").split(".")
            hostname.text = ".".join(label if "%" in label else ascii_domain(label) for label in labels)


def _mail_servers(root: etree._Element) -> Iterator[etree._Element]:
    for section in root.iterfind("emailProvider/*"):
        if (section.tag, section.get("type")) in MAIL_SERVERS:
            yield section


def _contradictions(root: etree._Element) -> Iterator[Remark]:
    """Yield what is wrong in a document that fits the grammar: what a grammar cannot state."""
    first_line: dict[str, int] = {}
    for domain in root.iterfind("emailProvider/domain"):
        try:
            name = ascii_domain(domain.text or "")
        except ValueError:
            yield Remark(line_of(domain), f"domain {domain.text} is not a domain name")
        else:
            if first_line.setdefault(name, line_of(domain)) != line_of(domain):
                yield Remark(line_of(domain), f"domain {domain.text} stands on line {first_line[name]} already")
    incoming = outgoing = None
    for section in _mail_servers(root):
        server = Server.read(section)
        incoming = section if section.tag == "incomingServer" else incoming
        outgoing = section if section.tag == "outgoingServer" else outgoing
        if server.username is None and PASSWORD_METHODS.intersection(server.authentication):
            yield Remark(line_of(section), f"{section.tag!s} asks for a password but has no username")
        for hostname in section.iterfind("hostname"):
            if not _is_host_name(server.hostname):
                yield Remark(line_of(hostname), f"hostname {server.hostname} is not a host name")
    if incoming is not None and outgoing is None:
        yield Remark(line_of(incoming), "there is no outgoingServer of type smtp to send mail with")


def _is_host_name(name: str) -> bool:
    """Tell whether a name is a host name once its placeholders are filled."""
    try:
        return bool(ascii_domain(name.replace("%EMAILDOMAIN%", "x.example").replace("%EMAILLOCALPART%", "x")))
    except ValueError:
        return False


def _unknown_methods(root: etree._Element) -> Iterator[Remark]:
    for section in _mail_servers(root):
        for method in section.iterfind("authentication"):
            if method.text not in METHODS and not method.get("system"):
                yield Remark(line_of(method), f"authentication {method.text} is not a method that clients know")
