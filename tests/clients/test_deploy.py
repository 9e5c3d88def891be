"""The reverse proxies of deploy/, with a real client and `check`. tests/deploy attacks them."""

import subprocess

import pytest

from tests.clients.conftest import FRED, PASSWORD, web_names
from tests.clients.deployment import DOMAIN, PAGES, Deployment
from tests.clients.network import Network
from tests.clients.test_thunderbird import bt_account
from tests.clients.thunderbird import Thunderbird
from tests.clients.tls import Authority
from tests.deploy.proxies import DEPLOY, SETUP_HOST, install_nginx, start_caddy


def fetch(lab: Network, host: str, scheme: str = "https") -> str:
    """Request a file with an address in the query and secrets in headers; return the status."""
    url = f"{scheme}://{host}/mail/config-v1.1.xml?emailaddress={FRED}"
    secret = ["--header", f"Authorization: Basic {PASSWORD}", "--referer", f"http://{FRED}/", "--user-agent", FRED]
    return lab.run(
        ["curl", "--silent", "--insecure", "--output", "/dev/null", "--write-out", "%{http_code}", *secret, url]
    )


def test_caddys_configuration_is_valid() -> None:
    command = ["caddy", "validate", "--adapter", "caddyfile", "--config", str(DEPLOY / "Caddyfile")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "not formatted" not in done.stderr


@pytest.mark.usefixtures("names", "served", "mail")
def test_caddy_gets_certificates_only_for_hosts_that_the_server_approves(lab: Network, authority: Authority) -> None:
    start_caddy(lab)
    assert fetch(lab, "autoconfig.talk21.com") == "200"
    root = lab.folder / "caddy" / "caddy" / "pki" / "authorities" / "local" / "root.crt"
    result = Thunderbird(lab, authority, root).correspond(FRED, PASSWORD)
    assert result.account == bt_account("xml-from-isp-https")
    with pytest.raises(AssertionError, match="curl failed"):
        fetch(lab, f"www.{DOMAIN}")
    assert fetch(lab, "autoconfig.talk21.com", "http") == "200"
    assert '"status":200' in lab.printed(but=("dovecot", "postfix"))


def test_the_check_finds_no_errors_behind_nginx(lab: Network, authority: Authority) -> None:
    deployment = Deployment(lab, authority)
    names = authority.issue(*web_names(DOMAIN), f"web.{DOMAIN}")
    # This server also serves DOMAIN itself and the host in the SRV record.
    others = {f"server_name {SETUP_HOST};": f"server_name {DOMAIN} web.{DOMAIN};"}
    configuration = install_nginx(lab, {"bt-autoconfig": names, SETUP_HOST: names}, others)
    subprocess.run(["nginx", "-t", "-q", "-c", configuration], check=True)
    chain, key = authority.issue(PAGES)
    (lab.folder / "nginx" / "conf.d" / "pages.conf").write_text(
        f"server {{ listen 443 ssl; server_name {PAGES}; ssl_certificate {chain}; ssl_certificate_key {key}; return 200; }}\n"
    )
    deployment.web_server = ["nginx", "-g", "daemon off;", "-c", configuration]
    deployment.start()
    verdict = deployment.check()
    assert verdict.of("error", "unknown", "skipped") == []
    assert fetch(lab, f"autoconfig.{DOMAIN}") == "200"
    assert fetch(lab, f"autoconfig.{DOMAIN}", "http") == "200"
    log = (lab.folder / "nginx" / "log" / "bt-autoconfig.log").read_text()
    assert " https GET autoconfig 200 " in log
    assert "fred" not in log
