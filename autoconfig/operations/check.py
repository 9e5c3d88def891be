"""`bt-autoconfig check`: whether all that clients depend on is true, tried from outside as they try it."""

import functools
from collections.abc import Coroutine, Sequence
from typing import Any
from urllib.parse import quote

from autoconfig.address import MailAddress
from autoconfig.definition import Definition
from autoconfig.directory import CLIENT_HOSTS
from autoconfig.operations import mail, names, tls
from autoconfig.operations.attempts import Attempts
from autoconfig.operations.clients import CLIENTS, Account, Client, LookUp, read
from autoconfig.operations.dns import Publication, hostname, pacc_text
from autoconfig.operations.local import Local
from autoconfig.operations.mail import MailServer
from autoconfig.operations.names import Names, mail_exchanger, srv_target
from autoconfig.operations.report import Finding, FollowsError, Line, Problem, Report, Verdict, at_each, right
from autoconfig.operations.web import LONGEST_QUOTE, Question, Reply, Web, expect, redirected
from autoconfig.protocols import PROTOCOLS, autoconfig, autodiscover, pacc
from autoconfig.protocols.description import Probe
from autoconfig.visible import visible

_SOMEBODY, _ANOTHER = "bt-autoconfig-check", "bt-autoconfig-check-2"
"""Local parts of the addresses that are asked for: they are nobody's, and settings are the same for all."""
_AUTOCONFIG, _WELL_KNOWN = autoconfig.PATH, autoconfig.WELL_KNOWN_PATH


class Domain:
    """A domain to check, and what this program would answer for it."""

    def __init__(self, definition: Definition, name: str, local: Local) -> None:
        self.definition, self.name, self.local = definition, name, local
        self.somebody = MailAddress(_SOMEBODY, name)
        self.another = MailAddress(_ANOTHER, name)

    def url(self, prefix: str, path: str, address: MailAddress | None = None) -> str:
        """Return the URL of a path on one of the domain's hosts, asked for an address."""
        return f"https://{prefix}{self.name}{path}{f'?emailaddress={quote(str(address))}' if address else ''}"

    def outlook(self) -> bytes:
        """Return what Outlook posts."""
        return autodiscover.request_for(self.somebody)

    def questions(self) -> list[tuple[Probe, list[Question]]]:
        """Return what is asked of each host."""
        return [
            (probe, [Question(self.url(probe.prefix, ask.path), ask.body) for ask in probe.asks])
            for protocol in PROTOCOLS
            if protocol.probes
            for probe in protocol.probes(self.somebody, self.another)
        ]

    async def pacc(self) -> bytes:
        """Return the PACC document, empty when there is none."""
        reply = await self.local.ask(Question(self.url("ua-auto-config.", pacc.PATH)))
        return reply.body if reply.status == 200 else b""

    def mail_servers(self) -> list[MailServer]:
        """Return its mail servers, but those whose names depend on the address."""
        return [
            MailServer(server.type, host, server.port, server.socket_type, server.authentication)
            for server in self.definition.servers
            if "%" not in (host := server.hostname.replace("%EMAILDOMAIN%", self.name))
        ]


