"""Errors of connections and TLS, and the time that a certificate has left."""

import asyncio
import errno
import ssl
import time

import pytest

from autoconfig.operations.report import Finding, Problem, Verdict, ok
from autoconfig.operations.tls import HandshakeError, NotConnectedError, connected, days_left, expiry_finding, trusted


@pytest.mark.parametrize("certificate", [{}, {"notAfter": "Bad time value"}])
def test_a_certificate_without_a_valid_expiry_date_is_an_error(certificate: dict[str, str]) -> None:
    """OpenSSL prints `Bad time value` for a date that it cannot read."""
    with pytest.raises(Problem, match=r"^the certificate has no valid expiry date$") as raised:
        days_left(certificate)
    assert raised.value.finding.remedy == "get one from a trusted authority"


@pytest.mark.parametrize(("days", "verdict"), [(-1, Verdict.WARNING), (13, Verdict.WARNING), (14, Verdict.OK)])
def test_a_certificate_should_be_renewed_two_weeks_before_it_expires(days: int, verdict: Verdict) -> None:
    finding = expiry_finding(days, "text")
    assert finding == (ok("text") if verdict is Verdict.OK else Finding(verdict, "text", "renew the certificate now"))


@pytest.mark.parametrize(
    ("hours", "days"), [(23, 0), (25, 1), (24 * 14 - 1, 13), (24 * 14 + 1, 14), (-1, -1), (-25, -2)]
)
def test_only_whole_days_are_left(hours: int, days: int) -> None:
    end = time.strftime("%b %d %H:%M:%S %Y GMT", time.gmtime(time.time() + hours * 3600))
    assert days_left({"notAfter": end}) == days


def problem(error: Exception) -> Problem:
    """Return the problem that stands for an error of a handshake with a.example."""
    with pytest.raises(Problem) as raised, trusted("a.example"):
        raise error
    return raised.value


@pytest.mark.parametrize(
    ("code", "text", "remedy"),
    [
        (10, "the certificate has expired", "renew it, and reload the server so that it uses the new one"),
        (18, "the certificate is self-signed", "get one from an authority that clients trust"),
        (19, "the certificate's authority is not trusted", "get one from an authority that clients trust"),
        (20, "the certificate's issuer is unknown", "send the whole chain, or get one from a trusted authority"),
        (21, "the certificate chain is incomplete", "send the whole chain: fullchain.pem, not cert.pem"),
        (62, "the certificate is not for a.example", "get one that names a.example too"),
        (9, "the certificate: is not valid yet", "get one from an authority that clients trust"),
    ],
)
def test_a_certificate_that_clients_reject_is_explained(code: int, text: str, remedy: str) -> None:
    """The codes are OpenSSL's (x509_vfy.h)."""
    error = ssl.SSLCertVerificationError()
    error.verify_code, error.verify_message = code, "is not valid yet"
    found = problem(error)
    assert found.finding == Finding(Verdict.ERROR, text, remedy)
    assert not isinstance(found, HandshakeError)


NO_CERTIFICATE = (
    "give the server a certificate for a.example; if it gets certificates on demand, see its log for the reason"
)
ONLY_OLD = ("the server offers only TLS 1.1 or older", "allow TLS 1.2 and 1.3", False)
FAILS = "the TLS handshake fails: "
MISSING = f"{FAILS}the server has no certificate for a.example"


@pytest.mark.parametrize(
    ("reason", "text", "remedy", "may_work_later"),
    [
        ("TLSV1_ALERT_PROTOCOL_VERSION", *ONLY_OLD),
        ("UNSUPPORTED_PROTOCOL", *ONLY_OLD),
        ("WRONG_SSL_VERSION", *ONLY_OLD),
        ("TLSV1_ALERT_INTERNAL_ERROR", f"{MISSING} (tlsv1 alert internal error)", NO_CERTIFICATE, True),
        ("TLSV1_UNRECOGNIZED_NAME", f"{MISSING} (tlsv1 unrecognized name)", NO_CERTIFICATE, True),
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", f"{MISSING} (sslv3 alert handshake failure)", NO_CERTIFICATE, True),
        ("WRONG_NUMBER", f"{FAILS}wrong number", "enable TLS 1.2 or 1.3 on this port, without STARTTLS", True),
        ("", f"{FAILS}no reason given", "enable TLS 1.2 or 1.3 on this port, without STARTTLS", True),
    ],
)
def test_a_handshake_that_fails_is_explained(reason: str, text: str, remedy: str, may_work_later: bool) -> None:
    error = ssl.SSLError()
    error.reason = reason
    found = problem(error)
    assert found.finding == Finding(Verdict.ERROR, text, remedy)
    assert isinstance(found, HandshakeError) is may_work_later


@pytest.mark.parametrize("error", [ConnectionResetError(), asyncio.IncompleteReadError(b"", 1)])
def test_a_connection_that_is_closed_during_the_handshake_is_explained(error: Exception) -> None:
    found = problem(error)
    text = "the server closes the connection during the TLS handshake"
    assert (type(found), found.finding) == (HandshakeError, Finding(Verdict.ERROR, text, "look at its log"))


def not_connected(monkeypatch: pytest.MonkeyPatch, error: OSError) -> Finding:
    """Return the finding if a connection to 192.0.2.1, port 993, fails with an error."""

    async def fail(*_: object) -> None:
        raise error

    async def connect() -> None:
        async with connected("a.example", "192.0.2.1", 993, None):
            pass

    monkeypatch.setattr(asyncio, "open_connection", fail)
    with pytest.raises(NotConnectedError) as raised:
        asyncio.run(connect())
    return raised.value.finding


@pytest.mark.parametrize("name", ["ENETUNREACH", "EHOSTUNREACH", "EADDRNOTAVAIL", "EAFNOSUPPORT", "EACCES", "EPERM"])
def test_an_error_of_this_machine_does_not_mean_that_the_server_fails(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    finding = not_connected(monkeypatch, OSError(getattr(errno, name), ""))
    remedy = "run the check on a machine that has a route, such as one with IPv6"
    assert finding == Finding(Verdict.UNKNOWN, "there is no route from here to 192.0.2.1", remedy)


@pytest.mark.parametrize(
    ("error", "reason"),
    [(OSError(errno.ECONNREFUSED, ""), "connection refused"), (OSError("?"), "fails"), (OSError(-2, "?"), "fails")],
)
def test_a_port_that_refuses_connections_is_an_error(
    monkeypatch: pytest.MonkeyPatch, error: OSError, reason: str
) -> None:
    remedy = "start the server, and open port 993 in firewalls"
    assert not_connected(monkeypatch, error) == Finding(Verdict.ERROR, f"192.0.2.1 port 993: {reason}", remedy)
