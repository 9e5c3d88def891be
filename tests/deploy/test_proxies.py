"""Attacks on the reverse proxies of deploy/: they log no personal data and expose no internal endpoint."""

import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import pytest

from tests.clients.conftest import FRED, PASSWORD
from tests.clients.network import Network, network
from tests.clients.tls import Authority
from tests.deploy.hostile import BASIC, FILE, FORM, SECRETS, exchanges, spelled
from tests.deploy.proxies import (
    CLIENT,
    CLIENT_6,
    HOST,
    add_addresses,
    certificates,
    exchange,
    received,
    request,
    send,
    start_caddy,
    start_nginx,
    start_upstream,
    status,
)
from tests.deploy.traces import traces_in_files
from tests.support import COMMAND

INTERNAL = ("/metrics", "/tls/ask", "/readyz")
FAILURES = {
    "": "200", "empty": "502", "reset": "502", "silence": "504", "large header": "502", "large status": "502", "redirect": "302",
}  # fmt: skip
"""How the upstream fails, and the status that both proxies return."""
NONSENSE = (
    "cut",
    "no HTTP",
    "bad status",
    "bad header",
    "bad length",
    "bad chunk",
    "bad encoding",
    "upgrade",
    "too much",
)
"""Failures for which the proxies return different statuses."""
PLACES = (FILE, f"/autodiscover/autodiscover.json/v1.0/{FRED}?Protocol=Autodiscoverv1")


class Proxy(NamedTuple):
    """A running reverse proxy, and the file with the requests that its upstream has received."""

    name: str
    lab: Network
    record: Path

    def traces(self) -> dict[str, list[str]]:
        """Return the lines of all files that contain a trace of an address, a password or the client."""
        folders = (self.lab.folder, Path("/var/lib/nginx"), Path("/var/log/nginx"), *self.open_files())
        return traces_in_files(folders, (*SECRETS, CLIENT, CLIENT_6), but=[self.record])

    def open_files(self) -> list[Path]:
        """Return the folders of open files of all programs in the network. nginx deletes its temporary files while open."""
        pids = subprocess.run(["ip", "netns", "pids", self.lab.name], capture_output=True, check=True, text=True).stdout
        return [Path("/proc", pid, "fd") for pid in pids.split()]


def start(name: str, lab: Network, authority: Authority) -> None:
    """Start a proxy that waits at most two seconds for its upstream."""
    if name == "caddy":
        start_caddy(lab, {"lb_try_duration 15s": "lb_try_duration 1s", "response_header_timeout 30s": "response_header_timeout 2s",
                          "read_header 10s": "read_header 2s", "read_body 10s": "read_body 2s"})  # fmt: skip
    else:
        start_nginx(lab, certificates(authority), {"proxy_read_timeout 30s": "proxy_read_timeout 2s",
            "client_header_timeout 10s": "client_header_timeout 2s", "client_body_timeout 10s": "client_body_timeout 2s"})  # fmt: skip


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module", params=["caddy", "nginx"])
def proxy(request: pytest.FixtureRequest, authority: Authority) -> Iterator[Proxy]:
    """A proxy with an upstream that fails on request."""
    with network() as lab:
        add_addresses(lab)
        record = start_upstream(lab)
        start(request.param, lab, authority)
        yield Proxy(request.param, lab, record)


def with_address(target: str, *headers: str, method: str = "GET", body: str = "") -> str:
    secrets = (
        f"Authorization: Basic {BASIC}",
        f"Referer: https://{HOST}/?{FRED}",
        f"Cookie: {FRED}",
        f"User-Agent: {FRED}",
    )
    return request(f"{method} {target} HTTP/1.1", HOST, *secrets, *headers, body=body)


def test_no_failure_of_the_server_puts_personal_data_into_a_log(proxy: Proxy) -> None:
    sent = [
        (failure, exchange(with_address(place, f"X-Failure: {failure}"), tls=tls))
        for failure in (*FAILURES, *NONSENSE) for place in PLACES for tls in ("any", "") if tls or place == FILE
    ]  # fmt: skip
    sent += [
        (failure, exchange(with_address("/", f"X-Failure: {failure}", method="POST", body=FORM)))
        for failure in FAILURES
    ]
    responses = send(proxy.lab, [sent_exchange for _, sent_exchange in sent])
    expected = [(failure, FAILURES[failure]) for failure, _ in sent if failure in FAILURES]
    assert [(failure, status(response)) for (failure, _), response in zip(sent, responses, strict=True)
            if failure in FAILURES] == expected  # fmt: skip
    assert proxy.traces() == {}


def test_no_malformed_request_or_handshake_puts_personal_data_into_a_log(proxy: Proxy) -> None:
    statuses = {status(response) for response in send(proxy.lab, exchanges())}
    assert {"200", "308", "400", "431" if proxy.name == "caddy" else "414"} <= statuses
    assert proxy.traces() == {}


