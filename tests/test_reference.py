"""Environment variables: they are named after the options, and the reference lists them all."""

from pathlib import Path

import click
import pytest

from autoconfig.cli.options import Option
from tests.reference import commands, options, page
from tests.support import Write, run

REFERENCE = Path(__file__).parent.parent / "docs" / "reference.md"
OPTIONS = [(name, one) for name, command in commands().items() for one in options(command)]


def test_the_reference_is_up_to_date() -> None:
    assert REFERENCE.read_text() == page(), "run `make reference`"


@pytest.mark.parametrize(("command", "option"), OPTIONS, ids=lambda one: one if isinstance(one, str) else one.opts[0])
def test_the_variable_of_an_option_is_named_after_the_option(command: str, option: click.Option) -> None:
    assert isinstance(option, Option)
    assert option.help
    name = max(option.opts, key=len).lstrip("-").upper().replace("-", "_")
    assert option.envvar in (f"BT_AUTOCONFIG_{name}", f"BT_AUTOCONFIG_{command.upper()}_{name}")


def test_a_variable_has_one_meaning_in_all_commands() -> None:
    meanings: dict[str, object] = {}
    for command, option in OPTIONS:
        meaning = (option.type.to_info_dict(), option.multiple, option.is_flag)
        assert meanings.setdefault(str(option.envvar), meaning) == meaning, f"{command} {option.opts[0]}"


def validated(definition: str, *arguments: str) -> list[str]:
    return run(*arguments, BT_AUTOCONFIG_DEFINITION=definition).stdout.splitlines()


def test_all_lists_are_separated_by_commas(write: Write, tmp_path: Path) -> None:
    (tmp_path / "a folder: mine").mkdir()
    first = write(name="a folder: mine/one.xml")
    second = write({"example.com": "example.org", "example.net": "example.info"}, "two.xml")
    listed = f" {first}, {second},"
    assert [line for line in validated(listed, "validate") if line.endswith(": valid")] == [
        f"{first}: valid",
        f"{second}: valid",
    ]
    origins = [line for line in validated(listed, "dns", "--host", "a.example") if line.startswith("$ORIGIN")]
    assert origins == ["$ORIGIN example.com.", "$ORIGIN example.net.", "$ORIGIN example.org.", "$ORIGIN example.info."]


@pytest.mark.parametrize("empty", ["", ",", " , "])
def test_an_empty_variable_counts_as_unset(empty: str) -> None:
    assert "BT Mail" in validated(empty, "validate")[1]


def test_an_option_overrides_its_variable(write: Write) -> None:
    assert "imap.example.com" in "".join(validated("/nothing", "render", "autoconfig", "--definition", str(write())))


@pytest.mark.parametrize(
    "name", ["BT_AUTOCONFIG_FORMAT_", "BT_AUTOCONFIG_AS_JSON", "BT_AUTOCONFIG_COMING", "BT_AUTOCONFIG_DEFINITIONS"]
)
def test_parameter_names_in_the_code_are_not_variables(name: str) -> None:
    done = run("dns", "--host", "a.example", **{name: "json"})
    assert done.stdout.startswith("; btinternet.com")
    assert name not in {option.envvar for _, option in OPTIONS}
