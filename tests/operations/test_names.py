"""Names that resolve to private networks or to this machine."""

import asyncio
import socket
from pathlib import Path

import dns.asyncresolver
import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rdata
import dns.rrset
import pytest

from autoconfig.operations.names import Names, is_public, srv_target
from autoconfig.operations.report import Finding, Problem, Verdict, attempted
from tests.operations.hosts import Change, Records, resolver
from tests.support import failure, run


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255",
     "::1", "::", "fe80::1", "fd00::1", "ff02::1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::1",
     "2001:0:909:909:8000:63bf:f5ff:fffe"],
)  # fmt: skip
def test_private_and_local_addresses_are_not_public(address: str) -> None:
    assert not is_public(address)


TEREDO = "2001:0:909:909:8000:63bf:f6f6:f6f6"
"""9.9.9.9 behind Teredo, which inverts its bits (RFC 4380, section 4)."""


@pytest.mark.parametrize(
    "address", ["9.9.9.9", "2620:fe::fe", "::ffff:9.9.9.9", "64:ff9b::909:909", "2002:909:909::1", TEREDO]
)
def test_an_internet_address_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("host", ["mail.example", "127.0.0.1", "::1"])
def test_untrusted_names_do_not_resolve_to_private_addresses(host: str) -> None:
    async def look_up(address: str, public_only: bool) -> list[str]:
        return await Names(address, 5, public_only=public_only).addresses(host)

    with resolver({("mail.example", "A"): ["10.0.0.1", "127.0.0.1"]}) as address:
        assert asyncio.run(look_up(address, False))
        with pytest.raises(Problem, match=r"an address of this machine or of a private network$") as raised:
            asyncio.run(look_up(address, True))
    remedy = "clients elsewhere cannot reach it; use --private-addresses if that is intended"
    assert raised.value.finding.remedy == remedy


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


@pytest.mark.parametrize("unchecked", [dns.rcode.NXDOMAIN, dns.rcode.NOERROR])
def test_a_name_without_records_if_it_is_not_validated_has_a_dnssec_failure(unchecked: dns.rcode.Rcode) -> None:
    """The proof that the records do not exist has an invalid signature."""

    def change(query: dns.message.Message, response: dns.message.Message) -> None:
        response.set_rcode(unchecked if query.flags & dns.flags.CD else dns.rcode.SERVFAIL)

    async def look_up(address: str) -> list[str]:
        return await Names(address, 5).addresses("mail.example")

    with (
        resolver({}, change) as address,
        pytest.raises(Problem, match=r"^DNSSEC validation of mail.example fails$") as raised,
    ):
        asyncio.run(look_up(address))
    remedy = "correct the zone's signatures or the DS record in its parent zone; https://dnsviz.net shows both"
    assert raised.value.finding.remedy == remedy


def found(records: Records, name: str, type_: str = "A", change: Change | None = None) -> list[str] | Finding:
    """Return the records of a name as text, or the finding on the lookup."""

    async def look_up(address: str) -> list[str] | Finding:
        records = await attempted(Names(address, 5).find, name, type_)
        return records if isinstance(records, Finding) else [one.to_text() for one in records]

    with resolver(records, change) as address:
        return asyncio.run(look_up(address))


DNSSEC_CODES = {1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 25, 27}


@pytest.mark.parametrize("code", range(31))
def test_a_failure_that_the_resolver_explains_with_dnssec_is_one_although_the_lookup_also_fails_unchecked(
    code: int,
) -> None:
    """RFC 8914, section 4, and IANA's registry of extended DNS errors."""

    def change(_: dns.message.Message, response: dns.message.Message) -> None:
        response.set_rcode(dns.rcode.SERVFAIL)
        response.use_edns(options=[dns.edns.EDEOption(code, "says why")])  # type: ignore[arg-type]

    finding = found({}, "mail.example", change=change)
    assert isinstance(finding, Finding)
    if code in DNSSEC_CODES:
        assert (finding.verdict, finding.text) == (
            Verdict.ERROR,
            "DNSSEC validation of mail.example fails (says why)",
        )
    else:
        remedy = "use another resolver (--resolver), or check the zone's name servers"
        assert finding == Finding(Verdict.UNKNOWN, "the lookup of mail.example A fails", remedy)


