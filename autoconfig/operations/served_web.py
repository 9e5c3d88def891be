"""The HTTPS checks of a domain with a definition: certificates and documents on each of its hosts."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from autoconfig.operations.check_run import Run
from autoconfig.operations.clients import CLIENTS, read
from autoconfig.operations.domains import Kind, ServedDomain
from autoconfig.operations.expectations import expect_redirect
from autoconfig.operations.http import Request, Response
from autoconfig.operations.mx import exchangers
from autoconfig.operations.names import Names, srv_target
from autoconfig.operations.report import Finding, Line, Problem, SkippedError, Verdict, ok
from autoconfig.operations.web import redirected
from autoconfig.protocols import autoconfig, autodiscover

Add = Callable[[str, Coroutine[Any, Any, Finding]], Line]


class ServedWeb:
    """The HTTPS lines of one domain.

    `hosts` are the client hosts to check by prefix, `dns_lines` the lines of their records by name. `add` starts a
    check and returns its line.
    """

    def __init__(
        self, run: Run, domain: ServedDomain, hosts: Mapping[str, str], dns_lines: Mapping[str, Line], add: Add
    ) -> None:
        self._run, self._domain, self._hosts, self._dns_lines, self._add = run, domain, hosts, dns_lines, add
        self._certificates: dict[str, Line] = {}

    async def start(self) -> None:
        """Start the checks of certificates and documents."""
        add, domain = self._add, self._domain
        for host in self._hosts.values():
            self._certificates[host] = add(host, self._certificate(host))
        for probe, requests in domain.probes():
            if probe.prefix in self._hosts and await domain.has_document(requests[0]):
                subject = requests[0].url.partition("?")[0] + (f" ({probe.note})" if probe.note else "")
                add(subject, self._documents(self._hosts[probe.prefix], requests))
        if "autoconfig." in self._hosts:
            add(f"http://autoconfig.{domain.name}{autoconfig.PATH}", self._over_http())
        if "autodiscover." in self._hosts:
            add(f"http://autodiscover.{domain.name}{autodiscover.PATH}", self._redirect())
        outlook = Request(domain.url("autodiscover.", autodiscover.PATH), domain.outlook_body())
        name = f"_autodiscover._tcp.{domain.name}"
        if name in self._dns_lines and await domain.has_document(outlook):
            add(f"{autodiscover.PATH} by {name}", self._by_srv())
        if domain.kind is Kind.HOSTED and self._run.in_dns:
            for host in await exchanger_hosts(self._run.names, domain):
                add(f"https://{host}{autoconfig.PATH}", self._by_mx(host))
        add(f"https://{domain.name}", self._website())

    async def issuer(self, host: str) -> str | None:
        """Return the organisation that issued a host's certificate, or None if its certificate was not read."""
        await self._certificates[host].wait()
        return self._run.web.issuer(host)

    async def _host_must_pass(self, host: str) -> None:
        if host in self._dns_lines:
            await self._dns_lines[host].must_pass()

    async def _certificate(self, host: str) -> Finding:
        await self._host_must_pass(host)
        return await self._run.web.certificate(host)

    async def _documents(self, host: str, requests: Sequence[Request]) -> Finding:
        """Send the requests to each address of a host, or to the addresses that have a route."""
        certificate = self._certificates[host]
        await certificate.wait()
        partly_unknown = certificate.finding and certificate.finding.verdict is Verdict.UNKNOWN
        reachable = await self._run.web.reachable(host) if partly_unknown else []
        if not reachable:
            await certificate.must_pass()
        findings = []
        for address in reachable or await self._run.web.addresses(host):
            for request in requests:
                compare = await self._domain.comparison(request)
                findings.append(compare(await self._run.web.fetch(request, address=address)))
        worst = next((one for one in findings if one.verdict is not Verdict.OK), findings[-1])
        if reachable and worst.verdict is Verdict.OK:
            raise SkippedError(certificate.subject, f"{worst.text} at {', '.join(reachable)}; other addresses skipped")
        return worst

    async def _over_http(self) -> Finding:
        """Check the autoconfig file over http, which some clients use: the file, or a redirect to it."""
        host = f"autoconfig.{self._domain.name}"
        await self._host_must_pass(host)
        compare = await self._domain.comparison(Request(self._domain.url("autoconfig.", autoconfig.PATH)))
        request = Request(f"http://{host}{autoconfig.PATH}")
        response = await self._run.web.fetch(request, follow=False)
        if "location" in response.headers:
            if redirected(request.url, response.headers["location"]).startswith(f"https://{host}/"):
                await self._certificates[host].must_pass()
            response = await self._run.web.fetch(request)
        return compare(response)

    async def _redirect(self) -> Finding:
        """Check the redirect that Outlook expects from a GET over http."""
        host = f"autodiscover.{self._domain.name}"
        await self._host_must_pass(host)
        request = Request(f"http://{host}{autodiscover.PATH}")
        # A hosted domain may have no certificate: its clients are redirected to the provider's own host.
        expected = (await self._domain.local.fetch(request)).headers.get("location", "")
        response = await self._run.web.fetch(request, follow=False)
        return expect_redirect(response, {self._domain.url("autodiscover.", autodiscover.PATH), expected})

    async def _by_srv(self) -> Finding:
        """Check Outlook's last lookup: the host in the SRV record needs a certificate and the same document."""
        name = f"_autodiscover._tcp.{self._domain.name}"
        await self._host_must_pass(name)
        host, _ = srv_target((await self._run.names.find(name, "SRV"))[0])
        if host in self._certificates:
            await self._certificates[host].must_pass()
            return ok(f"{host}, as above")
        request = Request(f"https://{host}{autodiscover.PATH}", self._domain.outlook_body())
        return await self._at_host(host, request)

    async def _by_mx(self, host: str) -> Finding:
        """Check Thunderbird's lookup at a host of the mail exchanger's domain."""
        query = self._domain.url("", "", self._domain.address).partition("?")[2]
        return await self._at_host(host, Request(f"https://{host}{autoconfig.PATH}?{query}"))

    async def _at_host(self, host: str, request: Request) -> Finding:
        certificate = await self._run.web.certificate(host)
        compare = await self._domain.comparison(request)
        found = compare(await self._run.web.fetch(request))
        return certificate if certificate.verdict is Verdict.WARNING else found

    async def _website(self) -> Finding:
        """Check the domain's own website, where clients look too. It may have no settings, but not wrong ones."""
        lookups = ((autoconfig.WELL_KNOWN_PATH, None), (autodiscover.PATH, self._domain.outlook_body()))
        served = [path for path, body in lookups if await self._website_serves(path, body)]
        return ok(f"serves {', '.join(served)}" if served else "has no settings; clients look elsewhere")

    async def _website_serves(self, path: str, body: bytes | None) -> bool:
        """Return whether the domain's website has the expected settings. Raises Problem if it has others."""
        request = Request(self._domain.url("", path), body)
        expected = await self._domain.local.fetch(request)
        try:
            response = await self._run.web.fetch(request)
        except Problem as problem:
            if problem.finding.verdict is Verdict.UNKNOWN:
                raise
            return False
        has_others = response.status == 200 and response.body != expected.body and self._has_settings(response)
        if response.status == 401 or has_others:
            text = "has other settings" if has_others else "requires a password"
            remedy = "let the website respond with 404 there, or pass the request on to this server"
            raise Problem(f"{path} {text}; clients that look there do not look further", remedy)
        return response.body == expected.body

    def _has_settings(self, response: Response) -> bool:
        return any(read(client, response.body, self._domain.address) for client in CLIENTS)


async def exchanger_hosts(names: Names, domain: ServedDomain) -> list[str]:
    """Return the hosts where clients look for a domain's settings by MX, only those in the provider's own domains."""
    try:
        found = await exchangers(names, domain.name)
    except Problem:
        return []
    own = domain.definition.domains
    return [f"autoconfig.{one}" for one in (found[0].domains if found else ()) if one in own]
