import json
import os
import subprocess
from pathlib import Path

import dns.zone
import pytest

from autoconfig.definition import EMBEDDED, DefinitionError
from autoconfig.operations.dns import Publication, Record, hostname, pacc_text
from autoconfig.operations.names import srv_target
from autoconfig.operations.zones import as_json, zone
from autoconfig.protocols.pacc import PATH as PACC_PATH
from autoconfig.protocols.pacc import Pacc
from tests.support import SERVICES, Write, load, run, serving

BT = load(EMBEDDED).first
HOST = "setup.bt.example"


def found(name: str, host: str = HOST) -> list[tuple[str, str]]:
    return [(one.type, one.data) for one in Publication(BT, host).records("talk21.com") if one.name == name]


@pytest.mark.parametrize("name", ["autoconfig", "autodiscover", "ua-auto-config"])
def test_every_domain_has_client_hosts(name: str) -> None:
    assert found(name) == [("CNAME", "setup.bt.example.")]


def test_the_servers_own_hostname_gets_no_alias() -> None:
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
        ("_smtps._tcp", "0 1 465 mail.btinternet.com."),
        ("_imap._tcp", "0 0 0 ."),
        ("_pop3._tcp", "0 0 0 ."),
        ("_submission._tcp", "0 0 0 ."),
    ],
)
def test_every_mail_service_has_a_record_with_its_preference_or_as_not_offered(name: str, data: str) -> None:
    assert found(name) == [("SRV", data)]


def test_the_digest_matches_the_served_document() -> None:
    document = Pacc(load(EMBEDDED)).render("talk21.com")
    assert found("_ua-auto-config") == [("TXT", pacc_text(document))]


def test_starttls_and_services_at_urls_have_records_too(write: Write) -> None:
    all_ = Publication(load(write({"</clientConfig>": SERVICES})).first, HOST).records("example.com")
    data = {(one.name, one.type): one.data for one in all_}
    assert data["_imap._tcp", "SRV"] == "0 1 143 imap.example.com."
    assert data["_imaps._tcp", "SRV"] == "0 0 0 ."
    assert data["_pop3._tcp", "SRV"] == "0 0 0 ."  # it is offered, but without TLS
    assert data["_submission._tcp", "SRV"] == "0 1 587 smtp.example.com."
    assert data["_caldavs._tcp", "SRV"] == "0 1 8443 dav.example.com."
    assert data["_caldavs._tcp", "TXT"] == "path=/cal/"
    assert data["_carddavs._tcp", "SRV"] == "0 1 443 contacts.example.com."
    assert ("_carddavs._tcp", "TXT") not in data


JMAP = """<incomingServer type="jmap"><url>https://jmap.%EMAILDOMAIN%/session</url>
<authentication system="http">Basic</authentication><username>%EMAILADDRESS%</username></incomingServer>"""


def test_each_record_names_the_clients_that_look_it_up(write: Write) -> None:
    ssl = {">STARTTLS<": ">SSL<", ">143<": ">993<", ">587<": ">465<"}
    made = write({**ssl, "  </emailProvider>": f"{JMAP}</emailProvider>", "</clientConfig>": SERVICES})
    records = Publication(load(made).first, HOST).records("example.net")
    assert [(one.name, one.type, one.why) for one in records] == [
        ("autoconfig", "CNAME", "Thunderbird and other clients"),
        ("autodiscover", "CNAME", "Outlook"),
        ("ua-auto-config", "CNAME", "PACC clients"),
        ("_autodiscover._tcp", "SRV", "Outlook, as a last resort"),
        ("_imaps._tcp", "SRV", "clients that follow RFC 6186"),
        ("_imap._tcp", "SRV", "clients that follow RFC 6186"),
        ("_pop3s._tcp", "SRV", "clients that follow RFC 6186"),
        ("_pop3._tcp", "SRV", "clients that follow RFC 6186"),
        ("_submissions._tcp", "SRV", "clients that follow RFC 6186"),
        ("_submission._tcp", "SRV", "clients that follow RFC 6186"),
        ("_smtps._tcp", "SRV", "aerc"),
        ("_jmap._tcp", "SRV", "calendar, contacts and JMAP clients"),
        ("_caldavs._tcp", "SRV", "calendar, contacts and JMAP clients"),
        ("_caldavs._tcp", "TXT", "calendar and contacts clients"),
        ("_carddavs._tcp", "SRV", "calendar, contacts and JMAP clients"),
        ("_ua-auto-config", "TXT", "PACC clients, to verify the configuration"),
    ]


