"""The commands for containers in docs/deploy.md, from an empty machine to signed profiles and an upgrade."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.clients import dns
from tests.deploy.images import IMAGE
from tests.deploy.machine import PROJECT, Machine
from tests.deploy.traces import traces
from tests.signatories import SigningAuthority

pytestmark = pytest.mark.timeout(900)
"""The first test builds the images."""
SETUP = "setup.example.com"
ADDRESS = "fred.bloggs@example.com"
CUSTOMER, LISTED, FOREIGN = "customer.example", "listed.example", "foreign.example"
"""Other domains: one with an MX record of the provider, one that is only in a list, and one with neither."""
OWN = {"<domain>example.net</domain>": '<domain purpose="mx">example.net</domain>'}
"""Changes that make the example a provider that hosts domains."""


class Deployment:
    """The deployment, and requests from outside."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.authority = machine.folder / "root.crt"

    def get(self, url: str, *options: str) -> str:
        """Return the body of a response with status 200."""
        return self.machine.lab.run(
            ["curl", "--silent", "--show-error", "--fail", "--cacert", self.authority, *options, url]
        )

    def logs(self) -> str:
        """Return the output of all containers."""
        return self.machine.run("docker-compose", "-f", "deploy/compose.yaml", "logs", "--no-color")

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition is true. Fails with the logs after 30 seconds."""
        deadline = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline, self.logs()[-5000:]
            time.sleep(0.2)

    @contextmanager
    def requests(self) -> Iterator[list[str]]:
        """Request the page continuously. The list contains the results afterwards."""
        stop, results = self.machine.folder / "stop", list[str]()
        stop.unlink(missing_ok=True)
        script = Path(__file__).with_name("load.py")
        command: list[str | Path] = [
            "ip",
            "netns",
            "exec",
            self.machine.lab.name,
            sys.executable,
            script,
            SETUP,
            self.authority,
            stop,
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            results += json.loads(process.stdout.readline())
            try:
                yield results
            finally:
                stop.touch()
                output = process.communicate(timeout=60)[0]
        results += [status for line in output.splitlines() for status in json.loads(line)]


def zones(records: str) -> dict[str, str]:
    """Return the records that the dns command prints, by domain, and those that the operator adds."""
    found = {}
    for zone in records.split("$ORIGIN ")[1:]:
        domain, _, rest = zone.partition(".\n")
        # The test network's name server, unlike a resolver, does not follow a CNAME into another zone.
        rest = rest.replace(f"CNAME {SETUP}.", "A 192.0.2.1")
        found[domain] = f"{rest}\n@ A 192.0.2.1\nsetup A 192.0.2.1\n"
    return found | {
        domain: dns.records("@", "autoconfig", "autodiscover", mx=mx)
        for domain, mx in {
            CUSTOMER: "mx1.example.net",
            LISTED: "mx.elsewhere.example",
            FOREIGN: "mx.elsewhere.example",
        }.items()
    }


@pytest.fixture(scope="module")
def deployment(engine: Machine) -> Iterator[Deployment]:
    """The server with two definitions, Caddy, and their DNS records."""
    caddyfile = engine.clone / "deploy" / "Caddyfile"
    # Caddy's local authority replaces Let's Encrypt.
    caddyfile.write_text(
        caddyfile.read_text().replace("admin off", "admin off\n\tlocal_certs\n\tskip_install_trust", 1)
    )
    text = (PROJECT / "tests" / "example.xml").read_text()
    for old, new in OWN.items():
        assert old in text
        text = text.replace(old, new)
    (engine.clone / "provider.xml").write_text(text)
    engine.run("mkdir", "-p", "/etc/bt-autoconfig/definitions")
    engine.write("/etc/bt-autoconfig/definitions/bt.xml", (PROJECT / "autoconfig" / "bt.xml").read_text())
    engine.follow("containers start")
    deployment = Deployment(engine)
    try:
        dns.start(engine.lab, zones(engine.follow("containers dns")))
        root = (
            "docker",
            "compose",
            "-f",
            "deploy/compose.yaml",
            "exec",
            "-T",
            "caddy",
            "cat",
            "/data/caddy/pki/authorities/local/root.crt",
        )

        def has_root() -> bool:
            done = subprocess.run(engine.command(*root), env=engine.environment, capture_output=True, check=False)
            deployment.authority.write_bytes(done.stdout)
            return done.returncode == 0

        deployment.until(has_root)
        yield deployment
    finally:
        print(deployment.logs()[-5000:])  # noqa: T201 - pytest shows it only if a test fails
        engine.run("docker-compose", "-f", "deploy/compose.yaml", "down", "--volumes")


def test_each_definition_is_served_at_its_own_hosts_with_certificates(deployment: Deployment) -> None:
    for host, server in {
        "autoconfig.example.com": "imap.example.com", "autoconfig.btinternet.com": "mail.btinternet.com",
        "autodiscover.talk21.com": "mail.btinternet.com", "example.com": "imap.example.com",
    }.items():  # fmt: skip
        assert server in deployment.get(f"https://{host}/.well-known/autoconfig/mail/config-v1.1.xml")
    assert "imap.example.com" in deployment.get("http://autoconfig.example.com/mail/config-v1.1.xml")
    pacc = deployment.get("https://ua-auto-config.btinternet.com/.well-known/user-agent-configuration.json")
    assert json.loads(pacc)["info"]["provider"]["name"] == "BT Mail"


def test_a_hosted_domain_gets_its_settings_at_its_own_host_and_the_providers(
    deployment: Deployment,
) -> None:
    """The server recognises it by its MX record; there is no list yet."""
    for host in ("autoconfig.example.net", f"autoconfig.{CUSTOMER}"):
        assert "imap.example.com" in deployment.get(
            f"https://{host}/mail/config-v1.1.xml?emailaddress=owner@{CUSTOMER}"
        )
    for domain in (FOREIGN, LISTED):
        with pytest.raises(AssertionError, match="curl failed"):
            deployment.get(f"https://autoconfig.{domain}/mail/config-v1.1.xml")
        with pytest.raises(AssertionError, match="404"):
            deployment.get(f"https://autoconfig.example.net/mail/config-v1.1.xml?emailaddress=owner@{domain}")


def test_the_page_is_redirected_to_https_and_links_only_to_https(deployment: Deployment) -> None:
    page = deployment.get(f"http://{SETUP}/en/setup/iphone/", "--location", "--data", f"emailaddress={ADDRESS}")
    assert f"https://{SETUP}/email.mobileconfig" in page or "https://autoconfig.example.com/email.mobileconfig" in page
    assert f"http://{SETUP}" not in page
    assert "http://autoconfig." not in page


def test_a_domain_is_added_without_losing_a_request(deployment: Deployment) -> None:
    machine = deployment.machine
    with deployment.requests() as results:
        old = machine.run("cat", "/etc/bt-autoconfig/definitions/provider.xml")
        machine.write(
            "/etc/bt-autoconfig/definitions/new",
            old.replace("</displayName>", "</displayName>\n<domain>example.org</domain>"),
        )
        # An editor replaces the file instead of writing to it.
        machine.run("mv", "/etc/bt-autoconfig/definitions/new", "/etc/bt-autoconfig/definitions/provider.xml")
        machine.follow("containers reload")
        options = (
            "--resolve",
            "autoconfig.example.org:443:192.0.2.1",
            "https://autoconfig.example.org/mail/config-v1.1.xml",
        )
        command = ["curl", "--silent", "--fail", "--cacert", str(deployment.authority), *options]
        netns = ["ip", "netns", "exec", machine.lab.name]
        deployment.until(lambda: subprocess.run([*netns, *command], capture_output=True, check=False).returncode == 0)
    assert set(results) == {"200"}


def test_profiles_are_signed_with_a_mounted_certificate(deployment: Deployment, tmp_path: Path) -> None:
    authority = SigningAuthority(tmp_path)
    chain, key = authority.signatory().options()[1::2][:2]
    for name, file in (("fullchain.pem", chain), ("privkey.pem", key)):
        (deployment.machine.clone / name).write_bytes(Path(file).read_bytes())
    deployment.machine.follow("containers sign")
    profile = f"https://{SETUP}/email.mobileconfig?emailaddress={ADDRESS}"
    signed = deployment.machine.folder / "signed.mobileconfig"
    deployment.until(lambda: bool(deployment.get(profile, "--output", str(signed), "--write-out", "%{size_download}")))
    verify: list[str | Path] = ["openssl", "smime", "-verify", "-inform", "DER", "-noverify", "-in", signed]
    done = subprocess.run(verify, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert ADDRESS.encode() in done.stdout


def test_profiles_are_signed_with_caddys_certificate(deployment: Deployment, tmp_path: Path) -> None:
    test_profiles_are_signed_with_a_mounted_certificate(deployment, tmp_path)
    deployment.machine.follow("containers sign with caddy")
    signed, signer = deployment.machine.folder / "signed.mobileconfig", deployment.machine.folder / "signer.pem"

    def signed_by_caddy() -> bool:
        deployment.get(f"https://{SETUP}/email.mobileconfig?emailaddress={ADDRESS}", "--output", str(signed))
        verify: list[str | Path] = [
            "openssl",
            "smime",
            "-verify",
            "-inform",
            "DER",
            "-noverify",
            "-in",
            signed,
            "-signer",
            signer,
        ]
        subprocess.run(verify, capture_output=True, check=True)
        names: list[str | Path] = ["openssl", "x509", "-in", signer, "-noout", "-ext", "subjectAltName"]
        return SETUP in subprocess.run(names, capture_output=True, check=True, text=True).stdout

    deployment.until(signed_by_caddy)


def test_only_listed_domains_are_hosted(deployment: Deployment) -> None:
    (deployment.machine.clone / "customers.txt").write_text(f"{LISTED}\n")
    deployment.machine.follow("containers hosted")

    def listed() -> bool:
        try:
            return "imap.example.com" in deployment.get(f"https://autoconfig.{LISTED}/mail/config-v1.1.xml")
        except AssertionError:
            return False

    deployment.until(listed)
    for domain in (CUSTOMER, FOREIGN):
        with pytest.raises(AssertionError, match="404"):
            deployment.get(f"https://autoconfig.example.net/mail/config-v1.1.xml?emailaddress=owner@{domain}")


def running(machine: Machine) -> list[str]:
    """Return the server's containers."""
    return machine.run("docker", "compose", "-f", "deploy/compose.yaml", "ps", "-q", "bt-autoconfig").split()


