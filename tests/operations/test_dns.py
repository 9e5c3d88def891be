import json
import subprocess
from pathlib import Path

import dns.zone
import pytest

from autoconfig.definition import EMBEDDED, DefinitionError
from autoconfig.operations.dns import Record, as_json, hostname, pacc_text, records, zone
from autoconfig.operations.names import srv_target
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


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ('a;b"c\\d', r'"a;b\"c\\d"'),
        ("\t\x7f é", r'"\009\127 \195\169"'),
        ("", '""'),
        ("x" * 256, f'"{"x" * 255}" "x"'),
        ("é" * 128, "".join(['"', r"\195\169" * 127, r'\195" "\169"'])),
    ],
)
def test_a_text_is_quoted_and_split_as_zone_files_need(text: str, data: str) -> None:
    assert Record("a", "TXT", text, "who").zone_data == data


ODD_URLS = [
    'https://h;x"/', "https://h/a;b", 'https://h.example/"\\', "https://h.example/é\u202e", "https://a_b.example/x", "https://192.0.2.1/x",
    "https://[2001:db8::1]/x", "https://[x/", "https://h.example:99999/", "https://h.example:x/", "https://h.example:0/", "https:///x",
    f"https://{'a' * 64}.example/", f"https://{'a.' * 127}example/", "https://h.example/" + "p" * 500, "https://h.example/" + "é" * 124,
    "https://@/", "https://h..example/", "https://-h.example/", "https://h.example\\@x/", "https://h.example/%22%0A$INCLUDE", "https://H.EXAMPLE/x",
    "https://b\u00fccher.example/x", "https://%EMAILLOCALPART%.example/",
]  # fmt: skip
ODD_HOSTS = [
    "a_b.example.com",
    "192.0.2.1",
    "MAIL.example.com",
    "mail.example.com.",
    f"{'a' * 60}.{'b' * 60}.{'c' * 60}.%EMAILDOMAIN%",
]


@pytest.mark.parametrize("host", ODD_HOSTS)
@pytest.mark.parametrize("url", ODD_URLS)
def test_a_zone_can_be_loaded_whatever_a_definition_says(write: Write, url: str, host: str) -> None:
    escaped = url.replace('"', "&quot;")
    services = SERVICES.replace("https://dav.example.com:8443/cal/", escaped)
    long = ".".join(["d" * 63] * 3 + ["e" * 45])  # no name with _submissions._tcp before it
    try:
        definition = load(
            write({"</clientConfig>": services, ">imap.example.com<": f">{host}<", ">example.net<": f">{long}<"})
        ).first
    except DefinitionError:
        return  # nothing to print
    for domain in definition.domains:
        text = zone(domain, records(definition, domain, HOST))
        assert text.isascii()
        loaded = dns.zone.from_text(
            f"@ 60 SOA ns hostmaster 1 3600 600 86400 60\n@ 60 NS ns\n{text}", origin=domain, relativize=False
        )
        for _, _, data in loaded.iterate_rdatas("SRV"):
            target, _ = srv_target(data)
            assert hostname(target) == target


@pytest.mark.parametrize(
    ("url", "srv", "txt"),
    [
        ("https://h.example/a;b", "0 1 443 h.example.", "path=/a;b"),
        ("https://H.EXAMPLE:444/", "0 1 444 h.example.", None),
        ("https://b\u00fccher.example/%20x", "0 1 443 xn--bcher-kva.example.", "path=/%20x"),
        ("https://h.example/" + "p" * 249, "0 1 443 h.example.", "path=/" + "p" * 249),
        ("https://h.example/" + "p" * 250, "0 1 443 h.example.", None),
        ("https://192.0.2.1/x", None, None),
        ('https://h;x"/', None, None),
    ],
)
def test_what_no_record_can_say_is_left_out(write: Write, url: str, srv: str | None, txt: str | None) -> None:
    services = SERVICES.replace("https://dav.example.com:8443/cal/", url.replace('"', "&quot;"))
    try:
        definition = load(write({"</clientConfig>": services})).first
    except DefinitionError:
        assert srv is None
        return
    data = {one.type: one.data for one in records(definition, "example.com", HOST) if one.name == "_caldavs._tcp"}
    assert (data.get("SRV"), data.get("TXT")) == (srv, txt)


@pytest.mark.parametrize(
    "host", ["a_b.example", "192.0.2.1", "::1", "a..b", "-a.example", f"{'a' * 64}.example", "a b"]
)
def test_the_host_must_be_one_that_records_can_lead_to(host: str) -> None:
    refused = subprocess.run([COMMAND, "dns", "--host", host], capture_output=True, check=False, text=True)
    assert refused.returncode == 2
    assert f"{host} is not a hostname of letters, digits and hyphens" in refused.stderr


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
