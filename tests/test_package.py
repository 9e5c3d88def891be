"""Properties of the whole package."""

import re
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest
from lxml import etree

from autoconfig.definition import EMBEDDED
from autoconfig.protocols.autoconfig import Autoconfig
from autoconfig.protocols.autodiscover import Autodiscover
from autoconfig.protocols.mobileconfig import Mobileconfig
from tests.support import load

PROJECT = Path(__file__).parent.parent


def bt_values() -> set[str]:
    """Return every value in the BT definition. No other file may contain one."""
    bt = load(EMBEDDED).first
    texts = {text.strip() for text in bt.root.itertext() if text.strip()}
    urls = {str(url) for element in bt.root.iter(etree.Element) if (url := element.get("url"))}
    format_words = {"password-cleartext", "SSL", "%EMAILADDRESS%"}
    return (texts | urls) - format_words


def test_the_changelog_has_a_dated_entry_for_the_version() -> None:
    version = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"]
    entry = rf"^## \[{re.escape(version)}\] - \d{{4}}-\d{{2}}-\d{{2}}$"
    assert len(re.findall(entry, (PROJECT / "CHANGELOG.md").read_text(), re.MULTILINE)) == 1


def test_only_the_definition_contains_bt_settings() -> None:
    sources = [
        file
        for folder in (files("autoconfig"), files("xml_templates"))
        for file in Path(str(folder)).rglob("*")
        if file.suffix in {".py", ".xsl", ".rng", ".css", ".js"}
    ]
    assert len(sources) > 20
    default_ports = {("validation.py", port) for port in ("993", "995", "465")}  # from RFC 8314, not BT's
    found = {(file.name, value) for file in sources for value in bt_values() if value in file.read_text()}
    assert found - default_ports == set()


@pytest.mark.parametrize(
    ("old", "new"), [("993", "1993"), ("mail.btinternet.com", "post.example"), ("BT Mail", "B&amp;T")]
)
def test_a_setting_changed_in_the_definition_changes_in_every_document(tmp_path: Path, old: str, new: str) -> None:
    changed = tmp_path / "bt.xml"
    changed.write_text(EMBEDDED.read_text().replace(f">{old}<", f">{new}<"))
    definition = load(changed)
    documents = [Autoconfig(definition).render(), Mobileconfig(definition).render()]
    if old != "BT Mail":  # Autodiscover has no place for the provider's name
        documents.append(Autodiscover(definition).render())
    for document in documents:
        assert f">{new}<".encode() in document
        assert f">{old}<".encode() not in document
