"""The check of mail servers, with servers that flood, lie or inject data."""

import asyncio
import re
import socket
import ssl
import struct

import pytest
import trustme

from autoconfig.operations import mail
from autoconfig.operations.attempts import Attempts
from autoconfig.operations.mail_session import MailServer
from autoconfig.operations.report import Finding, Problem, Verdict
from tests.operations.hosts import Handler, lines, listening, send, tls_for

GREETINGS = {"imap": b"* OK hello\r\n", "pop3": b"+OK hello\r\n", "smtp": b"220 hello\r\n"}
OFFERS = {
    "imap": b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\nc OK done\r\n",
    "pop3": b"+OK\r\nUSER\r\nSASL PLAIN\r\n.\r\n",
    "smtp": b"250-hello\r\n250 AUTH PLAIN LOGIN\r\n",
}
NO_END = "the server sends 64 KiB without ending its response"


def found(
    type_: str,
    handle: Handler,
    socket_type: str = "plain",
    timeout: float = 10,
    methods: tuple[str, ...] = ("password-cleartext",),
    tls: ssl.SSLContext | None = None,
) -> Finding:
    """Return the finding of a check of a server."""

    async def check(port: int) -> Finding:
        server = MailServer(type_, "localhost", port, socket_type, methods)
        try:
            return await mail.check(server, "127.0.0.1", ssl.create_default_context(), Attempts(timeout))
        except Problem as problem:
            return problem.finding

    with listening(handle, tls) as port:
        return asyncio.run(check(port))


@pytest.mark.parametrize("type_", GREETINGS)
def test_an_honest_server_without_tls_is_a_warning(type_: str) -> None:
    finding = found(type_, lines(GREETINGS[type_], OFFERS[type_]))
    assert finding.verdict is Verdict.WARNING
    assert finding.text == "127.0.0.1: no TLS, as the settings say"


FLOODS = {
    "untagged responses": {"imap": b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n", "pop3": b"USER\r\n", "smtp": b"250-AUTH PLAIN\r\n"},
    "empty lines": {"imap": b"\n", "pop3": b"\n", "smtp": b"\n"},
    "one line": {"imap": b"* AUTH=PLAIN ", "pop3": b"USER ", "smtp": b"250-AUTH PLAIN "},
}  # fmt: skip


@pytest.mark.parametrize("flood", FLOODS)
@pytest.mark.parametrize("type_", GREETINGS)
def test_an_endless_response_is_an_error(type_: str, flood: str) -> None:
    finding = found(type_, lines(GREETINGS[type_], forever=FLOODS[flood][type_] * 2000))
    assert (finding.verdict, finding.text) == (Verdict.ERROR, NO_END)


@pytest.mark.parametrize(("type_", "piece"), [("imap", b"a"), ("pop3", b"a"), ("smtp", b"220-a\r\n")])
def test_an_endless_greeting_is_an_error(type_: str, piece: bytes) -> None:
    async def handle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await send(writer, forever=piece * 10000)

    assert found(type_, handle).text == NO_END


@pytest.mark.parametrize("type_", GREETINGS)
def test_a_greeting_one_byte_at_a_time_times_out(type_: str) -> None:
    async def handle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await send(writer, GREETINGS[type_][:3], forever=b"-", pause=0.05)

    assert found(type_, handle, timeout=0.5).text == "127.0.0.1 does not respond within 0.5 seconds"


@pytest.mark.parametrize(
    ("type_", "answer"),
    [
        ("imap", b"* CAPABILITY AUTH=PLAIN\r\nc BAD no\r\n"),
        ("imap", b"c OK I offer nothing\r\n"),
        ("imap", b"* OK AUTH=PLAIN\r\nc OK\r\n"),
        ("smtp", b"554-AUTH PLAIN\r\n554 AUTH PLAIN\r\n"),
        ("pop3", b"-ERR\r\n"),
    ],
)
def test_a_server_without_a_valid_capability_response_is_an_error(type_: str, answer: bytes) -> None:
    assert found(type_, lines(GREETINGS[type_], answer)).verdict is Verdict.ERROR


STARTTLS = {
    "imap": (b"* CAPABILITY STARTTLS\r\nc OK\r\n", b"a OK begin\r\n"),
    "pop3": (b"+OK\r\nSTLS\r\n.\r\n", b"+OK begin\r\n"),
    "smtp": (b"250 STARTTLS\r\n", b"220 begin\r\n"),
}


@pytest.mark.parametrize("type_", GREETINGS)
def test_data_injected_before_tls_is_not_used(type_: str) -> None:
    offer, agree = STARTTLS[type_]
    finding = found(type_, lines(GREETINGS[type_], offer, agree + OFFERS[type_]), "STARTTLS")
    assert finding.text == "the server sends unencrypted data after it has accepted STARTTLS"


WITHOUT_STARTTLS = {
    "imap": b"* CAPABILITY IMAP4rev1\r\nc OK\r\n",
    "pop3": b"+OK\r\nUSER\r\n.\r\n",
    "smtp": b"250 AUTH PLAIN\r\n",
}
REJECTIONS = {"imap": b"a NO not now\r\n", "pop3": b"-ERR\r\n", "smtp": b"454 TLS not available\r\n"}


@pytest.mark.parametrize("type_", GREETINGS)
def test_a_server_that_does_not_offer_starttls_although_the_settings_say_so_is_an_error(type_: str) -> None:
    finding = found(type_, lines(GREETINGS[type_], WITHOUT_STARTTLS[type_]), "STARTTLS")
    assert finding.verdict is Verdict.ERROR
    assert finding.text == "the settings say STARTTLS, but the server does not offer it"
    assert "check that no firewall removes it" in finding.remedy


@pytest.mark.parametrize("type_", GREETINGS)
def test_a_server_that_offers_starttls_and_then_rejects_it_is_an_error(type_: str) -> None:
    finding = found(type_, lines(GREETINGS[type_], STARTTLS[type_][0], REJECTIONS[type_]), "STARTTLS")
    assert finding.verdict is Verdict.ERROR
    assert finding.text == "the server offers STARTTLS, but then rejects it"


@pytest.mark.parametrize(
    ("methods", "verdict", "text"),
    [
        (
            ("password-cleartext", "OAuth2"),
            Verdict.WARNING,
            "the server does not offer OAuth2, which the settings name",
        ),
        (("OAuth2",), Verdict.ERROR, "the server does not offer OAuth2, which the settings name"),
        (("password-cleartext", "client-IP-address"), Verdict.OK, "password-cleartext, client-IP-address"),
    ],
)
def test_a_missing_login_method_is_a_warning_if_another_works_and_ip_addresses_need_no_offer(
    authority: trustme.CA, methods: tuple[str, ...], verdict: Verdict, text: str
) -> None:
    handle = lines(GREETINGS["smtp"], OFFERS["smtp"])
    finding = found("smtp", handle, "SSL", methods=methods, tls=tls_for(authority.issue_cert("localhost")))
    assert (finding.verdict, finding.text.endswith(text)) == (verdict, True), finding


def test_a_connection_that_is_reset_during_a_response_is_an_error() -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GREETINGS["imap"] + b"* CAPABILITY")
        await reader.readline()
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close with a RST

    finding = found("imap", reset)
    assert (finding.verdict, finding.text) == (Verdict.ERROR, "the connection breaks off during a response")


