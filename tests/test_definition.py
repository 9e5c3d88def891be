import re
from pathlib import Path

import pytest

from autoconfig import definition
from autoconfig.definition import EMBEDDED, Definition, DefinitionError, Server, Service
from tests.support import Write


def load(file: Path) -> Definition:
    return definition.load(file, file.read_bytes())


def errors(file: Path) -> list[str]:
    with pytest.raises(DefinitionError) as refusal:
        load(file)
    return [mistake.removeprefix(f"{file}:") for mistake in refusal.value.errors]


def test_bt_offers_imap_pop3_and_smtp_over_implicit_tls_with_the_address_as_username() -> None:
    bt = load(EMBEDDED)
    host, rest = "mail.btinternet.com", ("SSL", ("password-cleartext",), "%EMAILADDRESS%")
    assert bt.servers == (
        Server("imap", host, 993, *rest),
        Server("pop3", host, 995, *rest),
        Server("smtp", host, 465, *rest),
    )


def test_bt_has_three_domains_a_name_and_no_warning() -> None:
    bt = load(EMBEDDED)
    assert bt.domains == ("btinternet.com", "btopenworld.com", "talk21.com")
    assert (bt.id, bt.display_name, bt.warnings) == ("btinternet.com", "BT Mail", ())


def test_domains_may_be_in_any_case_and_script(write: Write) -> None:
    provider = load(write({"<domain>example.net": "<domain> BÜCHER.example "}))
    assert provider.domains == ("example.com", "xn--bcher-kva.example")


@pytest.mark.parametrize("number", [50, 150])
def test_domains_keep_their_order_and_place(write: Write, number: int) -> None:
    names = ["example.com", *(f"shop-{one}.example" for one in range(number)), "example.net"]
    many = "".join(f"<domain>{name}</domain>" for name in names[1:-1])
    provider = load(write({"<domain>example.net": f"{many}<domain>example.net"})).root.find("emailProvider")
    assert provider is not None
    assert [(one.tag, one.text) for one in provider[: len(names)]] == [("domain", name) for name in names]
    assert provider[len(names)].tag == "displayName"


def test_a_domain_with_the_purpose_mx_is_also_one_of_mx_hosts(write: Write) -> None:
    provider = load(write({"<domain>example.net": '<domain purpose="mx">Example.NET'}))
    assert (provider.domains, provider.mx_domains) == (("example.com", "example.net"), ("example.net",))


@pytest.mark.parametrize(
    ("port", "socket_type", "default"), [(993, "SSL", True), (993, "STARTTLS", False), (143, "SSL", False)]
)
def test_the_default_port_for_tls_depends_on_the_type(port: int, socket_type: str, default: bool) -> None:
    assert Server("imap", "x.example", port, socket_type, (), None).on_default_tls_port is default


@pytest.mark.parametrize(
    ("changes", "equal"),
    [
        ({">143<": ">1143<", "imap.example.com": "mail.example.org", "Example Mail": "Other Mail"}, True),
        ({">plain<": ">STARTTLS<"}, False),
        ({">password-encrypted<": ">NTLM<"}, False),
        ({">%EMAILLOCALPART%<": ">%EMAILADDRESS%<"}, False),
        ({'type="pop3"': 'type="nntp"'}, False),
        ({"</displayName>": "</displayName><displayShortName>E</displayShortName>"}, False),
    ],
)
def test_definitions_that_differ_only_in_names_and_ports_have_the_same_structure(
    write: Write, changes: dict[str, str], equal: bool
) -> None:
    assert (load(write()).structure == load(write(changes, "other.xml")).structure) is equal


def test_hostnames_are_stored_as_a_labels(write: Write) -> None:
    provider = load(write({">imap.example.com<": ">imap.bücher.%EMAILDOMAIN%<"}))
    assert provider.servers[0].hostname == "imap.xn--bcher-kva.%EMAILDOMAIN%"


def test_the_place_of_a_domain_is_known(write: Write) -> None:
    file = write()
    provider = load(file)
    assert (provider.line, provider.place("example.net")) == (4, f"{file}:5")


SERVICES = """
  <calendar type="caldav">
    <url>https://dav.example.com/cal</url>
    <authentication>OAuth2</authentication>
    <authentication>basic</authentication>
    <username>%EMAILADDRESS%</username>
  </calendar>
  <oAuth2>
    <issuer>https://login.example.com/</issuer>
  </oAuth2>
</clientConfig>"""


def test_services_with_a_url_and_the_oauth2_issuer_are_read(write: Write) -> None:
    provider = load(write({"</clientConfig>": SERVICES}))
    (calendar,) = provider.services
    assert calendar == Service("caldav", "https://dav.example.com/cal", ("OAuth2", "Basic"), "%EMAILADDRESS%")
    assert provider.issuer == "https://login.example.com/"


def test_an_exchange_section_is_a_service_for_each_of_its_urls(write: Write) -> None:
    urls = (
        "<ewsURL>https://a.example/</ewsURL><easURL>https://b.example/</easURL><authentication>basic</authentication>"
    )
    provider = load(
        write({"</emailProvider>": f'<incomingServer type="exchange">{urls}</incomingServer></emailProvider>'})
    )
    assert provider.services == (
        Service("ews", "https://a.example/", ("Basic",), None),
        Service("activeSync", "https://b.example/", ("Basic",), None),
    )


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    missing = tmp_path / "missing.xml"
    with pytest.raises(DefinitionError) as refusal:
        Definition.from_file(missing)
    assert refusal.value.errors == [f"{missing}: cannot be read: No such file or directory"]


