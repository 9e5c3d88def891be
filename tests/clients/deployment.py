"""A complete deployment in the lab, and `bt-autoconfig check` for it. Tests break one part at a time."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from autoconfig.directory import CLIENT_HOSTS
from tests.clients import dns
from tests.clients.conftest import DOMAINS, MAIL_HOST, correct_zones, serve
from tests.clients.mail import MailServers
from tests.clients.network import ADDRESS, Network
from tests.clients.tls import Authority
from tests.support import COMMAND

DOMAIN = "btinternet.com"
PAGES = "www.bt.com"
"""The host of BT's help and webmail."""
HOSTS = [*(f"{prefix}{DOMAIN}" for prefix in CLIENT_HOSTS), f"web.{DOMAIN}", PAGES]
CLOSED, SILENT = "192.0.2.2", "192.0.2.3"
"""An address where nothing listens, and one that accepts connections and sends nothing."""
_LISTEN = "import socket, time; listener = socket.create_server(('{}', 443), backlog=9); time.sleep(600)"


@dataclass(frozen=True)
class Verdict:
    """The check's JSON output and its exit status."""

    status: int
    summary: str
    lines: list[dict[str, str]]

    def of(self, *verdicts: str) -> list[tuple[str, str]]:
        return [(line["subject"], line["text"]) for line in self.lines if line["verdict"] in verdicts]


class Deployment:
    """A name server, a reverse proxy, mail servers and the server itself. Break something before `start`."""

    def __init__(self, lab: Network, authority: Authority) -> None:
        self.lab, self.authority = lab, authority
        self.zones = correct_zones()
        self.certificates = {host: authority.issue(host) for host in HOSTS}
        self.directives = {f"https://{PAGES}": "respond 200"}
        self.mail: dict[str, object] = {}
        self.definition: Path | None = None
        self.starttls = False
        self.resolver = False
        """Whether the name server follows aliases from zone to zone."""
        self.web_server: list[str | Path] = []
        """The command of another web server to use instead of Caddy."""

    def change_zone(self, old: str, new: str) -> None:
        assert self.zones[DOMAIN].count(old) == 1
        self.zones[DOMAIN] = self.zones[DOMAIN].replace(old, new)

    def start(self) -> None:
        for address in (CLOSED, SILENT):
            subprocess.run(["ip", "-n", self.lab.name, "address", "add", f"{address}/24", "dev", "inner"], check=True)
        (dns.start_resolver if self.resolver else dns.start)(self.lab, self.zones)
        if self.web_server:
            self.lab.start("web-server", self.web_server)
        else:
            self._start_caddy()
            self.lab.start("silent", [sys.executable, "-c", _LISTEN.format(SILENT)])
        self.lab.wait_for_port(80)
        passwords = {"fred" if self.starttls else f"fred@{DOMAIN}": "secret"}
        certificate = self.authority.issue(MAIL_HOST)
        MailServers(self.lab, MAIL_HOST, certificate, DOMAINS, passwords, starttls=self.starttls, changes=self.mail)
        serve(self.lab, *(("--definition", self.definition) if self.definition else ()))

    def _start_caddy(self) -> None:
        sites = ["{\n  auto_https off\n  admin off\n  servers {\n    protocols h1 h2\n  }\n}"]
        for host, (chain, key) in self.certificates.items():
            for scheme, tls in (("http", ""), ("https", f"tls {chain} {key}")):
                extra = self.directives.get(f"{scheme}://{host}", "")
                sites.append(
                    f"{scheme}://{host} {{\n  bind {ADDRESS}\n  {tls}\n  {extra}\n  reverse_proxy 127.0.0.1:8000\n}}"
                )
        configuration = self.lab.folder / "Caddyfile"
        configuration.write_text("\n".join(sites) + "\n")
        home = str(self.lab.folder)
        command: list[str | Path] = ["caddy", "run", "--adapter", "caddyfile", "--config", configuration]
        self.lab.start("caddy", command, HOME=home, XDG_CONFIG_HOME=home, XDG_DATA_HOME=home)

    def check(self, *options: str | Path, domain: str = DOMAIN, timeout: float = 3) -> Verdict:
        """Run the check inside the network, trusting its authority. Without a domain, check all in the definition."""
        definition = ("--definition", self.definition) if self.definition else ()
        command: list[str | Path] = [
            "ip",
            "netns",
            "exec",
            self.lab.name,
            "env",
            f"SSL_CERT_FILE={self.authority.certificate}",
            COMMAND,
        ]
        domains = ["--domain", domain] if domain else []
        command += ["check", "--format", "json", "--timeout", str(timeout), *domains, *definition, *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=90)
        assert done.stderr == ""
        report = json.loads(done.stdout)
        assert report["exit_status"] == done.returncode
        return Verdict(done.returncode, report["summary"], report["lines"])
