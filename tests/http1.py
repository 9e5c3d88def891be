"""HTTP/1.1 by hand: raw connections, and a reader of responses that shares nothing with the server's framing."""

import select
import socket
import time
from collections.abc import Iterable
from typing import NamedTuple

STRANGER = "127.0.0.2"
"""A client's address that is not the default trusted proxy's."""


class Reply(NamedTuple):
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
) -> tuple[list[Reply], float]:
    """Send parts with pauses between them; return all replies, and the seconds until the server closes the connection.

    `methods` are those of the requests, where some are HEAD: their replies have no body.
    """
    with connect(port, source) as connection:
        began = time.monotonic()
        for part in parts:
            try:
                connection.sendall(part)
            except OSError:
                break
            select.select([connection], [], [], pause)  # the server may have something to say already
        return replies(everything(connection), methods), time.monotonic() - began


def everything(connection: socket.socket) -> bytes:
    """Return all that comes before the server closes the connection."""
    received = b""
    while more := connection.recv(65536):
        received += more
    return received


def replies(received: bytes, methods: Iterable[str] = ()) -> list[Reply]:
    """Split what a server has sent into replies. Raises AssertionError unless it is replies and nothing else."""
    found = []
    asked = iter(methods)
    while received:
        head, end, received = received.partition(b"\r\n\r\n")
        assert end, f"half a head: {head[:200]!r}"
        line, *rest = head.decode("latin-1").split("\r\n")
        version, status, _ = line.split(" ", 2)
        assert version == "HTTP/1.1", line
        pairs = [one.split(": ", 1) for one in rest]
        headers = {name.lower(): value for name, value in pairs}
        assert len(headers) == len(pairs), f"a header twice: {rest}"
        length = int(headers.get("content-length", "0"))
        if int(status) in (100, 204, 304) or (int(status) != 100 and next(asked, "GET") == "HEAD"):
            length = 0
        assert len(received) >= length, "half a body"
        found.append(Reply(int(status), headers, received[:length]))
        received = received[length:]
    return found
