"""The bt-autoconfig command."""

import functools
import os
import re
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import click
import uvicorn

from autoconfig.address import AddressError, MailAddress
from autoconfig.definition import EMBEDDED
from autoconfig.directory import NotServedError, directory
from autoconfig.protocols.autoconfig import Autoconfig
from autoconfig.protocols.autodiscover import Autodiscover, AutodiscoverError
from autoconfig.protocols.mobileconfig import PROTOCOLS, Mobileconfig
from autoconfig.protocols.pacc import Pacc
from autoconfig.reload import BROKEN, Reloadable, Workers, reloadable
from autoconfig.sources import Settings, Sources, warnings_of

_LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(levelname)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"level": "WARNING", "handlers": ["stderr"]},
}
"""Warnings and worse, on stderr."""
_WORKER_START = 120
"""Seconds that a worker may take to be ready: ten thousand definitions take some."""
_MOST_WARNINGS = 20
"""Warnings that the start prints."""

_SETTINGS = {"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "BT_AUTOCONFIG"}
_option = functools.partial(click.option, show_envvar=True)
_definition_option = _option(
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
    _option("--sign-cert", type=_PEM, metavar="FILE", help="Sign Apple's profiles: the signer's certificate, PEM."),
    _option("--sign-key", type=_PEM, metavar="FILE", help="Its private key, PEM without a passphrase."),
    _option(
        "--sign-chain",
        type=_PEM,
        metavar="FILE",
        help="The certificates that lead from it to a root, PEM; not needed when they stand in --sign-cert's file.",
    ),
)


def _signed(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of signing."""
    for option in reversed(_signing_options):
        command = option(command)
    return command


def _sources(
    definitions: tuple[Path, ...],
    sign_cert: Path | None,
    sign_key: Path | None,
    sign_chain: Path | None,
    public_url: str | None = None,
) -> Sources:
    if (sign_cert is None) != (sign_key is None) or (sign_chain and not sign_cert):
        raise click.UsageError("--sign-cert and --sign-key go together, and --sign-chain with both")
    return Sources(definitions, sign_cert, sign_key, sign_chain, public_url)


def _web_address(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    if value and not re.fullmatch(r"https?://[A-Za-z0-9.-]+(:\d{1,5})?/?", value):
        raise click.BadParameter(f"{value} is not the address of a server, such as https://setup.example.com")
    return value


def _address(value: str) -> MailAddress:
    try:
        return MailAddress.parse(value)
    except AddressError as error:
        raise click.BadParameter(f"the address {error}", param_hint="--emailaddress") from error


@click.group(context_settings=_SETTINGS)
@click.version_option(package_name="bt-autoconfig")
def main() -> None:
    """Configure every mail client from one definition of its provider's settings.

    Thunderbird, Outlook, iPhones and their kin ask this server how to connect; to their users an address and a password
    are enough.
    """


@main.command(context_settings=_SETTINGS)
@_option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@_option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="Port to listen on; 0: any.")
@_definition_option
@_option(
    "--public-url",
    callback=_web_address,
    metavar="URL",
    help="Where people reach the setup page, if that is none of the definitions' own host names.",
)
@_signed
@_option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes that answer.")
def serve(host: str, port: int, workers: int, **where: Any) -> None:
    """Answer mail clients over HTTP, and people who open / in a browser.

    SIGHUP reads definitions, certificates and keys anew; when one of them is wrong, the old ones go on serving.
    """
    sources = _sources(**where)
    # What is broken stops the start here, once, and not in every worker.
    with _explained():
        contents = sources.read()
        settings = contents.load()
        app = Reloadable(sources, settings)
    _warn(settings)
    listener = _listen(host, port)
    _say_where(listener, settings)
    del settings  # of many, some hundred megabytes that nobody needs any more
    for number in (signal.SIGINT, signal.SIGTERM):
        # uvicorn ends in good order, then raises the signal again.
        signal.signal(number, lambda *_: sys.exit(0))
    config = functools.partial(
        uvicorn.Config,
        http="httptools",
        loop="uvloop",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=_LOGGING,
        access_log=False,  # it would print query strings, and so addresses
        server_header=False,
    )
    if workers == 1:
        uvicorn.Server(config(app)).run(sockets=[listener])
    else:
        del app
        worker = functools.partial(reloadable, sources, contents)
        many = config(worker, factory=True, workers=workers, timeout_worker_healthcheck=_WORKER_START)
        Workers(many, [listener], sources).run()


@main.command(context_settings=_SETTINGS)
@click.argument("format_", metavar="FORMAT", type=click.Choice(["autoconfig", "autodiscover", "mobileconfig", "pacc"]))
@_option("--emailaddress", type=_address, metavar="ADDRESS", help="Whose settings; without it, those for anybody.")
@_option("--name", metavar="NAME", help="The sender's name (mobileconfig).")
@_option("--protocol", type=click.Choice(PROTOCOLS), help="For mobileconfig; imap unless there is only pop3.")
@_definition_option
@_signed
def render(
    format_: str, emailaddress: MailAddress | None, name: str | None, protocol: str | None, **where: Any
) -> None:
    """Print what the server sends to a client, to the byte; a signature has the time in it.

    FORMAT is autoconfig (Thunderbird), autodiscover (Outlook), mobileconfig (Apple) or pacc (the IETF's to come).
    """
    with _explained():
        settings = _sources(**where).read().load()
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


@main.command(context_settings=_SETTINGS)
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
    with _explained():
        settings = Sources(sources or (EMBEDDED,)).read().load()
    for definition in settings.definitions:
        click.echo(f"{definition.source}: right")
        others = " and on domains that it hosts" if definition.hosts_others else ""
        click.echo(f"  {definition.display_name}, for addresses on {', '.join(definition.domains)}{others}")
        for server in definition.servers:
            methods = " or ".join(server.authentication)
            username = f" as {server.username}" if server.username else ""
            click.echo(f"  {server.type:4} {server.hostname}:{server.port} {server.socket_type}, {methods}{username}")
        for service in definition.services:
            click.echo(f"  {service.type} {service.url}, {' or '.join(service.authentication)}")
        for warning in warnings_of(definition):
            click.echo(f"warning: {warning}", err=True)


class _Refusal(click.ClickException):
    """An error whose text says everything: shown as it is, exit status 1."""

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(self.message, file=file or sys.stderr)


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except (*BROKEN, NotServedError, AutodiscoverError) as error:
        raise _Refusal(str(error)) from error


def _warn(settings: Settings) -> None:
    """Tell what was passed over, and what some clients will not be able to use."""
    warnings = list(settings.warnings())
    for warning in warnings[:_MOST_WARNINGS]:
        click.echo(f"warning: {warning}", err=True)
    if more := warnings[_MOST_WARNINGS:]:
        click.echo(f"warning: and {len(more)} more; `bt-autoconfig validate` tells all", err=True)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        problem = f"cannot listen on {host} port {port}: {reason}"
        raise _Refusal(f"{problem}; choose others with --host and --port") from error


def _say_where(listener: socket.socket, settings: Settings) -> None:
    definitions = settings.definitions
    host, port = listener.getsockname()[:2]
    base = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    address = f"you@{definitions[0].domains[0]}"
    others = f" and {len(definitions) - 1} more" if len(definitions) > 1 else ""
    click.echo(f"bt-autoconfig serves {definitions[0].display_name}{others} on {base} (Ctrl-C ends it). To try it:")
    click.echo(f"  Thunderbird  {base}/mail/config-v1.1.xml?emailaddress={address}")
    click.echo(f"  Outlook      {base}/autodiscover/autodiscover.xml")
    click.echo(f"  Apple        {base}/email.mobileconfig?emailaddress={address}")
    click.echo(f"  People       {base}/")
    sys.stdout.flush()
