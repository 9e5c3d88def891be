"""Options and error output that the commands share."""

import functools
import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import click

from autoconfig.address import AddressError, MailAddress, ascii_domain
from autoconfig.cli.streams import OutputError, checked_output
from autoconfig.cli.types import Flag
from autoconfig.definition import EMBEDDED, DefinitionError
from autoconfig.hosting import ListSource
from autoconfig.sources import CONFIGURATION_ERRORS, Options, Sources
from autoconfig.visible import visible

SETTINGS = {"help_option_names": ["-h", "--help"]}
_PREFIX = "BT_AUTOCONFIG_"


class _NotEmpty(click.Parameter):
    """A parameter that rejects an empty text, which a shell passes for an unset variable.

    An empty path would be the current folder.
    """

    empty = False
    """Whether an empty text is a valid value."""

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        """Convert the value."""
        if not self.empty and "" in (value if isinstance(value, (tuple, list)) else [value]):
            raise click.UsageError(f"{self._name()} is empty; {_NAME_IT.get(self._metavar(), 'give a value')}", ctx)
        return super().type_cast_value(ctx, value)

    def _name(self) -> str:
        return max(self.opts, key=len) if isinstance(self, click.Option) else self._metavar()

    def _metavar(self) -> str:
        return (self.metavar or "").removeprefix("[ID=]").strip("[].")


_NAME_IT = {
    "FILE": "name a file",
    "PATH": "name a folder",
    "DIR": "name a folder",
    "DOMAIN": "give a domain name such as example.org",
}


class Option(_NotEmpty, click.Option):
    """An option that can also be set by an environment variable: `--sign-cert` by BT_AUTOCONFIG_SIGN_CERT.

    If an option means different things in two commands, `envvar` contains the command's name: BT_AUTOCONFIG_DNS_HOST.
    A variable for a repeatable option contains its values separated by commas.
    """

    def __init__(self, *args: Any, empty: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **(kwargs | {"show_envvar": True}))
        self.empty = empty
        if isinstance(self.type, click.types.BoolParamType):
            self.type = Flag()
        if self.envvar is None:
            name = max(self.opts, key=len).lstrip("-")
            self.envvar = _PREFIX + name.upper().replace("-", "_")

    def value_from_envvar(self, ctx: click.Context) -> Any:
        """Return the value of the environment variable, or None if it is not set."""
        return _listed(self.resolve_envvar_value(ctx)) if self.multiple else super().value_from_envvar(ctx)


class Argument(_NotEmpty, click.Argument):
    """An argument. An environment variable can set a repeatable one, with values separated by commas."""

    def value_from_envvar(self, ctx: click.Context) -> Any:
        """Return the value of the environment variable, or None if it is not set."""
        return _listed(self.resolve_envvar_value(ctx))


def _listed(value: str | None) -> list[str] | None:
    """Split a list at its commas: click would split some types at spaces, and others at colons."""
    return [one for part in (value or "").split(",") if (one := part.strip())] or None


option = functools.partial(click.option, cls=Option)
definition_option = option(
    "--definition",
    "definitions",
    multiple=True,
    type=click.Path(path_type=Path),
    default=[EMBEDDED],
    show_default="the built-in BT settings",
    metavar="FILE",
    help="Provider's settings: a clientConfig file, as in Thunderbird's public database, or a folder of them. "
    "Repeatable; clients that name no domain get the first.",
)


class _ListSourceType(click.ParamType[ListSource]):
    name = "list"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> ListSource:
        try:
            return value if isinstance(value, ListSource) else ListSource.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


hosted_domains_option = option(
    "--hosted-domains",
    multiple=True,
    type=_ListSourceType(),
    metavar="[ID=]FILE",
    help='List of the domains that the definition with purpose="mx" hosts for customers, one per line, or a folder of '
    "lists (.txt). ID is the definition's id, required if several definitions host domains. Repeatable. Without a "
    "list, MX records decide.",
)


