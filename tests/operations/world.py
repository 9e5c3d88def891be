"""A small provider on loopback: DNS, web and mail servers that do what honest ones do, until a test breaks one thing."""

import asyncio
import contextlib
import ssl
import warnings
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import h11
import httpx
import trustme

from autoconfig.definition import Definition, load
from autoconfig.operations.attempts import Attempts
from autoconfig.operations.check import Check
from autoconfig.operations.dns import Publication
from autoconfig.operations.domains import Domain, ServedDomain
from autoconfig.operations.local import Local
from autoconfig.operations.names import Names
from autoconfig.operations.report import Line, Report, Verdict
from autoconfig.operations.web import Web
from autoconfig.server import application
from autoconfig.signing import Signer
from autoconfig.sources import Settings

DOMAIN = "example.com"
FIRST, SECOND = "127.0.0.1", "127.0.0.2"
UNROUTED = "2001:db8:dead::1"
"""An address that no machine has a route to: see `no_route`."""
Response = tuple[int, Mapping[str, str], bytes]


@dataclass(frozen=True)
class Request:
    """A request that a web server gets."""

    scheme: str
    address: str
    host: str
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


Respond = Callable[[Request], Response | None]


@dataclass
class World:
    """What is served, and how; change it before `check`."""

    folder: Path
    definition_text: str = ""
    records: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    second_records: dict[tuple[str, str], list[str]] | None = None
    """The records that the second name server has, if not the same."""
    rcodes: dict[str, dns.rcode.Rcode] = field(default_factory=dict)
    """Errors that the resolver answers with, by name, unless checking is disabled."""
    told: dict[str, str] = field(default_factory=dict)
    """What it tells of DNSSEC with that (extended DNS errors)."""
    lame: set[str] = field(default_factory=set)
    """Addresses of name servers that have no authority."""
    silent: set[str] = field(default_factory=set)
    """Addresses of name servers that say nothing."""
    respond: list[Respond] = field(default_factory=list)
    """Responses of the web server, in order; those that return None leave it to the next, at last to the program."""
    issued: dict[str, trustme.LeafCert] = field(default_factory=dict)
    """Certificates by host, for those that have not one that the authority issues at once."""
    refuse_handshakes: dict[str, int] = field(default_factory=dict)
    """How many handshakes fail for a host, as while a certificate is being issued."""
    old_tls: set[str] = field(default_factory=set)
    """`web` and types of mail servers that accept TLS 1.1 too."""
    only_old_tls: set[str] = field(default_factory=set)
    mail: dict[str, dict[str, list[bytes]]] = field(default_factory=dict)
    """Lines that mail servers answer with, by type and command, if not as usual."""
    requests: list[Request] = field(default_factory=list)
    ports: dict[str, int] = field(default_factory=dict)
    alerts: dict[str, int] = field(default_factory=dict)
    """Addresses of web servers that refuse every handshake with a TLS alert (RFC 8446, section 6.2)."""
    _published: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    publish_services: bool = True
    """Whether the records of mail servers are published too."""
    wildcard: str = ""
    """The address of every name that has none."""
    through: dict[str, str] = field(default_factory=dict)
    """What a reverse proxy passes on instead of the request's own `host` and `scheme`."""
    signer: Signer | None = None
    spoil: Callable[[bytes], bytes] | None = None
    """What happens to signed documents on the way."""
    unchecked_fails: bool = False
    """Whether the resolver's errors have nothing to do with DNSSEC."""
    authority: trustme.CA = field(default_factory=lambda: trustme.CA(organization_name="Let's Encrypt"))

    def certificate(self, host: str) -> trustme.LeafCert:
        if host not in self.issued:
            self.issued[host] = self.authority.issue_cert(host)
        return self.issued[host]

    def served(self) -> None:
        """Publish everything as `bt-autoconfig dns` says."""
        for host in ("autoconfig", "autodiscover"):
            self.records[f"{host}.{DOMAIN}", "A"] = [FIRST]
        mail = f"mail.{DOMAIN}"
        self.records |= {
            (DOMAIN, "A"): [FIRST],
            (DOMAIN, "MX"): [f"10 {mail}."],
            (DOMAIN, "NS"): [f"ns1.{DOMAIN}.", f"ns2.{DOMAIN}."],
            (f"ns1.{DOMAIN}", "A"): [FIRST],
            (f"ns2.{DOMAIN}", "A"): [SECOND],
            (mail, "A"): [FIRST],
            (f"_autodiscover._tcp.{DOMAIN}", "SRV"): [f"0 0 443 autodiscover.{DOMAIN}."],
        }

    def _publish(self, definition: Definition) -> None:
        """Publish the records of mail servers and services, but those that a test has changed."""
        for record in () if not self.publish_services else Publication(definition, "host.invalid").records(DOMAIN):
            if record.type in ("SRV", "TXT") and record.name != "_autodiscover._tcp":
                self._published[f"{record.name}.{DOMAIN}", record.type] = [record.zone_data]

    def check(self, *domains: str, **options: Any) -> "Checked":
        """Check some domains, of the definition's own, its customers' and others."""
        return asyncio.run(self._check(domains or (DOMAIN,), **options))

    async def _check(
        self,
        domains: tuple[str, ...],
        hosted: tuple[str, ...] = (),
        foreign: tuple[str, ...] = (),
        timeout: float = 10,
        in_dns: bool = True,
        max_time: float | None = None,
    ) -> "Checked":
        async with AsyncExitStack() as stack:
            await self._start(stack)
            definition = load(Path("provider.xml"), self._definition())
            self._publish(definition)
            unsigned = application(Settings((definition,))) if self.signer else self._application
            local = await stack.enter_async_context(Local(unsigned))
            names = Names(f"{FIRST}:{self.ports['dns']}", timeout, authority_port=self.ports["dns"])
            attempts = Attempts(timeout)
            at = None if in_dns else f"http://{FIRST}:{self.ports['http']}"
            web = Web(names, attempts, at, ports=self.ports, retry_after=0)
            internet = Web(names, attempts, ports=self.ports, retry_after=0)
            check = Check(web, names, attempts, in_dns=in_dns, max_time=max_time, internet=internet)
            chosen: list[Domain] = [
                Domain(name) if name in foreign else ServedDomain(definition, name, local, hosted=name in hosted)
                for name in domains
            ]
            await check.start(chosen)
            await check.report.finish()
            return Checked(check.report)

    def _definition(self) -> bytes:
        text = self.definition_text or DEFINITION
        for name, port in self.ports.items():
            text = text.replace(f"{{{name}}}", str(port))
        return text.encode()

    async def _start(self, stack: AsyncExitStack) -> None:
        self.ports["dns"] = await self._start_dns(stack)
        for scheme in ("http", "https"):
            self.ports[scheme] = await self._listen(stack, (FIRST, SECOND), self._web(scheme), scheme == "https", "web")
        for type_ in ("imap", "smtp", "pop3"):
            self.ports[type_] = await self._listen(stack, (FIRST,), self._mail(type_, None), True, type_)
            self.ports[f"{type_}-starttls"] = await self._listen(
                stack, (FIRST,), self._mail(type_, self._tls(type_)), False, type_
            )
        for address, alert in self.alerts.items():
            server = await asyncio.start_server(_safely(partial(_refuse, alert)), address, self.ports["https"])
            stack.callback(server.close)
            server = await asyncio.start_server(_safely(self._web("http")), address, self.ports["http"])
            stack.callback(server.close)
        # The ports are known now, so the program serves the definition as it is checked.
        definition = load(Path("provider.xml"), self._definition())
        self._application = application(Settings((definition,), self.signer))
        transport = httpx.ASGITransport(self._application)
        self._app = await stack.enter_async_context(httpx.AsyncClient(transport=transport))

    async def _listen(self, stack: AsyncExitStack, addresses: tuple[str, ...], talk: Any, tls: bool, name: str) -> int:
        port = 0

        while True:
            servers: list[asyncio.Server] = []
            try:
                for address in addresses:
                    context = self._tls(name) if tls else None
                    servers.append(await asyncio.start_server(_safely(talk), address, port, ssl=context))
                    port = servers[0].sockets[0].getsockname()[1]
            except OSError:
                for server in servers:
                    server.close()
                port = 0
                continue
            for server in servers:
                stack.callback(server.close)
            return port

    def _tls(self, name: str) -> ssl.SSLContext:
        made = _server_context(name in self.old_tls or name in self.only_old_tls, name in self.only_old_tls)
        self.certificate("unnamed.invalid").configure_cert(made)

        def choose(connection: ssl.SSLObject, host: str | None, _: ssl.SSLContext) -> int | None:
            if host is None:
                return None
            if self.refuse_handshakes.get(host, 0) > 0:
                self.refuse_handshakes[host] -= 1
                return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
            context = _server_context(name in self.old_tls or name in self.only_old_tls, name in self.only_old_tls)
            self.certificate(host).configure_cert(context)
            connection.context = context
            return None

        made.sni_callback = choose
        return made

    # DNS

    async def _start_dns(self, stack: AsyncExitStack) -> int:
        loop = asyncio.get_running_loop()
        world = self

        class Protocol(asyncio.DatagramProtocol):
            def __init__(self, address: str) -> None:
                self.address = address

            def connection_made(self, transport: Any) -> None:
                self.transport = transport

            def datagram_received(self, data: bytes, addr: Any) -> None:
                if response := world._resolve(data, self.address):
                    self.transport.sendto(response, addr)

        first, _ = await loop.create_datagram_endpoint(lambda: Protocol(FIRST), (FIRST, 0))
        port: int = first.get_extra_info("sockname")[1]
        second, _ = await loop.create_datagram_endpoint(lambda: Protocol(SECOND), (SECOND, port))
        stack.callback(first.close)
        stack.callback(second.close)
        return port

    def _resolve(self, data: bytes, address: str) -> bytes | None:
        query = dns.message.from_wire(data)
        recursive = bool(query.flags & dns.flags.RD)
        if not recursive and address in self.silent:
            return None
        response = dns.message.make_response(query, recursion_available=True)
        (question,) = query.question
        name = question.name.to_text(omit_final_dot=True).lower()
        if not recursive and address in self.lame:
            response.set_rcode(dns.rcode.REFUSED)
            return response.to_wire()
        if recursive and name in self.rcodes and (self.unchecked_fails or not query.flags & dns.flags.CD):
            response.set_rcode(self.rcodes[name])
            if name in self.told:
                response.use_edns(options=[dns.edns.EDEOption(dns.edns.EDECode.DNSSEC_BOGUS, self.told[name])])
            return response.to_wire()
        records = self._published | self.records
        if not recursive:
            response.flags |= dns.flags.AA
            if address == SECOND and self.second_records is not None:
                records = self._published | self.second_records
        self._fill(response, records, question.name, question.rdtype)
        return response.to_wire(max_size=65535)

    def _fill(self, response: Any, records: Any, name: Any, type_: Any) -> None:
        key = name.to_text(omit_final_dot=True).lower()
        if alias := records.get((key, "CNAME")):
            response.answer.append(dns.rrset.from_text(name, 60, dns.rdataclass.IN, "CNAME", *alias))
            self._fill(response, records, dns.name.from_text(alias[0]), type_)
        elif found := records.get((key, dns.rdatatype.to_text(type_))):
            response.answer.append(dns.rrset.from_text(name, 60, dns.rdataclass.IN, type_, *found))
        elif self.wildcard and type_ == dns.rdatatype.A:
            response.answer.append(dns.rrset.from_text(name, 60, dns.rdataclass.IN, type_, self.wildcard))
        elif not self.wildcard and not any(one == key or one.endswith(f".{key}") for one, _ in records):
            response.set_rcode(dns.rcode.NXDOMAIN)

    # The web

    def _web(self, scheme: str) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connection = h11.Connection(h11.SERVER)
            head: h11.Request | None = None
            body = b""
            while True:
                event = connection.next_event()
                if event is h11.NEED_DATA:
                    connection.receive_data(await reader.read(65536))
                elif isinstance(event, h11.Request):
                    head = event
                elif isinstance(event, h11.Data):
                    body += event.data
                elif isinstance(event, h11.EndOfMessage):
                    break
                else:
                    return
            assert head
            headers = {name.decode(): value.decode() for name, value in head.headers}
            address = writer.get_extra_info("sockname")[0]
            target = head.target.decode()
            request = Request(
                scheme, address, headers["host"].partition(":")[0], head.method.decode(), target, headers, body
            )
            self.requests.append(request)
            status, answered, content = await self._answer(request)
            fields = [*answered.items(), ("Content-Length", str(len(content))), ("Connection", "close")]
            fields = [
                (name, value)
                for name, value in fields
                if name.lower() != "content-length" or value == str(len(content))
            ]
            writer.write(connection.send(h11.Response(status_code=status, headers=list(dict(fields).items()))) or b"")
            writer.write((connection.send(h11.Data(content)) or b"") + (connection.send(h11.EndOfMessage()) or b""))
            await writer.drain()

        return talk

    async def _answer(self, request: Request) -> Response:
        """Return what the program answers, as behind a reverse proxy, if no other response is wanted."""
        for respond in self.respond:
            if found := respond(request):
                return found
        host = self.through.get("host", request.host)
        scheme = request.headers.get("x-forwarded-proto", self.through.get("scheme", request.scheme))
        url, headers = f"{scheme}://{host}{request.target}", {"Host": host}
        found_here = await self._app.request(request.method, url, content=request.body or None, headers=headers)
        kept = {name.title(): value for name, value in found_here.headers.items() if name != "content-length"}
        content = found_here.content
        if self.spoil and content[:1] == b"0":
            content = self.spoil(content)
        return found_here.status_code, kept, content

    def trust(self, certificate: Path) -> None:
        """Trust another authority too."""
        with (self.folder / "ca.pem").open("ab") as file:
            file.write(certificate.read_bytes())

    # Mail servers

    def _mail(self, type_: str, starttls: ssl.SSLContext | None) -> Any:
        usual = _USUAL[type_]
        changes = self.mail.get(type_, {})

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            secure = starttls is None
            writer.write(b"".join(changes.get("greeting", usual["greeting"])))
            while line := (await reader.readline()).decode().upper().split():
                verb = line[1] if type_ == "imap" else line[0]
                key = verb if secure else f"{verb} before TLS"
                lines = changes.get(key, usual.get(key, [b"500 what?\r\n"]))
                writer.write(b"".join(lines))
                await writer.drain()
                if verb in ("STARTTLS", "STLS") and starttls:
                    await writer.start_tls(starttls)
                    secure = True

        return talk


