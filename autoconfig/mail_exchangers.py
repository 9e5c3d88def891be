"""Looks up the preferred mail exchangers of a domain while a request waits.

An attacker may control the name and the answer. So time, attempts, bytes and records are limited.
"""

import asyncio
import ipaddress
import re

from autoconfig.mx_messages import Response, make_query, read_response

_DEADLINE = 3.0
"""Seconds for a lookup, with all attempts."""
_ATTEMPT = 1.0
"""Seconds for an attempt; then the next resolver is queried, or the same one again."""
_MAX_RESPONSE = 8 * 1024
"""Maximum bytes of a response."""
_MAX_SERVERS = 3


class ResolverError(Exception):
    """The lookup failed. Nothing is known about the domain."""


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

    async def exchangers(self, domain: str) -> Response:
        """Return a response with the preferred mail exchangers of a domain, without hosts if it has none.

        Raises ResolverError if there is no valid response within three seconds.
        """
        try:
            async with asyncio.timeout(_DEADLINE):
                return await self._query_servers(domain)
        except TimeoutError as error:
            raise ResolverError from error

    async def _query_servers(self, domain: str) -> Response:
        for address, port in self.servers * 3:
            query = make_query(domain)
            try:
                async with asyncio.timeout(_ATTEMPT):
                    response = await _response(query, address, port)
            except (TimeoutError, OSError, EOFError):
                continue
            if not response.failed and not response.truncated:
                return response
        raise ResolverError


def _system_servers() -> list[tuple[str, int]]:
    from dns.resolver import NoResolverConfiguration
    from dns.resolver import Resolver as SystemResolver

    try:
        found = SystemResolver()
    except NoResolverConfiguration:
        return []
    return [(server, found.port) for server in map(str, found.nameservers)][:_MAX_SERVERS]


class _Datagrams(asyncio.DatagramProtocol):
    """Waits for the response to a query. The socket is connected, so only the resolver can send to it."""

    def __init__(self, query: bytes) -> None:
        self._query = query
        self.response: asyncio.Future[Response] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, _address: object) -> None:
        if self.response.done() or len(data) > _MAX_RESPONSE:
            return
        if response := read_response(data, self._query):
            self.response.set_result(response)

    def error_received(self, error: Exception) -> None:
        if not self.response.done():
            self.response.set_exception(error)


async def _response(query: bytes, address: str, port: int) -> Response:
    """Query over UDP, and over TCP if the response does not fit into a datagram."""
    response = await _over_udp(query, address, port)
    return await _over_tcp(query, address, port) if response.truncated else response


async def _over_udp(query: bytes, address: str, port: int) -> Response:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(lambda: _Datagrams(query), remote_addr=(address, port))
    try:
        transport.sendto(query)
        return await protocol.response
    finally:
        transport.close()


async def _over_tcp(query: bytes, address: str, port: int) -> Response:
    """Query over TCP. Raises OSError or EOFError if there is no valid response, or if it is too large."""
    reader, writer = await asyncio.open_connection(address, port)
    try:
        writer.write(len(query).to_bytes(2) + query)
        length = int.from_bytes(await reader.readexactly(2))
        response = read_response(await reader.readexactly(length), query) if length <= _MAX_RESPONSE else None
    finally:
        writer.close()
    if response is None:
        raise EOFError
    return response
