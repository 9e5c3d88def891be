from pathlib import Path

from tests.clients.record import Recorder


def test_writing_the_page_again_keeps_the_runs_by_hand(tmp_path: Path) -> None:
    page = tmp_path / "clients.md"
    page.write_text("# Before\n\n## Runs by hand\n\nSeen in November.\n")
    Recorder().write(page)
    text = page.read_text()
    assert text.startswith("# What real clients do\n")
    assert text.endswith("\n## Runs by hand\n\nSeen in November.\n")
    assert "Before" not in text
