"""Authoritative name servers on loopback that do not serve their zone."""

import asyncio

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from autoconfig.operations.names import Names
from autoconfig.operations.report import Finding, Problem, Verdict, attempted, ok
from autoconfig.operations.zone_servers import ZoneServers
from tests.operations.hosts import Records, resolver

QUESTIONS = [("example.com", "MX"), ("autoconfig.example.com", "A")]
SERVED: Records = {
    ("example.com", "NS"): ["ns1.example.com.", "ns2.example.com."],
    ("ns1.example.com", "A"): ["127.0.0.1"],
    ("example.com", "MX"): ["10 mail.example.com."],
}


def checked(*, authoritative: bool = True, silent: bool = False) -> Finding:
    """Return the finding on a zone whose server is also the resolver, unless nothing responds on its port."""

    def change(_: dns.message.Message, response: dns.message.Message) -> None:
        if authoritative:
            response.flags |= dns.flags.AA

    async def check(address: str) -> Finding:
        names = Names(address, 5, authority_port=1 if silent else int(address.rpartition(":")[2]))
        names.timeout = 0.05 if silent else 5
        try:
            return await ZoneServers(names).check("example.com", QUESTIONS)
        except Problem as problem:
            return problem.finding

    with resolver(SERVED, change) as address:
        return asyncio.run(check(address))


def test_a_name_server_without_an_address_does_not_stop_the_check_of_the_others() -> None:
    assert checked() == ok("ns1.example.com (127.0.0.1) responds")


def test_a_name_server_whose_answers_are_not_authoritative_is_an_error() -> None:
    """It is a resolver, or has not loaded the zone."""
    found = checked(authoritative=False)
    text = "ns1.example.com (127.0.0.1) does not serve example.com: its answer is not authoritative"
    assert (found.verdict, found.text) == (Verdict.ERROR, text)
    remedy = "configure the zone there, or remove the server from the NS records (zone and parent zone)"
    assert found.remedy == remedy


def test_if_no_name_server_responds_the_result_is_unknown() -> None:
    """The network from which the check runs may block DNS queries."""
    found = checked(silent=True)
    assert (found.verdict, found.text) == (Verdict.UNKNOWN, "no name server of example.com responds")
    assert found.remedy == "allow DNS queries from this machine to them"


def servers(number: int, addresses: int = 1) -> Records:
    """Return the records of a zone with this number of name servers, each with this number of addresses."""
    records: dict[tuple[str, str], list[str]] = {("example.com", "NS"): []}
    for server in range(number):
        records["example.com", "NS"].insert(0, f"ns{server}.example.com.")  # the check sorts them
        records[f"ns{server}.example.com", "A"] = [f"127.0.{server}.{one + 1}" for one in range(addresses)]
    return records


