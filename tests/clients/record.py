"""Records for the documentation: requests and results of real clients, and a picture of a check."""

import io
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from autoconfig.operations.report import Finding, Line, Report, Verdict
from autoconfig.operations.report_table import table
from tests.clients.tls import ReverseProxy

_HEAD = """# What real clients do

`make record-clients` writes this page. Each row is a run of a real client against a real `bt-autoconfig serve`, with real DNS,
TLS and mail servers, in an isolated network. Each client got only an address and, if it asked, a name and a password.

"""
_MANUAL = "\n## Manual runs\n"
"""The heading of the part that people write."""


class Recorder:
    """Rows of the table, in the order of the runs."""

    def __init__(self) -> None:
        self._sections: dict[str, list[str]] = {}

    def add(self, client: str, situation: str, proxy: ReverseProxy, outcome: str) -> None:
        """Add a run: the client's requests (each once) and the result."""
        # A client that has found its settings cancels its other lookups.
        requests = {
            f"`{request.method} {request.place}` → {request.status or 'cancelled'}" for request in proxy.requests()
        }
        row = f"| {situation} | {'<br>'.join(sorted(requests)) or 'none'} | {outcome} |"
        self._sections.setdefault(client, []).append(row)

    def write(self, file: Path) -> None:
        """Write the page. Keeps the manual runs at its end."""
        _, heading, manual = file.read_text().partition(_MANUAL) if file.exists() else ("", "", "")
        head = "| situation | requests to the server | result |\n|---|---|---|\n"
        sections = [f"## {client}\n\n{head}" + "\n".join(rows) + "\n" for client, rows in self._sections.items()]
        file.write_text(_HEAD + "\n".join(sections) + heading + manual)


def picture(lines: Sequence[dict[str, str]], file: Path) -> None:
    """Draw a check's JSON lines as the table that a terminal shows."""
    report = Report()
    report.domains = sorted({line["domain"] for line in lines if line["domain"]})
    for line in lines:
        finding = Finding(Verdict(line["verdict"]), line["text"], line["remedy"])
        report.lines.append(Line(line["area"], line["subject"], finding))
    console = Console(record=True, width=150, file=io.StringIO(), force_terminal=True)
    console.print(table(report))
    console.print(f"\n{report.summary()}", highlight=False)
    file.write_text(console.export_svg(title="bt-autoconfig check btinternet.com"))
