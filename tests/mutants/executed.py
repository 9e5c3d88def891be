"""Which tests execute a line of the product: measured once, with coverage's contexts."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from coverage import CoverageData

_CONFIGURATION = """
[run]
data_file = {data}
source_pkgs = autoconfig
parallel = true
patch =
    subprocess
    _exit
dynamic_context = test_function
"""


class Executed:
    """The tests that execute each line in the process of the tests."""

    def __init__(self, project: Path, folder: Path, arguments: Sequence[str]) -> None:
        """Run the tests of a project, with pytest's arguments, and keep the measurement in a folder."""
        data = folder / "coverage"
        configuration = folder / "coveragerc"
        configuration.write_text(_CONFIGURATION.format(data=data))
        options = [f"--rcfile={configuration}"]
        environment = os.environ | {"PYTHONPATH": str(project)}
        for command in (["run", *options, "-m", "pytest", "-q", *arguments], ["combine", "-q", *options]):
            subprocess.run(
                [sys.executable, "-m", "coverage", *command],
                cwd=project,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=True,
            )
        self._project = project
        self._data = CoverageData(str(data))
        self._data.read()

    def tests(self, file: Path, line: int) -> list[str]:
        """Return the tests that execute a line or, if it runs only during import, any line of its file."""
        by_line = self._data.contexts_by_lineno(str(self._project / file))
        names = set(by_line.get(line, ())) - {""}
        if not names:
            names = {name for found in by_line.values() for name in found} - {""}
        return sorted(map(_node_id, names))


def _node_id(context: str) -> str:
    """Return pytest's name of a test function from its qualified name."""
    module, _, function = context.rpartition(".")
    return f"{module.replace('.', '/')}.py::{function}"
