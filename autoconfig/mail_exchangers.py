"""Looks up the preferred mail exchangers of a domain while a request waits.

An attacker may control the name and the answer. So time, attempts, bytes and records are limited.
"""

import asyncio
import ipaddress
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # few servers need the DNS
    from dns.message import Message, QueryMessage

_DEADLINE = 3.0
"""Seconds for a lookup, with all attempts."""
_ATTEMPT = 1.0
"""Seconds for an attempt; then the next resolver is queried, or the same one again."""
_PAYLOAD = 1232
"""Bytes of a UDP answer that every network transports (DNS flag day 2020); larger ones use TCP."""
_MAX_ANSWER = 8 * 1024
"""Maximum bytes of an answer. Parsing 64 KiB of records would delay other requests."""
_MAX_HOSTS = 16
"""Maximum hosts with the best preference."""
_MAX_SERVERS = 3


class ResolverError(Exception):
    """The lookup failed. Nothing is known about the domain."""


class Exchangers(NamedTuple):
    """The preferred MX hosts of a domain, in lower case, and their TTL in seconds."""

    hosts: tuple[str, ...]
    ttl: float


def address_and_port(resolver: str) -> tuple[str, int]:
    """Parse `IP`, `IP:PORT` or `[IP]:PORT`. Raises ValueError if it is invalid."""
    match = re.fullmatch(
        r"(?P<v4>[0-9.]+)(:(?P<port4>[0-9]{1,5}))?|\[(?P<v6>[^]]+)\](:(?P<port6>[0-9]{1,5}))?", resolver
    )
    address = (match["v4"] or match["v6"]) if match else resolver
    port = int((match and (match["port4"] or match["port6"])) or 53)
    if not 0 < port < 65536:
        raise ValueError(f"port {port} is out of range; use 1-65535")
    try:
        return str(ipaddress.ip_address(address)), port
    except ValueError as error:
        raise ValueError(
            f"{resolver} is not an IP address such as 192.0.2.1, 192.0.2.1:53 or [2001:db8::1]:53"
        ) from error


class Resolver:
    """Queries one resolver, `IP[:PORT]`, or the system's resolvers, if any.

    Raises ValueError if `resolver` is not an address.
    """

    def __init__(self, resolver: str | None = None) -> None:
        self.servers = [address_and_port(resolver)] if resolver else _system_servers()

    async def exchangers(self, domain: str) -> Exchangers:
        """Return the preferred mail exchangers of a domain, without hosts if it has none.

        Raises ResolverError if there is no valid answer within three seconds.
        """
        try:
            async with asyncio.timeout(_DEADLINE):
                return await self._ask(domain)
        except TimeoutError as error:
            raise ResolverError from error

    async def _ask(self, domain: str) -> Exchangers:
        from dns.exception import DNSException
        from dns.message import make_query
        from dns.rcode import NOERROR, NXDOMAIN

        for address, port in self.servers * 3:
            try:
                query = make_query(f"{domain}.", "MX", use_edns=0, payload=_PAYLOAD)
                async with asyncio.timeout(_ATTEMPT):
                    answer = await _answer(query, address, port)
                if answer.rcode() in (NOERROR, NXDOMAIN):
                    return _read(answer)
            except (TimeoutError, OSError, EOFError, DNSException):
                continue
        raise ResolverError


_TRUNCATED = 0x0200
"""The flag TC (RFC 1035, section 4.1.1)."""


def _system_servers() -> list[tuple[str, int]]:
    from dns.resolver import NoResolverConfiguration
    from dns.resolver import Resolver as SystemResolver

    try:
        found = SystemResolver()
    except NoResolverConfiguration:
        return []
    return [(server, found.port) for server in map(str, found.nameservers)][:_MAX_SERVERS]


def _read(answer: "QueryMessage") -> Exchangers:
    """Return the exchangers in an answer. Raises DNSException if it does not answer the query."""
    from dns.rdtypes.ANY.MX import MX

    chain = answer.resolve_chaining()
    records = [record for record in chain.answer or () if isinstance(record, MX)]
    best = min((record.preference for record in records), default=0)
    hosts = (mx.exchange.to_text(omit_final_dot=True).lower() for mx in records if mx.preference == best)
    return Exchangers(tuple(host for host in hosts if host != "@" and host)[:_MAX_HOSTS], chain.minimum_ttl)


class _Datagrams(asyncio.DatagramProtocol):
    """Waits for the answer to a query. The socket is connected, so only the resolver can send to it."""

    def __init__(self, query: "Message") -> None:
        self._query = query
        self.answer: asyncio.Future[QueryMessage] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, _address: object) -> None:
        if self.answer.done() or len(data) > _MAX_ANSWER:
            return
        answer = _parsed(data)
        if answer is not None and self._query.is_response(answer):
            self.answer.set_result(answer)

    def error_received(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


def _parsed(data: bytes) -> "QueryMessage | None":
    from dns.exception import DNSException
    from dns.message import QueryMessage, from_wire

    try:
        message = from_wire(data, ignore_trailing=True)
    except DNSException:
        return None
    return message if isinstance(message, QueryMessage) else None


async def _answer(query: "Message", address: str, port: int) -> "QueryMessage":
    """Query over UDP, and over TCP if the answer does not fit into a datagram."""
    answer = await _over_udp(query, address, port)
    return await _over_tcp(query, address, port) if answer.flags & _TRUNCATED else answer


async def _over_udp(query: "Message", address: str, port: int) -> "QueryMessage":
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(lambda: _Datagrams(query), remote_addr=(address, port))
    try:
        transport.sendto(query.to_wire())
        return await protocol.answer
    finally:
        transport.close()


async def _over_tcp(query: "Message", address: str, port: int) -> "QueryMessage":
    """Query over TCP. Raises OSError, EOFError, or DNSException if the answer is too large or to another query."""
    from dns.exception import FormError

    reader, writer = await asyncio.open_connection(address, port)
    try:
        wire = query.to_wire()
        writer.write(len(wire).to_bytes(2) + wire)
        length = int.from_bytes(await reader.readexactly(2))
        answer = _parsed(await reader.readexactly(length)) if length <= _MAX_ANSWER else None
    finally:
        writer.close()
    if answer is None or not query.is_response(answer):
        raise FormError
    return answer