def configured(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options for definitions and lists of hosted domains to a command."""
    return definition_option(hosted_domains_option(command))


_PEM = click.Path(path_type=Path)
_signing_options = (
    option("--sign-cert", type=_PEM, metavar="FILE", help="Certificate to sign Apple profiles with (PEM)."),
    option("--sign-key", type=_PEM, metavar="FILE", help="Private key of --sign-cert (PEM, without a passphrase)."),
    option(
        "--sign-chain",
        type=_PEM,
        metavar="FILE",
        help="Intermediate certificates of --sign-cert (PEM); not needed if the same file contains them.",
    ),
)


def signed(command: Callable[..., None]) -> Callable[..., None]:
    """Add the signing options to a command."""
    for option in reversed(_signing_options):
        command = option(command)
    return command


def sources_of(
    definitions: tuple[Path, ...],
    hosted_domains: tuple[ListSource, ...] = (),
    sign_cert: Path | None = None,
    sign_key: Path | None = None,
    sign_chain: Path | None = None,
    options: Options = Options(),  # noqa: B008 - it cannot change
) -> Sources:
    """Return the sources that the options name. Raises UsageError if a signing option is missing."""
    if (sign_cert is None) != (sign_key is None) or (sign_chain and not sign_cert):
        raise click.UsageError("--sign-cert needs --sign-key and vice versa; --sign-chain needs both")
    return Sources(definitions, sign_cert, sign_key, sign_chain, options, hosted_domains)


def web_address(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    """Validate an option that is the URL of a server: scheme, host and an optional port."""
    match = re.fullmatch(r"https?://(?P<host>[A-Za-z0-9.-]+)(:(?P<port>[0-9]{1,5}))?/?", value or "")
    if value and not (match and _is_host(match["host"]) and 0 < int(match["port"] or 80) < 65536):
        raise click.BadParameter(f"{value} is not the URL of a server, such as https://setup.example.com")
    return value


def _is_host(name: str) -> bool:
    try:
        return bool(ascii_domain(name))
    except ValueError:
        return False


def address_of(value: str) -> MailAddress:
    """Parse an option that is an email address."""
    try:
        return MailAddress.parse(value)
    except AddressError as error:
        raise click.BadParameter(f"the address {error}", param_hint="--emailaddress") from error


class Refusal(click.ClickException):
    """An error whose lines are printed unchanged; exit status 1."""

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(map(visible, lines)))

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the lines."""
        click.echo(self.message, file=file or sys.stderr)


class Group(click.Group):
    """Commands whose errors show control characters in arguments, filenames and variables as escapes.

    An output that cannot be written is an error of one line. After Ctrl-C, the exit status is 130.
    """

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Parse the options of the group itself."""
        with _visibly():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Parse the options of a command, and run it."""
        with _visibly():
            return super().invoke(ctx)


@contextmanager
def _visibly() -> Iterator[None]:
    try:
        with explained_output():
            yield
    except (KeyboardInterrupt, click.Abort) as error:
        say("Aborted!", err=True)
        raise click.exceptions.Exit(128 + signal.SIGINT) from error  # as shells do
    except (Refusal, click.exceptions.NoArgsIsHelpError):
        raise
    except click.UsageError as error:
        shown = click.UsageError(visible(error.format_message()), error.ctx)
        shown.exit_code = error.exit_code  # type: ignore[misc]  # a class variable, which click reads from the instance
        raise shown from error


@contextmanager
def explained_output() -> Iterator[None]:
    """Turn a failure to write to stdout into a Refusal."""
    try:
        with checked_output():
            yield
    except OutputError as error:
        raise Refusal(str(error)) from error


def say(text: str, *, err: bool = False) -> None:
    """Print a line that may quote a definition or a filename; to stderr with `err`."""
    click.echo(visible(text), err=err)


_SHOWN = 10


def some(domains: Sequence[str]) -> str:
    """Return domains as text: up to ten, and the number of the rest."""
    more = f" and {len(domains) - _SHOWN:,} more" if len(domains) > _SHOWN else ""
    return ", ".join(domains[:_SHOWN]) + more


@contextmanager
def explained() -> Iterator[None]:
    """Turn configuration errors into a Refusal, instead of a traceback."""
    try:
        yield
    except DefinitionError as error:
        raise Refusal(*error.errors) from error
    except CONFIGURATION_ERRORS as error:
        raise Refusal(str(error)) from error
