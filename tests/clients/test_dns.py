"""The output of `bt-autoconfig dns`, loaded unchanged into real name servers."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from autoconfig.definition import EMBEDDED
from tests.clients.network import ADDRESS, Network
from tests.support import COMMAND

DOMAIN = "btinternet.com"
NameServer = Callable[[Path, Path], list[str | Path]]
"""Writes its configuration for a zone to a folder, and returns its command."""
QUERY = """
import dns.resolver, sys
resolver = dns.resolver.Resolver(configure=False)
resolver.nameservers = [sys.argv[1]]
for name, type_ in [query.split("/") for query in sys.argv[2:]]:
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


def services(calendar: str, contacts: str) -> str:
    """Return the end of a definition, with a calendar and an address book at these URLs."""
    rest = "<authentication>Basic</authentication><username>%EMAILADDRESS%</username>"
    return (
        f'<calendar type="caldav"><url>{calendar}</url>{rest}</calendar>'
        f'<addressbook type="carddav"><url>{contacts}</url>{rest}</addressbook></clientConfig>'
    )


def written(folder: Path, *arguments: str | Path) -> Path:
    """Write the records of DOMAIN with `dns --output`, from a definition with odd URLs; return the file."""
    definition = folder / "definition.xml"
    urls = ("https://dav.example/a;b&quot;\\é", f"https://dav.example/{'x' * 300}")
    definition.write_text(EMBEDDED.read_text().replace("</clientConfig>", services(*urls)))
    command: list[str | Path] = [COMMAND, "dns", "--domain", DOMAIN, "--definition", definition, "--output", folder]
    subprocess.run([*command, *arguments], capture_output=True, check=True)
    return folder / f"{DOMAIN}.zone"


def query(lab: Network, server: NameServer, folder: Path, records: Path, *queries: str) -> list[str]:
    """Load records into a name server's zone, and send it queries, NAME/TYPE; return the responses."""
    zone = folder / "zone"
    zone.write_text(
        f"$ORIGIN {DOMAIN}.\n$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A {ADDRESS}\n$INCLUDE {records}\n"
    )
    lab.start(server.__name__, server(folder, zone))
    lab.wait_for_port(53)
    arguments = [one.replace("/", f".{DOMAIN}/") for one in queries]
    return lab.run([sys.executable, "-c", QUERY, ADDRESS, *arguments]).splitlines()


@pytest.fixture
def folder(lab: Network) -> Path:
    made = lab.folder / "zones"
    made.mkdir(mode=0o777)
    return made


@pytest.mark.parametrize("server", [knot, nsd, bind])
def test_a_name_server_loads_and_serves_the_records(lab: Network, server: NameServer, folder: Path) -> None:
    *others, digest = query(
        lab, server, folder, written(folder, "--host", f"web.{DOMAIN}"),
        "autoconfig/CNAME", "_autodiscover._tcp/SRV", "_imaps._tcp/SRV", "_imap._tcp/SRV", "_smtps._tcp/SRV",
        "_carddavs._tcp/SRV", "_caldavs._tcp/TXT", "_ua-auto-config/TXT",
    )  # fmt: skip
    assert others == [
        "web.btinternet.com.",
        "0 0 443 web.btinternet.com.",
        "0 1 993 mail.btinternet.com.",
        "0 0 0 .",
        "0 1 465 mail.btinternet.com.",
        "0 1 443 dav.example.",
        r'"path=/a;b\"\\\195\169"',
    ]
    assert digest.startswith('"v=UAAC1; a=sha256; d=')


@pytest.mark.parametrize("server", [knot, nsd, bind])
def test_a_name_server_loads_addresses_instead_of_aliases(lab: Network, server: NameServer, folder: Path) -> None:
    records = written(folder, "--address", "192.0.2.1", "--address", "192.0.2.2", "--address", "2001:db8::1")
    names = ("autoconfig/A", "ua-auto-config/AAAA", "_autodiscover._tcp/SRV")
    first, *others = query(lab, server, folder, records, *names)
    assert sorted(first.split()) == ["192.0.2.1", "192.0.2.2"]
    assert others == ["2001:db8::1", f"0 0 443 autodiscover.{DOMAIN}."]


@pytest.mark.parametrize("server", [knot, nsd, bind])
def test_a_name_server_loads_the_records_of_a_hosted_domain(lab: Network, server: NameServer, folder: Path) -> None:
    definition, customers = folder / "definition.xml", folder / "customers.txt"
    own = '<domain purpose="mx">provider.example</domain>'
    definition.write_text(re.sub(r"<domain>.*</domain>", own, EMBEDDED.read_text(), flags=re.DOTALL))
    customers.write_text(f"{DOMAIN}\n")
    subprocess.run(
        [COMMAND, "dns", "--definition", definition, "--hosted-domains", customers, "--domain", DOMAIN,
         "--host", "web.provider.example", "--hosted-names", "--output", folder],
        capture_output=True, check=True,
    )  # fmt: skip
    names = ("autoconfig/CNAME", "_autodiscover._tcp/SRV", "_imaps._tcp/SRV")
    assert query(lab, server, folder, folder / f"{DOMAIN}.zone", *names) == [
        "web.provider.example.",
        "0 0 443 web.provider.example.",
        "0 1 993 mail.btinternet.com.",
    ]
