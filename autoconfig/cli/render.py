"""`bt-autoconfig render`: print the response that a client gets."""

from typing import Any

import click

from autoconfig.address import MailAddress
from autoconfig.cli.options import SETTINGS, Refusal, address_of, configured, explained, option, signed, sources_of
from autoconfig.cli.types import Choice
from autoconfig.definition import INCOMING_TYPES
from autoconfig.directory import NotServedError
from autoconfig.protocols import PROTOCOLS
from autoconfig.protocols.autodiscover import AutodiscoverError
from autoconfig.protocols.description import Parts, RenderOptions

_FORMATS = {protocol.name: protocol for protocol in PROTOCOLS if protocol.render}
_FORMATS_HELP = ", ".join(f"{name} ({protocol.clients})" for name, protocol in _FORMATS.items())


@click.command(
    context_settings=SETTINGS,
    short_help="Print the exact response that a client gets.",
    help=f"""Print the exact response that a client gets (signatures differ each time).

    FORMAT is one of {_FORMATS_HELP}.""",
)
@click.argument("format_", metavar="FORMAT", type=Choice(list(_FORMATS)))
@option("--emailaddress", type=address_of, metavar="ADDRESS", help="Email address of the user. Default: any user.")
@option("--name", empty=True, metavar="NAME", help="Sender's name, for mobileconfig.")
@option(
    "--protocol",
    type=Choice(INCOMING_TYPES),
    help="Incoming protocol, for mobileconfig. Default: imap, or pop3 if the provider has no IMAP.",
)
@configured
@signed
def render(
    format_: str, emailaddress: MailAddress | None, name: str | None, protocol: str | None, **where: Any
) -> None:
    """Print the response of a protocol."""
    wanted, rendered = RenderOptions(emailaddress, name, protocol), _FORMATS[format_]
    with explained():
        settings = sources_of(**where).read().load()
        parts = Parts(settings.directory(), PROTOCOLS, settings.signer)
        try:
            document = rendered.render(parts.made(rendered), wanted) if rendered.render else b""
        except (NotServedError, AutodiscoverError) as error:
            raise Refusal(str(error)) from error
    click.echo(document, nl=False)
