"""`bt-autoconfig validate`: validate definitions and summarise them."""

from pathlib import Path

import click

from autoconfig.cli.options import SETTINGS, Argument, explained, hosted_domains_option, say, some, sources_of
from autoconfig.definition import EMBEDDED
from autoconfig.grammar import quote
from autoconfig.hosting import ListSource
from autoconfig.sources import warnings_of

_LONGEST = 300
"""Maximum characters of a line about a server."""


@click.command(context_settings=SETTINGS)
@click.argument(
    "sources",
    cls=Argument,
    metavar="[FILE]...",
    nargs=-1,
    envvar="BT_AUTOCONFIG_DEFINITION",
    type=click.Path(path_type=Path),
)
@hosted_domains_option
def validate(sources: tuple[Path, ...], hosted_domains: tuple[ListSource, ...]) -> None:
    """Validate definitions and summarise what they contain.

    Each FILE is a definition or a folder of them; the default is the built-in definition. With errors, the server does
    not start. Warnings are settings that were changed or left out, look unintended, or fail in some clients.
    """
    with explained():
        settings = sources_of(sources or (EMBEDDED,), hosted_domains).read().load()
    hosted = settings.assigned.hosted
    for number, definition in enumerate(settings.definitions):
        say(f"{definition.source}: valid")
        count = hosted.count(number)
        listed = "1 listed domain" if count == 1 else f"{count:,} listed domains"
        listed = listed if number in hosted.listed else "domains that it hosts"
        others = f" and on {listed}" if definition.hosts_customer_domains else ""
        name = quote(definition.display_name)
        say(f"  {name}, for addresses on {some(definition.domains)}{others}")
        for server in definition.servers:
            place, methods = f"{server.hostname}:{server.port} {server.socket_type}", " or ".join(server.authentication)
            username = f" as {server.username}" if server.username else ""
            say("  " + quote(f"{server.type} {place}, {methods}{username}", _LONGEST))
        for service in definition.services:
            methods = " or ".join(service.authentication) or "no authentication"
            say("  " + quote(f"{service.type} {service.url}, {methods}", _LONGEST))
        for type_, place in definition.others:
            say("  " + quote(f"{type_} {place}, in autoconfig only", _LONGEST))
        for warning in warnings_of(definition):
            say(f"warning: {warning}", err=True)
    for warning in settings.assigned.warnings:
        say(f"warning: {warning}", err=True)
