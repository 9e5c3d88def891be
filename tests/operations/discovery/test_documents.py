"""Published documents: valid, invalid and hostile ones."""

import json
import resource
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoconfig.address import MailAddress
from autoconfig.operations.discovery.claims import Claim, ServiceClaim, Source
from autoconfig.operations.discovery.documents import (
    read_autoconfig,
    read_autodiscover,
    read_own_autoconfig,
    read_pacc,
)

ADDRESS = MailAddress("bt-autoconfig-init", "example.org")
IMAP = "<incomingServer type='imap'><hostname>imap.example.org</hostname><port>993</port><socketType>ssl</socketType></incomingServer>"
OUTLOOK = "<Protocol><Type>IMAP</Type><Server>imap.example.org</Server><Port>993</Port></Protocol>"
READERS: list[Callable[[str, bytes, MailAddress], Source | None]] = [
    read_autoconfig,
    read_own_autoconfig,
    read_autodiscover,
    read_pacc,
]


def config(content: str, after: str = "") -> Source | None:
    text = f"<clientConfig><emailProvider id='example.org'>{content}</emailProvider>{after}</clientConfig>"
    return read_autoconfig("there", text.encode(), ADDRESS)


def outlook(content: str) -> Source | None:
    return read_autodiscover("there", f"<Autodiscover><Response>{content}</Response></Autodiscover>".encode(), ADDRESS)


def pacc(content: object) -> Source | None:
    return read_pacc("there", json.dumps(content).encode(), ADDRESS)


def test_all_settings_of_an_autoconfig_file_are_read() -> None:
    found = config(
        """<domain>example.org</domain><domain>example.net</domain><domain purpose="mx">hosting.example</domain>
        <displayName>Example Mail</displayName><displayShortName>Example</displayShortName>
        <incomingServer type="pop3"><hostname>pop.example.org</hostname><port>110</port><socketType>STARTTLS</socketType>
        <authentication>OAuth2</authentication><authentication system="sasl">SCRAM-SHA-256</authentication>
        <authentication>OAuth2</authentication><authentication>unknown</authentication>
        <username>%EMAILLOCALPART%</username></incomingServer>
        <incomingServer type="jmap"><url>https://example.org/jmap</url><authentication>OAuth2</authentication>
        <username>%EMAILADDRESS%</username></incomingServer>
        <outgoingServer type="smtp"><hostname>smtp.example.org</hostname><port>25</port><socketType>plain</socketType>
        <authentication>none</authentication></outgoingServer>
        <documentation url="https://example.org/help"/>""",
        """<calendar type="caldav"><url>https://example.org/cal</url><authentication>http-basic</authentication></calendar>
        <addressbook type="carddav"><url>https://example.org/book</url></addressbook>
        <webMail><loginPage url="https://example.org/webmail"/></webMail>
        <oAuth2><issuer>https://example.org/login</issuer></oAuth2>""",
    )
    assert found == Source(
        "there",
        (
            Claim("pop3", "pop.example.org", 110, "STARTTLS", ("OAuth2", "password-encrypted"), "%EMAILLOCALPART%"),
            Claim("smtp", "smtp.example.org", 25, "plain", ("none",)),
        ),
        (
            ServiceClaim("jmap", "https://example.org/jmap", ("OAuth2",), "%EMAILADDRESS%"),
            ServiceClaim("caldav", "https://example.org/cal", ("Basic",)),
            ServiceClaim("carddav", "https://example.org/book"),
        ),
        display_name="Example Mail",
        short_name="Example",
        domains=("example.org", "example.net"),
        mx_domains=("hosting.example",),
        help_page="https://example.org/help",
        webmail="https://example.org/webmail",
        issuer="https://example.org/login",
    )


@pytest.mark.parametrize(
    ("type_", "services"),
    [
        ("exchange", ("https://example.org/ews", "https://example.org/eas")),
        ("imap", ()),
    ],
)
def test_ews_and_activesync_are_read_from_an_exchange_section_only(type_: str, services: tuple[str, ...]) -> None:
    urls = "<ewsURL>https://example.org/ews</ewsURL><easURL>https://example.org/eas</easURL>"
    found = config(f"<incomingServer type='{type_}'>{urls}</incomingServer>{IMAP}")
    assert found
    assert tuple(one.url for one in found.services) == services


