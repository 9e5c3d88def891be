import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support import Served, Write, run


def export(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return run("export", folder, *arguments)


def manifest(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return found


def places(folder: Path) -> list[tuple[str, str, Path, dict[str, str]]]:
    """Return the host, path, file and headers of every exported document."""
    found = manifest(folder)
    return [
        (host, one["path"], folder / one["file"], found["headers"][one["headers"]])
        for site in found["sites"]
        for host in site["hosts"]
        for one in site["paths"]
    ]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an export of the BT settings, to read only."""
    folder = tmp_path_factory.mktemp("exported")
    export(folder)
    return folder


CONFIGURATIONS = {"manifest.json", "nginx-http.conf", "nginx-server.conf", "Caddyfile"}


def files(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}


def test_every_file_and_its_headers_match_the_servers_response(server: Served, tmp_path: Path) -> None:
    printed = export(tmp_path)
    assert printed.stdout == f"{tmp_path}: 79 files for 9 hosts, and manifest.json\n"
    assert {entry["file"] for entry in manifest(tmp_path)["files"]} | {"manifest.json"} == files(tmp_path)
    found = places(tmp_path)
    assert {str(file.relative_to(tmp_path)) for _, _, file, _ in found} | CONFIGURATIONS == files(tmp_path)
    for host, path, file, headers in found:
        answer = server.http.get(path, headers={"Host": host, "X-Forwarded-Proto": "https", "User-Agent": ""})
        assert file.read_bytes() == answer.content
        assert httpx.Headers(headers).items() <= answer.headers.items()


def test_each_content_is_stored_once(exported: Path) -> None:
    digests = [entry["sha256"] for entry in manifest(exported)["files"]]
    assert len(set(digests)) == len(digests)
    for entry in manifest(exported)["files"]:
        assert hashlib.sha256((exported / entry["file"]).read_bytes()).hexdigest() == entry["sha256"]


@pytest.mark.long
def test_hundreds_of_domains_add_little_more_than_their_names(tmp_path: Path) -> None:
    text = Write.TEXT.replace(
        "<domain>example.net</domain>", "".join(f"<domain>d{number}.example</domain>" for number in range(500))
    )
    (tmp_path / "provider.xml").write_text(text)
    printed = export(tmp_path / "site", "--definition", tmp_path / "provider.xml")
    assert "files for 1002 hosts" in printed.stdout
    assert sum(file.stat().st_size for file in (tmp_path / "site").rglob("*") if file.is_file()) < 2_000_000
    assert {host for host, *_ in places(tmp_path / "site")} >= {
        "autoconfig.d0.example",
        "d499.example",
        "autoconfig.example.com",
    }


def test_a_profile_for_several_domains_is_signed_once(tmp_path: Path, signing: tuple[str, ...]) -> None:
    export(tmp_path, *signing)
    (profile,) = {file for _, path, file, _ in places(tmp_path) if path == "/email.mobileconfig"}
    verify: list[str | Path] = ["openssl", "smime", "-verify", "-noverify", "-inform", "DER", "-in", profile]
    assert subprocess.run(verify, capture_output=True, check=False).returncode == 0


def test_unchanged_files_are_not_rewritten(tmp_path: Path) -> None:
    export(tmp_path)
    before = {file: (file.stat().st_ino, file.stat().st_mtime_ns) for file in tmp_path.rglob("*") if file.is_file()}
    export(tmp_path)
    after = {file: (file.stat().st_ino, file.stat().st_mtime_ns) for file in tmp_path.rglob("*") if file.is_file()}
    assert {file for file in before if before[file] != after[file]} == {tmp_path / "manifest.json"}


@pytest.mark.parametrize("root", [None, "/srv/the site"])
def test_the_web_server_configurations_contain_the_root(tmp_path: Path, root: str | None) -> None:
    export(tmp_path, *(["--root", root] if root else []))
    assert f'root "{root or tmp_path}";' in (tmp_path / "nginx-server.conf").read_text()
    assert f'root * "{root or tmp_path}"\n' in (tmp_path / "Caddyfile").read_text()


@pytest.mark.parametrize("character", ["$", "{", "}", "\n", "\x1b"])
def test_a_root_that_the_configurations_cannot_contain_is_refused(tmp_path: Path, character: str) -> None:
    refused = export(tmp_path / f"a{character}b")
    shown = {"\n": r"\x0a", "\x1b": r"\x1b"}.get(character, character)
    assert refused.returncode == 1
    assert refused.stderr == (
        f"{tmp_path}/a{shown}b: nginx and Caddy cannot use a path with '{shown}'; use --root PATH\n"
    )
    assert not files(tmp_path)
    assert export(tmp_path / f"a{character}b", "--root", "/srv/site").returncode == 0


@pytest.mark.parametrize(
    "url",
    [
        "https://btinternet.com/.well-known/autoconfig/mail/config-v1.1.xml",
        "https://autoconfig.talk21.com/mail/config-v1.1.xml",
        "https://autoconfig.talk21.com/v1.1/talk21.com",
        "https://autoconfig.talk21.com/email.mobileconfig",
        "https://autoconfig.talk21.com/",
        "https://autoconfig.talk21.com/cy/",
        "https://autoconfig.talk21.com/setup/outlook-new/",
        "https://autoconfig.btinternet.com/setup/iphone/",
        "https://autoconfig.talk21.com/fr/setup/outlook-new/",
        "https://ua-auto-config.btopenworld.com/.well-known/user-agent-configuration.json",
    ],
)
def test_every_url_that_clients_request_is_exported(exported: Path, url: str) -> None:
    parts = urlsplit(url)
    assert (parts.hostname, parts.path) in {(host, path) for host, path, *_ in places(exported)}


def test_pages_that_contain_their_url_are_redirected_to_the_first_domains_in_the_manifest(exported: Path) -> None:
    redirects = {
        host: {one["path"]: one["location"] for one in site["redirects"]}
        for site in manifest(exported)["sites"]
        for host in site["hosts"]
    }
    assert redirects["autoconfig.btinternet.com"] == {}
    assert redirects["autoconfig.talk21.com"] == redirects["autoconfig.btopenworld.com"]
    page = "/setup/iphone/"
    assert redirects["autoconfig.talk21.com"][page] == f"https://autoconfig.btinternet.com{page}"


def test_the_manifest_lists_each_set_of_headers_once_and_without_etags(exported: Path) -> None:
    headers = [json.dumps(one, sort_keys=True) for one in manifest(exported)["headers"]]
    assert len(headers) == len(set(headers))
    assert all("content-type" in one for one in headers)
    assert not any("etag" in one for one in headers)


def test_a_second_export_replaces_changed_files_and_removes_obsolete_ones(write: Write, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    export(folder, "--definition", write())
    export(folder, "--definition", write({"<domain>example.com</domain>": "<domain>example.org</domain>"}))
    (folder / "autoconfig.example.org" / "mine.txt").write_text("mine")
    export(folder, "--definition", write({"Example Mail": "Changed"}))
    assert [file for file in files(folder) if "example.org" in file] == ["autoconfig.example.org/mine.txt"]
    assert b"Changed" in (folder / "autoconfig.example.com/mail/config-v1.1.xml").read_bytes()


EXPORTED = "autoconfig.gone.example/mail/config-v1.1.xml"
"""A filename that an export uses."""


def entry(file: object, content: str = "mine") -> dict[str, object]:
    return {"file": file, "sha256": hashlib.sha256(content.encode()).hexdigest()}


NEVER_EXPORTED: tuple[object, ...] = (
    "../outside", "/etc/outside", "link/outside", "autoconfig.gone.example/../../outside", "mine.txt", "manifest.json",
    "folder/mine.txt", "a.example/mine.txt", "a\0b", "", ".", "..", "/", "autoconfig.gone.example", "a" * 5000,
    "autoconfig.gone.example/mail/../mail/config-v1.1.xml", "autoconfig.gone.example//mail/config-v1.1.xml",
    "AUTOCONFIG.gone.example/mail/config-v1.1.xml", "\ud800", 7, None, ["x"], {}, f"{EXPORTED}/x",
)  # fmt: skip


def test_filenames_that_no_export_writes_are_ignored_in_a_manifest(tmp_path: Path) -> None:
    folder, outside = tmp_path / "site", tmp_path / "outside"
    outside.write_text("mine")
    mine = [folder / name for name in ("mine.txt", "folder/mine.txt", "a.example/mine.txt", EXPORTED)]
    for file in mine:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("mine")
    (folder / "link").symlink_to(tmp_path)
    (folder / "manifest.json").write_text(json.dumps({"files": [entry(name) for name in NEVER_EXPORTED]}))
    done = export(folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert {file.read_text() for file in (outside, *mine)} == {"mine"}
    assert len(manifest(folder)["files"]) == 79


def test_a_file_changed_since_its_export_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / EXPORTED).parent.mkdir(parents=True)
    for text, stays in (("changed", True), ("mine", False)):
        (tmp_path / EXPORTED).write_text(text)
        (tmp_path / "manifest.json").write_text(json.dumps({"files": [entry(EXPORTED)]}))
        assert export(tmp_path).returncode == 0
        assert (tmp_path / EXPORTED).exists() is stays


@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize("place", ["autoconfig.gone.example", "autoconfig.gone.example/mail", EXPORTED])
def test_the_target_of_a_link_is_not_removed(tmp_path: Path, place: str, listed: bool) -> None:
    folder, outside = tmp_path / "site", tmp_path / "outside"
    real = outside / EXPORTED
    real.parent.mkdir(parents=True)
    real.write_text("mine")
    (folder / place).parent.mkdir(parents=True)
    (folder / place).symlink_to(outside / place)
    (folder / "manifest.json").write_text(json.dumps({"files": [entry(EXPORTED)] if listed else []}))
    assert export(folder).returncode == 0
    assert real.read_text() == "mine"
    assert (folder / place).is_symlink()


FIRST = "autoconfig.btinternet.com/index.html"


@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize(
    "place", ["autoconfig.btinternet.com", "autoconfig.btinternet.com/setup", FIRST, "manifest.json", "Caddyfile"]
)
def test_nothing_is_written_through_a_link(tmp_path: Path, place: str, listed: bool) -> None:
    folder, outside = tmp_path / "site", tmp_path / "outside"
    (outside / place).parent.mkdir(parents=True)
    if place in (FIRST, "manifest.json", "Caddyfile"):
        (outside / place).write_text("mine")
    else:
        (outside / place).mkdir()
    before = sorted(outside.rglob("*"))
    (folder / place).parent.mkdir(parents=True)
    if listed and place != "manifest.json":
        (folder / "manifest.json").write_text(json.dumps({"files": [entry(FIRST)]}))
    (folder / place).symlink_to(outside / place)
    refused = export(folder)
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert sorted(outside.rglob("*")) == before
    assert all(file.read_text() == "mine" for file in before if file.is_file())


@pytest.mark.parametrize("kind", ["file", "link", "folder", "fifo"])
def test_files_of_other_programs_are_not_replaced(tmp_path: Path, kind: str) -> None:
    place = tmp_path / FIRST
    place.parent.mkdir(parents=True)
    match kind:
        case "file":
            place.write_text("mine")
        case "link":
            place.symlink_to("/nonexistent")
        case "folder":
            place.mkdir()
        case _:
            os.mkfifo(place)
    before = (place.lstat().st_ino, place.lstat().st_mtime_ns)
    refused = export(tmp_path)
    assert refused.returncode == 1
    assert refused.stderr == f"{place}: not written by an export; remove it, or choose another folder\n"
    assert (place.lstat().st_ino, place.lstat().st_mtime_ns) == before


def test_an_interrupted_export_can_be_repeated(tmp_path: Path) -> None:
    export(tmp_path)
    (tmp_path / "manifest.json").unlink()
    assert export(tmp_path).returncode == 0


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", "7", '"x"', '{"files": 7}', '{"files": {"a": 1}}', '{"files": [7]}', '{"files": [[]]}',
     "[" * 100_000, "{\"files\": " + "[" * 100_000, "9" * 5000, "\ud800".encode("utf-8", "surrogatepass"), b"\xff\xfe"],
    ids=lambda content: repr(content)[:20],
)  # fmt: skip
def test_another_programs_manifest_is_not_replaced(tmp_path: Path, content: str | bytes) -> None:
    written = content.encode() if isinstance(content, str) else content
    (tmp_path / "manifest.json").write_bytes(written)
    refused = export(tmp_path)
    assert refused.returncode == 1
    assert refused.stderr == f"{tmp_path}/manifest.json: not written by an export; choose another folder\n"
    assert (tmp_path / "manifest.json").read_bytes() == written
    assert files(tmp_path) == {"manifest.json"}


def test_a_file_is_replaced_atomically(tmp_path: Path) -> None:
    export(tmp_path)
    file = tmp_path / "autoconfig.btinternet.com/mail/config-v1.1.xml"
    file.write_bytes(file.read_bytes() + b" ")  # as if the settings had changed
    with file.open("rb") as reading:
        export(tmp_path)
        assert reading.read() == file.read_bytes() + b" "  # an open file keeps its content
    assert not [name for name in files(tmp_path) if "tmp" in name]


def test_a_folder_of_another_program_is_not_changed(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("mine")
    refused = export(tmp_path)
    assert refused.returncode == 1
    assert refused.stderr == f"{tmp_path}/manifest.json: not written by an export; choose another folder\n"
    assert files(tmp_path) == {"manifest.json"}


def test_an_unwritable_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused = export(tmp_path / "file" / "below")
    assert refused.returncode == 1
    assert "cannot be written: Not a directory" in refused.stderr


def test_pages_for_apps_that_a_definition_has_no_settings_for_are_not_exported(write: Write, tmp_path: Path) -> None:
    """A provider with only OAuth2 has no Apple profile."""
    folder = tmp_path / "site"
    export(folder, "--definition", write({"password-cleartext": "OAuth2", "password-encrypted": "OAuth2"}))
    paths = {path for host, path, _, _ in places(folder) if host == "autoconfig.example.com"}
    assert "/setup/thunderbird/" in paths
    assert "/setup/iphone/" not in paths
    assert not [file for file in files(folder) if "iphone" in file]
