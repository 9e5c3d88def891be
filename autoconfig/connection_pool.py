"""The connections of a worker: how many there may be, who is closed to make room, and who has run out of time."""

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
"""Seconds between two looks at the deadlines of all connections."""
_FIRST_TURN = 0.1
"""Seconds that a connection has for its first request before it may be closed to make room for another one."""

_BUFFER = 16 * 1024
"""Bytes that are received from a connection at once, so the most that is kept of one whose requests wait. (Without it
uvloop would receive 250 KB: a thousand clients that pipeline requests would take 250 MB.)"""

_CROWD = 100
"""Connections fewer than before after which the memory that they took is returned to the system."""

_TURNS = 8
"""Connections that send requests without waiting for responses get this many turns before the event loop looks for
others. uvloop accepts one new connection each time it looks, so a longer turn would keep new clients waiting."""


@dataclass(frozen=True)
class Limits:
    """Bounds of what one client may take: connections, bytes and seconds."""

    max_connections: int = 1000
    """Concurrent connections per worker. Above it, the oldest idle connection is closed for each new one."""
    max_connections_per_client: int = 100
    """Concurrent connections per worker from one IPv4 address or IPv6 /64 network, trusted proxies excepted."""
    max_head: int = 16 * 1024
    """Bytes of request line and headers, and of chunk sizes, extensions and trailers."""
    head_timeout: float = 10.0
    """Seconds from the connection, or from the first byte of a request, to the end of the request's headers."""
    body_timeout: float = 10.0
    """Seconds from the end of a request's headers to the end of its body."""
    keep_alive: float = 5
    """Seconds that a connection may be idle between two requests."""
    write_timeout: float = 10.0
    """Seconds for which a client may not read its response."""


class Member(Protocol):
    """A connection, as the pool sees it."""

    client: str
    """Whose it is: an address or network; empty when it is not limited."""
    since: float
    """When its last request was complete, or it was opened: loop time, seconds."""
    deadline: float
    """When `expire` is to be called: loop time, seconds."""

    def expire(self) -> None:
        """Act on the deadline."""

    def evict(self) -> bool:
        """Close the connection, unless a response is being made; return whether it is closed."""

    def resume(self) -> None:
        """Go on with what has been received."""


class TrustedProxies:
    """The addresses whose X-Forwarded-Proto is believed, and whose connections are not limited.

    `addresses` has IP addresses and networks, separated by commas, or * for all. Raises ValueError naming a wrong one.
    """

    def __init__(self, addresses: str) -> None:
        names = [name for one in addresses.split(",") if (name := one.strip())]
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
    """The connections of a worker. `on_close` is told why a connection was closed or refused for lack of room."""

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
        """What a connection receives, for the moment that it does so."""
        self._loop = loop
        self._on_eviction = on_eviction
        self._members: OrderedDict[Member, None] = OrderedDict()
        """All of them, the one that has not had a request for the longest time first."""
        self._clients: dict[str, OrderedDict[Member, None]] = {}
        self._waiting: deque[Member] = deque()
        """Those that have received more than one request."""
        self._most = 0
        """How many there have been at once since memory was last given back."""
        self._timer: asyncio.TimerHandle | None = None
        self._identify = lru_cache(maxsize=4096)(lambda address: _identify(address, proxies))

    def identify(self, address: str) -> tuple[str, bool]:
        """Return what connections from an IP address are counted by, and whether it is a trusted proxy.

        A Unix socket, whose address is empty, is one: only programs on this machine reach it.
        """
        client, trusted = self._identify(address)
        return client, trusted

    def add(self, member: Member) -> bool:
        """Take in a new connection, closing others where that takes it; return False when there is no room."""
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
            # Many may connect at once: twice the limit gives each of them time to send its request.
            patience = _FIRST_TURN if excess < self.limits.max_connections else 0
            if not self._evict_one(self._members, patience) and not patience:
                self.discard(member)
                return False
        self._members[member] = None
        return True

    def discard(self, member: Member) -> None:
        """Forget a connection."""
        self._members.pop(member, None)
        siblings = self._clients.get(member.client)
        if siblings is not None:
            siblings.pop(member, None)
            if not siblings:
                del self._clients[member.client]

    def touch(self, member: Member) -> None:
        """Note that a connection has had a request: others are closed before it."""
        if member in self._members:
            self._members.move_to_end(member)

    def resume_later(self, member: Member) -> None:
        """Have a connection go on when it is its turn."""
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
        """Close the connection that has been idle for the longest time, at least `patience` seconds."""
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
        """Look at all deadlines, and set the date; every now and then while there are connections."""
        self._set_date()
        now = self._loop.time()
        for member in [member for member in self._members if member.deadline <= now]:
            member.expire()
        while len(self._members) > self.limits.max_connections and self._evict_one(self._members, _FIRST_TURN):
            pass
        self._most = max(self._most, len(self._members))
        if len(self._members) < self._most - _CROWD:
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
    # A site has a /64 network at least, so an attacker has 2^64 addresses.
    return (str(ip) if ip.version == 4 else str(ipaddress.ip_network(f"{ip}/64", strict=False))), False