def test_an_upgrade_to_another_image_loses_no_request(deployment: Deployment) -> None:
    machine = deployment.machine
    # Like git pull and docker compose build, this gives the name to another image.
    container = machine.run("docker", "create", IMAGE).strip()
    machine.install("git", f"#!/bin/sh\nexec docker commit --change 'LABEL next=yes' {container} {IMAGE}\n")
    (before,) = running(machine)
    with deployment.requests() as results:
        machine.follow("containers upgrade")
    (after,) = running(machine)
    assert after != before
    assert machine.run("docker", "inspect", "--format", "{{.Config.Labels.next}}", after).strip() == "yes"
    assert len(results) > 10
    assert set(results) == {"200"}


def test_a_failed_upgrade_leaves_the_old_container_serving(deployment: Deployment) -> None:
    machine = deployment.machine
    before = running(machine)
    settings = machine.clone / "deploy" / ".env"
    old = settings.read_text()
    settings.write_text(f"{old}BT_AUTOCONFIG_SIGN_CERT=/nothing\n")
    script = machine.clone / "deploy" / "upgrade"
    script.write_text(script.read_text().replace("-ge 120", "-ge 3"))
    with deployment.requests() as results, pytest.raises(AssertionError, match="still running"):
        machine.run("deploy/upgrade")
    settings.write_text(old)
    assert running(machine) == before
    assert set(results) == {"200"}