@pytest.mark.parametrize("tag", ["fileShare", "chatServer", "videoConference", "setupServer"])
def test_elements_that_are_not_copied_are_named(tag: str) -> None:
    found = config(IMAP, f"<{tag}/>")
    assert found
    assert found.remarks == (f"init does not copy the element {tag}",)


def test_the_first_three_errors_of_a_file_are_reported_with_their_lines() -> None:
    sections = "\n".join([IMAP] * 4)  # without authentication
    content = f"<clientConfig version='1.1'><emailProvider id='example.org'>\n{sections}</emailProvider></clientConfig>"
    found = read_own_autoconfig("there", content.encode(), ADDRESS)
    assert found
    assert [one.partition(": ")[0] for one in found.remarks] == [
        f"the file has an error in line {line}" for line in (1, 2, 3)
    ]


def test_a_limited_number_of_servers_is_read() -> None:
    found = config("".join(IMAP.replace("imap.", f"imap{number}.") for number in range(20)))
    assert found
    assert [one.host for one in found.claims] == [f"imap{number}.example.org" for number in range(12)]
    found = outlook("".join(OUTLOOK.replace("imap.", f"imap{number}.") for number in range(20)))
    assert found
    assert [one.host for one in found.claims] == [f"imap{number}.example.org" for number in range(12)]


@pytest.mark.parametrize(("more", "read"), [(1994, True), (1995, False)])
def test_a_file_of_2000_elements_is_read(more: int, read: bool) -> None:
    """Six of them are the root, the provider, and a server with three settings."""
    assert (config(IMAP + "<a/>" * more) is not None) == read


@pytest.mark.parametrize(("length", "read"), [(2000, True), (2001, False)])
def test_a_text_of_2000_characters_is_read(length: int, read: bool) -> None:
    assert (config(f"{IMAP}<a>{'b' * length}</a>") is not None) == read


def test_a_server_with_an_unknown_socket_type_is_read_without_it() -> None:
    found = config(IMAP.replace(">ssl<", ">tls1<"))
    assert found
    assert found.claims == (Claim("imap", "imap.example.org", 993),)


def test_other_spellings_of_values_are_read() -> None:
    found = config(IMAP)
    assert found
    assert found.claims == (Claim("imap", "imap.example.org", 993, "SSL"),)


@pytest.mark.parametrize(
    "broken",
    [
        IMAP.replace("type='imap'", "type='nntp'"),
        IMAP.replace("incomingServer", "outgoingServer"),
        "<incomingServer/>",
        "<incomingServer type='jmap'><url>ftp://example.org</url></incomingServer>",
    ],
)
def test_only_the_invalid_section_is_skipped(broken: str) -> None:
    assert config(broken) is None
    found = config(broken + IMAP)
    assert found
    assert len(found.claims) == 1


def test_a_server_with_an_invalid_hostname_is_skipped_with_a_remark() -> None:
    found = config(IMAP.replace("imap.example.org", "imap") + IMAP)
    assert found
    assert len(found.claims) == 1
    assert found.remarks == ("imap imap; this is not a hostname",)


def test_a_file_that_takes_long_to_read_has_no_settings_and_a_remark() -> None:
    content = f"<clientConfig>{'<a/>' * 3000}</clientConfig>".encode()
    limits = "more than 2000 elements or a text of more than 2000 characters"
    remark = f"init does not read this file, because it has {limits}"
    assert read_own_autoconfig("there", content, ADDRESS) == Source("there", remarks=(remark,))


def test_a_file_with_thousands_of_attributes_takes_little_memory() -> None:
    attributes = " ".join(f"a{number}=''" for number in range(20_000))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = read_own_autoconfig("there", f"<clientConfig><a {attributes}/></clientConfig>".encode(), ADDRESS)
    assert found
    assert found.remarks == (
        "the file has an error in line 1: a has more than 100 attributes; remove those that no client reads",
    )
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024  # KiB; 3 GB without a limit


