"""`bt-autoconfig check`: what mail clients find, seen from outside."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Any

import click
from rich.console import Console

from autoconfig.cli.options import (
    SETTINGS,
    Refusal,
    configured,
    explained,
    option,
    some,
    sources_of,
    web_address,
)
from autoconfig.definition import Definition
from autoconfig.operations.attempts import Attempts
from autoconfig.operations.check import Check, Domain
from autoconfig.operations.local import Local
from autoconfig.operations.names import Names
from autoconfig.operations.report import Problem
from autoconfig.operations.web import Web
from autoconfig.server import application
from autoconfig.sources import Settings

_WIDTH = 140
"""Columns of a table that goes to no terminal."""


_domain_option = option(
    "--domain",
    "domains",
    multiple=True,
    metavar="DOMAIN",
    help="Only for this domain; may be given more than once. Without it, all of the definitions' domains.",
)


@click.command(context_settings=SETTINGS)
@_domain_option
@option("--resolver", metavar="IP[:PORT]", help="Ask this resolver instead of the system's.")
@option(
    "--url",
    callback=web_address,
    metavar="URL",
    help="Ask this server for every host, whatever the DNS says: before you publish it. The DNS is then not checked.",
)
@option("--timeout", type=click.FloatRange(0.1, 300), default=10, show_default=True, help="Seconds for each attempt.")
@option(
    "--max-time",
    type=click.FloatRange(1, 86400),
    default=600,
    show_default=True,
    help="Seconds for the whole check; what is not finished then is unknown.",
)
@option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@configured
def check(
    domains: tuple[str, ...],
    resolver: str | None,
    url: str | None,
    timeout: float,
    max_time: float,
    as_json: bool,
    **where: Any,
) -> None:
    """Try from outside whether clients find everything: DNS, HTTPS, the mail servers, and each client's own way.

    Nothing is sent but what anybody may ask; no password is needed. Ends with 0 when all is right, 1 when something is
    wrong, 2 when something could not be checked. What is trusted is what the system trusts, or SSL_CERT_FILE.
    """
    with explained():
        settings = sources_of(**where).read().load()
    sys.exit(asyncio.run(_check(settings, _chosen(settings, domains), resolver, url, timeout, max_time, as_json)))


async def _check(
    settings: Settings,
    chosen: Sequence[tuple[Definition, str]],
    resolver: str | None,
    url: str | None,
    timeout: float,
    max_time: float,
    as_json: bool,
) -> int:
    try:
        names = Names(resolver, timeout)
    except (Problem, ValueError) as error:
        raise Refusal(f"--resolver: {error}") from error
    attempts = Attempts(timeout)
    async with Local(application(settings)) as local:
        web = Web(names, attempts, url)
        found = Check(web, names, attempts, in_dns=url is None, max_time=max_time)
        await found.begin([Domain(definition, name, local) for definition, name in chosen])
        if as_json:
            await found.report.finish()
            click.echo(found.report.as_json())
        else:
            await found.report.show(Console() if sys.stdout.isatty() else Console(width=_WIDTH))
        return found.report.exit_status


def _chosen(settings: Settings, domains: Sequence[str]) -> list[tuple[Definition, str]]:
    """Return the domains that are asked for, each with its definition."""
    known = {domain: definition for definition in settings.definitions for domain in definition.domains}
    if unknown := [domain for domain in domains if domain.lower() not in known]:
        raise Refusal(f"--domain: {unknown[0]} stands in no definition; there are {some(list(known))}")
    return [(known[domain.lower()], domain.lower()) for domain in (domains or known)]
