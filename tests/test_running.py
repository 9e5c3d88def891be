import os
import signal
import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.support import Served, Write, becomes, serving

PATH = "/mail/config-v1.1.xml"
CHANGED = {"imap.example.com": "changed.example.com"}


def settings(served: Served) -> str:
    return httpx.get(f"{served.url}{PATH}").text


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_hangup_takes_the_changed_definition_into_use(write: Write, workers: str) -> None:
    with serving("--definition", write(), "--workers", workers) as served:
        assert "imap.example.com" in settings(served)
        write(CHANGED)
        served.process.send_signal(signal.SIGHUP)
        assert becomes(served, "reloaded", Served.printed)
        assert becomes(served, "changed.example.com", settings)
        if workers == "2":  # they are replaced one by one
            assert becomes(
                served, "changed", lambda one: min(settings(one) for _ in range(10)).replace("imap.", "old.")
            )


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_broken_definition_is_told_and_the_old_one_goes_on_serving(write: Write, workers: str) -> None:
    with serving("--definition", write(), "--workers", workers) as served:
        file = write({">143<": ">99999<", ">plain<": ">none<"})
        served.process.send_signal(signal.SIGHUP)
        told = "ERROR: not reloaded, what was served goes on: "
        assert becomes(served, f"{told}{file}:17: socketType none is not SSL, STARTTLS or plain", Served.printed)
        assert f"{told}{file}:9: port 99999 is not between 1 and 65535" in served.printed()
        assert all("imap.example.com" in settings(served) for _ in range(10))
        write(CHANGED)
        served.process.send_signal(signal.SIGHUP)
        assert becomes(served, "changed.example.com", settings)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_no_request_fails_while_definitions_are_reloaded(write: Write, workers: str) -> None:
    statuses: list[int] = []
    done = threading.Event()

    def ask(url: str) -> None:
        with httpx.Client(headers={"Connection": "close"}) as client:
            while not done.is_set():
                statuses.append(client.get(url).status_code)

    with serving("--definition", write(), "--workers", workers) as served:
        asking = [threading.Thread(target=ask, args=(f"{served.url}{PATH}",)) for _ in range(2)]
        for thread in asking:
            thread.start()
        number = 0
        while number < 3 or len(statuses) < 50:  # a reload may take no longer than some requests
            number += 1
            write({"Example Mail": f"Number {number}."})
            served.process.send_signal(signal.SIGHUP)
            assert becomes(served, f"Number {number}.", settings)
        done.set()
        for thread in asking:
            thread.join()
    assert set(statuses) == {200}


def test_a_worker_that_dies_is_replaced_by_one_that_serves_what_was_right_last(write: Write) -> None:
    with serving("--definition", write(), "--workers", "2") as served:
        write({">143<": ">99999<"})
        children = Path(f"/proc/{served.process.pid}/task/{served.process.pid}/children").read_text().split()
        workers = [pid for pid in children if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text()]
        assert len(workers) == 2
        for pid in workers:
            os.kill(int(pid), signal.SIGKILL)
        time.sleep(1)
        assert becomes(served, "imap.example.com", settings)
        assert "Traceback" not in served.printed()