def test_display_names_are_truncated_and_made_visible() -> None:
    found = config(f"{IMAP}<displayName>a\u202eb{'c' * 99}</displayName><displayShortName> d  e </displayShortName>")
    assert found
    assert found.display_name.startswith(r"a\u202ebccc")
    assert len(found.display_name) == 60
    assert found.short_name == "d e"


def test_a_limited_number_of_domains_is_read() -> None:
    names = "".join(f"<domain>d{number}.example</domain>" for number in range(99))
    found = config(
        f"<domain>no domain</domain><domain>local</domain><domain purpose='mx'>example.org</domain>{names}{IMAP}"
    )
    assert found
    assert len(found.domains) == 19
    assert found.mx_domains == ("example.org",)


@pytest.mark.parametrize(
    ("texts", "socket_type"),
    [
        ("<SSL>on</SSL>", "SSL"),
        ("", "SSL"),
        ("<SSL>off</SSL>", "plain"),
        ("<SSL>off</SSL><Encryption>TLS</Encryption>", "STARTTLS"),
        ("<SSL>on</SSL><Encryption>None</Encryption>", "plain"),
        ("<Encryption>SSL</Encryption>", "SSL"),
    ],
)
def test_encryption_overrides_ssl_in_outlooks_settings(texts: str, socket_type: str) -> None:
    found = outlook(OUTLOOK.replace("</Port>", f"</Port>{texts}"))
    assert found
    assert [one.socket_type for one in found.claims] == [socket_type]


def test_all_settings_of_outlooks_response_are_read() -> None:
    found = outlook(
        """<Protocol><Type>POP</Type><Server>pop.example.org</Server><Port>995</Port><SSL>OFF</SSL>
        <LoginName>bt-autoconfig-init</LoginName></Protocol>
        <Protocol><Type>smtp</Type><Server>smtp.example.org</Server><Encryption>tls</Encryption></Protocol>
        <Protocol><Type>CalDAV</Type><Server>https://example.org/cal</Server>
        <LoginName>bt-autoconfig-init@example.org</LoginName></Protocol>
        <Protocol><Type>CardDAV</Type><Server>https://example.org/book</Server></Protocol>
        <Protocol><Type>CardDAV</Type><Server>http://example.org/book</Server></Protocol>
        <Protocol><Type>EXCH</Type><Server>https://example.org/ews</Server></Protocol>"""
    )
    assert found == Source(
        "there",
        (
            Claim("pop3", "pop.example.org", 995, "plain", (), "%EMAILLOCALPART%"),
            Claim("smtp", "smtp.example.org", 0, "STARTTLS"),
        ),
        (
            ServiceClaim("caldav", "https://example.org/cal", (), "%EMAILADDRESS%"),
            ServiceClaim("carddav", "https://example.org/book"),
        ),
    )


@pytest.mark.parametrize("text", ["<html>{}</html>", "<!DOCTYPE Autodiscover><Autodiscover>{}</Autodiscover>"])
def test_only_an_autodiscover_response_without_a_doctype_is_read(text: str) -> None:
    assert read_autodiscover("there", text.format(OUTLOOK).encode(), ADDRESS) is None


def test_a_response_with_only_a_calendar_is_read() -> None:
    found = outlook("<Protocol><Type>CalDAV</Type><Server>https://example.org/cal</Server></Protocol>")
    assert found
    assert (found.claims, [one.type for one in found.services]) == ((), ["caldav"])


def test_activesync_is_read_from_its_own_response() -> None:
    server = "<Server><Type>{}</Type><Url>https://example.org/{}</Url></Server>"
    found = outlook(
        server.format("CertEnroll", "x") + server.format("MobileSync", "eas") + server.format("MobileSync", "2")
    )
    assert found
    assert found.services == (ServiceClaim("activeSync", "https://example.org/eas"),)


@pytest.mark.parametrize(
    "content", ["", "<Protocol/>", OUTLOOK.replace("IMAP", "WEB"), OUTLOOK.replace("imap.", "a b.")]
)
def test_settings_without_a_usable_server_are_ignored(content: str) -> None:
    assert outlook(content) is None


