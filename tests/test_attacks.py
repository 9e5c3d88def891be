"""While attackers do what they can, a thousand clients get their own responses."""

import asyncio

import httpx

from tests.attacks import ATTACKS, Results, Target, ask, attack_until
from tests.support import serving

CLIENTS = 1000


async def crowd(base_url: str, results: Results, host: str = "autoconfig.btinternet.com") -> None:
    """Have a thousand clients, twenty at a time, ask, each about an address of its own."""
    limits = httpx.Limits(max_connections=20, max_keepalive_connections=20)
    async with httpx.AsyncClient(base_url=base_url, timeout=60, limits=limits) as client:
        gate = asyncio.Semaphore(20)

        async def one(number: int) -> None:
            async with gate:
                await ask(client, host, f"user{number}@btinternet.com", results, personal=True)

        await asyncio.gather(*(one(number) for number in range(CLIENTS)))


def test_a_thousand_clients_get_their_own_responses_while_attackers_do_what_they_can() -> None:
    with serving() as served:
        results, over = Results(), asyncio.Event()

        async def run() -> int:
            attackers = [asyncio.create_task(attack_until(over, Target(served.port), attack)) for attack in ATTACKS]
            await crowd(served.url, results)
            over.set()
            return sum(await asyncio.gather(*attackers))

        attacks = asyncio.run(run())
        assert (results.failures, results.foreign) == ([], [])
        assert results.good.total() == 2 * CLIENTS
        assert attacks >= len(ATTACKS)
