"""The bt-autoconfig command."""

import importlib
import io
import sys

import click

from autoconfig.cli.options import SETTINGS, Group

_COMMANDS = {
    "serve": "serve",
    "render": "render",
    "validate": "validate",
    "dns": "dns",
    "check": "check",
    "export": "export",
    "init": "init",
}
"""The commands and their modules, imported on use: `serve` starts without the modules of the other commands."""


class _Commands(Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"autoconfig.cli.{_COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, cmd_name)
        return command


@click.group(cls=_Commands, context_settings=SETTINGS)
@click.version_option(package_name="bt-autoconfig")
def main() -> None:
    """Let mail clients set themselves up, from one definition of the provider's settings.

    Thunderbird, Outlook, iPhones and other clients fetch their settings from this server. Users enter only an address
    and a password.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # for a terminal that is not UTF-8
