"""The check of a domain that a definition is for: everything that clients depend on must be as the definition says."""

import asyncio
import functools
from collections.abc import Coroutine, Sequence
from typing import Any

from autoconfig.operations import caa, record_checks, services
from autoconfig.operations.check_run import Run
from autoconfig.operations.clients import CLIENTS, Client, read
from autoconfig.operations.dns import pacc_text
from autoconfig.operations.domains import Kind, ServedDomain
from autoconfig.operations.expectations import expect_redirect
from autoconfig.operations.journeys import Found
from autoconfig.operations.mx import exchangers
from autoconfig.operations.names import NoAddressError, srv_target
from autoconfig.operations.report import Finding, FollowsError, Line, Problem, Verdict, right
from autoconfig.operations.web import Question, Reply
from autoconfig.protocols import autoconfig, autodiscover

_BAD = (Verdict.WRONG, Verdict.UNKNOWN)
_DNS, _HTTPS, _SERVICES, _CLIENTS = "DNS", "HTTPS", "services", "clients"


class ServedCheck:
    """The lines of one domain. Each method begins the lines of one area."""

    def __init__(self, run: Run, domain: ServedDomain) -> None:
        self._run, self._domain = run, domain
        self._lines: list[Line] = []
        self._hosts: dict[str, Line] = {}
        self._certificates: dict[str, Line] = {}
        self._prefixes: list[str] = []
        self._mail_lines: list[Line] = []

    async def prepare(self) -> None:
        """Find out which of the domain's hosts are to be checked: of a hosted domain, those that there are."""
        self._prefixes = await self._domain.prefixes()
        if self._domain.kind is Kind.HOSTED and self._run.in_dns:
            there = await asyncio.gather(*(self._is_published(prefix) for prefix in self._prefixes))
            self._prefixes = [prefix for prefix, one in zip(self._prefixes, there, strict=True) if one]
            records = {f"{one.name}.{self._domain.name}" for one in self._domain.records() if one.type == "SRV"}
            await asyncio.gather(self._exchanger_hosts(), *(self._has(name, "SRV") for name in records))

    async def _is_published(self, prefix: str) -> bool:
        try:
            await self._run.names.addresses(f"{prefix}{self._domain.name}")
        except NoAddressError as error:
            return "alias" in str(error)  # one that leads nowhere is a mistake
        except Problem:
            return True
        return True

    def _add(self, area: str, subject: str, check: Coroutine[Any, Any, Finding]) -> Line:
        line = self._run.report.add(area, subject, check, self._domain.name)
        self._lines.append(line)
        return line

    # Names

    async def begin_names(self) -> None:
        """Check the records, and who answers for them."""
        if not self._run.in_dns:
            return
        add, names, domain = functools.partial(self._add, _DNS), self._run.names, self._domain.name
        if self._domain.kind is Kind.HOSTED:
            add(f"MX of {domain}", self._mail_exchangers())
        for prefix in self._prefixes:
            host = f"{prefix}{domain}"
            self._hosts[host] = add(host, record_checks.check_host(names, host))
        name = f"_autodiscover._tcp.{domain}"
        if self._domain.kind is Kind.OWN or await self._has(name, "SRV"):
            self._hosts[name] = add(name, record_checks.check_autodiscover(names, domain))
        for record in self._domain.records():
            name = f"{record.name}.{domain}"
            if record.type != "SRV" or record.name == "_autodiscover._tcp":
                continue
            if self._domain.kind is Kind.OWN or await self._has(name, "SRV"):
                add(name, record_checks.check_srv(names, domain, record))
        document = await self._domain.pacc()
        if document and "ua-auto-config." in self._prefixes:
            name = f"_ua-auto-config.{domain}"
            add(name, record_checks.check_text(names, name, [pacc_text(document)]))
        add(f"name servers of {domain}", self._run.zone_servers.check(domain, self._questions()))
        add(f"CAA records of {domain}", self._caa())

    async def _has(self, name: str, type_: str) -> bool:
        try:
            return bool(await self._run.names.find(name, type_))
        except Problem:
            return True

    def _questions(self) -> list[tuple[str, str]]:
        hosts = [(f"{prefix}{self._domain.name}", type_) for prefix in self._prefixes for type_ in ("A", "AAAA")]
        records = {
            (f"{one.name}.{self._domain.name}", one.type) for one in self._domain.records() if one.name[0] == "_"
        }
        return [(self._domain.name, "MX"), *hosts, *sorted(records)]

    async def _mail_exchangers(self) -> Finding:
        """Clients look for a hosted domain's settings at its mail exchanger's domain."""
        found = await exchangers(self._run.names, self._domain.name)
        if not found:
            raise Problem("it has no MX record", "publish the provider's MX hosts: clients find the settings by them")
        asked = [f"autoconfig.{one}" for one in found[0].domains]
        if not self._is_own(found[0].host):
            remedy = "point the MX record at a host of this provider, or remove the domain from the hosted ones"
            raise Problem(f"mail goes to {found[0].host}, which is not this provider's", remedy)
        return right(f"{found[0].host}: clients look at {', '.join(asked)}")

    def _is_own(self, exchanger: str) -> bool:
        """Tell whether a mail exchanger is within a domain of the provider."""
        domains = {*self._domain.definition.domains, *self._domain.definition.mx_domains}
        return any(exchanger == one or exchanger.endswith(f".{one}") for one in domains)

    async def _caa(self) -> Finding:
        """Every host that has a certificate must get the next one."""
        finding = right("any authority may issue certificates")
        for prefix in self._prefixes:
            host = f"{prefix}{self._domain.name}"
            if host in self._certificates:
                await self._certificates[host].settled()
            if (issuer := self._run.web.issuer(host)) is not None:
                finding = await caa.check(self._run.names, host, issuer)
        return finding

    async def _host_must_hold(self, host: str) -> None:
        if host in self._hosts:
            await self._hosts[host].must_hold()

    # The web side

    async def begin_web(self) -> None:
        """Check certificates and documents."""
        add, domain = functools.partial(self._add, _HTTPS), self._domain
        hosts = {prefix: f"{prefix}{domain.name}" for prefix in self._prefixes}
        for host in hosts.values():
            self._certificates[host] = add(host, self._certificate(host))
        for probe, questions in domain.questions():
            if probe.prefix in hosts and await domain.answers(questions[0]):
                subject = questions[0].url.partition("?")[0] + (f" ({probe.note})" if probe.note else "")
                add(subject, self._documents(hosts[probe.prefix], questions))
        if "autoconfig." in hosts:
            add(f"http://autoconfig.{domain.name}{autoconfig.PATH}", self._over_http())
        if "autodiscover." in hosts:
            add(f"http://autodiscover.{domain.name}{autodiscover.PATH}", self._redirect())
        outlook = Question(domain.url("autodiscover.", autodiscover.PATH), domain.outlook())
        name = f"_autodiscover._tcp.{domain.name}"
        if name in self._hosts and await domain.answers(outlook):
            add(f"{autodiscover.PATH} by {name}", self._by_srv())
        if domain.kind is Kind.HOSTED and self._run.in_dns:
            for host in await self._exchanger_hosts():
                add(f"https://{host}{autoconfig.PATH}", self._by_mx(host))
        add(f"https://{domain.name}", self._web_site())

    async def _exchanger_hosts(self) -> list[str]:
        """Return the hosts of the provider that clients ask by MX, own domains only: others are a stranger's."""
        try:
            found = await exchangers(self._run.names, self._domain.name)
        except Problem:
            return []
        own = self._domain.definition.domains
        return [f"autoconfig.{one}" for one in (found[0].domains if found else ()) if one in own]

    async def _certificate(self, host: str) -> Finding:
        await self._host_must_hold(host)
        return await self._run.web.certificate(host)

    async def _documents(self, host: str, questions: Sequence[Question]) -> Finding:
        """Ask every address of a host."""
        certificate = self._certificates[host]
        await certificate.settled()
        reachable = await self._run.web.reachable(host) if self._partly_unknown(certificate) else []
        if not reachable:
            await certificate.must_hold()
        findings = []
        for address in reachable or await self._run.web.addresses(host):
            for question in questions:
                judge = await self._domain.judge(question)
                findings.append(judge(await self._run.web.ask(question, address=address)))
        worst = next((one for one in findings if one.verdict is not Verdict.RIGHT), findings[-1])
        if reachable and worst.verdict is Verdict.RIGHT:
            raise FollowsError(certificate.subject, f"{worst.text} at {', '.join(reachable)}; not tried elsewhere")
        return worst

    @staticmethod
    def _partly_unknown(line: Line) -> bool:
        return bool(line.finding and line.finding.verdict is Verdict.UNKNOWN)

    async def _over_http(self) -> Finding:
        """Some clients use http only: the document, or a redirect to it."""
        host = f"autoconfig.{self._domain.name}"
        await self._host_must_hold(host)
        judge = await self._domain.judge(Question(self._domain.url("autoconfig.", autoconfig.PATH)))
        reply = await self._run.web.ask(Question(f"http://{host}{autoconfig.PATH}"))
        if not reply.urls[-1].startswith("http:"):
            await self._certificates[host].must_hold()
        return judge(reply)

    async def _redirect(self) -> Finding:
        """Outlook sends a GET over http too, to be redirected to where it can post."""
        host = f"autodiscover.{self._domain.name}"
        await self._host_must_hold(host)
        question = Question(f"http://{host}{autodiscover.PATH}")
        # Hosted domains may have no certificate: their customers are led to the provider's own host.
        wanted = (await self._domain.local.ask(question)).headers.get("location", "")
        reply = await self._run.web.ask(question, follow=False)
        return expect_redirect(reply, {self._domain.url("autodiscover.", autodiscover.PATH), wanted})

    async def _by_srv(self) -> Finding:
        """Outlook's last lookup: the host in the SRV record needs a certificate too, and answers like the others."""
        name = f"_autodiscover._tcp.{self._domain.name}"
        await self._host_must_hold(name)
        host, _ = srv_target((await self._run.names.find(name, "SRV"))[0])
        if host in self._certificates:
            await self._certificates[host].must_hold()
            return right(f"{host}, as above")
        question = Question(f"https://{host}{autodiscover.PATH}", self._domain.outlook())
        return await self._at_host(host, question)

    async def _by_mx(self, host: str) -> Finding:
        """Thunderbird asks at the host of the mail exchanger's domain."""
        query = self._domain.url("", "", self._domain.address).partition("?")[2]
        return await self._at_host(host, Question(f"https://{host}{autoconfig.PATH}?{query}"))

    async def _at_host(self, host: str, question: Question) -> Finding:
        certificate = await self._run.web.certificate(host)
        judge = await self._domain.judge(question)
        found = judge(await self._run.web.ask(question))
        return found if certificate.verdict is Verdict.RIGHT else certificate

    async def _web_site(self) -> Finding:
        """Clients ask at the domain itself too. What is there may know nothing, but must not mislead them."""
        asked = ((autoconfig.WELL_KNOWN_PATH, None), (autodiscover.PATH, self._domain.outlook()))
        answered = [path for path, body in asked if await self._web_site_answers(path, body)]
        return right(f"also serves: {', '.join(answered)}" if answered else "has no settings; clients look elsewhere")

    async def _web_site_answers(self, path: str, body: bytes | None) -> bool:
        """Tell whether the domain itself has the right settings. Raises Problem when it has others."""
        question = Question(self._domain.url("", path), body)
        wanted = await self._domain.local.ask(question)
        try:
            reply = await self._run.web.ask(question)
        except Problem as problem:
            if problem.finding.verdict is Verdict.UNKNOWN:
                raise
            return False
        misleading = reply.status == 200 and reply.body != wanted.body and self._has_settings(reply)
        if reply.status == 401 or misleading:
            said = "has other settings" if misleading else "asks for a password"
            remedy = "let the website respond with 404 there, or pass the request on to this server"
            raise Problem(f"{path} {said}; clients that look there look no further", remedy)
        return reply.body == wanted.body

    def _has_settings(self, reply: Reply) -> bool:
        return any(read(client, reply.body, self._domain.address) for client in CLIENTS)

    # Services and mail servers

    def begin_services(self) -> None:
        """Check the services and pages that the definition names by URL."""
        for place in self._domain.places():
            check = functools.partial(services.check, self._run.internet, place)
            self._run.shared_line(_SERVICES, str(place), check, self._domain.name)

    def begin_mail(self) -> None:
        """Check the mail servers."""
        self._mail_lines = [self._run.mail_line(server, self._domain.name) for server in self._domain.mail_servers()]

    # As each client sees it

    def begin_clients(self) -> None:
        """Check what each client ends up with."""
        before = [*self._lines, *self._mail_lines]
        for client in CLIENTS:
            self._add(_CLIENTS, f"{client.name}, {self._domain.name}", self._as(client, before))

    async def _as(self, client: Client, before: Sequence[Line]) -> Finding:
        """Make a client's journey, and say what it would set up."""
        wanted = await self._domain.accounts(client)
        if not wanted:
            return Finding(Verdict.WARNING, "cannot use any server in the definition")
        found = await self._run.journeys.find(client, self._domain.address)
        if found and found.account in wanted and not found.needs_approval:
            return right(f"{found.account}, by {found.place}")
        for line in before:
            await line.settled()
            if line.finding and line.finding.verdict in _BAD:
                raise FollowsError(line.subject)
        return self._judge(client, found, wanted=bool(found and found.account in wanted))

    def _judge(self, client: Client, found: Found | None, *, wanted: bool) -> Finding:
        if found is None:
            return self._nothing(client)
        if not wanted:
            remedy = "see which server responds there: this client looks there first"
            raise Problem(f"sets up {found.account}, by {found.place}", remedy)
        text = f"{found.account}, by {found.place}, but asks for approval, because the settings came over http"
        return Finding(Verdict.WARNING, text, "use https throughout, with a certificate that clients trust")

    def _nothing(self, client: Client) -> Finding:
        by_mx = any(look_up.by_mx for look_up in client.look_ups)
        if not self._run.in_dns and client.srv and not client.look_ups:
            return right("uses only DNS records, which are not checked")
        if self._domain.kind is Kind.HOSTED and not by_mx:
            remedy = "leave it to the setup page, or publish what `bt-autoconfig dns` prints for this domain"
            return Finding(Verdict.WARNING, "finds nothing: the domain has no record that it follows", remedy)
        raise Problem("finds nothing", "publish the settings on one of the hosts that it looks at")
