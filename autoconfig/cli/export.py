"""`bt-autoconfig export`: the documents that need no computing, as files."""

import asyncio
from pathlib import Path
from typing import Any

import click

from autoconfig.cli.options import SETTINGS, Refusal, configured, explained, option, say, signed, sources_of
from autoconfig.operations.export import ExportError
from autoconfig.operations.export import export as write_export


@click.command(context_settings=SETTINGS)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@option(
    "--root",
    envvar="BT_AUTOCONFIG_EXPORT_ROOT",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Where DIR will be on the machine that serves it, for the configurations of nginx and Caddy. Default: DIR.",
)
@configured
@signed
def export(folder: Path, root: Path | None, **where: Any) -> None:
    """Write the documents that need no computing to DIR, for nginx, Caddy, any other web server, or a CDN.

    Each content is written once. DIR/manifest.json lists the hosts and paths that each file is for, with their headers;
    nginx-http.conf, nginx-server.conf and Caddyfile serve them. Hosted domains are in none of these files. Files that
    an earlier export wrote are replaced or removed; nothing else is touched, and symbolic links in DIR are not
    followed.
    """
    with explained():
        settings = sources_of(**where).read().load()
        try:
            written = asyncio.run(write_export(settings, folder, root))
        except ExportError as error:
            raise Refusal(str(error)) from error
    say(f"{folder}: {written.files} files for {written.hosts} hosts, and manifest.json")
