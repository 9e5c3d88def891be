"""What metrics show of the settings in use, and where processes count."""

import os
import time
from pathlib import Path

import pytest

from autoconfig import metrics
from autoconfig.hosting import ListSource
from autoconfig.metrics import State
from autoconfig.sources import Sources
from tests.support import Write

HOSTING = {"<domain>example.net": '<domain purpose="mx">example.net'}
OTHER = {"example.com": "other.example", "example.net": "other.test"}


def test_applied_settings_are_counted_and_end_a_failure(write: Write, tmp_path: Path) -> None:
    customers = tmp_path / "customers.txt"
    customers.write_text("a.example\nb.example\nc.example\n")
    files = (write(HOSTING), write(OTHER, "other.xml"))
    state = State(reloaded=0, failed=True)
    state.applied(Sources(files, hosted_domains=(ListSource(customers),)).read().load())
    assert (state.definitions, state.domains, state.hosted_domains) == (2, 4, 3)
    assert (state.failed, state.signer) == (False, None)
    assert abs(state.reloaded - time.time()) < 60


def test_refused_settings_change_only_the_result_and_the_time() -> None:
    state = State(definitions=1, domains=2, hosted_domains=3, reloaded=0)
    state.refused()
    assert (state.definitions, state.domains, state.hosted_domains, state.failed) == (1, 2, 3, True)
    assert abs(state.reloaded - time.time()) < 60


def test_processes_count_in_a_private_folder_that_is_removed_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(metrics._FOLDER, "")
    with metrics.shared():
        folder = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
        (folder / "counter_1.db").touch()
        assert folder.name.startswith("bt-autoconfig-")
        assert folder.stat().st_mode & 0o777 == 0o700
    assert not folder.exists()
