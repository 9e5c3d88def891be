"""The checks of single records, from a real resolver on loopback."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import dns.message
import dns.rrset
import pytest
from dns.rdatatype import RdataType

from autoconfig.operations import record_checks
from autoconfig.operations.dns import Record
from autoconfig.operations.names import Names
from autoconfig.operations.report import Finding, Problem, Verdict, ok
from tests.operations.hosts import Records, resolver

DOMAIN = "example.com"


def checked(records: Records, check: Callable[[Names], Awaitable[Finding]]) -> Finding:
    async def run(address: str) -> Finding:
        try:
            return await check(Names(address, 5))
        except Problem as problem:
            return problem.finding

    with resolver(records) as address:
        return asyncio.run(run(address))


AUTODISCOVER = f"_autodiscover._tcp.{DOMAIN}"
PUBLISH = f"publish `{AUTODISCOVER}. SRV 0 0 443 HOST.`; `bt-autoconfig dns --host HOST` prints it"


@pytest.mark.parametrize(
    ("records", "finding"),
    [
        ([], Finding(Verdict.ERROR, f"there is no SRV record {AUTODISCOVER}", PUBLISH)),
        (
            ["0 0 443 a.example.com.", "0 0 443 b.example.com."],
            Finding(Verdict.ERROR, "there are 2 SRV records; Outlook may use any", f"{PUBLISH}; remove the others"),
        ),
        (["0 0 444 a.example.com."], Finding(Verdict.ERROR, "points to port 444; Outlook uses only 443", PUBLISH)),
        (["0 0 443 ."], Finding(Verdict.ERROR, "says that the service is not offered", PUBLISH)),
        (
            ["0 0 443 a_b.example.com."],
            Finding(Verdict.ERROR, "points to a_b.example.com, which is not a hostname", PUBLISH),
        ),
        (
            ["0 0 443 gone.example.com."],
            Finding(Verdict.ERROR, "points to gone.example.com; gone.example.com has no address", PUBLISH),
        ),
        (["0 0 443 a.example.com."], ok("a.example.com:443")),
    ],
)
def test_outlooks_srv_record_must_lead_to_a_server(records: list[str], finding: Finding) -> None:
    published: Records = {(AUTODISCOVER, "SRV"): records, ("a.example.com", "A"): ["192.0.2.1"]}
    assert checked(published, lambda names: record_checks.check_autodiscover(names, DOMAIN)) == finding


@pytest.mark.parametrize(
    ("name", "data", "records", "finding"),
    [
        ("_imaps._tcp", "0 1 993 a.example.", ["5 9 993 A.example."], ok("5 9 993 A.example.")),
        ("_imaps._tcp", "0 0 0 .", ["0 0 0 ."], ok("0 0 0 . (not offered)")),
        (
            "_imaps._tcp",
            "0 1 993 a.example.",
            [],
            Finding(Verdict.ERROR, f"there is no SRV record _imaps._tcp.{DOMAIN}", "publish `{} 0 1 993 a.example.`"),
        ),
        (
            "_smtps._tcp",
            "0 1 465 a.example.",
            [],
            Finding(Verdict.WARNING, "is missing, so aerc finds no SMTP server", "publish `{} 0 1 465 a.example.`"),
        ),
        (
            "_imaps._tcp",
            "0 0 0 .",
            [],
            Finding(
                Verdict.WARNING,
                "there is no record to say that this service is not offered",
                "publish `{} 0 0 0 .`",
            ),
        ),
        (
            "_imaps._tcp",
            "0 1 993 a.example.",
            ["0 1 994 a.example.", "0 1 993 b.example."],
            Finding(
                Verdict.ERROR,
                "differs from the definition: 0 1 993 b.example., 0 1 994 a.example.",
                "publish `{} 0 1 993 a.example.` instead",
            ),
        ),
        (
            "_imaps._tcp",
            "0 1 993 a.example.",
            ["1 1 993 c.example.", "0 1 993 a.example.", "1 1 993 b.example."],
            Finding(
                Verdict.ERROR,
                "there is also SRV 1 1 993 b.example., 1 1 993 c.example.",
                "remove all but `SRV 0 1 993 a.example.`",
            ),
        ),
    ],
)
def test_an_srv_record_must_be_the_definitions_except_for_priority_and_weight(
    name: str, data: str, records: list[str], finding: Finding
) -> None:
    expected = Record(name, "SRV", data, "mail clients")
    full = f"{name}.{DOMAIN}"
    found = checked({(full, "SRV"): records}, lambda names: record_checks.check_srv(names, DOMAIN, expected))
    assert found == replace(finding, remedy=finding.remedy.replace("{}", f"{full}. SRV"))


def test_the_targets_of_srv_records_are_listed() -> None:
    name = f"_imap._tcp.{DOMAIN}"
    published: Records = {(name, "SRV"): ["0 0 143 a.example."], ("a.example", "A"): ["192.0.2.1"]}
    assert checked(published, lambda names: record_checks.check_targets(names, name)) == ok("a.example:143")
    published = {(name, "SRV"): ["0 0 0 ."]}
    assert checked(published, lambda names: record_checks.check_targets(names, name)) == ok("not offered")
    published = {(name, "SRV"): ["0 0 143 a.example.", "1 0 144 a.example."], ("a.example", "A"): ["192.0.2.1"]}
    listed = checked(published, lambda names: record_checks.check_targets(names, name))
    assert listed == ok("a.example:143, a.example:144")


@pytest.mark.parametrize(
    ("records", "finding"),
    [
        (["v=UAAC1; a=sha256; d=new", "v=spf1 -all"], ok("matches the document")),
        (
            ["v=spf1 -all"],
            Finding(
                Verdict.ERROR, "there is no TXT record {} with a digest", 'publish `{}. TXT "v=UAAC1; a=sha256; d=new"`'
            ),
        ),
        (
            ["v=UAAC1; a=sha256; d=old"],
            Finding(
                Verdict.ERROR,
                "the digest does not match the document: it is out of date, or published too early",
                'publish `{}. TXT "v=UAAC1; a=sha256; d=new"` instead',
            ),
        ),
        (
            ["v=UAAC1; a=sha256; d=new", "v=UAAC1; a=sha256; d=old", "v=UAAC1; a=sha256; d=older"],
            Finding(
                Verdict.WARNING,
                "matches the document, but there are 2 more: normal while caches expire after a change",
                "an hour after the change, remove all but `v=UAAC1; a=sha256; d=new`",
            ),
        ),
    ],
)
def test_the_digest_of_the_document_must_be_published(records: list[str], finding: Finding) -> None:
    name = f"_ua-auto-config.{DOMAIN}"
    found = checked(
        {(name, "TXT"): [f'"{text}"' for text in records]},
        lambda names: record_checks.check_text(names, name, ["v=UAAC1; a=sha256; d=new"]),
    )
    text, remedy = (one.replace("{}", name) for one in (finding.text, finding.remedy))
    assert found == Finding(finding.verdict, text, remedy)


@pytest.mark.parametrize(
    ("record", "text"),
    [
        ("0 0 143 a_b.example.", "points to a_b.example, which is not a hostname"),
        ("0 0 0 a.example.", "points to port 0"),
        ("0 0 143 gone.example.", "points to gone.example; gone.example has no address"),
    ],
)
def test_a_target_that_clients_cannot_use_is_an_error(record: str, text: str) -> None:
    name = f"_imap._tcp.{DOMAIN}"
    found = checked(
        {(name, "SRV"): ["0 0 143 a.example.", record], ("a.example", "A"): ["192.0.2.1"]},
        lambda names: record_checks.check_targets(names, name),
    )
    assert found == Finding(Verdict.ERROR, text, f"correct the record {name}, or remove it")


def test_a_text_record_that_is_not_ascii_is_ignored() -> None:
    name = f"_ua-auto-config.{DOMAIN}"
    found = checked(
        {(name, "TXT"): [r'"\255"', '"v=UAAC1; a=sha256; d=new"']},
        lambda names: record_checks.check_text(names, name, ["v=UAAC1; a=sha256; d=new"]),
    )
    assert found == ok("matches the document")


def test_the_strings_of_a_text_record_are_joined() -> None:
    """RFC 1035, section 3.3.14: a string has at most 255 bytes."""
    name = f"_ua-auto-config.{DOMAIN}"
    found = checked(
        {(name, "TXT"): ['"v=UAAC1; a=sha" "256; d=new"']},
        lambda names: record_checks.check_text(names, name, ["v=UAAC1; a=sha256; d=new"]),
    )
    assert found == ok("matches the document")


def test_a_host_is_described_by_its_alias_and_addresses() -> None:
    def change(_: dns.message.Message, response: dns.message.Message) -> None:
        if response.question[0].name.to_text() == "alias.example." and response.question[0].rdtype == RdataType.A:
            response.answer = [
                dns.rrset.from_text("alias.example.", 60, "IN", "CNAME", "host.example."),
                dns.rrset.from_text("host.example.", 60, "IN", "A", "192.0.2.1"),
            ]

    async def check(address: str) -> list[Finding]:
        names = Names(address, 5)
        return [await record_checks.check_host(names, host) for host in ("alias.example", "host.example")]

    records: Records = {("host.example", "A"): ["192.0.2.1"], ("host.example", "AAAA"): ["2001:db8::1"]}
    with resolver(records, change) as address:
        assert asyncio.run(check(address)) == [
            ok("alias of host.example, 192.0.2.1"),
            ok("192.0.2.1, 2001:db8::1"),
        ]
