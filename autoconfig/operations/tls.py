"""Connections to one address of a host, with TLS for the host's name: whether it listens, and whether it is trusted."""

import asyncio
import errno
import os
import ssl
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from autoconfig.operations.report import Finding, Problem, Verdict, right

# OpenSSL's X509_V_ERR_… (x509_vfy.h)
_EXPIRED, _SELF_SIGNED, _SELF_SIGNED_IN_CHAIN, _NO_ISSUER, _NO_ISSUER_HERE, _WRONG_NAME = 10, 18, 19, 20, 21, 62

_NO_WAY = {errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
"""It is this machine that cannot, most often for want of IPv6: that says nothing of the server."""

_DAY = 24 * 60 * 60
_SOON = 14
"""Days before its end from which on a certificate that has not been renewed is told."""

_REASONS = {
    _EXPIRED: ("the certificate has expired", "renew it, and let the server load the new one"),
    _SELF_SIGNED: ("the certificate is self-signed", "get one from an authority that clients trust"),
    _SELF_SIGNED_IN_CHAIN: (
        "the certificate's authority is not trusted",
        "get one from an authority that clients trust",
    ),
    _NO_ISSUER: ("the certificate's issuer is not known", "send the whole chain, or get one from a trusted authority"),
    _NO_ISSUER_HERE: ("the certificate's chain is not complete", "send the whole chain: fullchain.pem, not cert.pem"),
}


def context() -> ssl.SSLContext:
    """Return what a client trusts: the system's authorities, or those that SSL_CERT_FILE names; TLS 1.2 or newer."""
    made = ssl.create_default_context()
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    return made


@contextmanager
def trusted(host: str) -> Iterator[None]:
    """Tell what is wrong with TLS as a Problem."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        if error.verify_code == _WRONG_NAME:
            problem = Problem(f"the certificate is not for {host}", f"get one that names {host} too")
        else:
            text, remedy = _REASONS.get(error.verify_code, (f"the certificate: {error.verify_message}", ""))
            problem = Problem(text, remedy)
        raise problem from error
    except ssl.SSLError as error:
        reason = (error.reason or "no reason given").replace("_", " ").lower()
        raise Problem(f"TLS fails: {reason}", "offer TLS 1.2 or 1.3 here, from the first byte on") from error
    except (ConnectionError, asyncio.IncompleteReadError) as error:
        raise Problem("it ends the connection while TLS begins", "look at the server's own log") from error


async def _secured(
    host: str, address: str, port: int, tls: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        reader, writer = await asyncio.open_connection(address, port)
    except UnicodeError as error:
        raise Problem(f"{address} is not a hostname") from error
    except OSError as error:
        if error.errno in _NO_WAY:
            remedy = "run the check where there is a way to it (IPv6?)"
            raise Problem(f"there is no way from here to {address}", remedy, Verdict.UNKNOWN) from error
        reason = os.strerror(error.errno).lower() if error.errno and error.errno > 0 else "fails"
        remedy = f"see that the server runs, and that firewalls let port {port} in"
        raise Problem(f"{address} port {port}: {reason}", remedy) from error
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


def unless_soon(days: int, text: str) -> Finding:
    """Return that all is right, unless a certificate that has so many days left should have been renewed by now."""
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
