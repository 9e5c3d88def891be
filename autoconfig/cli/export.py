"""`bt-autoconfig export`: the documents that need no computing, as files."""

import asyncio
from pathlib import Path
from typing import Any

import click

from autoconfig.cli.options import SETTINGS, Refusal, configured, explained, say, signed, sources_of
from autoconfig.operations.export import ExportError
from autoconfig.operations.export import export as write_export
from autoconfig.operations.local import Local
from autoconfig.server import application
from autoconfig.sources import Settings


@click.command(context_settings=SETTINGS)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@configured
@signed
def export(folder: Path, **where: Any) -> None:
    """Write the documents that need no computing to DIR, laid out by host, for any static web server or CDN.

    DIR/manifest.json lists the headers and the SHA-256 digest of each. Files that an earlier export wrote are replaced
    or removed; nothing else is touched, and symbolic links in DIR are not followed.
    """
    with explained():
        settings = sources_of(**where).read().load()
        try:
            written = asyncio.run(_export(settings, folder))
        except ExportError as error:
            raise Refusal(str(error)) from error
    say(f"{folder}: {len(written)} files, and manifest.json with their headers")


async def _export(settings: Settings, folder: Path) -> list[str]:
    async with Local(application(settings)) as local:
        return await write_export(settings.definitions, local, folder)
