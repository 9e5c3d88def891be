"""What a check finds, line by line. How a report is shown is in `report_table` and `report_formats`."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ParamSpec, TypeVar

from autoconfig.front import place_of
from autoconfig.visible import visible

P = ParamSpec("P")
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


LATE = Finding(Verdict.UNKNOWN, "not finished in time", "allow more with --max-time, or check fewer domains")


class Problem(Exception):  # noqa: N818 - what is wrong may be no error of any program
    """Something wrong with what is checked, and what to do about it."""

    def __init__(self, text: str, remedy: str = "", verdict: Verdict = Verdict.WRONG) -> None:
        super().__init__(text)
        self.finding = Finding(verdict, text, remedy)


async def attempted(attempt: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T | Finding:
    """Return what an attempt returns, or the finding of the Problem that it raises.

    A stored Problem would keep its whole traceback alive. This calls `attempt` itself: a coroutine made earlier would
    never be awaited if this were cancelled first.
    """
    try:
        return await attempt(*args, **kwargs)
    except Problem as problem:
        return problem.finding


def result_of(result: T | Finding) -> T:
    """Return the result of an attempt. Raises Problem when it is a finding."""
    if isinstance(result, Finding):
        raise Problem(result.text, result.remedy, result.verdict)
    return result


class FollowsError(Exception):
    """A check that makes no sense after what another line found; `text` says what could be seen all the same."""

    def __init__(self, subject: str, text: str = "not tried") -> None:
        super().__init__(f"{text}: see {subject}")


@dataclass(eq=False)
class Line:
    """One thing that must be true; `done` is its task. Foreign text in the subject is made visible."""

    area: str
    subject: str
    finding: Finding | None = None
    domain: str = ""
    """The domain that it is about, empty for a server that several domains share."""
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
    """The lines of a check of some domains, in the order in which they are shown.

    Lines that are not settled `max_time` seconds after the report has begun are given up.
    """

    def __init__(self, max_time: float | None = None) -> None:
        self.lines: list[Line] = []
        self.domains: list[str] = []
        self._max_time = max_time
        self._began = time.monotonic()

    def add(self, area: str, subject: str, check: Coroutine[Any, Any, Finding], domain: str = "") -> Line:
        """Begin a check: it returns its finding, or raises Problem or FollowsError."""
        line = Line(area, subject, domain=domain)
        line.done = asyncio.create_task(_find(line, check))
        self.lines.append(line)
        return line

    def note(self, area: str, subject: str, finding: Finding, domain: str = "") -> Line:
        """Add a line that is settled already."""
        line = Line(area, subject, finding, domain)
        self.lines.append(line)
        return line

    @property
    def seconds_left(self) -> float | None:
        """The time that is left, None without a limit."""
        return None if self._max_time is None else max(0, self._began + self._max_time - time.monotonic())

    async def finish(self) -> None:
        """Wait for all lines, as long as there is time."""
        tasks = [line.done for line in self.lines if line.done]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=self.seconds_left)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for line in self.lines:
            line.finding = line.finding or LATE

    def count(self, verdict: Verdict) -> int:
        """Return the number of lines with a verdict."""
        return sum(1 for line in self.lines if line.finding and line.finding.verdict is verdict)

    @property
    def exit_status(self) -> int:
        """0: all is right; 1: something is wrong; 2: nothing seen is wrong, but something could not be checked."""
        return 1 if self.count(Verdict.WRONG) else 2 if self.count(Verdict.UNKNOWN) else 0

    def summary(self) -> str:
        """Return the end of the report in one line: `41 domains: 2 errors, 3 warnings`."""
        counted = [
            _counted(self.count(Verdict.WRONG), "error"),
            _counted(self.count(Verdict.WARNING), "warning"),
            _counted(self.count(Verdict.UNKNOWN), "check that could not be made", "checks that could not be made"),
        ]
        found = ", ".join(text for text in counted if not text.startswith("0 "))
        return f"{_counted(len(self.domains), 'domain')}: {found or 'no problems'}"


def _counted(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or f'{one}s'}"


async def at_each(places: Sequence[str], check: Callable[[str], Awaitable[T]]) -> list[T]:
    """Check something at each of some places, all at once, and return what was found there.

    Raises the first Problem. What is wrong comes before what is unknown, as where there is no route from here.
    """
    found = await asyncio.gather(*(check(place) for place in places), return_exceptions=True)
    problems = [one for one in found if isinstance(one, BaseException)]
    for problem in problems:
        if not (isinstance(problem, Problem) and problem.finding.verdict is Verdict.UNKNOWN):
            raise problem
    good = [place for place, one in zip(places, found, strict=True) if not isinstance(one, BaseException)]
    if problems and good:
        remedy = problems[0].finding.remedy if isinstance(problems[0], Problem) else ""
        raise Problem(f"{problems[0]}; no problems at {', '.join(good)}", remedy, Verdict.UNKNOWN)
    if problems:
        raise problems[0]
    return [one for one in found if not isinstance(one, BaseException)]


async def _find(line: Line, check: Coroutine[Any, Any, Finding]) -> None:
    try:
        line.finding = await check
    except Problem as problem:
        line.finding = problem.finding
    except FollowsError as error:
        line.finding = Finding(Verdict.FOLLOWS, str(error))
    except Exception as error:  # one line that fails must not take the others with it
        line.finding = Finding(Verdict.UNKNOWN, f"the check itself failed: {place_of(error)}", "please report this")


def right(text: str) -> Finding:
    """Return that something is as it should be."""
    return Finding(Verdict.RIGHT, text)
