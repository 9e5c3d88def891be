"""Mutation testing (`make mutants`): makes small changes to the product, and lists those that no test detects.

mutmut changes only code inside functions, so it does not change defaults of options. cosmic-ray does not support
stylesheets, and runs all tests for each change. This program runs the tests of the changed module first, then those
that execute the changed line, and all others only if these detect nothing.
"""

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import NamedTuple

from tests.mutants.changes import Change, of_python, of_stylesheet
from tests.mutants.executed import Executed

PROJECT = Path(__file__).parents[2]
TIMEOUT = 900
"""Seconds for the tests of one change. A change that makes them hang counts as detected."""
_OUTSIDE = ("tests/mutants", "tests/benchmark", "tests/stress", "tests/clients", "tests/web", "tests/deploy")
_COMMANDS = ("tests/test_cli.py", "tests/test_reference.py", "tests/test_limits.py", "tests/cli/test_values.py")
"""Tests of all commands and their options."""
_MANY = 300
"""Tests from which on running all of them, in parallel, takes no longer."""
_ALL = ("tests", *(f"--ignore={one}" for one in _OUTSIDE), "--numprocesses=2")


class Mutant(NamedTuple):
    """A change to a file of the product."""

    file: Path
    """Relative to the project."""
    source: bytes
    change: Change


def product() -> Iterator[Path]:
    """Yield the files that can be changed."""
    for folder, suffix in (("autoconfig", "*.py"), ("xml_templates", "*.xsl")):
        yield from sorted(file.relative_to(PROJECT) for file in (PROJECT / folder).rglob(suffix))


def mutants(files: list[str]) -> list[Mutant]:
    """Return all changes to files whose names contain one of the texts."""
    found = []
    for file in product():
        if not files or any(text in str(file) for text in files):
            of_file = of_python if file.suffix == ".py" else of_stylesheet
            source = (PROJECT / file).read_bytes()
            found += [Mutant(file, source, change) for change in of_file(source)]
    return found


def nearest_tests(file: Path) -> list[str]:
    """Return the tests of a file: the one with the corresponding path, and those that import it.

    A module without a corresponding test is tested by those of its folder. A stylesheet is tested by those of the
    modules that name it, and the setup page's by those of its folder.
    """
    if file.suffix == ".xsl":
        if file.stem.startswith("setup_"):
            return ["tests/site"]
        users = [one for one in product() if f'"{file.name}"' in (PROJECT / one).read_text()]
        found = dict.fromkeys(test for user in users for test in nearest_tests(user))
        return list(found)
    module = file.relative_to("autoconfig")
    imported = re.compile(rf"\b{'.'.join(file.with_suffix('').parts)}\b".replace(".", r"\."))
    tests = [Path("tests", module.parent, f"test_{module.stem}.py")]
    if module.parts[0] == "cli":
        tests += [Path("tests/operations", tests[0].name), *map(Path, _COMMANDS)]
    elif len(module.parts) > 1 and not (PROJECT / tests[0]).exists():
        tests.append(tests[0].parent)
    tests += [test for test in _tests() if imported.search((PROJECT / test).read_text())]
    return [str(test) for test in dict.fromkeys(tests) if (PROJECT / test).exists()]


def _tests() -> Iterator[Path]:
    for file in sorted((PROJECT / "tests").rglob("test_*.py")):
        test = file.relative_to(PROJECT)
        if not str(test).startswith(_OUTSIDE):
            yield test


class Bench:
    """A copy of the project, for trying one change after the other."""

    def __init__(self, folder: Path, executed: Executed | None) -> None:
        self._folder = folder
        self._executed = executed
        self._moment = 1_000_000_000
        for name in ("autoconfig", "xml_templates", "tests", "docs", "deploy"):
            shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
        for file in PROJECT.iterdir():
            if file.is_file():
                shutil.copy(file, folder)

    def detects(self, mutant: Mutant) -> bool:
        """Return whether a test fails with a change."""
        file = self._folder / mutant.file
        original = mutant.source
        self._write(file, mutant.change.apply(original))
        try:
            return any(not self._passes(*tests) for tests in self._tests(mutant))
        finally:
            self._write(file, original)

    def _tests(self, mutant: Mutant) -> Iterator[Sequence[str]]:
        """Yield groups of tests, those that are likely to detect a change first."""
        if nearest := nearest_tests(mutant.file):
            yield nearest
        if self._executed:
            executed = self._executed.tests(mutant.file, mutant.change.line)
            if 0 < len(executed) < _MANY:
                yield executed
            yield _ALL

    def _write(self, file: Path, content: bytes) -> None:
        file.write_bytes(content)
        self._moment += 10  # Python recompiles a module only if its time in seconds has changed
        os.utime(file, (self._moment, self._moment))

    def _passes(self, *arguments: str) -> bool:
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-x",
            "-p",
            "no:randomly",
            "-p",
            "no:cacheprovider",
            *arguments,
        ]
        # Runs that shared a folder for temporary files could fail when one removes it.
        environment = os.environ | {"PYTHONPATH": str(self._folder), "PYTEST_DEBUG_TEMPROOT": str(self._folder)}
        with subprocess.Popen(
            command, cwd=self._folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            try:
                return process.wait(TIMEOUT) == 0
            except subprocess.TimeoutExpired:
                process.kill()
                return False


def main() -> None:
    """Try a sample of all changes, and print whether a test detects each."""
    parser = argparse.ArgumentParser(prog="make mutants MUTANTS=...", description=__doc__)
    parser.add_argument("files", nargs="*", help="only files whose names contain one of these texts")
    parser.add_argument("--sample", type=int, default=100, help="changes to try (default: 100)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the sample (default: 1)")
    parser.add_argument("--jobs", type=int, default=2, help="changes to try at the same time (default: 2)")
    parser.add_argument("--nearest", action="store_true", help="run only the tests of the changed module")
    options = parser.parse_args()
    found = mutants(options.files)
    sample = random.Random(options.seed).sample(found, min(options.sample, len(found)))
    queue: SimpleQueue[Mutant] = SimpleQueue()
    for mutant in sample:
        queue.put(mutant)
    survivors: list[Mutant] = []

    def work(folder: Path) -> None:
        bench = Bench(folder, executed)
        while True:
            try:
                mutant = queue.get_nowait()
            except Empty:
                return
            detected = bench.detects(mutant)
            if not detected:
                survivors.append(mutant)
            text = mutant.change.show(mutant.source)
            print(f"{'detected' if detected else 'SURVIVED'} {mutant.file}:{mutant.change.line}: {text}", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        executed = None if options.nearest else Executed(PROJECT, Path(folder), _ALL)
        threads = [threading.Thread(target=work, args=(Path(folder, str(number)),)) for number in range(options.jobs)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    detected = len(sample) - len(survivors)
    print(f"\n{detected} of {len(sample)} changes detected ({detected / len(sample):.0%}); {len(found)} are possible")


if __name__ == "__main__":
    main()
