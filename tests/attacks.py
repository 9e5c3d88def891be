"""Attacks on HTTP connections, and the clients that they must not affect."""

import asyncio
import itertools
import re
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import NamedTuple

import httpx

from autoconfig.address import MailAddress
from autoconfig.protocols.autodiscover import request_for
from tests.http1 import UNTRUSTED, request

FORM = "Content-Type: application/x-www-form-urlencoded"
CHUNKED = request("/autodiscover/autodiscover.xml", "POST", ["Transfer-Encoding: chunked"])
_PERSON = re.compile(rb"(?:user[0-9]+|mallory)@btinternet\.com")
"""The clients' addresses, and the smuggled one."""
_SMUGGLED = request("/email.mobileconfig?emailaddress=mallory@btinternet.com")


class Target(NamedTuple):
    """Where attackers connect: the server itself, or a reverse proxy with TLS for a hostname."""

    port: int
    host: str = "x"
    tls: ssl.SSLContext | None = None
    source: str | None = UNTRUSTED
    address: str = "127.0.0.1"


async def _send(target: Target, parts: list[bytes], *, pause: float = 0, read: bool = True) -> None:
    """Connect and send parts until the server disconnects."""
    writer = None
    try:
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection(
                target.address, target.port, ssl=target.tls, server_hostname=target.host if target.tls else None,
                local_addr=(target.source, 0) if target.source else None,
            )  # fmt: skip
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(pause)
            if read:
                await reader.read(65536)
    except (OSError, TimeoutError):
        pass
    finally:
        if writer:
            writer.transport.abort()


async def smuggle(target: Target) -> None:
    """Send a request for another user's profile as the body after an upgrade."""
    for upgrade in ("h2c", "websocket"):
        headers = ["Connection: Upgrade", f"Upgrade: {upgrade}", FORM, f"Content-Length: {len(_SMUGGLED)}"]
        await _send(target, [request("/", "POST", headers, host=target.host), _SMUGGLED], pause=0.01)
    ambiguous = request("/", "POST", [FORM, "Content-Length: 4", "Transfer-Encoding: chunked"], host=target.host)
    await _send(target, [ambiguous + b"0\r\n\r\n" + _SMUGGLED])


async def pipeline(target: Target) -> None:
    """Send 5 MB of requests without reading a response."""
    await _send(target, [request("/", host=target.host) * 1000] * 100, read=False)


async def send_trailers(target: Target) -> None:
    """Send endless trailers."""
    await _send(target, [CHUNKED, b"0\r\n", *[b"X: " + b"a" * 1000 + b"\r\n"] * 5000])


async def trickle(target: Target) -> None:
    """Send a request head byte by byte."""
    await _send(target, [bytes([byte]) for byte in request(host=target.host)], pause=0.2)


async def send_malformed(target: Target) -> None:
    """Send oversized and malformed requests."""
    head = request("/autodiscover/autodiscover.xml", "POST", host=target.host)[:-2]
    for parts in (
        [head, b"Content-Length: 10000000\r\n\r\n", *[b"a" * 65536] * 100],
        [CHUNKED, *[b"10000\r\n" + b"a" * 65536 + b"\r\n"] * 100],
        [head, *[b"X: " + b"a" * 1000 + b"\r\n"] * 1000],
        [b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n"],
        [b"CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n"],
        [b"\x16\x03\x01\x00\xff" * 100],
    ):
        await _send(target, parts)


async def idle(target: Target) -> None:
    """Keep connections open without sending anything."""
    await asyncio.gather(*(_send(target, [], read=True) for _ in range(100)))


ATTACKS: tuple[Callable[[Target], Awaitable[None]], ...] = (
    smuggle, pipeline, send_trailers, trickle, send_malformed, idle
)  # fmt: skip


class Results:
    """Results of the clients: responses by path, failures, and responses that belong to another request."""

    def __init__(self) -> None:
        self.good: Counter[str] = Counter()
        self.failures: list[str] = []
        self.foreign: list[str] = []

    def record(self, path: str, address: str, response: httpx.Response, wanted: bytes) -> None:
        """Record a response to a request with an address."""
        body = response.content
        if response.status_code != 200 or wanted not in body:
            self.failures.append(f"{path}: {response.status_code}")
        if set(_PERSON.findall(body)) - {address.encode()}:
            self.foreign.append(path)
        self.good[path] += 1


async def send_requests(
    client: httpx.AsyncClient, host: str, address: str, results: Results, *, personal: bool = False
) -> None:
    """Send one request of each kind; if `personal`, only those whose responses contain the address."""
    headers = {"Host": host}
    extensions = {"sni_hostname": host}
    login = f"<LoginName>{address}</LoginName>".encode()
    profile = f"<string>{address}</string>".encode()
    requests = [
        ("GET", f"/mail/config-v1.1.xml?emailaddress={address}", None, b"<clientConfig"),
        ("POST", "/autodiscover/autodiscover.xml", request_for(MailAddress.parse(address)), login),
        ("GET", f"/email.mobileconfig?emailaddress={address}", None, profile),
        ("GET", "/.well-known/user-agent-configuration.json", None, b'"protocols"'),
        ("GET", "/", None, b"</html>"),
    ]
    for method, path, content, wanted in requests[1:3] if personal else requests:
        plain = path.partition("?")[0]
        try:
            response = await client.request(method, path, content=content, headers=headers, extensions=extensions)
        except httpx.HTTPError as error:
            results.failures.append(f"{plain}: {type(error).__name__}")
            continue
        results.record(plain, address, response, wanted)


async def attack_until(over: asyncio.Event, target: Target, attack: Callable[[Target], Awaitable[None]]) -> int:
    """Repeat an attack; return the number of attacks."""
    for number in itertools.count():
        if over.is_set():
            return number
        with suppress(OSError):
            await attack(target)
        await asyncio.sleep(0)
    raise AssertionError


async def run_attacks(
    url: str, host: str, clients: int, targets: list[Target], tls: ssl.SSLContext | bool = True
) -> tuple[Results, int]:
    """Attack while clients, twenty at a time, request settings for their addresses from `url` with the Host `host`.

    Return the clients' results and the number of attacks.
    """
    results, over, gate = Results(), asyncio.Event(), asyncio.Semaphore(20)
    attackers = [asyncio.create_task(attack_until(over, one, attack)) for one in targets for attack in ATTACKS]
    limits = httpx.Limits(max_connections=20, max_keepalive_connections=20)
    async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits, verify=tls) as client:

        async def one(number: int) -> None:
            async with gate:
                await send_requests(client, host, f"user{number}@btinternet.com", results, personal=True)

        await asyncio.gather(*(one(number) for number in range(clients)))
    over.set()
    return results, sum(await asyncio.gather(*attackers))
