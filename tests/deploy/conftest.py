"""Fixtures of the tests of deploy/, and the checks for the programs that they need."""

import os
import shutil
from collections.abc import Iterator

import pytest
import yaml

from tests.deploy.images import BASE, IMAGE, images, save
from tests.deploy.machine import Machine, machine
from tests.deploy.proxies import DEPLOY
from tests.support import Unavailable


def missing(**packages: str) -> str:
    """Return the Debian packages of missing programs, and how to install them; empty if none is missing.

    `packages` gives the Debian package of each program.
    """
    absent = sorted({package for program, package in packages.items() if not shutil.which(program)})
    if absent:
        return f"not installed: {', '.join(absent)}; `make test-deploy` installs them (root, Debian)"
    return "root is required: sudo make test-deploy" if os.geteuid() else ""


CONTAINERS = missing(
    **{
        "buildah": "buildah",
        "debootstrap": "debootstrap",
        "dockerd": "docker.io",
        "docker-compose": "docker-compose",
        "knotd": "knot",
    }
)
PROXIES = missing(caddy="caddy", curl="curl", ip="iproute2", jq="jq", knotd="knot", nginx="nginx-light")
KUBECTL = "" if shutil.which("kubectl") and shutil.which("jq") else "kubectl 1.27 or newer, or jq, is not installed"

_UNAVAILABLE = (
    Unavailable("the container image", CONTAINERS or "it takes minutes; `make test-deploy` builds it", "REQUIRE_DEPLOY", "test_container.py"),
    Unavailable("the whole path with Docker", CONTAINERS or "it takes minutes; `make test-deploy` runs it", "REQUIRE_DEPLOY", "test_path.py"),
    Unavailable("systemd", CONTAINERS or "it takes minutes; `make test-deploy` runs it", "REQUIRE_DEPLOY", "test_systemd.py"),
    Unavailable("the Debian package", CONTAINERS or "it takes minutes; `make test-deploy` builds it", "REQUIRE_DEPLOY", "test_debian_package.py"),
    Unavailable("the reverse proxies", PROXIES, "REQUIRE_DEPLOY", "test_proxies.py"),
    Unavailable("attacks through the reverse proxies", PROXIES, "REQUIRE_DEPLOY", "test_attacks.py"),
    Unavailable("the export's configurations", PROXIES, "REQUIRE_DEPLOY", "test_export.py"),
    Unavailable("docs/deploy.md", PROXIES, "REQUIRE_DEPLOY", "test_document.py"),
    Unavailable("deploy/kubernetes", KUBECTL, "REQUIRE_DEPLOY", "test_kubernetes.py"),
)  # fmt: skip
collect_ignore_glob = [file for one in _UNAVAILABLE for file in one.files]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Report the tests that did not run."""
    for one in _UNAVAILABLE:
        one.report(terminalreporter)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests that use `engine` in the order of their file: each step of docs/deploy.md builds on earlier ones."""
    places = [number for number, item in enumerate(items) if "engine" in getattr(item, "fixturenames", ())]
    first = {items[number].path: number for number in reversed(places)}
    in_order = sorted((items[number] for number in places), key=lambda item: (first[item.path], item.location[1] or 0))
    for number, item in zip(places, in_order, strict=True):
        items[number] = item


@pytest.fixture(scope="package", autouse=True)
def _complete() -> None:
    if os.environ.get("REQUIRE_DEPLOY") and (reason := CONTAINERS or PROXIES or KUBECTL):
        pytest.fail(reason)


@pytest.fixture(scope="package")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine with a Docker engine and all images."""
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    caddy = compose["services"]["caddy"]["image"]
    folder = tmp_path_factory.mktemp("machine")
    with images(folder, caddy), machine(folder) as docker:
        docker.start_docker()
        try:
            for name in (IMAGE, caddy, BASE):
                docker.run("docker", "load", "--input", save(name, folder))
            yield docker
        finally:
            docker.stop_docker()
