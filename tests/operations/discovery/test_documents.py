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
