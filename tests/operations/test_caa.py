"""CAA records from a real resolver on loopback."""

import asyncio

import pytest

from autoconfig.operations import caa
from autoconfig.operations.names import Names
from autoconfig.operations.report import Finding, Verdict, attempted, ok
from tests.operations.hosts import Records, resolver

HOST = "autoconfig.example.com"


def checked(records: Records, organisation: str = "Let's Encrypt", *hosts: str) -> list[Finding]:
    """Return the findings on hosts with certificates from this organisation."""

    async def check(address: str) -> list[Finding]:
        names = Names(address, 5)
        return [await attempted(caa.check, names, host, organisation) for host in hosts or (HOST,)]

    with resolver(records) as address:
        return asyncio.run(check(address))


def test_records_that_name_the_authority_among_others_allow_it_to_renew_the_certificate() -> None:
    records = ['0 issue "LetsEncrypt.org; validationmethods=dns-01"', '0 issue "digicert.com"']
    assert checked({("example.com", "CAA"): records}) == [ok("allow digicert.com, letsencrypt.org")]


def test_records_without_an_issue_property_restrict_no_authority() -> None:
    """RFC 8659, section 4.2: iodef only names an address for reports."""
    records = ['0 iodef "mailto:a@example.com"']
    assert checked({("example.com", "CAA"): records}) == [ok("any authority may issue certificates")]


AUTHORITIES = {
    "Let's Encrypt": ["letsencrypt.org"],
    "Google Trust Services LLC": ["pki.goog"],
    "ZeroSSL": ["sectigo.com", "zerossl.com"],
    "Sectigo Limited": ["sectigo.com", "comodoca.com", "comodo.com", "usertrust.com", "trust-provider.com"],
    "DigiCert Inc": [
        *("digicert.com", "geotrust.com", "rapidssl.com", "thawte.com", "symantec.com", "digicert.ne.jp"),
    ],
    "GlobalSign nv-sa": ["globalsign.com"],
    "Amazon": ["amazon.com", "amazontrust.com", "awstrust.com", "amazonaws.com"],
    "GoDaddy.com, Inc.": ["godaddy.com", "starfieldtech.com"],
    "Starfield Technologies, Inc.": ["godaddy.com", "starfieldtech.com"],
    "Entrust, Inc.": ["entrust.net", "affirmtrust.com", "sectigo.com"],
    "Buypass AS-983163327": ["buypass.com", "buypass.no"],
    "SSL Corporation": ["ssl.com"],
    "Actalis S.p.A.": ["actalis.it"],
    "Hellenic Academic and Research Institutions CA": ["harica.gr"],
    "SwissSign AG": ["swisssign.com"],
    "D-Trust GmbH": ["d-trust.net", "dtrust.de", "d-trust.de", "dtrust.net"],
    "IdenTrust": ["identrust.com"],
    "Asseco Data Systems S.A.": ["certum.pl", "certum.eu"],
    "Microsoft Corporation": ["microsoft.com"],
}
"""The CAA domains in the authorities' practice statements, by the organisation in their certificates (ccadb.org)."""


@pytest.mark.parametrize("organisation", AUTHORITIES)
def test_each_caa_domain_of_an_authority_allows_it_and_another_authoritys_forbids_it(organisation: str) -> None:
    domains = AUTHORITIES[organisation]
    records = {(f"{domain}.test", "CAA"): [f'0 issue "{domain}"'] for domain in domains}
    records["other.test", "CAA"] = ['0 issue "authority.example"']
    *allowed, forbidden = checked(records, organisation, *(name for name, _ in records))
    assert allowed == [ok(f"allow {domain}") for domain in domains]
    assert forbidden.verdict is Verdict.ERROR
    text = (
        f"only authority.example may issue certificates (CAA of other.test), but {organisation} issued the current one"
    )
    assert forbidden.text == text
    assert f'`other.test. CAA 0 issue "{domains[0]}"`' in forbidden.remedy


def test_an_authority_whose_caa_domains_are_unknown_passes_unless_no_authority_is_allowed() -> None:
    records: Records = {(HOST, "CAA"): ['0 issue "authority.example"'], ("none.test", "CAA"): ['0 issue ";"']}
    allowed, forbidden = checked(records, "", HOST, "none.test")
    assert allowed == ok("allow authority.example")
    text = "no authority may issue certificates (CAA of none.test), but another authority issued the current one"
    assert (forbidden.verdict, forbidden.text) == (Verdict.ERROR, text)
    assert '`none.test. CAA 0 issue "AUTHORITY"`' in forbidden.remedy


def test_only_the_records_of_the_nearest_name_apply() -> None:
    """RFC 8659, section 3."""
    records: Records = {
        (HOST, "CAA"): ['0 issue "letsencrypt.org"'],
        ("example.com", "CAA"): ['0 issue "authority.example"'],
    }
    assert checked(records) == [ok("allow letsencrypt.org")]


def test_without_records_any_authority_may_issue_certificates() -> None:
    assert checked({}) == [ok("any authority may issue certificates")]


@pytest.mark.parametrize(
    ("certificate", "organisation"),
    [
        ({"issuer": ((("countryName", "US"),), (("organizationName", "Amazon"),), (("commonName", "M02"),))}, "Amazon"),
        ({"issuer": ((("commonName", "Private CA"),),)}, ""),
        ({}, ""),
    ],
)
def test_the_issuer_of_a_certificate_is_its_organisation(certificate: dict[str, object], organisation: str) -> None:
    assert caa.issuer(certificate) == organisation
