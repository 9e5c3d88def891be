"""Invalid and empty values of options and arguments."""

from pathlib import Path
from typing import Any

import click
import pytest

from autoconfig.cli.types import Flag, Number, Seconds
from tests.reference import commands, options
from tests.support import failure, run

NEEDED = {"render": ["autoconfig"], "export": ["site"], "init": ["example.org"], "dns": ["--host", "a.example"]}
"""What a command needs besides the option."""


OPTIONS = [(name, one) for name, command in commands().items() for one in options(command)]


def given(types: tuple[type[click.ParamType[Any]], ...]) -> list[tuple[str, str]]:
    return [(name, max(one.opts, key=len)) for name, one in OPTIONS if isinstance(one.type, types)]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_numbers_and_flags_have_the_types_with_our_messages() -> None:
    types = [one.type for _, one in OPTIONS]
    assert all(isinstance(one, Seconds) for one in types if isinstance(one, click.types.FloatParamType))
    assert all(isinstance(one, Number) for one in types if isinstance(one, click.types.IntParamType))
    assert all(isinstance(one, Flag) for one in types if isinstance(one, click.types.BoolParamType))


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e999", "ten"])
@pytest.mark.parametrize(("command", "option"), given((Seconds,)))
def test_seconds_are_a_finite_number(command: str, option: str, value: str) -> None:
    refused = run(command, *NEEDED.get(command, []), option, value)
    assert (refused.returncode, refused.stdout) == (failure(command, 2), "")
    assert f"'{value}' is not a number of seconds; the range is " in refused.stderr


@pytest.mark.parametrize(("command", "option"), given((Number,)))
def test_a_number_is_whole(command: str, option: str) -> None:
    refused = run(command, option, "1.5")
    assert (refused.returncode, refused.stdout) == (failure(command, 2), "")
    assert "'1.5' is not a whole number; the range is " in refused.stderr


def test_a_flag_in_the_environment_is_1_or_0() -> None:
    refused = run("serve", BT_AUTOCONFIG_ACCESS_LOG="x")
    assert refused.returncode == 2
    assert refused.stderr.endswith("'x' is not a flag; use 1 or 0\n")


@pytest.mark.parametrize(("value", "flag"), [("1", True), ("true", True), ("0", False), ("no", False)])
def test_a_flag_is_on_or_off(value: str, flag: bool) -> None:
    assert Flag().convert(value, None, None) is flag


def texts() -> list[tuple[str, str]]:
    fixed = (click.Choice, click.types.FloatParamType, click.types.IntParamType, click.types.BoolParamType)
    may_be_empty = {"--name", "--trusted-proxies"}
    shown = [(name, max(one.opts, key=len)) for name, one in OPTIONS if not isinstance(one.type, fixed)]
    return [(name, option) for name, option in shown if option not in may_be_empty]


@pytest.mark.parametrize(("command", "option"), texts())
def test_an_empty_value_is_refused(folder: Path, command: str, option: str) -> None:
    refused = run(command, *NEEDED.get(command, []), option, "")
    assert (refused.returncode, refused.stdout) == (failure(command, 2), "")
    assert f"Error: {option} is empty; " in refused.stderr
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (["validate", ""], "FILE is empty; name a file"),
        (["export", ""], "DIR is empty; name a folder"),
        (["check", ""], "DOMAIN is empty; give a domain name such as example.org"),
        (["init", ""], "DOMAIN is empty; give a domain name such as example.org"),
        (["validate", "--hosted-domains", "x="], "x= names no file; use ID=FILE"),
    ],
)
def test_an_empty_argument_is_refused(folder: Path, command: list[str], text: str) -> None:
    refused = run(*command)
    assert (refused.returncode, refused.stdout) == (failure(command[0], 2), "")
    assert refused.stderr.endswith(f"{text}\n")
    assert not list(folder.iterdir())


def test_an_empty_name_and_no_trusted_proxies_are_valid() -> None:
    assert run("render", "mobileconfig", "--name", "").returncode == 0
    refused = run("serve", "--trusted-proxies", "", "--port", "x")
    assert "--port" in refused.stderr.splitlines()[-1]


def test_a_missing_format_is_an_error_of_one_line_with_the_formats() -> None:
    line = run("render").stderr.splitlines()[-1]
    assert line.startswith("Error: Missing argument 'FORMAT'. Choose from autoconfig, autodiscover, ")
    assert "\\x" not in line
