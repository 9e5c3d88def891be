"""`python -m autoconfig` is `bt-autoconfig`."""

from autoconfig.cli import main

main(prog_name="bt-autoconfig")
