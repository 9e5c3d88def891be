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
from autoconfig.operations.mail import ProbeResult
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
    assert finding.remedy == "enable TLS on the server, and write SSL or STARTTLS in the settings"


FLOODS = {
    "untagged responses": {"imap": b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n", "pop3": b"USER\r\n", "smtp": b"250-AUTH PLAIN\r\n"},
    "empty lines": {"imap": b"\n", "pop3": b"\n", "smtp": b"\n"},
    "one line": {"imap": b"* AUTH=PLAIN ", "pop3": b"USER ", "smtp": b"250-AUTH PLAIN "},
}  # fmt: skip


@pytest.mark.parametrize("flood", FLOODS)
@pytest.mark.parametrize("type_", GREETINGS)
def test_an_endless_response_is_an_error(type_: str, flood: str) -> None:
    finding = found(type_, lines(GREETINGS[type_], forever=FLOODS[flood][type_] * 2000))
    assert finding == Finding(Verdict.ERROR, NO_END, "see what listens on this port")


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
    ("type_", "answer", "text"),
    [
        ("imap", b"* CAPABILITY AUTH=PLAIN\r\nc BAD no\r\n", "the server rejects CAPABILITY"),
        ("imap", b"c OK I offer nothing\r\n", "the server rejects CAPABILITY"),
        ("imap", b"* OK AUTH=PLAIN\r\nc OK\r\n", "the server rejects CAPABILITY"),
        ("smtp", b"554-AUTH PLAIN\r\n554 AUTH PLAIN\r\n", "the server rejects EHLO"),
    ],
)
def test_a_server_without_a_valid_capability_response_is_an_error(type_: str, answer: bytes, text: str) -> None:
    finding = found(type_, lines(GREETINGS[type_], answer))
    assert finding == Finding(Verdict.ERROR, text, "look at the server's log")


def test_a_pop3_server_that_rejects_capa_offers_no_login_method() -> None:
    """CAPA is optional (RFC 2449)."""
    finding = found("pop3", lines(GREETINGS["pop3"], b"-ERR\r\n"))
    text = "the server does not offer password-cleartext, which the settings name"
    remedy = "enable it on the server after TLS, or publish a method that the server offers"
    assert finding == Finding(Verdict.ERROR, text, remedy)


@pytest.mark.parametrize(
    ("type_", "greeting", "valid"),
    [
        ("imap", b"* PREAUTH hello\r\n", True),
        ("imap", b"* ok hello\r\n", True),
        ("imap", b"* BYE busy\r\n", False),
        ("imap", b"220 hello\r\n", False),
        ("pop3", b"-ERR busy\r\n", False),
        ("smtp", b"220-hello\r\n220 again\r\n", True),
        ("smtp", b"554 no\r\n", False),
        ("smtp", b"+OK hello\r\n", False),
    ],
)
def test_a_greeting_must_be_one_of_the_servers_protocol(type_: str, greeting: bytes, valid: bool) -> None:
    finding = found(type_, lines(greeting, OFFERS[type_]))
    if valid:
        assert finding.text == "127.0.0.1: no TLS, as the settings say"
    else:
        assert (finding.verdict, finding.text) == (Verdict.ERROR, f"this is not a valid {type_} greeting")
        assert re.fullmatch(r"see what listens on port \d+", finding.remedy)


@pytest.mark.parametrize(
    ("type_", "commands"),
    [
        ("imap", [b"a STARTTLS", b"c CAPABILITY"]),
        ("pop3", [b"STLS", b"CAPA"]),
        ("smtp", [b"STARTTLS", b"EHLO bt-autoconfig.invalid"]),
    ],
)
def test_a_server_gets_only_commands_that_need_no_login(
    authority: trustme.CA, type_: str, commands: list[bytes]
) -> None:
    """After STARTTLS, it is asked for its capabilities again: it may offer others (RFC 3207, section 4.2)."""
    offer, agree = STARTTLS[type_]
    received: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GREETINGS[type_])
        for response in (offer, agree, OFFERS[type_]):
            received.append(await reader.readline())
            writer.write(response)
            if response == agree:
                await writer.drain()
                await writer.start_tls(tls_for(authority.issue_cert("localhost")))
        await reader.readline()

    finding = found(type_, handle, "STARTTLS")
    assert (finding.verdict, finding.text.endswith("more days, password-cleartext")) == (Verdict.OK, True), finding
    starttls, capabilities = (command + b"\r\n" for command in commands)
    assert received[:3] == [capabilities, starttls, capabilities]


