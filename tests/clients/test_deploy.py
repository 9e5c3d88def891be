"""The web servers' configurations of deploy/, really serving in front of the server."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.clients.conftest import FRED, PASSWORD, web_names
from tests.clients.deployment import DOMAIN, Deployment
from tests.clients.network import Network
from tests.clients.test_thunderbird import bt_account
from tests.clients.thunderbird import Thunderbird
from tests.clients.tls import Authority

DEPLOY = Path(__file__).parents[2] / "deploy"


def fetch(lab: Network, host: str, scheme: str = "https") -> str:
    """Ask for a file with an address, its client's secrets beside it; return the status."""
    url = f"{scheme}://{host}/mail/config-v1.1.xml?emailaddress={FRED}"
    secret = ["--header", f"Authorization: Basic {PASSWORD}", "--referer", f"http://{FRED}/", "--user-agent", FRED]
    return lab.run(
        ["curl", "--silent", "--insecure", "--output", "/dev/null", "--write-out", "%{http_code}", *secret, url]
    )


def test_caddy_finds_nothing_wrong_with_its_configuration() -> None:
    command = ["caddy", "validate", "--adapter", "caddyfile", "--config", str(DEPLOY / "Caddyfile")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "not formatted" not in done.stderr


def no_secret(text: str) -> None:
    assert "fred" not in text
    assert PASSWORD not in text


@pytest.mark.usefixtures("names", "served", "mail")
def test_caddy_gets_a_certificate_for_each_of_the_definitions_own_names_and_for_no_other(
    lab: Network, authority: Authority
) -> None:
    home = lab.folder / "caddy"
    configuration = lab.folder / "Caddyfile"
    # Caddy's own authority stands in for Let's Encrypt; all else is as it stands in deploy/.
    configuration.write_text(
        (DEPLOY / "Caddyfile").read_text().replace("admin off", "admin off\n\tlocal_certs\n\tskip_install_trust", 1)
    )
    lab.start("caddy", ["caddy", "run", "--adapter", "caddyfile", "--config", configuration],
              HOME=str(home), XDG_CONFIG_HOME=str(home), XDG_DATA_HOME=str(home))  # fmt: skip
    lab.wait_for_port(443)
    assert fetch(lab, "autoconfig.talk21.com") == "200"
    root = home / "caddy" / "pki" / "authorities" / "local" / "root.crt"
    result = Thunderbird(lab, authority, root).correspond(FRED, PASSWORD)
    assert result.account == bt_account("xml-from-isp-https")
    with pytest.raises(AssertionError, match="curl failed"):
        fetch(lab, f"www.{DOMAIN}")
    assert fetch(lab, "autoconfig.talk21.com", "http") == "200"
    log = lab.printed(but=("dovecot", "postfix"))
    assert '"uri":"/mail/config-v1.1.xml"' in log
    no_secret(log)


def test_nginx_serves_and_writes_no_query_down(lab: Network, authority: Authority) -> None:
    deployment = Deployment(lab, authority)
    chain, key = authority.issue(*web_names(DOMAIN), f"web.{DOMAIN}")
    site = (DEPLOY / "nginx.conf").read_text()
    for old, new in (
        ("/etc/ssl/bt-autoconfig/fullchain.pem", chain), ("/etc/ssl/bt-autoconfig/privkey.pem", key), ("/var/log/nginx", lab.folder),
    ):  # fmt: skip
        assert old in site
        site = site.replace(old, str(new))
    (lab.folder / "site").write_text(site)
    whole = lab.folder / "nginx.conf"
    whole.write_text(
        f"daemon off; user root; pid {lab.folder}/nginx.pid; error_log stderr; events {{}}\nhttp {{ include {lab.folder}/site; }}\n"
    )
    subprocess.run(["nginx", "-t", "-q", "-c", whole, "-p", lab.folder], check=True)
    deployment.front = ["nginx", "-c", whole, "-p", lab.folder]
    deployment.start()
    verdict = deployment.check()
    assert verdict.of("wrong", "unknown", "follows") == []
    assert fetch(lab, f"autoconfig.{DOMAIN}") == "200"
    assert fetch(lab, f"autoconfig.{DOMAIN}", "http") == "200"
    logs = "".join(file.read_text() for file in lab.folder.glob("bt-autoconfig*.log"))
    assert re.search(r"GET /mail/config-v1\.1\.xml 200 ", logs)
    no_secret(logs)
