import asyncio
import re
from collections.abc import Coroutine
from typing import Any

import pytest
from rich.console import Console
from rich.text import Text

from autoconfig.operations.report import Finding, Line, Problem, Report, SkippedError, Verdict, at_each, ok
from autoconfig.operations.report_table import show, table


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


def test_a_line_waits_for_the_line_that_it_depends_on() -> None:
    async def run() -> list[Finding | None]:
        gate = asyncio.Event()

        async def fails_late() -> Finding:
            await gate.wait()
            return await fails()

        made = Report()
        first = made.add("DNS", "a.example", fails_late())
        second = made.add("HTTPS", "a.example", depends_on(first))
        asyncio.get_running_loop().call_later(0.01, gate.set)
        await made.finish()
        return [first.finding, second.finding]

    skipped = Finding(Verdict.SKIPPED, "skipped: see a.example")
    assert asyncio.run(run()) == [Finding(Verdict.ERROR, "broken", "mend it"), skipped]


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
    finding = found.lines[0].finding
    assert finding
    assert re.fullmatch(r"bug in this check: KeyError .*test_report\.py.*", finding.text), finding.text
    assert finding.remedy == "please report it"
    assert found.exit_status == 2


def test_a_line_that_is_not_finished_in_time_is_unknown() -> None:
    async def hangs() -> Finding:
        await asyncio.Event().wait()
        return ok("fine")

    async def run() -> Report:
        made = Report(max_time=0.01)
        made.add("area", "hangs", hangs())
        made.add("area", "passes", passes())
        await made.finish()
        return made

    found = asyncio.run(run())
    late = Finding(Verdict.UNKNOWN, "not finished in time", "raise --max-time, or check fewer domains")
    assert [line.finding for line in found.lines] == [late, ok("fine")]


def test_the_time_that_is_left_is_never_negative_and_unlimited_without_a_maximum() -> None:
    assert Report().seconds_left is None
    assert Report(max_time=-1).seconds_left == 0
    left = Report(max_time=60).seconds_left
    assert left is not None
    assert 0 < left <= 60


def test_a_line_that_the_check_does_not_include_does_not_stop_those_that_depend_on_it() -> None:
    async def excluded() -> Finding:
        return Finding(Verdict.SKIPPED, "not checked")

    async def run() -> Report:
        made = Report()
        made.add("HTTPS", "https://a.example/", depends_on(made.add("HTTPS", "a.example", excluded())))
        await made.finish()
        return made

    assert [line.finding for line in asyncio.run(run()).lines] == [Finding(Verdict.SKIPPED, "not checked"), ok("fine")]


def test_long_text_from_servers_is_cut_and_control_characters_are_made_visible() -> None:
    text = "\x1b" + "a" * 2000
    shown = r"\x1b" + "a" * 995 + "…"
    finding = Finding(Verdict.ERROR, text, text)
    assert (finding.text, finding.remedy, Line("area", text).subject) == (shown, shown, shown)


@pytest.mark.parametrize(
    ("verdicts", "summary"),
    [
        ([Verdict.OK], "no problems"),
        ([Verdict.ERROR], "1 error"),
        ([Verdict.ERROR, Verdict.ERROR, Verdict.WARNING], "2 errors, 1 warning"),
        ([Verdict.WARNING, Verdict.WARNING, Verdict.UNKNOWN, Verdict.UNKNOWN], "2 warnings, 2 unknown"),
        ([Verdict.WARNING] * 10, "10 warnings"),
    ],
)
def test_the_summary_counts_each_kind_of_problem(verdicts: list[Verdict], summary: str) -> None:
    made = report(*verdicts)
    made.domains = ["a.example"]
    assert made.summary() == f"1 domain: {summary}"


def test_a_table_has_a_sign_for_each_verdict_and_names_each_area_once() -> None:
    made = Report()
    for number, verdict in enumerate(Verdict):
        area = "DNS" if verdict in (Verdict.OK, Verdict.WARNING) else "HTTPS"
        made.note(
            area, f"line {number}", Finding(verdict, verdict.value, "mend it" if verdict is Verdict.WARNING else "")
        )
    made.lines.append(Line("mail", "line 5"))
    console = Console(width=80, force_terminal=True, color_system="standard", legacy_windows=False)
    with console.capture() as capture:
        console.print(table(made))
    styled = capture.get()
    *plain, unfinished = (line.split() for line in Text.from_ansi(styled).plain.splitlines())
    assert plain == [
        ["check", "result"],
        ["DNS", "✓", "line", "0", "ok"],
        ["!", "line", "1", "warning"],
        ["→", "mend", "it"],
        ["HTTPS", "✗", "line", "2", "error"],
        ["?", "line", "3", "unknown"],
        ["·", "line", "4", "skipped"],
    ]
    area, spinner, *subject = unfinished
    assert (area, subject) == ("mail", ["line", "5"])
    assert spinner in "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
    red, magenta, bold = "\x1b[31m", "\x1b[35m", "\x1b[1m"
    for sign, colour in (("✓", "\x1b[32m"), ("!", "\x1b[33m"), ("✗", red), ("?", magenta), ("·", "\x1b[2m")):
        assert f"{colour}{sign}" in styled
    for text, style in (("error", red), ("unknown", magenta), ("→ mend it", bold), ("HTTPS", bold), ("check", bold)):
        assert f"{style}{text}" in styled
    assert "ok" in styled
    assert "\x1b[32mok" not in styled


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
