"""The commands in the README and in docs/ print the output shown there."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.support import COMMAND, Served

PROJECT = Path(__file__).parent.parent


def examples() -> list[tuple[str, str]]:
    """Return the commands of all console blocks, each with the output below it."""
    pages = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
    blocks = re.findall(r"```console\n(.*?)```", "".join(page.read_text() for page in pages), re.DOTALL)
    steps = [step for block in blocks for step in re.split(r"^\$ ", block, flags=re.MULTILINE) if step]
    return [(command, output) for command, _, output in (step.partition("\n") for step in steps)]


@pytest.mark.parametrize(("command", "output"), examples())
def test_a_command_in_the_documentation_prints_the_output_shown(server: Served, command: str, output: str) -> None:
    done = subprocess.run(
        # The program under test, and the running test server.
        command.replace(".venv/bin/", f"{COMMAND.parent}/").replace("127.0.0.1:8000", f"127.0.0.1:{server.port}"),
        shell=True,
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert done.stdout.decode() == output
