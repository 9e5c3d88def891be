"""While attackers do what they can, a thousand clients get their own responses."""

import asyncio

from tests.attacks import ATTACKS, Target, besiege
from tests.support import serving

CLIENTS = 1000
HOST = "autoconfig.btinternet.com"


def test_a_thousand_clients_get_their_own_responses_while_attackers_do_what_they_can() -> None:
    with serving() as served:
        results, attacks = asyncio.run(besiege(served.url, HOST, CLIENTS, [Target(served.port)]))
        assert (results.failures, results.foreign) == ([], [])
        assert results.good.total() == 2 * CLIENTS
        assert attacks >= len(ATTACKS)
