"""Every problem that `check` reports has a remedy."""

import ast
from pathlib import Path

import pytest

from autoconfig import operations

MODULES = sorted(Path(operations.__path__[0]).glob("*.py"))
REMEDY = {"Finding": 2, "Problem": 1}
"""The position of the remedy among the arguments."""


def without_remedy(call: ast.Call) -> bool:
    name, text = getattr(call.func, "id", ""), ast.unparse(call)
    if name not in REMEDY or "Verdict.OK" in text or "Verdict.SKIPPED" in text:
        return False
    given = call.args[REMEDY[name] :]
    return not given or (isinstance(given[0], ast.Constant) and not given[0].value)


def test_a_problem_without_a_remedy_is_recognised() -> None:
    calls = ["Problem('a')", "Problem('a', '')", "Finding(Verdict.WARNING, 'a')"]
    for text in calls:
        call = ast.parse(text, mode="eval").body
        assert isinstance(call, ast.Call)
        assert without_remedy(call)


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_every_warning_and_error_in_the_code_has_a_remedy(module: Path) -> None:
    calls = (node for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, ast.Call))
    assert not [ast.unparse(call) for call in calls if without_remedy(call)]