def test_a_jmap_server_has_a_record_without_its_path(write: Write) -> None:
    """RFC 8620, section 2.2: clients use /.well-known/jmap."""
    records = Publication(load(write({"  </emailProvider>": f"{JMAP}</emailProvider>"})).first, HOST).records(
        "example.net"
    )
    assert [(one.type, one.data) for one in records if one.name == "_jmap._tcp"] == [
        ("SRV", "0 1 443 jmap.example.net.")
    ]


def test_an_outgoing_server_before_the_incoming_ones_does_not_change_their_preference(write: Write) -> None:
    file = write({">plain<": ">STARTTLS<"})
    before, start, rest = file.read_text().partition("<outgoingServer")
    smtp, end, after = rest.partition("</outgoingServer>")
    file.write_text(before.replace("<incomingServer", f"{start}{smtp}{end}<incomingServer", 1) + after)
    data = {one.name: one.data for one in Publication(load(file).first, HOST).records("example.com")}
    assert data["_imap._tcp"] == "0 1 143 imap.example.com."
    assert data["_pop3._tcp"] == "10 1 110 pop.example.com."
    assert data["_submission._tcp"] == "0 1 587 smtp.example.com."


def test_the_domain_is_filled_into_hostnames(write: Write) -> None:
    definition = load(
        write({">imap.example.com<": ">imap.%EMAILDOMAIN%<", ">smtp.example.com<": ">%EMAILLOCALPART%.x<"})
    ).first
    data = {one.name: one.data for one in Publication(definition, HOST).records("example.net")}
    assert data["_imap._tcp"] == "0 1 143 imap.example.net."
    assert data["_submission._tcp"] == "0 0 0 ."


def test_both_digests_are_published_while_a_definition_changes(tmp_path: Path) -> None:
    coming = tmp_path / "bt.xml"
    coming.write_text(EMBEDDED.read_text().replace(">BT Mail<", ">New BT Mail<"))
    printed = dns_records("--host", HOST, "--domain", "talk21.com", "--next-definition", coming).stdout
    digests = [line for line in printed.splitlines() if line.startswith("_ua-auto-config")]
    documents = [Pacc(load(file)).render("talk21.com") for file in (EMBEDDED, coming)]
    assert [pacc_text(document) in line for document, line in zip(documents, digests, strict=True)] == [True, True]


def test_the_zone_format_names_the_clients() -> None:
    text = zone("talk21.com", [Record("a", "CNAME", "b.", "Outlook"), Record("c", "CNAME", "b.", "Outlook")])
    assert text == (
        "; talk21.com\n$ORIGIN talk21.com.\n$TTL 3600\n; Outlook\na                    CNAME b.\nc                    CNAME b.\n"
    )


def test_optional_records_are_comments_in_a_zone_file_and_left_out_of_json() -> None:
    records = [
        Record("a", "CNAME", "b.", "Outlook", optional=True),
        Record("_c._tcp", "SRV", "0 0 0 .", "Thunderbird"),
        Record("d", "TXT", "e", "Thunderbird"),
    ]
    assert zone("talk21.com", records).splitlines()[3:] == [
        "; Outlook (optional: --hosted-names)",
        "; a                    CNAME b.",
        "; Thunderbird",
        "_c._tcp              SRV   0 0 0 .",
        'd                    TXT   "e"',
    ]
    assert as_json("talk21.com", records) == [
        {"name": "_c._tcp.talk21.com", "type": "SRV", "ttl": 3600, "data": "0 0 0 .", "why": "Thunderbird"},
        {"name": "d.talk21.com", "type": "TXT", "ttl": 3600, "data": "e", "why": "Thunderbird"},
    ]


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
def test_a_text_is_quoted_and_split_for_zone_files(text: str, data: str) -> None:
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
def test_a_zone_can_be_loaded_for_any_definition(write: Write, url: str, host: str) -> None:
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
        text = zone(domain, Publication(definition, HOST).records(domain))
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
def test_urls_that_records_cannot_express_are_left_out(
    write: Write, url: str, srv: str | None, txt: str | None
) -> None:
    services = SERVICES.replace("https://dav.example.com:8443/cal/", url.replace('"', "&quot;"))
    try:
        definition = load(write({"</clientConfig>": services})).first
    except DefinitionError:
        assert srv is None
        return
    data = {
        one.type: one.data
        for one in Publication(definition, HOST).records("example.com")
        if one.name == "_caldavs._tcp"
    }
    assert (data.get("SRV"), data.get("TXT")) == (srv, txt)


