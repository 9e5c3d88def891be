from pathlib import Path

from tests.clients.record import Recorder


def test_rewriting_the_page_keeps_manual_runs(tmp_path: Path) -> None:
    page = tmp_path / "clients.md"
    page.write_text("# Before\n\n## Manual runs\n\nSeen in November.\n")
    Recorder().write(page)
    text = page.read_text()
    assert text.startswith("# What real clients do\n")
    assert text.endswith("\n## Manual runs\n\nSeen in November.\n")
    assert "Before" not in text
