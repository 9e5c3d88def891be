"""The benchmark's results as a bar chart, in SVG."""

from typing import Any
from xml.sax.saxutils import escape

_LINE, _LEFT, _WIDTH = 28, 230, 420


def plot(rows: list[dict[str, Any]]) -> str:
    """Return a chart with a bar for each row's responses per second, and its ratio to the bare callable."""
    most = max(row["requests/s"] for row in rows)
    bars = []
    for number, row in enumerate(rows):
        y, width = 10 + number * _LINE, row["requests/s"] / most * _WIDTH
        colour = (
            "#5514b4" if row["what"].startswith(("auto", "Auto", "unsigned", "signed", "setup", "PACC")) else "#9a9aa5"
        )
        if row["what"].startswith("automx2"):
            colour = "#9a9aa5"
        share = f"{row['requests/s']:,}/s, {row['of the bare callable']}"
        bars.append(
            f'<text x="{_LEFT - 8}" y="{y + 15}" text-anchor="end">{escape(row["what"])}</text>'
            f'<rect x="{_LEFT}" y="{y}" width="{width:.1f}" height="20" fill="{colour}"/>'
            f'<text x="{_LEFT + width + 6:.1f}" y="{y + 15}">{share}</text>'
        )
    height = 20 + len(rows) * _LINE
    total = _LEFT + _WIDTH + 130
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total} {height}" '
        'font-family="system-ui, sans-serif" font-size="13">'
        f'<rect width="{total}" height="{height}" fill="#fff"/>\n' + "\n".join(bars) + "\n</svg>\n"
    )
