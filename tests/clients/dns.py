"""DNS for the lab's network: Debian's Knot, an authoritative name server, and BIND, a resolver."""

import functools
import subprocess
from collections.abc import Mapping

from tests.clients.network import ADDRESS, Network
from tests.support import COMMAND


def start(network: Network, zones: Mapping[str, str]) -> None:
    """Serve zones: the records of each domain, without SOA and NS."""
    folder = network.folder / "knot"
    folder.mkdir()
    statements = [
        f"server:\n  listen: {ADDRESS}@53\n  rundir: {folder}",
        f"database:\n  storage: {folder}",
        "log:\n  - target: stdout\n    any: warning",
        "zone:",
    ]
    for domain, records in zones.items():
        zone = folder / f"{domain}.zone"
        zone.write_text(
            f"$ORIGIN {domain}.\n$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A {ADDRESS}\n{records}\n"
        )
        statements.append(f"  - domain: {domain}\n    file: {zone}")
    configuration = folder / "knot.conf"
    configuration.write_text("\n".join(statements) + "\n")
    network.start("knot", ["knotd", "-c", configuration])
    network.wait_for_port(53)


def start_resolver(network: Network, zones: Mapping[str, str]) -> None:
    """Serve zones as `start` does, but with BIND, which follows aliases from zone to zone as resolvers do."""
    folder = network.folder / "named"
    folder.mkdir(mode=0o777)
    statements = [
        f'options {{ directory "{folder}"; pid-file none; listen-on {{ {ADDRESS}; }}; listen-on-v6 {{ none; }}; recursion yes;'
        f' allow-recursion {{ any; }}; dnssec-validation no; session-keyfile none; managed-keys-directory "{folder}"; }};',
        "controls { };",
    ]
    # With the root zone, other names do not exist.
    for domain, records in {".": "", **zones}.items():
        zone = folder / f"zone.{domain}"
        zone.write_text(
            f"$ORIGIN {domain.rstrip('.')}.\n$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A {ADDRESS}\n{records}\n"
        )
        statements.append(f'zone "{domain}" {{ type primary; file "{zone}"; }};')
    configuration = folder / "named.conf"
    configuration.write_text("\n".join(statements) + "\n")
    network.start("named", ["named", "-g", "-c", configuration])
    network.wait_for_port(53)


@functools.cache
def published(domain: str, host: str) -> str:
    """Return the records that `bt-autoconfig dns` prints for a domain; `host` is the server's name."""
    command = [str(COMMAND), "dns", "--host", host, "--domain", domain]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout


def records(*hosts: str, mx: str = "") -> str:
    """Return a domain's records: an address for each host (@ is the domain itself), and the MX."""
    lines = [f"{host} A {ADDRESS}" for host in hosts]
    if mx:
        lines.append(f"@ MX 10 {mx}.")
    return "".join(f"{line}\n" for line in lines)
