"""From start to end: readiness, and how the server ends."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.support import COMMAND, Served, becomes, serving


@pytest.fixture(scope="module")
def public() -> Iterator[Served]:
    with serving("--public-url", "https://setup.example") as served:
        yield served


def status(served: Served, path: str) -> int:
    try:
        return httpx.get(f"{served.url}{path}").status_code
    except httpx.TransportError:
        return 0


def test_a_server_that_serves_is_alive_and_ready(http: httpx.Client) -> None:
    for path in ("/healthz", "/readyz"):
        answer = http.get(path)
        assert (answer.status_code, answer.text, answer.headers["cache-control"]) == (200, "ok\n", "no-store")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_told_to_end_it_is_at_once_not_ready_but_goes_on_answering_for_the_drain_time(workers: str) -> None:
    with serving("--drain-time", "1.5", "--workers", workers) as served:
        assert status(served, "/readyz") == 200
        began = time.monotonic()
        served.process.send_signal(signal.SIGTERM)
        assert becomes(served, "503", lambda one: str(status(one, "/readyz")), seconds=1.5)
        assert status(served, "/healthz") == 200
        assert status(served, "/mail/config-v1.1.xml") == 200
        assert served.process.wait(timeout=10) == 0
        assert 1.2 < time.monotonic() - began < 6


@pytest.mark.parametrize("workers", ["1", "2"])
def test_requests_in_flight_are_answered_before_the_end(workers: str) -> None:
    with serving("--workers", workers) as served:
        with socket.create_connection(("127.0.0.1", served.port), timeout=10) as connection:
            connection.sendall(b"POST /email.mobileconfig HTTP/1.1\r\nHost: x\r\nContent-Length: 15\r\n"
                               b"Content-Type: application/x-www-form-urlencoded\r\n\r\nname")  # fmt: skip
            time.sleep(0.3)
            served.process.send_signal(signal.SIGTERM)
            time.sleep(0.7)
            connection.sendall(b"=%C3%84+%26")
            answer = b""
            while received := connection.recv(65536):
                answer += received
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert "Ä &amp;" in answer.decode()
        assert served.process.wait(timeout=10) == 0


def test_a_request_that_never_ends_does_not_keep_the_server_from_ending() -> None:
    with (
        serving("--grace-time", "1", "--body-timeout", "60") as served,
        socket.create_connection(("127.0.0.1", served.port)) as connection,
    ):
        connection.sendall(b"POST /email.mobileconfig HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\n")
        time.sleep(0.3)
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(timeout=8) == 0


def test_a_second_signal_ends_the_drain_time() -> None:
    with serving("--drain-time", "60") as served:
        served.process.send_signal(signal.SIGTERM)
        assert becomes(served, "503", lambda one: str(status(one, "/readyz")))
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(timeout=8) == 0


def test_a_socket_that_systemd_listens_on_is_taken() -> None:
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
                assert httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
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
def test_caddy_gets_certificates_for_the_definitions_own_names_only(
    public: Served, domain: str, status_code: int
) -> None:
    assert public.http.get("/tls/ask", params={"domain": domain}).status_code == status_code


@pytest.mark.parametrize("wrong", ["nonsense", "1.2.3.4/99", "10.0.0.0/8,x"])
def test_trusted_proxies_that_are_no_addresses_are_refused(wrong: str) -> None:
    done = subprocess.run([COMMAND, "serve", "--trusted-proxies", wrong], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "is neither an IP address nor a network" in done.stderr


@pytest.mark.parametrize(
    ("trusted", "believed"),
    [("127.0.0.1", True), ("127.0.0.0/8", True), ("*", True), ("192.0.2.1", False), ("", False)],
)
def test_only_trusted_proxies_say_that_a_request_came_over_https(trusted: str, believed: bool) -> None:
    """Outlook's GET over http is redirected; over https it is answered."""
    with serving("--trusted-proxies", trusted) as served:
        headers = {"Host": "autodiscover.talk21.com", "X-Forwarded-Proto": "https"}
        answer = served.http.get("/autodiscover/autodiscover.xml", headers=headers)
    assert answer.status_code == (200 if believed else 302)
