import asyncio
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime

import pytest

from autoconfig import connection_pool
from autoconfig.connection_pool import ConnectionPool, Limits, TrustedProxies


class Member:
    """A connection that only records calls."""

    def __init__(self, client: str = "", since: float = 0, *, busy: bool = False) -> None:
        self.client, self.since, self.deadline = client, since, float("inf")
        self.busy, self.evicted = busy, False
        self.expired = asyncio.Event()
        self.turns = 0

    def expire(self) -> None:
        self.deadline = float("inf")
        self.expired.set()

    def resume(self) -> None:
        self.turns += 1

    def evict(self) -> bool:
        self.evicted = not self.busy
        return self.evicted


def in_a_pool(test: Callable[[ConnectionPool, float], None], **limits: int) -> list[None]:
    """Run a test with a pool and the event loop's time; return one item for each eviction."""
    evictions: list[None] = []

    async def run() -> None:
        loop = asyncio.get_running_loop()
        pool = ConnectionPool(Limits(**limits), TrustedProxies("10.9.8.7/8, ::1"), loop, lambda: evictions.append(None))
        test(pool, loop.time())

    asyncio.run(run())
    return evictions


def test_the_connection_idle_longest_is_evicted() -> None:
    def test(pool: ConnectionPool, now: float) -> None:
        first, second, third = Member(since=now - 9), Member(since=now - 8), Member(since=now)
        assert pool.add(first)
        assert pool.add(second)
        first.since = now - 1
        pool.touch(first)
        assert pool.add(third)
        assert (first.evicted, second.evicted) == (False, True)

    assert len(in_a_pool(test, max_connections=2)) == 1


def test_up_to_twice_as_many_new_connections_may_wait_for_their_first_request() -> None:
    def test(pool: ConnectionPool, now: float) -> None:
        young = [Member(since=now) for _ in range(4)]
        assert [pool.add(member) for member in young] == [True] * 4
        assert not any(member.evicted for member in young)
        assert pool.add(Member(since=now))
        assert young[0].evicted

    assert len(in_a_pool(test, max_connections=2)) == 1


def test_a_connection_waiting_for_its_response_is_not_evicted() -> None:
    def test(pool: ConnectionPool, now: float) -> None:
        busy = [Member(since=now - 9, busy=True) for _ in range(4)]
        assert [pool.add(member) for member in busy] == [True] * 4
        assert not pool.add(Member(since=now))
        assert not any(member.evicted for member in busy)

    assert in_a_pool(test, max_connections=2) == []


def test_a_client_over_its_limit_loses_its_own_oldest_connection() -> None:
    def test(pool: ConnectionPool, now: float) -> None:
        other, first, second = Member("b", now - 9), Member("a", now - 5), Member("a", now - 4)
        assert all(pool.add(member) for member in (other, second, first, Member("a", now)))
        assert (other.evicted, first.evicted, second.evicted) == (False, True, False)

    assert len(in_a_pool(test, max_connections_per_client=2)) == 1


def test_a_client_over_its_limit_loses_even_a_new_connection() -> None:
    def test(pool: ConnectionPool, now: float) -> None:
        first = Member("a", now)
        assert pool.add(first)
        assert pool.add(Member("a", now))
        assert first.evicted

    assert len(in_a_pool(test, max_connections_per_client=1)) == 1


def test_the_other_connections_of_a_client_still_count_after_one_is_closed() -> None:
    def test(pool: ConnectionPool, now: float) -> None:
        first, second = Member("a", now - 1), Member("a", now)
        for member in (first, second):
            pool.add(member)
        pool.discard(first)
        assert pool.add(Member("a", now))
        assert not second.evicted
        assert pool.add(Member("a", now))
        assert second.evicted

    assert len(in_a_pool(test, max_connections_per_client=2)) == 1


def test_a_refused_connection_does_not_count() -> None:
    def test(pool: ConnectionPool, now: float) -> None:
        busy = [Member(since=now - 9, busy=True) for _ in range(2)]
        assert all(pool.add(member) for member in busy)
        assert not pool.add(Member("a", now - 9))
        for member in busy:
            pool.discard(member)
        assert pool.add(Member("a", now))

    assert in_a_pool(test, max_connections=1, max_connections_per_client=1) == []


def test_a_client_over_its_limit_is_refused_if_all_its_connections_are_busy() -> None:
    def test(pool: ConnectionPool, now: float) -> None:
        assert pool.add(Member("a", now, busy=True))
        assert not pool.add(Member("a", now))
        assert pool.add(Member("b", now))

    assert in_a_pool(test, max_connections_per_client=1) == []


