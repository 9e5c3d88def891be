"""`bt-autoconfig render` and `validate`: what clients get of a definition, and whether it is valid."""

import sys
from pathlib import Path
from typing import Any

import click

from autoconfig.address import MailAddress
from autoconfig.cli.options import (
    SETTINGS,
    Argument,
    address_of,
    configured,
    explained,
    hosted_domains_option,
    option,
    say,
    signed,
    some,
    sources_of,
)
from autoconfig.definition import EMBEDDED, INCOMING_TYPES
from autoconfig.grammar import quote
from autoconfig.hosting import ListSource
from autoconfig.protocols import PROTOCOLS
from autoconfig.protocols.description import Parts, Wanted
from autoconfig.sources import warnings_of

_LONGEST = 300
"""Characters of a line about a server."""

_FORMATS = {protocol.name: protocol for protocol in PROTOCOLS if protocol.render}
_FORMATS_HELP = ", ".join(f"{name} ({protocol.clients})" for name, protocol in _FORMATS.items())


@click.command(
    context_settings=SETTINGS,
    help=f"""Print the exact response that a client gets; only a signature differs each time.

    FORMAT is one of {_FORMATS_HELP}.""",
)
@click.argument("format_", metavar="FORMAT", type=click.Choice(list(_FORMATS)))
@option("--emailaddress", type=address_of, metavar="ADDRESS", help="Address of the user; default: any user.")
@option("--name", metavar="NAME", help="The sender's name (mobileconfig).")
@option("--protocol", type=click.Choice(INCOMING_TYPES), help="For mobileconfig; default: imap if there is.")
@configured
@signed
def render(
    format_: str, emailaddress: MailAddress | None, name: str | None, protocol: str | None, **where: Any
) -> None:
    """Print the response of a protocol."""
    wanted, rendered = Wanted(emailaddress, name, protocol), _FORMATS[format_]
    with explained():
        settings = sources_of(**where).read().load()
        parts = Parts(settings.directory(), PROTOCOLS, settings.signer)
        document = rendered.render(parts.made(rendered), wanted) if rendered.render else b""
    sys.stdout.buffer.write(document)


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

    FILEs may be folders; without any, the built-in definition is validated. Errors are what no client could use.
    Warnings name what was changed or left out, what is probably a mistake, and what fails with some client.
    """
    with explained():
        settings = sources_of(sources or (EMBEDDED,), hosted_domains).read().load()
    hosted = settings.assigned.hosted
    for number, definition in enumerate(settings.definitions):
        say(f"{definition.source}: valid")
        listed = f"{hosted.count(number):,} domains of its list" if number in hosted.listed else "domains that it hosts"
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
