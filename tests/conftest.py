"""What every test may use."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support import Served, Write, serving


@pytest.fixture(scope="session")
def server() -> Iterator[Served]:
    """The server as it comes, with the BT settings."""
    with serving() as served:
        yield served


@pytest.fixture(scope="session")
def http(server: Served) -> httpx.Client:
    return server.http


@pytest.fixture
def write(tmp_path: Path) -> Write:
    return Write(tmp_path)
