"""Debian's Caddy and nginx with the configuration in deploy/, in a network of the tests.

The tests replace only certificates, log folders and long timeouts.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.clients.network import ADDRESS, Network
from tests.clients.tls import Authority

DEPLOY = Path(__file__).parents[2] / "deploy"
HOST = "autoconfig.btinternet.com"
SETUP_HOST = "setup.example.com"
"""The host of --public-url in deploy/nginx/bt-autoconfig.conf."""
ADDRESS_6 = "2001:db8::1"
CLIENT, CLIENT_6 = "192.0.2.77", "2001:db8::77"
"""The client's addresses, which no log may contain."""


def replaced(text: str, replacements: dict[str, str]) -> str:
    """Return a file's text with an operator's changes. Fails if the text to replace is missing."""
    for old, new in replacements.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


def add_addresses(lab: Network) -> None:
    """Add IPv6 and a client's addresses to the network."""
    for address in (f"{ADDRESS_6}/64", f"{CLIENT_6}/64"):
        subprocess.run(["ip", "-n", lab.name, "address", "add", address, "dev", "inner", "nodad"], check=True)
    subprocess.run(["ip", "-n", lab.name, "address", "add", f"{CLIENT}/24", "dev", "inner"], check=True)


def start_caddy(lab: Network, replacements: dict[str, str] | None = None) -> None:
    """Start Caddy with deploy/Caddyfile, and with its local authority instead of Let's Encrypt."""
    configuration = lab.folder / "Caddyfile"
    changes = {"admin off": "admin off\n\tlocal_certs\n\tskip_install_trust"} | (replacements or {})
    configuration.write_text(replaced((DEPLOY / "Caddyfile").read_text(), changes))
    home = str(lab.folder / "caddy")
    command: list[str | Path] = ["caddy", "run", "--adapter", "caddyfile", "--config", configuration]
    lab.start("caddy", command, HOME=home, XDG_CONFIG_HOME=home, XDG_DATA_HOME=home)
    lab.wait_for_port(443)


def install_nginx(
    lab: Network, certificates: dict[str, tuple[Path, Path]], replacements: dict[str, str] | None = None
) -> Path:
    """Install deploy/nginx with a copy of Debian's nginx.conf, and return the copy.

    `certificates` gives the chain and key for each folder in /etc/letsencrypt/live.
    """
    folder = lab.folder / "nginx"
    for name in ("sites-enabled", "snippets", "log", "conf.d"):
        (folder / name).mkdir(parents=True)
    paths = {"/var/log/nginx": f"{folder}/log"}
    for name, (chain, key) in certificates.items():
        paths[f"/etc/letsencrypt/live/{name}/fullchain.pem"] = str(chain)
        paths[f"/etc/letsencrypt/live/{name}/privkey.pem"] = str(key)
    for file in (DEPLOY / "nginx").rglob("*.conf"):
        text = file.read_text()
        changes = {old: new for old, new in (paths | (replacements or {})).items() if old in text}
        target = folder / ("snippets" if file.parent.name == "snippets" else "sites-enabled") / file.name
        target.write_text(replaced(text, changes))
    main = replaced(
        Path("/etc/nginx/nginx.conf").read_text(),
        {"/etc/nginx/sites-enabled": f"{folder}/sites-enabled", "/etc/nginx/conf.d": f"{folder}/conf.d",
         "/run/nginx.pid": f"{folder}/pid", "/var/log/nginx": f"{folder}/log"},
    )  # fmt: skip
    configuration = folder / "nginx.conf"
    configuration.write_text(main)
    return configuration


def start_nginx(
    lab: Network, certificates: dict[str, tuple[Path, Path]], replacements: dict[str, str] | None = None
) -> Path:
    """Start nginx with deploy/nginx, and return its configuration."""
    configuration = install_nginx(lab, certificates, replacements)
    lab.start("nginx", ["nginx", "-g", "daemon off;", "-c", configuration])
    lab.wait_for_port(443)
    return configuration


def certificates(authority: Authority) -> dict[str, tuple[Path, Path]]:
    """Return the certificates that nginx needs."""
    hosts = [f"{prefix}.{domain}" for prefix in ("autoconfig", "autodiscover", "ua-auto-config")
             for domain in ("btinternet.com", "talk21.com")]  # fmt: skip
    return {"bt-autoconfig": authority.issue(*hosts), SETUP_HOST: authority.issue(SETUP_HOST)}


def request(line: str, host: str = HOST, *headers: str, body: str = "") -> str:
    """Return a request as text, with one character for each byte and with `Connection: close`."""
    lines = [line, f"Host: {host}", "Connection: close", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines) + "\r\n\r\n" + body


def exchange(
    data: str,
    *,
    tls: str = "any",
    sni: str = HOST,
    port: int | None = None,
    ipv6: bool = False,
    timeout: float = 20,
    abort: bool = False,
) -> dict[str, Any]:
    """Describe an exchange for `send`. `tls` is a kind that sender.py supports, or empty for plain TCP."""
    return {
        "data": data, "tls": tls, "sni": sni, "port": port or (443 if tls else 80), "timeout": timeout, "abort": abort,
        "address": ADDRESS_6 if ipv6 else ADDRESS, "source": CLIENT_6 if ipv6 else CLIENT,
    }  # fmt: skip


def send(lab: Network, exchanges: list[dict[str, Any]]) -> list[str]:
    """Send the exchanges from the client's addresses, and return their responses."""
    script = Path(__file__).with_name("sender.py")
    results: list[str] = json.loads(lab.run([sys.executable, script], stdin=json.dumps(exchanges)))
    return results


def status(response: str) -> str:
    """Return the status of a response, or the first characters of anything else."""
    return response.split(" ", 2)[1] if response.startswith("HTTP/") else response[:100]


def start_upstream(lab: Network) -> Path:
    """Start the server that fails on request, and return the file in which it records the requests."""
    record = lab.folder / "received"
    record.touch()
    lab.start("upstream", [sys.executable, Path(__file__).with_name("upstream.py"), "8000", record])
    lab.wait_for_port(8000)
    return record


def received(record: Path) -> list[str]:
    """Return the requests that the upstream has recorded."""
    return [json.loads(line) for line in record.read_text().splitlines()]
