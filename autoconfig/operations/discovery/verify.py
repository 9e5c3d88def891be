"""Verifies claims: connects to every server with TLS for its name, and requests every service without a password."""

import asyncio
import json
import re
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cryptography import x509

from autoconfig.address import MailAddress
from autoconfig.operations import mail
from autoconfig.operations.attempts import Attempts
from autoconfig.operations.discovery.claims import Claim, Ports, ServiceClaim, Source, filled, host_of, url_of
from autoconfig.operations.http import Request, Response
from autoconfig.operations.mail import ProbeResult
from autoconfig.operations.mail_session import MailServer
from autoconfig.operations.names import Names
from autoconfig.operations.report import Finding, Problem, attempted, result_of
from autoconfig.operations.tls import connected, unverified_context
from autoconfig.operations.web import Web

_MAX_ADDRESSES = 4
"""Maximum number of addresses to try for a host."""
_MAX_CERTIFICATES, _MAX_NAMES = 6, 4
"""Maximum number of certificates to read, and of hosts to try from each."""
_PROPFIND = b'<?xml version="1.0"?><propfind xmlns="DAV:"><prop><current-user-principal/></prop></propfind>'
"""RFC 6764, section 6."""
_CHALLENGE = re.compile(r"(?:^|,)\s*(Basic|Digest|Bearer|Negotiate|NTLM)\b(?!\s*=)", re.IGNORECASE)
_HTTP_METHODS = {"basic": "Basic", "digest": "Digest", "bearer": "OAuth2", "negotiate": "GSSAPI", "ntlm": "NTLM"}
_NOWHERE = "/.well-known/bt-autoconfig-nothing-is-here"


@dataclass(frozen=True)
class Verified:
    """A mail server that works. `evidence` says how it was verified; `problems` are addresses that do not work."""

    type: str
    host: str
    port: int
    socket_type: str
    offered: tuple[str, ...]
    evidence: str
    problems: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.type} {self.host}:{self.port} {self.socket_type}"


@dataclass(frozen=True)
class VerifiedService:
    """A service that responds as it should."""

    type: str
    url: str
    methods: tuple[str, ...]
    evidence: str


