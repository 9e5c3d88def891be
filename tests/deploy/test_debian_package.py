"""The Debian package, installed on a Debian 12 with only systemd and Python."""

import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.deploy.images import BASE
from tests.deploy.machine import PROJECT, Machine, steps
from tests.deploy.systemd import Systemd

pytestmark = pytest.mark.timeout(900)
"""The first test builds the package and the images."""


@pytest.fixture(scope="module")
def debian(engine: Machine) -> Iterator[Systemd]:
    step = steps()["debian package"]
    assert step.startswith("make deb\n")
    build = subprocess.run(["make", "--silent", "deb"], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert build.returncode == 0, build.stderr
    (package,) = (PROJECT / "dist").glob("*.deb")
    (engine.clone / "dist").mkdir()
    shutil.copy(package, engine.clone / "dist")
    container = Systemd(engine, BASE)
    try:
        container.run(step.removeprefix("make deb\n"))
        yield container
    finally:
        container.remove()


def test_after_installation_the_service_runs_and_serves_the_built_in_settings(debian: Systemd) -> None:
    assert debian.run("systemctl is-active bt-autoconfig.service bt-autoconfig.socket").split() == ["active", "active"]
    assert "mail.btinternet.com" in debian.get("/mail/config-v1.1.xml")
    assert "BT Mail" in debian.get("/")


def test_the_command_works_from_any_folder(debian: Systemd) -> None:
    assert debian.run("cd / && bt-autoconfig --version").startswith("bt-autoconfig, version ")
    assert "valid" in debian.run("cd / && bt-autoconfig validate /etc/bt-autoconfig/definitions")
    assert "autoconfig" in debian.run("cd / && bt-autoconfig dns --host setup.example.com")


def test_the_environment_file_sets_the_number_of_workers(debian: Systemd) -> None:
    debian.run("echo BT_AUTOCONFIG_WORKERS=2 >> /etc/bt-autoconfig/environment && systemctl restart bt-autoconfig")
    debian.until("systemctl show --property=TasksCurrent --value bt-autoconfig", lambda tasks: int(tasks) >= 3)
    assert "mail.btinternet.com" in debian.get("/mail/config-v1.1.xml")


def test_a_changed_definition_survives_an_upgrade(debian: Systemd) -> None:
    debian.run("sed -i 's/mail.btinternet.com/mail2.btinternet.com/' /etc/bt-autoconfig/definitions/bt.xml")
    debian.run("dpkg --install dist/bt-autoconfig_*.deb")
    debian.until("systemctl is-active bt-autoconfig.service", lambda state: state.strip() == "active")
    assert "mail2.btinternet.com" in debian.get("/mail/config-v1.1.xml")


def test_a_purge_removes_every_file(debian: Systemd) -> None:
    debian.run("rm -r /etc/systemd/system/bt-autoconfig.service.d")
    debian.run("dpkg --purge bt-autoconfig")
    left = debian.run("find / -xdev -path /srv -prune -o -path /proc -prune -o -name '*bt-autoconfig*' -print")
    assert [file for file in left.split() if not file.startswith(("/var/log", "/var/lib/private", "/sys"))] == []
