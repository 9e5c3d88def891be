"""Mail servers, as a client sees them before it logs in: TLS, certificate, and login methods.

Only commands that need no login are sent.
"""

import asyncio
import re
import ssl
from dataclasses import dataclass

from autoconfig.operations.attempts import Attempts
from autoconfig.operations.report import Finding, Problem, Verdict
from autoconfig.operations.tls import (
    OLD_TLS,
    OLD_TLS_REMEDY,
    connected,
    days_left,
    old_context,
    trusted,
    unless_soon,
)

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
    """A mail server: `type` is imap, pop3 or smtp, `authentication` what the definition promises."""

    type: str
    host: str
    port: int
    socket_type: str
    authentication: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.type} {self.host}:{self.port}"


class _Dialogue:
    """A dialogue with a server, line by line."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer
        self._left = bytearray()

    async def ask(self, question: str, end: str) -> str:
        """Send a line, unless it is empty, and return the answer, whose last line matches `end`.

        Raises Problem when the server sends _MOST bytes without such a line.
        """
        if question:
            self.writer.write(f"{question}\r\n".encode())
        lines: list[str] = []
        most = _MOST
        while not (lines and re.match(end, lines[-1], re.IGNORECASE)):
            line = await self._line(most)
            most -= len(line)
            lines.append(line.decode("latin-1").rstrip("\r\n"))
        return "\n".join(lines)

    async def _line(self, most: int) -> bytes:
        while b"\n" not in self._left and len(self._left) < most:
            try:
                received = await self._reader.read(_MOST)
            except OSError as error:
                raise Problem("it breaks off in the middle of an answer", "look at the server's own log") from error
            if not received:
                raise Problem("it ends the connection", "look at the server's own log")
            self._left += received
        end = self._left.find(b"\n", 0, max(0, most)) + 1
        if not end:
            raise Problem(f"it sends {_MOST // 1024} KiB and no end of its answer", "see what listens there")
        line = bytes(self._left[:end])
        del self._left[:end]
        return line

    async def start_tls(self, host: str, context: ssl.SSLContext) -> None:
        """Begin TLS. Raises Problem when the server has sent more already: that would pass for a protected answer."""
        if self._left:
            remedy = "update the mail server (CVE-2011-0411), or look for what changes its answers on the way"
            raise Problem("it goes on without TLS after it has agreed to STARTTLS", remedy)
        with trusted(host):
            await self.writer.start_tls(context, server_hostname=host)


_GREETING = {"imap": (r"\* (OK|PREAUTH)", ""), "pop3": (r"\+OK", ""), "smtp": (r"220", r"\d{3} |(?!\d{3}-)")}
"""What a good greeting is like, and the last line of any: whatever else listens there may say anything."""
_CAPABILITIES = {
    "imap": ("c CAPABILITY", r"c OK", r"c "),
    "pop3": ("CAPA", r"(\.$|-ERR)", r"(\.$|-ERR)"),  # CAPA is optional (RFC 2449)
    "smtp": ("EHLO bt-autoconfig.invalid", r"250 ", r"\d{3} "),
}
"""What asks for a server's capabilities, the last line of a good answer, and of any."""
_OFFERED = {"imap": r"^\* CAPABILITY (.*)", "pop3": r"^.*$", "smtp": r"^250[ -](.*)"}
"""The lines of an answer that name capabilities."""
_STARTTLS = {
    "imap": ("a STARTTLS", r"a OK", r"a "),
    "pop3": ("STLS", r"\+OK", r"[+-]"),
    "smtp": ("STARTTLS", "220", r"\d{3} "),
}


@dataclass(frozen=True)
class Met:
    """What a server says before the login: its capabilities, and its TLS, if there is any."""

    offered: str
    """In upper case."""
    tls: str | None
    """The version, `TLSv1.3`."""
    days_left: int
    """Whole days until its certificate ends; 0 without TLS."""

    def methods(self, type_: str) -> tuple[str, ...]:
        """Return the methods by which users can log in, `password-cleartext` first."""
        return tuple(one for one in ("password-cleartext", *_METHODS) if _offers(type_, one, self.offered))

    @property
    def refuses_logins(self) -> bool:
        """Whether it refuses passwords as they are, by LOGIN and by SASL (IMAP; RFC 9051, section 6.2.3)."""
        return "LOGINDISABLED" in self.offered.split() and not _PASSWORD["imap"].search(self.offered)


async def check(server: MailServer, address: str, context: ssl.SSLContext, attempts: Attempts) -> Finding:
    """Check a server at one of its addresses. Raises Problem."""
    found = _judge(server, await meet(server, address, context, attempts), f"{address}: ")
    if found.verdict is Verdict.RIGHT and await _accepts_old_tls(server, address, attempts):
        return Finding(Verdict.WARNING, f"{address}: {OLD_TLS}", OLD_TLS_REMEDY)
    return found