@pytest.mark.parametrize(
    ("type_", "offered", "methods"),
    [
        ("imap", "IMAP4REV1", ["password-cleartext"]),
        ("imap", "IMAP4REV1 LOGINDISABLED", []),
        ("imap", "LOGINDISABLED AUTH=PLAIN", ["password-cleartext"]),
        ("imap", "LOGINDISABLED AUTH=LOGIN", ["password-cleartext"]),
        ("imap", "LOGINDISABLED AUTH=CRAM-MD5", ["password-encrypted"]),
        ("imap", "LOGINDISABLED AUTH=SCRAM-SHA-256", ["password-encrypted"]),
        ("pop3", "STLS\nUSER", ["password-cleartext"]),
        ("pop3", "STLS\nSASL LOGIN", ["password-cleartext"]),
        ("pop3", "SASL CRAM-MD5 PLAIN", ["password-cleartext", "password-encrypted"]),
        ("pop3", "STLS", []),
        ("smtp", "SIZE 100\nAUTH LOGIN", ["password-cleartext"]),
        ("smtp", "AUTH DIGEST-MD5 PLAIN", ["password-cleartext", "password-encrypted"]),
        ("smtp", "AUTH APOP", ["password-encrypted"]),
        ("smtp", "AUTH NTLM", ["NTLM"]),
        ("smtp", "AUTH GSSAPI", ["GSSAPI"]),
        ("smtp", "AUTH XOAUTH2", ["OAuth2"]),
        ("smtp", "AUTH OAUTHBEARER", ["OAuth2"]),
        ("smtp", "AUTH EXTERNAL", ["TLS-client-cert"]),
        ("smtp", "AUTH XNTLM", []),
    ],
)
def test_the_methods_that_a_server_offers_are_read_from_its_capabilities(
    type_: str, offered: str, methods: list[str]
) -> None:
    assert list(ProbeResult(offered, None, 0).methods(type_)) == methods


@pytest.mark.parametrize(
    ("offered", "rejects"),
    [("IMAP4REV1", False), ("IMAP4REV1 LOGINDISABLED", True), ("LOGINDISABLED AUTH=PLAIN", False)],
)
def test_a_server_rejects_logins_if_it_offers_plain_passwords_in_no_way(offered: str, rejects: bool) -> None:
    assert ProbeResult(offered, None, 0).rejects_logins is rejects


STARTTLS = {
    "imap": (b"* CAPABILITY STARTTLS\r\nc OK\r\n", b"a OK begin\r\n"),
    "pop3": (b"+OK\r\nSTLS\r\n.\r\n", b"+OK begin\r\n"),
    "smtp": (b"250 STARTTLS\r\n", b"220 begin\r\n"),
}


@pytest.mark.parametrize("type_", GREETINGS)
def test_data_injected_before_tls_is_not_used(type_: str) -> None:
    offer, agree = STARTTLS[type_]
    finding = found(type_, lines(GREETINGS[type_], offer, agree + OFFERS[type_]), "STARTTLS")
    text = "the server sends unencrypted data after it has accepted STARTTLS"
    remedy = "update the mail server (CVE-2011-0411), or find what changes its responses on the network"
    assert finding == Finding(Verdict.ERROR, text, remedy)


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
    remedy = "enable it on the server, and check that no firewall removes it; or publish SSL in the settings"
    assert finding.remedy == remedy


