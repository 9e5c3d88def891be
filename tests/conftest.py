"""Fixtures for all tests."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import settings

from tests.signatories import SigningAuthority
from tests.support import Served, Write, serving

# No deadline: how long an example takes depends on the machine more than on the code.
settings.register_profile("default", deadline=None, max_examples=100)
settings.register_profile("thorough", deadline=None, max_examples=2000)
settings.load_profile("default")


@pytest.fixture(scope="session")
def server() -> Iterator[Served]:
    """The server with default options and the BT settings."""
    with serving() as served:
        yield served
        assert "Error" not in served.printed()


@pytest.fixture(scope="session")
def http(server: Served) -> httpx.Client:
    return server.http


@pytest.fixture
def write(tmp_path: Path) -> Write:
    return Write(tmp_path)


@pytest.fixture(scope="session")
def signing_authority(tmp_path_factory: pytest.TempPathFactory) -> SigningAuthority:
    return SigningAuthority(tmp_path_factory.mktemp("signing"))


@pytest.fixture(scope="session")
def signing(signing_authority: SigningAuthority) -> tuple[str, ...]:
    """The options with which the server signs profiles."""
    return signing_authority.signatory().options()
