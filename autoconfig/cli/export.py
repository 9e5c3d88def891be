"""`bt-autoconfig export`: write the static documents to a folder."""

import asyncio
from pathlib import Path
from typing import Any

import click

from autoconfig.cli.options import SETTINGS, Argument, Refusal, configured, explained, option, say, signed, sources_of
from autoconfig.operations.export import ExportError
from autoconfig.operations.export import export as write_export


@click.command(context_settings=SETTINGS, short_help="Write the static documents to a folder.")
@click.argument("folder", cls=Argument, metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@option(
    "--root",
    envvar="BT_AUTOCONFIG_EXPORT_ROOT",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Path of DIR on the machine that serves it, for the nginx and Caddy configurations. Default: DIR.",
)
@configured
@signed
def export(folder: Path, root: Path | None, **where: Any) -> None:
    """Write the static documents to DIR, for nginx, Caddy, another web server or a CDN.

    Each document is written once. DIR/manifest.json lists the hosts, paths and headers of each file; nginx-http.conf,
    nginx-server.conf and Caddyfile serve them. These files contain no hosted domains. Files from an earlier export are
    replaced or removed; other files are left alone, and symbolic links in DIR are not followed.
    """
    with explained():
        settings = sources_of(**where).read().load()
        try:
            written = asyncio.run(write_export(settings, folder, root))
        except ExportError as error:
            raise Refusal(str(error)) from error
    say(f"{folder}: {written.files} files for {written.hosts} hosts, and manifest.json")
