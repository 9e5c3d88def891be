"""The client protocols: one module each, and a description of it in this list. The modules do not know each other."""

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
"""Routes, `render`, `check` and `export` take from here all that they know of protocols."""
