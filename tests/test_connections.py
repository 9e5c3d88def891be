"""Connections of clients and attackers: raw bytes sent to the installed command."""

import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.http1 import UNTRUSTED, connect, exchange, read_to_end, request, split_responses
from tests.support import Served, eventually, serving, wait_for

OUTLOOK = "/autodiscover/autodiscover.xml"
PROFILE = "/email.mobileconfig?emailaddress={}@btinternet.com"
CLOSE = request(headers=["Connection: close"])


@pytest.fixture(scope="module")
def strict() -> Iterator[Served]:
    """A server with small limits."""
    limits = ["--max-head", "2048", "--head-timeout", "0.5", "--keep-alive", "1", "--body-timeout", "0.5"]
    with serving(*limits, "--max-connections", "20", "--max-connections-per-client", "10") as served:
        yield served


def resident(served: Served) -> float:
    """Return a server's memory in MB."""
    status = Path(f"/proc/{served.process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found
    return int(found[1]) / 1024


# Time


def test_a_silent_connection_is_closed(strict: Served) -> None:
    found, seconds = exchange(strict.port)
    assert found == []
    assert seconds < 9


def test_a_request_head_sent_byte_by_byte_gets_408(strict: Served) -> None:
    found, seconds = exchange(strict.port, *(bytes([byte]) for byte in request()), pause=0.05)
    assert [response.status for response in found] == [408]
    assert seconds < 9


def test_a_second_request_on_a_connection_has_the_same_timeout(strict: Served) -> None:
    found, seconds = exchange(strict.port, request(), request()[:-2], pause=0.1)
    assert [response.status for response in found] == [200, 408]
    assert seconds < 9


def test_a_body_that_takes_too_long_gets_408(strict: Served) -> None:
    head = request(OUTLOOK, "POST", ["Content-Length: 100"])
    found, seconds = exchange(strict.port, head, *[b"a"] * 20, pause=0.1)
    assert [response.status for response in found] == [408]
    assert seconds < 9


@pytest.mark.long
def test_a_client_that_does_not_read_is_disconnected() -> None:
    with serving("--keep-alive", "1") as served, connect(served.port) as connection:
        deadline = time.monotonic() + 30
        with pytest.raises(ConnectionError):
            flood(connection, request("/") * 1000, deadline)
        assert time.monotonic() < deadline


def flood(connection: socket.socket, part: bytes, deadline: float) -> None:
    """Send a part repeatedly without reading. Raises ConnectionError when the server disconnects."""
    connection.settimeout(0.5)
    while time.monotonic() < deadline:
        with suppress(TimeoutError):
            connection.sendall(part)


# Size


@pytest.mark.parametrize(
    "parts",
    [
        (request()[:-2] + b"X: " + b"a" * 4000,),
        (request()[:-2] + b"X: " + b"a" * 4000 + b"\r\n\r\n",),
        (request()[:-2], *(b"X%d: y\r\n" % number for number in range(1000))),
        (b"GET /" + b"a" * 4000,),
        (request("/mail/config-v1.1.xml?emailaddress=" + "a" * 4000),),
        (request() + request(headers=["X: " + "a" * 4000]),),
    ],
    ids=["a header without end", "a header", "headers without end", "a path without end", "a query", "the second head"],
)
def test_a_head_that_is_too_large_gets_431(strict: Served, parts: tuple[bytes, ...]) -> None:
    found, _ = exchange(strict.port, *parts)
    assert [response.status for response in found][-1] == 431
    assert found[-1].headers["connection"] == "close"
    assert found[-1].body == b"the request headers are too large\n"


CHUNKED = request(OUTLOOK, "POST", ["Transfer-Encoding: chunked"])


@pytest.mark.parametrize(
    "part", [b"0\r\n" + b"X: y\r\n" * 1000, b"1;" + b"a" * 4000, b"1\r\na\r\n" * 1500, b"0\r\nX: " + b"a" * 4000],
    ids=["trailers", "an extension", "tiny chunks", "a trailer"],
)  # fmt: skip
def test_chunk_sizes_extensions_and_trailers_are_limited_like_a_request_head(strict: Served, part: bytes) -> None:
    found, _ = exchange(strict.port, CHUNKED, part)
    assert [response.status for response in found] == [431]


@pytest.mark.parametrize(
    "body",
    [
        b"10001\r\n",
        b"10001\r\n" + b"a" * 0x10001,
        b"f" * 15 + b"\r\n",
        b"F" * 16 + b"\r\n",
        b"f" * 17 + b";a=b\r\n",
        b"f" * 1500 + b"\r\n",
        b"8000\r\n" + b"a" * 0x8000 + b"\r\n8001\r\n",
    ],
    ids=["a byte too many", "with its content", "60 bits", "64 bits", "68 bits", "6,000 bits", "the second chunk"],
)
def test_a_chunk_that_makes_the_body_too_large_gets_413_before_its_content(strict: Served, body: bytes) -> None:
    with connect(strict.port) as connection:
        connection.sendall(CHUNKED + body)
        (response,) = split_responses(
            read_to_end(connection)
        )  # within the 0.5 s after which an incomplete body gets 408
    assert response.status == 413
    assert response.headers["connection"] == "close"


def test_a_chunked_body_of_exactly_the_maximum_size_is_read(server: Served) -> None:
    body = b"0000F000\r\n" + b"a" * 0xF000 + b"\r\n1000\r\n" + b"a" * 0x1000 + b"\r\n0\r\n\r\n"
    found, _ = exchange(server.port, CHUNKED, body)
    assert [response.status for response in found] == [200]


@pytest.mark.parametrize("length", ["65537", "9" * 19, "9" * 5000])
def test_a_body_announced_as_too_large_gets_413_at_once(server: Served, length: str) -> None:
    found, _ = exchange(server.port, request(OUTLOOK, "POST", [f"Content-Length: {length}", "Expect: 100-continue"]))
    assert [response.status for response in found][-1] in (400, 413)  # the parser rejects numbers from 2^64
    assert len(found) == 1


def test_a_client_that_sends_too_much_gets_the_error_response(server: Served) -> None:
    head = request(OUTLOOK, "POST", ["Content-Length: 500000"])
    found, _ = exchange(server.port, head, *[b"a" * 10_000] * 50, pause=0.001)
    assert [response.status for response in found] == [413]


def test_a_large_body_does_not_count_towards_the_limit_of_the_head(strict: Served) -> None:
    found, _ = exchange(strict.port, request(OUTLOOK, "POST", ["Connection: close"], b"a" * 20_000))
    assert [response.status for response in found] == [200]


def test_pipelined_requests_with_unread_responses_cost_no_memory() -> None:
    with serving() as served:
        served.http.get("/healthz")
        before = resident(served)
        with ExitStack() as stack:
            for _ in range(20):
                connection = stack.enter_context(connect(served.port))
                connection.setblocking(False)
                sent = 0
                while sent < 5_000_000:
                    try:
                        sent += connection.send(request("/") * 2000)
                    except BlockingIOError:
                        break
            assert served.http.get("/healthz", timeout=10).status_code == 200
            assert resident(served) < before + 30
        assert served.http.get("/healthz").status_code == 200


@pytest.mark.long
def test_a_thousand_connections_with_unread_responses_do_not_affect_other_clients() -> None:
    with serving() as served, ExitStack() as stack:
        served.http.get("/healthz")
        before = resident(served)
        requests = request("/") * 10_000
        for number in range(1000):
            connection = stack.enter_context(connect(served.port, f"127.0.1.{1 + number % 10}"))
            connection.setblocking(False)
            with suppress(BlockingIOError):
                while True:
                    connection.send(requests)
        for _ in range(5):
            assert exchange(served.port, CLOSE, source="127.0.0.3")[1] < 10
        assert resident(served) < before + 50
        stack.close()
        wait_for(lambda: resident(served) < before + 30)


@pytest.mark.long
@pytest.mark.parametrize(
    "head",
    [
        request(OUTLOOK, "POST", ["Content-Length: 65536"]),
        CHUNKED + b"10000\r\n",
    ],
)
def test_memory_of_bodies_that_never_end_is_returned_to_the_system(head: bytes) -> None:
    with serving() as served, ExitStack() as stack:
        served.http.get("/healthz")
        before = resident(served)
        for number in range(1000):
            connection = stack.enter_context(connect(served.port, f"127.0.1.{1 + number % 10}"))
            with suppress(ConnectionError):
                connection.sendall(head + b"a" * 65_000)
        wait_for(lambda: resident(served) > before + 30)
        stack.close()
        wait_for(lambda: resident(served) < before + 30)


def test_a_client_that_floods_empty_lines_is_disconnected(server: Served) -> None:
    with connect(server.port, UNTRUSTED) as connection, pytest.raises(ConnectionError):
        flood(connection, b"\r\n" * 500_000, time.monotonic() + 20)


def test_endless_trailers_cost_no_memory() -> None:
    with serving() as served, connect(served.port) as connection:
        served.http.get("/healthz")
        before = resident(served)
        connection.sendall(CHUNKED + b"0\r\n")
        with pytest.raises(ConnectionError):
            flood(connection, b"X: " + b"y" * 1000 + b"\r\n", time.monotonic() + 30)
        assert resident(served) < before + 30


# Framing


@pytest.mark.parametrize("upgrade", ["h2c", "websocket", "TLS/1.0", "x"])
@pytest.mark.parametrize("pause", [0, 0.1])
def test_the_body_after_an_upgrade_is_never_a_request(server: Served, upgrade: str, pause: float) -> None:
    smuggled = request(PROFILE.format("mallory"))
    headers = ["Connection: Upgrade", f"Upgrade: {upgrade}", "Content-Type: application/x-www-form-urlencoded"]
    attack = request("/email.mobileconfig", "POST", [*headers, f"Content-Length: {len(smuggled)}"])
    found, _ = exchange(server.port, attack, smuggled, CLOSE, pause=pause)
    assert [response.status for response in found] == [200, 200]
    assert b"mallory" not in found[0].body
    assert found[1].body == b"ok\n"


def test_chunks_after_an_upgrade_are_never_a_request(server: Served) -> None:
    smuggled = request(PROFILE.format("mallory"))
    head = request("/email.mobileconfig", "POST",
                   ["Connection: Upgrade", "Upgrade: h2c", "Transfer-Encoding: chunked",
                    "Content-Type: application/x-www-form-urlencoded"])  # fmt: skip
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(smuggled), smuggled)
    found, _ = exchange(server.port, head, chunks, pause=0.1)
    assert [response.status for response in found] == [200]
    assert b"mallory" not in found[0].body


