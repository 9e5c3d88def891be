"""The check of a domain that no definition here is for: whether what it publishes is consistent, and works.

Nothing says what is right, so clients are compared with each other: each should end up with an account, all of them
with the same one, and its servers should work.
"""

import asyncio
import functools
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from autoconfig import definition
from autoconfig.definition import Definition, DefinitionError
from autoconfig.directory import CLIENT_HOSTS
from autoconfig.operations import caa, record_checks, services
from autoconfig.operations.check_run import Run
from autoconfig.operations.clients import CLIENTS, Client, LookUp, read
from autoconfig.operations.dns import hostname
from autoconfig.operations.domains import Domain
from autoconfig.operations.expectations import expect_upstream
from autoconfig.operations.journeys import Found, NothingThereError
from autoconfig.operations.mail import MailServer
from autoconfig.operations.mx import exchangers
from autoconfig.operations.names import NoAddressError
from autoconfig.operations.readers import SRV_SERVICES, Account
from autoconfig.operations.report import Finding, FollowsError, Line, Problem, Verdict, right
from autoconfig.operations.web import Reply
from autoconfig.protocols import autodiscover

_NO_SUCH_LABEL = "bt-autoconfig-check-no-such-host"
"""A label that exists only where a wildcard record makes every name exist."""
_DNS, _HTTPS, _SERVICES, _CLIENTS = "DNS", "HTTPS", "services", "clients"
_HOSTS = tuple(prefix for prefix in CLIENT_HOSTS if prefix)


class _Answer(NamedTuple):
    """What came of a lookup: a response, or why there is none."""

    look_up: LookUp
    client: Client
    url: str
    reply: Reply | Problem


