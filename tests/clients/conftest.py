"""The lab: a network with names, certificates, a web front and the server under test, for real clients to find."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients import dns, tls
from tests.clients.network import Network, network
from tests.clients.tls import Authority
from tests.support import COMMAND

PROGRAMS = {
    "caddy": "caddy",
    "certutil": "libnss3-tools",
    "ip": "iproute2",
    "knotd": "knot",
    "thunderbird": "thunderbird",
}
"""What the lab runs, and the Debian package that has it."""

BT_DOMAINS = ("btinternet.com", "btopenworld.com", "talk21.com")


def missing() -> str:
    """Say what this machine lacks for the lab, and how to get it."""
    if os.geteuid() != 0:
        return "network namespaces need root: sudo make test-clients"
    packages = sorted({package for program, package in PROGRAMS.items() if not shutil.which(program)})
    return f"not installed: {', '.join(packages)}; `make test-clients` installs them (Debian)" if packages else ""


@pytest.fixture(scope="session", autouse=True)
def _complete() -> None:
    if reason := missing():
        if os.environ.get("REQUIRE_CLIENTS"):
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture
def lab_network(tmp_path: Path) -> Iterator[Network]:
    with network(tmp_path) as made:
        yield made


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def names(lab_network: Network) -> None:
    """DNS as BT would publish it."""
    hosts = ("@", "autoconfig", "autodiscover")
    zones = {domain: dns.provider_records(*hosts, mx="mail.btinternet.com.") for domain in BT_DOMAINS}
    zones["btinternet.com"] += f"\n{dns.provider_records('mail')}"
    dns.start(lab_network, zones)


@pytest.fixture
def front(lab_network: Network, authority: Authority) -> None:
    """HTTPS and HTTP for all of the client host names."""
    hosts = [f"{prefix}{domain}" for domain in BT_DOMAINS for prefix in ("", "autoconfig.", "autodiscover.")]
    tls.start_front(lab_network, *authority.issue(*hosts))


@pytest.fixture
def served(lab_network: Network) -> None:
    """The server under test, nothing special."""
    lab_network.start("bt-autoconfig", [COMMAND, "serve"])
    lab_network.wait_for_port(8000)