def test_only_the_proxy_listens_outside_and_internal_endpoints_are_out_of_reach(deployment: Deployment) -> None:
    listening = deployment.machine.lab.run(["ss", "--no-header", "--listening", "--numeric", "--tcp"])
    ports = {line.split()[3].rpartition(":")[2] for line in listening.splitlines()}
    assert ports - {"53"} == {"80", "443"}
    for path in ("/readyz", "/tls/ask", "/metrics"):
        with pytest.raises(AssertionError, match="404"):
            deployment.get(f"https://{SETUP}{path}")
    assert deployment.get(f"https://{SETUP}/healthz") == "ok\n"


def test_containers_run_read_only_and_the_server_without_root(deployment: Deployment) -> None:
    machine = deployment.machine
    (server,) = running(machine)
    assert machine.run("docker", "exec", server, "id", "-u").strip() == "65532"
    caddy = machine.run("docker", "compose", "-f", "deploy/compose.yaml", "ps", "-q", "caddy").strip()
    form = "{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.State.Restarting}}"
    for container in (server, caddy):
        assert machine.run("docker", "inspect", "--format", form, container).strip() == "true [ALL] false"


def test_no_log_contains_an_address(deployment: Deployment) -> None:
    deployment.get(f"https://autoconfig.example.com/mail/config-v1.1.xml?emailaddress={ADDRESS}")
    deployment.get(
        f"https://autodiscover.example.com/autodiscover/autodiscover.json/v1.0/{ADDRESS}?Protocol=Autodiscoverv1"
    )
    log = deployment.logs().encode()
    assert b'"status":200' in log
    assert traces(log, ["fred.bloggs", "fred@example.com"]) == []
