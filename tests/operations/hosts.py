"""Misbehaving web, mail and DNS servers on loopback."""

import asyncio
import contextlib
import json
import os
import ssl
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import dns.flags
import dns.message
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import trustme

from tests.preloaded import Process
from tests.support import COMMAND, TIMEOUT, run

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextmanager
def listening(handle: Handler, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Handle each connection to a free port of 127.0.0.1 with `handle`; yield the port."""

    async def safely(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await handle(reader, writer)
        writer.transport.abort()

    async def start() -> tuple[asyncio.Server, int]:
        server = await asyncio.start_server(safely, "127.0.0.1", 0, ssl=tls)
        return server, server.sockets[0].getsockname()[1]

    with _loop() as loop:
        server, port = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
        yield port
        loop.call_soon_threadsafe(server.close)


def tls_for(certificate: trustme.LeafCert) -> ssl.SSLContext:
    """Return a server's context with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


@contextmanager
def _loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Run an event loop in a thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def stop() -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0)  # let transports close

    try:
        yield loop
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def web(*parts: bytes, forever: bytes = b"", pause: float = 0) -> Handler:
    """Return a web server that sends `parts` after each request, then repeats `forever`."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await send(writer, *parts, forever=forever, pause=pause)

    return handle


def lines(*responses: bytes, forever: bytes = b"") -> Handler:
    """Return a mail server that sends one response after each line from the client, then repeats `forever`."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number, response in enumerate(responses):
            if number:
                await reader.readline()
            writer.write(response)
        await reader.readline()
        await send(writer, forever=forever)

    return handle


async def send(writer: asyncio.StreamWriter, *parts: bytes, forever: bytes = b"", pause: float = 0) -> None:
    """Send `parts`, then repeat `forever` until the client disconnects."""
    for part in parts:
        writer.write(part)
    await writer.drain()
    async for piece in _repeated(forever, pause):
        writer.write(piece)
        await writer.drain()


async def _repeated(piece: bytes, pause: float) -> AsyncIterator[bytes]:
    while piece:
        yield piece
        await asyncio.sleep(pause)


Records = Mapping[tuple[str, str], list[str]]
Change = Callable[[dns.message.Message, dns.message.Message], None]
"""A function that changes the response to a query."""


@contextmanager
def resolver(records: Records, change: Change | None = None) -> Iterator[str]:
    """Serve DNS records on loopback, over TCP and UDP; yield IP:PORT. Other names have no records.

    Records keep their order.
    """

    def respond(content: bytes, limit: int) -> bytes:
        return _respond(records, content, limit, change)

    class Protocol(asyncio.DatagramProtocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: Any) -> None:
            self.transport.sendto(respond(data, 1232), addr)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = int.from_bytes(await reader.readexactly(2))
        response = respond(await reader.readexactly(length), 65535)
        writer.write(len(response).to_bytes(2) + response)
        await writer.drain()
        await reader.read()

    async def listen(port: int) -> asyncio.DatagramTransport:
        return (await asyncio.get_running_loop().create_datagram_endpoint(Protocol, ("127.0.0.1", port)))[0]

    with _loop() as loop, contextlib.ExitStack() as stack:
        transport = None
        while not transport:
            port = stack.enter_context(listening(handle))
            with contextlib.suppress(OSError):  # another program has this port of UDP
                transport = asyncio.run_coroutine_threadsafe(listen(port), loop).result(10)
        yield f"127.0.0.1:{port}"
        loop.call_soon_threadsafe(transport.close)


def _respond(records: Records, content: bytes, limit: int, change: Change | None) -> bytes:
    query = dns.message.from_wire(content)
    response = dns.message.make_response(query)
    (question,) = query.question
    key = (question.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(question.rdtype))
    if found := records.get(key):
        response.answer.append(dns.rrset.from_text(question.name, 60, dns.rdataclass.IN, question.rdtype, *found))
    if change:
        change(query, response)
    if len(wire := response.to_wire(max_size=65535, want_shuffle=False)) > limit:
        response.answer.clear()
        response.flags |= dns.flags.TC
        return response.to_wire()
    return wire


@dataclass(frozen=True)
class CommandResult:
    """A finished command: its exit status, output, duration and peak memory."""

    status: int
    stdout: str
    stderr: str
    seconds: float
    megabytes: float

    @property
    def lines(self) -> list[dict[str, str]]:
        found: list[dict[str, str]] = json.loads(self.stdout)["lines"]
        return found

    def of(self, area: str) -> list[dict[str, str]]:
        return [line for line in self.lines if line["area"] == area]


def check(*arguments: object, **environment: str) -> CommandResult:
    """Run `bt-autoconfig check` in this process."""
    began = time.monotonic()
    done = run("check", *arguments, **environment)
    return CommandResult(done.returncode, done.stdout, done.stderr, time.monotonic() - began, 0)


def measured_check(*arguments: object, **environment: str) -> CommandResult:
    """Run `bt-autoconfig check` in a separate process, and measure it."""
    return measured("check", *arguments, **environment)


def measured(*arguments: object, **environment: str) -> CommandResult:
    """Run a command in a separate process, and measure it."""
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        began = time.monotonic()
        process = Process([str(one) for one in (COMMAND, *arguments)], stdout, stderr, environment)
        status = process.wait(TIMEOUT)
        seconds = time.monotonic() - began
        output, errors = (os.pread(file.fileno(), 1 << 26, 0).decode() for file in (stdout, stderr))
        return CommandResult(status, output, errors, seconds, process.peak_kilobytes / 1024)
