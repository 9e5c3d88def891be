"""`bt-autoconfig init`: write a verified definition for a domain."""

import asyncio
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import click
from rich.console import Console
from rich.text import Text

from autoconfig.address import mail_domain
from autoconfig.cli.options import SETTINGS, Argument, Refusal, option, say
from autoconfig.cli.output import check_output, save
from autoconfig.cli.resolver import resolver_option
from autoconfig.cli.types import Choice, Seconds
from autoconfig.definition import Definition
from autoconfig.operations.attempts import Attempts
from autoconfig.operations.discovery.discover import Discovery, Found, Progress
from autoconfig.operations.discovery.settle import CHECK, WRONG
from autoconfig.operations.discovery.sources import DATABASE
from autoconfig.operations.discovery.write import USERNAME_FORMS, Answers, is_provider, write
from autoconfig.operations.names import Names
from autoconfig.operations.report import Problem
from autoconfig.sources import warnings_of
from autoconfig.visible import visible


def _domain(_context: click.Context, _option: click.Parameter, value: str) -> str:
    try:
        domain = mail_domain(value)
    except ValueError:
        domain = ""
    if domain and "_" not in domain:
        return domain
    hint = "give the domain after the @" if "@" in value else "give one such as example.org"
    raise click.BadParameter(f"{value} is not a domain name; {hint}")


def _database(_context: click.Context, _option: click.Parameter, value: str) -> str:
    """Return a URL to which a domain can be appended. Raises BadParameter, also for a URL with credentials."""
    try:
        parts = urlsplit(value)
        usable = parts.hostname and parts.port != 0 and parts.username is None and parts.scheme in ("http", "https")
    except ValueError:
        usable = False
    if not usable or not re.fullmatch("[!-~]+", value):
        raise click.BadParameter(f"{value} is not a URL such as {DATABASE}")
    return value if value.endswith(("/", "=")) else f"{value}/"


@click.command(context_settings=SETTINGS, short_help="Discover a domain's mail servers, and write a definition.")
@click.argument("domain", cls=Argument, metavar="DOMAIN", callback=_domain)
@option(
    "--output",
    envvar="BT_AUTOCONFIG_INIT_OUTPUT",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the definition to this file instead of stdout. It must not exist.",
)
@option("--force", envvar="BT_AUTOCONFIG_INIT_FORCE", is_flag=True, help="Replace the file if it exists.")
@option(
    "--username",
    envvar="BT_AUTOCONFIG_INIT_USERNAME",
    type=Choice(USERNAME_FORMS),
    help="Form of the username: the whole address, or the part before the @. By default, init uses the published form, "
    "asks on a terminal, or assumes the address and says so.",
)
@option(
    "--provider/--no-provider",
    envvar="BT_AUTOCONFIG_INIT_PROVIDER",
    default=None,
    help='Write a definition for all domains whose MX records name the mail provider (purpose="mx"), or for DOMAIN '
    "only (default).",
)
@option(
    "--database",
    callback=_database,
    default=DATABASE,
    show_default=True,
    metavar="URL",
    help="Database of providers to query for the domain and the domain of its MX. No email address is sent.",
)
@option("--no-database", is_flag=True, help="Do not query a database.")
@resolver_option
@option(
    "--private-addresses",
    is_flag=True,
    help="Allow connections to private addresses and to this machine.",
)
@option("--timeout", type=Seconds(0.1, 300), default=5, show_default=True, help="Seconds for each attempt.")
@option(
    "--max-time",
    type=Seconds(1, 86400),
    default=60,
    show_default=True,
    help="Seconds for the whole search; the definition contains what was verified by then.",
)
def init(
    domain: str,
    output: Path | None,
    force: bool,
    username: str | None,
    provider: bool | None,
    database: str,
    no_database: bool,
    resolver: str | None,
    private_addresses: bool,
    timeout: float,
    max_time: float,
) -> None:
    """Discover the mail servers of DOMAIN, and write a definition with the evidence for each setting.

    Looks at what the domain publishes for mail clients, a database of providers, the DNS and common hostnames. Then
    connects to every server found, and writes only what it has verified. Needs no password and never logs in.
    """
    if output:
        check_output(output, replace=force)
    console = Console(stderr=True)
    try:
        names = Names(resolver, timeout, public_only=not private_addresses)
    except Problem as problem:
        raise Refusal(f"{problem}; {problem.finding.remedy}") from problem
    with _progress(console, domain) as progress:
        discovery = Discovery(
            domain,
            names,
            Attempts(timeout),
            database=None if no_database else database,
            max_time=max_time,
            progress=progress,
        )
        found = asyncio.run(discovery.find())
    if not found.is_usable:
        raise Refusal(*_failure(found))
    answers = _ask(found, Answers(username, provider))
    content, definition = write(found, answers, str(output or f"{domain}.xml"))
    if output:
        save(output, content, replace=force)
    else:
        click.echo(content, nl=False)
    _report(found, answers, definition, output)


