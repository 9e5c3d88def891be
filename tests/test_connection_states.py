"""Connections in the process of the test, with responses that take time or are large."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager

import pytest
import uvloop

from autoconfig.connection_pool import ConnectionPool, Limits, TrustedProxies
from autoconfig.connections import Connection
from autoconfig.front import Endpoint, Front
from autoconfig.requests import Request
from autoconfig.responses import Response, ResponseKind
from tests.http1 import request, split_responses

LARGE = b"a" * 20_000_000
"""More than the buffers of a socket hold."""


class Site:
    """Responds with a large document, with a small one, or when it is released."""

    def __init__(self) -> None:
        self.started, self.released = asyncio.Event(), asyncio.Event()
        self.front = Front(
            [
                Endpoint("large", "/large", self.large),
                Endpoint("small", "/small", self.small),
                Endpoint("slow", "/slow", self.slow),
            ]
        )

    def large(self, _: Request) -> Response:
        return Response(ResponseKind("text/plain", {}), LARGE)

    def small(self, _: Request) -> Response:
        return Response(ResponseKind("text/plain", {}), b"small")

    def slow(self, _: Request) -> Awaitable[Response]:
        async def respond() -> Response:
            self.started.set()
            await self.released.wait()
            return self.small(_)

        return respond()


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Streams]]


@asynccontextmanager
async def serving(site: Site, limit: int = 10) -> AsyncIterator[Connect]:
    """Serve a site with a limit of connections per client; yield a function that connects to it."""
    loop = asyncio.get_running_loop()
    pool = ConnectionPool(Limits(max_connections_per_client=limit), TrustedProxies(""), loop, site.front.evicted)
    connections: list[Connection] = []

    def make() -> Connection:
        connections.append(Connection(site.front, pool, loop))
        return connections[-1]

    server = await loop.create_server(make, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    opened: list[asyncio.StreamWriter] = []

    async def connect() -> Streams:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        opened.append(writer)
        return reader, writer

    try:
        async with asyncio.timeout(60):
            yield connect
    finally:
        site.released.set()
        for writer in opened:
            writer.transport.abort()
        server.close()
        for connection in connections:
            connection.evict()
        await server.wait_closed()


def run(test: Callable[[], Coroutine[None, None, None]]) -> None:
    """Run a test in the event loop that the server uses."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(test())


async def response(reader: asyncio.StreamReader) -> bytes:
    """Read one response and return its body."""
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    return await reader.readexactly(int(head.partition(b"content-length: ")[2].split(b"\r\n")[0]))


def test_a_connection_that_finds_no_room_gets_503() -> None:
    async def test() -> None:
        site = Site()
        async with serving(site, limit=1) as connect:
            _, first = await connect()
            first.write(request("/slow"))
            await site.started.wait()  # a connection whose response is being prepared is not closed for another
            reader, _ = await connect()
            (refused,) = split_responses(await reader.read())
            assert (refused.status, refused.headers["retry-after"]) == (503, "1")

    run(test)


@pytest.mark.parametrize("path", ["/small", "/slow"])
def test_the_next_request_is_read_after_a_response_that_takes_time(path: str) -> None:
    async def test() -> None:
        site = Site()
        async with serving(site) as connect:
            reader, writer = await connect()
            writer.write(request("/slow") + request(path, headers=["Connection: close"]))
            await site.started.wait()
            site.released.set()
            assert [one.body for one in split_responses(await reader.read())] == [b"small", b"small"]

    run(test)


def test_the_next_request_is_read_after_a_client_has_read_its_response() -> None:
    async def test() -> None:
        async with serving(Site()) as connect:
            reader, writer = await connect()
            writer.write(request("/large") + request("/small"))
            assert await response(reader) == LARGE
            assert await response(reader) == b"small"

    run(test)


def test_a_connection_with_an_unread_response_is_closed_for_a_new_one() -> None:
    async def test() -> None:
        async with serving(Site(), limit=1) as connect:
            stalled, writer = await connect()
            writer.write(request("/large"))
            await stalled.readuntil(b"\r\n\r\n")
            reader, other = await connect()
            other.write(request("/small"))
            assert await response(reader) == b"small"
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await stalled.readexactly(len(LARGE))

    run(test)


def test_an_empty_line_alone_begins_no_request() -> None:
    async def test() -> None:
        async with serving(Site()) as connect:
            reader, writer = await connect()
            writer.write(b"\r\n")
            await asyncio.sleep(0)
            writer.write(request("/small"))
            assert await response(reader) == b"small"

    run(test)
