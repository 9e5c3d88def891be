"""The preferred mail exchangers of a domain, asked of a resolver while a request waits.

Both the name and the answer may be an attacker's, so everything is bounded: time, attempts, bytes, records.
"""

import asyncio
import ipaddress
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # few servers ask the DNS
    from dns.message import Message

_DEADLINE = 3.0
"""Seconds for an answer, whichever resolvers are asked."""
_ATTEMPT = 1.0
"""Seconds after which the next resolver is asked, or the same one again."""
_PAYLOAD = 1232
"""Bytes of a UDP answer that pass every network (DNS flag day 2020); a larger one comes over TCP."""
_MAX_ANSWER = 8 * 1024
"""Bytes of an answer. Reading 64 KiB of records would keep other requests waiting."""
_MAX_HOSTS = 16
"""Hosts of the best preference that are looked at."""
_MAX_SERVERS = 3


class ResolverError(Exception):
    """The DNS does not answer. Nothing is known about the domain."""


class Exchangers(NamedTuple):
    """The hosts that a domain's mail goes to first, in lower case, and for how many seconds that is certain."""

    hosts: tuple[str, ...]
    ttl: float


def address_and_port(resolver: str) -> tuple[str, int]:
    """Read `IP`, `IP:PORT` or `[IP]:PORT`. Raises ValueError when it is neither."""
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
    """Asks one resolver, `IP[:PORT]`, or those of the system, of which there may be none.

    Raises ValueError when `resolver` is no address.
    """

    def __init__(self, resolver: str | None = None) -> None:
        self.servers = [address_and_port(resolver)] if resolver else _system_servers()

    async def exchangers(self, domain: str) -> Exchangers:
        """Return the preferred mail exchangers of a domain, no hosts when it has none.

        Raises ResolverError when there is no certain answer within three seconds.
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
                    answer = await _over_udp(query, address, port)
                    if answer.flags & _TRUNCATED:
                        answer = await _over_tcp(query, address, port)
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


def _read(answer: "Message") -> Exchangers:
    """Return what an answer says. Raises DNSException when it is none to the question."""
    from dns.exception import FormError
    from dns.message import QueryMessage
    from dns.rdtypes.ANY.MX import MX

    if not isinstance(answer, QueryMessage):
        raise FormError
    chain = answer.resolve_chaining()
    records = [record for record in chain.answer or () if isinstance(record, MX)]
    best = min((record.preference for record in records), default=0)
    hosts = (one.exchange.to_text(omit_final_dot=True).lower() for one in records if one.preference == best)
    return Exchangers(tuple(host for host in hosts if host != "@" and host)[:_MAX_HOSTS], chain.minimum_ttl)


class _Datagrams(asyncio.DatagramProtocol):
    """Waits for the answer to a query on a socket that is connected: others cannot send to it."""

    def __init__(self, query: "Message") -> None:
        self._query = query
        self.answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, _address: object) -> None:
        if self.answer.done() or len(data) > _MAX_ANSWER:
            return
        answer = _parsed(data)
        if answer is not None and self._query.is_response(answer):
            self.answer.set_result(answer)

    def error_received(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


def _parsed(data: bytes) -> "Message | None":
    from dns.exception import DNSException
    from dns.message import from_wire

    try:
        return from_wire(data, ignore_trailing=True)
    except DNSException:
        return None


async def _over_udp(query: "Message", address: str, port: int) -> "Message":
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(lambda: _Datagrams(query), remote_addr=(address, port))
    try:
        transport.sendto(query.to_wire())
        return await protocol.answer
    finally:
        transport.close()


async def _over_tcp(query: "Message", address: str, port: int) -> "Message":
    """Ask over TCP. Raises OSError, EOFError, or DNSException when the answer is too large or none to the query."""
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
