import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from rich.console import Console

from autoconfig.operations.report import Finding, Line, Problem, Report, SkippedError, Verdict, at_each, ok
from autoconfig.operations.report_table import show


async def passes() -> Finding:
    return ok("fine")


async def fails(verdict: Verdict = Verdict.ERROR) -> Finding:
    raise Problem("broken", "mend it", verdict)


async def depends_on(line: Line) -> Finding:
    await line.must_pass()
    return ok("fine")


def report(*verdicts: Verdict) -> Report:
    """Return a report with these verdicts."""

    async def run() -> Report:
        made = Report()
        for number, verdict in enumerate(verdicts):
            made.add("area", f"line {number}", passes() if verdict is Verdict.OK else fails(verdict))
        await made.finish()
        return made

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("verdicts", "status"),
    [
        ([], 0),
        ([Verdict.OK, Verdict.WARNING], 0),
        ([Verdict.OK, Verdict.UNKNOWN], 2),
        ([Verdict.UNKNOWN, Verdict.ERROR], 1),
    ],
)
def test_the_exit_status_depends_on_the_worst_verdict(verdicts: list[Verdict], status: int) -> None:
    assert report(*verdicts).exit_status == status


def test_a_skipped_line_names_the_line_that_failed() -> None:
    async def run() -> list[Finding | None]:
        made = Report()
        first = made.add("DNS", "a.example", fails())
        second = made.add("HTTPS", "a.example", depends_on(first))
        third = made.add("HTTPS", "https://a.example/", depends_on(second))
        fourth = made.add("mail", "b.example", depends_on(made.add("DNS", "b.example", passes())))
        await made.finish()
        return [first.finding, second.finding, third.finding, fourth.finding]

    assert asyncio.run(run()) == [
        Finding(Verdict.ERROR, "broken", "mend it"),
        Finding(Verdict.SKIPPED, "skipped: see a.example"),
        Finding(Verdict.SKIPPED, "skipped: see a.example"),
        ok("fine"),
    ]


def test_a_bug_in_one_check_does_not_stop_the_others() -> None:
    async def breaks() -> Finding:
        raise KeyError("surprise")

    async def run() -> Report:
        made = Report()
        made.add("area", "breaks", breaks())
        made.add("area", "passes", passes())
        await made.finish()
        return made

    found = asyncio.run(run())
    assert [line.finding and line.finding.verdict for line in found.lines] == [Verdict.UNKNOWN, Verdict.OK]
    assert found.exit_status == 2


def test_on_a_terminal_lines_are_shown_while_they_are_checked() -> None:
    async def run(console: Console) -> None:
        made = Report()
        gate = asyncio.Event()

        async def waits() -> Finding:
            await gate.wait()
            return ok("fine")

        made.add("area", "slow", waits())
        asyncio.get_running_loop().call_later(0.3, gate.set)
        await show(made, console)

    console = Console(force_terminal=True, width=80, record=True)
    with console.capture() as capture:
        asyncio.run(run(console))
    shown = capture.get()
    assert "slow" in shown.partition("fine")[0]  # it was shown before it was finished
    assert "0 domains: no problems" in shown


def test_without_problems_the_report_of_problems_is_only_the_summary() -> None:
    async def run(console: Console, check: Coroutine[Any, Any, Finding]) -> None:
        made = Report()
        made.add("area", "a.example", check)
        await show(made, console, problems=True)

    def shown(check: Coroutine[Any, Any, Finding]) -> str:
        console = Console(width=80)
        with console.capture() as capture:
            asyncio.run(run(console, check))
        return capture.get()

    assert shown(passes()) == "\n0 domains: no problems\n"
    assert "✗  a.example  broken" in shown(fails())


def test_a_place_without_a_route_is_unknown_unless_another_has_an_error() -> None:
    async def check(place: str) -> str:
        if place == "2001:db8::1":
            raise Problem("there is no route from here to 2001:db8::1", "use IPv6", Verdict.UNKNOWN)
        if place == "192.0.2.9":
            raise Problem("refused")
        return place

    def at(*places: str) -> list[str]:
        return asyncio.run(at_each(places, check))

    assert at("192.0.2.1", "192.0.2.2") == ["192.0.2.1", "192.0.2.2"]
    with pytest.raises(Problem) as partly:
        at("192.0.2.1", "2001:db8::1")
    text = "there is no route from here to 2001:db8::1; no problem at 192.0.2.1"
    assert partly.value.finding == Finding(Verdict.UNKNOWN, text, "use IPv6")
    with pytest.raises(Problem, match=r"to 2001:db8::1$"):
        at("2001:db8::1")
    with pytest.raises(Problem, match="refused"):
        at("2001:db8::1", "192.0.2.1", "192.0.2.9")


def test_a_bug_in_a_check_is_not_taken_for_a_finding() -> None:
    async def breaks(place: str) -> str:
        raise KeyError(place)

    with pytest.raises(KeyError):
        asyncio.run(at_each(["192.0.2.1"], breaks))


def test_an_unknown_line_does_not_pass() -> None:
    line = Line("DNS", "a.example", Finding(Verdict.UNKNOWN, "the resolver does not answer"))
    with pytest.raises(SkippedError, match=r"a\.example"):
        asyncio.run(line.must_pass())