@contextmanager
def _progress(console: Console, domain: str) -> Iterator[Progress]:
    """Show progress, on a terminal only."""
    if not console.is_terminal:
        yield lambda _: None
        return
    with console.status(Text(f"{domain}: starting")) as status:
        yield lambda text: status.update(Text(visible(f"{domain}: {text}")))


def _failure(found: Found) -> list[str]:
    types = sorted({one.verified.type for one in found.servers})
    what = f"only {', '.join(types)}" if types else "no mail server that clients can use"
    lines = [f"{found.domain}: found {what}; a definition needs an incoming and an outgoing server. Tried:"]
    lines += [f"  {one}" for one in found.tried]
    lines += [f"  {one}" for one in found.remarks if one not in found.tried]
    if all("the lookup of " in one or one.endswith("not finished in time") for one in found.tried):
        return [*lines, "The DNS does not answer: check this machine's network, or name a resolver with --resolver."]
    return [*lines, "If you know the servers, write the definition by hand: see the examples in docs/definitions.md."]


def _ask(found: Found, answers: Answers) -> Answers:
    """Ask, on a terminal, for what cannot be discovered from outside."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return answers
    username, provider = answers.username, answers.provider
    if username is None and not found.knows_username:
        form = Choice(USERNAME_FORMS)
        question = "Do users log in with the whole address, or with the part before the @ (localpart)?"
        username = click.prompt(question, type=form, default=USERNAME_FORMS[0], err=True)
    if provider is None and found.is_hosted and found.exchanger:
        base = found.exchanger.base_domain
        question = f"{base} hosts {found.domain}. Is the definition for all domains that {base} hosts?"
        provider = click.confirm(question, default=False, err=True)
    return Answers(username, provider)


def _report(found: Found, answers: Answers, definition: Definition, output: Path | None) -> None:
    """Print to stderr what was found, what needs attention, and what to do next."""
    say(f"{found.domain}: {f'written to {output}' if output else 'the definition is on stdout'}, with:", err=True)
    for server in found.servers:
        guess = " (a guess: log in once to verify it)" if server.guessed else ""
        say(f"  {server.verified}, {', '.join(server.methods)}{guess}", err=True)
        for line in server.evidence:
            if line.startswith((WRONG, CHECK)):
                say(f"    {line}", err=True)
    for service in found.services:
        say(f"  {service.verified.type} {service.verified.url}, {', '.join(service.verified.methods)}", err=True)
    if not answers.username and not found.knows_username:
        say("  assumed: users log in with the whole address; otherwise use --username localpart", err=True)
    if found.is_hosted and not is_provider(found, answers) and found.exchanger:
        base = found.exchanger.base_domain
        say(
            f"  for {found.domain} only; if you are {base}, use --provider to write one for all your customers",
            err=True,
        )
    for remark in dict.fromkeys(found.remarks):
        say(f"  left out: {remark}", err=True)
    for warning in warnings_of(definition):
        say(f"  warning: {warning}", err=True)
    name = str(output or f"{found.domain}.xml")
    file = shlex.quote(name if not name.startswith("-") else f"./{name}")
    say(f"Next{'' if output else f', with this output in {file}'}:", err=True)
    say(f"  bt-autoconfig validate {file}", err=True)
    say(f"  bt-autoconfig serve --definition {file}", err=True)
    say(f"  bt-autoconfig dns --definition {file} --host setup.{definition.id}", err=True)
