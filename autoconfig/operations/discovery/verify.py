"""What claims are worth: every server is met, with TLS for its name, and every service asked, without a password."""

import asyncio
import json
import re
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from cryptography import x509

from autoconfig.address import MailAddress
from autoconfig.operations import mail
from autoconfig.operations.attempts import Attempts
from autoconfig.operations.discovery.claims import Claim, Ports, ServiceClaim, Source, filled, host_of, url_of
from autoconfig.operations.mail import MailServer, Met
from autoconfig.operations.names import Names
from autoconfig.operations.report import Finding, Problem, result_of
from autoconfig.operations.tls import connected
from autoconfig.operations.web import Question, Reply, Web

_MOST_ADDRESSES = 4
"""Addresses of a host that are met."""
_MOST_CERTIFICATES, _MOST_NAMES = 6, 4
"""Certificates that are read, and hosts of each that are tried."""
_PROPFIND = b'<?xml version="1.0"?><propfind xmlns="DAV:"><prop><current-user-principal/></prop></propfind>'
"""RFC 6764, section 6."""
_CHALLENGE = re.compile(r"(?:^|,)\s*(Basic|Digest|Bearer|Negotiate|NTLM)\b(?!\s*=)", re.IGNORECASE)
_HTTP_METHODS = {"basic": "Basic", "digest": "Digest", "bearer": "OAuth2", "negotiate": "GSSAPI", "ntlm": "NTLM"}
_NOWHERE = "/.well-known/bt-autoconfig-nothing-is-here"


P = ParamSpec("P")
T = TypeVar("T")


