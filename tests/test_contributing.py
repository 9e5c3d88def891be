"""The worked examples of CONTRIBUTING.md, applied literally to a copy of the package."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long
PROJECT = Path(__file__).parent.parent
TEXT = (PROJECT / "CONTRIBUTING.md").read_text()


def examples(title: str, language: str) -> list[str]:
    """Return the code of a section."""
    (section,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE)
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    for name in ("autoconfig", "xml_templates", "tests"):
        shutil.copytree(PROJECT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    return tmp_path


def run(package: Path, module: str, *arguments: str) -> str:
    # `make coverage` must not measure the copy.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, cwd=package, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_example_has_fewer_than_thirty_lines() -> None:
    found = [
        example
        for language in ("python", "xml", "sh")
        for example in re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    ]
    assert len(found) >= 8
    assert all(len(example.splitlines()) < 30 for example in found)


def test_the_protocol_is_a_module_a_stylesheet_and_an_entry(package: Path) -> None:
    module, entry = examples("Add a client protocol", "python")
    (stylesheet,) = examples("Add a client protocol", "xml")
    (package / "autoconfig" / "protocols" / "servers.py").write_text(module)
    (package / "xml_templates" / "servers.xsl").write_text(stylesheet)
    listed = package / "autoconfig" / "protocols" / "__init__.py"
    text = listed.read_text().replace("mobileconfig, pacc\n", "mobileconfig, pacc, servers\n")
    listed.write_text(text.replace("    pacc.PROTOCOL,\n", f"    pacc.PROTOCOL,\n{entry}"))
    run(package, "autoconfig", "export", "exported")
    exported = (package / "exported" / "autoconfig.btinternet.com" / "servers.xml").read_text()
    assert '<server type="imap" port="993">mail.btinternet.com</server>' in exported


def test_a_check_is_a_module_an_entry_and_a_test(package: Path) -> None:
    module, entry, test = examples("Add a check", "python")
    (package / "autoconfig" / "operations" / "spf.py").write_text(module)
    (package / "tests" / "operations" / "test_spf.py").write_text(test)
    checks = package / "autoconfig" / "operations" / "served_check.py"
    text = checks.read_text().replace("record_checks, services\n", "record_checks, services, spf\n")
    last = '        add(f"CAA records of {domain}", self._caa())\n'
    checks.write_text(text.replace(last, f"{last}{entry}"))
    # The provider of the other tests has no faults, so they still pass.
    other = "tests/operations/test_served_check.py::test_a_provider_without_faults_has_no_errors"
    assert "2 passed" in run(package, "pytest", "-p", "no:randomly", "tests/operations/test_spf.py", other)


def test_a_language_is_a_file(package: Path) -> None:
    (beginning,) = examples("Add a language to the setup page", "xml")
    english = (package / "xml_templates" / "languages" / "en.xml").read_text()
    rest = english[english.index('<string name="languages_label"') :]
    (package / "xml_templates" / "languages" / "it.xml").write_text(beginning + rest)
    run(package, "autoconfig", "export", "exported")
    exported = (package / "exported" / "autoconfig.btinternet.com" / "it" / "index.html").read_text()
    assert '<html lang="it">' in exported
    assert "Configura BT Mail" in exported
