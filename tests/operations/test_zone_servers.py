"""Authoritative name servers on loopback that do not serve their zone."""

import asyncio

import dns.flags
import dns.message

from autoconfig.operations.names import Names
from autoconfig.operations.report import Finding, Problem, Verdict, ok
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
    assert "remove the server from the NS records" in found.remedy


def test_if_no_name_server_responds_the_result_is_unknown() -> None:
    """The network from which the check runs may block DNS queries."""
    found = checked(silent=True)
    assert (found.verdict, found.text) == (Verdict.UNKNOWN, "no name server of example.com responds")
    assert found.remedy == "allow DNS queries from this machine to them"