class ForeignCheck:
    """The lines of one domain. Each method begins the lines of one area; `prepare` finds out what there is."""

    def __init__(self, run: Run, domain: Domain) -> None:
        self._run, self._domain = run, domain
        self._exists: bool | Problem = True
        self._hosts: dict[str, Line | None] = {}
        self._certificates: dict[str, Line] = {}
        self._answers: list[_Answer] = []
        self._found: dict[str, Found | None] = {}
        self._definitions: list[Definition] = []
        self._srv: list[str] = []

    async def prepare(self) -> None:
        """Make every client's journey."""
        names, name = self._run.names, self._domain.name
        try:
            self._exists = await names.exists(name)
        except Problem as problem:
            self._exists = problem
        if self._exists is not True:
            return
        elsewhere = await self._addresses(f"{_NO_SUCH_LABEL}.{name}")
        for prefix, found in zip(_HOSTS, await _each(self._addresses(f"{one}{name}") for one in _HOSTS), strict=True):
            if found is None or (found and found != elsewhere):
                self._hosts[f"{prefix}{name}"] = None
        records = [f"{one}.{name}" for one in (*SRV_SERVICES, "_autodiscover._tcp")]
        self._srv = [one for one, there in zip(records, await _each(map(self._has_srv, records)), strict=True) if there]
        asked = {
            (one.url.partition("?")[0], one.how): (client, one)
            for client in reversed(CLIENTS)
            for one in client.look_ups
        }
        answers = await _each(self._look_up(client, look_up) for client, look_up in reversed(asked.values()))
        self._answers = [one for one in answers if one]
        found_by = await _each(self._run.journeys.find(client, self._domain.address) for client in CLIENTS)
        self._found = {client.name: found for client, found in zip(CLIENTS, found_by, strict=True)}
        self._definitions = list(self._loaded())

    async def _addresses(self, host: str) -> list[str] | None:
        """Return the addresses of a host, none if it has none, None if that cannot be found out or is a mistake."""
        try:
            return sorted(await self._run.names.addresses(host))
        except NoAddressError as error:
            return None if "alias" in str(error) else []
        except Problem:
            return None

    async def _has_srv(self, name: str) -> bool:
        try:
            return bool(await self._run.names.find(name, "SRV"))
        except Problem:
            return True

    async def _look_up(self, client: Client, look_up: LookUp) -> _Answer | None:
        place = look_up.url.format(domain=self._domain.name, address="", mxfull="", mxbase="", srv="")
        try:
            url, reply = await self._run.journeys.look_up(client, look_up, self._domain.address)
        except Problem as problem:
            return _Answer(look_up, client, place.partition("?")[0], problem)
        except NothingThereError:
            return None
        return _Answer(look_up, client, url.partition("?")[0], reply)

    def _loaded(self) -> Iterator[Definition]:
        seen: set[bytes] = set()
        for one in self._answers:
            if isinstance(one.reply, Reply) and _is_autoconfig(one.reply) and one.reply.body not in seen:
                seen.add(one.reply.body)
                try:
                    yield definition.load(Path(one.url), one.reply.body)
                except DefinitionError:
                    continue

    def _add(self, area: str, subject: str, check: Coroutine[Any, Any, Finding]) -> Line:
        return self._run.report.add(area, subject, check, self._domain.name)

    # Names

    async def begin_names(self) -> None:
        """Check the records that there are."""
        add, names, name = functools.partial(self._add, _DNS), self._run.names, self._domain.name
        if self._exists is not True:
            finding = Finding(
                Verdict.WRONG, "there is no such domain", "see how it is spelt, and whether it is delegated"
            )
            if isinstance(self._exists, Problem):
                finding = self._exists.finding
            self._run.report.note(_DNS, name, finding, name)
            return
        add(f"MX of {name}", self._mail_exchangers())
        for host in self._hosts:
            self._hosts[host] = add(host, record_checks.check_host(names, host))
        for one in self._srv:
            if one.startswith("_autodiscover."):
                add(one, record_checks.check_autodiscover(names, name))
            else:
                add(one, record_checks.check_targets(names, one))
        records = [(name, "MX"), *((host, "A") for host in self._hosts), *((one, "SRV") for one in self._srv)]
        add(f"name servers of {name}", self._run.zone_servers.check(name, records))
        add(f"CAA records of {name}", self._caa())

    async def _mail_exchangers(self) -> Finding:
        found = await exchangers(self._run.names, self._domain.name)
        if not found:
            remedy = "publish an MX record if the domain receives mail"
            return Finding(Verdict.WARNING, "it has no MX record", remedy)
        return right(", ".join(one.host for one in found))

    async def _caa(self) -> Finding:
        finding = right("any authority may issue certificates")
        for host, line in self._certificates.items():
            await line.settled()
            if (issuer := self._run.web.issuer(host)) is not None:
                finding = await caa.check(self._run.names, host, issuer)
        return finding

    # The web side

    async def begin_web(self) -> None:
        """Check the hosts and documents that there are."""
        for host in self._hosts:
            self._certificates[host] = self._add(_HTTPS, host, self._certificate(host))
        for one in self._answers:
            host = one.url.partition("://")[2].partition("/")[0]
            if host in self._hosts or _is_told(one):
                subject = one.url + (" (POST)" if one.look_up.how in ("post", "redirect", "srv") else "")
                if one.url.startswith("https:") or _is_told(one):
                    self._add(_HTTPS, subject, self._document(one, host))

    async def _certificate(self, host: str) -> Finding:
        line = self._hosts[host]
        if line:
            await line.must_hold()
        return await self._run.web.certificate(host)

    async def _document(self, answer: _Answer, host: str) -> Finding:
        if host in self._certificates and answer.url.startswith("https:"):
            await self._certificates[host].must_hold()
        if isinstance(answer.reply, Problem):
            raise answer.reply
        reply, remedy = answer.reply, "publish the settings here, or remove the host from the DNS"
        expect_upstream(reply)
        if reply.status == 401:
            raise Problem(
                "it requires a password, so clients prompt their users for one", "remove the password protection"
            )
        if reply.status != 200:
            raise Problem(f"it responds with {reply.status}", remedy)
        if _is_autoconfig(reply):
            try:
                definition.load(Path(answer.url), reply.body)
            except DefinitionError as error:
                first, more = error.errors[0].removeprefix(f"{Path(answer.url)}:"), len(error.errors) - 1
                text = f"line {first}" + (f" (and {more} more)" if more else "")
                raise Problem(text, "correct the file; `bt-autoconfig validate FILE` lists every error") from error
        account = read(answer.client, reply.body, self._domain.address)
        if account is None:
            raise Problem("mail clients cannot use this document", remedy)
        return right(str(account))

    # Services and mail servers

    def begin_services(self) -> None:
        """Check the services and pages that the documents name."""
        for one in self._definitions:
            for place in services.places(one, self._domain.address):
                check = functools.partial(services.check, self._run.internet, place)
                self._run.shared_line(_SERVICES, str(place), check, self._domain.name)

    def begin_mail(self) -> None:
        """Check every mail server that a client would set up."""
        servers: dict[tuple[str, str, int], MailServer] = {}
        for one in self._definitions:
            for server in one.servers:
                host = server.hostname.replace("%EMAILDOMAIN%", self._domain.name)
                if "%" not in host:
                    found = MailServer(server.type, host, server.port, server.socket_type, server.authentication)
                    servers.setdefault((server.type, host, server.port), found)
        for found_by in self._found.values():
            for endpoint in (found_by.account.incoming, found_by.account.outgoing) if found_by else ():
                if endpoint:
                    key = (endpoint.type, endpoint.host, endpoint.port)
                    servers.setdefault(key, MailServer(*key, endpoint.security, ()))
        for mail_server in servers.values():
            if hostname(mail_server.host):
                self._run.mail_line(mail_server, self._domain.name)
            else:
                text = f"{mail_server.host} is not a hostname"
                finding = Finding(Verdict.WRONG, text, "name the server by its hostname")
                self._run.report.note("mail", f"{mail_server.type} server", finding, self._domain.name)

    # As each client sees it

    def begin_clients(self) -> None:
        """Compare what the clients end up with."""
        name = self._domain.name
        if self._exists is not True:
            return
        first = next((client for client in CLIENTS if self._found[client.name]), None)
        nothing: Line | None = None
        if first is None:
            remedy = f"`bt-autoconfig init {name}` finds out its servers; `serve` and `dns` then publish the settings"
            finding = Finding(Verdict.WRONG, "no mail client finds settings for this domain", remedy)
            nothing = self._run.report.note(_CLIENTS, f"settings of {name}", finding, name)
        for client in CLIENTS:
            self._add(_CLIENTS, f"{client.name}, {name}", self._as(client, first, nothing))

    async def _as(self, client: Client, first: Client | None, nothing: Line | None) -> Finding:
        found = self._found[client.name]
        if nothing:
            raise FollowsError(nothing.subject)
        if found is None:
            if client.rare:
                return Finding(
                    Verdict.WARNING,
                    "finds nothing",
                    "publish the records or documents that it uses, if your users have it",
                )
            raise Problem("finds nothing; its users must type in the servers", _MISSING.get(client.name, _AUTOCONFIG))
        reference = first and self._found[first.name]
        text = f"{found.account}, by {found.place}"
        if first is None or reference is None or first is client or _same(client, found.account, reference.account):
            if found.needs_approval:
                remedy = "use https throughout, with a certificate that clients trust"
                return Finding(
                    Verdict.WARNING, f"{text}, but asks for approval, because the settings came over http", remedy
                )
            return right(text)
        other = f"{reference.account}"
        if str(found.account) == other:
            other = f"another username, {_placeholder(reference.account, self._domain)}"
            text = f"{text}, with the username {_placeholder(found.account, self._domain)}"
        raise Problem(f"sets up {text}; {first.name} sets up {other}", "publish the same settings for all clients")


