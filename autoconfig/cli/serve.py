"""`bt-autoconfig serve`."""

import functools
import os
import signal
import socket
import sys
from typing import Any

import click
import uvicorn

from autoconfig.cli.options import (
    SETTINGS,
    Refusal,
    definition_option,
    explained,
    option,
    signed,
    sources_of,
    web_address,
)
from autoconfig.reload import Reloadable, Workers, reloadable
from autoconfig.sources import Settings

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


@click.command(context_settings=SETTINGS)
@option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="Port to listen on; 0: any.")
@definition_option
@option(
    "--public-url",
    callback=web_address,
    metavar="URL",
    help="Where people reach the setup page, if that is none of the definitions' own host names.",
)
@signed
@option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes that answer.")
def serve(host: str, port: int, workers: int, **where: Any) -> None:
    """Answer mail clients over HTTP, and people who open / in a browser.

    SIGHUP reads definitions, certificates and keys anew; when one of them is wrong, the old ones go on serving.
    """
    sources = sources_of(**where)
    # What is broken stops the start here, once, and not in every worker.
    with explained():
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
        raise Refusal(f"{problem}; choose others with --host and --port") from error


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
