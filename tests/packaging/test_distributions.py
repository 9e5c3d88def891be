"""The sdist, the wheel, the bill of materials and the documentation."""

import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from tests.support import get

PROJECT = Path(__file__).parents[2]
_QUIET = ("--quiet", "--disable-pip-version-check", "--root-user-action=ignore")


def copy(folder: Path) -> Path:
    """Copy the project's files to a folder, and return the folder."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, check=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / name, target)
    return folder


def build(project: Path, umask: int) -> Path:
    """Build the sdist, and the wheel from it, and return their folder."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", "dist", "."]
    subprocess.run(command, cwd=project, check=True, stdout=subprocess.DEVNULL, umask=umask)
    return project / "dist"


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(copy(tmp_path_factory.mktemp("first") / "bt-autoconfig"), 0o022)


@pytest.fixture(scope="module")
def installed(distributions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of the wheel, installed with its dependencies in an empty environment."""
    environment = tmp_path_factory.mktemp("wheel") / "environment"
    venv.create(environment, with_pip=True)
    pip = environment / "bin" / "pip"
    subprocess.run([pip, "install", *_QUIET, "--require-hashes", "-r", PROJECT / "requirements.lock"], check=True)
    (wheel,) = distributions.glob("*.whl")
    subprocess.run([pip, "install", *_QUIET, "--no-deps", wheel], check=True)
    return environment / "bin" / "bt-autoconfig"


def test_the_wheel_alone_serves_everything_from_any_folder(installed: Path) -> None:
    with subprocess.Popen([installed, "serve", "--port", "0"], cwd="/", stdout=subprocess.PIPE) as process:
        assert process.stdout
        lines = [process.stdout.readline().decode() for _ in range(5)]
        try:
            for line in lines[1:]:
                assert get(line.split()[1]).status_code == 200
        finally:
            process.terminate()


def test_builds_are_reproducible(distributions: Path, tmp_path: Path) -> None:
    another_copy = copy(tmp_path / "elsewhere" / "another-name")
    for file in another_copy.rglob("*"):
        os.utime(file, (1_000_000_000, 1_000_000_000))
    again = build(another_copy, 0o077)
    names = sorted(file.name for file in distributions.iterdir())
    assert [Path(name).suffix for name in names] == [".whl", ".gz"]
    for name in names:
        assert (again / name).read_bytes() == (distributions / name).read_bytes(), name


def test_the_source_distribution_contains_everything_that_its_tests_need(distributions: Path) -> None:
    (sdist,) = distributions.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    listed = subprocess.run(["git", "ls-files"], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert {
        file for file in listed.stdout.split() if file.startswith(("tests/", "autoconfig/", "deploy/", "docs/"))
    } <= names
    assert {"Makefile", "pyproject.toml", "requirements.lock", "requirements-dev.lock", "README.md", "LICENSE"} <= names


def test_the_wheel_contains_only_the_package_and_its_stylesheets(distributions: Path) -> None:
    (wheel,) = distributions.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {
        "autoconfig",
        "xml_templates",
        "bt_autoconfig",
    }
    assert {"autoconfig/bt.xml", "autoconfig/py.typed", "xml_templates/autoconfig.xsl"} <= set(names)


def test_the_bill_of_materials_lists_every_pinned_dependency() -> None:
    subprocess.run(["make", "--silent", "sbom"], cwd=PROJECT, check=True, stdout=subprocess.DEVNULL)
    text = (PROJECT / "dist" / "sbom.json").read_text()
    for line in (PROJECT / "requirements.lock").read_text().splitlines():
        if "==" in line:
            name, version = line.split()[0].split("==")
            assert f'"pkg:pypi/{name.lower()}@{version}"' in text


def test_the_documentation_builds_as_a_site_without_dead_links() -> None:
    subprocess.run(["make", "--silent", "docs"], cwd=PROJECT, check=True)
    assert "bt-autoconfig" in (PROJECT / "dist" / "site" / "index.html").read_text()