async def attempted(attempt: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T | Finding:
    """Return what an attempt returns, or what its Problem has found.

    The attempt begins here: a coroutine that is made before and given up in time would never be awaited.
    """
    try:
        return await attempt(*args, **kwargs)
    except Problem as problem:
        return problem.finding


@dataclass(frozen=True)
class Verified:
    """A mail server that works: `evidence` says what was seen, `problems` what does not work beside it."""

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
    """A service that answers."""

    type: str
    url: str
    methods: tuple[str, ...]
    evidence: str


class Verifier:
    """Meets servers and asks services, each once. `done` is called after each."""

    def __init__(
        self, names: Names, web: Web, attempts: Attempts, tls: ssl.SSLContext, ports: Ports, done: Callable[[], None]
    ) -> None:
        self._names, self._web, self._attempts, self._tls, self._ports = names, web, attempts, tls, ports
        self._done = done
        self._met: dict[tuple[str, str, int, str], asyncio.Task[Verified | Finding]] = {}

    @property
    def attempts(self) -> int:
        """How many servers it has begun to meet."""
        return len(self._met)

    def failures(self) -> list[str]:
        """Return one line for each server that did not work or was not met in time."""
        wrong = [(place, text) for place, task in self._met.items() if (text := problem(task))]
        return [f"{type_} {host}:{port}: {text}" for (type_, host, port, _), text in wrong]

    async def named_in_certificates(self) -> Source:
        """Return the hosts that certificates name where a host's own name is missing: shared hosting has many.

        They are only claims, to be verified as any other. Only implicit TLS shows a certificate without more ado.
        """
        wrong = [
            (type_, host, port)
            for (type_, host, port, socket_type), task in self._met.items()
            if socket_type == "SSL" and "the certificate is not for" in problem(task)
        ][:_MOST_CERTIFICATES]
        found = await asyncio.gather(*(attempted(self._named, host, port) for _, host, port in wrong))
        claims = (
            Claim(type_, name, port, "SSL")
            for (type_, _, port), names in zip(wrong, found, strict=True)
            if not isinstance(names, Finding)
            for name in names
        )
        return Source("Named in the certificate of a host tried before", tuple(dict.fromkeys(claims)), guess=True)

    async def _named(self, host: str, port: int) -> list[str]:
        address = (await self._names.addresses(host))[0]
        unverified = ssl.create_default_context()
        unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE  # to read names, and for nothing else
        async with self._attempts.one(address, ""), connected(host, address, port, unverified) as (_, writer):
            content = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return hosts_of(content)[:_MOST_NAMES]

    def begin(self, claim: Claim) -> list[asyncio.Task[Verified | Finding]]:
        """Begin to meet a host as claimed, and where the standards have its servers; return the tasks in that order."""
        places = [(claim.port, claim.socket_type)] if claim.port and claim.socket_type in ("SSL", "STARTTLS") else []
        places += [one for one in self._ports.of(claim.type) if one not in places]
        return [self._begin(claim.type, claim.host, port, socket_type) for port, socket_type in places]

    def _begin(self, type_: str, host: str, port: int, socket_type: str) -> asyncio.Task[Verified | Finding]:
        key = (type_, host, port, socket_type)
        if key not in self._met:
            self._met[key] = asyncio.create_task(attempted(self._meet, MailServer(type_, host, port, socket_type, ())))
            self._met[key].add_done_callback(lambda _: self._done())
        return self._met[key]

    async def _meet(self, server: MailServer) -> Verified:
        addresses = (await self._names.addresses(server.host))[:_MOST_ADDRESSES]
        found = await asyncio.gather(*(attempted(self._meet_at, server, address) for address in addresses))
        met = [(address, one) for address, one in zip(addresses, found, strict=True) if isinstance(one, Met)]
        if not met:
            result_of(found[0])
        problems = tuple(one.text for one in found if isinstance(one, Finding))
        offered = tuple(
            one for one in met[0][1].methods(server.type) if all(one in m.methods(server.type) for _, m in met)
        )
        where = ", ".join(address for address, _ in met)
        days = min(one.days_left for _, one in met)
        seen = f"{where} port {server.port}: {met[0][1].tls}, certificate for {server.host} valid for {days} more days"
        return Verified(
            server.type,
            server.host,
            server.port,
            server.socket_type,
            offered,
            f"{seen}; offers {', '.join(offered)}",
            problems,
        )

    async def _meet_at(self, server: MailServer, address: str) -> Met:
        try:
            met = await mail.meet(server, address, self._tls, self._attempts)
        except Problem as problem:
            place = f"{address} port {server.port}: "
            text = problem.finding.text.removeprefix(place).removeprefix(f"{address} ")
            raise Problem(f"{place}{text}", problem.finding.remedy, problem.finding.verdict) from problem
        if not met.methods(server.type):
            raise Problem(f"{address} port {server.port}: it offers no way to log in")
        return met

    async def service(self, claim: ServiceClaim, address: MailAddress) -> VerifiedService:
        """Ask a service for what nobody may see without a password. Raises Problem."""
        question = Question(filled(claim.url, address))
        if claim.type in ("caldav", "carddav"):
            question = question._replace(body=_PROPFIND, method="PROPFIND")
        reply = await self._web.ask(question)
        final = url_of(reply.urls[-1])
        if not final or reply.touched_http:
            raise Problem(f"{claim.url}: leads to {reply.urls[-1]}, which is not https")
        methods = _methods(reply)
        if claim.type == "jmap" and reply.status == 200 and _is_session(reply.body):
            methods = claim.methods
        elif reply.status != 401:
            raise Problem(f"{claim.url}: answers {reply.status}, not 401 as a service does that asks for a password")
        if not methods:
            raise Problem(f"{claim.url}: asks for a password and does not say how")
        if claim.guessed and len(reply.urls) == 1 and await self._asks_everywhere(question):
            raise Problem(f"{claim.url}: this host asks for a password everywhere, so it says nothing")
        # What was published stays as it was written, placeholders and all; a redirect is followed by clients too.
        url = final if claim.guessed else claim.url
        return VerifiedService(claim.type, url, methods, f"{final}: answers {reply.status}, {', '.join(methods)}")

    async def _asks_everywhere(self, question: Question) -> bool:
        host = question.url.partition("/.well-known/")[0]
        try:
            return (await self._web.ask(question._replace(url=f"{host}{_NOWHERE}"))).status == 401
        except Problem:
            return False

    async def page(self, url: str) -> str:
        """Ask for a web page. Returns the evidence; raises Problem when there is none."""
        reply = await self._web.ask(Question(url))
        if reply.status not in (200, 401, 403):
            raise Problem(f"{url}: answers {reply.status}")
        return f"answers {reply.status}"

    async def issuer(self, url: str) -> str:
        """Ask for the metadata of an OAuth2 issuer (RFC 8414, section 3). Returns the evidence; raises Problem."""
        scheme, _, rest = url.partition("://")
        host, _, path = rest.rstrip("/").partition("/")
        suffix = f"/{path}" if path else ""
        places = (
            f"{scheme}://{host}/.well-known/oauth-authorization-server{suffix}",
            f"{scheme}://{host}{suffix}/.well-known/openid-configuration",
        )
        for place in places:
            reply = await self._web.ask(Question(place))
            if reply.status == 200 and _issuer(reply.body) == url:
                return f"its metadata is at {place}"
        raise Problem(f"{url}: it has no metadata that name it")


def hosts_of(certificate: bytes) -> list[str]:
    """Return the hostnames in a certificate, wildcards aside; none when it cannot be read."""
    try:
        extensions = x509.load_der_x509_certificate(certificate).extensions
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return [host for name in names.get_values_for_type(x509.DNSName) if (host := host_of(name, ""))]
    except (ValueError, x509.ExtensionNotFound):
        return []


def _methods(reply: Reply) -> tuple[str, ...]:
    challenges = _CHALLENGE.findall(reply.headers.get("www-authenticate", ""))
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
    """Return the server to write among those at one host, implicit TLS first."""
    results = [one.result() for one in tasks if one.done() and not one.cancelled()]
    good = [one for one in results if isinstance(one, Verified)]
    return next((one for one in good if one.socket_type == "SSL"), next(iter(good), None))


def problem(task: asyncio.Task[Verified | Finding]) -> str:
    """Return why a server cannot be written, empty when it can."""
    if not task.done() or task.cancelled():
        return "not finished in time"
    result = task.result()
    return result.text if isinstance(result, Finding) else ""
