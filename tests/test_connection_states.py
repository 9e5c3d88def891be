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
        self.started, self.released, self.cancelled = asyncio.Event(), asyncio.Event(), asyncio.Event()
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
            try:
                await self.released.wait()
            except asyncio.CancelledError:
                self.cancelled.set()
                raise
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


def test_an_empty_line_alone_does_not_begin_a_request() -> None:
    async def test() -> None:
        async with serving(Site()) as connect:
            reader, writer = await connect()
            writer.write(b"\r\n")
            await asyncio.sleep(0)
            writer.write(request("/small"))
            assert await response(reader) == b"small"

    run(test)


class Wire(asyncio.Transport):
    """A transport without a socket. asyncio lets transports deliver bytes and calls in a different order from uvloop's."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 1)})
        self.written = b""
        self.open = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return not self.open

    def close(self) -> None:
        self.open = False

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass


def on_a_wire(site: Site) -> tuple[Wire, Connection]:
    loop = asyncio.get_running_loop()
    connection = Connection(site.front, ConnectionPool(Limits(), TrustedProxies(""), loop), loop)
    wire = Wire()
    connection.connection_made(wire)
    return wire, connection


def deliver(connection: Connection, data: bytes) -> None:
    connection.get_buffer(-1)[: len(data)] = data
    connection.buffer_updated(len(data))


def test_a_request_that_arrives_while_a_response_is_prepared_is_kept_for_later() -> None:
    async def test() -> None:
        site = Site()
        wire, connection = on_a_wire(site)
        deliver(connection, request("/slow"))
        deliver(connection, request("/small"))
        await site.started.wait()
        assert wire.written == b""
        site.released.set()
        async with asyncio.timeout(60):
            while wire.written.count(b"small") < 2:
                await asyncio.sleep(0)
        connection.connection_lost(None)
        assert [one.status for one in split_responses(wire.written)] == [200, 200]

    run(test)


def test_after_the_last_response_neither_a_full_nor_an_empty_buffer_changes_the_deadline() -> None:
    async def test() -> None:
        wire, connection = on_a_wire(Site())
        deliver(connection, request("/small", headers=["Connection: close"]))
        (last,) = split_responses(wire.written)
        assert (last.status, last.headers["connection"]) == (200, "close")
        deadline = connection.deadline
        connection.pause_writing()
        connection.resume_writing()
        assert connection.deadline == deadline
        deliver(connection, request("/small"))
        assert len(split_responses(wire.written)) == 1
        connection.connection_lost(None)

    run(test)


def test_the_response_for_a_lost_connection_is_no_longer_prepared() -> None:
    async def test() -> None:
        site = Site()
        wire, connection = on_a_wire(site)
        deliver(connection, request("/slow"))
        await site.started.wait()
        connection.connection_lost(None)
        async with asyncio.timeout(60):
            await site.cancelled.wait()
        assert wire.written == b""

    run(test)
