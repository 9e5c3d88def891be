"""What real clients asked and what they made of the answers, as the table of docs/clients.md."""

from pathlib import Path

from tests.clients.tls import Front

_HEAD = """# What real clients do

Written by `make record-clients`: each row is a run of a real client against a real `bt-autoconfig serve`, with real DNS,
TLS and mail servers, in a network of its own. A client was given an address and a password, nothing else.

"""


class Recorder:
    """Rows of the table, in the order of the runs."""

    def __init__(self) -> None:
        self._sections: dict[str, list[str]] = {}

    def add(self, client: str, situation: str, front: Front, outcome: str) -> None:
        """Keep a run: what the client asked (each request once) and what came of it."""
        # A client that has found what it looked for cancels its other look-ups.
        asked = {
            f"`{request.method} {request.place}` → {request.status or 'cancelled'}" for request in front.requests()
        }
        row = f"| {situation} | {'<br>'.join(sorted(asked))} | {outcome} |"
        self._sections.setdefault(client, []).append(row)

    def write(self, file: Path) -> None:
        """Write the page."""
        head = "| situation | asked of us | made of the answer |\n|---|---|---|\n"
        sections = [f"## {client}\n\n{head}" + "\n".join(rows) + "\n" for client, rows in self._sections.items()]
        file.write_text(_HEAD + "\n".join(sections))
