import socket
import time
from collections.abc import Iterator

import pytest

from tests.support import Served, serving


@pytest.fixture(scope="module")
def strict() -> Iterator[Served]:
    """A server with short patience."""
    limits = ["--max-head", "2048", "--head-timeout", "0.5", "--keep-alive", "1", "--max-connections", "20"]
    with serving(*limits, "--body-timeout", "0.5") as served:
        yield served


def connect(served: Served) -> socket.socket:
    return socket.create_connection(("127.0.0.1", served.port), timeout=10)


def rest(connection: socket.socket) -> bytes:
    """Return all that comes before the server closes the connection."""
    answer = b""
    while received := connection.recv(65536):
        answer += received
    return answer


def exchange(served: Served, *parts: bytes, pause: float = 0) -> tuple[bytes, float]:
    """Send parts with pauses between them; return the answer, and the seconds until the connection's end."""
    with connect(served) as connection:
        began = time.monotonic()
        for part in parts:
            try:
                connection.sendall(part)
            except OSError:
                break
            time.sleep(pause)
        return rest(connection), time.monotonic() - began


HEAD = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"


def test_who_says_nothing_is_let_go(strict: Served) -> None:
    answer, seconds = exchange(strict)
    assert answer == b""
    assert seconds < 5


def test_who_sends_a_head_byte_by_byte_is_told_and_let_go(strict: Served) -> None:
    answer, seconds = exchange(strict, *(bytes([byte]) for byte in HEAD), pause=0.05)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert seconds < 5


def test_a_second_request_on_a_connection_has_no_more_time(strict: Served) -> None:
    answer, seconds = exchange(strict, HEAD + b"\r\n", HEAD, pause=0.1)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"HTTP/1.1 408 " in answer
    assert seconds < 5


@pytest.mark.parametrize(
    "parts",
    [
        (HEAD + b"X: " + b"a" * 4000,),
        (HEAD + b"X: " + b"a" * 4000 + b"\r\n\r\n",),
        (HEAD, *(b"X%d: y\r\n" % number for number in range(1000))),
        (b"GET /" + b"a" * 4000,),
        (b"GET /mail/config-v1.1.xml?emailaddress=" + b"a" * 4000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",),
    ],
    ids=["a header without end", "a header", "headers without end", "a path without end", "a query"],
)
def test_a_head_that_is_too_large_is_refused(strict: Served, parts: tuple[bytes, ...]) -> None:
    answer, _ = exchange(strict, *parts)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b"\r\nconnection: close\r\n" in answer
    assert answer.endswith(b"\r\n\r\nthe request headers are too large\n")


def test_a_small_head_that_comes_with_a_large_body_is_no_large_head(strict: Served) -> None:
    body = b"a" * 20_000
    head = b"POST /autodiscover/autodiscover.xml HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    answer, _ = exchange(strict, head % len(body) + body)
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_many_requests_in_one_breath_are_all_answered(strict: Served) -> None:
    answer, _ = exchange(strict, (HEAD + b"\r\n") * 200 + HEAD + b"Connection: close\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200 ") == 201


def test_a_body_that_takes_too_long_is_refused(strict: Served) -> None:
    head = b"POST /autodiscover/autodiscover.xml HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
    answer, seconds = exchange(strict, head, *[b"a"] * 20, pause=0.1)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert seconds < 5


def test_above_the_limit_of_connections_clients_are_told_to_come_back(strict: Served) -> None:
    held = [connect(strict) for _ in range(25)]
    try:
        answer, _ = exchange(strict, HEAD + b"Connection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 503 ")
    finally:
        for connection in held:
            connection.close()
    time.sleep(0.3)
    answer, _ = exchange(strict, HEAD + b"Connection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_strangers_cannot_fill_the_log(strict: Served) -> None:
    for part in (
        b"\x00\r\n\r\n",
        b"GET / HTTP/9\r\n\r\n",
        HEAD + b"Upgrade: websocket\r\nConnection: upgrade, close\r\n\r\n",
    ):
        exchange(strict, part)
    assert len(strict.printed().splitlines()) == 5  # what it says at start
