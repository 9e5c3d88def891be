"""The checks of single records, from a real resolver on loopback."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from autoconfig.operations import record_checks
from autoconfig.operations.dns import Record
from autoconfig.operations.names import Names
from autoconfig.operations.report import Finding, Problem, Verdict
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


@pytest.mark.parametrize(
    ("records", "text"),
    [
        (["0 0 443 a.example.com.", "0 0 443 b.example.com."], "there are 2 SRV records; Outlook may use any"),
        (["0 0 8443 a.example.com."], "points to port 8443; Outlook uses only 443"),
    ],
)
def test_outlook_needs_one_srv_record_on_port_443(records: list[str], text: str) -> None:
    found = checked(
        {(f"_autodiscover._tcp.{DOMAIN}", "SRV"): records, ("a.example.com", "A"): ["192.0.2.1"]},
        lambda names: record_checks.check_autodiscover(names, DOMAIN),
    )
    assert (found.verdict, found.text) == (Verdict.ERROR, text)
    assert f"publish `_autodiscover._tcp.{DOMAIN}. SRV 0 0 443 HOST.`" in found.remedy


def test_an_srv_record_of_an_old_server_in_addition_to_the_right_one_is_an_error() -> None:
    """Clients may use either."""
    records = ["0 1 993 mail.example.com.", "10 1 993 old.example.com."]
    expected = Record("_imaps._tcp", "SRV", "0 1 993 mail.example.com.", "mail clients")
    found = checked(
        {(f"_imaps._tcp.{DOMAIN}", "SRV"): records}, lambda names: record_checks.check_srv(names, DOMAIN, expected)
    )
    assert (found.verdict, found.text) == (Verdict.ERROR, "there is also SRV 10 1 993 old.example.com.")
    assert found.remedy == "remove all but `SRV 0 1 993 mail.example.com.`"


def test_an_old_digest_in_addition_to_the_right_one_is_a_warning() -> None:
    """Both are published while caches expire."""
    name = f"_ua-auto-config.{DOMAIN}"
    found = checked(
        {(name, "TXT"): ['"v=UAAC1; a=sha256; d=new"', '"v=UAAC1; a=sha256; d=old"']},
        lambda names: record_checks.check_text(names, name, ["v=UAAC1; a=sha256; d=new"]),
    )
    assert found.verdict is Verdict.WARNING
    assert found.text.startswith("matches the document, but there are 1 more")
    assert found.remedy == "an hour after the change, remove all but `v=UAAC1; a=sha256; d=new`"
