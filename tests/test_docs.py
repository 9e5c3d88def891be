"""Facts about the project in the documentation: files, tests, make targets and definitions."""

import re
from pathlib import Path

import pytest

from autoconfig import definition

PROJECT = Path(__file__).parent.parent
PAGES = [*sorted(PROJECT.glob("*.md")), *sorted((PROJECT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_names_only_existing_files(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and MkDocs form them."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_link_to_a_section_leads_to_an_existing_heading(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", page.read_text())
    assert [link for link, anchor in links if anchor not in anchors(page.parent / link if link else page)] == []


def test_every_page_is_in_the_index() -> None:
    listed = re.findall(r"\]\(([\w-]+\.md)[)#]", (PROJECT / "docs" / "index.md").read_text())
    assert set(listed) == {page.name for page in (PROJECT / "docs").glob("*.md")} - {"index.md"}


def test_every_metric_is_documented() -> None:
    names = re.findall(r'"(bt_autoconfig_\w+)"', (PROJECT / "autoconfig" / "metrics.py").read_text())
    page = (PROJECT / "docs" / "monitoring.md").read_text()
    assert len(names) > 5
    assert [name for name in names if f"`{name}" not in page] == []


def test_every_test_named_in_security_md_exists() -> None:
    proofs = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (PROJECT / "docs" / "security.md").read_text())
    assert len(proofs) > 20
    assert [name for file, name in proofs if f"def {name}(" not in (PROJECT / file).read_text()] == []


def test_every_makefile_target_named_in_the_documentation_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    named = {target for page in PAGES for target in re.findall(r"`make ([a-z-]+)`", page.read_text())}
    assert named <= targets


COMPLETE = re.findall(r"```xml\n(<clientConfig.*?)```", (PROJECT / "docs" / "definitions.md").read_text(), re.DOTALL)


@pytest.mark.parametrize(
    ("text", "types"),
    list(zip(COMPLETE, [["imap", "smtp", "caldav", "carddav"], ["imap", "smtp", "activeSync", "ews"]], strict=True)),
)
def test_every_definition_in_the_documentation_is_valid(text: str, types: list[str]) -> None:
    shown = definition.load(Path("definitions.md"), text.encode())
    assert shown.warnings == ()
    assert [*(one.type for one in shown.servers), *(one.type for one in shown.services)] == types
