"""Recognises customers' domains by their MX records, for providers without a list.

Attackers choose the names to look up. So the number of concurrent lookups is limited, in total and per zone, because
name servers can be slow. The caches have a limit too: one for customers, one for other domains, so that a flood of
names displaces no customer.
"""

import asyncio
import time
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from typing import NamedTuple

from autoconfig.mail_exchangers import Resolver, ResolverError

NEGATIVE = 300.0
"""Seconds for which a domain with another provider's MX is cached."""
FAILED = 10.0
"""Seconds for which a failed or refused lookup is cached."""
_SHORTEST, _LONGEST = 10.0, 86400.0
"""Bounds, in seconds, for the TTL with which a customer's domain is cached."""
_MAX_CUSTOMERS, _MAX_OTHERS = 100_000, 10_000
"""Maximum cached domains per process."""
AT_ONCE = 192
"""Maximum concurrent lookups per process."""
MAX_WAITING = 2 * AT_ONCE
"""Maximum requests per process that wait for lookups. More would occupy all connections, as those with a waiting
request are never closed to make room for another."""
MAX_WAITING_FOR_ONE = 64
"""Maximum requests that wait for the same lookup, so that one slow name does not use up MAX_WAITING."""
_SHARES = {2: 64, 3: 16}
"""Maximum concurrent lookups below a name with this many labels: co.uk, attacker.co.uk."""


class Verdict(NamedTuple):
    """What the DNS says about a domain. `owner` is the definition that hosts it; None if none does."""

    certain: bool
    """Whether the DNS has answered."""
    owner: int | None = None


_FOREIGN, _UNCERTAIN = Verdict(True), Verdict(False)


class UndecidedError(Exception):
    """The response depends on a DNS lookup: await `settle(seconds)`, and try again."""

    def __init__(self, settle: Callable[[float], Awaitable[object]]) -> None:
        super().__init__()
        self.settle = settle


class Recognition:
    """Looks up which definition hosts a domain, and caches it. `owner` returns the definition of an MX host."""

    def __init__(self, resolver: Resolver, owner: Callable[[str], int | None]) -> None:
        self._resolver = resolver
        self._owner = owner
        self._customers, self._others = _Memory(_MAX_CUSTOMERS), _Memory(_MAX_OTHERS)
        self._running: dict[str, asyncio.Task[Verdict]] = {}
        self._waiting_for: Counter[str] = Counter()
        self._shares: Counter[str] = Counter()

    def remembered(self, domain: str) -> Verdict | None:
        """Return the cached verdict on a domain; None if it needs a lookup."""
        return self._customers.get(domain) or self._others.get(domain)

    async def settle(self, domain: str, seconds: float | None = None) -> Verdict:
        """Return the verdict on a domain; it is uncertain if the lookup takes longer than `seconds`.

        Without `seconds`, the lookup has its own deadline. The verdict is cached for at least FAILED seconds.
        """
        if verdict := self.remembered(domain):
            return verdict
        if self._waiting_for.total() >= MAX_WAITING or self._waiting_for[domain] >= MAX_WAITING_FOR_ONE:
            return self._remember(domain, _UNCERTAIN, FAILED)
        task = self._running.get(domain)
        if task is None:
            shares = list(_shared(domain))
            if len(self._running) >= AT_ONCE or any(self._shares[name] >= share for name, share in shares):
                return self._remember(domain, _UNCERTAIN, FAILED)
            task = self._running[domain] = asyncio.create_task(self._look_up(domain, [name for name, _ in shares]))
            self._shares.update(name for name, _ in shares)
        self._waiting_for[domain] += 1
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.shield(task)
        except TimeoutError:  # the lookup goes on
            return self._remember(domain, _UNCERTAIN, FAILED)
        finally:
            _subtract(self._waiting_for, [domain])

    async def _look_up(self, domain: str, shares: list[str]) -> Verdict:
        try:
            found = await self._resolver.exchangers(domain)
        except ResolverError:
            return self._remember(domain, _UNCERTAIN, FAILED)
        finally:
            del self._running[domain]
            _subtract(self._shares, shares)
        owner = next((owner for host in found.hosts if (owner := self._owner(host)) is not None), None)
        if owner is None:
            return self._remember(domain, _FOREIGN, NEGATIVE)
        return self._remember(domain, Verdict(True, owner), min(max(found.ttl, _SHORTEST), _LONGEST))

    def _remember(self, domain: str, verdict: Verdict, seconds: float) -> Verdict:
        memory = self._others if verdict.owner is None else self._customers
        memory.put(domain, verdict, seconds)
        return verdict


def _subtract(counter: Counter[str], names: list[str]) -> None:
    """Subtract one from the count of each name, and drop those that are zero."""
    counter.subtract(names)
    for name in names:
        if not counter[name]:
            del counter[name]


def _shared(domain: str) -> Iterator[tuple[str, int]]:
    """Yield the zones above a domain that have a limit, with the limit."""
    labels = domain.split(".")
    for number, share in _SHARES.items():
        if len(labels) > number:
            yield ".".join(labels[-number:]), share


class _Memory:
    """A cache of verdicts that expire; the least recently used make room for others."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._verdicts: OrderedDict[str, tuple[float, Verdict]] = OrderedDict()

    def get(self, domain: str) -> Verdict | None:
        found = self._verdicts.get(domain)
        if found is None:
            return None
        expires, verdict = found
        if time.monotonic() >= expires:
            del self._verdicts[domain]
            return None
        self._verdicts.move_to_end(domain)
        return verdict

    def put(self, domain: str, verdict: Verdict, seconds: float) -> None:
        self._verdicts[domain] = (time.monotonic() + seconds, verdict)
        if len(self._verdicts) > self._size:
            self._verdicts.popitem(last=False)
