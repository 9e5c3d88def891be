import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from queue import SimpleQueue

import pytest

from autoconfig.hosting import ListSource
from autoconfig.metrics import State
from autoconfig.reloading import Reloader
from autoconfig.sources import Contents, Settings, Sources
from tests.signatories import SigningAuthority
from tests.support import (
    COMMAND,
    ONE_AND_TWO_WORKERS,
    TIMEOUT,
    WITHOUT_OVERRIDE,
    Served,
    Write,
    client,
    eventually,
    get,
    serving,
    wait_until,
)

PATH = "/mail/config-v1.1.xml"
CHANGED = {"imap.example.com": "changed.example.com"}


def settings(served: Served) -> str:
    return get(f"{served.url}{PATH}").text


@ONE_AND_TWO_WORKERS
def test_sighup_reloads_a_changed_definition(write: Write, workers: str) -> None:
    with serving("--definition", write(), "--workers", workers) as served:
        assert "imap.example.com" in settings(served)
        write(CHANGED)
        served.process.send_signal(signal.SIGHUP)
        assert eventually(served, "reloaded", Served.printed)
        assert eventually(served, "changed.example.com", settings)
        if workers == "2":  # one worker may still have the previous settings
            assert eventually(
                served, "changed", lambda one: min(settings(one) for _ in range(10)).replace("imap.", "old.")
            )


@ONE_AND_TWO_WORKERS
def test_a_broken_definition_is_reported_and_the_previous_one_stays(write: Write, workers: str) -> None:
    with serving("--definition", write(), "--workers", workers) as served:
        file = write({">143<": ">99999<", ">plain<": ">none<"})
        served.process.send_signal(signal.SIGHUP)
        error = "ERROR: not reloaded, the previous configuration stays in use: "
        assert eventually(served, f"{error}{file}:17: socketType none is not SSL, STARTTLS or plain", Served.printed)
        assert f"{error}{file}:9: port 99999 is out of range; use 1-65535" in served.printed()
        assert all("imap.example.com" in settings(served) for _ in range(10))
        write(CHANGED)
        served.process.send_signal(signal.SIGHUP)
        assert eventually(served, "changed.example.com", settings)


HOSTING = {"<domain>example.net": '<domain purpose="mx">example.net'}


def serves(served: Served, domain: str) -> bool:
    # Several requests, because each may reach a different worker.
    url = f"{served.url}{PATH}?emailaddress=fred@{domain}"
    return {get(url).status_code for _ in range(10)} == {200}


@ONE_AND_TWO_WORKERS
def test_sighup_reloads_a_changed_list(write: Write, tmp_path: Path, workers: str) -> None:
    customers = tmp_path / "customers.txt"
    customers.write_text("old.example\n")
    arguments = ("--definition", write(HOSTING), "--hosted-domains", customers, "--workers", workers)
    with serving(*arguments, "--metrics-port", "0") as served:
        assert serves(served, "old.example")
        assert not serves(served, "new.example")
        customers.write_text("old.example\nnew.example\n")
        served.process.send_signal(signal.SIGHUP)
        assert eventually(served, "reloaded", Served.printed)
        assert wait_until(lambda: serves(served, "new.example"))
        assert "bt_autoconfig_hosted_domains 2.0" in served.metrics()
        assert serves(served, "old.example")


@ONE_AND_TWO_WORKERS
def test_a_broken_list_is_reported_and_the_previous_one_stays(write: Write, tmp_path: Path, workers: str) -> None:
    customers = tmp_path / "customers.txt"
    customers.write_text("old.example\n")
    arguments = ("--definition", write(HOSTING), "--hosted-domains", customers, "--workers", workers)
    with serving(*arguments) as served:
        for broken, error in (
            ("new.example\nb c.example\n", "2: b c.example is not a domain name such as example.com"),
            (
                "",
                "1: the list is empty, perhaps because an export failed; if you host no domains, write a comment into it",
            ),
        ):
            customers.write_text(broken)
            served.process.send_signal(signal.SIGHUP)
            line = f"ERROR: not reloaded, the previous configuration stays in use: {customers}:{error}"
            assert eventually(served, line, Served.printed)
            assert serves(served, "old.example")
            assert not serves(served, "new.example")


@ONE_AND_TWO_WORKERS
def test_no_request_fails_during_reloads(write: Write, workers: str) -> None:
    statuses: list[int] = []
    done = threading.Event()

    def send_requests() -> None:
        with client(served.url) as http:
            while not done.is_set():
                statuses.append(http.get(PATH, headers={"Connection": "close"}).status_code)

    with serving("--definition", write(), "--workers", workers) as served:
        clients = [threading.Thread(target=send_requests) for _ in range(2)]
        for thread in clients:
            thread.start()
        number = 0
        while number < 3 or len(statuses) < 50:  # three reloads may be over after a few requests
            number += 1
            write({"Example Mail": f"Number {number}."})
            served.process.send_signal(signal.SIGHUP)
            assert eventually(served, f"Number {number}.", settings)
        done.set()
        for thread in clients:
            thread.join()
    assert set(statuses) == {200}


@ONE_AND_TWO_WORKERS
def test_an_unreadable_folder_is_reported_and_the_previous_configuration_stays(write: Write, workers: str) -> None:
    folder = write().parent
    arguments = ("--definition", folder, "--workers", workers, "--metrics-port", "0")
    with serving(*arguments, prefix=WITHOUT_OVERRIDE) as served:
        folder.chmod(0)
        try:
            served.process.send_signal(signal.SIGHUP)
            error = (
                f"ERROR: not reloaded, the previous configuration stays in use: {folder}: cannot be read: Permission"
            )
            assert eventually(served, error, Served.printed)
            assert "imap.example.com" in settings(served)
            assert "bt_autoconfig_last_reload_failed 1.0" in served.metrics()
        finally:
            folder.chmod(0o700)
        write(CHANGED)
        served.process.send_signal(signal.SIGHUP)
        assert eventually(served, "WARNING: reloaded", Served.printed)
        assert "changed.example.com" in settings(served)
        assert "bt_autoconfig_last_reload_failed 0.0" in served.metrics()