def test_an_upgrade_is_ignored(server: Served) -> None:
    upgrade = request(PROFILE.format("fred"), headers=["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c"])
    found, _ = exchange(server.port, upgrade + CLOSE)
    assert [response.status for response in found] == [200, 200]
    assert b"fred@btinternet.com" in found[0].body


def test_pipelined_requests_get_their_responses_in_order(strict: Served) -> None:
    names = [f"user{number}" for number in range(200)]
    found, _ = exchange(strict.port, b"".join(request(PROFILE.format(name)) for name in names) + CLOSE)
    assert len(found) == 201
    for name, response in zip(names, found, strict=False):
        assert f"<string>{name}@btinternet.com</string>".encode() in response.body


@pytest.mark.parametrize("garbage", [b"\x00\x01\x02\r\n\r\n", b"GET\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"])
def test_a_valid_request_before_garbage_gets_its_response(server: Served, garbage: bytes) -> None:
    found, _ = exchange(server.port, request() + garbage)
    assert [response.status for response in found] in ([200, 400], [200, 505])


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET example.com HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /#x HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: x y\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        (request("http:///healthz"), 400),
        (request("https://:443/healthz"), 400),
        (request("http://?a"), 400),
        (request("http://user@x/healthz"), 400),
        (request("http://x/healthz", host="x y"), 400),
        (b"GET http://x/healthz HTTP/1.1\r\n\r\n", 400),
        (b"GET http:///healthz HTTP/1.0\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\nHost: x\n\nGET / HTTP/1.1\r\n\r\n", 400),
        (b"GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        (b"GET /healthz RTSP/1.1\r\nHost: x\r\n\r\n", 505),
        (b"SOURCE /healthz ICE/1.0\r\nHost: x\r\n\r\n", 505),
        (request(OUTLOOK, "POST", ["Content-Length: 3", "Content-Length: 4"], b""), 400),
        (request(OUTLOOK, "POST", ["Content-Length: 3", "Transfer-Encoding: chunked"], b""), 400),
        (request(OUTLOOK, "POST", ["Content-Length: \N{SUPERSCRIPT TWO}"], b""), 400),
        (request(OUTLOOK, "POST", ["Content-Length: +3"], b""), 400),
        (request(OUTLOOK, "POST", ["Transfer-Encoding: gzip, chunked"], b""), 501),
        (request(OUTLOOK, "POST", ["Transfer-Encoding: chunked, identity"], b""), 400),
        (b"POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (CHUNKED + b"x\r\n", 400),
        (CHUNKED + b"0\r\nContent-Length: 3\r\n\r\n", 400),
        (CHUNKED + b"1\r\nab\r\n", 400),
        (CHUNKED + b"0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (CHUNKED + b"0\r\nX : y\r\n\r\n", 400),
        (CHUNKED + b"1;a\rb\r\n", 400),
        (CHUNKED + b"0x1\r\n", 400),
        (CHUNKED + b"-1\r\n", 400),
        (CHUNKED + b"\r\n", 400),
        (CHUNKED + b"1\nab\n0\n\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400),
        (b"\r\n" * 3 + CLOSE, 400),
        (b"\n" + CLOSE, 400),
        (b"\r" * 30_000 + CLOSE, 431),
    ],
)
def test_an_invalid_request_is_refused_and_the_connection_closed(server: Served, sent: bytes, status: int) -> None:
    found, _ = exchange(server.port, sent)
    assert [response.status for response in found] == [status]
    assert found[0].headers["connection"] == "close"


@pytest.mark.parametrize(
    ("sent", "statuses"),
    [
        (b"GET /healthz HTTP/1.0\r\n\r\n", [200]),
        (b"GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + request(), [200]),
        (b"\r\n\r\n" + CLOSE, [200]),
        (request("http://x/healthz", headers=["Connection: close"]), [200]),
        (request("http://x", headers=["Connection: close"]), [200]),
        (request("*", "OPTIONS", ["Connection: close"]), [404]),
        (CHUNKED + b"3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n" + request(), [200]),
    ],
)
def test_a_valid_request_gets_its_response(server: Served, sent: bytes, statuses: list[int]) -> None:
    found, _ = exchange(server.port, sent)
    assert [response.status for response in found] == statuses


def test_an_empty_host_header_is_served_as_a_request_without_a_hostname(server: Served) -> None:
    """RFC 9112, section 3.3, leaves this to the server. Probes of load balancers send it."""
    sent = request("/mail/config-v1.1.xml", host="") + request("/mail/config-v1.1.xml", headers=["Connection: close"])
    (without, with_host), _ = exchange(server.port, sent)
    assert without.status == 200
    assert without.body == with_host.body


def test_a_host_in_the_request_target_replaces_the_host_header(server: Served) -> None:
    sent = request(f"http://autodiscover.talk21.com{OUTLOOK}", headers=["Connection: close"], host="x")
    (response,), _ = exchange(server.port, sent)
    assert response.headers["location"] == f"https://autodiscover.talk21.com{OUTLOOK}"


def test_a_response_to_head_has_the_headers_of_get_and_no_body(server: Served) -> None:
    sent = request("/mail/config-v1.1.xml", "HEAD") + request("/mail/config-v1.1.xml", headers=["Connection: close"])
    (head, get), _ = exchange(server.port, sent, methods=["HEAD", "GET"])
    assert head.body == b""
    assert head.headers["content-length"] == get.headers["content-length"] == str(len(get.body))


def test_a_client_that_expects_100_gets_it_before_it_sends_the_body(server: Served) -> None:
    body = b"emailaddress=fred%40btinternet.com"
    head = request("/email.mobileconfig", "POST", ["Expect: 100-Continue", f"Content-Length: {len(body)}",
                   "Content-Type: application/x-www-form-urlencoded", "Connection: close"])  # fmt: skip
    with connect(server.port) as connection:
        connection.sendall(head)
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        (response,) = split_responses(read_to_end(connection))
    assert b"fred@btinternet.com" in response.body


def test_an_http_1_0_client_gets_no_interim_response(server: Served) -> None:
    head = b"POST %b HTTP/1.0\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n" % OUTLOOK.encode()
    found, _ = exchange(server.port, head, b"abc", pause=0.1)
    assert [response.status for response in found] == [200]


def test_a_client_that_closes_its_sending_side_gets_its_response(server: Served) -> None:
    with connect(server.port) as connection:
        connection.sendall(request())
        connection.shutdown(socket.SHUT_WR)
        assert [response.status for response in split_responses(read_to_end(connection))] == [200]


def test_if_none_match_is_ignored_with_post(server: Served) -> None:
    headers = ["If-None-Match: *", "Content-Type: application/x-www-form-urlencoded", "Connection: close"]
    (response,), _ = exchange(server.port, request("/", "POST", headers, b"emailaddress=fred%40talk21.com"))
    assert response.status == 200


# Limits of connections


def test_a_new_connection_replaces_the_oldest_idle_one() -> None:
    with serving("--max-connections", "20") as served, ExitStack() as stack:
        oldest, second, *_ = [stack.enter_context(connect(served.port)) for _ in range(20)]
        newest = stack.enter_context(connect(served.port))
        newest.sendall(request())
        assert newest.recv(12) == b"HTTP/1.1 200"
        assert oldest.recv(1) == b""
        second.sendall(CLOSE)
        assert [response.status for response in split_responses(read_to_end(second))] == [200]


def test_connections_from_one_address_are_limited(strict: Served) -> None:
    with ExitStack() as stack:
        other = stack.enter_context(connect(strict.port))
        other.sendall(request())
        held = [stack.enter_context(connect(strict.port, UNTRUSTED)) for _ in range(11)]
        assert held[0].recv(1) == b""
        other.sendall(CLOSE)
        assert [response.status for response in split_responses(read_to_end(other))] == [200, 200]


def test_constantly_renewed_idle_connections_do_not_keep_other_clients_out() -> None:
    with serving() as served, ExitStack() as stack:
        held = [stack.enter_context(connect(served.port, UNTRUSTED)) for _ in range(300)]
        for number in range(300):
            held[number].close()
            held[number] = stack.enter_context(connect(served.port, UNTRUSTED))
            found, _ = exchange(served.port, request("/readyz" if number % 2 else "/", headers=["Connection: close"]))
            assert [response.status for response in found] == [200]


# Logs and metrics


def test_malformed_requests_cannot_fill_the_log(server: Served) -> None:
    before = server.printed()
    for part in (
        b"\x00\r\n\r\n",
        b"GET / HTTP/9\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n",
        request(headers=["Upgrade: websocket", "Connection: upgrade, close"]),
    ):
        exchange(server.port, part)
    assert server.printed() == before


def test_refused_requests_and_evicted_connections_are_counted_and_logged() -> None:
    limits = ["--max-head", "1024", "--head-timeout", "0.5", "--max-connections-per-client", "2"]
    with serving(*limits, "--metrics-port", "0", "--access-log") as served:
        exchange(served.port, request(headers=["X: " + "y" * 2000]))
        exchange(served.port, b"GET /secret")
        exchange(served.port, b"\0\r\n\r\n")
        name = 'bt_autoconfig_requests_total{client="none",outcome="%s",route="connection"}'
        with connect(served.port, UNTRUSTED), connect(served.port, UNTRUSTED), connect(served.port, UNTRUSTED):
            assert eventually(served, f"{name % 'evicted'} 1.0", Served.metrics)
        assert f"{name % 'refused'} 3.0" in served.metrics()
        for status in (431, 408, 400):
            assert f"INFO: other connection {status} none" in served.printed()
        assert "secret" not in served.printed()
