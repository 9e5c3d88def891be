"""The bt-autoconfig command, and `python -m autoconfig`."""

import sys

from autoconfig import signals


def main() -> None:
    """Run the command."""
    if sys.argv[1:2] == ["serve"]:
        signals.catch()  # the imports below take longer than systemd takes from start to reload
    from autoconfig.cli import main as command

    command(prog_name="bt-autoconfig")


if __name__ == "__main__":
    main()
