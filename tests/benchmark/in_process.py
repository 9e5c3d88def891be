"""The server's own time for a request, from received bytes to response bytes: without the kernel and other processes."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

import uvloop

from autoconfig import application
from autoconfig.connection_pool import ConnectionPool, Limits, TrustedProxies
from autoconfig.connections import Connection
from tests.benchmark.servers import ADDRESS, AUTOCONFIG
from tests.http1 import request

if TYPE_CHECKING:
    import asyncio

    from autoconfig.front import Handler

_OUTLOOK = (Path(__file__).parents[2] / "docs" / "outlook.xml").read_bytes()
_FORM = "Content-Type: application/x-www-form-urlencoded"
_THUNDERBIRD = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Thunderbird/140.5.0",
    *("Accept: */*", "Accept-Language: en-GB,en;q=0.5", "Accept-Encoding: gzip, deflate", "Connection: keep-alive"),
    *("Pragma: no-cache", "Cache-Control: no-cache"),
)
REQUESTS = {
    "`/healthz`": request("/healthz"),
    "PACC": request("/.well-known/user-agent-configuration.json"),
    "autoconfig, without an address": request(AUTOCONFIG),
    "autoconfig, with an address": request(f"{AUTOCONFIG}?emailaddress={ADDRESS}"),
    "autoconfig, with an address and Thunderbird's headers": request(
        f"{AUTOCONFIG}?emailaddress={quote(ADDRESS)}", headers=_THUNDERBIRD
    ),
    "autoconfig, an address that needs decoding": request(f"{AUTOCONFIG}?emailaddress=a%2Bb{quote(ADDRESS)}"),
    "setup page": request("/"),
    "Autodiscover POST, as Outlook or Thunderbird sends it": request(
        "/autodiscover/autodiscover.xml", "POST", ["Content-Type: text/xml"], _OUTLOOK
    ),
    "setup page, with an address": request("/", "POST", [_FORM], f"emailaddress={quote(ADDRESS)}".encode()),
    "unsigned profile": request(f"/email.mobileconfig?emailaddress={ADDRESS}"),
    "Autodiscover POST, any other XML": request(
        "/autodiscover/autodiscover.xml",
        "POST",
        ["Content-Type: text/xml"],
        _OUTLOOK.replace(b"<Request>", b"<Request >"),
    ),
}


class _Sink:
    """A transport that discards its output, except for the last response."""

    response = b""

    def write(self, data: bytes) -> None:
        self.response = data

    def get_extra_info(self, name: str) -> object:
        return ("127.0.0.2", 1) if name == "peername" else None

    def set_write_buffer_limits(self, high: int) -> None:
        pass


def in_process(rounds: int = 60, number: int = 500) -> list[dict[str, Any]]:
    """Return the microseconds per request, the best of `rounds` of `number` requests."""
    loop = uvloop.new_event_loop()
    pool = ConnectionPool(Limits(), TrustedProxies(""), loop)
    handler = cast("Handler", application())
    rows = []
    for name, received in REQUESTS.items():
        sink = _Sink()
        connection = Connection(handler, pool, loop)
        connection.connection_made(cast("asyncio.Transport", sink))
        pool.buffer[: len(received)] = received
        best = min(_seconds(connection, len(received), number) for _ in range(rounds))
        if not sink.response.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(f"{name}: {sink.response!r}")
        rows.append({"request": name, "µs": f"{best / number * 1e6:.1f}"})
    loop.close()
    return rows


def _seconds(connection: Connection, received: int, number: int) -> float:
    start = time.perf_counter()
    for _ in range(number):
        connection.get_buffer(-1)
        connection.buffer_updated(received)
    return time.perf_counter() - start
