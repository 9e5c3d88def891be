"""`bt-autoconfig init` against hosts that try to exhaust it or to reach internal addresses, with its memory measured."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.operations.discovery.provider import DOMAIN, GREETINGS, IMPLICIT, OFFERS, Provider, certificate, trusted
from tests.operations.hosts import CommandResult, Handler, listening, measured, resolver, send, web
from tests.operations.test_hostile_web import FLOODS
from tests.test_visible import is_visible

pytestmark = pytest.mark.long
MAX_MEGABYTES = 150
SECONDS = 40
EVIL = "database.example"


@contextmanager
def hostile(database: Handler, **types: Handler) -> Iterator[list[str]]:
    """Run a hostile database, or mail servers; yield the options that lead there."""
    with ExitStack() as stack:
        stack.enter_context(trusted())
        context = certificate("mail.provider.example")
        port = stack.enter_context(listening(database))
        records: dict[tuple[str, str], list[str]] = {
            (EVIL, "A"): ["127.0.0.1"],
            ("mail.provider.example", "A"): ["127.0.0.1"],
        }
        for name, handle in types.items():
            where = stack.enter_context(listening(handle, context))
            records[f"_{name}._tcp.{DOMAIN}", "SRV"] = [f"0 1 {where} mail.provider.example."]
        address = stack.enter_context(resolver(records))
        yield [
            "init",
            DOMAIN,
            "--resolver",
            address,
            "--database",
            f"http://{EVIL}:{port}/",
            "--timeout",
            "2",
            "--max-time",
            "20",
        ]


def survives(done: CommandResult) -> None:
    assert "Traceback" not in done.stderr
    assert done.megabytes < MAX_MEGABYTES
    assert done.seconds < SECONDS
    assert is_visible(done.stdout)
    assert is_visible(done.stderr)


@pytest.mark.parametrize("flood", FLOODS)
def test_a_web_server_that_floods_or_stalls_costs_little(flood: str) -> None:
    with hostile(FLOODS[flood][0]) as arguments:
        done = measured(*arguments, "--private-addresses")
    survives(done)
    assert (done.status, done.stdout) == (1, "")
    assert EVIL in done.stderr


@pytest.mark.parametrize(
    "location",
    ["file:///etc/passwd", "gopher://x/", "mailto:a@b", "//[", "http://127.0.0.1:99999/", "http://\x1b[2J/", "ftp://a/",
     "https://" + "a." * 30000],
)  # fmt: skip
def test_an_unusable_redirect_is_reported_and_not_followed(location: str) -> None:
    answer = f"HTTP/1.1 302 F\r\nContent-Length: 0\r\nLocation: {location}\r\n\r\n".encode("latin-1")
    with hostile(web(answer)) as arguments:
        done = measured(*arguments, "--private-addresses")
    survives(done)
    assert done.status == 1


def test_a_mail_server_that_floods_costs_little() -> None:
    async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await send(writer, forever=b"* OK " * 20_000)

    with hostile(web(b""), imaps=flood, pop3s=flood, submissions=flood) as arguments:
        done = measured(*arguments, "--private-addresses")
    survives(done)
    assert "64 KiB without ending its response" in done.stderr


@pytest.mark.parametrize(
    "target", ["127.0.0.1", "10.255.255.1", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]", "localhost"]
)
def test_no_connection_is_made_to_private_addresses(target: str) -> None:
    """A redirect, name or SRV record points to this machine, where something listens."""
    requests: list[str] = []

    async def record(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        requests.append((await reader.readline()).decode())

    with hostile(record, imaps=record, submissions=record) as arguments:
        url = arguments[5].replace(EVIL, target)
        done = measured(*arguments[:5], url, *arguments[6:])
    survives(done)
    assert done.status == 1
    assert requests == []


def test_a_redirect_to_a_private_address_is_not_followed() -> None:
    """Without `--private-addresses`, not even the database is contacted."""
    with hostile(web(b"HTTP/1.1 302 F\r\nContent-Length: 0\r\nLocation: http://127.0.0.1:1/\r\n\r\n")) as arguments:
        done = measured(*arguments)
    survives(done)
    assert f"{EVIL} resolves to 127.0.0.1, an address of this machine or of a private network" in done.stderr


HOSTS = "".join(
    f"<incomingServer type='imap'><hostname>mail.provider.example</hostname><port>{port}</port>"
    "<socketType>SSL</socketType></incomingServer>"
    for port in range(1, 400)
)


def test_a_document_with_hundreds_of_servers_starts_few_connections() -> None:
    body = f"<clientConfig><emailProvider>{HOSTS}</emailProvider></clientConfig>".encode()
    with hostile(web(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body), body)) as arguments:
        done = measured(*arguments, "--private-addresses")
    survives(done)
    assert len(re.findall(r"imap mail\.provider\.example:\d+:", done.stderr)) < 20


def test_a_provider_that_sends_hostile_text_gets_a_valid_definition() -> None:
    """The definition is valid, and the hostile text has no effect."""
    evil = "--&gt;\u202e\x9b2J]]&gt;&lt;script&gt;"
    body = (
        f'<clientConfig><emailProvider id="x"><domain>{DOMAIN}</domain><displayName>{evil}</displayName>'
        f"<displayShortName>{evil}</displayShortName>"
        '<incomingServer type="imap"><hostname>mail.provider.example</hostname><port>{imap}</port><socketType>SSL</socketType>'
        f"<username>{evil}</username></incomingServer>"
        '<outgoingServer type="smtp"><hostname>mail.provider.example</hostname><port>{smtp}</port><socketType>SSL</socketType>'
        f'</outgoingServer><documentation url="https://x/{evil}"/></emailProvider></clientConfig>'
    )
    servers = {
        **IMPLICIT,
        ("imap", "SSL"): _says(GREETINGS["imap"].replace(b"hello", b"--> \x9b2J \xe2\x80\xae"), OFFERS["imap"]),
    }
    provider = Provider(servers, responses={f"GET database.example/v1/{DOMAIN}": (200, {}, body)})
    with provider.running() as (address, at, _), trusted():
        port = at.rpartition(":")[2]
        records = {(EVIL, "A"): ["127.0.0.1"], ("mail.provider.example", "A"): ["127.0.0.1"]}
        del address
        with resolver(records) as address, listening(_port_hiding_proxy(int(port))) as front:
            done = measured(
                "init", DOMAIN, "--resolver", address, "--database", f"http://{EVIL}:{front}/v1", "--private-addresses"
            )
    survives(done)
    assert done.status == 0, done.stderr
    assert "<script>" not in done.stdout


def _says(*answers: bytes) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number, answer in enumerate(answers):
            if number:
                await reader.readline()
            writer.write(answer)
        await reader.readline()

    return handle


def _port_hiding_proxy(port: int) -> Handler:
    """Return a proxy that removes the port from the Host header."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        behind, to = await asyncio.open_connection("127.0.0.1", port)
        to.write(re.sub(r"(?i)(\r\nhost: [^:\r]+):\d+", r"\1", head).encode("latin-1"))
        writer.write(await behind.read())
        await writer.drain()
        to.close()

    return handle