@pytest.mark.long
@ONE_AND_TWO_WORKERS
def test_sigterm_stops_the_server_after_fifty_sighups_that_reload_many_definitions(
    tmp_path: Path, workers: str
) -> None:
    for number in range(500):
        text = Write.TEXT.replace("example.com", f"e{number}.example").replace("example.net", f"n{number}.example")
        (tmp_path / f"{number}.xml").write_text(text)
    with serving("--definition", tmp_path, "--workers", workers, seconds=90) as served:
        for _ in range(50):
            served.process.send_signal(signal.SIGHUP)
            # The kernel drops a signal if one of the same kind is pending.
            assert wait_until(lambda: not hangup_is_pending(served.process.pid))
        assert get(f"{served.url}/readyz").status_code == 200
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(timeout=TIMEOUT) == 0


def test_sighup_during_start_causes_a_reload(write: Write) -> None:
    file = write()
    with tempfile.TemporaryFile() as output:
        command: list[str | Path] = [COMMAND, "serve", "--port", "0", "--definition", file]
        with subprocess.Popen(command, stdout=output, stderr=output) as process:
            try:
                assert wait_until(lambda: catches_hangups(process.pid))
                process.send_signal(signal.SIGHUP)
                assert wait_until(lambda: b"reloaded" in os.pread(output.fileno(), 100_000, 0))
            finally:
                process.terminate()
        assert process.returncode == 0


_SPY = """
import signal, sys

set_handler = signal.signal

def spy(number, handler):
    if number == signal.SIGHUP:
        print("lxml is imported" if "lxml" in sys.modules else "nothing slow is imported")
    return set_handler(number, handler)

signal.signal = spy
sys.argv = ["bt-autoconfig", "serve", "--help"]
from autoconfig.__main__ import main
main()
"""


def test_the_handler_of_sighup_is_set_before_slow_imports() -> None:
    done = subprocess.run([sys.executable, "-c", _SPY], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0] == "nothing slow is imported"


def catches_hangups(pid: int) -> bool:
    return has_hangup(pid, "SigCgt")


def hangup_is_pending(pid: int) -> bool:
    return has_hangup(pid, "ShdPnd")


def has_hangup(pid: int, signals: str) -> bool:
    """Return whether SIGHUP is in a set of a process's signals (proc(5))."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = next(line.split()[1] for line in status.splitlines() if line.startswith(f"{signals}:"))
    return bool(int(found, 16) & 1 << signal.SIGHUP - 1)


class Unreadable(Sources):
    """Sources that fail with an unexpected error."""

    def read(self) -> Contents:
        raise RuntimeError("the disk is on fire")


def test_an_unexpected_error_is_reported_and_the_next_reload_works(
    write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    requests: SimpleQueue[None] = SimpleQueue()
    applied: SimpleQueue[Settings] = SimpleQueue()
    state = State()
    reloader = Reloader(requests, Unreadable(()), applied.put, state)
    reloader.start()
    requests.put(None)
    assert wait_until(lambda: "in use: the disk is on fire (RuntimeError at " in caplog.text)
    assert state.failed
    reloader.sources = Sources((write(),))
    requests.put(None)
    assert applied.get(timeout=TIMEOUT).definitions[0].domains[0] == "example.com"
    assert wait_until(lambda: not state.failed)


def test_errors_of_a_reload_and_certificates_that_expire_soon_are_reported(
    signing_authority: SigningAuthority, write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    one = signing_authority.signatory(days=5)
    requests: SimpleQueue[None] = SimpleQueue()
    applied: SimpleQueue[Settings] = SimpleQueue()
    state = State()
    sources = Sources((write({">143<": ">99999<", ">plain<": ">none<"}),), one.certificate, one.key, one.chain)
    Reloader(requests, sources, applied.put, state).start()
    requests.put(None)
    assert wait_until(lambda: state.failed)
    assert [record.getMessage().rpartition(":")[2] for record in caplog.records if record.levelname == "ERROR"] == [
        " port 99999 is out of range; use 1-65535",
        " socketType none is not SSL, STARTTLS or plain",
    ]
    write()
    requests.put(None)
    applied.get(timeout=TIMEOUT)
    assert wait_until(lambda: f"{one.certificate}: the signing certificate" in caplog.text)
    assert not state.failed


def test_fifty_pending_reloads_are_merged_into_one(write: Write) -> None:
    requests: SimpleQueue[None] = SimpleQueue()
    pending: SimpleQueue[int] = SimpleQueue()
    for _ in range(50):
        requests.put(None)
    Reloader(requests, Sources((write(),)), lambda _: pending.put(requests.qsize()), State()).start()
    assert pending.get(timeout=TIMEOUT) == 0


def test_a_reload_reports_a_list_without_domains(
    write: Write, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """All customers lose their settings then: a program that writes the list may have failed."""
    customers = tmp_path / "customers.txt"
    customers.write_text("# to do\n")
    requests: SimpleQueue[None] = SimpleQueue()
    sources = Sources((write(HOSTING),), hosted_domains=(ListSource(customers),))
    Reloader(requests, sources, lambda _: None, State()).start()
    requests.put(None)
    assert wait_until(
        lambda: f"{customers}:1: this list contains no domains, so no hosted domain is served" in caplog.text
    )
