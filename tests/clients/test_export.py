"""What `bt-autoconfig export` writes, served by plain nginx from its manifest, configures a real Thunderbird."""

import json
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
    """Write a configuration that serves each file at its host and path, with its headers."""
    chain, key = certificate
    hosts: dict[str, list[str]] = {}
    for entry in json.loads((site / "manifest.json").read_text())["files"]:
        headers = "".join(
            f"add_header {name} '{value.replace(chr(39), chr(92) + chr(39))}';"
            for name, value in entry["headers"].items()
            if name not in ("content-type", "etag")
        )
        type_ = entry["headers"]["content-type"]
        hosts.setdefault(entry["host"], []).append(
            f'location = {entry["path"]} {{ types {{}} default_type "{type_}"; {headers} try_files /{entry["file"]} =404; }}'
        )
    servers = [
        f"server {{ listen {ADDRESS}:443 ssl; server_name {host}; root {site}; {' '.join(locations)} location / {{ return 404; }} }}"
        for host, locations in hosts.items()
    ]
    file = folder / "nginx.conf"
    file.write_text(
        f"daemon off; user root; pid {folder}/nginx.pid; error_log stderr; events {{}}\n"
        f"http {{ access_log off; server_names_hash_bucket_size 128; ssl_certificate {chain}; ssl_certificate_key {key};\n"
        + "\n".join(servers)
        + "\n}\n"
    )
    return file


@pytest.mark.usefixtures("names", "mail")
def test_a_static_copy_is_enough_for_thunderbird_to_send_and_receive(lab: Network, authority: Authority) -> None:
    site = lab.folder / "site"
    subprocess.run([COMMAND, "export", site], check=True, capture_output=True)
    certificate = authority.issue(*web_names("btinternet.com", "btopenworld.com", "talk21.com"))
    lab.start("nginx", ["nginx", "-c", nginx(lab.folder, site, certificate), "-p", lab.folder])
    lab.wait_for_port(443)
    result = Thunderbird(lab, authority).correspond(FRED, PASSWORD)
    assert result.account == bt_account("xml-from-isp-https")
    assert result.subject == "To myself"
