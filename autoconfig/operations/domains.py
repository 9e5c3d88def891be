"""The domains to check, with the records and responses that this program expects for them."""

from collections.abc import Callable
from enum import Enum
from functools import partial
from urllib.parse import quote

from autoconfig.address import MailAddress
from autoconfig.definition import Definition
from autoconfig.directory import CLIENT_HOSTS
from autoconfig.operations.clients import Client, read
from autoconfig.operations.dns import Publication, Record
from autoconfig.operations.expectations import expect
from autoconfig.operations.http import Request, Response
from autoconfig.operations.local import Local
from autoconfig.operations.mail_session import MailServer
from autoconfig.operations.readers import Account, read_srv
from autoconfig.operations.report import Finding
from autoconfig.operations.services import Resource, resources
from autoconfig.protocols import PROTOCOLS, autodiscover, pacc
from autoconfig.protocols.description import Probe

_LOCAL, _ANOTHER = "bt-autoconfig-check", "bt-autoconfig-check-2"
"""The local parts of the addresses in requests: no mailbox has them, and settings are the same for every address."""
_NO_HOST = "host.invalid"
"""A Host header that is in no definition."""


class Kind(Enum):
    """The relation of a domain to the definitions."""

    OWN = "own"
    """It is in a definition."""
    HOSTED = "hosted"
    """A provider with a definition hosts it for a customer."""
    FOREIGN = "foreign"
    """There is no definition for it."""


class Domain:
    """A domain without a definition."""

    kind = Kind.FOREIGN

    def __init__(self, name: str) -> None:
        self.name = name
        self.address = MailAddress(_LOCAL, name)
        self.another = MailAddress(_ANOTHER, name)

    def url(self, prefix: str, path: str, address: MailAddress | None = None) -> str:
        """Return the URL of a path on one of the domain's hosts, with an address in the query if there is one."""
        return f"https://{prefix}{self.name}{path}{f'?emailaddress={quote(str(address))}' if address else ''}"

    def outlook_body(self) -> bytes:
        """Return the body of Outlook's POST."""
        return autodiscover.request_for(self.address)


class ServedDomain(Domain):
    """A domain with a definition: the provider's own, or one that it hosts."""

    def __init__(self, definition: Definition, name: str, local: Local, *, hosted: bool = False) -> None:
        super().__init__(name)
        self.kind = Kind.HOSTED if hosted else Kind.OWN
        self.definition, self.local = definition, local

    async def comparison(self, request: Request) -> Callable[[Response], Finding]:
        """Return a function that compares a response with the expected one, and raises Problem.

        Call this before you send the request: responses must not wait in memory for the expected ones.
        """
        expected = await self.local.fetch(request)
        without_host = await self.local.fetch(request, _NO_HOST)
        return partial(expect, expected=expected, without_host=without_host, posted=request.body is not None)

    def probes(self) -> list[tuple[Probe, list[Request]]]:
        """Return the requests of each protocol's probes."""
        return [
            (probe, [Request(self.url(probe.prefix, one.path), one.body) for one in probe.requests])
            for protocol in PROTOCOLS
            if protocol.probes
            for probe in protocol.probes(self.address, self.another)
        ]

    async def has_document(self, request: Request) -> bool:
        """Return whether this program responds to a request with a document, not with an error.

        Errors of Autodiscover have status 200 too.
        """
        response = await self.local.fetch(request)
        return response.status == 200 and b"<ErrorCode>" not in response.body

    async def pacc(self) -> bytes:
        """Return the PACC document, or empty bytes if there is none."""
        response = await self.local.fetch(Request(self.url("ua-auto-config.", pacc.PATH)))
        return response.body if response.status == 200 else b""

    async def prefixes(self) -> list[str]:
        """Return the prefixes of the client hosts, PACC's only if there is a PACC document."""
        document = await self.pacc()
        return [prefix for prefix in CLIENT_HOSTS if prefix and (document or prefix != "ua-auto-config.")]

    def records(self) -> list[Record]:
        """Return the records that `bt-autoconfig dns` prints."""
        return Publication(self.definition, _NO_HOST).records(self.name, hosted=self.kind is Kind.HOSTED)

    def mail_servers(self) -> list[MailServer]:
        """Return the mail servers, except those whose hostname depends on the address."""
        return [
            MailServer(server.type, host, server.port, server.socket_type, server.authentication)
            for server in self.definition.servers
            if "%" not in (host := server.hostname.replace("%EMAILDOMAIN%", self.name))
        ]

    def resources(self) -> list[Resource]:
        """Return the services and pages in the definition."""
        return resources(self.definition, self.address)

    async def accounts(self, client: Client) -> set[Account]:
        """Return the accounts that a client may set up from this program's documents and records."""
        targets: dict[str, tuple[str, int]] = {}
        for record in self.records():
            if record.type == "SRV" and record.data != "0 0 0 .":
                _, _, port, host = record.data.split()
                targets.setdefault(record.name, (host.rstrip("."), int(port)))
        accounts = {read_srv(client.srv, targets, self.address)}
        for lookup in client.lookups:
            if lookup.kind in ("get", "post", "pacc") and not lookup.by_mx:
                url = lookup.url.format(domain=self.name, address=quote(str(self.address)))
                response = await self.local.fetch(Request(url, self.outlook_body() if lookup.kind == "post" else None))
                accounts.add(read(client, response.body, self.address) if response.status == 200 else None)
        return {account for account in accounts if account}
