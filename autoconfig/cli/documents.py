"""`bt-autoconfig render` and `validate`: what a definition makes, and whether it is right."""

import sys
from pathlib import Path
from typing import Any

import click

from autoconfig.address import MailAddress
from autoconfig.cli.options import SETTINGS, address_of, definition_option, explained, option, say, signed, sources_of
from autoconfig.definition import EMBEDDED
from autoconfig.directory import directory
from autoconfig.protocols.autoconfig import Autoconfig
from autoconfig.protocols.autodiscover import Autodiscover
from autoconfig.protocols.mobileconfig import PROTOCOLS, Mobileconfig
from autoconfig.protocols.pacc import Pacc
from autoconfig.sources import Sources, warnings_of


@click.command(context_settings=SETTINGS)
@click.argument("format_", metavar="FORMAT", type=click.Choice(["autoconfig", "autodiscover", "mobileconfig", "pacc"]))
@option("--emailaddress", type=address_of, metavar="ADDRESS", help="Whose settings; without it, those for anybody.")
@option("--name", metavar="NAME", help="The sender's name (mobileconfig).")
@option("--protocol", type=click.Choice(PROTOCOLS), help="For mobileconfig; imap unless there is only pop3.")
@definition_option
@signed
def render(
    format_: str, emailaddress: MailAddress | None, name: str | None, protocol: str | None, **where: Any
) -> None:
    """Print what the server sends to a client, to the byte; a signature has the time in it.

    FORMAT is autoconfig (Thunderbird), autodiscover (Outlook), mobileconfig (Apple) or pacc (the IETF's to come).
    """
    with explained():
        settings = sources_of(**where).read().load()
        definitions = directory(settings.definitions)
        match format_:
            case "autoconfig":
                document = Autoconfig(definitions).render(emailaddress)
            case "autodiscover":
                document = Autodiscover(definitions).render(emailaddress)
            case "mobileconfig":
                document = Mobileconfig(definitions, settings.signer).render(emailaddress, name, protocol)
            case _:
                document = Pacc(definitions).render(emailaddress.domain if emailaddress else None)
    sys.stdout.buffer.write(document)


@click.command(context_settings=SETTINGS)
@click.argument(
    "sources",
    metavar="[FILE]...",
    nargs=-1,
    envvar="BT_AUTOCONFIG_DEFINITION",
    type=click.Path(path_type=Path),
)
def validate(sources: tuple[Path, ...]) -> None:
    """Say what definitions hold, or all that is wrong with them.

    FILEs may be folders. Without any it is the definition that the server comes with. Warnings tell what is right and
    yet fails with some client.
    """
    with explained():
        settings = Sources(sources or (EMBEDDED,)).read().load()
    for definition in settings.definitions:
        say(f"{definition.source}: right")
        others = " and on domains that it hosts" if definition.hosts_customer_domains else ""
        say(f"  {definition.display_name}, for addresses on {', '.join(definition.domains)}{others}")
        for server in definition.servers:
            methods = " or ".join(server.authentication)
            username = f" as {server.username}" if server.username else ""
            say(f"  {server.type:4} {server.hostname}:{server.port} {server.socket_type}, {methods}{username}")
        for service in definition.services:
            say(f"  {service.type} {service.url}, {' or '.join(service.authentication)}")
        for warning in warnings_of(definition):
            say(f"warning: {warning}", err=True)
