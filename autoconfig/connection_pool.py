"""The connections of a worker: limits their number, closes idle ones to make room, and checks deadlines."""

import asyncio
import ipaddress
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from typing import Protocol

from autoconfig.memory import return_memory

_TICK = 0.5
"""Seconds between two checks of all deadlines."""
_FIRST_TURN = 0.1
"""Seconds that a connection has for its first request, before it may be closed to make room for another."""

_BUFFER = 16 * 1024
"""Maximum bytes received at once. A connection whose pipelined requests wait keeps at most as many. With uvloop's
default of 250 KB, a thousand of these connections would take 250 MB."""

_CLOSED_BEFORE_TRIM = 100
"""Number of closed connections after which unused memory is returned to the system."""

_TURNS = 8
"""Pipelined requests handled before the event loop polls again. uvloop accepts one new connection per poll, so a higher
number would keep new clients waiting."""


@dataclass(frozen=True)
class Limits:
    """Limits for connections, bytes and seconds."""

    max_connections: int = 1000
    """Concurrent connections per worker. Above it, the oldest idle connection is closed for each new one."""
    max_connections_per_client: int = 100
    """Concurrent connections per worker from one IPv4 address or IPv6 /64 network, not counting trusted proxies."""
    max_head: int = 16 * 1024
    """Bytes of request line and headers, and of chunk sizes, extensions and trailers."""
    head_timeout: float = 10.0
    """Seconds from the connection, or from the first byte of a request, to the end of the request's headers."""
    body_timeout: float = 10.0
    """Seconds from the end of a request's headers to the end of its body."""
    keep_alive: float = 5
    """Seconds that a connection may be idle between two requests."""
    write_timeout: float = 10.0
    """Seconds that a response may wait for a client that does not read it."""


class Member(Protocol):
    """A connection, as the pool sees it."""

    client: str
    """Address or network that it counts for; empty if it is not limited."""
    since: float
    """Loop time, in seconds, of its last complete request, or of its start."""
    deadline: float
    """Loop time, in seconds, at which the pool calls `expire`."""

    def expire(self) -> None:
        """Close the connection or send an error: the deadline has passed."""

    def evict(self) -> bool:
        """Close the connection, unless a response is being prepared; return whether it is closed."""

    def resume(self) -> None:
        """Continue reading, first the bytes that have already been received."""


class TrustedProxies:
    """Proxies trusted to set X-Forwarded-Proto; their connections are not limited per address.

    `addresses` is a list of IP addresses and networks, separated by commas; * means all. Raises ValueError naming an
    invalid entry.
    """

    def __init__(self, addresses: str) -> None:
        names = [name for entry in addresses.split(",") if (name := entry.strip())]
        self._all = "*" in names
        self._networks = []
        for name in names:
            try:
                self._networks += [ipaddress.ip_network(name, strict=False)] if name != "*" else []
            except ValueError as error:
                raise ValueError(f"{name} is neither an IP address nor a network") from error

    def __contains__(self, address: "IPAddress") -> bool:
        return self._all or any(address in network for network in self._networks)


IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class ConnectionPool:
    """The connections of a worker. The pool calls `on_eviction` when it closes one to make room for another."""

    def __init__(
        self,
        limits: Limits,
        proxies: TrustedProxies,
        loop: asyncio.AbstractEventLoop,
        on_eviction: Callable[[], None] = lambda: None,
    ) -> None:
        self.limits = limits
        self.date = b""
        """The Date header line of a response, to the second."""
        self.buffer = memoryview(bytearray(_BUFFER))
        """Shared by all connections; each uses it only while it receives."""
        self._loop = loop
        self._on_eviction = on_eviction
        self._members: OrderedDict[Member, None] = OrderedDict()
        """All connections, the one that has been idle longest first."""
        self._clients: dict[str, OrderedDict[Member, None]] = {}
        self._waiting: deque[Member] = deque()
        """Connections with pipelined requests to read."""
        self._most = 0
        """Highest number of connections since memory was last returned to the system."""
        self._timer: asyncio.TimerHandle | None = None
        self._identify = lru_cache(maxsize=4096)(lambda address: _identify(address, proxies))

    def identify(self, address: str) -> tuple[str, bool]:
        """Return the address or network that an IP address counts for, and whether it is a trusted proxy.

        A Unix socket, whose address is empty, is trusted: only programs on this machine can connect to it.
        """
        client, trusted = self._identify(address)
        return client, trusted

    def add(self, member: Member) -> bool:
        """Add a connection, closing another one if necessary; return False if there is no room."""
        if self._timer is None:
            self._set_date()
            self._timer = self._loop.call_later(_TICK, self._tick)
        if member.client:
            siblings = self._clients.setdefault(member.client, OrderedDict())
            if len(siblings) >= self.limits.max_connections_per_client and not self._evict_one(siblings, 0):
                return False
            # Evicting the last of its siblings removes their group.
            self._clients.setdefault(member.client, siblings)[member] = None
        excess = len(self._members) - self.limits.max_connections
        if excess >= 0:
            # Many clients may connect at once: up to twice the limit, each gets time to send its request.
            patience = _FIRST_TURN if excess < self.limits.max_connections else 0
            if not self._evict_one(self._members, patience) and not patience:
                self.discard(member)
                return False
        self._members[member] = None
        self._most = max(self._most, len(self._members))
        return True

    def discard(self, member: Member) -> None:
        """Remove a connection."""
        self._members.pop(member, None)
        siblings = self._clients.get(member.client)
        if siblings is not None:
            siblings.pop(member, None)
            if not siblings:
                del self._clients[member.client]

    def touch(self, member: Member) -> None:
        """Mark a connection as just used: others are closed before it."""
        if member in self._members:
            self._members.move_to_end(member)

    def resume_later(self, member: Member) -> None:
        """Call `resume` of a connection when it is its turn."""
        self._waiting.append(member)
        if len(self._waiting) == 1:
            self._loop.call_soon(self._give_turns)

    def _give_turns(self) -> None:
        turns = [self._waiting.popleft() for _ in range(min(_TURNS, len(self._waiting)))]
        if self._waiting:
            self._loop.call_soon(self._give_turns)
        for member in turns:
            member.resume()

    def _evict_one(self, members: OrderedDict[Member, None], patience: float) -> bool:
        """Close the connection that has been idle longest, if for `patience` seconds; return whether one was closed."""
        latest = self._loop.time() - patience
        candidates = sorted(members, key=_since) if members is not self._members else members
        for member in candidates:
            if member.since > latest:
                return False
            if member.evict():
                self.discard(member)
                self._on_eviction()
                return True
        return False

    def _tick(self) -> None:
        """Check all deadlines and update the date, regularly while there are connections."""
        self._set_date()
        now = self._loop.time()
        for member in [member for member in self._members if member.deadline <= now]:
            member.expire()
        while len(self._members) > self.limits.max_connections and self._evict_one(self._members, _FIRST_TURN):
            pass
        if len(self._members) < self._most - _CLOSED_BEFORE_TRIM:
            self._most = len(self._members)
            return_memory()
        self._timer = self._loop.call_later(_TICK, self._tick) if self._members else None

    def _set_date(self) -> None:
        self.date = f"date: {formatdate(time.time(), usegmt=True)}\r\n".encode()


def _since(member: Member) -> float:
    return member.since


def _identify(address: str, proxies: TrustedProxies) -> tuple[str, bool]:
    if not address:
        return "", True
    ip: IPAddress = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    if ip in proxies:
        return "", True
    # Every site has at least a /64 network, so an attacker has 2^64 addresses.
    return (str(ip) if ip.version == 4 else str(ipaddress.ip_network(f"{ip}/64", strict=False))), False
