"""The check of customers' domains, where clients find the provider's settings by MX, by SRV or at client hosts."""

import dns.rcode

from autoconfig.operations.report import Verdict
from tests.operations.test_served_check import respond
from tests.operations.world import DEFINITION, DOMAIN, FIRST, CheckResult, World

CUSTOMER = "customer.example"
BY_MX = f"https://autoconfig.{DOMAIN}/mail/config-v1.1.xml"
NOTHING = "finds no settings: the domain has no record that it uses"
HOSTING = DEFINITION.replace("<domain>", '<domain purpose="mx">')


def checked(world: World, **records: list[str]) -> CheckResult:
    world.definition_text = HOSTING
    world.records[CUSTOMER, "MX"] = [f"10 mail.{DOMAIN}."]
    world.records[CUSTOMER, "NS"] = [f"ns1.{DOMAIN}."]
    for name, values in records.items():
        prefix, _, type_ = name.rpartition("_")
        world.records[f"{prefix}.{CUSTOMER}", type_] = values
    return world.check(CUSTOMER, hosted=(CUSTOMER,))


def test_a_customer_with_only_an_mx_record_gets_warnings_for_clients_that_find_no_settings(world: World) -> None:
    found = checked(world)
    assert found.report.exit_status == 0
    assert found.text(f"MX of {CUSTOMER}") == f"mail.{DOMAIN}: clients look at autoconfig.{DOMAIN}"
    assert found.text(BY_MX) == "matches the definition"
    assert found.text(f"Thunderbird, {CUSTOMER}").endswith(f", from {BY_MX}")
    assert found.text(f"Thunderbird for Android, {CUSTOMER}").endswith(f", from {BY_MX}")
    nothing = {client for client, text in found.of(Verdict.WARNING).items() if text == NOTHING}
    assert f"Outlook, classic, {CUSTOMER}" in nothing
    assert f"KMail, {CUSTOMER}" in nothing
    remedy = "refer these users to the setup page, or publish the records that `bt-autoconfig dns` prints"
    assert found.remedy(f"KMail, {CUSTOMER}") == remedy
    assert f"_autodiscover._tcp.{CUSTOMER}" not in [line.subject for line in found.report.lines]
    assert f"autoconfig.{CUSTOMER}" not in [line.subject for line in found.report.lines]


def test_outlook_finds_a_customers_settings_by_the_srv_record(world: World) -> None:
    found = checked(world, **{"_autodiscover._tcp_SRV": [f"0 0 443 autodiscover.{DOMAIN}."]})
    place = f"https://autodiscover.{DOMAIN}/autodiscover/autodiscover.xml"
    assert found.text(f"Outlook, classic, {CUSTOMER}").endswith(f", from {place}")
    assert found.text(f"/autodiscover/autodiscover.xml by _autodiscover._tcp.{CUSTOMER}") == "matches the definition"
    assert found.text(f"_autodiscover._tcp.{CUSTOMER}") == f"autodiscover.{DOMAIN}:443"


def test_the_customers_own_hosts_are_checked_if_they_exist(world: World) -> None:
    found = checked(world, autoconfig_A=[FIRST])
    assert found.text(f"autoconfig.{CUSTOMER}", "HTTPS").startswith("certificate valid for ")
    assert found.text(f"Evolution, {CUSTOMER}").endswith(f"https://autoconfig.{CUSTOMER}/mail/config-v1.1.xml")
    world.issued[f"autoconfig.{CUSTOMER}"] = world.authority.issue_cert("a.example")
    found = checked(world)
    assert found.of(Verdict.ERROR) == {f"autoconfig.{CUSTOMER}": f"the certificate is not for autoconfig.{CUSTOMER}"}


def test_a_dangling_alias_is_an_error_not_a_missing_host(world: World) -> None:
    found = checked(world, autoconfig_CNAME=["gone.example."])
    wrong = f"autoconfig.{CUSTOMER} is an alias of gone.example, which has no address"
    assert found.of(Verdict.ERROR) == {f"autoconfig.{CUSTOMER}": wrong}


def test_a_customer_whose_mail_goes_elsewhere_is_an_error(world: World) -> None:
    world.definition_text = HOSTING
    world.records[CUSTOMER, "MX"] = ["10 mx.elsewhere.example."]
    found = world.check(CUSTOMER, hosted=(CUSTOMER,))
    assert found.problems[f"MX of {CUSTOMER}"] == "mail goes to mx.elsewhere.example, which is not this provider's"
    remedy = "point the MX record to a host of this provider, or remove the domain from its hosted domains"
    assert found.remedy(f"MX of {CUSTOMER}") == remedy
    world.records[CUSTOMER, "MX"] = ["0 ."]
    text = "the domain declares that it receives no mail (null MX, RFC 7505)"
    found = world.check(CUSTOMER, hosted=(CUSTOMER,))
    assert found.problems[f"MX of {CUSTOMER}"] == text
    assert found.remedy(f"MX of {CUSTOMER}") == "publish the provider's MX hosts: clients find the settings by them"


def test_a_fault_at_the_providers_host_is_an_error_for_its_customers(world: World) -> None:
    world.respond.append(respond(404, path="/mail/"))
    found = checked(world)
    assert found.of(Verdict.ERROR) == {BY_MX: "responds with 404"}
    assert found.text(f"Thunderbird, {CUSTOMER}") == f"skipped: see {BY_MX}"


def test_lookups_of_a_customers_records_that_fail_are_unknown(world: World) -> None:
    world.rcodes = {CUSTOMER: dns.rcode.REFUSED, f"_imaps._tcp.{CUSTOMER}": dns.rcode.REFUSED}
    world.unchecked_fails = True
    unknown = checked(world).of(Verdict.UNKNOWN)
    assert unknown[f"MX of {CUSTOMER}"] == f"the lookup of {CUSTOMER} MX fails"
    assert unknown[f"_imaps._tcp.{CUSTOMER}"] == f"the lookup of _imaps._tcp.{CUSTOMER} SRV fails"
