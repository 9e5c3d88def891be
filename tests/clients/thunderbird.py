"""A real Thunderbird, headless, driven through Marionette."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from tests.clients.network import Network
from tests.clients.tls import Authority


def version() -> str:
    """Return Thunderbird's name and version: `Mozilla Thunderbird 153.7.0esr`."""
    done = subprocess.run(["thunderbird", "--version"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


_MARIONETTE_PORT = 2828
_SCRIPTS = Path(__file__).parent / "thunderbird.js"

_PREFERENCES: dict[str, bool | int | str] = {
    "marionette.port": _MARIONETTE_PORT,
    "app.update.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "mail.provider.suppress_dialog_on_startup": True,
    "mail.shell.checkDefaultClient": False,
    "mailnews.start_page.enabled": False,
    "toolkit.telemetry.enabled": False,
}


@dataclass(frozen=True)
class Server:
    """A server in Thunderbird's own terms."""

    type: str
    hostname: str
    port: int
    socketType: str  # noqa: N815 - Thunderbird's name
    auth: str
    username: str


@dataclass(frozen=True)
class Account:
    """The account that Thunderbird sets up, and its source (`xml-from-isp-https`, …)."""

    source: str
    incoming: Server
    outgoing: Server
    alternatives: tuple[Server, ...]

    @classmethod
    def read(cls, found: dict[str, Any]) -> Self:
        """Read an account from thunderbird.js."""
        alternatives = tuple(Server(**server) for server in found["alternatives"])
        return cls(found["source"], Server(**found["incoming"]), Server(**found["outgoing"]), alternatives)

    def servers(self) -> tuple[Server, ...]:
        """Return all servers of the account."""
        return (self.incoming, *self.alternatives, self.outgoing)


@dataclass(frozen=True)
class Correspondence:
    """The settings with which a message was sent and received, and its subject in the inbox."""

    account: Account
    subject: str


class Thunderbird:
    """A Thunderbird with an empty profile that trusts additional certificate authorities."""

    def __init__(
        self,
        network: Network,
        authority: Authority,
        *others: Path,
        preferences: Mapping[str, bool | int | str] = MappingProxyType({}),
    ) -> None:
        self._network = network
        profile = network.folder / "thunderbird"
        profile.mkdir()
        settings = _PREFERENCES | dict(preferences)
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in settings.items()]
        (profile / "user.js").write_text("\n".join(lines) + "\n")
        for step in (
            ["-N", "--empty-password"],
            *(["-A", "-n", str(root), "-t", "C,,", "-i", str(root)] for root in (authority.certificate, *others)),
        ):
            subprocess.run(["certutil", "-d", f"sql:{profile}", *step], check=True)
        network.start(
            "thunderbird",
            ["thunderbird", "--headless", "--marionette", "-remote-allow-system-access", "--no-remote",
             "--profile", str(profile)],
            HOME=str(network.folder),
        )  # fmt: skip
        network.wait_for_port(_MARIONETTE_PORT, timeout=60)

    def discover(self, address: str, password: str = "") -> Account | None:
        """Look up the settings of an address, as the account setup does after the user has typed address and password."""
        found = self._call("discover", address, password)
        return Account.read(found) if found else None

    def correspond(self, address: str, password: str, protocol: str = "imap") -> Correspondence:
        """Set up the account, log in, send a message to the same address, and read it in the inbox.

        Raises AssertionError with Thunderbird's own message if a step fails.
        """
        result = self._call("correspond", address, password, protocol)
        return Correspondence(Account.read(result["account"]), result["subject"])

    def _call(self, function: str, *arguments: str) -> Any:
        """Call a function of thunderbird.js. Raises AssertionError with the script's own error."""
        script = f"""
            const done = arguments[arguments.length - 1];
            {_SCRIPTS.read_text()}
            {function}(...Array.from(arguments).slice(0, -1)).then(
                result => done({{ result }}),
                error => done({{ error: `${{error}}\\n${{error.stack}}` }}));
        """
        command = [sys.executable, str(Path(__file__).with_name("marionette.py")), str(_MARIONETTE_PORT)]
        done = json.loads(self._network.run(command, json.dumps([script, arguments])))
        assert "error" not in done, done["error"]
        return done["result"]
