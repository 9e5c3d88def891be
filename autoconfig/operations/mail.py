"""Mail servers as a client sees them before it logs in: TLS, certificate and login methods.

This sends only commands that need no login.
"""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from autoconfig.operations import tls
from autoconfig.operations.attempts import Attempts, TimeLimitError
from autoconfig.operations.report import Finding, Problem, Verdict
from autoconfig.operations.tls import (
    OLD_TLS,
    OLD_TLS_REMEDY,
    HandshakeError,
    NotConnectedError,
    connected,
    days_left,
    expiry_finding,
    old_context,
    trusted,
)

_PASSWORD = {
    "imap": re.compile(r"AUTH=(PLAIN|LOGIN)\b"),
    "pop3": re.compile(r"^SASL\b.*\b(PLAIN|LOGIN)\b|^USER\b", re.MULTILINE),
    "smtp": re.compile(r"^AUTH\b.*\b(PLAIN|LOGIN)\b", re.MULTILINE),
}
_METHODS = {
    "password-encrypted": r"(CRAM-MD5|DIGEST-MD5|SCRAM-\S+|APOP)",
    "NTLM": "NTLM",
    "GSSAPI": "GSSAPI",
    "OAuth2": "(XOAUTH2|OAUTHBEARER)",
    "TLS-client-cert": "EXTERNAL",
}
_MAX_RESPONSE = 64 * 1024
"""Maximum bytes of one response."""


@dataclass(frozen=True)
class MailServer:
    """A mail server. `type` is imap, pop3 or smtp; `authentication` are the published methods."""

    type: str
    host: str
    port: int
    socket_type: str
    authentication: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.type} {self.host}:{self.port}"


class GreetingError(Problem):
    """A server whose greeting is missing or not valid."""


class _Connection:
    """A connection to a server that sends lines."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer
        self._buffer = bytearray()

    async def send(self, command: str, end: str) -> str:
        """Send a command, unless it is empty, and return the response, whose last line matches `end`.

        Raises Problem if the connection closes, or the server sends _MAX_RESPONSE bytes without such a line.
        """
        if command:
            self.writer.write(f"{command}\r\n".encode())
        lines: list[str] = []
        limit = _MAX_RESPONSE
        while not (lines and re.match(end, lines[-1], re.IGNORECASE)):
            line = await self._line(limit)
            limit -= len(line)
            lines.append(line.decode("latin-1").rstrip("\r\n"))
        return "\n".join(lines)

    async def _line(self, limit: int) -> bytes:
        while b"\n" not in self._buffer and len(self._buffer) < limit:
            try:
                received = await self._reader.read(_MAX_RESPONSE)
            except OSError as error:
                raise Problem("the connection breaks off during a response", "look at the server's log") from error
            if not received:
                raise Problem("the server closes the connection", "look at the server's log")
            self._buffer += received
        end = self._buffer.find(b"\n", 0, max(0, limit)) + 1
        if not end:
            text = f"the server sends {_MAX_RESPONSE // 1024} KiB without ending its response"
            raise Problem(text, "see what listens on this port")
        line = bytes(self._buffer[:end])
        del self._buffer[:end]
        return line

    async def start_tls(self, host: str, context: ssl.SSLContext) -> None:
        """Start TLS.

        Raises Problem if the server has already sent more data: it would be taken for encrypted data.
        """
        if self._buffer:
            remedy = "update the mail server (CVE-2011-0411), or find what changes its responses on the network"
            raise Problem("the server sends unencrypted data after it has accepted STARTTLS", remedy)
        with trusted(host):
            await self.writer.start_tls(context, server_hostname=host)


_GREETING = {"imap": (r"\* (OK|PREAUTH)", ""), "pop3": (r"\+OK", ""), "smtp": (r"220", r"\d{3} |(?!\d{3}-)")}
"""Patterns of a valid greeting, and of the last line of any greeting: another program may listen on the port."""
_CAPABILITIES = {
    "imap": ("c CAPABILITY", r"c OK", r"c "),
    "pop3": ("CAPA", r"(\.$|-ERR)", r"(\.$|-ERR)"),  # CAPA is optional (RFC 2449)
    "smtp": ("EHLO bt-autoconfig.invalid", r"250 ", r"\d{3} "),
}
"""The command for a server's capabilities; the last line of a successful response, and of any response."""
_OFFERED = {"imap": r"^\* CAPABILITY (.*)", "pop3": r"^.*$", "smtp": r"^250[ -](.*)"}
"""The lines of a response that name capabilities."""
_STARTTLS_OFFER = r"\b(STARTTLS|STLS)\b"
_STARTTLS = {
    "imap": ("a STARTTLS", r"a OK", r"a "),
    "pop3": ("STLS", r"\+OK", r"[+-]"),
    "smtp": ("STARTTLS", "220", r"\d{3} "),
}


