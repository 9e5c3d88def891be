"""HTTP/1.1 by hand: raw connections, and a parser of responses that shares no code with the server."""

import select
import socket
import time
from collections.abc import Iterable
from typing import NamedTuple

UNTRUSTED = "127.0.0.2"
"""The address of a client that is not a trusted proxy by default."""


class Response(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


def connect(port: int, source: str = "") -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20, source_address=(source, 0) if source else None)


def request(
    path: str = "/healthz", method: str = "GET", headers: Iterable[str] = (), body: bytes = b"", host: str = "x"
) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def exchange(
    port: int, *parts: bytes, pause: float = 0, source: str = "", methods: Iterable[str] = ()
) -> tuple[list[Response], float]:
    """Send parts, with pauses between them. Return the responses, and the seconds until the server disconnects.

    `methods` are the requests' methods, if some are HEAD: responses to HEAD have no body.
    """
    with connect(port, source) as connection:
        began = time.monotonic()
        for part in parts:
            try:
                connection.sendall(part)
            except OSError:
                break
            _wait(connection, pause)  # the server may respond before the last part
        return split_responses(read_to_end(connection), methods), time.monotonic() - began


def _wait(connection: socket.socket, seconds: float) -> None:
    """Wait until there is something to read. A process with many connections cannot use `select`."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    poll.poll(seconds * 1000)


def read_to_end(connection: socket.socket) -> bytes:
    """Return everything that arrives before the server closes the connection."""
    received = b""
    while more := connection.recv(65536):
        received += more
    return received


def split_responses(received: bytes, methods: Iterable[str] = ()) -> list[Response]:
    """Split received bytes into responses. Raises AssertionError if they are anything else."""
    found = []
    method = iter(methods)
    while received:
        head, end, received = received.partition(b"\r\n\r\n")
        assert end, f"incomplete headers: {head[:200]!r}"
        line, *rest = head.decode("latin-1").split("\r\n")
        version, status, _ = line.split(" ", 2)
        assert version == "HTTP/1.1", line
        pairs = [one.split(": ", 1) for one in rest]
        headers = {name.lower(): value for name, value in pairs}
        assert len(headers) == len(pairs), f"duplicate header: {rest}"
        length = int(headers.get("content-length", "0"))
        if int(status) in (100, 204, 304) or (int(status) != 100 and next(method, "GET") == "HEAD"):
            length = 0
        assert len(received) >= length, "incomplete body"
        found.append(Response(int(status), headers, received[:length]))
        received = received[length:]
    return found