def test_http_2_puts_no_personal_data_into_a_log(proxy: Proxy) -> None:
    for failure in ("", "reset", "silence"):
        proxy.lab.run(
            ["curl", "--silent", "--insecure", "--http2", "--output", "/dev/null", "--interface", CLIENT, "--user-agent", FRED,
             "--resolve", f"{HOST}:443:192.0.2.1", "--user", f"{FRED}:{PASSWORD}", "--header", f"X-Failure: {failure}",
             f"https://{HOST}{FILE}"]
        )  # fmt: skip
    assert proxy.traces() == {}


def test_a_server_that_is_down_puts_no_personal_data_into_a_log(proxy: Proxy, authority: Authority) -> None:
    with network() as lab:
        add_addresses(lab)
        down = Proxy(proxy.name, lab, start_upstream(lab))
        start(proxy.name, lab, authority)
        # Caddy obtains the certificate for this name while the server runs.
        assert status(send(lab, [exchange(request("GET / HTTP/1.1"))])[0]) == "200"
        send(lab, [exchange(request("GET / HTTP/1.1", HOST, "X-Failure: exit"))])
        sent = [
            exchange(with_address(place), tls=tls) for place in PLACES for tls in ("any", "") if tls or place == FILE
        ]
        sent += [exchange(with_address("/", method="POST", body=FORM))]
        assert {status(response) for response in send(lab, sent)} == {"502"}
        send(lab, [exchange(with_address(FILE), sni="autoconfig.talk21.com", timeout=5)])
        assert down.traces() == {}


def test_no_body_is_written_to_disk_while_the_server_works_on_it(proxy: Proxy) -> None:
    body = (FORM * 3000)[: 60 * 1024]
    before = len(received(proxy.record))
    with ThreadPoolExecutor() as pool:
        data = with_address("/", "X-Failure: silence", method="POST", body=body)
        response = pool.submit(send, proxy.lab, [exchange(data)])
        deadline = time.monotonic() + 10
        while len(received(proxy.record)) == before and time.monotonic() < deadline:
            time.sleep(0.02)
        found = proxy.traces()
        assert status(response.result()[0]) == "504"
    assert found == {}


def test_the_access_log_contains_the_status_of_each_failure(proxy: Proxy) -> None:
    send(proxy.lab, [exchange(with_address(FILE, "X-Failure: empty")), exchange(with_address("/readyz"))])
    if proxy.name == "caddy":
        log = proxy.lab.printed(but=["upstream"])
        assert '"status":502' in log
        assert '"status":404' in log
    else:
        log = (proxy.lab.folder / "nginx" / "log" / "bt-autoconfig.log").read_text()
        assert " https GET autoconfig 502 " in log
        assert " https GET other 404 " in log


def test_internal_endpoints_are_out_of_reach_in_every_spelling(proxy: Proxy) -> None:
    before = len(received(proxy.record))
    targets = [target for path in INTERNAL for target in spelled(path)]
    sent = [
        exchange(request(f"GET {target} HTTP/1.1", HOST, "X-Outside: yes"), tls=tls)
        for target in targets
        for tls in ("any", "")
    ]
    sent += [exchange(request(f"{method} {path} HTTP/1.1", HOST, "X-Outside: yes")) for path in INTERNAL
             for method in ("HEAD", "POST", "OPTIONS", "PUT", "GET")]  # fmt: skip
    responses = send(proxy.lab, sent)
    assert {"404"} == {status(response) for response in responses[-5 * len(INTERNAL) :]}
    passed = [request_text for request_text in received(proxy.record)[before:] if "\r\nX-Outside:" in request_text]
    paths = {requested_path(request_text) for request_text in passed if not sent_by_the_proxy_itself(request_text)}
    assert len(paths) > 20  # spellings of other paths are passed on
    assert [path for path in paths if path.lower().rstrip("/") in INTERNAL] == []


def requested_path(received_request: str) -> str:
    """Return the path of a request as the server reads it: without the query, and decoded once."""
    target = received_request.split(" ", 2)[1]
    return unquote(urlsplit(target).path if "://" in target else target.partition("?")[0].partition("#")[0])


def sent_by_the_proxy_itself(received_request: str) -> bool:
    """Return whether it is Caddy's own request for approval of a host, before a redirect."""
    return "\r\nX-Forwarded-Method: " in received_request and f" /tls/ask?domain={HOST} " in received_request


@pytest.fixture(scope="module", params=["caddy", "nginx"])
def served(request: pytest.FixtureRequest, authority: Authority) -> Iterator[Proxy]:
    """A proxy with the real server, its access log and its metrics."""
    with network() as lab:
        add_addresses(lab)
        lab.start("bt-autoconfig", [COMMAND, "serve", "--access-log", "--metrics-port", "9000"])
        lab.wait_for_port(8000)
        start(request.param, lab, authority)
        yield Proxy(request.param, lab, lab.folder / "received")


def test_no_request_puts_personal_data_into_the_servers_log(served: Proxy) -> None:
    responses = send(served.lab, exchanges())
    assert {"200", "308", "404", "413"} <= {status(response) for response in responses}
    assert "GET autoconfig 200" in served.lab.printed()
    assert served.traces() == {}