class Zone:
    """The answers of the name servers of a zone by their address, if they are not those of the resolver."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answers: dict[str, list[dns.rrset.RRset] | None]) -> None:
        self.asked: list[tuple[str, str]] = []
        self._answers = answers
        monkeypatch.setattr("dns.asyncquery.udp_with_fallback", self._answer)

    async def _answer(
        self, query: dns.message.Message, address: str, *_: object, **__: object
    ) -> tuple[dns.message.Message, bool]:
        self.asked.append((address, query.question[0].to_text()))
        assert not query.flags & dns.flags.RD
        assert (query.edns, query.payload) == (0, 1232)
        answer = self._answers.get(address, [])
        if answer is None:
            raise dns.exception.Timeout
        response = dns.message.make_response(query)
        response.flags |= dns.flags.AA
        response.answer = list(answer)
        return response, False

    def check(self, records: Records, domain: str = "example.com") -> Finding:
        async def check(address: str) -> Finding:
            return await attempted(ZoneServers(Names(address, 5)).check, domain, [(domain, "A")])

        with resolver(records) as address:
            return asyncio.run(check(address))


def a_record(*addresses: str, owner: str = "example.com.", ttl: int = 60) -> list[dns.rrset.RRset]:
    return [dns.rrset.from_text(owner, ttl, "IN", "A", *addresses)]


def test_a_zone_without_name_servers_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = Finding(Verdict.UNKNOWN, "example.com has no name server", "correct the zone's NS records")
    assert Zone(monkeypatch, {}).check({}) == expected
    assert Zone(monkeypatch, {}).check({("example.com", "NS"): ["ns1.example.com."]}) == expected


def test_a_domain_within_a_zone_is_checked_at_the_zones_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    zone = Zone(monkeypatch, {"127.0.0.1": a_record("192.0.2.1", owner="a.b.example.com.")})
    assert zone.check(servers(1), "a.b.example.com") == ok("ns0.example.com (127.0.0.1) responds")
    assert set(zone.asked) == {("127.0.0.1", "a.b.example.com. IN A")}


def test_at_most_eight_addresses_are_asked_first_one_of_each_server(monkeypatch: pytest.MonkeyPatch) -> None:
    zone = Zone(monkeypatch, {})
    zone.check(servers(5, addresses=2))
    asked = list(dict.fromkeys(address for address, _ in zone.asked))
    assert sorted(asked[:5]) == [f"127.0.{server}.1" for server in range(5)]
    assert len(asked) == 8


def test_a_silent_server_is_a_warning_and_asked_only_once(monkeypatch: pytest.MonkeyPatch) -> None:
    zone = Zone(monkeypatch, {"127.0.0.1": None, "127.0.1.1": None})
    found = zone.check(servers(4))
    text = (
        "no response from ns0.example.com (127.0.0.1), ns1.example.com (127.0.1.1); "
        "ns2.example.com (127.0.2.1) and ns3.example.com (127.0.3.1) agree"
    )
    assert found == Finding(Verdict.WARNING, text, "start the server, or remove it from the zone's NS records")
    assert [address for address, _ in zone.asked].count("127.0.0.1") == 1


@pytest.mark.parametrize(
    "other",
    [
        a_record("192.0.2.2", "192.0.2.1"),
        a_record("192.0.2.1", "192.0.2.2", ttl=3600),
        a_record("192.0.2.1", "192.0.2.2") + a_record("192.0.2.9", owner="other.example."),
    ],
    ids=["another order", "another TTL", "records of another name"],
)
def test_the_order_and_the_ttl_of_records_may_differ(
    monkeypatch: pytest.MonkeyPatch, other: list[dns.rrset.RRset]
) -> None:
    zone = Zone(monkeypatch, {"127.0.0.1": a_record("192.0.2.1", "192.0.2.2"), "127.0.1.1": other})
    agree = "ns0.example.com (127.0.0.1) and ns1.example.com (127.0.1.1) agree"
    assert zone.check(servers(2)) == ok(agree)


def test_servers_with_different_records_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    zone = Zone(monkeypatch, {"127.0.0.1": a_record("192.0.2.1"), "127.0.1.1": a_record("192.0.2.2")})
    text = "ns0.example.com (127.0.0.1) and ns1.example.com (127.0.1.1) have different records for example.com A"
    remedy = "transfer the zone to the secondary servers again; increase the SOA serial with each change"
    assert zone.check(servers(2)) == Finding(Verdict.ERROR, text, remedy)


def test_a_server_that_refuses_to_serve_the_zone_is_an_error() -> None:
    """The code of its response is named."""

    def change(query: dns.message.Message, response: dns.message.Message) -> None:
        if not query.flags & dns.flags.RD:
            response.set_rcode(dns.rcode.REFUSED)

    async def check(address: str) -> Finding:
        names = Names(address, 5, authority_port=int(address.rpartition(":")[2]))
        return await attempted(ZoneServers(names).check, "example.com", QUESTIONS)

    with resolver(SERVED, change) as address:
        found = asyncio.run(check(address))
    assert found.text == "ns1.example.com (127.0.0.1) does not serve example.com: it responds with REFUSED"
