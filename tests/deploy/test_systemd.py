"""The units of deploy/ under systemd in a container, installed by the commands in docs/deploy.md."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.images import IMAGE
from tests.deploy.machine import PROJECT, Machine, steps
from tests.deploy.systemd import Systemd
from tests.signatories import SigningAuthority

pytestmark = pytest.mark.timeout(900)
"""The first test builds the images."""
INSTALLED = ("python3 -m venv /opt/bt-autoconfig\n", "/opt/bt-autoconfig/bin/pip install .\n")
"""Commands that the image has already run."""


@pytest.fixture(scope="module")
def systemd(engine: Machine) -> Iterator[Systemd]:
    (engine.clone / "provider.xml").write_text((PROJECT / "tests" / "example.xml").read_text())
    container = Systemd(engine, IMAGE)
    try:
        step = steps()["systemd install"]
        for line in INSTALLED:
            assert line in step
            step = step.replace(line, "")
        container.run(step)
        yield container
    finally:
        container.remove()


def test_the_documented_commands_start_the_service(systemd: Systemd) -> None:
    assert "imap.example.com" in systemd.get("/mail/config-v1.1.xml")
    assert systemd.run("systemctl is-active bt-autoconfig").strip() == "active"


def test_a_changed_definition_is_applied_by_systemctl_reload(systemd: Systemd) -> None:
    systemd.run("sed -i 's/imap.example.com/imap2.example.com/' /etc/bt-autoconfig/definitions/provider.xml")
    systemd.run("systemctl reload bt-autoconfig")
    command = "python3 -c \"import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:8000/mail/config-v1.1.xml').read())\""
    systemd.until(command, lambda text: "imap2.example.com" in text)


def signer(systemd: Systemd) -> str:
    """Return the certificates of a profile's signature, as text."""
    script = "import urllib.request as r; open('/tmp/p', 'wb').write(r.urlopen('http://127.0.0.1:8000/email.mobileconfig').read())"
    systemd.run(f'python3 -c "{script}"')
    profile = systemd.machine.folder / "systemd.mobileconfig"
    systemd.machine.run("docker", "cp", f"{systemd.name}:/tmp/p", profile)
    printed = subprocess.run(
        ["openssl", "pkcs7", "-inform", "DER", "-in", profile, "-print_certs", "-noout"],
        capture_output=True,
        check=True,
    )
    return printed.stdout.decode()


def test_systemctl_reload_signs_with_a_renewed_certificate(systemd: Systemd, tmp_path: Path) -> None:
    authority = SigningAuthority(tmp_path)
    clone = systemd.machine.clone
    for name in ("First Signer", "Renewed Signer"):
        signatory = authority.signatory(name=name)
        (clone / "fullchain.pem").write_bytes(signatory.certificate.read_bytes() + signatory.chain.read_bytes())
        (clone / "privkey.pem").write_bytes(signatory.key.read_bytes())
        if name == "First Signer":
            systemd.run(steps()["systemd sign"])
            assert name in signer(systemd)
        else:
            systemd.run(
                "install -m 400 fullchain.pem privkey.pem /etc/bt-autoconfig/signing/ && systemctl reload bt-autoconfig"
            )
            deadline = time.monotonic() + 20
            while name not in signer(systemd):
                assert time.monotonic() < deadline, systemd.run("journalctl --no-pager -n 50")
                time.sleep(0.2)
    # No other user can read the key.
    systemd.run("! setpriv --reuid=nobody --regid=nogroup --clear-groups cat /run/bt-autoconfig/privkey.pem")


def test_a_reload_right_after_a_restart_waits_until_the_server_is_ready(systemd: Systemd) -> None:
    before = systemd.run("systemctl show --property=NRestarts --value bt-autoconfig")
    for _ in range(3):
        systemd.run("systemctl restart --no-block bt-autoconfig; systemctl reload bt-autoconfig")
        assert "imap" in systemd.get("/mail/config-v1.1.xml")
    assert systemd.run("systemctl show --property=NRestarts --value bt-autoconfig") == before


def test_requests_wait_while_the_service_restarts(systemd: Systemd) -> None:
    systemd.run("systemctl restart --no-block bt-autoconfig; for n in 1 2 3 4 5 6 7 8; do python3 -c \"import urllib.request; "
                "urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=20)\"; done")  # fmt: skip


def test_the_journal_contains_no_address(systemd: Systemd) -> None:
    systemd.get("/mail/config-v1.1.xml?emailaddress=fred.bloggs@example.com")
    journal = systemd.run("journalctl --no-pager --unit bt-autoconfig")
    assert "serving" in journal
    assert "fred.bloggs" not in journal
