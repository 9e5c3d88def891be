"""Hundreds of clients get their own responses during attacks."""

import asyncio

import pytest

from tests.attacks import ATTACKS, Target, run_attacks
from tests.support import serving

pytestmark = pytest.mark.long
CLIENTS = 300
HOST = "autoconfig.btinternet.com"


def test_hundreds_of_clients_get_their_own_responses_during_attacks() -> None:
    with serving() as served:
        results, attacks = asyncio.run(run_attacks(served.url, HOST, CLIENTS, [Target(served.port)]))
        assert (results.failures, results.foreign) == ([], [])
        assert results.good.total() == 2 * CLIENTS
        assert attacks >= len(ATTACKS)
