"""What the container image's test needs."""

import os
import shutil

import pytest

from tests.support import LeftOut


def missing() -> str:
    """Say what this machine lacks to build the image, and how to get it."""
    lacking = [program for program in ("buildah", "debootstrap") if not shutil.which(program)]
    if lacking:
        return f"not installed: {', '.join(lacking)}; `make test-deploy` installs them (root, Debian)"
    return "building needs root: sudo make test-deploy" if os.geteuid() else ""


_REASON = missing() or "it takes a minute and a base image; `make test-deploy` builds it"
_LEFT_OUT = LeftOut("the container image", _REASON, "REQUIRE_DEPLOY", "test_container.py")
collect_ignore_glob = _LEFT_OUT.files
pytest_terminal_summary = _LEFT_OUT.tell


@pytest.fixture(scope="package", autouse=True)
def _complete() -> None:
    if os.environ.get("REQUIRE_DEPLOY") and missing():
        pytest.fail(missing())
