"""Start-up time and memory with many definitions and domains, with goals."""

import random
import statistics
import time
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from autoconfig.definition import EMBEDDED
from tests.benchmark import servers
from tests.benchmark.servers import Server

_BASE = "1 definition"
_GOALS = {10_000: (8, 400)}
"""Seconds to start and MB of memory, by number of definitions."""
_PROFILE = "/email.mobileconfig?emailaddress=fred@{}"


class _Case(NamedTuple):
    what: str
    arguments: list[str | Path]
    seconds: float | None = None
    """The goal for the CPU time of the start, on an idle machine."""
    megabytes: int | None = None
    """The goal for memory."""
    relative: bool = False
    """Whether both goals are relative to one definition."""
    definitions: int = 1


def scale(folder: Path, numbers: list[int]) -> list[dict[str, Any]]:
    """Return start-up time and memory for each case, and how long clients wait for documents made on demand."""
    rows: list[dict[str, Any]] = []
    base = (0.0, 0)
    for case in _cases(folder, numbers):
        with servers.ours(*case.arguments) as server:
            start, processor, megabytes = server.ready_after / 1000, server.cpu_seconds(), server.memory() * 1024 / 1e6
            first, again = _waits(server, case.definitions)
        if case.what == _BASE:
            base = (processor, round(megabytes))
        own = base if case.relative else (0.0, 0)
        rows.append(
            {
                "what": case.what,
                "start s": f"{start:.1f}",
                "CPU s": f"{processor:.1f}",
                "of one definition's": f"{processor / base[0]:.1f}" if base[0] else "",
                "goal s": f"{own[0] + case.seconds:.1f}" if case.seconds else "",
                "memory MB": round(megabytes),
                "goal MB": str(own[1] + case.megabytes) if case.megabytes else "",
                "first profile ms": first,
                "again ms": again,
            }
        )
    return rows


def _cases(folder: Path, numbers: list[int]) -> list[_Case]:
    cases = []
    for number in numbers:
        definitions = servers.write_definitions(folder / f"{number}-definitions", number)
        seconds, megabytes = _GOALS.get(number, (None, None))
        named = f"{number:,} definition" + ("s" if number > 1 else "")
        arguments: list[str | Path] = ["--definition", definitions]
        cases.append(_Case(named, arguments, seconds, megabytes, definitions=number))
    many: list[str | Path] = ["--definition", folder / f"{numbers[-1]}-definitions", "--workers", "2"]
    cases.append(_Case(f"{numbers[-1]:,} definitions, two workers", many, definitions=numbers[-1]))
    large = folder / "large.xml"
    large.write_text(_with(_domains(100_000)))
    cases.append(_Case("1 definition with 100,000 domains", ["--definition", large], 3))
    hosting = folder / "hosting.xml"
    hosting.write_text(_with('<domain purpose="mx">btinternet.com</domain>'))
    for number, seconds, megabytes in ((100_000, 1, 60), (1_000_000, 10, 500)):
        customers = folder / f"{number}.txt"
        customers.write_text("".join(f"customer-{one}.example\n" for one in range(number)))
        arguments = ["--definition", hosting, "--hosted-domains", customers]
        cases.append(_Case(f"{number:,} hosted domains", arguments, seconds, megabytes, relative=True))
    return cases


def _domains(number: int) -> str:
    return "".join(f"<domain>customer-{one}.example</domain>\n" for one in range(number))


def _with(domains: str) -> str:
    return EMBEDDED.read_text().replace("<displayName>", f"{domains}<displayName>")


def _waits(server: Server, definitions: int) -> tuple[str, str]:
    """Return the median milliseconds to the first and the second profile of some providers."""
    numbers = random.sample(range(definitions), min(50, definitions))
    domains = [f"btinternet{number or ''}.com" for number in numbers]
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}") as client:
        client.get("/healthz")
        waits = [[_milliseconds(client, _PROFILE.format(domain)) for domain in domains] for _ in range(2)]
    return f"{statistics.median(waits[0]):.1f}", f"{statistics.median(waits[1]):.1f}"


def _milliseconds(client: httpx.Client, path: str) -> float:
    began = time.perf_counter()
    client.get(path).raise_for_status()
    return (time.perf_counter() - began) * 1000
