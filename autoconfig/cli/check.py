"""`bt-autoconfig check`: check domains from the outside, as mail clients do."""

import asyncio
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from autoconfig.address import mail_domain
from autoconfig.cli.options import (
    SETTINGS,
    Argument,
    Refusal,
    configured,
    explained,
    explained_output,
    option,
    say,
    sources_of,
    web_address,
)
from autoconfig.cli.output import check_output, save
from autoconfig.cli.resolver import resolver_option
from autoconfig.cli.streams import discard_output
from autoconfig.cli.types import Choice, Seconds
from autoconfig.definition import Definition
from autoconfig.directory import Directory, Relation
from autoconfig.operations.attempts import Attempts
from autoconfig.operations.check import Check
from autoconfig.operations.domains import Domain, ServedDomain
from autoconfig.operations.local import Local
from autoconfig.operations.mx import exchangers
from autoconfig.operations.names import Names
from autoconfig.operations.report import Problem, Report
from autoconfig.operations.report_formats import as_html, as_json, as_prometheus
from autoconfig.operations.report_table import show
from autoconfig.operations.web import Web
from autoconfig.server import application
from autoconfig.sources import Settings

_WIDTH = 140
"""Columns of a table that is not printed on a terminal."""
_NO_REPORT = 3
"""The exit status if there is no report: 0, 1 and 2 are results."""
_FORMATS = ("text", "json", "prometheus", "html")


@dataclass(frozen=True)
class _Options:
    """The options of a check and of its report."""

    resolver: str | None
    url: str | None
    timeout: float
    max_time: float
    problems: bool
    format: str
    output: Path | None


class _Command(click.Command):
    """A command that exits with 3 if there is no report."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Parse the options."""
        with _without_report(), explained_output():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _without_report(), explained_output():
            return super().invoke(ctx)


@contextmanager
def _without_report() -> Iterator[None]:
    try:
        yield
    except click.ClickException as error:
        error.exit_code = _NO_REPORT  # type: ignore[misc]  # a class variable, which click reads from the instance
        raise
    except BrokenPipeError as error:
        discard_output()
        raise click.exceptions.Exit(_NO_REPORT) from error
    except (click.exceptions.Exit, click.Abort):
        raise
    except Exception as error:
        for line in traceback.format_exception(error):  # it may quote what a server sent
            for one in line.splitlines():
                say(one, err=True)
        raise click.exceptions.Exit(_NO_REPORT) from error


@click.command(
    cls=_Command, context_settings=SETTINGS, short_help="Check domains from the outside, as mail clients do."
)
@click.argument("names", cls=Argument, nargs=-1, metavar="[DOMAIN]...")
@option(
    "--domain",
    "domains",
    multiple=True,
    metavar="DOMAIN",
    help="Same as the DOMAIN argument. Repeatable.",
)
@resolver_option
@option(
    "--url",
    callback=web_address,
    metavar="URL",
    help="Send every request to this server, to check it before you publish DNS records. Skips the DNS checks.",
)
@option("--timeout", type=Seconds(0.1, 300), default=10, show_default=True, help="Seconds for each attempt.")
@option(
    "--max-time",
    type=Seconds(1, 86400),
    default=600,
    show_default=True,
    help="Seconds for the whole check. Unfinished checks are then unknown.",
)
@option("--problems", is_flag=True, help="Show only errors, warnings and unknown results.")
@option(
    "--format",
    "format_",
    envvar="BT_AUTOCONFIG_CHECK_FORMAT",
    type=Choice(_FORMATS),
    default="text",
    show_default=True,
    help="A table, JSON, metrics for node_exporter's textfile collector, or a self-contained HTML page.",
)
@option("--json", "json_", is_flag=True, hidden=True, help="Same as --format json.")
@option(
    "--output",
    envvar="BT_AUTOCONFIG_CHECK_OUTPUT",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the report to this file instead of stdout. It is replaced atomically, and only by a complete report.",
)
@configured
def check(
    names: tuple[str, ...],
    domains: tuple[str, ...],
    resolver: str | None,
    url: str | None,
    timeout: float,
    max_time: float,
    problems: bool,
    format_: str,
    json_: bool,
    output: Path | None,
    **where: Any,
) -> None:
    """Check domains from the outside, as mail clients do: DNS, HTTPS, mail servers, and the account in each client.

    Without DOMAIN, checks all domains in the definitions. DOMAIN can also be a hosted domain, or any domain that this
    server does not serve.

    Sends no password. The exit status is 0 without errors, 1 with errors, 2 if there are no errors but some checks
    could not be completed, and 3 if there is no report. Trusts the system's certificate authorities, or those in
    SSL_CERT_FILE.
    """
    with explained():
        settings = sources_of(**where).read().load()
    if output:
        check_output(output, replace=True)
    options = _Options(resolver, url, timeout, max_time, problems, "json" if json_ else format_, output)
    sys.exit(asyncio.run(_check(settings, _named([*names, *domains]), options)))