def test_all_settings_of_a_pacc_document_are_read() -> None:
    found = pacc(
        {
            "protocols": {
                "imap": {"host": "imap.example.org"},
                "pop3": {"host": "pop.example.org"},
                "submit": {"host": "smtp.example.org"},
                "jmap": {"url": "https://example.org/jmap"},
                "caldav": {"url": "https://example.org/cal"},
                "carddav": {"url": "https://example.org/book"},
                "managesieve": {"host": "sieve.example.org"},
            },
            "info": {
                "provider": {"name": "Example Mail", "shortName": "Example"},
                "help": {"documentation": "https://example.org/help"},
            },
        }
    )
    assert found == Source(
        "there",
        (
            Claim("imap", "imap.example.org", 993, "SSL"),
            Claim("pop3", "pop.example.org", 995, "SSL"),
            Claim("smtp", "smtp.example.org", 465, "SSL"),
        ),
        (
            ServiceClaim("jmap", "https://example.org/jmap"),
            ServiceClaim("caldav", "https://example.org/cal"),
            ServiceClaim("carddav", "https://example.org/book"),
        ),
        display_name="Example Mail",
        short_name="Example",
        help_page="https://example.org/help",
    )


@pytest.mark.parametrize(
    ("key", "place"), [("caldav", {"url": "https://example.org/cal"}), ("submit", {"host": "smtp.example.org"})]
)
def test_a_pacc_document_may_have_any_single_service(key: str, place: dict[str, str]) -> None:
    assert pacc({"protocols": {key: place}})


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        {},
        {"protocols": []},
        {"protocols": {"imap": "x"}},
        {"protocols": {"imap": {"host": 1}, "jmap": {"url": {}}}},
    ],
)
def test_json_other_than_pacc_is_ignored(content: object) -> None:
    assert pacc(content) is None


def test_a_lone_surrogate_in_a_name_can_be_written() -> None:
    found = pacc({"protocols": {"imap": {"host": "imap.example.org"}}, "info": {"provider": {"name": "\ud800"}}})
    assert found
    assert found.display_name == r"\ud800"


BOMB = b'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">%s]>' % b"".join(
    b'<!ENTITY %c "%s">' % (letter, b"&%c;" % (letter - 1) * 10) for letter in range(98, 108)
)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00", b"<", b"{", b"[" * 100_000, b"<a>" * 80_000, BOMB + b"<clientConfig>&k;</clientConfig>",
     BOMB + b"<Autodiscover>&k;</Autodiscover>", b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><Autodiscover/>',
     b"<Autodiscover " + b"".join(b"a%d='' " % number for number in range(20_000)) + b"/>", b"<html/>",
     b"<x:clientConfig xmlns:x='y'/>", b"\xff\xfe<\x00"],
)  # fmt: skip
def test_hostile_documents_are_rejected_quickly(content: bytes) -> None:
    began = time.monotonic()
    found = [read("there", content, ADDRESS) for read in READERS]
    assert [one is None for one in found] == [True, False, True, True]  # the domain's own file gets a remark
    assert found[1]
    assert (found[1].claims, found[1].services, len(found[1].remarks)) == ((), (), 1)
    assert time.monotonic() - began < 5


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode("utf-8", "replace")))
def test_no_input_crashes_a_reader(content: bytes) -> None:
    for read in READERS:
        read("there", content, ADDRESS)
        read("there", b"<clientConfig><emailProvider>" + content + b"</emailProvider></clientConfig>", ADDRESS)


HUGE = {
    "elements": "<a/>" * 60_000,
    "domains": "".join(f"<domain>ü{number}.example</domain>" for number in range(8_000)),
    "a hostname": f"<incomingServer type='imap'><hostname>{'ü.' * 60_000}</hostname></incomingServer>",
    "text between elements": "x<b/>" * 40_000,
}


@pytest.mark.parametrize("content", HUGE.values(), ids=HUGE)
def test_a_document_that_would_take_long_is_rejected(content: str) -> None:
    assert config(content + IMAP) is None
