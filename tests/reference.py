"""Writes docs/reference.md, with every command and option, from the code (`make reference`)."""

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from autoconfig.cli import main

HEAD = """# Reference

`make reference` writes this page from the code.

Every option can also be set by an environment variable. An option on the command line overrides its variable; an empty variable
counts as unset. In the variable of a repeatable option, separate values with commas, with or without spaces; a value cannot contain
a comma: `BT_AUTOCONFIG_DEFINITION=/etc/provider.xml,/etc/more`. Flags are `1` or `0`.

The exit status is 0 after success, 1 after an error, 2 if an option or argument is invalid, and 130 after Ctrl-C. `check` has its
own: see [Result](check.md#result). `serve` exits with 0 after SIGTERM and Ctrl-C.
"""


def commands() -> dict[str, click.Command]:
    """Return all commands by name."""
    context = click.Context(main, info_name="bt-autoconfig")
    found = {name: main.get_command(context, name) for name in main.list_commands(context)}
    return {name: command for name, command in found.items() if command}


def options(command: click.Command) -> list[click.Option]:
    """Return the options of a command."""
    return [one for one in command.params if isinstance(one, click.Option)]


def page() -> str:
    """Return the whole page."""
    parts = [HEAD]
    variables: dict[str, list[str]] = {}
    for name, command in commands().items():
        context = click.Context(command, info_name=f"bt-autoconfig {name}")
        parts.append("\n".join(_command(command, context)))
        for parameter in command.params:
            if parameter.envvar:
                shown = (
                    max(parameter.opts, key=len)
                    if isinstance(parameter, click.Option)
                    else parameter.human_readable_name
                )
                variables.setdefault(str(parameter.envvar), []).append(f"`{name} {shown}`")
    rows = [f"| `{variable}` | {', '.join(where)} |" for variable, where in sorted(variables.items())]
    parts.append("\n".join(["## Environment variables", "", "| variable | option |", "|---|---|", *rows]))
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    yield f"## {context.info_name}"
    yield ""
    yield f"`{command.get_usage(context).removeprefix('Usage: ')}`"
    yield ""
    yield inspect.cleandoc(command.help or "")
    if found := options(command):
        yield ""
        yield "| option | | default | environment variable |"
        yield "|---|---|---|---|"
    for one in found:
        extra = one.get_help_extra(context)
        default = "required" if one.required else extra.get("default", "")
        names = ", ".join(f"`{name}`" for name in [*one.opts, *one.secondary_opts])
        number = isinstance(one.type, (click.IntRange, click.FloatRange))
        value = "" if one.is_flag else f" `{'N' if number else one.make_metavar(context)}`"
        bounds = f" `{extra['range']}`".replace("x", "N") if number else ""
        cells = (f"{names}{value}", f"{one.help}{bounds}", default and f"`{default}`", f"`{one.envvar}`")
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page())
