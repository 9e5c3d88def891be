"""Reading an operator's files: only regular files, and never blocking."""

import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from autoconfig.files import FileError, expand, read_file
from autoconfig.signing_files import SigningError, SigningFiles
from tests.support import ONE_AND_TWO_WORKERS, TIMEOUT, Served, Write, eventually, run, serving


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


def link_to_a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


KINDS = pytest.mark.parametrize(
    ("make", "kind"),
    [
        (make_fifo, "a FIFO"),
        (make_socket, "a socket"),
        (link_to_a_device, "a device"),
        (Path.mkdir, "a folder"),
    ],
)
Make = Callable[[Path], None]


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * 1024 * 1024)
    assert read_file(file, 1024 * 1024) == file.read_bytes()
    with pytest.raises(FileError, match=rf"^{file}: is larger than 0 MiB$"):
        read_file(file, 1024 * 1024 - 1)


def test_a_file_of_unknown_size_has_the_same_limit() -> None:
    file = Path("/proc/self/status")
    assert file.stat().st_size == 0
    with pytest.raises(FileError, match="is larger than"):
        read_file(file, 100)


@KINDS
def test_only_regular_files_are_read(tmp_path: Path, make: Make, kind: str) -> None:
    make(tmp_path / "b.xml")
    with pytest.raises(FileError, match=rf"b\.xml: is {kind}; only regular files are read$"):
        read_file(tmp_path / "b.xml", 100)


def test_an_impossible_filename_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="cannot be read"):
        read_file(tmp_path / "a\0b", 100)
    assert expand(tmp_path / "a\0b", ".xml") == [tmp_path / "a\0b"]


@KINDS
def test_a_certificate_or_key_must_be_a_regular_file(
    tmp_path: Path, signing: tuple[str, ...], make: Make, kind: str
) -> None:
    make(tmp_path / "key.pem")
    with pytest.raises(SigningError, match=rf"key\.pem: is {kind}"):
        SigningFiles.read(Path(signing[1]), tmp_path / "key.pem", None)


@KINDS
@pytest.mark.parametrize("command", ["validate", "serve"])
def test_a_folder_with_anything_but_regular_files_is_rejected_at_once(
    write: Write, tmp_path: Path, command: str, make: Make, kind: str
) -> None:
    write()
    make(tmp_path / "b.xml")
    arguments = [tmp_path] if command == "validate" else ["--port", "0", "--definition", tmp_path]
    done = run(command, *arguments)
    assert done.returncode == 1
    assert f"{tmp_path}/b.xml: is {kind}; only regular files are read" in done.stdout + done.stderr


@ONE_AND_TWO_WORKERS
def test_a_fifo_in_the_folder_blocks_neither_reload_nor_shutdown(write: Write, tmp_path: Path, workers: str) -> None:
    write()
    with serving("--definition", tmp_path, "--workers", workers) as served:
        os.mkfifo(tmp_path / "b.xml")
        served.process.send_signal(signal.SIGHUP)
        assert eventually(served, "stays in use: " + f"{tmp_path}/b.xml: is a FIFO", Served.printed)
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(timeout=TIMEOUT) == 0


def test_a_definition_of_100_megabytes_is_rejected(tmp_path: Path) -> None:
    file = tmp_path / "large.xml"
    with file.open("wb") as large:
        large.truncate(100_000_000)
    done = run("validate", file)
    assert done.returncode == 1
    assert done.stderr == f"{file}: is larger than 16 MiB\n"


@pytest.mark.parametrize(
    ("old", "new", "status", "text"),
    [
        ("<hostname>", "<name>a.example</name>" * 30_000 + "<hostname>", 1, "has more than 25000 elements"),
        ("<domain>", "<domain>a b</domain>" * 20_000 + "<domain>", 1, "and 19,900 more errors"),
        ("<domain>", "<?x?>" * 1_000_000 + "<domain>", 0, "valid"),
        ("<domain>", "<domain " + " ".join(f"a{i}=''" for i in range(200_000)) + ">", 0, "domain has no attribute a0"),
        (
            "<domain>",
            "<a " + " ".join(f"a{i}=''" for i in range(200_000)) + "/><domain>",
            1,
            "a has more than 100 attributes",
        ),
    ],
    ids=["elements", "errors", "instructions", "attributes", "attributes of an unknown element"],
)
def test_a_huge_definition_gets_a_clear_result_quickly(
    tmp_path: Path, old: str, new: str, status: int, text: str
) -> None:
    file = tmp_path / "large.xml"
    file.write_text(Write.TEXT.replace(old, new, 1))
    done = run("validate", file)
    assert done.returncode == status
    assert text in done.stdout + done.stderr


def test_thousands_of_conflicting_domains_get_a_clear_error_quickly(tmp_path: Path) -> None:
    domains = "".join(f"<domain>d{number}.example</domain>" for number in range(20_000))
    for name in ("a.xml", "b.xml"):
        (tmp_path / name).write_text(Write.TEXT.replace("<domain>", f"{domains}<domain>", 1))
    done = run("validate", tmp_path)
    assert done.returncode == 1
    assert f"b.xml:4: domain d0.example is already in {tmp_path}/a.xml:4; remove one" in done.stdout + done.stderr
