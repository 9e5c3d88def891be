"""The files of `bt-autoconfig export`, served by nginx with the exported configuration, and a real Thunderbird."""

import subprocess
from pathlib import Path

import pytest

from tests.clients.conftest import FRED, PASSWORD, web_names
from tests.clients.network import ADDRESS, Network
from tests.clients.test_thunderbird import bt_account
from tests.clients.thunderbird import Thunderbird
from tests.clients.tls import Authority
from tests.support import COMMAND


def nginx(folder: Path, site: Path, certificate: tuple[Path, Path]) -> Path:
    """Write a configuration that includes the exported ones."""
    chain, key = certificate
    file = folder / "nginx.conf"
    file.write_text(
        f"daemon off; user root; pid {folder}/nginx.pid; error_log stderr; events {{}}\n"
        f"http {{ access_log off; include {site}/nginx-http.conf; ssl_certificate {chain}; ssl_certificate_key {key};\n"
        f"server {{ listen {ADDRESS}:443 ssl; include {site}/nginx-server.conf; }} }}\n"
    )
    return file


@pytest.mark.usefixtures("names", "mail")
def test_thunderbird_sets_itself_up_with_exported_files(lab: Network, authority: Authority) -> None:
    site = lab.folder / "site"
    subprocess.run([COMMAND, "export", site], check=True, capture_output=True)
    certificate = authority.issue(*web_names("btinternet.com", "btopenworld.com", "talk21.com"))
    lab.start("nginx", ["nginx", "-c", nginx(lab.folder, site, certificate), "-p", lab.folder])
    lab.wait_for_port(443)
    result = Thunderbird(lab, authority).correspond(FRED, PASSWORD)
    assert result.account == bt_account("xml-from-isp-https")
    assert result.subject == "To myself"
