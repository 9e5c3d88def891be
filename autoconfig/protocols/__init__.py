"""The client protocols. Each is one module and one entry in this list. The modules do not import each other."""

from typing import Any

from autoconfig.protocols import activesync, autoconfig, autodiscover, autodiscover_v2, mobileconfig, pacc
from autoconfig.protocols.description import Protocol

PROTOCOLS: tuple[Protocol[Any], ...] = (
    autoconfig.PROTOCOL,
    autodiscover.PROTOCOL,
    autodiscover_v2.PROTOCOL,
    activesync.PROTOCOL,
    pacc.PROTOCOL,
    mobileconfig.PROTOCOL,
)
"""The list that routes, `render`, `check` and `export` use."""
