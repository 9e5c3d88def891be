"""Metrics and log lines, which contain no text of a request."""

import json
import logging
import re
import signal
import subprocess
import time

import httpx
import pytest

from autoconfig.address import MailAddress
from autoconfig.observe import RequestRecord, log, record
from autoconfig.protocols.autodiscover import request_for
from autoconfig.requests import Request
from autoconfig.responses import Response, ResponseKind
from tests.support import COMMAND, ONE_AND_TWO_WORKERS, Served, Write, client, eventually, serving

SECRET = "very.secret"
OUTLOOK = request_for(MailAddress(SECRET, "example.org"))
REQUESTS = [  # method, path, User-Agent, route, client, outcome
    (
        "GET",
        f"/mail/config-v1.1.xml?emailaddress={SECRET}@talk21.com",
        "Thunderbird/153",
        "autoconfig",
        "Thunderbird",
        "ok",
    ),
    ("GET", "/mail/config-v1.1.xml?emailaddress=x", "K-9 Mail", "autoconfig", "Thunderbird for Android", "refused"),
    ("GET", "/v1.1/talk21.com", "", "database", "none", "ok"),
    ("POST", "/AutoDiscover/AutoDiscover.xml", "Microsoft Office/16.0", "autodiscover", "Outlook", "refused"),
    (
        "GET",
        f"/autodiscover/autodiscover.json/v1.0/{SECRET}@talk21.com?Protocol=AutodiscoverV1",
        "Outlook/16",
        "autodiscover.json",
        "Outlook",
        "ok",
    ),
    ("GET", "/email.mobileconfig", "Mozilla/5.0 (iPhone)", "mobileconfig", "browser", "ok"),
    ("GET", "/", "Evolution/3.56", "setup page", "Evolution", "ok"),
    ("GET", f"/{SECRET}", f"{SECRET}/1.0", "unknown", "other", "refused"),
    ("PROPFIND", "/.well-known/user-agent-configuration.json", "KMail", "pacc", "KMail", "refused"),
]


def send_all(served: Served) -> list[tuple[int, bytes]]:
    """Send all requests; return status and body of each response."""
    responses = []
    for method, path, agent, *_ in REQUESTS:
        content = OUTLOOK if method == "POST" else None
        response = served.http.request(method, path, headers={"User-Agent": agent}, content=content)
        responses.append((response.status_code, re.sub(rb'Time="[^"]*"', b"", response.content)))
    return responses


def value(served: Served, name: str) -> float:
    found = [
        line.rpartition(" ")[2] for line in served.metrics().splitlines() if line.startswith((f"{name} ", f"{name}{{"))
    ]
    return sum(map(float, found))


def recorded(method: str = "GET", agent: bytes = b"", status: int = 200) -> RequestRecord:
    request = Request(method, "http", b"", b"", b"", b"", 0, agent)
    return record(request, "autoconfig", Response(ResponseKind("text/plain", {}, status), b""), time.perf_counter())


@pytest.mark.parametrize(
    ("agent", "client"),
    [
        ("Thunderbird/10.0 (Android 15)", "Thunderbird for Android"),
        ("Mozilla/5.0 (Android 15; Mobile; rv:153.0) Gecko/153.0 Thunderbird/153.0", "Thunderbird for Android"),
        ("K-9 Mail for Android", "Thunderbird for Android"),
        ("com.fsck.k9/39000", "Thunderbird for Android"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Thunderbird/153.0", "Thunderbird"),
        ("Betterbird/140.0", "Thunderbird"),
        ("Outlook-iOS/2.0", "Outlook"),
        ("Microsoft Office/16.0 (Windows NT 10.0; MAPI 16.0)", "Outlook"),
        ("Mozilla/4.0 (compatible; ms-office; MSOffice 16)", "Outlook"),
        ("MacOutlook/16.93", "Outlook"),
        ("iOS/18.5 (22F76) dataaccessd/1.0", "Apple"),
        ("dataaccessd/1.0", "Apple"),
        ("macOS/15.5 (24F74) accountsd/113", "Apple"),
        ("AppleExchangeWebServices/819.1", "Apple"),
        ("profiled/1.0", "Apple"),
        ("iPhoneOS 18", "Apple"),
        ("Evolution/3.56", "Evolution"),
        ("KMail/6.4", "KMail"),
        ("Kontact/6.4", "KMail"),
        ("KIO/6.0", "KMail"),
        ("Delta Chat/2.0", "Delta Chat"),
        ("deltachat", "Delta Chat"),
        ("eM Client/10.3", "eM Client"),
        ("eMClient/10.3", "eM Client"),
        ("bt-autoconfig/1.0", "check"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) Safari/604.1", "browser"),
        ("curl/8.14", "other"),
        ("", "none"),
    ],
)
def test_clients_are_recognised_by_their_user_agent(agent: str, client: str) -> None:
    assert recorded(agent=agent.encode()).client == client


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_only_known_methods_are_recorded(method: str) -> None:
    assert (recorded(method).method, recorded(f"{method}X").method) == (method, "other")


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, "ok"), (304, "ok"), (404, "refused"), (500, "failed"), (503, "failed")],
)
def test_the_status_decides_the_outcome(status: int, outcome: str) -> None:
    assert recorded(status=status).outcome == outcome


