"""Names that resolve to private networks or to this machine."""

import asyncio
from pathlib import Path

import dns.asyncresolver
import dns.flags
import dns.message
import dns.rcode
import pytest

from autoconfig.operations.names import Names, is_public
from autoconfig.operations.report import Problem
from tests.operations.hosts import resolver
from tests.support import failure, run


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255",
     "::1", "::", "fe80::1", "fd00::1", "ff02::1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::1"],
)  # fmt: skip
def test_private_and_local_addresses_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["9.9.9.9", "2620:fe::fe", "::ffff:9.9.9.9", "64:ff9b::909:909", "2002:909:909::1"])
def test_an_internet_address_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("host", ["mail.example", "127.0.0.1", "::1"])
def test_untrusted_names_do_not_resolve_to_private_addresses(host: str) -> None:
    async def look_up(address: str, public_only: bool) -> list[str]:
        return await Names(address, 5, public_only=public_only).addresses(host)

    with resolver({("mail.example", "A"): ["10.0.0.1", "127.0.0.1"]}) as address:
        assert asyncio.run(look_up(address, False))
        with pytest.raises(Problem, match=r"an address of this machine or of a private network"):
            asyncio.run(look_up(address, True))


def test_only_the_public_ones_of_several_addresses_are_used() -> None:
    async def look_up(address: str) -> list[str]:
        return await Names(address, 5, public_only=True).addresses("mail.example")

    with resolver({("mail.example", "A"): ["10.0.0.1", "9.9.9.9"]}) as address:
        assert asyncio.run(look_up(address)) == ["9.9.9.9"]


def test_if_both_lookups_of_a_host_fail_the_message_is_about_ipv4_even_if_that_fails_last() -> None:
    """Otherwise the message would differ from run to run."""

    async def look_up(address: str) -> list[str]:
        return await Names(address, 5).addresses("mail.example")

    many = {
        ("mail.example", "A"): [f"192.0.2.{number}" for number in range(1, 101)],  # truncated: comes later, over TCP
        ("mail.example", "AAAA"): [f"2001:db8::{number}" for number in range(1, 34)],
    }
    with resolver(many) as address, pytest.raises(Problem, match=r"100 records of type A$"):
        asyncio.run(look_up(address))


def system_resolvers(monkeypatch: pytest.MonkeyPatch, file: Path, port: int = 53) -> None:
    """Let the program read the system's resolvers from a file. They listen on `port`."""

    class Resolver(dns.asyncresolver.Resolver):
        def __init__(self, *, configure: bool = True) -> None:
            super().__init__(str(file), configure)
            self.port = port

    monkeypatch.setattr(dns.asyncresolver, "Resolver", Resolver)


def test_without_the_option_the_systems_resolver_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def look_up() -> list[str]:
        return await Names(None, 5).addresses("mail.example")

    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    with resolver({("mail.example", "A"): ["192.0.2.1"]}) as address:
        system_resolvers(monkeypatch, tmp_path / "resolv.conf", int(address.rpartition(":")[2]))
        assert asyncio.run(look_up()) == ["192.0.2.1"]


@pytest.mark.parametrize("command", [["check"], ["init", "example.com"]])
def test_without_any_resolver_the_error_names_the_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    system_resolvers(monkeypatch, tmp_path / "none")
    refused = run(*command)
    assert (refused.returncode, refused.stdout) == (failure(command[0]), "")
    assert refused.stderr == "this machine has no resolver; set one with --resolver\n"


def test_a_name_that_does_not_exist_without_validation_has_a_dnssec_failure() -> None:
    """The proof that the name does not exist has an invalid signature."""

    def change(query: dns.message.Message, response: dns.message.Message) -> None:
        response.set_rcode(dns.rcode.NXDOMAIN if query.flags & dns.flags.CD else dns.rcode.SERVFAIL)

    async def look_up(address: str) -> list[str]:
        return await Names(address, 5).addresses("mail.example")

    with resolver({}, change) as address, pytest.raises(Problem, match=r"^DNSSEC validation of mail.example fails$"):
        asyncio.run(look_up(address))
