"""A report as a table for a terminal."""

import asyncio

from rich.console import Console, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from autoconfig.operations.report import Line, Report, Verdict

_PROBLEMS = (Verdict.WARNING, Verdict.ERROR, Verdict.UNKNOWN)
_SIGNS = {
    Verdict.OK: ("✓", "green"),
    Verdict.WARNING: ("!", "yellow"),
    Verdict.ERROR: ("✗", "red"),
    Verdict.UNKNOWN: ("?", "magenta"),
    Verdict.SKIPPED: ("·", "dim"),
}


def shown(report: Report, *, problems: bool = False) -> list[Line]:
    """Return the lines to show: all lines, or only warnings, errors and unknown results."""
    if not problems:
        return report.lines
    return [line for line in report.lines if line.finding and line.finding.verdict in _PROBLEMS]


def table(report: Report, *, problems: bool = False) -> Table:
    """Return the report as a table. Lines that are still being checked have a spinner."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("", "", "check", "result"):
        made.add_column(name, overflow="fold")
    area = ""
    for line in shown(report, problems=problems):
        sign: RenderableType = Spinner("dots")
        found = Text()
        if line.finding:
            mark, style = _SIGNS[line.finding.verdict]
            sign, found = Text(mark, style), Text(line.finding.text, style if mark in "✗?" else "")
            if line.finding.remedy:
                found.append(f"\n→ {line.finding.remedy}", "bold")
        made.add_row(Text(line.area if line.area != area else "", "bold"), sign, Text(line.subject), found)
        area = line.area
    return made


async def show(report: Report, console: Console, *, problems: bool = False) -> None:
    """Show the report: live on a terminal, otherwise once it is finished."""
    if console.is_terminal:
        with Live(console=console, auto_refresh=False, vertical_overflow="visible") as live:
            finishing = asyncio.create_task(report.finish())
            while not finishing.done():
                live.update(table(report, problems=problems), refresh=True)
                await asyncio.wait([finishing], timeout=0.1)
            live.update(table(report, problems=problems), refresh=True)
            await finishing
    else:
        await report.finish()
        if shown(report, problems=problems):
            console.print(table(report, problems=problems), soft_wrap=False)
    console.print(f"\n{report.summary()}", highlight=False)
