"""What the commands have in common: options, and how errors are told."""

import functools
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import click

from autoconfig.address import AddressError, MailAddress
from autoconfig.definition import EMBEDDED
from autoconfig.directory import NotServedError
from autoconfig.protocols.autodiscover import AutodiscoverError
from autoconfig.running import CONFIGURATION_ERRORS
from autoconfig.sources import Options, Sources

SETTINGS = {"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "BT_AUTOCONFIG"}
"""Every option is an environment variable too."""
option = functools.partial(click.option, show_envvar=True)
definition_option = option(
    "--definition",
    "definitions",
    envvar="BT_AUTOCONFIG_DEFINITION",
    multiple=True,
    type=click.Path(path_type=Path),
    default=[EMBEDDED],
    show_default="the BT settings it comes with",
    metavar="FILE",
    help="A provider's settings: a clientConfig file, as Thunderbird's public database has them, or a folder of such "
    "files. May be given more than once; the first serves whoever does not say which.",
)


_PEM = click.Path(path_type=Path)
_signing_options = (
    option("--sign-cert", type=_PEM, metavar="FILE", help="Sign Apple's profiles: the signer's certificate, PEM."),
    option("--sign-key", type=_PEM, metavar="FILE", help="Its private key, PEM without a passphrase."),
    option(
        "--sign-chain",
        type=_PEM,
        metavar="FILE",
        help="The certificates that lead from it to a root, PEM; not needed when they stand in --sign-cert's file.",
    ),
)


def signed(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of signing."""
    for option in reversed(_signing_options):
        command = option(command)
    return command


def sources_of(
    definitions: tuple[Path, ...],
    sign_cert: Path | None,
    sign_key: Path | None,
    sign_chain: Path | None,
    options: Options = Options(),  # noqa: B008 - it cannot change
) -> Sources:
    """Return what the options name. Raises UsageError when some that go together do not."""
    if (sign_cert is None) != (sign_key is None) or (sign_chain and not sign_cert):
        raise click.UsageError("--sign-cert and --sign-key go together, and --sign-chain with both")
    return Sources(definitions, sign_cert, sign_key, sign_chain, options)


def web_address(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    """Check an option that is the URL of a server: scheme, host and perhaps a port."""
    if value and not re.fullmatch(r"https?://[A-Za-z0-9.-]+(:\d{1,5})?/?", value):
        raise click.BadParameter(f"{value} is not the address of a server, such as https://setup.example.com")
    return value


def address_of(value: str) -> MailAddress:
    """Read an option that is an e-mail address."""
    try:
        return MailAddress.parse(value)
    except AddressError as error:
        raise click.BadParameter(f"the address {error}", param_hint="--emailaddress") from error


class Refusal(click.ClickException):
    """An error whose text says everything: shown as it is, exit status 1."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Print it."""
        click.echo(self.message, file=file or sys.stderr)


@contextmanager
def explained() -> Iterator[None]:
    """Tell what cannot be served, instead of a traceback."""
    try:
        yield
    except (*CONFIGURATION_ERRORS, NotServedError, AutodiscoverError) as error:
        raise Refusal(str(error)) from error