def test_internal_endpoints_of_the_real_server_are_out_of_reach(served: Proxy) -> None:
    assert served.lab.run(["curl", "--silent", "--fail", "http://127.0.0.1:8000/readyz"]) == "ok\n"
    assert "bt_autoconfig" in served.lab.run(["curl", "--silent", "--fail", "http://127.0.0.1:9000/metrics"])
    paths = [
        target
        for path in INTERNAL
        for target in (path, f"{path}?domain={HOST}", f"/%{ord(path[1]):x}{path[2:]}", f"/.{path}")
    ]
    sent = [
        exchange(request(f"GET {path} HTTP/1.1"), tls=tls, ipv6=ipv6)
        for path in paths
        for tls in ("any", "")
        for ipv6 in (False, True)
    ]
    assert {status(response) for response in send(served.lab, sent)} == {"404"}
    for port in (8000, 9000):
        (direct,) = send(served.lab, [exchange(request("GET /readyz HTTP/1.1"), tls="", port=port)])
        assert "ConnectionRefusedError" in direct


def test_the_page_is_served_over_https_and_forms_are_redirected_to_https(served: Proxy) -> None:
    (page,) = send(
        served.lab,
        [exchange(request("POST / HTTP/1.1", HOST, "Content-Type: application/x-www-form-urlencoded", body=FORM))],
    )
    assert status(page) == "200"
    assert FRED in page
    assert f"http://{HOST}" not in page
    (redirect,) = send(served.lab, [exchange(request("POST / HTTP/1.1", body=FORM), tls="")])
    assert status(redirect) == "308"


def test_no_response_contains_an_unknown_host(served: Proxy) -> None:
    """nginx accepts autoconfig.evil.example, because its server_name in deploy/ is a pattern."""
    hosts = [
        "evil.example",
        "btinternet.com.evil.example",
        *(["autoconfig.evil.example"] if served.name == "caddy" else []),
    ]
    for response in send(served.lab, [exchange(request("GET / HTTP/1.1", host), tls="") for host in hosts]):
        assert not status(response).startswith("3"), response
        assert "evil" not in response


def test_monitoring_from_outside_can_request_healthz(proxy: Proxy) -> None:
    sent = [exchange(request("GET /healthz HTTP/1.1"), tls=tls) for tls in ("any", "")]
    assert [status(response) for response in send(proxy.lab, sent)] == ["200", "200"]


@pytest.mark.parametrize("protocol", ["websocket", "h2c"])
def test_upgrade_headers_are_removed_and_connection_removes_no_others(proxy: Proxy, protocol: str) -> None:
    headers = (
        f"Upgrade: {protocol}",
        "HTTP2-Settings: AAMAAABkAAQAAP__",
        "X-Kept: yes",
        "X-Forwarded-Proto: http",
        f"X-Forwarded-For: {FRED}",
    )
    connection = "Connection: Upgrade, HTTP2-Settings, X-Kept, X-Forwarded-Proto, Host"
    data = "\r\n".join([f"GET {FILE} HTTP/1.1", f"Host: {HOST}", connection, *headers]) + "\r\n\r\n"
    send(proxy.lab, [exchange(data, timeout=1)])
    sent = received(proxy.record)[-1].lower()
    assert "\r\nx-kept: yes\r\n" in sent
    assert sent.count("\r\nx-forwarded-proto: ") == sent.count("\r\nx-forwarded-proto: https\r\n") == 1
    assert sent.count(f"\r\nhost: {HOST}\r\n") == 1
    for absent in ("\r\nupgrade:", "\r\nhttp2-settings:", "\r\nconnection: upgrade", "\r\nx-forwarded-for:"):
        assert absent not in sent


def test_http_requests_are_redirected_except_those_that_clients_send_over_http(proxy: Proxy) -> None:
    page = [("GET", "/"), ("POST", "/"), ("GET", "/site/setup.css"), ("GET", "/email.mobileconfig?emailaddress=a@b.c"), ("POST", "/email.mobileconfig"),
            ("GET", "/.well-known/user-agent-configuration.json"), ("GET", "/anything")]  # fmt: skip
    for method, target in page:
        (response,) = send(proxy.lab, [exchange(request(f"{method} {target} HTTP/1.1"), tls="")])
        assert (status(response), f"\r\nLocation: https://{HOST}{target}\r\n" in response) == ("308", True), target
    stays = ["/mail/config-v1.1.xml", "/.well-known/autoconfig/mail/config-v1.1.xml", "/.well-known/mail-v1.xml", "/v1.1/btinternet.com",
             "/v1.1/mail/config-v1.1.xml", "/autodiscover/autodiscover.xml", "/Autodiscover/Autodiscover.xml", "/AutoDiscover/AutoDiscover.xml"]  # fmt: skip
    for target in stays:
        (response,) = send(proxy.lab, [exchange(request(f"GET {target} HTTP/1.1"), tls="")])
        assert status(response) == "200", target
        assert "\r\nX-Forwarded-Proto: http\r\n" in received(proxy.record)[-1]
    over_https = [exchange(request(f"{method} {target} HTTP/1.1")) for method, target in page]
    assert {status(response) for response in send(proxy.lab, over_https)} == {"200"}
