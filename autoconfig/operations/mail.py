"""Mail servers as a client sees them before it logs in: TLS, certificate and login methods."""

import asyncio
import re
import ssl
from dataclasses import dataclass, replace

from autoconfig.operations import tls
from autoconfig.operations.attempts import Attempts, TimeLimitError
from autoconfig.operations.mail_session import STARTTLS_OFFER, GreetingError, MailServer, capabilities, session
from autoconfig.operations.report import Finding, Problem, Verdict
from autoconfig.operations.tls import (
    OLD_TLS,
    OLD_TLS_REMEDY,
    HandshakeError,
    NotConnectedError,
    days_left,
    expiry_finding,
    old_context,
)

_EXPLAINING = 5.0
"""Seconds to find out what else a port speaks. A server sends its greeting at once."""
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
    """Return the problem with a connection, explained if the port does not support the socketType in the settings.

    This connects once more: without TLS if the settings say SSL, otherwise with TLS.
    """
    other = replace(server, socket_type="plain" if server.socket_type == "SSL" else "SSL")
    if not isinstance(problem, NotConnectedError):
        try:
            async with (
                asyncio.timeout(_EXPLAINING),
                session(other, address, tls.unverified_context(), attempts) as connection,
            ):
                return _wrong_socket_type(server, await capabilities(other, connection))
        except (Problem, TimeoutError):
            pass
    found = problem.finding
    if isinstance(problem, (NotConnectedError, TimeLimitError)) and found.verdict is Verdict.ERROR:
        return Problem(found.text, f"{found.remedy}; or correct the port in the settings")
    return problem


def _wrong_socket_type(server: MailServer, offered: str) -> Problem:
    if server.socket_type != "SSL":
        text = f"port {server.port} speaks SSL (implicit TLS), not {server.socket_type}"
        return Problem(text, "write SSL in the settings")
    if re.search(STARTTLS_OFFER, offered):
        text = f"port {server.port} offers STARTTLS instead of SSL (implicit TLS)"
        return Problem(text, "write STARTTLS in the settings, or enable TLS without STARTTLS on this port")
    text = f"port {server.port} supports neither SSL (implicit TLS) nor STARTTLS"
    return Problem(text, "enable TLS without STARTTLS on this port; or enable STARTTLS, and write it in the settings")


async def probe(server: MailServer, address: str, context: ssl.SSLContext, attempts: Attempts) -> ProbeResult:
    """Connect to a server at one of its addresses, and return what it offers. Raises Problem."""
    remedy = f"start the server, and open port {server.port} in firewalls"
    async with session(server, address, context, attempts, remedy) as connection:
        offered = await capabilities(server, connection)
        encryption = connection.writer.get_extra_info("ssl_object")
        if encryption is None:
            return ProbeResult(offered, None, 0)
        return ProbeResult(offered, encryption.version(), days_left(encryption.getpeercert()))


async def _accepts_old_tls(server: MailServer, address: str, attempts: Attempts) -> bool:
    try:
        async with session(server, address, old_context(), attempts):
            return True
    except Problem:
        return False


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
        if re.search(STARTTLS_OFFER, result.offered):
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
