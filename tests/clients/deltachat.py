"""A real Delta Chat: its core, from the PyPI package deltachat-rpc-server."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.clients.network import Network


@dataclass(frozen=True)
class Conversation:
    """The settings of an account that set itself up from address and password, and the message that it sent."""

    version: str
    settings: str
    """The servers as `host:port:security`, the one in use first. The address is masked."""
    received: str


def converse(network: Network, password: str, sender: str, receiver: str) -> Conversation:
    """Let two accounts set themselves up, and one send a message to the other. Any certificate is accepted."""
    driver = Path(__file__).with_name("deltachat_driver.py")
    command = [sys.executable, str(driver), str(network.folder / "deltachat"), password, sender, receiver]
    return Conversation(**json.loads(network.run(command, timeout=60)))
