"""What `bt-autoconfig dns` prints, loaded unchanged into real name servers."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients import dns
from tests.clients.network import ADDRESS, Network

DOMAIN = "btinternet.com"
ASK = """
import dns.resolver, sys
resolver = dns.resolver.Resolver(configure=False)
resolver.nameservers = [sys.argv[1]]
for name, type_ in [question.split("/") for question in sys.argv[2:]]:
    print(*(one.to_text() for one in resolver.resolve(name, type_)))
"""


def knot(folder: Path, zone: Path) -> list[str | Path]:
    (folder / "knot.conf").write_text(
        f"server:\n  listen: {ADDRESS}@53\n  rundir: {folder}\ndatabase:\n  storage: {folder}\nlog:\n  - target: stdout\n    any: warning\n"
        f"zone:\n  - domain: {DOMAIN}\n    file: {zone}\n"
    )
    return ["knotd", "-c", folder / "knot.conf"]


def nsd(folder: Path, zone: Path) -> list[str | Path]:
    (folder / "nsd.conf").write_text(
        f"server:\n  ip-address: {ADDRESS}\n  username: root\n  zonesdir: {folder}\n  pidfile: {folder}/nsd.pid\n  database: ''\n"
        f"  zonelistfile: {folder}/list\n  xfrdfile: {folder}/xfrd\n  xfrdir: {folder}\nremote-control:\n  control-enable: no\n"
        f"zone:\n  name: {DOMAIN}\n  zonefile: {zone}\n"
    )
    return ["nsd", "-d", "-c", folder / "nsd.conf"]


def bind(folder: Path, zone: Path) -> list[str | Path]:
    (folder / "named.conf").write_text(
        f'options {{ directory "{folder}"; pid-file none; listen-on {{ {ADDRESS}; }}; listen-on-v6 {{ none; }}; recursion no;'
        f' session-keyfile none; managed-keys-directory "{folder}"; }};\ncontrols {{ }};\n'
        f'zone "{DOMAIN}" {{ type primary; file "{zone}"; }};\n'
    )
    return ["named", "-g", "-c", folder / "named.conf"]


@pytest.mark.parametrize("server", [knot, nsd, bind])
def test_a_name_server_loads_the_records_and_answers_with_them(
    lab: Network, server: Callable[[Path, Path], list[str | Path]]
) -> None:
    folder = lab.folder / "zones"
    folder.mkdir(mode=0o777)
    (folder / "records").write_text(dns.published(DOMAIN, f"web.{DOMAIN}"))
    zone = folder / "zone"
    zone.write_text(
        f"$ORIGIN {DOMAIN}.\n$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A {ADDRESS}\n$INCLUDE {folder}/records\n"
    )
    lab.start(server.__name__, server(folder, zone))
    lab.wait_for_port(53)
    questions = [
        "autoconfig/CNAME",
        "_autodiscover._tcp/SRV",
        "_imaps._tcp/SRV",
        "_imap._tcp/SRV",
        "_ua-auto-config/TXT",
    ]
    answers = lab.run(
        [sys.executable, "-c", ASK, ADDRESS, *(question.replace("/", f".{DOMAIN}/") for question in questions)]
    )
    *others, digest = answers.splitlines()
    assert others == ["web.btinternet.com.", "0 0 443 web.btinternet.com.", "0 1 993 mail.btinternet.com.", "0 0 0 ."]
    assert digest.startswith('"v=UAAC1; a=sha256; d=')
