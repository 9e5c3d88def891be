"""A folder that is never left, whatever is put in the way."""

import os
from pathlib import Path

import pytest

from autoconfig.operations.folder import Folder, FolderError


def test_a_file_is_written_for_all_to_read_with_the_folders_on_the_way(tmp_path: Path) -> None:
    with Folder(tmp_path / "a" / "b") as folder:
        folder.replace("c/d/file", b"text")
    file = tmp_path / "a/b/c/d/file"
    assert file.read_bytes() == b"text"
    assert file.stat().st_mode & 0o777 == 0o644
    assert [one.name for one in file.parent.iterdir()] == ["file"]


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
        else:  # it is the link that goes, not what it leads to
            folder.replace("c/d/file", b"ours")
    assert {file.read_text() for file in (outside / "file", outside / "d" / "file")} == {"mine"}
    assert sorted(one.name for one in outside.rglob("*")) == ["d", "file", "file"]


def test_the_path_to_the_folder_may_have_links(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with Folder(tmp_path / "link") as folder:
        folder.replace("file", b"text")
    assert (tmp_path / "real" / "file").read_text() == "text"


def test_a_fifo_is_no_file_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with Folder(tmp_path) as folder:
        assert folder.exists("fifo")
        assert not folder.is_file("fifo")
        with pytest.raises(FolderError, match="Not a regular file"):
            folder.read("fifo", 100)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(101))
    with Folder(tmp_path) as folder, pytest.raises(FolderError, match="has 101 bytes; at most 100 are read"):
        folder.read("file", 100)


def test_a_folder_that_becomes_empty_goes_with_its_last_file(tmp_path: Path) -> None:
    with Folder(tmp_path) as folder:
        folder.replace("a/b/file", b"")
        folder.replace("a/other", b"")
        folder.remove("a/b/file")
    assert sorted(str(one.relative_to(tmp_path)) for one in tmp_path.rglob("*")) == ["a", "a/other"]


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with Folder(tmp_path) as folder, pytest.raises(FolderError, match="cannot be written: Is a directory"):
        folder.replace("file", b"text")
    assert [one.name for one in tmp_path.iterdir()] == ["file"]
