"""No file outside the folder is touched, even with symbolic links in it."""

import hashlib
import os
from pathlib import Path

import pytest

from autoconfig.operations.folder import Folder, FolderError


def test_a_file_is_readable_by_all_and_its_folders_are_created(tmp_path: Path) -> None:
    with Folder(tmp_path / "a" / "b") as folder:
        folder.replace("c/d/file", b"text")
    file = tmp_path / "a/b/c/d/file"
    assert file.read_bytes() == b"text"
    assert file.stat().st_mode & 0o777 == 0o644
    assert [one.name for one in file.parent.iterdir()] == ["file"]


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_the_umask_limits_the_modes_of_folders_only(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with Folder(tmp_path / "site") as folder:
            folder.replace("c/d/file", b"text")
            folder.create("c/d/new", b"text")
    finally:
        os.umask(before)
    modes = {one.name: one.stat().st_mode & 0o777 for one in (tmp_path / "site").rglob("*")}
    folders = 0o755 & ~umask
    assert modes == {"c": folders, "d": folders, "file": 0o644, "new": 0o644}


def test_a_file_is_private_until_it_is_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[int] = []
    change = os.fchmod

    def watched(descriptor: int, mode: int) -> None:
        modes.append(os.fstat(descriptor).st_mode & 0o777)
        change(descriptor, mode)

    monkeypatch.setattr(os, "fchmod", watched)
    with Folder(tmp_path) as folder:
        folder.replace("file", b"text")
    assert modes == [0o600]


def test_create_fails_without_a_trace_if_the_name_exists(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to("nowhere")
    with Folder(tmp_path) as folder:
        for name in ("file", "link"):
            with pytest.raises(FolderError, match=rf"{name}: cannot be written: File exists$"):
                folder.create(name, b"ours")
    assert (tmp_path / "file").read_text() == "mine"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file", "link"]


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = descriptors()
    with Folder(tmp_path) as folder:
        folder.replace("a/b/file", b"text")
        assert folder.read("a/b/file", 4) == b"text"
        assert not folder.exists("a/c/file")
        with pytest.raises(FolderError):
            folder.replace("a/b/file/below", b"text")
        folder.remove("a/b/file")
        assert descriptors() == before + 1
    assert descriptors() == before


@pytest.mark.parametrize("link", ["c", "c/d", "c/d/file"])
def test_a_symbolic_link_is_not_followed(tmp_path: Path, link: str) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (outside / "d").mkdir(parents=True)
    for file in (outside / "file", outside / "d" / "file"):
        file.write_text("mine")
    (root / link).parent.mkdir(parents=True)
    (root / link).symlink_to(outside / "file" if link.endswith("file") else outside)
    with Folder(root) as folder:
        assert not folder.is_file("c/d/file")
        with pytest.raises(FolderError, match="symbolic links are not followed"):
            folder.read("c/d/file", 100)
        if not link.endswith("file"):
            with pytest.raises(FolderError, match="symbolic links are not followed"):
                folder.replace("c/d/file", b"ours")
            with pytest.raises(FolderError, match="symbolic links are not followed"):
                folder.remove("c/d/file")
        else:  # this replaces the link, not its target
            folder.replace("c/d/file", b"ours")
    assert {file.read_text() for file in (outside / "file", outside / "d" / "file")} == {"mine"}
    assert sorted(one.name for one in outside.rglob("*")) == ["d", "file", "file"]


def test_the_path_to_the_folder_may_contain_links(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with Folder(tmp_path / "link") as folder:
        folder.replace("file", b"text")
    assert (tmp_path / "real" / "file").read_text() == "text"


def test_a_fifo_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with Folder(tmp_path) as folder:
        assert folder.exists("fifo")
        assert not folder.is_file("fifo")
        with pytest.raises(FolderError, match="Not a regular file"):
            folder.read("fifo", 100)


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(101))
    with Folder(tmp_path) as folder, pytest.raises(FolderError, match="has 101 bytes; the maximum is 100"):
        folder.read("file", 100)


def test_an_empty_folder_is_removed_with_its_last_file(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        folder.replace("a/b/file", b"")
        folder.replace("a/other", b"")
        folder.remove("a/b/file")
    assert sorted(str(one.relative_to(tmp_path)) for one in tmp_path.rglob("*")) == ["a", "a/other"]


def test_all_folders_that_a_removed_file_leaves_empty_are_removed(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        folder.replace("a/b/c/file", b"")
        folder.remove("a/b/c/file")
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_read_up_to_the_limit_and_none_stands_for_a_missing_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"text")
    with Folder(tmp_path) as folder:
        assert folder.read("file", 4) == b"text"
        assert folder.read("missing", 4) is None
        assert folder.read("missing/file", 4) is None


def test_a_file_exists_and_is_regular_only_if_it_is_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"text")
    (tmp_path / "folder").mkdir()
    digest = hashlib.sha256(b"text").hexdigest()
    with Folder(tmp_path) as folder:
        names = ("file", "folder", "missing", "missing/file")
        assert [folder.exists(name) for name in names] == [True, True, False, False]
        assert [folder.is_file(name) for name in names] == [True, False, False, False]
        assert [folder.holds(name, digest) for name in names] == [True, False, False, False]
        assert not folder.holds("file", hashlib.sha256(b"other").hexdigest())


def test_an_error_names_the_file_and_mentions_links_only_if_there_may_be_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"text")
    with Folder(tmp_path) as folder:
        with pytest.raises(FolderError) as raised:
            folder.replace("file/below", b"text")
        text = f"{tmp_path}/file/below: cannot be written: Not a directory; symbolic links are not followed"
        assert str(raised.value) == text
        with pytest.raises(FolderError) as raised:
            folder.remove("missing")
        assert str(raised.value) == f"{tmp_path}/missing: cannot be written: No such file or directory"


def test_a_failed_write_leaves_no_file(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with Folder(tmp_path) as folder, pytest.raises(FolderError, match="cannot be written: Is a directory"):
        folder.replace("file", b"text")
    assert [one.name for one in tmp_path.iterdir()] == ["file"]
