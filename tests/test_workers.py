"""Worker processes: each is replaced when it dies or hangs, independently of the others."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoconfig import workers as workers_module
from tests.support import TIMEOUT, Served, Write, eventually, get, serving, wait_until

pytestmark = pytest.mark.long
PATH = "/mail/config-v1.1.xml"


def settings(served: Served) -> str:
    return get(f"{served.url}{PATH}").text


HUNG = 4.0
"""Seconds after which a worker counts as hung: fewer than in production, for fast tests."""
PROGRAM = (
    sys.executable,
    "-c",
    f"from autoconfig import workers; workers.HUNG = {HUNG}; from autoconfig.__main__ import main; main()",
)


@pytest.fixture
def four() -> Iterator[Served]:
    with serving("--workers", "4", program=PROGRAM) as served:
        assert wait_until(lambda: len(ready(served)) == 4)
        yield served


def ready(served: Served) -> list[int]:
    """Return the workers that accept connections: their event loops listen with epoll."""
    return [pid for pid in served.workers() if _waits_for_events(pid)]


def _waits_for_events(pid: int) -> bool:
    try:
        return any("eventpoll" in str(one.readlink()) for one in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False


def test_dead_workers_are_replaced_within_a_second_even_if_another_hangs(four: Served) -> None:
    stopped = four.workers()[0]
    os.kill(stopped, signal.SIGSTOP)
    # Three times, because the machine may be busy. In the end, the stopped one is replaced too.
    assert min(seconds_to_replace(four, set(four.workers()) - {stopped}) for _ in range(3)) < 1
    assert "clientConfig" in settings(four)


def seconds_to_replace(served: Served, workers: set[int]) -> float:
    """Kill workers, and return the seconds until there are four others."""
    others = set(served.workers()) - workers
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    began = time.monotonic()
    assert wait_until(lambda: len(set(served.workers()) - workers - others) >= len(workers))
    return time.monotonic() - began


def test_a_worker_that_hangs_is_replaced_within_ten_seconds(four: Served) -> None:
    stopped, *others = four.workers()
    os.kill(stopped, signal.SIGSTOP)
    assert wait_until(lambda: stopped not in four.workers() and len(four.workers()) == 4)
    assert workers_module.HUNG + workers_module._LONGEST_STEP < 10
    assert set(others) <= set(four.workers())
    assert "ERROR: a worker hangs; killing it\n" in four.printed()


def test_a_worker_that_hangs_during_start_is_replaced(four: Served) -> None:
    (old, *_) = before = four.workers()
    os.kill(old, signal.SIGKILL)
    assert wait_until(lambda: set(four.workers()) - set(before))
    (new,) = set(four.workers()) - set(before)
    os.kill(new, signal.SIGSTOP)
    assert wait_until(lambda: new not in four.workers() and len(four.workers()) == 4)


def test_workers_do_not_count_as_hung_after_all_processes_were_stopped(four: Served) -> None:
    """As with `docker pause`, or when a virtual machine is paused."""
    before = four.workers()
    for pid in (*before, four.process.pid):
        os.kill(pid, signal.SIGSTOP)
    with serving("--workers", "2", program=PROGRAM) as other:  # shows when they have been stopped for long enough
        os.kill(other.workers()[0], signal.SIGSTOP)
        assert eventually(other, "a worker hangs", Served.printed)
    for pid in (four.process.pid, *before):
        os.kill(pid, signal.SIGCONT)
    assert "clientConfig" in settings(four)
    assert "hangs" not in four.printed()
    assert four.workers() == before


def test_a_worker_that_loads_many_definitions_does_not_count_as_hung(tmp_path: Path) -> None:
    for number in range(2000):
        text = Write.TEXT.replace("example.com", f"e{number}.example").replace("example.net", f"n{number}.example")
        (tmp_path / f"{number}.xml").write_text(text)
    with serving("--workers", "2", "--definition", tmp_path, program=PROGRAM, seconds=90) as served:
        assert "e0.example" in settings(served)
        assert "hangs" not in served.printed()


def test_a_replaced_worker_serves_the_last_valid_definition(write: Write) -> None:
    with serving("--definition", write(), "--workers", "2") as served:
        write({">143<": ">99999<"})
        before = served.workers()
        assert len(before) == 2
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        assert wait_until(lambda: len(set(served.workers()) - set(before)) == 2)
        assert "imap.example.com" in settings(served)
        assert "Traceback" not in served.printed()


def test_workers_get_the_validated_settings_and_read_no_file(write: Write) -> None:
    file = write()
    with serving("--definition", file, "--workers", "2") as served:
        write({"imap.example.com": "changed.example.com"})
        served.process.send_signal(signal.SIGHUP)
        assert eventually(served, "reloaded", Served.printed)
        file.unlink()
        before = served.workers()
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        assert wait_until(lambda: len(set(served.workers()) - set(before)) == 2)
        assert all("changed.example.com" in settings(served) for _ in range(10))


def test_every_worker_serves_the_new_settings_once_the_reload_is_reported(write: Write) -> None:
    with serving("--definition", write(), "--workers", "3") as served:
        write({"imap.example.com": "changed.example.com"})
        served.process.send_signal(signal.SIGHUP)
        assert eventually(served, "reloaded", Served.printed)
        assert all("changed.example.com" in settings(served) for _ in range(30))


def test_a_reload_completes_even_if_a_worker_hangs(write: Write) -> None:
    with serving("--definition", write(), "--workers", "2") as served:
        stopped = served.workers()[0]
        os.kill(stopped, signal.SIGSTOP)
        write({"imap.example.com": "changed.example.com"})
        served.process.send_signal(signal.SIGHUP)
        assert eventually(served, "reloaded", Served.printed, seconds=30)
        assert stopped not in served.workers()
        assert all("changed.example.com" in settings(served) for _ in range(10))


def test_workers_exit_with_their_parent() -> None:
    with serving("--workers", "2") as served:
        before = served.workers()
        served.process.kill()
        served.process.wait()
        assert wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in before))


def test_a_stopped_worker_does_not_delay_shutdown(four: Served) -> None:
    os.kill(four.workers()[0], signal.SIGSTOP)
    four.process.send_signal(signal.SIGTERM)
    assert four.process.wait(timeout=TIMEOUT) == 0


def test_sighup_sent_to_all_processes_does_not_stop_any(four: Served) -> None:
    before = four.workers()
    for pid in (four.process.pid, *before):
        os.kill(pid, signal.SIGHUP)
    assert eventually(four, "reloaded", Served.printed)
    assert four.workers() == before


def test_sigterm_sent_to_all_processes_stops_the_server_after_the_drain_time() -> None:
    """As systemd does by default (KillMode=control-group)."""
    with serving("--workers", "2", "--drain-time", "4") as served:
        assert wait_until(lambda: len(ready(served)) == 2)
        began = time.monotonic()
        for pid in (*served.workers(), served.process.pid):
            os.kill(pid, signal.SIGTERM)
        assert get(f"{served.url}/healthz").status_code == 200
        assert served.process.wait(timeout=TIMEOUT) == 0
        assert time.monotonic() - began > 3.9