def test_a_closed_connection_no_longer_counts() -> None:
    def test(pool: ConnectionPool, now: float) -> None:
        for _ in range(5):
            member = Member("a", now)
            assert pool.add(member)
            pool.discard(member)

    assert in_a_pool(test, max_connections=1, max_connections_per_client=1) == []


@pytest.mark.parametrize(
    ("address", "client", "trusted"),
    [
        ("192.0.2.1", "192.0.2.1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", False),
        ("2001:db8::1:2:3:4", "2001:db8::/64", False),
        ("fe80::1%eth0", "fe80::/64", False),
        ("10.1.2.3", "", True),
        ("::ffff:10.1.2.3", "", True),
        ("::1", "", True),
        ("", "", True),
    ],
)
def test_clients_are_counted_by_address_or_network_and_trusted_proxies_are_not(
    address: str, client: str, trusted: bool
) -> None:
    def test(pool: ConnectionPool, _: float) -> None:
        assert pool.identify(address) == (client, trusted)

    in_a_pool(test)


def test_all_addresses_can_be_trusted() -> None:
    async def run() -> None:
        pool = ConnectionPool(Limits(), TrustedProxies("*"), asyncio.get_running_loop())
        assert pool.identify("192.0.2.1") == ("", True)

    asyncio.run(run())


@pytest.mark.parametrize("addresses", ["x", "10.0.0.0/33", "10.0.0.1,y"])
def test_an_invalid_trusted_proxy_is_named(addresses: str) -> None:
    with pytest.raises(ValueError, match=f"{addresses.split(',')[-1]} is neither an IP address nor a network"):
        TrustedProxies(addresses)


def test_a_connection_expires_after_its_deadline() -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        pool = ConnectionPool(Limits(), TrustedProxies(""), loop)
        late, on_time = Member(), Member()
        late.deadline = loop.time()
        pool.add(late)
        pool.add(on_time)
        async with asyncio.timeout(10):
            await late.expired.wait()
        assert not on_time.expired.is_set()

    asyncio.run(run())


def test_connections_above_the_limit_are_soon_closed() -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        pool = ConnectionPool(Limits(max_connections=2), TrustedProxies(""), loop)
        members = [Member(since=loop.time()) for _ in range(4)]
        for member in members:
            pool.add(member)
        members[3].deadline = loop.time() + 0.6
        async with asyncio.timeout(10):
            await members[3].expired.wait()
        assert [member.evicted for member in members] == [True, True, False, False]

    asyncio.run(run())


@pytest.mark.parametrize(("closed", "trims"), [(100, 0), (101, 1)])
def test_memory_is_returned_to_the_system_once_more_than_a_hundred_connections_have_closed(
    monkeypatch: pytest.MonkeyPatch, closed: int, trims: int
) -> None:
    calls: list[None] = []
    monkeypatch.setattr(connection_pool, "return_memory", lambda: calls.append(None))

    def test(pool: ConnectionPool, now: float) -> None:
        members = [Member(since=now) for _ in range(closed + 1)]
        for member in members:
            pool.add(member)
        for member in members[:closed]:
            pool.discard(member)
        pool._tick()
        pool._tick()
        assert len(calls) == trims

    in_a_pool(test)


def test_responses_have_the_current_date() -> None:
    def test(pool: ConnectionPool, now: float) -> None:
        pool.add(Member(since=now))
        name, value = pool.date.decode().split(": ")
        assert (name, value[-6:]) == ("date", " GMT\r\n")
        assert abs(parsedate_to_datetime(value.strip()).timestamp() - time.time()) < 10

    in_a_pool(test)


def test_a_pool_without_connections_checks_no_deadlines() -> None:
    def test(pool: ConnectionPool, now: float) -> None:
        member = Member(since=now)
        pool.add(member)
        pool._tick()
        assert pool._timer is not None
        pool.discard(member)
        pool._tick()
        assert pool._timer is None

    in_a_pool(test)


def test_a_single_connection_with_many_requests_soon_gets_its_turn() -> None:
    async def run() -> None:
        member = Member()
        ConnectionPool(Limits(), TrustedProxies(""), asyncio.get_running_loop()).resume_later(member)
        assert member.turns == 0
        await asyncio.sleep(0)
        assert member.turns == 1

    asyncio.run(run())


def test_connections_with_many_requests_take_turns_and_do_not_block_others() -> None:
    async def run() -> None:
        pool = ConnectionPool(Limits(), TrustedProxies(""), asyncio.get_running_loop())
        members = [Member() for _ in range(100)]
        for member in members:
            pool.resume_later(member)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert sum(member.turns for member in members) == 16  # eight at a time
        while not members[-1].turns:
            await asyncio.sleep(0)
        assert [member.turns for member in members] == [1] * 100

    asyncio.run(run())