@pytest.mark.parametrize("host", ["a_b.example", "a..b", "-a.example", f"{'a' * 64}.example", "a b"])
def test_the_host_must_be_a_valid_target_for_records(host: str) -> None:
    refused = dns_records("--host", host)
    assert refused.returncode == 2
    assert f"{host} is not a hostname of letters, digits and hyphens" in refused.stderr


def dns_records(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return run("dns", *arguments)


@pytest.mark.parametrize("host", ["192.0.2.1", "::1", "2001:db8::1", "224.0.0.1"])
def test_an_ip_address_as_the_host_is_rejected_with_the_option_to_use(host: str) -> None:
    refused = dns_records("--host", host)
    assert refused.returncode == 2
    assert f"{host} is an IP address, not a hostname; use --address {host}" in refused.stderr


def test_the_server_must_be_named() -> None:
    assert "name this server: --host NAME, or --address IP" in dns_records().stderr


@pytest.mark.parametrize(
    "address",
    ["224.0.0.1", "0.0.0.0", "::", "ff02::1", "fe80::1", "2001:db8::1%eth0", "::ffff:192.0.2.1", "192.0.2", "192.0.2.1/24", "mail.example"],
)  # fmt: skip
def test_clients_must_be_able_to_connect_to_an_address(address: str) -> None:
    refused = dns_records("--address", address)
    assert refused.returncode == 2
    assert "use an address such as 192.0.2.1 or 2001:db8::1" in refused.stderr


def addressed(*arguments: str) -> list[tuple[str, str, str]]:
    printed = json.loads(dns_records("--domain", "talk21.com", "--format", "json", *arguments).stdout)
    return [(one["name"].removesuffix(".talk21.com"), one["type"], one["data"]) for one in printed]


ADDRESSES = [
    (name, *record)
    for name in ("autoconfig", "autodiscover", "ua-auto-config")
    for record in (("A", "192.0.2.1"), ("A", "192.0.2.2"), ("AAAA", "2001:db8::1"))
]
SOME = ("--address", "192.0.2.1", "--address", "192.0.2.2", "--address", "2001:DB8::0:1", "--address", "192.0.2.1")


def test_with_addresses_there_are_no_aliases_and_outlook_gets_the_domains_host() -> None:
    found = addressed(*SOME)
    assert found[:9] == ADDRESSES
    assert found[9] == ("_autodiscover._tcp", "SRV", "0 0 443 autodiscover.talk21.com.")
    assert "CNAME" not in {type_ for _, type_, _ in found}


@pytest.mark.parametrize("host", [HOST, "autoconfig.talk21.com"])
def test_with_addresses_and_a_host_outlook_gets_the_host(host: str) -> None:
    found = addressed(*SOME, "--host", host)
    assert found[:9] == ADDRESSES
    assert found[9] == ("_autodiscover._tcp", "SRV", f"0 0 443 {host}.")


def test_submission_with_only_starttls_has_no_record_for_aerc(write: Write) -> None:
    names = {one.name for one in Publication(load(write()).first, HOST).records("example.com")}
    assert "_submission._tcp" in names
    assert "_smtps._tcp" not in names


def test_each_domains_file_contains_what_is_printed_otherwise(tmp_path: Path) -> None:
    for format_ in ("zone", "json"):
        done = dns_records("--host", HOST, "--format", format_, "--output", tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{tmp_path}: 3 files, 3 changed\n", "")
        for domain in BT.domains:
            printed = dns_records("--host", HOST, "--format", format_, "--domain", domain).stdout
            assert (tmp_path / f"{domain}.{format_}").read_text() == printed
    assert len(list(tmp_path.iterdir())) == 6


@pytest.mark.parametrize("format_", ["zone", "json"])
def test_only_changed_files_are_replaced(tmp_path: Path, format_: str) -> None:
    dns_records("--host", HOST, "--format", format_, "--output", tmp_path)
    (tmp_path / "mine").write_text("mine")
    stale, kept = tmp_path / f"talk21.com.{format_}", tmp_path / f"btinternet.com.{format_}"
    text = stale.read_text()
    stale.write_text(text.replace("993", "994"))
    before = kept.stat()
    done = dns_records("--host", HOST, "--format", format_, "--output", tmp_path)
    assert done.stdout == f"{tmp_path}: 3 files, 1 changed\n"
    assert stale.read_text() == text
    assert (kept.stat().st_ino, kept.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert (tmp_path / "mine").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 4


MINE = {
    "zone": ["", "mine", "$ORIGIN talk21.com.\n@ SOA ns hostmaster 1 3600 600 86400 60\n", "; btinternet.com\n$ORIGIN btinternet.com.\n$TTL 3600\n"],
    "json": ["", "mine", "{}", '[{"name": "a.talk21.com"}]', "[" * 100_000, "[7]",
             '[{"name": "a.btinternet.com", "type": "A", "ttl": 1, "data": "", "why": ""}]'],
}  # fmt: skip


@pytest.mark.parametrize(("format_", "content"), [(name, content) for name, some in MINE.items() for content in some])
def test_a_file_from_another_program_is_not_replaced(tmp_path: Path, format_: str, content: str) -> None:
    file = tmp_path / f"talk21.com.{format_}"
    file.write_text(content)
    refused = dns_records("--host", HOST, "--format", format_, "--domain", "talk21.com", "--output", tmp_path)
    assert refused.returncode == 1
    assert refused.stderr == f"{file}: not written by this command; remove it, or choose another folder\n"
    assert file.read_text() == content
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("kind", ["link", "folder", "fifo"])
def test_only_regular_files_are_replaced(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "zones"
    folder.mkdir()
    place, outside = folder / "btinternet.com.zone", tmp_path / "outside"
    outside.write_text("mine")
    match kind:
        case "link":
            place.symlink_to(outside)
        case "folder":
            place.mkdir()
        case _:
            os.mkfifo(place)
    refused = dns_records("--host", HOST, "--output", folder)
    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 1
    assert outside.read_text() == "mine"
    assert list(folder.iterdir()) == [place]


HOSTING = {
    "<domain>example.net</domain>": '<domain purpose="mx">example.net</domain>',
    ">143<": ">993<",
    ">STARTTLS<": ">SSL<",
}


def hosting(
    write: Write, *domains: str, name: str = "provider.xml", replacing: dict[str, str] | None = None
) -> tuple[str | Path, ...]:
    """Return the options of a provider that hosts these domains; without any, there is no list."""
    definition = write(HOSTING | (replacing or {}), name)
    if not domains:
        return ("--definition", definition, "--host", HOST)
    list_ = definition.with_suffix(".txt")
    list_.write_text("\n".join(domains))
    return ("--definition", definition, "--hosted-domains", list_, "--host", HOST)


def test_a_hosted_domain_needs_srv_records_and_its_client_hosts_are_optional(write: Write) -> None:
    options = hosting(write, "customer.example")
    printed = dns_records(*options, "--domain", "Customer.example").stdout
    lines = [line for line in printed.splitlines() if not line.startswith((";", "$"))]
    assert lines[0] == f"_autodiscover._tcp   SRV   0 0 443 {HOST}."
    assert "_imaps._tcp          SRV   0 1 993 imap.example.com." in lines
    assert {line.split()[1] for line in lines} == {"SRV"}
    optional = [line.split() for line in printed.splitlines() if line.startswith("; ") and " CNAME " in line]
    assert optional == [[";", name, "CNAME", f"{HOST}."] for name in ("autoconfig", "autodiscover", "ua-auto-config")]
    assert "; _ua-auto-config      TXT" in printed
    assert "MX" not in printed.split()
    as_json = json.loads(dns_records(*options, "--domain", "customer.example", "--format", "json").stdout)
    assert {one["type"] for one in as_json} == {"SRV"}


def test_with_hosted_names_a_hosted_domain_has_the_same_records_as_the_providers_own(write: Write) -> None:
    options = (*hosting(write, "customer.example"), "--hosted-names")
    own = dns_records(*options, "--domain", "example.com").stdout
    assert dns_records(*options, "--domain", "customer.example").stdout == own.replace(
        "; example.com", "; customer.example").replace("ORIGIN example.com", "ORIGIN customer.example")  # fmt: skip
    assert "autoconfig           CNAME" in own


def test_a_hosted_domains_digest_matches_the_document_at_its_host(write: Write) -> None:
    options = hosting(write, "customer.example", replacing={">imap.example.com<": ">imap.%EMAILDOMAIN%<"})
    found = json.loads(
        dns_records(*options, "--hosted-names", "--domain", "customer.example", "--format", "json").stdout
    )
    (digest,) = [one["data"] for one in found if one["type"] == "TXT"]
    with serving(*options[:4]) as served:
        document = served.http.get(PACC_PATH, headers={"Host": "ua-auto-config.customer.example"}).content
    assert b"imap.customer.example" in document
    assert digest == pacc_text(document)


def test_all_listed_domains_are_written_and_none_printed(write: Write, tmp_path: Path) -> None:
    customers = [f"customer{number}.example" for number in range(300)]
    done = dns_records(*hosting(write, *customers, "BÜCHER.example"), "--output", tmp_path / "zones")
    assert (done.stdout, done.stderr) == (f"{tmp_path / 'zones'}: 303 files, 303 changed\n", "")
    names = {file.name.removesuffix(".zone") for file in (tmp_path / "zones").iterdir()}
    assert names == {*customers, "xn--bcher-kva.example", "example.com", "example.net"}
    assert dns_records(*hosting(write, *customers)).stdout.count("$ORIGIN") == 302


def test_an_unlisted_domain_is_refused_without_naming_a_customer(write: Write) -> None:
    refused = dns_records(*hosting(write, "customer.example"), "--domain", "example.org")
    assert refused.returncode == 1
    assert refused.stderr == (
        "--domain: example.org is in no definition and in no list of hosted domains; choose from example.com, example.net\n"
    )


def test_without_a_list_any_domain_may_be_hosted(write: Write) -> None:
    printed = dns_records(*hosting(write), "--domain", "customer.example", "--domain", "other.example").stdout
    assert [line for line in printed.splitlines() if line.startswith("$ORIGIN")] == [
        "$ORIGIN customer.example.",
        "$ORIGIN other.example.",
    ]
    assert dns_records(*hosting(write)).stdout.count("$ORIGIN") == 2


def test_with_several_hosting_definitions_one_must_be_named(write: Write) -> None:
    first = hosting(write)
    text = write(HOSTING).read_text().replace("example.com</domain>", "example.org</domain>")
    second = write({Write.TEXT: text.replace("example.net", "example.info")}, "second.xml")
    refused = dns_records(*first, "--definition", second, "--domain", "customer.example")
    assert refused.stderr == (
        "--domain: customer.example is in no definition, and 2 definitions host domains; name one of them with --definition\n"
    )


def test_a_domain_too_long_for_its_records_has_no_file(write: Write, tmp_path: Path) -> None:
    longest = ".".join(["d" * 63] * 3 + ["e" * 61])
    done = dns_records(*hosting(write, longest), "--output", tmp_path / "zones")
    assert done.stdout == f"{tmp_path / 'zones'}: 2 files, 2 changed\n"


@pytest.mark.parametrize("domain", ["a b", "..", "com", "CON", "1.2.3.4", "../x", "customer.example/", "*.example"])
def test_an_invalid_domain_is_refused(write: Write, tmp_path: Path, domain: str) -> None:
    refused = dns_records(*hosting(write), "--domain", domain, "--output", tmp_path / "zones")
    assert refused.returncode == 1
    assert refused.stderr == f"--domain: {domain} is not a domain name such as example.com\n"
    assert not list((tmp_path / "zones").glob("*"))


def test_json_has_full_names() -> None:
    (one,) = as_json("talk21.com", [Record("_x", "TXT", "v=1", "who")])
    assert one == {"name": "_x.talk21.com", "type": "TXT", "ttl": 3600, "data": "v=1", "why": "who"}


def test_the_command_prints_all_or_the_given_domains() -> None:
    assert dns_records("--host", HOST).stdout.count("$ORIGIN") == 3
    assert dns_records("--host", HOST, "--domain", "Talk21.com").stdout.count("$ORIGIN") == 1
    assert len(json.loads(dns_records("--host", HOST, "--format", "json").stdout)) == 36
    refused = dns_records("--host", HOST, "--domain", "example.org")
    assert (refused.returncode, refused.stderr) == (
        1, "--domain: example.org is in no definition; choose from btinternet.com, btopenworld.com, talk21.com\n",
    )  # fmt: skip
    assert "a b is not a hostname" in dns_records("--host", "a b").stderr


def test_zones_are_separated_by_an_empty_line() -> None:
    each = [dns_records("--host", HOST, "--domain", domain).stdout for domain in BT.domains]
    assert dns_records("--host", HOST).stdout == "\n".join(each)


def test_json_is_one_indented_list(write: Write) -> None:
    printed = dns_records("--host", HOST, "--format", "json").stdout
    assert printed == f"{json.dumps(json.loads(printed), indent=2)}\n"
    longest = ".".join(["d" * 63] * 3 + ["e" * 61])  # too long for its records
    assert dns_records(*hosting(write, longest), "--domain", longest, "--format", "json").stdout == "[]\n"
