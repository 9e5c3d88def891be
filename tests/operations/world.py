"""A small provider on loopback: working DNS, web and mail servers, in which a test breaks one thing."""

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
Response = tuple[int, Mapping[str, str], bytes]


@dataclass(frozen=True)
class Request:
    """A request to a web server."""

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
    """The servers' data and faults. Change them before `check`."""

    folder: Path
    definition_text: str = ""
    records: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    second_records: dict[tuple[str, str], list[str]] | None = None
    """The second name server's records, if they differ."""
    rcodes: dict[str, dns.rcode.Rcode] = field(default_factory=dict)
    """Response codes of the resolver by name, unless checking is disabled."""
    dnssec_errors: dict[str, str] = field(default_factory=dict)
    """Explanations (extended DNS errors) that the resolver adds to them."""
    lame: set[str] = field(default_factory=set)
    """Addresses of name servers that do not serve the zone."""
    silent: set[str] = field(default_factory=set)
    """Addresses of name servers that do not respond."""
    respond: list[Respond] = field(default_factory=list)
    """Functions that may respond to a web request. The first response is used; without one, the application responds."""
    issued: dict[str, trustme.LeafCert] = field(default_factory=dict)
    """Certificates by host. For other hosts, the authority issues one on demand."""
    failed_handshakes: dict[str, int] = field(default_factory=dict)
    """Number of handshakes that fail first, by host, as while a certificate is being issued."""
    old_tls: set[str] = field(default_factory=set)
    """Servers that accept TLS 1.1 too: `web` or types of mail servers."""
    only_old_tls: set[str] = field(default_factory=set)
    mail: dict[str, dict[str, list[bytes]]] = field(default_factory=dict)
    """Responses of mail servers by type and command, if they differ from the usual ones."""
    requests: list[Request] = field(default_factory=list)
    ports: dict[str, int] = field(default_factory=dict)
    alerts: dict[str, int] = field(default_factory=dict)
    """TLS alerts (RFC 8446, section 6.2) by the address of a web server that rejects every handshake with it."""
    _published: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    _contexts: dict[tuple[str, trustme.LeafCert], ssl.SSLContext] = field(default_factory=dict)
    publish_services: bool = True
    """Whether the records of mail servers and services are published."""
    wildcard: str = ""
    """The address of names without records, if there is a wildcard record."""
    forwarded: dict[str, str] = field(default_factory=dict)
    """The `host` and `scheme` that the reverse proxy forwards, if they differ from the request's."""
    signer: Signer | None = None
    corrupt: Callable[[bytes], bytes] | None = None
    """Changes signed documents in transit."""
    unchecked_fails: bool = False
    """Whether lookups with checking disabled fail too."""
    authority: trustme.CA = field(default_factory=lambda: trustme.CA(organization_name="Let's Encrypt"))

    def certificate(self, host: str) -> trustme.LeafCert:
        if host not in self.issued:
            self.issued[host] = self.authority.issue_cert(host)
        return self.issued[host]

    def publish_hosts(self) -> None:
        """Publish the records of the hosts."""
        for host in ("autoconfig", "autodiscover"):
            self.records[f"{host}.{DOMAIN}", "A"] = [FIRST]
        mail = f"mail.{DOMAIN}"
        self.records |= {
            (DOMAIN, "A"): [FIRST],
            (DOMAIN, "MX"): [f"10 {mail}."],
            (DOMAIN, "TXT"): ['"v=spf1 mx -all"'],  # for the example in CONTRIBUTING.md
            (DOMAIN, "NS"): [f"ns1.{DOMAIN}.", f"ns2.{DOMAIN}."],
            (f"ns1.{DOMAIN}", "A"): [FIRST],
            (f"ns2.{DOMAIN}", "A"): [SECOND],
            (mail, "A"): [FIRST],
            (f"_autodiscover._tcp.{DOMAIN}", "SRV"): [f"0 0 443 autodiscover.{DOMAIN}."],
        }

    def _publish(self, definition: Definition) -> None:
        """Publish the records of mail servers and services, as `bt-autoconfig dns` prints them."""
        for record in () if not self.publish_services else Publication(definition, "host.invalid").records(DOMAIN):
            if record.type in ("SRV", "TXT") and record.name != "_autodiscover._tcp":
                self._published[f"{record.name}.{DOMAIN}", record.type] = [record.zone_data]

    def check(self, *domains: str, **options: Any) -> "CheckResult":
        """Check domains of the definition, of customers (`hosted`) and of other providers (`foreign`)."""
        return asyncio.run(self._check(domains or (DOMAIN,), **options))

    async def _check(
        self,
        domains: tuple[str, ...],
        hosted: tuple[str, ...] = (),
        foreign: tuple[str, ...] = (),
        timeout: float = 10,
        in_dns: bool = True,
        max_time: float | None = None,
    ) -> "CheckResult":
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
            return CheckResult(check.report)

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
        # The definition needs the ports, which are known only now.
        definition = load(Path("provider.xml"), self._definition())
        self._application = application(Settings((definition,), self.signer))
        transport = httpx.ASGITransport(self._application)
        self._app = await stack.enter_async_context(httpx.AsyncClient(transport=transport))

    async def _listen(
        self, stack: AsyncExitStack, addresses: tuple[str, ...], handle: Any, tls: bool, name: str
    ) -> int:
        port = 0

        while True:
            servers: list[asyncio.Server] = []
            try:
                for address in addresses:
                    context = self._tls(name) if tls else None
                    servers.append(await asyncio.start_server(_safely(handle), address, port, ssl=context))
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
            if self.failed_handshakes.get(host, 0) > 0:
                self.failed_handshakes[host] -= 1
                return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
            connection.context = self._context(name, self.certificate(host))
            return None

        made.sni_callback = choose
        return made

    def _context(self, name: str, certificate: trustme.LeafCert) -> ssl.SSLContext:
        """Return a server's context with a certificate. It is made once: each file of a certificate takes a millisecond."""
        if (name, certificate) not in self._contexts:
            made = _server_context(name in self.old_tls or name in self.only_old_tls, name in self.only_old_tls)
            certificate.configure_cert(made)
            self._contexts[name, certificate] = made
        return self._contexts[name, certificate]

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
            if name in self.dnssec_errors:
                response.use_edns(options=[dns.edns.EDEOption(dns.edns.EDECode.DNSSEC_BOGUS, self.dnssec_errors[name])])
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
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
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
            status, response_headers, content = await self._response_to(request)
            fields = [*response_headers.items(), ("Content-Length", str(len(content))), ("Connection", "close")]
            fields = [
                (name, value)
                for name, value in fields
                if name.lower() != "content-length" or value == str(len(content))
            ]
            writer.write(connection.send(h11.Response(status_code=status, headers=list(dict(fields).items()))) or b"")
            writer.write((connection.send(h11.Data(content)) or b"") + (connection.send(h11.EndOfMessage()) or b""))
            await writer.drain()

        return handle

    async def _response_to(self, request: Request) -> Response:
        """Return a test's response or the application's, as behind a reverse proxy."""
        for respond in self.respond:
            if found := respond(request):
                return found
        host = self.forwarded.get("host", request.host)
        scheme = request.headers.get("x-forwarded-proto", self.forwarded.get("scheme", request.scheme))
        url, headers = f"{scheme}://{host}{request.target}", {"Host": host}
        response = await self._app.request(request.method, url, content=request.body or None, headers=headers)
        kept = {name.title(): value for name, value in response.headers.items() if name != "content-length"}
        content = response.content
        if self.corrupt and content[:1] == b"0":
            content = self.corrupt(content)
        return response.status_code, kept, content

    def trust(self, certificate: Path) -> None:
        """Trust another authority too."""
        with (self.folder / "ca.pem").open("ab") as file:
            file.write(certificate.read_bytes())

    # Mail servers

    def _mail(self, type_: str, starttls: ssl.SSLContext | None) -> Any:
        usual = _USUAL[type_]
        changes = self.mail.get(type_, {})

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
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

        return handle


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
    """Respond to a ClientHello with an alert; asyncio's TLS would close the connection without one."""
    await reader.read(4096)
    writer.write(bytes([0x15, 3, 3, 0, 2, 2, alert]))
    await writer.drain()
    await reader.read()


def _safely(handle: Any) -> Any:
    """Return a connection handler that ignores the errors of connections and closes them at the end."""

    async def safe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, ssl.SSLError):
                await handle(reader, writer)
                # Ending the connection at once could reset it before the client has read the response.
                writer.close()
                async with asyncio.timeout(1):
                    await writer.wait_closed()
        finally:
            writer.transport.abort()

    return safe


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
class CheckResult:
    """The report of a check."""

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
    def problems(self) -> dict[str, str]:
        """The texts of errors, warnings and unknown results by subject."""
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