def test_whitespace_around_a_value_is_removed(write: Write) -> None:
    provider = load(write({"<hostname>imap.example.com<": "<hostname>\n  imap.example.com\n<"}))
    assert provider.servers[0].hostname == "imap.example.com"


def test_line_breaks_in_a_name_or_issuer_are_removed(write: Write) -> None:
    names = "<displayName>\n Example\n Mail\n</displayName><displayShortName> Mail\n</displayShortName>"
    issuer = "<oAuth2><issuer>\n  https://login.example.com/\n</issuer></oAuth2></clientConfig>"
    provider = load(write({"<displayName>Example Mail</displayName>": names, "</clientConfig>": issuer}))
    assert (provider.display_name, provider.short_name) == ("Example Mail", "Mail")
    assert provider.issuer == "https://login.example.com/"


def test_other_text_keeps_its_whitespace(write: Write) -> None:
    provider = load(write({"</emailProvider>": "<note>two\n  lines</note></emailProvider>"}))
    assert provider.root.findtext("emailProvider/note") == "two\n  lines"


SERVER = "must have one hostname, one port, one socketType, at least one authentication and at most one username"


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        (">143<", ">99999<", "9: port 99999 is out of range; use 1-65535"),
        (">143<", ">0<", "9: port 0 is out of range; use 1-65535"),
        (">143<", "><", "9: port is out of range; use 1-65535"),
        ("<port>143</port>", "", f"7: incomingServer {SERVER}; this one has no port"),
        (">plain<", ">QUIC<", "17: socketType QUIC is not SSL, STARTTLS or plain"),
        (">imap.example.com<", ">imap example.com<", "8: hostname imap example.com is not a hostname"),
        (">imap.example.com<", ">imap..example.com<", "8: hostname imap..example.com is not a hostname"),
        (">%EMAILLOCALPART%<", ">%EMAIL%<", "12: username %EMAIL% has a placeholder that does not exist; did you mean %EMAIL"),
        ("\n      <username>%EMAILLOCALPART%</username>", "", "7: incomingServer requires a password but has no username"),
        ("<domain>example.net", "<domain>example com", "5: domain example com is not a domain name"),
        (' type="imap"', "", "7: incomingServer must have a type"),
        ("</clientConfig>", SERVICES.replace("https://dav", "ftp://dav"), "31: url ftp://dav.example.com/cal is not a web"),
        ("</clientConfig>", SERVICES.replace("<url>https://dav.example.com/cal</url>", ""), "30: calendar must have one url"),
        ("clientConfig", "config", "2: the first element is config; it must be clientConfig"),
        ("</emailProvider>", "", "29: not well-formed XML: Opening and ending tag mismatch: emailProvider line 3 and "),
        ("<clientConfig", '<!DOCTYPE a [<!ENTITY b "c">]><clientConfig', "1: a definition has no DOCTYPE"),
    ],
)  # fmt: skip
def test_an_error_names_its_line_and_the_remedy(write: Write, old: str, new: str, mistake: str) -> None:
    (found,) = errors(write({old: new}))
    assert found.startswith(mistake)


def test_all_errors_are_reported_at_once(write: Write) -> None:
    found = errors(write({">143<": ">x<", ">plain<": ">none<", "<domain>example.net": "<domain>example net"}))
    assert [re.match(r"\d+", mistake)[0] for mistake in found] == ["5", "9", "17"]  # type: ignore[index]


@pytest.mark.parametrize("type_", ["imap", "pop3"])
def test_a_definition_without_an_outgoing_server_is_invalid(write: Write, type_: str) -> None:
    text = Write.TEXT
    servers = text[text.index("    <incomingServer") : text.index("  </emailProvider>")]
    (incoming,) = re.findall(f' *<incomingServer type="{type_}">.*?</incomingServer>', servers, re.DOTALL)
    assert errors(write({servers: incoming})) == [
        "7: there is no outgoingServer of type smtp to send mail with; add one"
    ]


@pytest.mark.parametrize(
    ("old", "new", "warning"),
    [
        (
            "</emailProvider>",
            "<enable/></emailProvider>",
            "28: enable is not an element of the format; it is passed on",
        ),
        ("<port>143</port>", "<port>143</port><color/>", "9: color is not an element of the format; it is passed on"),
        (">password-encrypted<", ">telepathy<", "18: authentication telepathy is not a method that clients know"),
    ],
)
def test_unknown_elements_and_attributes_are_accepted_with_a_warning(
    write: Write, old: str, new: str, warning: str
) -> None:
    file = write({old: new})
    (found,) = load(file).warnings
    assert found.startswith(f"{file}:{warning}")


@pytest.mark.parametrize(
    "section",
    [
        '<incomingServer type="graph"><url>https://graph.example.com/</url><color/></incomingServer>',
        '<incomingServer type="exchange"><owaURL>https://owa.example.com/</owaURL></incomingServer>',
    ],
)
def test_servers_of_other_types_are_accepted_without_a_warning(write: Write, section: str) -> None:
    assert load(write({"</emailProvider>": f"{section}</emailProvider>"})).warnings == ()


def test_other_services_of_the_format_are_accepted_without_a_warning(write: Write) -> None:
    services = (
        "<fileShare type='webdav'/><oAuth2><issuer>x</issuer></oAuth2><clientConfigUpdate url='https://x.example/'/>"
    )
    assert load(write({"</clientConfig>": f"{services}</clientConfig>"})).warnings == ()


def test_loading_a_definition_fetches_and_expands_nothing(write: Write) -> None:
    file = write({"<clientConfig": '<!DOCTYPE a SYSTEM "http://127.0.0.1:1/a.dtd"><clientConfig'})
    assert errors(file) == ["1: a definition has no DOCTYPE; remove it"]