def test_a_name_may_have_32_records_of_a_type() -> None:
    def exchangers(number: int) -> list[str] | Finding:
        return found({("mail.example", "MX"): [f"{one} mx.example." for one in range(number)]}, "mail.example", "MX")

    assert isinstance(exchangers(32), list)
    assert exchangers(33) == Finding(Verdict.ERROR, "mail.example has 33 records of type MX", "publish at most 32")


def test_a_resolver_that_does_not_respond_in_time_is_named_as_such() -> None:
    async def look_up(port: int) -> Finding | object:
        return await attempted(Names(f"127.0.0.1:{port}", 0.1).find, "mail.example", "A")

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        finding = asyncio.run(look_up(silent.getsockname()[1]))
    remedy = "use another resolver (--resolver), or check the zone's name servers"
    assert finding == Finding(Verdict.UNKNOWN, "the lookup of mail.example A times out", remedy)


def test_a_host_without_an_address_is_distinguished_from_an_alias_that_leads_nowhere() -> None:
    async def look_up(address: str, host: str) -> list[str] | Finding:
        return await attempted(Names(address, 5).addresses, host)

    with resolver({("alias.example", "CNAME"): ["gone.example."]}, follow_aliases) as address:
        dangling, missing = (asyncio.run(look_up(address, host)) for host in ("ALIAS.example", "mail.example"))
    text = "ALIAS.example is an alias of gone.example, which has no address"
    remedy = "publish an address for gone.example, or point ALIAS.example at the server"
    assert dangling == Finding(Verdict.ERROR, text, remedy)
    remedy = "publish an A, AAAA or CNAME record for mail.example"
    assert missing == Finding(Verdict.ERROR, "mail.example has no address", remedy)


def follow_aliases(query: dns.message.Message, response: dns.message.Message) -> None:
    name = query.question[0].name.to_text().lower()
    if name == "alias.example.":
        response.answer = [dns.rrset.from_text(query.question[0].name, 60, "IN", "CNAME", "gone.example.")]


def test_each_name_is_looked_up_once_in_any_case() -> None:
    queries: list[str] = []

    def change(query: dns.message.Message, _: dns.message.Message) -> None:
        queries.append(query.question[0].to_text())

    async def look_up(address: str) -> None:
        names = Names(address, 5)
        await asyncio.gather(names.find("mail.example", "A"), names.find("Mail.Example", "A"))
        await names.find("mail.example", "A")
        await names.find("mail.example", "AAAA")

    with resolver({("mail.example", "A"): ["192.0.2.1"]}, change) as address:
        asyncio.run(look_up(address))
    assert queries == ["mail.example. IN A", "mail.example. IN AAAA"]


def test_a_name_exists_if_it_has_records_of_any_type() -> None:
    def change(query: dns.message.Message, response: dns.message.Message) -> None:
        if query.question[0].name.to_text() == "gone.example.":
            response.set_rcode(dns.rcode.NXDOMAIN)

    async def look_up(address: str) -> list[bool]:
        names = Names(address, 5)
        return [await names.exists(name) for name in ("mail.example", "gone.example")]

    with resolver({("mail.example", "MX"): ["0 mx.example."]}, change) as address:
        assert asyncio.run(look_up(address)) == [True, False]


@pytest.mark.parametrize(
    ("record", "target"),
    [("0 0 443 Mail.Example.", ("mail.example", 443)), ("0 0 443 .", ("", 443)), ("0 0 0 .", ("", 0))],
)
def test_the_target_of_an_srv_record_is_in_lower_case_and_empty_if_the_service_is_not_offered(
    record: str, target: tuple[str, int]
) -> None:
    assert srv_target(dns.rdata.from_text("IN", "SRV", record)) == target


def test_responses_over_udp_have_at_most_1232_bytes() -> None:
    """DNS Flag Day 2020: larger ones may be lost. They come over TCP."""
    queries: list[dns.message.Message] = []

    def change(query: dns.message.Message, _: dns.message.Message) -> None:
        queries.append(query)

    found({}, "mail.example", change=change)
    assert [(query.edns, query.ednsflags, query.payload) for query in queries] == [(0, 0, 1232)]
