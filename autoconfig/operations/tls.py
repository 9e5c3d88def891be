"""Connections to one address of a host, with TLS for the host's name: whether it listens, and whether it is trusted."""

import asyncio
import errno
import os
import ssl
import time
import warnings
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from autoconfig.operations.report import Finding, Problem, Verdict, right

# OpenSSL's X509_V_ERR_… (x509_vfy.h)
_EXPIRED, _SELF_SIGNED, _SELF_SIGNED_IN_CHAIN, _NO_ISSUER, _NO_ISSUER_HERE, _WRONG_NAME = 10, 18, 19, 20, 21, 62

_NO_ROUTE = {
    *(errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL),
    *(errno.EAFNOSUPPORT, errno.EACCES, errno.EPERM),
}
"""It is this machine that cannot, most often for want of IPv6: that says nothing about the server."""

_DAY = 24 * 60 * 60
_SOON = 14
"""Days before its end from which on a certificate should have been renewed."""

_AUTHORITY = "get one from an authority that clients trust"
_REASONS = {
    _EXPIRED: ("the certificate has expired", "renew it, and reload the server so that it uses the new one"),
    _SELF_SIGNED: ("the certificate is self-signed", _AUTHORITY),
    _SELF_SIGNED_IN_CHAIN: ("the certificate's authority is not trusted", _AUTHORITY),
    _NO_ISSUER: ("the certificate's issuer is not known", "send the whole chain, or get one from a trusted authority"),
    _NO_ISSUER_HERE: ("the certificate's chain is not complete", "send the whole chain: fullchain.pem, not cert.pem"),
}
_OLD_ALONE = {"TLSV1_ALERT_PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "WRONG_SSL_VERSION"}
_NO_CERTIFICATE = {"TLSV1_ALERT_INTERNAL_ERROR", "TLSV1_UNRECOGNIZED_NAME", "SSLV3_ALERT_HANDSHAKE_FAILURE"}
"""How web servers refuse a name that they have no certificate for, or none yet: Caddy, nginx, Traefik, HAProxy."""


class NotConnectedError(Problem):
    """No connection: nothing listens there, or there is no route to it."""


class HandshakeError(Problem):
    """TLS that fails for another reason than the certificate: it may work a little later."""


def context() -> ssl.SSLContext:
    """Return what a client trusts: the system's authorities, or those that SSL_CERT_FILE names; TLS 1.2 or newer."""
    made = ssl.create_default_context()
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    return made


def old_context() -> ssl.SSLContext:
    """Return a client that knows nothing newer than TLS 1.1, and looks at no certificate."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    made.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python's, about the versions that are looked for
        made.minimum_version, made.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    return made


@contextmanager
def trusted(host: str) -> Iterator[None]:
    """Turn what is wrong with TLS into a Problem."""
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
        raise HandshakeError("it closes the connection while TLS begins", "look at the server's own log") from error


def _handshake_error(host: str, reason: str) -> Problem:
    words = reason.replace("_", " ").lower()
    if reason in _OLD_ALONE:
        return Problem("it offers nothing newer than TLS 1.1", "allow TLS 1.2 and 1.3")
    if reason in _NO_CERTIFICATE:
        remedy = (
            f"give the server a certificate for {host}; if it gets certificates on demand, its log says why it has none"
        )
        return HandshakeError(f"TLS fails: the server has no certificate for {host} ({words})", remedy)
    return HandshakeError(f"TLS fails: {words}", "offer TLS 1.2 or 1.3 here, from the first byte on")


async def _secured(
    host: str, address: str, port: int, tls: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        reader, writer = await asyncio.open_connection(address, port)
    except UnicodeError as error:
        raise Problem(f"{address} is not a hostname", "name the server by its hostname") from error
    except OSError as error:
        if error.errno in _NO_ROUTE:
            remedy = "run the check on a machine that has a route to it (IPv6?)"
            raise NotConnectedError(f"there is no route from here to {address}", remedy, Verdict.UNKNOWN) from error
        reason = os.strerror(error.errno).lower() if error.errno and error.errno > 0 else "fails"
        remedy = f"start the server, and let firewalls pass port {port}"
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
    """Connect to an address, with TLS for the host's name when there is a context. Raises Problem.

    The connection is aborted in the end: TLS that is closed in good order waits for the server, with its buffers.
    """
    reader, writer = await _secured(host, address, port, tls)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def accepts_old(host: str, address: str, port: int) -> bool:
    """Tell whether a server accepts TLS 1.1 or 1.0, which RFC 8996 forbids."""
    try:
        async with connected(host, address, port, old_context()):
            return True
    except Problem:
        return False


OLD_TLS = "it also accepts TLS 1.1 or older"
OLD_TLS_REMEDY = "allow only TLS 1.2 and 1.3 (RFC 8996)"


def unless_soon(days: int, text: str) -> Finding:
    """Return that all is right, unless a certificate with so many days left should have been renewed by now."""
    if days < _SOON:
        return Finding(Verdict.WARNING, text, "renew the certificate now")
    return right(text)


def days_left(certificate: Mapping[str, Any]) -> int:
    """Return the whole days until a certificate's end; the certificate is what `getpeercert()` returns.

    Raises Problem when it has no date that can be read.
    """
    try:
        left = ssl.cert_time_to_seconds(str(certificate["notAfter"])) - time.time()
    except (KeyError, ValueError) as error:
        raise Problem("its certificate does not say when it expires", "get one from a trusted authority") from error
    return int(left // _DAY)
