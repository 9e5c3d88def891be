"""Standard streams that are closed or full: the command fails with an error of one line."""

import errno
import os
import sys
from pathlib import Path

import pytest

from autoconfig import __main__
from autoconfig.cli import main
from autoconfig.cli.streams import checked_output
from tests.support import failure

FULL = f"cannot write to standard output: {os.strerror(errno.ENOSPC)}\n"
CLOSED = f"cannot write to standard output: {os.strerror(errno.EBADF)}\n"
COMMANDS = [
    ["--help"],
    ["--version"],
    ["serve", "--help"],
    ["render", "autoconfig"],
    ["validate"],
    ["dns", "--host", "setup.example"],
    ["check", "--help"],
]


def status_of(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> object:
    """Run the command in this process as its script does, and return its exit status."""
    monkeypatch.setattr(sys, "argv", ["bt-autoconfig", *map(str, arguments)])
    with pytest.raises(SystemExit) as exited:
        __main__.main()
    return exited.value.code


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_full_disk_is_an_error_of_one_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], command: list[str]
) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert status_of(monkeypatch, *command) == failure(command[0])
    assert capfd.readouterr().err == FULL


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_closed_output_is_an_error_of_one_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], command: list[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert status_of(monkeypatch, *command) == failure(command[0])
    sys.stdout.close()
    assert capfd.readouterr().err == CLOSED


def test_the_files_of_an_export_are_written_although_its_output_is_lost(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert status_of(monkeypatch, "export", tmp_path) == 1
    sys.stdout.close()
    assert capfd.readouterr().err == CLOSED
    assert (tmp_path / "manifest.json").exists()


def test_a_closed_input_is_empty_and_closed_messages_are_discarded(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert status_of(monkeypatch, "render", "nonsense") == 2
    with sys.stdin, sys.stderr:
        assert (sys.stdin.read(), *capfd.readouterr()) == ("", "", "")


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "full", "a file"),
        OSError(errno.ENOENT, "missing", "a file"),
        OSError(errno.ENOENT, "missing"),
    ],
    ids=str,
)
def test_an_error_that_does_not_concern_the_output_is_not_explained(error: OSError) -> None:
    with pytest.raises(OSError) as raised, checked_output():  # noqa: PT011 - it is the same object
        raise error
    assert raised.value is error


@pytest.mark.parametrize(("command", "status"), [(["validate"], 1), (["check", "--help"], 3)], ids=str)
def test_a_closed_pipe_prints_nothing(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], command: list[str], status: int
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        assert status_of(monkeypatch, *command) == status
        os.dup2(os.open(os.devnull, os.O_WRONLY), writer)  # what is left to write
    assert capfd.readouterr().err == ""


def test_a_program_that_calls_a_command_gets_the_error() -> None:
    with Path("/dev/full").open("w") as full, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", full)
        with pytest.raises(Exception, match="cannot write to standard output"):
            main(["validate"], standalone_mode=False)


def test_ctrl_c_during_the_imports_prints_nothing(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    class Interrupted:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "autoconfig.cli":
                raise KeyboardInterrupt

    monkeypatch.setattr(sys, "meta_path", [Interrupted(), *sys.meta_path])
    monkeypatch.delitem(sys.modules, "autoconfig.cli")
    assert status_of(monkeypatch, "validate") == 130
    assert capfd.readouterr() == ("", "")