def test_a_log_line_has_the_time_in_milliseconds(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "autoconfig.access"):
        log(RequestRecord("GET", "autoconfig", "Thunderbird", 200, "ok", 0.0012344))
    (line,) = caplog.records
    assert line.getMessage() == "GET autoconfig 200 Thunderbird 1.234 ms"
    fields = {"method": "GET", "route": "autoconfig", "status": 200, "client": "Thunderbird", "ms": 1.234}
    assert line.__dict__["fields"] == fields


@ONE_AND_TWO_WORKERS
def test_requests_are_counted_by_route_client_and_outcome_across_workers(workers: str) -> None:
    with serving("--metrics-port", "0", "--workers", workers) as served:
        for _ in range(10):
            with client(served.url) as served.http:
                send_all(served)
        text = served.metrics()
        for *_, route, name, outcome in REQUESTS:
            assert f'bt_autoconfig_requests_total{{client="{name}",outcome="{outcome}",route="{route}"}} 10.0' in text
        assert 'bt_autoconfig_request_seconds_count{route="autoconfig"} 20.0' in text
        assert SECRET not in text
        assert "talk21" not in text


def test_metrics_and_logs_do_not_change_responses(server: Served) -> None:
    with serving("--metrics-port", "0", "--access-log") as served:
        assert send_all(served) == send_all(server)


def test_metrics_have_a_separate_listener(http: httpx.Client) -> None:
    assert http.get("/metrics").status_code == 404


@ONE_AND_TWO_WORKERS
def test_metrics_show_failed_and_successful_reloads(write: Write, workers: str, signing: tuple[str, ...]) -> None:
    with serving("--metrics-port", "0", "--workers", workers, "--definition", write(), *signing) as served:
        assert value(served, "bt_autoconfig_definitions") == 1
        assert value(served, "bt_autoconfig_domains") == 2
        assert value(served, "bt_autoconfig_signing_certificate_days") == 365
        assert value(served, "bt_autoconfig_last_reload_failed") == 0
        assert abs(value(served, "bt_autoconfig_last_reload_timestamp_seconds") - time.time()) < 20
        write({">143<": ">99999<"})
        served.process.send_signal(signal.SIGHUP)
        assert eventually(served, "last_reload_failed 1.0", Served.metrics)
        write()
        served.process.send_signal(signal.SIGHUP)
        assert eventually(served, "last_reload_failed 0.0", Served.metrics)


def test_a_metrics_port_in_use_is_reported(server: Served) -> None:
    done = subprocess.run(
        [COMMAND, "serve", "--port", "0", "--metrics-port", str(server.port)],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"cannot listen on 127.0.0.1 port {server.port} for Prometheus: ")
    assert done.stderr.endswith("choose others with --metrics-host and --metrics-port\n")


def test_log_lines_contain_only_method_route_status_client_and_time() -> None:
    with serving("--access-log") as served:
        send_all(served)
        assert eventually(served, "405", Served.printed)
        lines = [line for line in served.printed().splitlines() if line.startswith("INFO: ")]
        assert re.fullmatch(r"INFO: GET autoconfig 200 Thunderbird [\d.]+ ms", lines[0])
        assert re.fullmatch(r"INFO: other pacc 405 KMail [\d.]+ ms", lines[-1])
        assert len(lines) == len(REQUESTS)
        assert SECRET not in served.printed()
        assert "127.0.0.1" not in "".join(lines)


def test_json_logs_have_one_object_per_line(write: Write) -> None:
    with serving("--log-format", "json", "--access-log", "--definition", write()) as served:
        send_all(served)
        write({">143<": ">99999<"})
        served.process.send_signal(signal.SIGHUP)
        assert eventually(served, "99999", Served.printed)
        objects = [json.loads(line) for line in served.printed().splitlines()]
    assert all({"time", "level", "message"} <= one.keys() for one in objects)
    requests = [one for one in objects if "route" in one]
    assert requests[0].keys() == {"time", "level", "message", "method", "route", "status", "client", "ms"}
    assert (requests[0]["route"], requests[0]["status"]) == ("autoconfig", 404)
    assert [one for one in objects if one["level"] == "error" and "99999" in one["message"]]
    assert SECRET not in json.dumps(objects)


def test_no_request_is_logged_by_default(server: Served) -> None:
    server.http.get("/healthz")
    assert "healthz" not in server.printed()
