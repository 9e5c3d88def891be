"""The check of a domain without a definition: whether what it publishes is consistent and works.

The clients are compared with each other. Each should set up an account, all should set up the same one, and its servers
should work.
"""

import functools
from collections.abc import Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any

from autoconfig import definition
from autoconfig.definition import DefinitionError
from autoconfig.operations import caa, record_checks, services
from autoconfig.operations.check_run import Run
from autoconfig.operations.clients import CLIENTS, Client, read
from autoconfig.operations.dns import hostname
from autoconfig.operations.domains import Domain
from autoconfig.operations.expectations import PASSWORD_PROMPT, expect_upstream, status_text
from autoconfig.operations.mail_session import MailServer
from autoconfig.operations.mx import exchangers, missing
from autoconfig.operations.published import LookupResult, Published, find_published
from autoconfig.operations.readers import Account, android
from autoconfig.operations.report import Finding, Line, Problem, SkippedError, Verdict, ok
from autoconfig.protocols import autodiscover

_DNS, _HTTPS, _SERVICES, _MAIL, _CLIENTS = "DNS", "HTTPS", "services", "mail", "clients"


class ForeignCheck:
    """The lines of one domain. Each method starts the checks of one area."""

    def __init__(self, run: Run, domain: Domain) -> None:
        self._run, self._domain = run, domain
        self._published = Published(exists=False)
        self._dns_lines: dict[str, Line] = {}
        self._certificates: dict[str, Line] = {}
        self._documents: dict[tuple[str, str], Line] = {}

    async def prepare(self) -> None:
        """Find out what the domain publishes."""
        self._published = await find_published(self._run, self._domain)

    def _add(self, area: str, subject: str, check: Coroutine[Any, Any, Finding]) -> Line:
        return self._run.report.add(area, subject, check, self._domain.name)

    async def start_dns(self) -> None:
        """Start the checks of the published records."""
        add, names, name = functools.partial(self._add, _DNS), self._run.names, self._domain.name
        published = self._published
        if not published.exists:
            remedy = "check the spelling, and whether the domain is registered and delegated"
            missing = Finding(Verdict.ERROR, "this domain does not exist", remedy)
            self._run.report.note(_DNS, name, published.problem.finding if published.problem else missing, name)
            return
        add(f"MX of {name}", self._mail_exchangers())
        for host in published.hosts:
            self._dns_lines[host] = add(host, record_checks.check_host(names, host))
        for one in published.srv:
            if one.startswith("_autodiscover."):
                self._dns_lines[one] = add(one, record_checks.check_autodiscover(names, name))
            else:
                self._dns_lines[one] = add(one, record_checks.check_targets(names, one))
        questions = [(name, "MX"), *((host, "A") for host in published.hosts), *((one, "SRV") for one in published.srv)]
        add(f"name servers of {name}", self._run.zone_servers.check(name, questions))
        add(f"CAA records of {name}", self._caa())

    async def _mail_exchangers(self) -> Finding:
        found = await exchangers(self._run.names, self._domain.name)
        if not found:
            remedy = "publish the domain's mail servers as MX records if it receives mail"
            return Finding(Verdict.WARNING, await missing(self._run.names, self._domain.name), remedy)
        return ok(", ".join(one.host for one in found))

    async def _caa(self) -> Finding:
        finding = ok("any authority may issue certificates")
        for host, line in self._certificates.items():
            await line.wait()
            if (issuer := self._run.web.issuer(host)) is not None:
                finding = await caa.check(self._run.names, host, issuer)
        return finding

    async def start_web(self) -> None:
        """Start the checks of the client hosts and their documents."""
        for host in self._published.hosts:
            self._certificates[host] = self._add(_HTTPS, host, self._certificate(host))
        results: dict[str, list[LookupResult]] = {}
        for one in self._published.results:
            if one.affects_clients or (one.host in self._published.hosts and one.url.startswith("https:")):
                subject = one.url + (" (POST)" if one.lookup.kind in ("post", "redirect", "srv") else "")
                results.setdefault(subject, []).append(one)
        for subject, found in results.items():
            line = self._add(_HTTPS, subject, self._documents_at(found))
            self._documents.update((one.lookup.key, line) for one in found)

    async def _certificate(self, host: str) -> Finding:
        await self._dns_lines[host].must_pass()
        return await self._run.web.certificate(host)

    async def _documents_at(self, results: Sequence[LookupResult]) -> Finding:
        """Check the responses to all lookups that lead to one URL, such as by name, MX and SRV record."""
        first, *_ = [await self._document(one) for one in results]
        return first

    async def _document(self, result: LookupResult) -> Finding:
        """Check that clients can use a document."""
        if result.host in self._certificates and result.url.startswith("https:"):
            await self._certificates[result.host].must_pass()
        if isinstance(result.response, Problem):
            raise result.response
        response, remedy = result.response, "publish the settings here, or remove the host from the DNS"
        expect_upstream(response)
        if response.status == 401:
            raise Problem(PASSWORD_PROMPT, "remove the password protection")
        if response.status != 200:
            raise Problem(status_text(response), remedy)
        if result.has_autoconfig:
            _validate(result.url, response.body)
        account = read(result.client, response.body, self._domain.address)
        if account is None:
            raise Problem("mail clients cannot use this document", remedy)
        return ok(str(account))

    def start_services(self) -> None:
        """Start the checks of the services and pages in the published autoconfig files."""
        for one in self._published.definitions:
            for resource in services.resources(one, self._domain.address):
                check = functools.partial(services.check, self._run.internet, resource)
                self._run.shared_line(_SERVICES, str(resource), check, self._domain.name)

    def start_mail(self) -> None:
        """Start the checks of every mail server that a client may set up."""
        servers: dict[tuple[str, str, int], MailServer] = {}
        for one in self._mail_servers():
            servers.setdefault((one.type, one.host, one.port), one)
        for server in servers.values():
            if hostname(server.host):
                self._run.mail_line(server, self._domain.name)
            else:
                finding = Finding(Verdict.ERROR, f"{server.host} is not a hostname", "publish the server's hostname")
                self._run.report.note(_MAIL, f"{server.type} server", finding, self._domain.name)

    def _mail_servers(self) -> Iterator[MailServer]:
        for one in self._published.definitions:
            for server in one.servers:
                host = server.hostname.replace("%EMAILDOMAIN%", self._domain.name)
                if "%" not in host:
                    yield MailServer(server.type, host, server.port, server.socket_type, server.authentication)
        for found in self._published.accounts.values():
            for endpoint in (found.account.incoming, found.account.outgoing) if found else ():
                if endpoint:
                    yield MailServer(endpoint.type, endpoint.host, endpoint.port, endpoint.security, ())

    def start_clients(self) -> None:
        """Start the comparison of the accounts that the clients set up."""
        name, accounts = self._domain.name, self._published.accounts
        if not self._published.exists:
            return
        reference = next((client for client in CLIENTS if accounts[client.name]), None)
        nothing: Line | None = None
        if reference is None:
            remedy = f"find its servers with `bt-autoconfig init {name}`; publish the settings with `serve` and `dns`"
            finding = Finding(Verdict.ERROR, "no mail client finds settings for this domain", remedy)
            nothing = self._add(_CLIENTS, f"settings of {name}", self._no_settings(finding))
        for client in CLIENTS:
            self._add(_CLIENTS, f"{client.name}, {name}", self._account(client, reference, nothing))

    async def _no_settings(self, finding: Finding) -> Finding:
        for client in CLIENTS:
            for line in self._lines_of(client):
                await line.must_pass()
        return finding

    def _lines_of(self, client: Client) -> list[Line]:
        """Return the lines of the records, certificates and documents that a client uses."""
        name = self._domain.name
        places = [f"{one}.{name}" for one in client.srv]
        for lookup in client.lookups:
            if "{domain}" in lookup.url:
                places.append(lookup.url.format(domain=name, address="").split("/")[2])
            elif lookup.kind == "srv":
                places.append(f"_autodiscover._tcp.{name}")
        lines = [self._dns_lines.get(one) for one in places] + [self._certificates.get(one) for one in places]
        lines += [self._documents.get(lookup.key) for lookup in client.lookups]
        return list(dict.fromkeys(one for one in lines if one))

    async def _account(self, client: Client, reference: Client | None, nothing: Line | None) -> Finding:
        """Compare the account in a client with that in the reference client."""
        if nothing:
            raise SkippedError(nothing.subject)
        found = self._published.accounts[client.name]
        if found is None:
            for line in self._lines_of(client):
                await line.must_pass()
            if self._reads_published_file(client):
                text = "cannot use the servers in the published autoconfig file"
                servers = (server for one in self._published.definitions for server in one.servers)
                if client.readers["clientConfig"] is android and any(one.socket_type == "plain" for one in servers):
                    text += ": it does not use plain (no TLS)"
                raise Problem(text, f"publish {client.needs}")
            if client.optional:
                remedy = f"publish {', '.join(client.places(self._domain.name))}, if your users have it"
                return Finding(Verdict.WARNING, "finds no settings", remedy)
            remedy = _NO_AUTOCONFIG if "clientConfig" in client.readers else _NO_AUTODISCOVER
            raise Problem("finds no settings, so users must type in the servers", remedy)
        expected = self._published.accounts[reference.name] if reference else None
        if reference is None or expected is None or _same(client, found.account, expected.account):
            if found.needs_approval:
                remedy = "use https throughout, with a certificate that clients trust"
                text = f"{found}, but asks for approval, because the settings came over http"
                return Finding(Verdict.WARNING, text, remedy)
            return ok(str(found))
        text, other = str(found), str(expected.account)
        if str(found.account) == other:
            text += f", with {self._form_of_username(found.account)} as the username"
            other = f"the same servers with {self._form_of_username(expected.account)}"
        raise Problem(f"sets up {text}; {reference.name} sets up {other}", "publish the same settings for all clients")

    def _reads_published_file(self, client: Client) -> bool:
        """Return whether one of a client's lookups leads to a published autoconfig file."""
        if "clientConfig" not in client.readers:
            return False
        lookups = {lookup.key for lookup in client.lookups}
        return any(one.has_autoconfig and one.lookup.key in lookups for one in self._published.results)

    def _form_of_username(self, account: Account) -> str:
        address = self._domain.address
        forms = {str(address): "the whole address", address.local: "the part before the @"}
        return forms.get(account.incoming.username, "another text")


_NO_AUTOCONFIG = "publish autoconfig with `bt-autoconfig serve` and `dns`"
_NO_AUTODISCOVER = f"publish Autodiscover ({autodiscover.PATH}) with `bt-autoconfig serve` and `dns`"


def _validate(url: str, document: bytes) -> None:
    """Check that an autoconfig file is valid. Raises Problem."""
    try:
        definition.load(Path(url), document)
    except DefinitionError as error:
        first, more = error.errors[0].removeprefix(f"{Path(url)}:"), len(error.errors) - 1
        text = f"line {first}" + (f" (and {more} more)" if more else "")
        raise Problem(text, "correct the file; `bt-autoconfig validate FILE` lists every error") from error


def _same(client: Client, account: Account, other: Account) -> bool:
    """Return whether two accounts are the same. Clients that follow SRV records let their users type the username."""
    if not client.srv:
        return account == other
    pairs = ((account.incoming, other.incoming), (account.outgoing, other.outgoing))
    return all(one is None or two is None or one[:4] == two[:4] for one, two in pairs)
