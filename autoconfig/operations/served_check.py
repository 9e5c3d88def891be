"""The check of a domain with a definition: everything that clients depend on must match the definition."""

import asyncio
import functools
from collections.abc import Coroutine, Sequence
from typing import Any

from autoconfig.operations import caa, record_checks, services
from autoconfig.operations.check_run import Run
from autoconfig.operations.client_lookups import Found
from autoconfig.operations.clients import CLIENTS, Client
from autoconfig.operations.dns import pacc_text
from autoconfig.operations.domains import Kind, ServedDomain
from autoconfig.operations.mx import exchangers, missing
from autoconfig.operations.names import NoAddressError
from autoconfig.operations.report import Finding, Line, Problem, SkippedError, Verdict, ok
from autoconfig.operations.served_web import ServedWeb, exchanger_hosts

_DNS, _HTTPS, _SERVICES, _CLIENTS = "DNS", "HTTPS", "services", "clients"


class ServedCheck:
    """The lines of one domain. Each method starts the checks of one area."""

    def __init__(self, run: Run, domain: ServedDomain) -> None:
        self._run, self._domain = run, domain
        self._lines: list[Line] = []
        self._hosts: dict[str, str] = {}
        self._dns_lines: dict[str, Line] = {}
        self._mail_lines: list[Line] = []
        self._web = ServedWeb(run, domain, self._hosts, self._dns_lines, functools.partial(self._add, _HTTPS))

    async def prepare(self) -> None:
        """Find the client hosts to check: of a hosted domain, only those that exist."""
        prefixes = await self._domain.prefixes()
        if self._domain.kind is Kind.HOSTED and self._run.in_dns:
            exist = await asyncio.gather(*(self._is_published(prefix) for prefix in prefixes))
            prefixes = [prefix for prefix, exists in zip(prefixes, exist, strict=True) if exists]
            # The lookups are cached: later they cost no time.
            records = {f"{one.name}.{self._domain.name}" for one in self._domain.records() if one.type == "SRV"}
            await asyncio.gather(
                exchanger_hosts(self._run.names, self._domain), *(self._has(name, "SRV") for name in records)
            )
        self._hosts.update((prefix, f"{prefix}{self._domain.name}") for prefix in prefixes)

    async def _is_published(self, prefix: str) -> bool:
        try:
            await self._run.names.addresses(f"{prefix}{self._domain.name}")
        except NoAddressError:
            return False
        except Problem:  # to report, such as a dangling alias
            return True
        return True

    def _add(self, area: str, subject: str, check: Coroutine[Any, Any, Finding]) -> Line:
        line = self._run.report.add(area, subject, check, self._domain.name)
        self._lines.append(line)
        return line

    async def start_dns(self) -> None:
        """Start the checks of records and name servers."""
        if not self._run.in_dns:
            return
        add, names, domain = functools.partial(self._add, _DNS), self._run.names, self._domain.name
        if self._domain.kind is Kind.HOSTED:
            add(f"MX of {domain}", self._mail_exchangers())
        for host in self._hosts.values():
            self._dns_lines[host] = add(host, record_checks.check_host(names, host))
        name = f"_autodiscover._tcp.{domain}"
        if self._domain.kind is Kind.OWN or await self._has(name, "SRV"):
            self._dns_lines[name] = add(name, record_checks.check_autodiscover(names, domain))
        for record in self._domain.records():
            name = f"{record.name}.{domain}"
            if record.type != "SRV" or record.name == "_autodiscover._tcp":
                continue
            if self._domain.kind is Kind.OWN or await self._has(name, "SRV"):
                add(name, record_checks.check_srv(names, domain, record))
        document = await self._domain.pacc()
        if document and "ua-auto-config." in self._hosts:
            name = f"_ua-auto-config.{domain}"
            add(name, record_checks.check_text(names, name, [pacc_text(document)]))
        add(f"name servers of {domain}", self._run.zone_servers.check(domain, self._zone_questions()))
        add(f"CAA records of {domain}", self._caa())

    async def _has(self, name: str, type_: str) -> bool:
        try:
            return bool(await self._run.names.find(name, type_))
        except Problem:
            return True

    def _zone_questions(self) -> list[tuple[str, str]]:
        hosts = [(host, type_) for host in self._hosts.values() for type_ in ("A", "AAAA")]
        records = {
            (f"{one.name}.{self._domain.name}", one.type) for one in self._domain.records() if one.name[0] == "_"
        }
        return [(self._domain.name, "MX"), *hosts, *sorted(records)]

    async def _mail_exchangers(self) -> Finding:
        """Check that a hosted domain's MX is the provider's: clients derive the settings' host from it."""
        found = await exchangers(self._run.names, self._domain.name)
        if not found:
            remedy = "publish the provider's MX hosts: clients find the settings by them"
            raise Problem(await missing(self._run.names, self._domain.name), remedy)
        if not self._is_own(found[0].host):
            remedy = "point the MX record to a host of this provider, or remove the domain from its hosted domains"
            raise Problem(f"mail goes to {found[0].host}, which is not this provider's", remedy)
        hosts = ", ".join(f"autoconfig.{one}" for one in found[0].domains)
        return ok(f"{found[0].host}: clients look at {hosts}")

    def _is_own(self, exchanger: str) -> bool:
        """Return whether a mail exchanger is in one of the provider's domains."""
        domains = {*self._domain.definition.domains, *self._domain.definition.mx_domains}
        return any(exchanger == one or exchanger.endswith(f".{one}") for one in domains)

    async def _caa(self) -> Finding:
        """Check that the certificate of every host can be renewed."""
        finding = ok("any authority may issue certificates")
        for host in self._hosts.values():
            if (issuer := await self._web.issuer(host)) is not None:
                finding = await caa.check(self._run.names, host, issuer)
        return finding

    async def start_web(self) -> None:
        """Start the checks of certificates and documents."""
        await self._web.start()

    def start_services(self) -> None:
        """Start the checks of the services and pages in the definition."""
        for resource in self._domain.resources():
            check = functools.partial(services.check, self._run.internet, resource)
            self._run.shared_line(_SERVICES, str(resource), check, self._domain.name)

    def start_mail(self) -> None:
        """Start the checks of the mail servers."""
        self._mail_lines = [self._run.mail_line(server, self._domain.name) for server in self._domain.mail_servers()]

    def start_clients(self) -> None:
        """Start the checks of the account in each client."""
        before = [*self._lines, *self._mail_lines]
        for client in CLIENTS:
            self._add(_CLIENTS, f"{client.name}, {self._domain.name}", self._account(client, before))

    async def _account(self, client: Client, before: Sequence[Line]) -> Finding:
        """Make a client's lookups, and compare the account with the definition."""
        expected = await self._domain.accounts(client)
        if not expected:
            return Finding(Verdict.WARNING, "cannot use any server in the definition", f"publish {client.needs}")
        found = await self._run.client_lookups.find(client, self._domain.address)
        if found and found.account in expected and not found.needs_approval:
            return ok(str(found))
        for line in before:
            await line.wait()
            if line.finding and line.finding.verdict in (Verdict.ERROR, Verdict.UNKNOWN):
                raise SkippedError(line.subject)
        if found is None:
            return self._nothing_found(client)
        return _judge(found, expected=found.account in expected)

    def _nothing_found(self, client: Client) -> Finding:
        by_mx = any(lookup.by_mx for lookup in client.lookups)
        if not self._run.in_dns and client.srv and not client.lookups:
            return Finding(Verdict.SKIPPED, "uses only DNS records, which are not checked")
        if self._domain.kind is Kind.HOSTED and not by_mx:
            remedy = "refer these users to the setup page, or publish the records that `bt-autoconfig dns` prints"
            return Finding(Verdict.WARNING, "finds no settings: the domain has no record that it uses", remedy)
        raise Problem("finds no settings", "publish the settings on one of the hosts where it looks")


def _judge(found: Found, *, expected: bool) -> Finding:
    if not expected:
        raise Problem(f"sets up {found}", "see which server responds there: this client looks there first")
    text = f"{found}, but asks for approval, because the settings came over http"
    return Finding(Verdict.WARNING, text, "use https throughout, with a certificate that clients trust")
