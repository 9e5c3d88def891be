"""The commands in docs/deploy.md for Caddy and nginx without containers, with Debian's packages."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients import dns
from tests.clients.tls import Authority
from tests.deploy.machine import PROJECT, Machine, machine, steps
from tests.deploy.proxies import add_addresses, exchange, request, send, status
from tests.support import COMMAND

DOMAINS = [f"d{number}.example" for number in range(40)]
SYSTEMCTL = """#!/bin/sh
# This machine has no systemd.
case "$*" in
  "restart caddy") exec setsid caddy run --config /etc/caddy/Caddyfile --adapter caddyfile > {log} 2>&1 < /dev/zero & ;;
  "reload nginx") nginx ;;
esac
"""
CERTBOT = """#!/bin/sh
# Install the tests' own certificate for the first name, or for --cert-name.
while [ "$1" != --cert-name ] && [ "$1" != -d ]; do shift; done
mkdir -p /etc/letsencrypt/live && cp -r "{certificates}/$2" /etc/letsencrypt/live/
"""


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Machine]:
    """A machine with the server and its DNS records."""
    with machine(tmp_path) as host:
        add_addresses(host.lab)
        text = (PROJECT / "tests" / "example.xml").read_text()
        more = "".join(f"<domain>{domain}</domain>" for domain in DOMAINS)
        provider = host.clone / "provider.xml"
        provider.write_text(text.replace("<domain>example.net</domain>", more))
        host.run("mkdir", "-p", "/etc/bt-autoconfig/definitions")
        host.write("/etc/bt-autoconfig/definitions/provider.xml", provider.read_text())
        host.lab.start(
            "bt-autoconfig", [COMMAND, "serve", "--definition", provider, "--public-url", "https://setup.example.com"]
        )
        zone = dns.records("@", "autoconfig", "autodiscover", "ua-auto-config", "setup")
        dns.start(host.lab, dict.fromkeys(("example.com", *DOMAINS), zone))
        host.lab.wait_for_port(8000)
        host.install("systemctl", SYSTEMCTL.format(log=host.lab.folder / "caddy.log"))
        host.install("certbot", CERTBOT.format(certificates=tmp_path / "certificates"))
        host.install("bt-autoconfig", f'#!/bin/sh\nexec {COMMAND} "$@"\n')
        yield host


def statuses(machine: Machine, *hosts: str) -> list[str]:
    """Request an autoconfig file from some hosts over https, by IPv4 and IPv6; return the statuses."""
    sent = [
        exchange(request("GET /mail/config-v1.1.xml HTTP/1.1", host), sni=host, ipv6=ipv6)
        for host in hosts
        for ipv6 in (False, True)
    ]
    return [status(response) for response in send(machine.lab, sent)]


def test_after_one_request_for_each_name_caddy_has_all_certificates(installed: Machine) -> None:
    caddyfile = installed.clone / "deploy" / "Caddyfile"
    caddyfile.write_text(
        caddyfile.read_text().replace("admin off", "admin off\n\tlocal_certs\n\tskip_install_trust", 1)
    )
    installed.environment["XDG_DATA_HOME"] = str(installed.lab.folder / "data")
    installed.follow("caddy")
    installed.lab.wait_for_port(443)
    authority = installed.lab.folder / "data" / "caddy" / "pki" / "authorities" / "local" / "root.crt"
    installed.environment["CURL_CA_BUNDLE"] = str(authority)
    assert installed.follow("caddy names") == ""
    names = {folder.name for folder in (installed.lab.folder / "data" / "caddy" / "certificates" / "local").iterdir()}
    prefixes = ("autoconfig", "autodiscover", "ua-auto-config")
    assert names == {f"{prefix}.{domain}" for prefix in prefixes for domain in ("example.com", *DOMAINS)}
    assert statuses(installed, "setup.example.com", "autoconfig.d1.example") == ["200"] * 4


def test_nginx_serves_only_the_names_of_its_certificates(installed: Machine, tmp_path: Path) -> None:
    hosts = ("autoconfig.example.com", "autodiscover.example.com", "ua-auto-config.example.com")
    authority = Authority(tmp_path)
    for name, chain_and_key in {
        "bt-autoconfig": authority.issue(*hosts),
        "setup.example.com": authority.issue("setup.example.com"),
    }.items():
        folder = tmp_path / "certificates" / name
        folder.mkdir(parents=True)
        for file, target in zip(chain_and_key, ("fullchain.pem", "privkey.pem"), strict=True):
            (folder / target).write_bytes(file.read_bytes())
    assert "test is successful" in installed.follow("nginx", output="stderr")
    installed.lab.wait_for_port(443)
    assert statuses(installed, *hosts, "setup.example.com") == ["200"] * 8
    exchanges = [
        exchange(request("GET / HTTP/1.1", "www.example.com"), sni="www.example.com", tls=tls) for tls in ("any", "")
    ]
    tls, plain = send(installed.lab, exchanges)
    assert "UNRECOGNIZED_NAME" in tls
    assert plain == ""
    challenge = Path("/var/www/letsencrypt/.well-known/acme-challenge")
    installed.run("mkdir", "-p", challenge)
    installed.write(str(challenge / "token"), "proof")
    (response,) = send(
        installed.lab, [exchange(request("GET /.well-known/acme-challenge/token HTTP/1.1", hosts[0]), tls="")]
    )
    assert response.endswith("proof")


def test_every_step_in_the_document_has_a_test() -> None:
    tests = "".join(file.read_text() for file in Path(__file__).parent.glob("test_*.py"))
    assert [step for step in steps() if f'"{step}"' not in tests] == []