def _named(names: Sequence[str]) -> list[str]:
    """Return domains in lower-case A-labels, without duplicates. Raises Refusal for an invalid domain."""
    found: dict[str, None] = {}
    for name in names:
        try:
            found[mail_domain(name)] = None
        except ValueError as error:
            suggestion = f"; did you mean {name.rpartition('@')[2]}?" if "@" in name else ""
            raise Refusal(f"{name} is not a domain name such as example.org{suggestion}") from error
    return list(found)


async def _check(settings: Settings, named: Sequence[str], options: _Options) -> int:
    try:
        names = Names(options.resolver, options.timeout)
    except Problem as problem:
        raise Refusal(f"{problem}; {problem.finding.remedy}") from problem
    attempts = Attempts(options.timeout)
    async with Local(application(settings)) as local:
        web, internet = Web(names, attempts, options.url), Web(names, attempts)
        check = Check(web, names, attempts, in_dns=options.url is None, max_time=options.max_time, internet=internet)
        await check.start(await _domains(settings, named, local, names, options))
        await _print(check.report, options)
        return check.report.exit_status


async def _domains(
    settings: Settings, named: Sequence[str], local: Local, names: Names, options: _Options
) -> list[Domain]:
    """Return the domains to check, those that this server serves with their definitions."""
    directory = settings.directory()
    domains: list[Domain] = []
    for name in named or [domain for one in settings.definitions for domain in one.domains]:
        relation, definition = directory.standing(name)
        if relation is Relation.BY_MX:
            definition = await _provider(names, name, directory)
        if definition:
            domains.append(ServedDomain(definition, name, local, hosted=relation is not Relation.OWN))
        elif options.url:
            raise Refusal(f"--url: {name} is in no definition, so the expected responses are unknown; add --definition")
        else:
            domains.append(Domain(name))
    return domains


async def _provider(names: Names, name: str, directory: Directory[Definition]) -> Definition | None:
    """Return the definition of the provider that receives the domain's mail, or None if there is none."""
    try:
        best = next(iter(await exchangers(names, name)), None)
    except Problem:
        return None
    return directory.by_exchange(best.host) if best else None


async def _print(report: Report, options: _Options) -> None:
    if options.output:
        save(options.output, (await _text(report, options)).encode(), replace=True)
    elif options.format == "text":
        console = Console() if sys.stdout.isatty() else Console(width=_WIDTH)
        await show(report, console, problems=options.problems)
    else:
        click.echo(await _text(report, options), nl=False)


async def _text(report: Report, options: _Options) -> str:
    """Return the complete report."""
    if options.format == "text":
        text = StringIO()
        await show(report, Console(file=text, width=_WIDTH, force_terminal=False), problems=options.problems)
        return text.getvalue()
    await report.finish()
    if options.format == "prometheus":
        return as_prometheus(report)
    made = as_json if options.format == "json" else as_html
    return f"{made(report, problems=options.problems)}\n"
