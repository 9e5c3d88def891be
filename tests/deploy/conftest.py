"""What the tests of deploy/ need: a container image, and a network for the reverse proxies."""

import os
import shutil

import pytest

from tests.support import LeftOut


def missing(**packages: str) -> str:
    """Say what this machine lacks of some programs, by the Debian packages that have them, and how to get it."""
    lacking = sorted({package for program, package in packages.items() if not shutil.which(program)})
    if lacking:
        return f"not installed: {', '.join(lacking)}; `make test-deploy` installs them (root, Debian)"
    return "they need root: sudo make test-deploy" if os.geteuid() else ""


IMAGE = missing(buildah="buildah", debootstrap="debootstrap")
PROXIES = missing(caddy="caddy", curl="curl", ip="iproute2", nginx="nginx-light")
KUBECTL = "" if shutil.which("kubectl") and shutil.which("jq") else "it needs kubectl 1.27 or newer, and jq"

_LEFT_OUT = (
    LeftOut("the container image", IMAGE or "it takes minutes; `make test-deploy` builds it", "REQUIRE_DEPLOY", "test_container.py"),
    LeftOut("the reverse proxies", PROXIES, "REQUIRE_DEPLOY", "test_proxies.py"),
    LeftOut("deploy/kubernetes", KUBECTL, "REQUIRE_DEPLOY", "test_kubernetes.py"),
)  # fmt: skip
collect_ignore_glob = [file for one in _LEFT_OUT for file in one.files]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell what is left out."""
    for one in _LEFT_OUT:
        one.tell(terminalreporter)


@pytest.fixture(scope="package", autouse=True)
def _complete() -> None:
    if os.environ.get("REQUIRE_DEPLOY") and (reason := IMAGE or PROXIES or KUBECTL):
        pytest.fail(reason)
