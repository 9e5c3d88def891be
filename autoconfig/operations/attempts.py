"""The limits of a check: how long each attempt may take, and how many there are at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from autoconfig.operations.report import Problem

_AT_ONCE = 16
"""Connections at once. Each may hold half a megabyte of what a hostile server sends."""


class NoAnswer(Problem):
    """A server that does not finish in time."""


class Attempts:
    """Attempts to talk to servers, of which each has `timeout` seconds; the time in the queue does not count."""

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self._slots = asyncio.Semaphore(_AT_ONCE)

    @asynccontextmanager
    async def one(self, place: str, remedy: str) -> AsyncIterator[None]:
        """Run one attempt. Raises NoAnswer, which names the place, when it takes too long."""
        async with self._slots:
            try:
                async with asyncio.timeout(self.timeout):
                    yield
            except TimeoutError as error:
                raise NoAnswer(f"{place} does not answer within {self.timeout:g} seconds", remedy) from error
