"""What a check finds, line by line, while it runs and at its end."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeVar

from rich.console import Console, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from autoconfig.front import place_of
from autoconfig.visible import visible

T = TypeVar("T")

_LONGEST = 1000
"""Characters of a text in a report."""


class Verdict(Enum):
    """What became of a line."""

    RIGHT = "right"
    WARNING = "warning"
    """It works; something should still be known or done."""
    WRONG = "wrong"
    UNKNOWN = "unknown"
    """It could not be checked."""
    FOLLOWS = "follows"
    """It fails, or cannot be tried, because of another line."""


@dataclass(frozen=True)
class Finding:
    """What was found: one sentence, and what to do about it. Foreign text in them is made visible."""

    verdict: Verdict
    text: str
    remedy: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", visible(self.text, _LONGEST))
        object.__setattr__(self, "remedy", visible(self.remedy, _LONGEST))


_LATE = Finding(Verdict.UNKNOWN, "not finished in time", "allow more with --max-time, or check fewer domains")


class Problem(Exception):  # noqa: N818 - what is wrong may be no error of any program
    """Something wrong with what is checked, and what to do about it."""

    def __init__(self, text: str, remedy: str = "", verdict: Verdict = Verdict.WRONG) -> None:
        super().__init__(text)
        self.finding = Finding(verdict, text, remedy)


async def findings(attempt: Coroutine[Any, Any, T]) -> T | Finding:
    """Return what an attempt returns, or what its Problem has found: a Problem keeps all that it has come through."""
    try:
        return await attempt
    except Problem as problem:
        return problem.finding


def result_of(result: T | Finding) -> T:
    """Return the result of an attempt. Raises Problem when it is a finding."""
    if isinstance(result, Finding):
        raise Problem(result.text, result.remedy, result.verdict)
    return result


class FollowsError(Exception):
    """A check that makes no sense after what another found; the text names that one."""


@dataclass(eq=False)
class Line:
    """One thing that must be true; `done` is its task. Foreign text in the subject is made visible."""

    area: str
    subject: str
    finding: Finding | None = None
    done: "asyncio.Task[None] | None" = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.subject = visible(self.subject, _LONGEST)

    async def settled(self) -> None:
        """Wait for the line."""
        if self.done:
            await self.done

    async def must_hold(self) -> None:
        """Wait for the line. Raises FollowsError unless what it says holds."""
        await self.settled()
        if self.finding and self.finding.verdict not in (Verdict.RIGHT, Verdict.WARNING):
            raise FollowsError(self.subject)


class Report:
    """The lines of a check, in the order in which they are shown.

    Lines that are not settled `max_time` seconds after the report has begun are given up.
    """

    def __init__(self, max_time: float | None = None) -> None:
        self.lines: list[Line] = []
        self._max_time = max_time
        self._began = time.monotonic()

    def add(self, area: str, subject: str, check: Coroutine[Any, Any, Finding]) -> Line:
        """Begin a check: it returns its finding, or raises Problem or FollowsError."""
        line = Line(area, subject)
        line.done = asyncio.create_task(_find(line, check))
        self.lines.append(line)
        return line

    async def finish(self) -> None:
        """Wait for all lines, as long as there is time."""
        tasks = [line.done for line in self.lines if line.done]
        if tasks:
            left = None if self._max_time is None else max(0, self._began + self._max_time - time.monotonic())
            _, late = await asyncio.wait(tasks, timeout=left)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for line in self.lines:
            line.finding = line.finding or _LATE

    @property
    def exit_status(self) -> int:
        """0: all is right; 1: something is wrong; 2: nothing seen is wrong, but something could not be checked."""
        verdicts = {line.finding.verdict for line in self.lines if line.finding}
        return 1 if Verdict.WRONG in verdicts else 2 if Verdict.UNKNOWN in verdicts else 0

    def as_json(self) -> str:
        """Return the report as JSON."""
        lines = [
            {
                "area": line.area,
                "subject": line.subject,
                "verdict": line.finding.verdict.value,
                "text": line.finding.text,
                "remedy": line.finding.remedy,
            }
            for line in self.lines
            if line.finding
        ]
        return json.dumps({"exit_status": self.exit_status, "lines": lines}, indent=2)

    def table(self) -> Table:
        """Return the report as a table; what still runs, turns."""
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("", "", "what", "found"):
            table.add_column(name, overflow="fold")
        area = ""
        for line in self.lines:
            sign: RenderableType = Spinner("dots")
            found = Text()
            if line.finding:
                mark, style = _SIGNS[line.finding.verdict]
                sign, found = Text(mark, style), Text(line.finding.text, style if mark in "✗?" else "")
                if line.finding.remedy:
                    found.append(f"\n→ {line.finding.remedy}", "bold")
            table.add_row(Text(line.area if line.area != area else "", "bold"), sign, Text(line.subject), found)
            area = line.area
        return table

    def summary(self) -> str:
        """Return the end of the report in one line."""
        counts = dict.fromkeys(Verdict, 0)
        for line in self.lines:
            if line.finding:
                counts[line.finding.verdict] += 1
        return ", ".join(f"{count} {verdict.value}" for verdict, count in counts.items() if count)

    async def show(self, console: Console) -> None:
        """Show the lines while they are checked: alive on a terminal, else once at the end."""
        if console.is_terminal:
            with Live(console=console, auto_refresh=False, vertical_overflow="visible") as live:
                finishing = asyncio.create_task(self.finish())
                while not finishing.done():
                    live.update(self.table(), refresh=True)
                    await asyncio.wait([finishing], timeout=0.1)
                live.update(self.table(), refresh=True)
                await finishing
        else:
            await self.finish()
            console.print(self.table(), soft_wrap=False)
        console.print(f"\n{self.summary()}", highlight=False)


_SIGNS = {
    Verdict.RIGHT: ("✓", "green"),
    Verdict.WARNING: ("!", "yellow"),
    Verdict.WRONG: ("✗", "red"),
    Verdict.UNKNOWN: ("?", "magenta"),
    Verdict.FOLLOWS: ("·", "dim"),
}


async def at_each(places: Sequence[str], check: Callable[[str], Awaitable[T]]) -> list[T]:
    """Check something at each of some places, all at once; return what was found where it could be.

    Raises the first Problem that is worse than that a place cannot be reached from here, or that when none can.
    """
    found = await asyncio.gather(*(check(place) for place in places), return_exceptions=True)
    problems = [one for one in found if isinstance(one, BaseException)]
    for problem in problems:
        if not (isinstance(problem, Problem) and problem.finding.verdict is Verdict.UNKNOWN):
            raise problem
    if len(problems) == len(found):
        raise problems[0]
    return [one for one in found if not isinstance(one, BaseException)]


async def _find(line: Line, check: Coroutine[Any, Any, Finding]) -> None:
    try:
        line.finding = await check
    except Problem as problem:
        line.finding = problem.finding
    except FollowsError as error:
        line.finding = Finding(Verdict.FOLLOWS, f"not tried: see {error}")
    except Exception as error:  # one line that fails must not take the others with it
        line.finding = Finding(Verdict.UNKNOWN, f"the check itself failed: {place_of(error)}", "please report this")


def right(text: str) -> Finding:
    """Return that something is as it should be."""
    return Finding(Verdict.RIGHT, text)