@dataclass(frozen=True)
class ProbeResult:
    """What a server offers before login: its capabilities, and its TLS, if any."""

    offered: str
    """In upper case."""
    tls: str | None
    """The version, such as `TLSv1.3`; None without TLS."""
    days_left: int
    """Whole days until its certificate expires; 0 without TLS."""

    def methods(self, type_: str) -> tuple[str, ...]:
        """Return the authentication methods that the server offers, `password-cleartext` first."""
        return tuple(one for one in ("password-cleartext", *_METHODS) if _offers(type_, one, self.offered))

    @property
    def rejects_logins(self) -> bool:
        """Whether it refuses plain passwords, both LOGIN and SASL (IMAP; RFC 9051, section 6.2.3)."""
        return "LOGINDISABLED" in self.offered.split() and not _PASSWORD["imap"].search(self.offered)


async def check(server: MailServer, address: str, context: ssl.SSLContext, attempts: Attempts) -> Finding:
    """Check a server at one of its addresses. Raises Problem."""
    try:
        result = await probe(server, address, context, attempts)
    except (TimeLimitError, NotConnectedError, HandshakeError, GreetingError) as problem:
        raise await _explained(problem, server, address, attempts) from problem
    found = _judge(server, result, f"{address}: ")
    if found.verdict is Verdict.OK and await _accepts_old_tls(server, address, attempts):
        return Finding(Verdict.WARNING, f"{address}: {OLD_TLS}", OLD_TLS_REMEDY)
    return found


async def _explained(problem: Problem, server: MailServer, address: str, attempts: Attempts) -> Problem:
    """Return the problem with a connection, explained if the port does not speak what the settings say.

    This connects once more, the other way: with TLS if the settings do not say SSL, otherwise without.
    """
    other = replace(server, socket_type="plain" if server.socket_type == "SSL" else "SSL")
    if not isinstance(problem, NotConnectedError):
        try:
            async with _session(other, address, tls.unverified_context(), attempts) as connection:
                return _wrong_socket_type(server, await _offered(other, connection))
        except Problem:
            pass
    found = problem.finding
    if isinstance(problem, (NotConnectedError, TimeLimitError)) and found.verdict is Verdict.ERROR:
        return Problem(found.text, f"{found.remedy}; or correct the port in the settings")
    return problem


def _wrong_socket_type(server: MailServer, offered: str) -> Problem:
    if server.socket_type != "SSL":
        text = f"port {server.port} speaks SSL (implicit TLS), not {server.socket_type}"
        return Problem(text, "write SSL in the settings")
    if re.search(_STARTTLS_OFFER, offered):
        text = f"port {server.port} speaks STARTTLS, not SSL (implicit TLS)"
        return Problem(text, "write STARTTLS in the settings, or enable TLS without STARTTLS on this port")
    text = f"port {server.port} does not speak SSL (implicit TLS), nor offers STARTTLS"
    return Problem(text, "enable TLS without STARTTLS on this port; or enable STARTTLS, and write it in the settings")


async def probe(server: MailServer, address: str, context: ssl.SSLContext, attempts: Attempts) -> ProbeResult:
    """Connect to a server at one of its addresses, and return what it offers. Raises Problem."""
    remedy = f"start the server, and open port {server.port} in firewalls"
    async with _session(server, address, context, attempts, remedy) as connection:
        offered = await _offered(server, connection)
        encryption = connection.writer.get_extra_info("ssl_object")
        if encryption is None:
            return ProbeResult(offered, None, 0)
        return ProbeResult(offered, encryption.version(), days_left(encryption.getpeercert()))


async def _accepts_old_tls(server: MailServer, address: str, attempts: Attempts) -> bool:
    try:
        async with _session(server, address, old_context(), attempts):
            return True
    except Problem:
        return False


