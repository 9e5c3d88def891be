"""A real Delta Chat: its core, as PyPI's deltachat-rpc-server has it."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.clients.network import Network


@dataclass(frozen=True)
class Conversation:
    """What one account, set up from address and password, made of its settings, and what the other got from it."""

    version: str
    settings: str
    """The servers, each `host:port:security`, the one in use first; the address in it is masked."""
    received: str


def converse(network: Network, password: str, sender: str, receiver: str) -> Conversation:
    """Have two accounts configure themselves and one write to the other. The lab's certificates are accepted."""
    driver = Path(__file__).with_name("deltachat_driver.py")
    command = [sys.executable, str(driver), str(network.folder / "deltachat"), password, sender, receiver]
    return Conversation(**json.loads(network.run(command, timeout=60)))