async def meet(server: MailServer, address: str, context: ssl.SSLContext, attempts: Attempts) -> Met:
    """Connect to a server at one of its addresses, and return what it offers. Raises Problem."""
    remedy = f"start the server, and let firewalls pass port {server.port}"
    implicit = context if server.socket_type == "SSL" else None
    async with attempts.one(address, remedy), connected(server.host, address, server.port, implicit) as streams:
        dialogue = _Dialogue(*streams)
        await _begin(server, dialogue, context)
        offered = (await _capabilities(server, dialogue)).upper()
        encryption = dialogue.writer.get_extra_info("ssl_object")
        if encryption is None:
            return Met(offered, None, 0)
        return Met(offered, encryption.version(), days_left(encryption.getpeercert()))


async def _accepts_old_tls(server: MailServer, address: str, attempts: Attempts) -> bool:
    context = old_context()
    implicit = context if server.socket_type == "SSL" else None
    try:
        async with attempts.one(address, ""), connected(server.host, address, server.port, implicit) as streams:
            await _begin(server, _Dialogue(*streams), context)
            return True
    except Problem:
        return False


async def _begin(server: MailServer, dialogue: _Dialogue, context: ssl.SSLContext) -> None:
    """Read the greeting, and start TLS where the definition promises STARTTLS."""
    greeting = await dialogue.ask("", _GREETING[server.type][1])
    if not re.match(_GREETING[server.type][0], greeting, re.IGNORECASE):
        raise Problem(f"it does not greet as {server.type} does", f"see what listens on port {server.port}")
    if server.socket_type == "STARTTLS":
        await _start_tls(server, dialogue, context)


async def _capabilities(server: MailServer, dialogue: _Dialogue) -> str:
    """Return what a server offers. Raises Problem when it does not tell."""
    question, good, end = _CAPABILITIES[server.type]
    answer = await dialogue.ask(question, end)
    offered = "\n".join(re.findall(_OFFERED[server.type], answer, re.IGNORECASE | re.MULTILINE))
    if not offered or not _ends_with(good, answer):
        raise Problem(f"it does not answer {question.removeprefix('c ').split()[0]}", "look at the server's own log")
    return offered


def _ends_with(good: str, answer: str) -> bool:
    """Tell whether the last line of an answer is a good one."""
    return bool(re.match(good, answer.rpartition("\n")[2], re.IGNORECASE))


async def _start_tls(server: MailServer, dialogue: _Dialogue, context: ssl.SSLContext) -> None:
    offered = await _capabilities(server, dialogue)
    if not re.search(r"\b(STARTTLS|STLS)\b", offered, re.IGNORECASE):
        remedy = "let the server offer it, and nothing on the way take it out; or state SSL in the definition"
        raise Problem("STARTTLS is promised and not offered", remedy)
    question, good, end = _STARTTLS[server.type]
    if not _ends_with(good, await dialogue.ask(question, end)):
        raise Problem("STARTTLS is offered and then refused", "look at the server's TLS settings and its log")
    await dialogue.start_tls(server.host, context)


def _judge(server: MailServer, met: Met, prefix: str) -> Finding:
    missing = [method for method in server.authentication if not _offers(server.type, method, met.offered)]
    if missing and len(missing) == len(server.authentication):
        if met.refuses_logins and "password-cleartext" in missing:
            raise Problem("it takes no login here (LOGINDISABLED)", "allow logins after TLS; see its TLS settings")
        remedy = "let the server offer it after TLS, or state in the definition what it does offer"
        raise Problem(f"{' and '.join(missing)} is promised and not offered", remedy)
    if met.tls is None:
        return Finding(Verdict.WARNING, f"{prefix}no encryption, as the definition says", "offer TLS")
    methods = "".join(f", {method}" for method in server.authentication if method not in missing)
    finding = unless_soon(met.days_left, f"{prefix}{met.tls}, certificate for {met.days_left} more days{methods}")
    if missing and finding.verdict is Verdict.RIGHT:
        remedy = "let the server offer it after TLS, or remove it from the definition"
        return Finding(Verdict.WARNING, f"{prefix}{' and '.join(missing)} is promised and not offered", remedy)
    return finding


def _offers(type_: str, method: str, offered: str) -> bool:
    if method == "password-cleartext":
        # IMAP's LOGIN needs no AUTH= at all (RFC 9051, section 6.2.3).
        return bool(_PASSWORD[type_].search(offered)) or (type_ == "imap" and "LOGINDISABLED" not in offered.split())
    if method in _METHODS:
        return bool(re.search(rf"\b{_METHODS[method]}\b", offered))
    return True  # none, client-IP-address and unknown methods: there is nothing to see before the login