_USUAL = {
    "imap": {
        "greeting": [b"* OK hello\r\n"],
        "CAPABILITY": [b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n", b"c OK done\r\n"],
        "CAPABILITY before TLS": [b"* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\n", b"c OK done\r\n"],
        "STARTTLS before TLS": [b"a OK begin\r\n"],
    },
    "pop3": {
        "greeting": [b"+OK hello\r\n"],
        "CAPA": [b"+OK\r\nUSER\r\nSASL PLAIN\r\n.\r\n"],
        "CAPA before TLS": [b"+OK\r\nSTLS\r\n.\r\n"],
        "STLS before TLS": [b"+OK begin\r\n"],
    },
    "smtp": {
        "greeting": [b"220 hello\r\n"],
        "EHLO": [b"250-hello\r\n250 AUTH PLAIN LOGIN\r\n"],
        "EHLO before TLS": [b"250-hello\r\n250 STARTTLS\r\n"],
        "STARTTLS before TLS": [b"220 begin\r\n"],
    },
}


async def _refuse(alert: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer a ClientHello with an alert; asyncio's own TLS closes the connection without one."""
    await reader.read(4096)
    writer.write(bytes([0x15, 3, 3, 0, 2, 2, alert]))
    await writer.drain()
    await reader.read()


def _safely(talk: Any) -> Any:
    """Return a server's side of connections that ends with them, however they end."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, ssl.SSLError):
                await talk(reader, writer)
        finally:
            writer.transport.abort()

    return handle


def _server_context(old: bool, only_old: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if old:
        context.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = ssl.TLSVersion.TLSv1
            if only_old:
                context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


@dataclass(frozen=True)
class Checked:
    """What a check found."""

    report: Report

    def line(self, subject: str, area: str = "") -> Line:
        found = [one for one in self.report.lines if one.subject == subject and area in ("", one.area)]
        assert found, [one.subject for one in self.report.lines]
        return next((one for one in found if one.finding and one.finding.verdict is not Verdict.OK), found[0])

    def of(self, *verdicts: Verdict) -> dict[str, str]:
        return {
            one.subject: one.finding.text
            for one in self.report.lines
            if one.finding and one.finding.verdict in verdicts
        }

    @property
    def bad(self) -> dict[str, str]:
        """What is not right, but for what follows from it."""
        return self.of(Verdict.ERROR, Verdict.WARNING, Verdict.UNKNOWN)

    def text(self, subject: str, area: str = "") -> str:
        finding = self.line(subject, area).finding
        assert finding
        return finding.text

    def remedy(self, subject: str) -> str:
        finding = self.line(subject).finding
        assert finding
        return finding.remedy


DEFINITION = """<clientConfig version="1.1"><emailProvider id="example.com"><domain>example.com</domain>
<displayName>Example</displayName>
<incomingServer type="imap"><hostname>mail.example.com</hostname><port>{imap}</port><socketType>SSL</socketType>
<authentication>password-cleartext</authentication><username>%EMAILADDRESS%</username></incomingServer>
<outgoingServer type="smtp"><hostname>mail.example.com</hostname><port>{smtp}</port><socketType>SSL</socketType>
<authentication>password-cleartext</authentication><username>%EMAILADDRESS%</username></outgoingServer>
</emailProvider></clientConfig>"""
