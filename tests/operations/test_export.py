import json
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support import COMMAND, Served, Write


def export(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([COMMAND, "export", folder, *arguments], capture_output=True, check=False, text=True)


def entries(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((folder / "manifest.json").read_text())["files"]
    return found


def files(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}


def test_every_file_is_the_servers_answer_to_the_byte_and_its_headers_too(server: Served, tmp_path: Path) -> None:
    printed = export(tmp_path)
    assert printed.stdout == f"{tmp_path}: 39 files, and manifest.json with their headers\n"
    assert {entry["file"] for entry in entries(tmp_path)} | {"manifest.json"} == files(tmp_path)
    for entry in entries(tmp_path):
        headers = {"Host": entry["host"], "X-Forwarded-Proto": "https", "User-Agent": ""}
        answer = server.http.get(entry["path"], headers=headers)
        assert (tmp_path / entry["file"]).read_bytes() == answer.content
        assert httpx.Headers(entry["headers"]).items() <= answer.headers.items()


@pytest.mark.parametrize(
    "url",
    [
        "https://btinternet.com/.well-known/autoconfig/mail/config-v1.1.xml",
        "https://autoconfig.talk21.com/mail/config-v1.1.xml",
        "https://autoconfig.talk21.com/v1.1/talk21.com",
        "https://autoconfig.talk21.com/email.mobileconfig",
        "https://autoconfig.talk21.com/",
        "https://ua-auto-config.btopenworld.com/.well-known/user-agent-configuration.json",
    ],
)
def test_what_clients_fetch_is_there_under_its_host(tmp_path: Path, url: str) -> None:
    export(tmp_path)
    parts = urlsplit(url)
    assert (parts.hostname, parts.path) in {(entry["host"], entry["path"]) for entry in entries(tmp_path)}


def test_a_second_export_replaces_what_changed_and_removes_what_is_gone_and_nothing_else(
    write: Write, tmp_path: Path
) -> None:
    folder = tmp_path / "site"
    export(folder, "--definition", write())
    (folder / "autoconfig.example.net" / "mine.txt").write_text("mine")
    export(folder, "--definition", write({"<domain>example.net</domain>": "", "Example Mail": "Changed"}))
    assert "autoconfig.example.net/mine.txt" in files(folder)
    assert [file for file in files(folder) if "example.net" in file] == ["autoconfig.example.net/mine.txt"]
    assert not (folder / "example.net").exists()
    assert b"Changed" in (folder / "autoconfig.example.com/mail/config-v1.1.xml").read_bytes()


def test_a_manifest_that_names_files_elsewhere_removes_nothing(tmp_path: Path) -> None:
    folder, outside = tmp_path / "site", tmp_path / "outside"
    outside.write_text("mine")
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps({"files": [{"file": "../outside"}, {"file": str(outside)}]}))
    assert export(folder).returncode == 0
    assert outside.read_text() == "mine"


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    export(tmp_path)
    file = tmp_path / "autoconfig.talk21.com/mail/config-v1.1.xml"
    with file.open("rb") as reading:
        export(tmp_path)
        assert reading.read() == file.read_bytes()  # who had it open has the old one whole
    assert not [name for name in files(tmp_path) if "tmp" in name]


def test_a_folder_that_is_somebody_elses_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("mine")
    refused = export(tmp_path)
    assert refused.returncode == 1
    assert refused.stderr == f"{tmp_path}/manifest.json: is not what an export wrote; choose another folder\n"
    assert files(tmp_path) == {"manifest.json"}


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused = export(tmp_path / "file" / "below")
    assert refused.returncode == 1
    assert "cannot be written: Not a directory" in refused.stderr