@pytest.mark.parametrize("type_", GREETINGS)
def test_a_server_that_offers_starttls_and_then_rejects_it_is_an_error(type_: str) -> None:
    finding = found(type_, lines(GREETINGS[type_], STARTTLS[type_][0], REJECTIONS[type_]), "STARTTLS")
    assert finding.verdict is Verdict.ERROR
    assert finding.text == "the server offers STARTTLS, but then rejects it"
    assert finding.remedy == "look at the server's TLS settings and log"


@pytest.mark.parametrize(
    ("methods", "verdict", "text", "remedy"),
    [
        (
            ("password-cleartext", "OAuth2"),
            Verdict.WARNING,
            "the server does not offer OAuth2, which the settings name",
            "enable it on the server after TLS, or remove it from the settings",
        ),
        (
            ("OAuth2", "NTLM"),
            Verdict.ERROR,
            "the server does not offer OAuth2 or NTLM, which the settings name",
            "enable it on the server after TLS, or publish a method that the server offers",
        ),
        (("password-cleartext", "client-IP-address"), Verdict.OK, "days, password-cleartext, client-IP-address", ""),
    ],
)
def test_a_missing_login_method_is_a_warning_if_another_works_and_ip_addresses_need_no_offer(
    authority: trustme.CA, methods: tuple[str, ...], verdict: Verdict, text: str, remedy: str
) -> None:
    handle = lines(GREETINGS["smtp"], OFFERS["smtp"])
    finding = found("smtp", handle, "SSL", methods=methods, tls=tls_for(authority.issue_cert("localhost")))
    assert (finding.verdict, finding.text.endswith(text), finding.remedy) == (verdict, True, remedy), finding


def test_a_server_that_disables_logins_also_with_tls_is_an_error(authority: trustme.CA) -> None:
    handle = lines(GREETINGS["imap"], b"* CAPABILITY IMAP4rev1 LOGINDISABLED\r\nc OK\r\n")
    finding = found("imap", handle, "SSL", tls=tls_for(authority.issue_cert("localhost")))
    remedy = "allow logins after TLS; look at its TLS settings"
    assert finding == Finding(Verdict.ERROR, "the server rejects logins (LOGINDISABLED)", remedy)


def test_a_connection_that_is_reset_during_a_response_is_an_error() -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GREETINGS["imap"] + b"* CAPABILITY")
        await reader.readline()
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close with a RST

    finding = found("imap", reset)
    text = "the connection breaks off during a response"
    assert finding == Finding(Verdict.ERROR, text, "look at the server's log")


def test_a_server_that_closes_the_connection_is_an_error() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GREETINGS["imap"])
        await reader.readline()

    finding = found("imap", handle)
    assert finding == Finding(Verdict.ERROR, "the server closes the connection", "look at the server's log")


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
    assert finding.remedy == "write STARTTLS in the settings, or enable TLS without STARTTLS on this port"


@pytest.mark.parametrize("type_", GREETINGS)
def test_a_port_without_tls_published_as_ssl_is_named(type_: str) -> None:
    finding = found(type_, lines(GREETINGS[type_], OFFERS[type_]), "SSL")
    assert re.fullmatch(r"port \d+ supports neither SSL \(implicit TLS\) nor STARTTLS", finding.text)
    remedy = "enable TLS without STARTTLS on this port; or enable STARTTLS, and write it in the settings"
    assert (finding.verdict, finding.remedy) == (Verdict.ERROR, remedy)


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
    settings = r"start the server, and open port \d+ in firewalls; or correct the port in the settings"
    assert re.fullmatch(settings, finding.remedy)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # without listen, it refuses connections
        server = MailServer("imap", "localhost", closed.getsockname()[1], "SSL", ())
        with pytest.raises(Problem, match="connection refused") as raised:
            asyncio.run(mail.check(server, "127.0.0.1", ssl.create_default_context(), Attempts(10)))
    assert re.fullmatch(settings, raised.value.finding.remedy)
