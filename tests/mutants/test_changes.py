import ast

import pytest

from tests.mutants.changes import of_python, of_stylesheet


def python(source: str) -> list[str]:
    """Return the source after each change, one change at a time."""
    return [change.apply(source.encode()).decode() for change in of_python(source.encode())]


def stylesheet(source: str) -> list[str]:
    return [change.apply(source.encode()).decode() for change in of_stylesheet(source.encode())]


@pytest.mark.parametrize(
    ("source", "changed"),
    [
        ("x = a == b\n", "x = a != b\n"),
        ("x = a < b\n", "x = a <= b\n"),
        ("x = a and b\n", "x = a or b\n"),
        ("x = not a\n", "x = (a)\n"),
        ("x = a + b\n", "x = (a - b)\n"),
        ("x = b if a else c\n", "x = b if not a else c\n"),
        ("x = 10\n", "x = 11\n"),
        ("x = True\n", "x = False\n"),
        ("x = 'a'\n", "x = 'XXaXX'\n"),
        ("x += a\n", "x -= a\n"),
        ("f(a)\n", "pass\n"),
        ("def f():\n    return a\n", "def f():\n    return None\n"),
        ("é = 'é' == b\n", "é = 'é' != b\n"),
    ],
)
def test_a_module_is_changed_in_one_place(source: str, changed: str) -> None:
    found = python(source)
    assert changed in found
    for one in found:
        ast.parse(one)


@pytest.mark.parametrize(
    "source",
    [
        '"""Docstring."""\n',
        "x: 'int'\n",
        "def f(a: int) -> 'str': ...\n",
        "x = f'a{b}'\n",
        "def f():\n    return None\n",
    ],
)
def test_what_has_no_effect_or_only_formats_text_is_not_changed(source: str) -> None:
    assert python(source) == []


@pytest.mark.parametrize(
    ("source", "changed"),
    [
        ('<if test="a"/>', '<if test="not(a)"/>'),
        ('<if test="a and b"/>', '<if test="a or b"/>'),
        ("""<x select="f('a')"/>""", """<x select="f('XX')"/>"""),
        ("<x>text</x>", "<x>XXtextXX</x>"),
    ],
)
def test_a_stylesheet_is_changed_in_one_place(source: str, changed: str) -> None:
    assert changed in stylesheet(source)


def test_comments_of_a_stylesheet_are_not_changed() -> None:
    assert stylesheet('<!-- <if test="a"/> text -->') == []
