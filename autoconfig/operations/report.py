"""The report of a check: lines, findings and verdicts. `report_table` and `report_formats` show it."""

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
"""Maximum characters of a text in a report."""


class Verdict(Enum):
    """The result of a line."""

    OK = "ok"
    WARNING = "warning"
    """It works, but the operator should know or do something."""
    ERROR = "error"
    UNKNOWN = "unknown"
    """It could not be checked."""
    SKIPPED = "skipped"
    """It was not checked, or failed, because of another line, or the check does not include it."""


@dataclass(frozen=True)
class Finding:
    """What was found, in one sentence, and a remedy. Text from remote servers is made visible in both."""

    verdict: Verdict
    text: str
    remedy: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", visible(self.text, _LONGEST))
        object.__setattr__(self, "remedy", visible(self.remedy, _LONGEST))


LATE = Finding(Verdict.UNKNOWN, "not finished in time", "raise --max-time, or check fewer domains")


class Problem(Exception):  # noqa: N818 - a finding about a remote server, not an error of this program
    """A problem with what is checked, and its remedy."""

    def __init__(self, text: str, remedy: str = "", verdict: Verdict = Verdict.ERROR) -> None:
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
    """Return the result of an attempt. Raises Problem if it is a finding."""
    if isinstance(result, Finding):
        raise Problem(result.text, result.remedy, result.verdict)
    return result


class SkippedError(Exception):
    """A check that another line's result makes pointless. `text` says what was found nevertheless."""

    def __init__(self, subject: str, text: str = "skipped") -> None:
        super().__init__(f"{text}: see {subject}")


@dataclass(eq=False)
class Line:
    """One thing to check. `task` checks it. Text from remote servers is made visible in the subject."""

    area: str
    subject: str
    finding: Finding | None = None
    domain: str = ""
    """The domain, or an empty string for a server that several domains share."""
    task: "asyncio.Task[None] | None" = field(default=None, repr=False)
    excluded: bool = False
    """Whether it was skipped because the check does not include it, and not because of another line."""

    def __post_init__(self) -> None:
        self.subject = visible(self.subject, _LONGEST)

    async def wait(self) -> None:
        """Wait until the line has a finding."""
        if self.task:
            await self.task

    async def must_pass(self) -> None:
        """Wait until the line has a finding. Raises SkippedError unless it is OK, a warning, or excluded."""
        await self.wait()
        if self.finding and not self.excluded and self.finding.verdict not in (Verdict.OK, Verdict.WARNING):
            raise SkippedError(self.subject)


class Report:
    """The lines of a check, in the order in which they are shown.

    Lines that have no finding after `max_time` seconds are unknown.
    """

    def __init__(self, max_time: float | None = None) -> None:
        self.lines: list[Line] = []
        self.domains: list[str] = []
        self._max_time = max_time
        self._began = time.monotonic()

    def add(self, area: str, subject: str, check: Coroutine[Any, Any, Finding], domain: str = "") -> Line:
        """Start a check, which returns a finding, or raises Problem or SkippedError. Return its line."""
        line = Line(area, subject, domain=domain)
        line.task = asyncio.create_task(_find(line, check))
        self.lines.append(line)
        return line

    def note(self, area: str, subject: str, finding: Finding, domain: str = "") -> Line:
        """Add a line with its finding."""
        line = Line(area, subject, finding, domain)
        self.lines.append(line)
        return line

    @property
    def seconds_left(self) -> float | None:
        """The seconds until `max_time`, or None without a limit."""
        return None if self._max_time is None else max(0, self._began + self._max_time - time.monotonic())

    async def finish(self) -> None:
        """Wait for all lines until the time is up."""
        tasks = [line.task for line in self.lines if line.task]
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
        """0 without errors, 1 with errors, 2 without errors but with unknown results."""
        return 1 if self.count(Verdict.ERROR) else 2 if self.count(Verdict.UNKNOWN) else 0

    def summary(self) -> str:
        """Return the last line of the report: `41 domains: 2 errors, 3 warnings, 1 unknown`."""
        errors, warnings, unknown = map(self.count, (Verdict.ERROR, Verdict.WARNING, Verdict.UNKNOWN))
        counted = [_counted(errors, "error"), _counted(warnings, "warning"), f"{unknown} unknown"]
        problems = ", ".join(text for text in counted if not text.startswith("0 "))
        return f"{_counted(len(self.domains), 'domain')}: {problems or 'no problems'}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


async def at_each(places: Sequence[str], check: Callable[[str], Awaitable[T]]) -> list[T]:
    """Run a check at each place concurrently and return the results.

    Raises the first Problem, errors before unknown results, such as an address without a route.
    """
    found = await asyncio.gather(*(check(place) for place in places), return_exceptions=True)
    problems = [one for one in found if isinstance(one, BaseException)]
    for problem in problems:
        if not (isinstance(problem, Problem) and problem.finding.verdict is Verdict.UNKNOWN):
            raise problem
    good = [place for place, one in zip(places, found, strict=True) if not isinstance(one, BaseException)]
    if problems and good:
        remedy = problems[0].finding.remedy if isinstance(problems[0], Problem) else ""
        raise Problem(f"{problems[0]}; no problem at {', '.join(good)}", remedy, Verdict.UNKNOWN)
    if problems:
        raise problems[0]
    return [one for one in found if not isinstance(one, BaseException)]


async def _find(line: Line, check: Coroutine[Any, Any, Finding]) -> None:
    try:
        line.finding = await check
        line.excluded = line.finding.verdict is Verdict.SKIPPED
    except Problem as problem:
        line.finding = problem.finding
    except SkippedError as error:
        line.finding = Finding(Verdict.SKIPPED, str(error))
    except Exception as error:  # a bug in one check must not stop the others
        line.finding = Finding(Verdict.UNKNOWN, f"bug in this check: {place_of(error)}", "please report it")


def ok(text: str) -> Finding:
    """Return the finding of a successful check."""
    return Finding(Verdict.OK, text)