class Verifier:
    """Connects to servers and requests services, each once. Calls `done` after each server."""

    def __init__(
        self, names: Names, web: Web, attempts: Attempts, tls: ssl.SSLContext, ports: Ports, done: Callable[[], None]
    ) -> None:
        self._names, self._web, self._attempts, self._tls, self._ports = names, web, attempts, tls, ports
        self._done = done
        self._tasks: dict[tuple[str, str, int, str], asyncio.Task[Verified | Finding]] = {}

    @property
    def attempts(self) -> int:
        """The number of servers tried so far."""
        return len(self._tasks)

    def failures(self) -> list[str]:
        """Return one line for each server that did not work or was not verified in time."""
        failed = [(place, text) for place, task in self._tasks.items() if (text := problem(task))]
        return [f"{type_} {host}:{port}: {text}" for (type_, host, port, _), text in failed]

    async def named_in_certificates(self) -> Source:
        """Return the hosts in certificates that do not name the host that was tried, as on shared hosting.

        The hosts are claims, to be verified like any other. Only servers with implicit TLS are used.
        """
        others = [
            (type_, host, port)
            for (type_, host, port, socket_type), task in self._tasks.items()
            if socket_type == "SSL" and "the certificate is not for" in problem(task)
        ][:_MAX_CERTIFICATES]
        found = await asyncio.gather(*(attempted(self._named, host, port) for _, host, port in others))
        claims = (
            Claim(type_, name, port, "SSL")
            for (type_, _, port), names in zip(others, found, strict=True)
            if not isinstance(names, Finding)
            for name in names
        )
        return Source("Named in the certificate of a host tried before", tuple(dict.fromkeys(claims)), guess=True)

    async def _named(self, host: str, port: int) -> list[str]:
        address = (await self._names.addresses(host))[0]
        unverified = unverified_context()  # only to read the names
        async with self._attempts.one(address, ""), connected(host, address, port, unverified) as (_, writer):
            content = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return hosts_of(content)[:_MAX_NAMES]

    def begin(self, claim: Claim) -> list[asyncio.Task[Verified | Finding]]:
        """Start to verify a host on the claimed port, then on the standard ports; return the tasks in that order."""
        places = [(claim.port, claim.socket_type)] if claim.port and claim.socket_type in ("SSL", "STARTTLS") else []
        places += [one for one in self._ports.of(claim.type) if one not in places]
        return [self._begin(claim.type, claim.host, port, socket_type) for port, socket_type in places]

    def _begin(self, type_: str, host: str, port: int, socket_type: str) -> asyncio.Task[Verified | Finding]:
        key = (type_, host, port, socket_type)
        if key not in self._tasks:
            server = MailServer(type_, host, port, socket_type, ())
            self._tasks[key] = asyncio.create_task(attempted(self._probe, server))
            self._tasks[key].add_done_callback(lambda _: self._done())
        return self._tasks[key]

    async def _probe(self, server: MailServer) -> Verified:
        addresses = (await self._names.addresses(server.host))[:_MAX_ADDRESSES]
        found = await asyncio.gather(*(attempted(self._probe_at, server, address) for address in addresses))
        good = [(address, one) for address, one in zip(addresses, found, strict=True) if isinstance(one, ProbeResult)]
        if not good:
            result_of(found[0])
        problems = tuple(one.text for one in found if isinstance(one, Finding))
        offered = tuple(
            one for one in good[0][1].methods(server.type) if all(one in g.methods(server.type) for _, g in good)
        )
        where = ", ".join(address for address, _ in good)
        days = min(one.days_left for _, one in good)
        seen = f"{where} port {server.port}: {good[0][1].tls}, certificate for {server.host} valid for {days} more days"
        return Verified(
            server.type,
            server.host,
            server.port,
            server.socket_type,
            offered,
            f"{seen}; offers {', '.join(offered)}",
            problems,
        )

    async def _probe_at(self, server: MailServer, address: str) -> ProbeResult:
        try:
            result = await mail.probe(server, address, self._tls, self._attempts)
        except Problem as problem:
            place = f"{address} port {server.port}: "
            text = problem.finding.text.removeprefix(place).removeprefix(f"{address} ")
            raise Problem(f"{place}{text}", problem.finding.remedy, problem.finding.verdict) from problem
        if not result.methods(server.type):
            raise Problem(f"{address} port {server.port}: the server offers no login method")
        return result

    async def service(self, claim: ServiceClaim, address: MailAddress) -> VerifiedService:
        """Send a request that a service must refuse without a password. Raises Problem if the service does not."""
        request = Request(filled(claim.url, address))
        if claim.type in ("caldav", "carddav"):
            request = request._replace(body=_PROPFIND, method="PROPFIND")
        response = await self._web.fetch(request)
        final = url_of(response.urls[-1])
        if not final or response.used_http:
            raise Problem(f"{claim.url}: redirects to {response.urls[-1]}, which is not https")
        methods = _methods(response)
        if claim.type == "jmap" and response.status == 200 and _is_session(response.body):
            methods = claim.methods
        elif response.status != 401:
            raise Problem(f"{claim.url}: responds with {response.status}; a service that needs a password sends 401")
        if not methods:
            raise Problem(f"{claim.url}: requires a password, but names no authentication method")
        if claim.guessed and len(response.urls) == 1 and await self._requires_password_everywhere(request):
            raise Problem(f"{claim.url}: this host sends 401 for every URL, so the service may not exist")
        # A published URL is kept with its placeholders: clients follow redirects too.
        url = final if claim.guessed else claim.url
        evidence = f"{final}: responds with {response.status}, {', '.join(methods)}"
        return VerifiedService(claim.type, url, methods, evidence)

    async def _requires_password_everywhere(self, request: Request) -> bool:
        host = request.url.partition("/.well-known/")[0]
        try:
            return (await self._web.fetch(request._replace(url=f"{host}{_NOWHERE}"))).status == 401
        except Problem:
            return False

    async def page(self, url: str) -> str:
        """Request a web page. Returns the evidence; raises Problem if there is no such page."""
        response = await self._web.fetch(Request(url))
        if response.status not in (200, 401, 403):
            raise Problem(f"{url}: responds with {response.status}")
        return f"responded with {response.status}"

    async def issuer(self, url: str) -> str:
        """Request the metadata of an OAuth2 issuer (RFC 8414, section 3). Returns the evidence.

        Raises Problem if no metadata names this issuer.
        """
        scheme, _, rest = url.partition("://")
        host, _, path = rest.rstrip("/").partition("/")
        suffix = f"/{path}" if path else ""
        places = (
            f"{scheme}://{host}/.well-known/oauth-authorization-server{suffix}",
            f"{scheme}://{host}{suffix}/.well-known/openid-configuration",
        )
        for place in places:
            response = await self._web.fetch(Request(place))
            if response.status == 200 and _issuer(response.body) == url:
                return f"had metadata at {place}"
        raise Problem(f"{url}: no metadata names this issuer")


def hosts_of(certificate: bytes) -> list[str]:
    """Return the hostnames in a certificate, without wildcards; an empty list if it cannot be read."""
    try:
        extensions = x509.load_der_x509_certificate(certificate).extensions
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return [host for name in names.get_values_for_type(x509.DNSName) if (host := host_of(name, ""))]
    except (ValueError, x509.ExtensionNotFound):
        return []


def _methods(response: Response) -> tuple[str, ...]:
    challenges = _CHALLENGE.findall(response.headers.get("www-authenticate", ""))
    return tuple(dict.fromkeys(_HTTP_METHODS[one.lower()] for one in challenges))


def _is_session(body: bytes) -> bool:
    return isinstance(_json(body).get("capabilities"), dict)


def _issuer(body: bytes) -> object:
    return _json(body).get("issuer")


def _json(body: bytes) -> dict[str, object]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def working(tasks: Sequence[asyncio.Task[Verified | Finding]]) -> Verified | None:
    """Return the best of the servers that work at one host, implicit TLS first; None if none works."""
    results = [one.result() for one in tasks if one.done() and not one.cancelled()]
    good = [one for one in results if isinstance(one, Verified)]
    return next((one for one in good if one.socket_type == "SSL"), next(iter(good), None))


def problem(task: asyncio.Task[Verified | Finding]) -> str:
    """Return why a server does not work, or an empty string if it does."""
    if not task.done() or task.cancelled():
        return "not finished in time"
    result = task.result()
    return result.text if isinstance(result, Finding) else ""
