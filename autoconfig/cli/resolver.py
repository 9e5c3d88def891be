"""The value of `--resolver`."""

import click

from autoconfig.cli.options import option
from autoconfig.mail_exchangers import address_and_port


def resolver_address(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    """Validate an option that is the address of a DNS resolver, `IP[:PORT]`."""
    if value:
        try:
            address_and_port(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error
    return value


resolver_option = option(
    "--resolver",
    callback=resolver_address,
    metavar="IP[:PORT]",
    help="DNS resolver to use instead of the system's.",
)
