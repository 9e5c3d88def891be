"""CAA records from a real resolver on loopback."""

import asyncio

from autoconfig.operations import caa
from autoconfig.operations.names import Names
from autoconfig.operations.report import Finding, ok
from tests.operations.hosts import Records, resolver


def checked(records: Records) -> Finding:
    async def check(address: str) -> Finding:
        return await caa.check(Names(address, 5), "autoconfig.example.com", "Let's Encrypt")

    with resolver(records) as address:
        return asyncio.run(check(address))


def test_records_that_name_the_authority_among_others_allow_it_to_renew_the_certificate() -> None:
    records = ['0 issue "LetsEncrypt.org; validationmethods=dns-01"', '0 issue "digicert.com"']
    assert checked({("example.com", "CAA"): records}) == ok("allow digicert.com, letsencrypt.org")


def test_records_without_an_issue_property_restrict_no_authority() -> None:
    """RFC 8659, section 4.2: iodef only names an address for reports."""
    assert checked({("example.com", "CAA"): ['0 iodef "mailto:a@example.com"']}) == ok(
        "any authority may issue certificates"
    )
