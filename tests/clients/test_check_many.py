"""`bt-autoconfig check` of forty domains that one server serves."""

import re
import subprocess
from collections import Counter
from pathlib import Path

from autoconfig.definition import EMBEDDED
from autoconfig.directory import CLIENT_HOSTS
from tests.clients import dns
from tests.clients.conftest import MAIL_HOST
from tests.clients.deployment import Deployment
from tests.clients.network import Network
from tests.clients.tls import Authority
from tests.support import COMMAND

DOMAINS = [f"domain-{number:02}.example" for number in range(40)]
PROVIDER = "provider.example"


def test_forty_domains_are_checked_within_a_minute(lab: Network, authority: Authority, tmp_path: Path) -> None:
    deployment = Deployment(lab, authority)
    deployment.definition = tmp_path / "forty.xml"
    elements = "".join(f"<domain>{domain}</domain>" for domain in DOMAINS)
    deployment.definition.write_text(re.sub(r"<domain>.*</domain>", elements, EMBEDDED.read_text(), flags=re.DOTALL))
    subprocess.run(
        [COMMAND, "dns", "--definition", deployment.definition, "--host", f"web.{PROVIDER}", "--output", tmp_path],
        capture_output=True,
        check=True,
    )
    for domain in DOMAINS:
        hosts = [f"{prefix}{domain}" for prefix in CLIENT_HOSTS]
        deployment.zones[domain] = dns.records("@", mx=MAIL_HOST) + (tmp_path / f"{domain}.zone").read_text()
        deployment.certificates |= dict.fromkeys(hosts, authority.issue(*hosts))
    deployment.zones[PROVIDER] = dns.records("web")
    deployment.certificates[f"web.{PROVIDER}"] = authority.issue(f"web.{PROVIDER}")
    deployment.resolver = True
    deployment.start()

    verdict = deployment.check("--max-time", "60", domain="")

    assert verdict.of("warning", "error", "unknown", "skipped") == []
    assert verdict.summary == "40 domains: no problems"
    assert verdict.status == 0
    lines = Counter(line["domain"] for line in verdict.lines if line["domain"])
    assert sorted(lines) == DOMAINS
    assert len(set(lines.values())) == 1
