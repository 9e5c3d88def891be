"""The lab's reverse proxy, Debian's Caddy, and the certificates that the lab's clients trust."""

import datetime
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import trustme

from tests.clients.network import Network


class Authority:
    """A certificate authority; `certificate` is its PEM file."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        self._folder = folder
        self.certificate = folder / "ca.pem"
        self._authority.cert_pem.write_to_path(self.certificate)

    def issue(self, *names: str, days: int = 90) -> tuple[Path, Path]:
        """Return the PEM files of a certificate for some names, with its chain, and of its key."""
        now = datetime.datetime.now()
        begin, end = (now + datetime.timedelta(days=number, hours=1) for number in (-100, days))
        issued = self._authority.issue_cert(*names, not_before=begin, not_after=end)
        chain, key = self._folder / f"{names[0]}.{days}.pem", self._folder / f"{names[0]}.{days}.key"
        chain.unlink(missing_ok=True)
        for certificate in issued.cert_chain_pems:
            certificate.write_to_path(chain, append=True)
        issued.private_key_pem.write_to_path(key)
        return chain, key

    def self_signed(self, name: str) -> tuple[Path, Path]:
        """Return the PEM files of a self-signed certificate and of its key."""
        chain, key = self._folder / f"self-{name}.pem", self._folder / f"self-{name}.key"
        command: list[str | Path] = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}"]
        command += ["-addext", f"subjectAltName=DNS:{name}", "-keyout", key, "-out", chain]
        subprocess.run(command, check=True, capture_output=True)
        return chain, key


@dataclass(frozen=True)
class Request:
    """A client's request to the reverse proxy, and the status of the response."""

    url: str
    method: str
    status: int
    user_agent: str

    @property
    def place(self) -> str:
        """The URL without its query."""
        return self.url.partition("?")[0]


class ReverseProxy:
    """The reverse proxy of the server under test: http on port 80, and https on port 443 if it has a certificate."""

    def __init__(self, network: Network, certificate: tuple[Path, Path] | None) -> None:
        # Not one of the programs' logs, which must contain no address.
        self._requests = network.folder / "requests.json"
        passing = f"reverse_proxy 127.0.0.1:8000\n  log {{\n    output file {self._requests}\n  }}"
        sites = ["{\n  auto_https off\n  admin off\n  servers {\n    protocols h1 h2\n  }\n}"]
        sites.append(f"http://:80 {{\n  {passing}\n}}")
        if certificate:
            chain, key = certificate
            sites.append(f"https://:443 {{\n  tls {chain} {key}\n  {passing}\n}}")
        configuration = network.folder / "Caddyfile"
        configuration.write_text("\n".join(sites) + "\n")
        home = str(network.folder)
        command: list[str | Path] = ["caddy", "run", "--adapter", "caddyfile", "--config", configuration]
        network.start("caddy", command, HOME=home, XDG_CONFIG_HOME=home, XDG_DATA_HOME=home)
        network.wait_for_port(443 if certificate else 80)

    def requests(self) -> list[Request]:
        """Return the requests so far, in the order of the responses."""
        lines = self._requests.read_text().splitlines() if self._requests.exists() else []
        entries = [json.loads(line) for line in lines]
        return [
            Request(
                url=f"{'https' if 'tls' in request else 'http'}://{request['host']}{request['uri']}",
                method=request["method"],
                status=entry["status"],
                user_agent=request["headers"].get("User-Agent", [""])[0],
            )
            for entry in entries
            if (request := entry["request"])
        ]