_AUTOCONFIG = "publish autoconfig: `bt-autoconfig serve` and `dns`"
_MISSING = {"Outlook, classic": f"publish Autodiscover ({autodiscover.PATH}): `bt-autoconfig serve` and `dns`"}


def _same(client: Client, account: Account, other: Account) -> bool:
    """Tell whether two accounts are the same; clients that follow SRV records leave the username to their users."""
    if not client.srv:
        return account == other
    pairs = ((account.incoming, other.incoming), (account.outgoing, other.outgoing))
    return all(one is None or two is None or one[:4] == two[:4] for one, two in pairs)


def _placeholder(account: Account, domain: Domain) -> str:
    """Return the form of a username."""
    username = account.incoming.username
    return {str(domain.address): "the whole address", domain.address.local: "the part before @"}.get(
        username, "another"
    )


def _is_autoconfig(reply: Reply) -> bool:
    return reply.status == 200 and b"<clientConfig" in reply.body


def _is_told(answer: _Answer) -> bool:
    """Tell whether clients act upon a response, wherever it comes from: settings, or a request for a password."""
    if isinstance(answer.reply, Problem):
        return False
    if answer.reply.status == 401:
        return True
    return _is_autoconfig(answer.reply) or (answer.reply.status == 200 and b"<Protocol>" in answer.reply.body)


async def _each(coroutines: Any) -> list[Any]:
    return list(await asyncio.gather(*coroutines))
