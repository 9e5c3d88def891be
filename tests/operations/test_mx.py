"""Mail exchangers from a real resolver on loopback, and the domains that clients derive from their names."""

import asyncio

import pytest

from autoconfig.operations.mx import Exchanger, exchanger, exchangers, registrable_domain
from autoconfig.operations.names import Names
from tests.operations.hosts import Records, resolver


def found(records: Records) -> list[Exchanger]:
    async def look_up(address: str) -> list[Exchanger]:
        return await exchangers(Names(address, 5), "customer.example")

    with resolver(records) as address:
        return asyncio.run(look_up(address))


@pytest.mark.parametrize(
    ("host", "full", "base"),
    [
        ("mx.a.example.co.uk", "a.example.co.uk", "example.co.uk"),
        ("mx.example.com", "example.com", "example.com"),
        ("customer-example.mail.protection.outlook.com", "mail.protection.outlook.com", "outlook.com"),
        ("example.co.uk", "", "example.co.uk"),  # anyone could control autoconfig.co.uk
        ("com", "", ""),
        ("mx.xn--85x722f.xn--55qx5d.cn", "xn--85x722f.xn--55qx5d.cn", "xn--85x722f.xn--55qx5d.cn"),
        ("mx.customer.github.io", "customer.github.io", "customer.github.io"),  # the list's private section counts
    ],
)
def test_clients_use_the_exchangers_parent_and_registrable_domain(host: str, full: str, base: str) -> None:
    assert exchanger(host) == Exchanger(host, full, base)


def test_a_domain_that_is_both_is_used_once() -> None:
    assert exchanger("mx.example.com").domains == ("example.com",)
    assert exchanger("mx.a.example.com").domains == ("a.example.com", "example.com")
    assert exchanger("example.com").domains == ("example.com",)


def test_the_exchanger_with_the_lowest_preference_comes_first() -> None:
    hosts = found({("customer.example", "MX"): ["20 b.example.net.", "5 MX.Example.org.", "10 a.example.net."]})
    assert [one.host for one in hosts] == ["mx.example.org", "a.example.net", "b.example.net"]


@pytest.mark.parametrize("records", [[], ["0 ."], ["10 _mx.example."], [r"10 \027[2J.example."], ["10 192.0.2.1."]])
def test_a_mail_exchanger_with_an_invalid_hostname_is_ignored(records: list[str]) -> None:
    assert found({("customer.example", "MX"): records} if records else {}) == []


def test_a_public_suffix_has_no_registrable_domain() -> None:
    assert [registrable_domain(name) for name in ("", "com", "co.uk", "a..b")] == [""] * 4
