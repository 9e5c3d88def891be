"""A real Evolution on a virtual display, driven by its accessibility interface."""

from configparser import ConfigParser
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.clients.desktop import Desktop
from tests.clients.network import Network
from tests.clients.tls import Authority


@dataclass(frozen=True)
class Server:
    """A server of an account, in Evolution's terms."""

    backend: str
    host: str
    port: int
    security: str
    user: str

    @classmethod
    def read(cls, source: ConfigParser, section: str) -> Self:
        """Read a server from an account's file."""
        login = source["Authentication"]
        return cls(
            backend=source[section]["BackendName"],
            host=login["Host"],
            port=int(login["Port"]),
            security=source["Security"]["Method"],
            user=login["User"],
        )


@dataclass(frozen=True)
class Account:
    """The account that Evolution stored."""

    address: str
    incoming: Server
    outgoing: Server


def set_up(network: Network, authority: Authority, name: str, address: str, *pages: str) -> Account:
    """Start Evolution for the first time, accept the account that it proposes for an address, and return it.

    `pages` are those that it fills in, but does not skip, before its summary.

    Raises AssertionError if it proposes none.
    """
    desktop = Desktop(network, authority)
    # Debian's Python has the bindings of the accessibility interface.
    driver = str(Path(__file__).with_name("evolution_driver.py"))
    desktop.run("/usr/bin/python3", driver, name, address, *pages, GSETTINGS_BACKEND="memory")
    return _stored(desktop.home / ".config/evolution/sources")


def _stored(folder: Path) -> Account:
    """Read the account that was set up. Evolution's local folders and search folders have no server."""
    found: dict[str, Server] = {}
    address = ""
    for file in folder.glob("*.source"):
        source = ConfigParser(interpolation=None, strict=False)
        source.read_string(file.read_text(encoding="utf-8"))
        for section in ("Mail Account", "Mail Transport"):
            if section in source and "Authentication" in source:
                found[section] = Server.read(source, section)
        if "Mail Identity" in source:
            address = source["Mail Identity"]["Address"]
    return Account(address, found["Mail Account"], found["Mail Transport"])
