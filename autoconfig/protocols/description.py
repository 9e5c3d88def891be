"""The description of a client protocol: routes, `render`, `check` and `export` use only this."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from autoconfig.address import MailAddress
from autoconfig.definition import Definition
from autoconfig.directory import Directory
from autoconfig.requests import Request
from autoconfig.responses import Response

if TYPE_CHECKING:
    from autoconfig.signing import Signer

AUTODISCOVER_PATH = "/autodiscover/autodiscover.xml"
"""Where clients POST Autodiscover requests of every schema (MS-OXDSCLI, section 2.2.3; MS-ASCMD, section 2.2.1.1)."""

T = TypeVar("T")


@dataclass(frozen=True)
class Path(Generic[T]):
    """A path of a protocol; it may have parameters in Starlette's notation: `/v1.1/{domain}`."""

    path: str
    respond: Callable[[T, Request], Response | Awaitable[Response]]
    methods: tuple[str, ...] = ("GET", "HEAD")
    any_case: bool = False
    """Whether clients request it in other letter cases too: /Autodiscover/, /AutoDiscover/."""
    name: str | None = None
    """Its name in logs and metrics, if not the protocol's."""
    exported_at: tuple[str, ...] = ()
    """Prefixes of the hosts for which `export` writes it: every client gets the same response to a GET there."""


class RenderOptions(NamedTuple):
    """The options of the `render` command. A protocol ignores those that do not apply to it."""

    address: MailAddress | None = None
    name: str | None = None
    """The sender's name."""
    protocol: str | None = None
    """imap or pop3."""


class ProbeRequest(NamedTuple):
    """A request that `check` sends: GET a path (and query), or POST an XML body to it."""

    path: str
    body: bytes | None = None


class Probe(NamedTuple):
    """Requests that `check` sends to PREFIXDOMAIN and reports in one line."""

    prefix: str
    requests: tuple[ProbeRequest, ...]
    note: str = ""
    """Text next to the URL in the report."""


class Schema(NamedTuple):
    """A kind of Autodiscover request, such as Outlook's or ActiveSync's: all of them are POSTed to one path.

    `requests` are the namespaces of its requests, `responses` the values of AcceptableResponseSchema that it can
    satisfy. `render` returns the settings for an address, from a request's host, or None if the provider has none.
    """

    requests: frozenset[str]
    responses: frozenset[str]
    render: Callable[[MailAddress, bytes], bytes | None]


def autodiscover_request(address: MailAddress, namespace: str, response: str) -> bytes:
    """Return the body that a client POSTs to Autodiscover for an address; `namespace` and `response` as in Schema."""
    text = escape(str(address))
    return (
        f'<Autodiscover xmlns="{namespace}"><Request><EMailAddress>{text}</EMailAddress>'
        f"<AcceptableResponseSchema>{response}</AcceptableResponseSchema></Request></Autodiscover>"
    ).encode()


@dataclass(frozen=True)
class Protocol(Generic[T]):
    """A protocol by which clients get settings.

    `make` returns the object that serves it, with everything prepared. It raises TemplateError for a broken stylesheet.
    """

    name: str
    """Its name in `render`, logs and metrics."""
    clients: str
    """The clients that use it."""
    make: Callable[["Parts"], T]
    paths: tuple[Path[T], ...] = ()
    render: Callable[[T, RenderOptions], bytes] | None = None
    """Returns the document for `render`. Raises NotServedError or AutodiscoverError."""
    probes: Callable[[MailAddress, MailAddress], Iterable[Probe]] | None = None
    """Returns what `check` sends for two addresses of a domain; it skips a probe whose first response is an error."""
    schema: Callable[[T], Schema] | None = None
    """Its Autodiscover schema, for a protocol without a path."""


@dataclass(frozen=True)
class Parts:
    """The input of the protocols, and the objects that serve them; each is created once."""

    definitions: Directory[Definition]
    protocols: Sequence[Protocol[Any]]
    signer: "Signer | None" = None
    _made: dict[str, Any] = field(default_factory=dict)

    def made(self, protocol: Protocol[T]) -> T:
        """Return the object that serves a protocol."""
        if protocol.name not in self._made:
            self._made[protocol.name] = protocol.make(self)
        served: T = self._made[protocol.name]
        return served

    def schemas(self) -> list[Schema]:
        """Return the Autodiscover schemas of the protocols."""
        return [one.schema(self.made(one)) for one in self.protocols if one.schema]
