"""The domains that a check is about, and what this program would publish and answer for them."""

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
from autoconfig.operations.local import Local
from autoconfig.operations.mail import MailServer
from autoconfig.operations.readers import Account, read_srv
from autoconfig.operations.report import Finding
from autoconfig.operations.services import Place, places
from autoconfig.operations.web import Question, Reply
from autoconfig.protocols import PROTOCOLS, autodiscover, pacc
from autoconfig.protocols.description import Probe

_LOCAL, _ANOTHER = "bt-autoconfig-check", "bt-autoconfig-check-2"
"""Local parts of the addresses that are asked about: no mailbox has them, and settings are the same for all."""
_NO_HOST = "host.invalid"
"""A Host header that no definition knows."""


class Kind(Enum):
    """What a domain is to the definitions."""

    OWN = "own"
    """It is in a definition."""
    HOSTED = "hosted"
    """A customer's: its mail is hosted by a provider that has a definition."""
    FOREIGN = "foreign"
    """Another provider's: there is no definition for it."""


class Domain:
    """A domain of no definition: what it publishes can only be compared with itself."""

    kind = Kind.FOREIGN

    def __init__(self, name: str) -> None:
        self.name = name
        self.address = MailAddress(_LOCAL, name)
        self.another = MailAddress(_ANOTHER, name)

    def url(self, prefix: str, path: str, address: MailAddress | None = None) -> str:
        """Return the URL of a path on one of the domain's hosts, asked for an address."""
        return f"https://{prefix}{self.name}{path}{f'?emailaddress={quote(str(address))}' if address else ''}"

    def outlook(self) -> bytes:
        """Return what Outlook posts."""
        return autodiscover.request_for(self.address)


class ServedDomain(Domain):
    """A domain that a definition is for: its own, or one that it hosts."""

    def __init__(self, definition: Definition, name: str, local: Local, *, hosted: bool = False) -> None:
        super().__init__(name)
        self.kind = Kind.HOSTED if hosted else Kind.OWN
        self.definition, self.local = definition, local

    async def judge(self, question: Question) -> Callable[[Reply], Finding]:
        """Return a function that compares a response with the definition's, and raises Problem.

        Call it before you send the request: responses must not wait in memory for the definition's.
        """
        wanted = await self.local.ask(question)
        without_host = await self.local.ask(question, _NO_HOST)
        return partial(expect, wanted=wanted, without_host=without_host, posted=question.body is not None)

    def questions(self) -> list[tuple[Probe, list[Question]]]:
        """Return what each host is asked."""
        return [
            (probe, [Question(self.url(probe.prefix, one.path), one.body) for one in probe.requests])
            for protocol in PROTOCOLS
            if protocol.probes
            for probe in protocol.probes(self.address, self.another)
        ]

    async def answers(self, question: Question) -> bool:
        """Tell whether this program has a document for a request, and no refusal (Autodiscover's have status 200)."""
        reply = await self.local.ask(question)
        return reply.status == 200 and b"<ErrorCode>" not in reply.body

    async def pacc(self) -> bytes:
        """Return the PACC document, empty when there is none."""
        reply = await self.local.ask(Question(self.url("ua-auto-config.", pacc.PATH)))
        return reply.body if reply.status == 200 else b""

    async def prefixes(self) -> list[str]:
        """Return the prefixes of the hosts that clients ask; PACC's only when there is a document for it."""
        document = await self.pacc()
        return [prefix for prefix in CLIENT_HOSTS if prefix and (document or prefix != "ua-auto-config.")]

    def records(self) -> list[Record]:
        """Return the records that `bt-autoconfig dns` prints."""
        return Publication(self.definition, _NO_HOST).records(self.name, hosted=self.kind is Kind.HOSTED)

    def mail_servers(self) -> list[MailServer]:
        """Return its mail servers, but those whose names depend on the address."""
        return [
            MailServer(server.type, host, server.port, server.socket_type, server.authentication)
            for server in self.definition.servers
            if "%" not in (host := server.hostname.replace("%EMAILDOMAIN%", self.name))
        ]

    def places(self) -> list[Place]:
        """Return the services and pages that the definition names."""
        return places(self.definition, self.address)

    async def accounts(self, client: Client) -> set[Account]:
        """Return the accounts that a client may end up with: what it makes of this program's documents and records."""
        targets: dict[str, tuple[str, int]] = {}
        for record in self.records():
            if record.type == "SRV" and record.data != "0 0 0 .":
                _, _, port, host = record.data.split()
                targets.setdefault(record.name, (host.rstrip("."), int(port)))
        accounts = {read_srv(client.srv, targets, self.address)}
        for look_up in client.look_ups:
            if look_up.how in ("get", "post", "pacc") and not look_up.by_mx:
                url = look_up.url.format(domain=self.name, address=quote(str(self.address)))
                reply = await self.local.ask(Question(url, self.outlook() if look_up.how == "post" else None))
                accounts.add(read(client, reply.body, self.address) if reply.status == 200 else None)
        return {account for account in accounts if account}
