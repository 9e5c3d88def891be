"""The bt-autoconfig command, and `python -m autoconfig`."""

import signal
import sys

from autoconfig import signals


def main() -> None:
    """Run the command."""
    if sys.argv[1:2] == ["serve"]:
        signals.catch()  # the imports below take longer than systemd takes from start to reload
    try:
        from autoconfig.cli import main as command
        from autoconfig.cli.streams import open_closed
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)  # as the command itself does once it is imported
    open_closed()
    command(prog_name="bt-autoconfig")


if __name__ == "__main__":
    main()
