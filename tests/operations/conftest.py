"""What the tests of operations have in common."""

from pathlib import Path

import pytest

from tests.operations.world import World


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A provider on loopback, all right; the program trusts its authority."""
    made = World(tmp_path)
    made.authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    made.served()
    return made