class Check:
    """A check of some domains: their names, their web side, the mail servers, and what each client ends up with.

    With `in_dns` false the server is asked where `web` is told to, and the DNS is left out of it. The report is that of
    what could be checked in `max_time` seconds.
    """

    def __init__(
        self, web: Web, resolver: Names, attempts: Attempts, *, in_dns: bool = True, max_time: float | None = None
    ) -> None:
        self.report = Report(max_time)
        self._web, self._names = web, resolver
        self._attempts, self._in_dns = attempts, in_dns
        self._tls = tls.context()
        self._lines: dict[str, list[Line]] = {}
        self._hosts: dict[str, Line] = {}
        self._certificates: dict[str, Line] = {}
        self._mail_servers: set[MailServer] = set()

    async def begin(self, domains: Sequence[Domain]) -> None:
        """Begin all lines, in the order in which they are to be read."""
        if self._in_dns:
            for domain in domains:
                await self._check_names(domain)
        for domain in domains:
            await self._check_web(domain)
        for domain in domains:
            for server in domain.mail_servers():
                if server not in self._mail_servers:
                    self._mail_servers.add(server)
                    self.report.add("mail", str(server), self._mail_server(server))
        mail_lines = [line for line in self.report.lines if line.area == "mail"]
        for domain in domains:
            before = [*self._lines[domain.name], *mail_lines]
            for client in CLIENTS:
                self.report.add("clients", f"{client.name}, {domain.name}", self._as(client, domain, before))

    def _add(self, area: str, domain: Domain, subject: str, check: Coroutine[Any, Any, Finding]) -> Line:
        line = self.report.add(area, subject, check)
        self._lines.setdefault(domain.name, []).append(line)
        return line

    # Names

    async def _check_names(self, domain: Domain) -> None:
        add = functools.partial(self._add, "DNS", domain)
        document = await domain.pacc()
        for prefix in _hosts(document):
            host = f"{prefix}{domain.name}"
            self._hosts[host] = add(host, names.check_host(self._names, host))
        name = f"_autodiscover._tcp.{domain.name}"
        self._hosts[name] = add(name, names.check_autodiscover(self._names, domain.name))
        for record in Publication(domain.definition, "host.invalid").records(domain.name):
            if record.type == "SRV" and record.name != "_autodiscover._tcp":
                add(f"{record.name}.{domain.name}", names.check_srv(self._names, domain.name, record))
        if document:
            name = f"_ua-auto-config.{domain.name}"
            add(name, names.check_text(self._names, name, [pacc_text(document)]))

    async def _host_must_hold(self, host: str) -> None:
        if host in self._hosts:
            await self._hosts[host].must_hold()

    # The web side

    async def _check_web(self, domain: Domain) -> None:
        add = functools.partial(self._add, "HTTPS", domain)
        for prefix in _hosts(await domain.pacc()):
            host = f"{prefix}{domain.name}"
            self._certificates[prefix + domain.name] = add(host, self._certificate(host))
        for probe, questions in domain.questions():
            if _is_document(await domain.local.ask(questions[0])):
                subject = questions[0].url.partition("?")[0] + (f" ({probe.note})" if probe.note else "")
                add(subject, self._documents(domain, probe.prefix + domain.name, questions))
        add(f"http://autoconfig.{domain.name}{_AUTOCONFIG}", self._over_http(domain))
        add(f"http://autodiscover.{domain.name}{autodiscover.PATH}", self._redirect(domain))
        outlook = Question(domain.url("autodiscover.", autodiscover.PATH), domain.outlook())
        if self._in_dns and _is_document(await domain.local.ask(outlook)):
            add(f"{autodiscover.PATH} by _autodiscover._tcp.{domain.name}", self._by_srv(domain))
        add(f"https://{domain.name}", self._web_site(domain))

    async def _certificate(self, host: str) -> Finding:
        await self._host_must_hold(host)
        return await self._web.certificate(host)

    async def _documents(self, domain: Domain, host: str, questions: Sequence[Question]) -> Finding:
        await self._certificates[host].must_hold()
        for question in questions:
            finding = expect(await self._web.ask(question), await domain.local.ask(question))
        return finding

    async def _over_http(self, domain: Domain) -> Finding:
        """Some clients ask without TLS only: the document, or a redirect to it."""
        host = f"autoconfig.{domain.name}"
        await self._host_must_hold(host)
        question = Question(f"http://{host}{_AUTOCONFIG}")
        if not (await self._web.ask(question)).urls[-1].startswith("http:"):
            await self._certificates[host].must_hold()
        wanted = await domain.local.ask(Question(domain.url("autoconfig.", _AUTOCONFIG)))
        return expect(await self._web.ask(question), wanted)

    async def _redirect(self, domain: Domain) -> Finding:
        """Outlook asks without TLS too, for a redirect to where it can post (302; it takes 301)."""
        host = f"autodiscover.{domain.name}"
        await self._host_must_hold(host)
        reply = await self._web.ask(Question(f"http://{host}{autodiscover.PATH}"), follow=False)
        location = visible(reply.headers.get("location", ""), LONGEST_QUOTE)
        if reply.status in (301, 302) and location == domain.url("autodiscover.", autodiscover.PATH):
            return right(f"redirects to {location}")
        remedy = "answer http on this host with a redirect to the same URL over https, from this server or another"
        raise Problem(f"it answers {reply.status} {location}".rstrip(), remedy)

    async def _by_srv(self, domain: Domain) -> Finding:
        """Outlook's last look-up: the host in the SRV record needs a certificate too, and answers like the others."""
        name = f"_autodiscover._tcp.{domain.name}"
        await self._host_must_hold(name)
        host, _ = srv_target((await self._names.find(name, "SRV"))[0])
        if host in self._certificates:
            await self._certificates[host].must_hold()
            return right(f"{host}, as above")
        question = Question(f"https://{host}{autodiscover.PATH}", domain.outlook())
        finding = await self._web.certificate(host)
        found = expect(await self._web.ask(question), await domain.local.ask(question))
        return found if finding.verdict is Verdict.RIGHT else finding

    async def _web_site(self, domain: Domain) -> Finding:
        """Clients ask at the domain itself too. What is there may know nothing, but must not mislead them."""
        asked = ((_WELL_KNOWN, None), (autodiscover.PATH, domain.outlook()))
        answered = [path for path, body in asked if await self._web_site_answers(domain, path, body)]
        return right(f"answers too: {', '.join(answered)}" if answered else "has no settings; clients ask elsewhere")

    async def _web_site_answers(self, domain: Domain, path: str, body: bytes | None) -> bool:
        """Tell whether the domain itself has the right settings. Raises Problem when it has others."""
        question = Question(domain.url("", path), body)
        wanted = await domain.local.ask(question)
        try:
            reply = await self._web.ask(question)
        except Problem as problem:
            if problem.finding.verdict is Verdict.UNKNOWN:
                raise
            return False
        misleading = reply.status == 200 and reply.body != wanted.body and _has_settings(reply, domain)
        if reply.status == 401 or misleading:
            said = "has other settings" if misleading else "asks for a password"
            remedy = "let the web site answer 404 there, or pass the request on to this server"
            raise Problem(f"{path} {said}; clients that ask there stop there", remedy)
        return reply.body == wanted.body

    # The mail servers

    async def _mail_server(self, server: MailServer) -> Finding:
        found = await at_each(
            await self._names.addresses(server.host),
            lambda address: mail.check(server, address, self._tls, self._attempts),
        )
        return next((one for one in found if one.verdict is not Verdict.RIGHT), found[0])

    # As each client sees it

    async def _as(self, client: Client, domain: Domain, before: Sequence[Line]) -> Finding:
        """Go a client's way, and tell what it would set up."""
        wanted = await self._accounts(client, domain)
        if not wanted:
            return Finding(Verdict.WARNING, "can use nothing of what the definition says")
        problem = Problem("finds nothing", "see that one of the hosts that it asks answers it")
        for look_up in client.look_ups:
            if found := await self._found(look_up, client, domain):
                account, place = found
                if account in wanted:
                    return right(f"{account}, by {place}")
                problem = Problem(f"sets up {account}, by {place}", "see what answers there: this client asks it first")
                break
        for line in before:
            await line.settled()
            if line.finding and line.finding.verdict in (Verdict.WRONG, Verdict.UNKNOWN):
                raise FollowsError(line.subject)
        raise problem

    async def _found(self, look_up: LookUp, client: Client, domain: Domain) -> tuple[Account, str] | None:
        """Return the account that a client finds by a look-up, and where."""
        try:
            url, reply = await self._look_up(look_up, domain)
        except (Problem, _NothingThereError):
            return None
        if reply.status != 200 or (client.trusted_only and reply.touched_http):
            return None
        account = read(client, reply.body, domain.somebody)
        return (account, url.partition("?")[0]) if account else None

    async def _accounts(self, client: Client, domain: Domain) -> set[Account]:
        """Return what a client may end up with: what it makes of this program's answers."""
        accounts = set()
        for look_up in client.look_ups:
            if look_up.how in ("get", "post", "pacc") and "{mx}" not in look_up.url:
                url = look_up.url.format(domain=domain.name, address=quote(str(domain.somebody)))
                reply = await domain.local.ask(Question(url, domain.outlook() if look_up.how == "post" else None))
                if reply.status == 200 and (account := read(client, reply.body, domain.somebody)):
                    accounts.add(account)
        return accounts

    async def _look_up(self, look_up: LookUp, domain: Domain) -> tuple[str, Reply]:
        values = {"domain": domain.name, "address": quote(str(domain.somebody)), "mx": "", "srv": ""}
        if "{mx}" in look_up.url:
            values["mx"] = await self._exchangers_domain(domain)
        elif "{srv}" in look_up.url:
            found = await self._names.find(f"_autodiscover._tcp.{domain.name}", "SRV")
            host, port = srv_target(found[0]) if found else ("", 0)
            if not hostname(host) or port != 443:
                raise _NothingThereError
            values["srv"] = host
        url = look_up.url.format_map(values)
        if look_up.how == "redirect":
            reply = await self._web.ask(Question(url), follow=False)
            url = redirected(url, reply.headers.get("location", ""))
            if reply.status not in (301, 302) or not url.startswith("https:"):
                raise _NothingThereError
        reply = await self._web.ask(Question(url, domain.outlook() if look_up.how not in ("get", "pacc") else None))
        if look_up.how == "pacc" and self._in_dns:
            await names.check_text(self._names, f"_ua-auto-config.{domain.name}", [pacc_text(reply.body)])
        return url, reply

    async def _exchangers_domain(self, domain: Domain) -> str:
        """Return the domain of the preferred mail exchanger: its name without the first label."""
        found = mail_exchanger(await self._names.find(domain.name, "MX")).partition(".")[2]
        if "." not in found:
            raise _NothingThereError
        return found


class _NothingThereError(Exception):
    """A look-up that leads nowhere."""


def _hosts(pacc_document: bytes) -> list[str]:
    """Return the prefixes of the hosts that must be there: PACC's only when there is something to say in it."""
    return [prefix for prefix in CLIENT_HOSTS if prefix and (pacc_document or prefix != "ua-auto-config.")]


def _is_document(reply: Reply) -> bool:
    """Tell whether an answer of this program is a document, and no refusal: Autodiscover's have status 200 as well."""
    return reply.status == 200 and b"<ErrorCode>" not in reply.body


def _has_settings(reply: Reply, domain: Domain) -> bool:
    return any(read(client, reply.body, domain.somebody) for client in CLIENTS)