@asynccontextmanager
async def _session(
    server: MailServer, address: str, context: ssl.SSLContext, attempts: Attempts, remedy: str = ""
) -> AsyncIterator[_Connection]:
    """Connect to a server, and begin TLS as the settings say. `remedy` is for a server that does not respond."""
    implicit = context if server.socket_type == "SSL" else None
    async with attempts.one(address, remedy), connected(server.host, address, server.port, implicit) as streams:
        connection = _Connection(*streams)
        await _begin(server, connection, context)
        yield connection


async def _offered(server: MailServer, connection: _Connection) -> str:
    return (await _capabilities(server, connection)).upper()


async def _begin(server: MailServer, connection: _Connection, context: ssl.SSLContext) -> None:
    """Read the greeting, and start TLS if the settings say STARTTLS."""
    try:
        greeting = await connection.send("", _GREETING[server.type][1])
    except Problem as problem:
        raise GreetingError(problem.finding.text, problem.finding.remedy) from problem
    if not re.match(_GREETING[server.type][0], greeting, re.IGNORECASE):
        raise GreetingError(f"this is not a valid {server.type} greeting", f"see what listens on port {server.port}")
    if server.socket_type == "STARTTLS":
        await _start_tls(server, connection, context)


async def _capabilities(server: MailServer, connection: _Connection) -> str:
    """Return the capabilities of a server. Raises Problem if it does not list them."""
    command, good, end = _CAPABILITIES[server.type]
    response = await connection.send(command, end)
    offered = "\n".join(re.findall(_OFFERED[server.type], response, re.IGNORECASE | re.MULTILINE))
    if not offered or not _ends_with(good, response):
        raise Problem(f"the server rejects {command.removeprefix('c ').split()[0]}", "look at the server's log")
    return offered


def _ends_with(good: str, response: str) -> bool:
    """Return whether the last line of a response matches a pattern."""
    return bool(re.match(good, response.rpartition("\n")[2], re.IGNORECASE))


async def _start_tls(server: MailServer, connection: _Connection, context: ssl.SSLContext) -> None:
    offered = await _capabilities(server, connection)
    if not re.search(_STARTTLS_OFFER, offered, re.IGNORECASE):
        remedy = "enable it on the server, and check that no firewall removes it; or publish SSL in the settings"
        raise Problem("the settings say STARTTLS, but the server does not offer it", remedy)
    command, good, end = _STARTTLS[server.type]
    if not _ends_with(good, await connection.send(command, end)):
        raise Problem("the server offers STARTTLS, but then rejects it", "look at the server's TLS settings and log")
    await connection.start_tls(server.host, context)


def _judge(server: MailServer, result: ProbeResult, prefix: str) -> Finding:
    missing = [method for method in server.authentication if not _offers(server.type, method, result.offered)]
    not_offered = f"the server does not offer {' or '.join(missing)}, which the settings name"
    if missing and len(missing) == len(server.authentication):
        if result.rejects_logins and "password-cleartext" in missing:
            raise Problem(
                "the server rejects logins (LOGINDISABLED)", "allow logins after TLS; look at its TLS settings"
            )
        remedy = "enable it on the server after TLS, or publish a method that the server offers"
        raise Problem(not_offered, remedy)
    if result.tls is None:
        if re.search(_STARTTLS_OFFER, result.offered):
            text, remedy = "the settings say plain, but the server offers STARTTLS", "write STARTTLS in the settings"
            return Finding(Verdict.WARNING, f"{prefix}{text}", remedy)
        remedy = "enable TLS on the server, and write SSL or STARTTLS in the settings"
        return Finding(Verdict.WARNING, f"{prefix}no TLS, as the settings say", remedy)
    methods = "".join(f", {method}" for method in server.authentication if method not in missing)
    text = f"{prefix}{result.tls}, certificate valid for {result.days_left} more days{methods}"
    finding = expiry_finding(result.days_left, text)
    if missing and finding.verdict is Verdict.OK:
        remedy = "enable it on the server after TLS, or remove it from the settings"
        return Finding(Verdict.WARNING, f"{prefix}{not_offered}", remedy)
    return finding


def _offers(type_: str, method: str, offered: str) -> bool:
    if method == "password-cleartext":
        # IMAP's LOGIN needs no AUTH= capability (RFC 9051, section 6.2.3).
        return bool(_PASSWORD[type_].search(offered)) or (type_ == "imap" and "LOGINDISABLED" not in offered.split())
    if method in _METHODS:
        return bool(re.search(rf"\b{_METHODS[method]}\b", offered))
    return True  # none, client-IP-address and unknown methods cannot be seen before login
