"""The limits of attempts."""

import asyncio

import pytest

from autoconfig.operations.attempts import Attempts, TimeLimitError
from autoconfig.operations.report import Finding, Verdict


@pytest.mark.parametrize(
    ("timeout", "limit"), [(1, "1 second"), (1.0, "1 second"), (2, "2 seconds"), (0.5, "0.5 seconds")]
)
def test_an_attempt_that_takes_too_long_names_the_place_and_the_limit(timeout: float, limit: str) -> None:
    async def attempt() -> None:
        async with Attempts(timeout).one("192.0.2.1", "start it"):
            raise TimeoutError

    with pytest.raises(TimeLimitError) as raised:
        asyncio.run(attempt())
    assert raised.value.finding == Finding(Verdict.ERROR, f"192.0.2.1 does not respond within {limit}", "start it")


def test_sixteen_attempts_run_at_once() -> None:
    """More could fill the memory."""

    async def run() -> tuple[int, int]:
        attempts, full, started = Attempts(5), asyncio.Event(), 0

        async def attempt() -> None:
            nonlocal started
            async with attempts.one("192.0.2.1", "start it"):
                started += 1
                if started == 16:
                    full.set()
                await gate.wait()

        gate = asyncio.Event()
        tasks = [asyncio.create_task(attempt()) for _ in range(20)]
        await full.wait()
        for _ in range(3):  # the others could start now
            await asyncio.sleep(0)
        at_once = started
        gate.set()
        await asyncio.gather(*tasks)
        return at_once, started

    assert asyncio.run(run()) == (16, 20)
