"""The lookup of KMail's account wizard, run with ispdb, a program from the same source package."""

import re
from dataclasses import dataclass

from tests.clients.desktop import Desktop
from tests.clients.network import Network
from tests.clients.tls import Authority

_KIND = re.compile(r"(\w+) servers:")
_SERVER = re.compile(
    r'hostname: "(?P<host>[^"]*)" - port: (?P<port>\d+) - encryption: "(?P<encryption>[^"]*)"'
    r' - username: "(?P<user>[^"]*)" - authentication: "(?P<authentication>[^"]*)"'
)


@dataclass(frozen=True)
class Server:
    """A server, in KMail's terms."""

    kind: str
    host: str
    port: int
    encryption: str
    user: str
    authentication: str


def look_up(network: Network, authority: Authority, address: str) -> list[Server]:
    """Return the servers that the wizard proposes for an address."""
    printed = Desktop(network, authority).run(
        "ispdb",
        "--email",
        address,
        QT_QPA_PLATFORM="offscreen",
        QT_LOGGING_RULES="org.kde.pim.accountwizard.debug=true",
    )
    servers = []
    kind = ""
    for line in printed.splitlines():
        if heading := _KIND.search(line):
            kind = heading[1].lower()
        if server := _SERVER.search(line):
            servers.append(
                Server(
                    kind,
                    server["host"],
                    int(server["port"]),
                    server["encryption"],
                    server["user"],
                    server["authentication"],
                )
            )
    return servers
