import asyncio
import re
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import dns.flags
import dns.message
import dns.resolver
import dns.update
import pytest

from autoconfig import mail_exchangers
from autoconfig import recognition as module
from autoconfig.mail_exchangers import Resolver
from autoconfig.mx_messages import Response, make_query
from autoconfig.recognition import Recognition, Verdict
from autoconfig.sources import Sources
from tests.name_server import (
    NameServer,
    Responder,
    alias,
    enormous,
    failure,
    forged,
    garbage,
    missing,
    mx,
    name_server,
    silence,
    silent_address,
    to_another_query,
    truncated,
)
from tests.support import TIMEOUT, Write

OURS, FOREIGN, UNCERTAIN = Verdict(True, 7), Verdict(True), Verdict(False)
T = TypeVar("T")


def owner(host: str) -> int | None:
    return 7 if host == "mx.example.net" else None


@pytest.fixture
def server() -> Iterator[NameServer]:
    responders: dict[str, Responder] = {
        "customer.example": mx("10 mx.example.net."),
        "*.slow.example": silence,
        "broken.example": failure,
    }
    with name_server(responders) as server:
        yield server


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lookups without a response take one second, not three."""
    monkeypatch.setattr(mail_exchangers, "_DEADLINE", 1.0)
    monkeypatch.setattr(mail_exchangers, "_ATTEMPT", 0.3)


def settle(address: str, *domains: str) -> list[Verdict]:
    async def run() -> list[Verdict]:
        recognition = Recognition(Resolver(address), owner)
        return await asyncio.gather(*map(recognition.settle, domains))

    return asyncio.run(run())


def with_recognition(server: NameServer, use: Callable[[Recognition], Awaitable[T]]) -> T:
    async def run() -> T:
        return await use(Recognition(Resolver(server.address), owner))

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("respond", "verdict"),
    [
        (mx("10 mx.example.net."), OURS),
        (mx("10 MX.Example.NET."), OURS),
        (mx("20 elsewhere.example.", "10 mx.example.net."), OURS),
        (mx("10 elsewhere.example.", "20 mx.example.net."), FOREIGN),  # the provider's is a backup
        (mx("10 elsewhere.example.", "10 mx.example.net."), OURS),
        (mx("0 ."), FOREIGN),  # RFC 7505: no mail
        (mx(), FOREIGN),
        (missing, FOREIGN),
        (alias("other.example.", "10 mx.example.net."), OURS),
    ],
)
def test_a_domain_is_a_customers_if_its_preferred_mx_host_is_the_providers(
    respond: Responder, verdict: Verdict
) -> None:
    with name_server({"customer.example": respond}) as server:
        assert settle(server.address, "customer.example") == [verdict]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("respond", [failure, silence, garbage, forged, to_another_query, enormous])
def test_a_domain_without_a_valid_response_is_uncertain(respond: Responder) -> None:
    with name_server({"customer.example": respond}) as server:
        assert settle(server.address, "customer.example") == [UNCERTAIN]


@pytest.mark.parametrize(
    ("respond", "verdict"), [(mx("10 mx.example.net."), OURS), (enormous, UNCERTAIN), (garbage, UNCERTAIN)]
)
def test_responses_too_large_for_udp_come_over_tcp_within_limits(respond: Responder, verdict: Verdict) -> None:
    with name_server({"customer.example": truncated}, {"customer.example": respond}) as server:
        assert settle(server.address, "customer.example") == [verdict]


def test_without_a_resolver_every_domain_is_uncertain() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    assert settle(address, "customer.example") == [UNCERTAIN]


def test_a_silent_resolver_has_three_seconds() -> None:
    with silent_address() as address:
        start = time.monotonic()
        assert settle(address, *(f"customer{number}.example" for number in range(20))) == [UNCERTAIN] * 20
        assert time.monotonic() - start < 10  # concurrently, not one after the other


def test_concurrent_lookups_are_merged_and_results_cached(server: NameServer) -> None:
    async def use(recognition: Recognition) -> None:
        assert await asyncio.gather(*(recognition.settle("customer.example") for _ in range(50))) == [OURS] * 50
        assert recognition.remembered("customer.example") == OURS
        assert await recognition.settle("foreign.example") == FOREIGN
        assert recognition.remembered("foreign.example") == FOREIGN

    with_recognition(server, use)
    assert server.queries == {"customer.example": 1, "foreign.example": 1}


def test_customers_are_cached_for_their_ttl_and_others_for_minutes(
    server: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.udp |= {
        "short.example": mx("10 mx.example.net.", ttl=0),
        "long.example": mx("10 mx.example.net.", ttl=10**6),
    }
    moment = time.monotonic()
    monkeypatch.setattr("autoconfig.recognition.time.monotonic", lambda: moment)

    async def use(recognition: Recognition) -> None:
        nonlocal moment
        domains = ("customer.example", "short.example", "long.example", "foreign.example", "broken.example")
        for domain in domains:
            await recognition.settle(domain)

        def remembered() -> list[str]:
            return [domain for domain in domains if recognition.remembered(domain)]

        assert remembered() == list(domains)
        moment += 11
        assert remembered() == ["customer.example", "long.example", "foreign.example"]
        moment += 300
        assert remembered() == ["customer.example", "long.example"]
        moment += 300
        assert remembered() == ["long.example"]
        moment += 86400
        assert remembered() == []

    with_recognition(server, use)


@pytest.mark.usefixtures("impatient")
def test_a_flood_of_names_in_a_slow_zone_does_not_delay_customers(server: NameServer) -> None:
    async def use(recognition: Recognition) -> None:
        flood = [asyncio.create_task(recognition.settle(f"x{number}.slow.example")) for number in range(2000)]
        await asyncio.sleep(0)
        assert await recognition.settle("customer.example") == OURS
        waiting = [one for one in flood if not one.done()]
        assert 0 < len(waiting) <= 64
        assert set(await asyncio.gather(*flood)) == {UNCERTAIN}

    with_recognition(server, use)


@pytest.mark.usefixtures("impatient")
def test_few_requests_wait_for_the_same_slow_name(server: NameServer) -> None:
    async def use(recognition: Recognition) -> None:
        flood = [asyncio.create_task(recognition.settle("x.slow.example")) for _ in range(2000)]
        await asyncio.sleep(0)
        assert len([one for one in flood if not one.done()]) == module.MAX_WAITING_FOR_ONE
        assert await recognition.settle("customer.example") == OURS  # there is room for other names
        assert set(await asyncio.gather(*flood)) == {UNCERTAIN}
        assert not recognition._waiting_for

    with_recognition(server, use)


@pytest.mark.usefixtures("impatient")
def test_few_requests_in_total_wait_for_slow_names(server: NameServer) -> None:
    server.udp["*.test"] = silence

    async def use(recognition: Recognition) -> None:
        flood = [asyncio.create_task(recognition.settle(f"slow{n % 20}.test")) for n in range(1000)]
        await asyncio.sleep(0)
        assert await recognition.settle("customer.example") == UNCERTAIN  # without waiting
        assert len([one for one in flood if not one.done()]) == module.MAX_WAITING
        assert set(await asyncio.gather(*flood)) == {UNCERTAIN}
        assert not recognition._waiting_for

    with_recognition(server, use)


def test_a_request_that_cannot_wait_longer_gets_no_verdict_and_the_lookup_continues(server: NameServer) -> None:
    asked, answer = threading.Event(), threading.Event()

    def late(query: dns.message.Message) -> bytes:
        asked.set()
        answer.wait(TIMEOUT)
        return mx("10 mx.example.net.")(query)

    server.udp["late.example"] = late

    async def use(recognition: Recognition) -> None:
        assert await recognition.settle("late.example", 0) == UNCERTAIN
        running = recognition._running["late.example"]
        answer.set()
        assert await running == OURS
        assert recognition.remembered("late.example") == OURS

    with_recognition(server, use)


@pytest.mark.usefixtures("impatient")
def test_an_attacker_gets_a_small_share_of_the_lookups_in_a_shared_zone(server: NameServer) -> None:
    server.udp |= {"*.attacker.co.example": silence, "shop.co.example": mx("10 mx.example.net.")}

    async def use(recognition: Recognition) -> None:
        flood = [asyncio.create_task(recognition.settle(f"x{n}.attacker.co.example")) for n in range(500)]
        await asyncio.sleep(0)
        assert await recognition.settle("shop.co.example") == OURS
        assert 0 < len([one for one in flood if not one.done()]) <= 16
        await asyncio.gather(*flood)

    with_recognition(server, use)


def test_a_flood_of_names_does_not_evict_customers_and_memory_is_bounded(
    server: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MAX_OTHERS", 50)
    monkeypatch.setattr(module, "_MAX_CUSTOMERS", 2)
    server.udp |= {f"customer{n}.example": mx("10 mx.example.net.") for n in (1, 2, 3)}

    async def use(recognition: Recognition) -> None:
        for n in (1, 2, 1, 3):
            await recognition.settle(f"customer{n}.example")
        for number in range(200):
            await recognition.settle(f"x{number}.example")
        kept = [n for n in range(200) if recognition.remembered(f"x{n}.example")]
        assert kept == list(range(150, 200))
        assert [n for n in (1, 2, 3) if recognition.remembered(f"customer{n}.example")] == [1, 3]

    with_recognition(server, use)


def test_finished_lookups_leave_no_state(server: NameServer) -> None:
    async def use(recognition: Recognition) -> None:
        await asyncio.gather(*(recognition.settle(f"a{n}.b.c.example") for n in range(300)))
        assert (recognition._running, recognition._shares) == ({}, {})

    with_recognition(server, use)


def test_a_machine_without_a_resolver_gets_a_warning_and_every_domain_is_uncertain(
    monkeypatch: pytest.MonkeyPatch, write: Write
) -> None:
    def none(*_: object) -> None:
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr("dns.resolver.Resolver.read_resolv_conf", none)
    settings = Sources((write({"<domain>example.net": '<domain purpose="mx">example.net'}),)).read().load()
    warning = "this machine has no DNS resolver, so customers' domains cannot be recognised; use --hosted-domains or --resolver"
    assert warning in list(settings.warnings())
    assert asyncio.run(Recognition(Resolver(), owner).settle("customer.example")) == UNCERTAIN


def test_the_systems_first_three_resolvers_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(resolver: dns.resolver.Resolver, _file: object) -> None:
        resolver.nameservers = [f"192.0.2.{number}" for number in range(1, 6)]

    monkeypatch.setattr("dns.resolver.Resolver.read_resolv_conf", read)
    assert Resolver().servers == [("192.0.2.1", 53), ("192.0.2.2", 53), ("192.0.2.3", 53)]


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("192.0.2.1", ("192.0.2.1", 53)),
        ("192.0.2.1:1", ("192.0.2.1", 1)),
        ("192.0.2.1:65535", ("192.0.2.1", 65535)),
        ("2001:DB8::1", ("2001:db8::1", 53)),
        ("[2001:db8::1]", ("2001:db8::1", 53)),
        ("[2001:db8::1]:5353", ("2001:db8::1", 5353)),
    ],
)
def test_a_resolver_is_an_ip_address_with_or_without_a_port(text: str, server: tuple[str, int]) -> None:
    assert Resolver(text).servers == [server]


@pytest.mark.parametrize(
    "text", ["dns.example", "192.0.2.256", "192.0.2.1:", "192.0.2.1:053053", "[192.0.2.1", "[x]:53"]
)
def test_anything_else_is_not_a_resolver(text: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(text)} is not an IP address such as 192.0.2.1, "):
        Resolver(text)


@pytest.mark.parametrize("port", ["0", "65536"])
def test_a_resolvers_port_must_be_in_range(port: str) -> None:
    with pytest.raises(ValueError, match=f"port {port} is out of range; use 1-65535"):
        Resolver(f"192.0.2.1:{port}")


def test_a_network_error_after_the_answer_is_ignored() -> None:
    async def run() -> Response:
        query = make_query("customer.example")
        datagrams = mail_exchangers._Datagrams(query)
        datagrams.datagram_received(mx("10 mx.example.net.")(dns.message.from_wire(query)), None)
        datagrams.error_received(ConnectionRefusedError())
        return await datagrams.response

    assert asyncio.run(run()).hosts == {"mx.example.net"}


def test_only_the_first_answer_over_udp_counts_and_one_that_is_too_large_is_ignored() -> None:
    async def run() -> Response:
        query = make_query("customer.example")
        asked = dns.message.from_wire(query)
        datagrams = mail_exchangers._Datagrams(query)
        first = mx("10 mx.example.net.")(asked)
        datagrams.datagram_received(first + bytes(mail_exchangers._MAX_RESPONSE), None)
        assert not datagrams.response.done()
        datagrams.datagram_received(first, None)
        datagrams.datagram_received(mx("10 elsewhere.example.")(asked), None)
        return await datagrams.response

    assert asyncio.run(run()).hosts == {"mx.example.net"}


def test_a_message_of_another_kind_is_not_an_answer() -> None:
    def update(query: dns.message.Message) -> bytes:
        message = dns.update.UpdateMessage("example.", id=query.id)
        message.flags |= dns.flags.QR
        return message.to_wire()

    with name_server({"customer.example": truncated}, {"customer.example": update}) as server:
        assert settle(server.address, "customer.example") == [UNCERTAIN]
