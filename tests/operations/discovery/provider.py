"""A provider on loopback for `init`: DNS records, a website, and mail servers with certificates."""

import asyncio
import os
import ssl
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import trustme

from autoconfig.operations.attempts import Attempts
from autoconfig.operations.discovery.claims import Ports
from autoconfig.operations.discovery.discover import Discovery, Found
from autoconfig.operations.names import Names
from tests.operations.hosts import Handler, listening, resolver

DOMAIN = "provider.example"
GREETINGS = {"imap": b"* OK hello\r\n", "pop3": b"+OK hello\r\n", "smtp": b"220 hello\r\n"}
OFFERS = {
    "imap": b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\nc OK done\r\n",
    "pop3": b"+OK\r\nUSER\r\nSASL PLAIN\r\n.\r\n",
    "smtp": b"250-hello\r\n250 AUTH PLAIN LOGIN\r\n",
}
_STARTTLS = {
    "imap": (b"* CAPABILITY STARTTLS LOGINDISABLED\r\nc OK\r\n", b"a OK begin\r\n"),
    "pop3": (b"+OK\r\nSTLS\r\n.\r\n", b"+OK begin\r\n"),
    "smtp": (b"250 STARTTLS\r\n", b"220 begin\r\n"),
}
SiteResponse = tuple[int, Mapping[str, str], str | bytes]
Site = Mapping[str, SiteResponse]
"""Responses by METHOD HOST/PATH, or METHOD SCHEME://HOST/PATH for requests with that scheme only."""

_CA = trustme.CA()


def xml(text: str) -> SiteResponse:
    return 200, {"Content-Type": "text/xml"}, text


def unauthorized(challenge: str = 'Basic realm="mail"') -> SiteResponse:
    return 401, {"WWW-Authenticate": challenge}, ""


HANGS = 0


def site(responses: Site, requests: list[str], agents: set[str]) -> Handler:
    """Return a web server that sends these responses, and 404 for any other request."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        method, target, _ = head.split(" ", 2)
        headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        agents.add(headers["user-agent"])
        requests.append(f"{method} {headers['host']}{target} {body.decode()}".rstrip())
        place = f"{headers['host']}{target.partition('?')[0]}"
        with_scheme = f"{method} {headers.get('x-forwarded-proto')}://{place}"
        status, more, content = responses.get(with_scheme) or responses.get(f"{method} {place}", (404, {}, ""))
        if status == HANGS:
            await reader.read()
        content = content.encode() if isinstance(content, str) else content
        lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in more.items())]
        writer.write("\r\n".join([*lines, f"Content-Length: {len(content)}", "", ""]).encode() + content)
        await writer.drain()

    return handle


def server(type_: str, offers: bytes = b"") -> Handler:
    """Return a mail server that sends a greeting and its capabilities."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GREETINGS[type_])
        await reader.readline()
        writer.write(offers or OFFERS[type_])
        await reader.readline()

    return handle


def with_starttls(type_: str, context: ssl.SSLContext) -> Handler:
    """Return a mail server with STARTTLS."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GREETINGS[type_])
        for response in _STARTTLS[type_]:
            await reader.readline()
            writer.write(response)
        await writer.start_tls(context)
        await reader.readline()
        writer.write(OFFERS[type_])
        await reader.readline()

    return handle


def certificate(*names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _CA.issue_cert(*names).configure_cert(context)
    return context


@contextmanager
def trusted() -> Iterator[Path]:
    """Make this process trust the certificates; yield the CA's file."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "ca.pem")
        _CA.cert_pem.write_to_path(file)
        with mock.patch.dict(os.environ, {"SSL_CERT_FILE": str(file)}):
            yield file


CLOSED = 1
"""A port on which nothing listens."""


@dataclass
class Provider:
    """Servers by type and socketType, all with one certificate, and the published settings.

    In records and documents, `{imap}` is replaced by the port of the IMAP server with implicit TLS, `{imap-starttls}` by
    that of the one with STARTTLS. Servers in `default` listen on the default ports.
    """

    servers: Mapping[tuple[str, str], Handler | None] = field(default_factory=dict)
    names: tuple[str, ...] = (f"mail.{DOMAIN}",)
    records: Mapping[tuple[str, str], list[str]] = field(default_factory=dict)
    responses: Site = field(default_factory=dict)
    default: tuple[tuple[str, str], ...] | None = None
    database: str | None = None
    requests: list[str] = field(default_factory=list)
    agents: set[str] = field(default_factory=set)
    """The User-Agent headers of the requests."""
    ports: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def running(self) -> Iterator[tuple[str, str, Ports]]:
        """Run it; yield the resolver, the web server and the default ports."""
        with ExitStack() as stack:
            context = certificate(*self.names)
            for (type_, socket_type), handle in self.servers.items():
                implicit = socket_type == "SSL"
                handle = handle or (server(type_) if implicit else with_starttls(type_, context))
                port = stack.enter_context(listening(handle, context if implicit else None))
                self.ports[type_ if implicit else f"{type_}-starttls"] = port
            hosts = {(name, "A"): ["127.0.0.1"] for name in self.names if "*" not in name}
            records = {key: [self._filled(one) for one in values] for key, values in self.records.items()}
            responses = {
                key: (status, {name: self._filled(value) for name, value in headers.items()}, self._filled(body))
                if isinstance(body, str)
                else (status, headers, body)
                for key, (status, headers, body) in self.responses.items()
            }
            web = stack.enter_context(listening(site(responses, self.requests, self.agents)))
            name_server = stack.enter_context(resolver(hosts | records))
            yield name_server, f"http://127.0.0.1:{web}", self._ports()

    def _filled(self, text: str) -> str:
        for name, port in self.ports.items():
            text = text.replace(f"{{{name}}}", str(port))
        return text

    def _ports(self) -> Ports:
        default = self.servers if self.default is None else self.default
        kinds = {"SSL": "", "STARTTLS": "-starttls"}
        tls, starttls = (
            tuple(
                (type_, self.ports[f"{type_}{kinds[kind]}"] if (type_, kind) in default else CLOSED)
                for type_ in GREETINGS
            )
            for kind in kinds
        )
        return Ports(tls, starttls)

    def discover(
        self,
        domain: str = DOMAIN,
        timeout: float = 5,
        max_time: float = 30,
        progress: Callable[[str], None] = lambda _: None,
        public_only: bool = False,
    ) -> Found:
        """Discover a domain."""

        async def find(name_server: str, web: str, ports: Ports) -> Found:
            names = Names(name_server, timeout, public_only=public_only)
            discovery = Discovery(
                domain, names, Attempts(timeout), database=self.database, max_time=max_time, ports=ports, at=web,
                progress=progress,
            )  # fmt: skip
            return await discovery.find()

        with self.running() as places, trusted():
            return asyncio.run(find(*places))


IMPLICIT: Mapping[tuple[str, str], Handler | None] = {
    ("imap", "SSL"): None,
    ("pop3", "SSL"): None,
    ("smtp", "SSL"): None,
}
STARTTLS: Mapping[tuple[str, str], Handler | None] = {
    ("imap", "STARTTLS"): None,
    ("pop3", "STARTTLS"): None,
    ("smtp", "STARTTLS"): None,
}


def places(found: Found) -> list[str]:
    """Return the servers without their ports, which vary."""
    return [f"{one.verified.type} {one.verified.host} {one.verified.socket_type}" for one in found.servers]


def evidence(found: Found, number: int = 0) -> str:
    return "\n".join(found.servers[number].evidence)