def test_a_server_that_closes_the_connection_is_an_error() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GREETINGS["imap"])
        await reader.readline()

    assert found("imap", handle).text == "the server closes the connection"


@pytest.mark.parametrize("type_", GREETINGS)
@pytest.mark.parametrize("socket_type", ["STARTTLS", "plain"])
def test_implicit_tls_on_a_port_published_without_it_is_named(
    authority: trustme.CA, type_: str, socket_type: str
) -> None:
    """The server waits for the handshake, so the first attempt ends with the timeout."""
    tls = tls_for(authority.issue_cert("localhost"))
    finding = found(type_, lines(GREETINGS[type_], OFFERS[type_]), socket_type, timeout=0.5, tls=tls)
    assert finding.verdict is Verdict.ERROR
    assert re.fullmatch(rf"port \d+ speaks SSL \(implicit TLS\), not {socket_type}", finding.text)
    assert finding.remedy == "write SSL in the settings"


@pytest.mark.parametrize("type_", GREETINGS)
def test_starttls_on_a_port_published_as_ssl_is_named(type_: str) -> None:
    finding = found(type_, lines(GREETINGS[type_], STARTTLS[type_][0]), "SSL")
    assert finding.verdict is Verdict.ERROR
    assert re.fullmatch(r"port \d+ offers STARTTLS instead of SSL \(implicit TLS\)", finding.text)
    assert finding.remedy.startswith("write STARTTLS in the settings, or enable TLS")


@pytest.mark.parametrize("type_", GREETINGS)
def test_a_port_without_tls_published_as_ssl_is_named(type_: str) -> None:
    finding = found(type_, lines(GREETINGS[type_], OFFERS[type_]), "SSL")
    assert finding.text.endswith("supports neither SSL (implicit TLS) nor STARTTLS")


@pytest.mark.parametrize("type_", GREETINGS)
def test_plain_in_the_settings_of_a_server_that_offers_starttls_is_named(type_: str) -> None:
    offer = STARTTLS[type_][0].replace(b"STARTTLS", b"STARTTLS AUTH=PLAIN", type_ == "imap")
    offer = offer.replace(b"STLS", b"STLS\r\nUSER").replace(b"250 ", b"250-AUTH PLAIN\r\n250 ")
    finding = found(type_, lines(GREETINGS[type_], offer), "plain")
    assert finding.verdict is Verdict.WARNING
    assert finding.text == "127.0.0.1: the settings say plain, but the server offers STARTTLS"
    assert finding.remedy == "write STARTTLS in the settings"


def test_a_silent_or_closed_port_may_be_the_wrong_one() -> None:
    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    finding = found("imap", silent, "SSL", timeout=0.2)
    assert finding.text == "127.0.0.1 does not respond within 0.2 seconds"
    assert finding.remedy.endswith("; or correct the port in the settings")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # without listen, it refuses connections
        server = MailServer("imap", "localhost", closed.getsockname()[1], "SSL", ())
        with pytest.raises(Problem, match="connection refused") as raised:
            asyncio.run(mail.check(server, "127.0.0.1", ssl.create_default_context(), Attempts(10)))
    assert raised.value.finding.remedy.endswith("; or correct the port in the settings")
