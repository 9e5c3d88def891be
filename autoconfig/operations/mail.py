"""The mail servers of a definition, as a client meets them before it logs in: TLS, certificate, and how to log in.

Nothing is ever sent but greetings and questions.
"""

import asyncio
import re
import ssl
from dataclasses import dataclass

from autoconfig.operations.report import Finding, Problem, Verdict
from autoconfig.operations.tls import days_left, secured, trusted, unless_soon

_PASSWORD = {
    "imap": re.compile(r"AUTH=(PLAIN|LOGIN)\b"),
    "pop3": re.compile(r"^SASL\b.*\b(PLAIN|LOGIN)\b|^USER\b", re.MULTILINE),
    "smtp": re.compile(r"^AUTH\b.*\b(PLAIN|LOGIN)\b", re.MULTILINE),
}
_SECRET = r"(CRAM-MD5|DIGEST-MD5|SCRAM-\S+|APOP)"  # noqa: S105 - names of methods
_METHODS = {
    "password-encrypted": _SECRET,
    "NTLM": "NTLM",
    "GSSAPI": "GSSAPI",
    "OAuth2": "(XOAUTH2|OAUTHBEARER)",
    "TLS-client-cert": "EXTERNAL",
}
_MOST = 64 * 1024
"""Bytes of one answer."""


@dataclass(frozen=True)
class MailServer:
    """A server to look at: `type` is imap, pop3 or smtp, `authentication` what the definition promises."""

    type: str
    host: str
    port: int
    socket_type: str
    authentication: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.type} {self.host}:{self.port}"


class _Talk:
    """A dialogue with a server, line by line."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer

    async def ask(self, question: str, end: str) -> str:
        """Send a line, unless it is empty, and return the answer, whose last line matches `end`."""
        if question:
            self.writer.write(f"{question}\r\n".encode())
        lines: list[str] = []
        while sum(map(len, lines)) < _MOST:
            try:
                line = (await self._reader.readline()).decode("latin-1")
            except (OSError, ValueError) as error:  # ValueError: a line that is too long
                raise Problem("it breaks off in the middle of an answer", "look at the server's own log") from error
            if not line:
                raise Problem("it ends the connection", "look at the server's own log")
            lines.append(line.rstrip("\r\n"))
            if re.match(end, lines[-1], re.IGNORECASE):
                break
        return "\n".join(lines)


_GREETING = {"imap": (r"\* (OK|PREAUTH)", r"\*"), "pop3": (r"\+OK", r"[+-]"), "smtp": (r"220", r"\d{3} ")}
_STARTTLS = {
    "imap": ("a STARTTLS", r"a OK", r"a "),
    "pop3": ("STLS", r"\+OK", r"[+-]"),
    "smtp": ("STARTTLS", "220", r"\d{3} "),
}


async def check(server: MailServer, address: str, context: ssl.SSLContext, timeout: float) -> Finding:
    """Meet a server at one of its addresses. Raises Problem."""
    try:
        async with asyncio.timeout(timeout):
            return await _meet(server, address, context)
    except TimeoutError as error:
        remedy = f"see that the server runs, and that firewalls let port {server.port} in"
        raise Problem(f"{address} does not answer within {timeout:g} seconds", remedy) from error


async def _meet(server: MailServer, address: str, context: ssl.SSLContext) -> Finding:
    implicit = server.socket_type == "SSL"
    talk = _Talk(*await secured(server.host, address, server.port, context if implicit else None))
    try:
        greeting = await talk.ask("", _GREETING[server.type][1])
        if not re.match(_GREETING[server.type][0], greeting, re.IGNORECASE):
            raise Problem(f"it does not greet as {server.type} does", f"see what listens on port {server.port}")
        if server.socket_type == "STARTTLS":
            await _start_tls(server, talk, context)
        offered = await _capabilities(server, talk)
        return _judge(server, offered, talk.writer, f"{address}: ")
    finally:
        talk.writer.close()


async def _capabilities(server: MailServer, talk: _Talk) -> str:
    match server.type:
        case "imap":
            return await talk.ask("c CAPABILITY", r"c ")
        case "pop3":
            return await talk.ask("CAPA", r"(\.$|-ERR)")
        case _:
            response = await talk.ask("EHLO bt-autoconfig.invalid", r"\d{3} ")
            return re.sub(r"^\d{3}[ -]", "", response, flags=re.MULTILINE)


async def _start_tls(server: MailServer, talk: _Talk, context: ssl.SSLContext) -> None:
    offered = await _capabilities(server, talk)
    if not re.search(r"\b(STARTTLS|STLS)\b", offered, re.IGNORECASE):
        remedy = "let the server offer it, and nothing on the way take it out; or state SSL in the definition"
        raise Problem("STARTTLS is promised and not offered", remedy)
    question, good, end = _STARTTLS[server.type]
    if not re.match(good, await talk.ask(question, end), re.IGNORECASE):
        raise Problem("STARTTLS is offered and then refused", "look at the server's TLS settings and its log")
    with trusted(server.host):
        await talk.writer.start_tls(context, server_hostname=server.host)


def _judge(server: MailServer, offered: str, writer: asyncio.StreamWriter, prefix: str) -> Finding:
    missing = [method for method in server.authentication if not _offers(server.type, method, offered.upper())]
    if len(missing) == len(server.authentication):
        remedy = "let the server offer it after TLS, or state in the definition what it does offer"
        raise Problem(f"{' and '.join(missing)} is promised and not offered", remedy)
    if "LOGINDISABLED" in offered.upper().split():
        raise Problem("it takes no log-in here (LOGINDISABLED)", "allow it after TLS, or look at the TLS settings")
    encryption = writer.get_extra_info("ssl_object")
    if encryption is None:
        return Finding(Verdict.WARNING, f"{prefix}no encryption, as the definition says", "offer TLS")
    days = days_left(encryption.getpeercert())
    methods = ", ".join(server.authentication)
    return unless_soon(days, f"{prefix}{encryption.version()}, certificate for {days} more days, {methods}")


def _offers(type_: str, method: str, offered: str) -> bool:
    if method == "password-cleartext":
        # IMAP's LOGIN needs no AUTH= at all (RFC 9051, section 6.2.3).
        return bool(_PASSWORD[type_].search(offered)) or (type_ == "imap" and "LOGINDISABLED" not in offered)
    if method in _METHODS:
        return bool(re.search(rf"\b{_METHODS[method]}\b", offered))
    return True  # none, client-IP-address and what nobody knows: there is nothing to see before the log-in
