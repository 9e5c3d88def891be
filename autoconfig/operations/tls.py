"""Connections to one address of a host, with TLS for the hostname, and explanations of TLS errors."""

import asyncio
import errno
import functools
import os
import ssl
import time
import warnings
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from autoconfig.operations.report import Finding, Problem, Verdict, ok

# OpenSSL's X509_V_ERR_… (x509_vfy.h)
_EXPIRED, _SELF_SIGNED, _SELF_SIGNED_IN_CHAIN, _NO_ISSUER, _NO_ISSUER_HERE, _WRONG_NAME = 10, 18, 19, 20, 21, 62

_NO_ROUTE = {
    *(errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL),
    *(errno.EAFNOSUPPORT, errno.EACCES, errno.EPERM),
}
"""Errors of this machine, usually because it has no IPv6. The server may work."""

_DAY = 24 * 60 * 60
_WARNING_DAYS = 14
"""Days left below which a certificate should already have been renewed."""

_AUTHORITY = "get one from an authority that clients trust"
_REASONS = {
    _EXPIRED: ("the certificate has expired", "renew it, and reload the server so that it uses the new one"),
    _SELF_SIGNED: ("the certificate is self-signed", _AUTHORITY),
    _SELF_SIGNED_IN_CHAIN: ("the certificate's authority is not trusted", _AUTHORITY),
    _NO_ISSUER: ("the certificate's issuer is unknown", "send the whole chain, or get one from a trusted authority"),
    _NO_ISSUER_HERE: ("the certificate chain is incomplete", "send the whole chain: fullchain.pem, not cert.pem"),
}
_ONLY_OLD_TLS = {"TLSV1_ALERT_PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "WRONG_SSL_VERSION"}
_NO_CERTIFICATE = {"TLSV1_ALERT_INTERNAL_ERROR", "TLSV1_UNRECOGNIZED_NAME", "SSLV3_ALERT_HANDSHAKE_FAILURE"}
"""How Caddy, nginx, Traefik and HAProxy reject a name for which they have no certificate, or not yet."""


class NotConnectedError(Problem):
    """A connection that cannot be made: nothing listens there, or there is no route."""


class HandshakeError(Problem):
    """A TLS handshake that fails, but not because of the certificate. It may work a little later."""


def context() -> ssl.SSLContext:
    """Return a client context for TLS 1.2 or newer that trusts the system's authorities, or those in SSL_CERT_FILE.

    It is shared, because reading the authorities takes 20 ms.
    """
    return _context(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@functools.lru_cache(1)
def _context(_file: str | None, _folder: str | None) -> ssl.SSLContext:
    made = ssl.create_default_context()
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    return made


def unverified_context() -> ssl.SSLContext:
    """Return a client context that does not verify certificates."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


def old_context() -> ssl.SSLContext:
    """Return a client context for TLS 1.1 and 1.0 that does not verify certificates."""
    made = unverified_context()
    made.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # about the old versions
        made.minimum_version, made.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    return made


@contextmanager
def trusted(host: str) -> Iterator[None]:
    """Turn TLS errors into a Problem."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        if error.verify_code == _WRONG_NAME:
            problem = Problem(f"the certificate is not for {host}", f"get one that names {host} too")
        else:
            text, remedy = _REASONS.get(error.verify_code, (f"the certificate: {error.verify_message}", _AUTHORITY))
            problem = Problem(text, remedy)
        raise problem from error
    except ssl.SSLError as error:
        raise _handshake_error(host, error.reason or "no reason given") from error
    except (ConnectionError, asyncio.IncompleteReadError) as error:
        raise HandshakeError("the server closes the connection during the TLS handshake", "look at its log") from error


def _handshake_error(host: str, reason: str) -> Problem:
    words = reason.replace("_", " ").lower()
    if reason in _ONLY_OLD_TLS:
        return Problem("the server offers only TLS 1.1 or older", "allow TLS 1.2 and 1.3")
    if reason in _NO_CERTIFICATE:
        remedy = (
            f"give the server a certificate for {host}; if it gets certificates on demand, see its log for the reason"
        )
        text = f"the TLS handshake fails: the server has no certificate for {host} ({words})"
        return HandshakeError(text, remedy)
    remedy = "enable TLS 1.2 or 1.3 on this port, without STARTTLS"
    return HandshakeError(f"the TLS handshake fails: {words}", remedy)


async def _connect(
    host: str, address: str, port: int, tls: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        reader, writer = await asyncio.open_connection(address, port)
    except OSError as error:
        if error.errno in _NO_ROUTE:
            remedy = "run the check on a machine that has a route, such as one with IPv6"
            raise NotConnectedError(f"there is no route from here to {address}", remedy, Verdict.UNKNOWN) from error
        reason = os.strerror(error.errno).lower() if error.errno and error.errno > 0 else "fails"
        remedy = f"start the server, and open port {port} in firewalls"
        raise NotConnectedError(f"{address} port {port}: {reason}", remedy) from error
    if tls:
        try:
            with trusted(host):
                await writer.start_tls(tls, server_hostname=host)
        except BaseException:
            writer.transport.abort()
            raise
    return reader, writer


@asynccontextmanager
async def connected(
    host: str, address: str, port: int, tls: ssl.SSLContext | None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect to an address, with TLS for the hostname if there is a context. Raises Problem.

    The connection is aborted at the end: an orderly TLS shutdown would wait for the server and keep buffers in memory.
    """
    reader, writer = await _connect(host, address, port, tls)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


OLD_TLS = "the server also accepts TLS 1.1 or older"
OLD_TLS_REMEDY = "allow only TLS 1.2 and 1.3 (RFC 8996)"


def expiry_finding(days: int, text: str) -> Finding:
    """Return a warning if a certificate with this number of days left should have been renewed, otherwise OK."""
    if days < _WARNING_DAYS:
        return Finding(Verdict.WARNING, text, "renew the certificate now")
    return ok(text)


def days_left(certificate: Mapping[str, Any]) -> int:
    """Return the whole days until a certificate expires. The certificate is what `getpeercert()` returns.

    Raises Problem if it has no valid date.
    """
    try:
        left = ssl.cert_time_to_seconds(str(certificate["notAfter"])) - time.time()
    except (KeyError, ValueError) as error:
        raise Problem("the certificate has no valid expiry date", "get one from a trusted authority") from error
    return int(left // _DAY)
