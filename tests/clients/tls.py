"""The lab's web front: Debian's caddy, and the certificates that the lab's clients trust."""

from pathlib import Path

import trustme

from tests.clients.network import Network


class Authority:
    """A certificate authority of this test run; `certificate` is its PEM file."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        self._folder = folder
        self.certificate = folder / "ca.pem"
        self._authority.cert_pem.write_to_path(self.certificate)

    def issue(self, *names: str) -> tuple[Path, Path]:
        """Return the PEM files of a certificate for some names, its chain included, and of its key."""
        issued = self._authority.issue_cert(*names)
        chain, key = self._folder / f"{names[0]}.pem", self._folder / f"{names[0]}.key"
        chain.unlink(missing_ok=True)
        for certificate in issued.cert_chain_pems:
            certificate.write_to_path(chain, append=True)
        issued.private_key_pem.write_to_path(key)
        return chain, key


def start_front(network: Network, certificate: Path | None, key: Path | None, *, http: bool = True) -> None:
    """Pass requests on to the server under test: https on port 443 when there is a certificate, http on port 80."""
    proxy = "reverse_proxy 127.0.0.1:8000"
    sites = ["{\n  auto_https off\n  admin off\n  servers {\n    protocols h1 h2\n  }\n}"]
    if certificate:
        sites.append(f"https://:443 {{\n  tls {certificate} {key}\n  {proxy}\n}}")
    if http:
        sites.append(f"http://:80 {{\n  {proxy}\n}}")
    configuration = network.folder / "Caddyfile"
    configuration.write_text("\n".join(sites) + "\n")
    home = str(network.folder)
    command: list[str | Path] = ["caddy", "run", "--adapter", "caddyfile", "--config", configuration]
    network.start("caddy", command, HOME=home, XDG_CONFIG_HOME=home, XDG_DATA_HOME=home)
    network.wait_for_port(443 if certificate else 80)
