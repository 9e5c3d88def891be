"""Readiness and shutdown."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest

from tests.support import COMMAND, ONE_AND_TWO_WORKERS, TIMEOUT, Served, eventually, get, run, serving


@pytest.fixture(scope="module")
def public() -> Iterator[Served]:
    with serving("--public-url", "https://setup.example") as served:
        yield served


def status(served: Served, path: str) -> int:
    try:
        return get(f"{served.url}{path}").status_code
    except httpx.TransportError:
        return 0


def test_a_running_server_is_alive_and_ready(http: httpx.Client) -> None:
    for path in ("/healthz", "/readyz"):
        response = http.get(path)
        assert (response.status_code, response.text, response.headers["cache-control"]) == (200, "ok\n", "no-store")


@ONE_AND_TWO_WORKERS
def test_after_sigterm_it_is_not_ready_but_keeps_responding(workers: str) -> None:
    with serving("--drain-time", "60", "--workers", workers) as served:
        assert status(served, "/readyz") == 200
        served.process.send_signal(signal.SIGTERM)
        assert eventually(served, "503", lambda one: str(status(one, "/readyz")))
        assert status(served, "/healthz") == 200
        assert status(served, "/mail/config-v1.1.xml") == 200


@ONE_AND_TWO_WORKERS
def test_after_sigterm_it_exits_after_the_drain_time(workers: str) -> None:
    with serving("--drain-time", "1", "--workers", workers) as served:
        began = time.monotonic()
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(timeout=TIMEOUT) == 0
        assert time.monotonic() - began >= 1


def receive_response(connection: socket.socket) -> bytes:
    """Receive one response, in any number of parts."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += (more := connection.recv(65536))
        assert more, "the connection was closed before the response"
    length = int(re.findall(rb"(?i)content-length: (\d+)", received)[0])
    while len(received.partition(b"\r\n\r\n")[2]) < length:
        received += (more := connection.recv(65536))
        assert more, "the connection was closed within the response"
    return received


REQUEST = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
FORM = b"POST /email.mobileconfig HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"


def in_use(served: Served) -> socket.socket:
    """Return a connection on which a worker has sent a response."""
    connection = socket.create_connection(("127.0.0.1", served.port), timeout=TIMEOUT)
    connection.sendall(REQUEST)
    assert receive_response(connection).startswith(b"HTTP/1.1 200 ")
    return connection


@ONE_AND_TWO_WORKERS
def test_requests_in_flight_get_their_responses_before_the_server_exits(workers: str) -> None:
    with serving("--workers", workers) as served, in_use(served) as connection:
        connection.sendall(FORM + b"Content-Length: 15\r\n\r\nname")
        served.process.send_signal(signal.SIGTERM)
        assert eventually(served, "0", lambda one: str(status(one, "/healthz")))
        connection.sendall(b"=%C3%84+%26")
        response = receive_response(connection)
        assert response.startswith(b"HTTP/1.1 200 ")
        assert "Ä &amp;" in response.decode()
        assert served.process.wait(timeout=TIMEOUT) == 0


def test_an_unfinished_request_does_not_delay_shutdown() -> None:
    with serving("--grace-time", "1", "--body-timeout", "60") as served, in_use(served) as connection:
        connection.sendall(FORM + b"Content-Length: 12\r\n\r\n")
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(timeout=TIMEOUT) == 0


@ONE_AND_TWO_WORKERS
def test_sigterm_does_not_reset_connections(workers: str) -> None:
    """Neither a pending connection, nor a new one, nor one kept alive."""
    with serving("--workers", workers) as served:
        outcomes = asyncio.run(request_until_exit(served))
        assert served.process.returncode == 0
    assert set(outcomes) == {"served", "refused"}, outcomes
    assert outcomes["served"] > 100


async def request_until_exit(served: Served) -> Counter[str]:
    """Send requests from many clients while the server shuts down; count their outcomes."""
    outcomes: Counter[str] = Counter()
    clients = [
        asyncio.create_task(request(served, outcomes, keep_alive=keep_alive, pause=pause))
        for keep_alive, pause in [(False, 0.0)] * 20 + [(False, 0.3)] * 40 + [(True, 0.05)] * 40
    ]
    while outcomes["served"] < 500:
        await asyncio.sleep(0.01)
    served.process.send_signal(signal.SIGTERM)
    await asyncio.to_thread(served.process.wait, 30)
    await asyncio.gather(*clients)
    return outcomes


async def request(served: Served, outcomes: Counter[str], *, keep_alive: bool, pause: float) -> None:
    """Send requests until connections are refused; wait before each one."""
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        except ConnectionRefusedError:
            outcomes["refused"] += 1
            return
        try:
            closed = False
            while not closed:
                await asyncio.sleep(pause)
                writer.write(REQUEST)
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(len(b"ok\n"))
                outcomes["served"] += 1
                closed = not keep_alive or b"connection: close" in head.lower()
        except (OSError, EOFError) as error:
            outcomes[f"{'kept alive' if keep_alive else 'new'}: {type(error).__name__}"] += 1
        finally:
            writer.close()


def test_a_second_signal_ends_the_drain_time() -> None:
    with serving("--drain-time", "60") as served:
        served.process.send_signal(signal.SIGTERM)
        assert eventually(served, "503", lambda one: str(status(one, "/readyz")))
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(timeout=TIMEOUT) == 0


def test_a_socket_passed_by_systemd_is_used() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def pass_on() -> None:
            os.dup2(listener.fileno(), 3)
            os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))

        with subprocess.Popen(
            [COMMAND, "serve", "--port", "1"], preexec_fn=pass_on, pass_fds=[3], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout
            try:
                assert f"http://127.0.0.1:{port} ".encode() in process.stdout.readline()
                assert get(f"http://127.0.0.1:{port}/healthz").status_code == 200
            finally:
                process.terminate()


@pytest.mark.parametrize(
    ("domain", "status_code"),
    [
        ("autoconfig.btinternet.com", 200),
        ("AUTODISCOVER.talk21.com", 200),
        ("ua-auto-config.btopenworld.com", 200),
        ("talk21.com", 200),
        ("setup.example", 200),
        ("www.talk21.com", 404),
        ("evil.example", 404),
        ("autoconfig.evil.example", 404),
        ("", 404),
        ("a b", 404),
        ("..", 404),
    ],
)
def test_caddy_gets_certificates_only_for_names_of_the_definition(
    public: Served, domain: str, status_code: int
) -> None:
    assert public.http.get("/tls/ask", params={"domain": domain}).status_code == status_code


@pytest.mark.parametrize("wrong", ["nonsense", "1.2.3.4/99", "10.0.0.0/8,x"])
def test_invalid_trusted_proxies_are_rejected(wrong: str) -> None:
    done = run("serve", "--trusted-proxies", wrong)
    assert done.returncode == 2
    assert "is neither an IP address nor a network" in done.stderr


@pytest.mark.parametrize(
    ("trusted", "trusted_proxy"),
    [("127.0.0.1", True), ("127.0.0.0/8", True), ("*", True), ("192.0.2.1", False), ("", False)],
)
def test_only_trusted_proxies_can_declare_a_request_https(trusted: str, trusted_proxy: bool) -> None:
    """Outlook's GET is redirected over http, but not over https."""
    with serving("--trusted-proxies", trusted) as served:
        headers = {"Host": "autodiscover.talk21.com", "X-Forwarded-Proto": "https"}
        response = served.http.get("/autodiscover/autodiscover.xml", headers=headers)
    assert response.status_code == (200 if trusted_proxy else 302)
