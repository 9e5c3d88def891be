"""A session with a mail server before login: greeting, STARTTLS and capabilities.

This sends only commands that need no login.
"""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from autoconfig.operations.attempts import Attempts
from autoconfig.operations.report import Problem
from autoconfig.operations.tls import connected, trusted

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


class Session:
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
STARTTLS_OFFER = r"\b(STARTTLS|STLS)\b"
"""A pattern of the capability, in upper case, to start TLS with a command."""
_STARTTLS = {
    "imap": ("a STARTTLS", r"a OK", r"a "),
    "pop3": ("STLS", r"\+OK", r"[+-]"),
    "smtp": ("STARTTLS", "220", r"\d{3} "),
}


@asynccontextmanager
async def session(
    server: MailServer, address: str, context: ssl.SSLContext, attempts: Attempts, remedy: str = ""
) -> AsyncIterator[Session]:
    """Connect to a server at one of its addresses, and begin TLS as the settings say. Raises Problem.

    `remedy` is for a server that does not respond in time.
    """
    implicit = context if server.socket_type == "SSL" else None
    async with attempts.one(address, remedy), connected(server.host, address, server.port, implicit) as streams:
        connection = Session(*streams)
        await _begin(server, connection, context)
        yield connection


async def _begin(server: MailServer, connection: Session, context: ssl.SSLContext) -> None:
    """Read the greeting, and start TLS if the settings say STARTTLS."""
    try:
        greeting = await connection.send("", _GREETING[server.type][1])
    except Problem as problem:
        raise GreetingError(problem.finding.text, problem.finding.remedy) from problem
    if not re.match(_GREETING[server.type][0], greeting, re.IGNORECASE):
        raise GreetingError(f"this is not a valid {server.type} greeting", f"see what listens on port {server.port}")
    if server.socket_type == "STARTTLS":
        await _start_tls(server, connection, context)


async def capabilities(server: MailServer, connection: Session) -> str:
    """Return the capabilities of a server, in upper case. Raises Problem if it does not list them."""
    command, good, end = _CAPABILITIES[server.type]
    response = await connection.send(command, end)
    offered = "\n".join(re.findall(_OFFERED[server.type], response, re.IGNORECASE | re.MULTILINE))
    if not offered or not _ends_with(good, response):
        raise Problem(f"the server rejects {command.removeprefix('c ').split()[0]}", "look at the server's log")
    return offered.upper()


def _ends_with(good: str, response: str) -> bool:
    """Return whether the last line of a response matches a pattern."""
    return bool(re.match(good, response.rpartition("\n")[2], re.IGNORECASE))


async def _start_tls(server: MailServer, connection: Session, context: ssl.SSLContext) -> None:
    offered = await capabilities(server, connection)
    if not re.search(STARTTLS_OFFER, offered):
        remedy = "enable it on the server, and check that no firewall removes it; or publish SSL in the settings"
        raise Problem("the settings say STARTTLS, but the server does not offer it", remedy)
    command, good, end = _STARTTLS[server.type]
    if not _ends_with(good, await connection.send(command, end)):
        raise Problem("the server offers STARTTLS, but then rejects it", "look at the server's TLS settings and log")
    await connection.start_tls(server.host, context)
