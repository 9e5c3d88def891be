"""What the rest of the program knows of a client protocol: routes, `render`, `check` and `export` need nothing else."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, Generic, NamedTuple, TypeVar

from autoconfig.address import MailAddress
from autoconfig.definition import Definition
from autoconfig.directory import Directory
from autoconfig.requests import Request
from autoconfig.responses import Response
from autoconfig.signing import Signer

AUTODISCOVER_PATH = "/autodiscover/autodiscover.xml"
"""Where clients POST Autodiscover requests of every schema (MS-OXDSCLI, section 2.2.3; MS-ASCMD, section 2.2.1.1)."""

T = TypeVar("T")


@dataclass(frozen=True)
class Path(Generic[T]):
    """A path of a protocol; it may have parameters, `/v1.1/{domain}`, as Starlette writes them."""

    path: str
    respond: Callable[[T, Request], Response | Awaitable[Response]]
    methods: tuple[str, ...] = ("GET", "HEAD")
    any_case: bool = False
    """Whether clients ask for it in other letter cases too: /Autodiscover/, /AutoDiscover/."""
    name: str | None = None
    """What logs and metrics call it, if not by the protocol's name."""
    exported_at: tuple[str, ...] = ()
    """Prefixes of the hosts at which `export` writes it: the response to a GET is the same for every client there."""


class Wanted(NamedTuple):
    """What `render` is to render: the options of the command. A protocol ignores those that it has no use for."""

    address: MailAddress | None = None
    name: str | None = None
    """The sender's."""
    protocol: str | None = None
    """imap or pop3."""


class Ask(NamedTuple):
    """A request that `check` sends: GET a path, which may have a query, or POST a body of XML to it."""

    path: str
    body: bytes | None = None


class Probe(NamedTuple):
    """Requests that `check` sends to PREFIXDOMAIN; together they are one line of its report."""

    prefix: str
    asks: tuple[Ask, ...]
    note: str = ""
    """What the report says beside the URL."""


class Schema(NamedTuple):
    """A kind of request that is POSTed to Autodiscover's one path: Outlook's, mobile devices'.

    `requests` are the namespaces of its requests, `responses` the values of AcceptableResponseSchema that it can
    satisfy, and `render` returns the settings for an address asked for at a host, None when the provider has none.
    """

    requests: frozenset[str]
    responses: frozenset[str]
    render: Callable[[MailAddress, bytes], bytes | None]


def autodiscover_request(address: MailAddress, namespace: str, response: str) -> bytes:
    """Return what a client POSTs to Autodiscover for the settings of an address: namespace and schema as in Schema."""
    text = escape(str(address))
    return (
        f'<Autodiscover xmlns="{namespace}"><Request><EMailAddress>{text}</EMailAddress>'
        f"<AcceptableResponseSchema>{response}</AcceptableResponseSchema></Request></Autodiscover>"
    ).encode()


@dataclass(frozen=True)
class Protocol(Generic[T]):
    """One protocol by which clients get settings.

    `make` makes what serves it: from then on a request is a lookup. It raises TemplateError for a broken stylesheet.
    """

    name: str
    """What `render`, logs and metrics call it."""
    clients: str
    """Who uses it."""
    make: Callable[["Parts"], T]
    paths: tuple[Path[T], ...] = ()
    render: Callable[[T, Wanted], bytes] | None = None
    """How `render` gets the document. Raises NotServedError or AutodiscoverError."""
    probes: Callable[[MailAddress, MailAddress], Iterable[Probe]] | None = None
    """What `check` sends, for two addresses of a domain; a probe whose first response is no document is left out."""
    schema: Callable[[T], Schema] | None = None
    """Its part in Autodiscover, for a protocol that has no path of its own."""


@dataclass(frozen=True)
class Parts:
    """What protocols are made of; each is made once."""

    definitions: Directory[Definition]
    protocols: Sequence[Protocol[Any]]
    signer: Signer | None = None
    _made: dict[str, Any] = field(default_factory=dict)

    def made(self, protocol: Protocol[T]) -> T:
        """Return what serves a protocol."""
        if protocol.name not in self._made:
            self._made[protocol.name] = protocol.make(self)
        served: T = self._made[protocol.name]
        return served

    def schemas(self) -> list[Schema]:
        """Return the parts that protocols have in Autodiscover."""
        return [one.schema(self.made(one)) for one in self.protocols if one.schema]
