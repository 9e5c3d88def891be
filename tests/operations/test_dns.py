import json
import subprocess
from pathlib import Path

import pytest

from autoconfig.definition import EMBEDDED
from autoconfig.operations.dns import Record, as_json, pacc_text, records, zone
from autoconfig.protocols.pacc import Pacc
from tests.support import COMMAND, SERVICES, Write, load

BT = load(EMBEDDED).first
HOST = "setup.bt.example"


def found(name: str, host: str = HOST) -> list[tuple[str, str]]:
    return [(one.type, one.data) for one in records(BT, "talk21.com", host) if one.name == name]


@pytest.mark.parametrize("name", ["autoconfig", "autodiscover", "ua-auto-config"])
def test_every_domain_has_host_names_of_its_own(name: str) -> None:
    assert found(name) == [("CNAME", "setup.bt.example.")]


def test_a_host_name_that_is_the_servers_own_has_an_address_and_no_alias() -> None:
    assert found("autoconfig", "autoconfig.talk21.com") == []
    assert found("autodiscover", "autoconfig.talk21.com") == [("CNAME", "autoconfig.talk21.com.")]


def test_outlook_finds_the_server_by_srv() -> None:
    assert found("_autodiscover._tcp") == [("SRV", "0 0 443 setup.bt.example.")]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("_imaps._tcp", "0 1 993 mail.btinternet.com."),
        ("_pop3s._tcp", "10 1 995 mail.btinternet.com."),
        ("_submissions._tcp", "0 1 465 mail.btinternet.com."),
        ("_imap._tcp", "0 0 0 ."),
        ("_pop3._tcp", "0 0 0 ."),
        ("_submission._tcp", "0 0 0 ."),
    ],
)
def test_mail_services_are_told_with_their_preference_and_so_is_what_is_not_offered(name: str, data: str) -> None:
    assert found(name) == [("SRV", data)]


def test_the_digest_is_that_of_the_document_that_is_served() -> None:
    document = Pacc(load(EMBEDDED)).render("talk21.com")
    assert found("_ua-auto-config") == [("TXT", pacc_text(document))]


def test_starttls_and_services_at_urls_have_records_too(write: Write) -> None:
    all_ = records(load(write({"</clientConfig>": SERVICES})).first, "example.com", HOST)
    data = {(one.name, one.type): one.data for one in all_}
    assert data["_imap._tcp", "SRV"] == "0 1 143 imap.example.com."
    assert data["_imaps._tcp", "SRV"] == "0 0 0 ."
    assert data["_pop3._tcp", "SRV"] == "0 0 0 ."  # it is offered, but without TLS
    assert data["_submission._tcp", "SRV"] == "0 1 587 smtp.example.com."
    assert data["_caldavs._tcp", "SRV"] == "0 1 8443 dav.example.com."
    assert data["_caldavs._tcp", "TXT"] == "path=/cal/"
    assert data["_carddavs._tcp", "SRV"] == "0 1 443 contacts.example.com."
    assert ("_carddavs._tcp", "TXT") not in data


def test_host_names_that_depend_on_the_domain_are_the_domains_own(write: Write) -> None:
    definition = load(
        write({">imap.example.com<": ">imap.%EMAILDOMAIN%<", ">smtp.example.com<": ">%EMAILLOCALPART%.x<"})
    ).first
    data = {one.name: one.data for one in records(definition, "example.net", HOST)}
    assert data["_imap._tcp"] == "0 1 143 imap.example.net."
    assert data["_submission._tcp"] == "0 0 0 ."


def test_two_digests_stand_side_by_side_while_a_definition_changes(tmp_path: Path) -> None:
    coming = tmp_path / "bt.xml"
    coming.write_text(EMBEDDED.read_text().replace(">BT Mail<", ">New BT Mail<"))
    printed = subprocess.run(
        [COMMAND, "dns", "--host", HOST, "--domain", "talk21.com", "--next-definition", coming],
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    digests = [line for line in printed.splitlines() if line.startswith("_ua-auto-config")]
    documents = [Pacc(load(file)).render("talk21.com") for file in (EMBEDDED, coming)]
    assert [pacc_text(document) in line for document, line in zip(documents, digests, strict=True)] == [True, True]


def test_the_zone_format_names_who_asks() -> None:
    text = zone("talk21.com", [Record("a", "CNAME", "b.", "Outlook"), Record("c", "CNAME", "b.", "Outlook")])
    assert text == (
        "; talk21.com\n$ORIGIN talk21.com.\n$TTL 3600\n; Outlook\na                    CNAME b.\nc                    CNAME b.\n"
    )


def test_json_has_whole_names() -> None:
    (one,) = as_json("talk21.com", [Record("_x", "TXT", "v=1", "who")])
    assert one == {"name": "_x.talk21.com", "type": "TXT", "ttl": 3600, "data": "v=1", "why": "who"}


def test_the_command_prints_all_domains_or_those_that_are_asked_for() -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([COMMAND, "dns", *arguments], capture_output=True, check=False, text=True)

    assert run("--host", HOST).stdout.count("$ORIGIN") == 3
    assert run("--host", HOST, "--domain", "Talk21.com").stdout.count("$ORIGIN") == 1
    assert len(json.loads(run("--host", HOST, "--format", "json").stdout)) == 33
    refused = run("--host", HOST, "--domain", "example.org")
    assert (refused.returncode, refused.stderr) == (
        1, "--domain: example.org stands in no definition; there are btinternet.com, btopenworld.com, talk21.com\n",
    )  # fmt: skip
    assert "a b is not a hostname" in run("--host", "a b").stderr
