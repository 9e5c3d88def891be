"""The limits of a check: the time for each attempt and the number of concurrent attempts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from autoconfig.operations.report import Problem

_AT_ONCE = 16
"""Maximum concurrent connections. A hostile server can fill half a megabyte for each."""


class TimeLimitError(Problem):
    """A server that did not respond in time."""


class Attempts:
    """Limits each attempt to connect to a server to `timeout` seconds, not counting the wait for a free slot."""

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self._slots = asyncio.Semaphore(_AT_ONCE)

    @asynccontextmanager
    async def one(self, place: str, remedy: str) -> AsyncIterator[None]:
        """Run one attempt. Raises TimeLimitError, with the name of the place, if it takes too long."""
        async with self._slots:
            try:
                async with asyncio.timeout(self.timeout):
                    yield
            except TimeoutError as error:
                limit = f"{self.timeout:g} second{'' if self.timeout == 1 else 's'}"
                raise TimeLimitError(f"{place} does not respond within {limit}", remedy) from error
