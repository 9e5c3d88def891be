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
"""The commands, and the modules that they are in: the server starts without what only operators need."""


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
    """Configure every mail client from one definition of its provider's settings.

    Thunderbird, Outlook, iPhones and their kin ask this server how to connect; to their users an address and a password
    are enough.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that is not UTF-8
