"""A name server on loopback that answers MX queries, honestly or not."""

import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

Responder = Callable[[dns.message.Message], bytes]
"""Returns the response to a query; empty for no response."""


def mx(*records: str, ttl: int = 600) -> Responder:
    """Respond with MX records, such as `10 mx1.example.com.`."""
    return lambda query: _with(query, "MX", *records, ttl=ttl).to_wire()


def alias(target: str, *records: str) -> Responder:
    """Respond that the name is an alias of another, which has MX records."""

    def respond(query: dns.message.Message) -> bytes:
        response = _with(query, "CNAME", target)
        response.answer.append(dns.rrset.from_text(target, 600, "IN", "MX", *records))
        return response.to_wire()

    return respond


def failure(query: dns.message.Message) -> bytes:
    response = dns.message.make_response(query)
    response.set_rcode(dns.rcode.SERVFAIL)
    return response.to_wire()


def silence(_query: dns.message.Message) -> bytes:
    return b""


def garbage(query: dns.message.Message) -> bytes:
    return query.to_wire()[:2] + b"\x81\x80\0\1\xff\xff" + b"\xc0" * 500


def forged(query: dns.message.Message) -> bytes:
    """Respond with another ID, as an attacker who has not seen the query."""
    response = _with(query, "MX", "10 mx.example.net.")
    response.id ^= 1
    return response.to_wire()


def to_another_query(query: dns.message.Message) -> bytes:
    other = dns.message.make_query("another.example.", "MX")
    other.id = query.id
    return _with(other, "MX", "10 mx.example.net.").to_wire()


def truncated(query: dns.message.Message) -> bytes:
    response = dns.message.make_response(query)
    response.flags |= dns.flags.TC
    return response.to_wire()


def enormous(query: dns.message.Message) -> bytes:
    records = (f"10 mx{number}.{'x' * 60}.example.net." for number in range(700))
    return _with(query, "MX", *records).to_wire(max_size=65535)


def missing(query: dns.message.Message) -> bytes:
    response = dns.message.make_response(query)
    response.set_rcode(dns.rcode.NXDOMAIN)
    return response.to_wire()


def _with(query: dns.message.Message, type_: str, *records: str, ttl: int = 600) -> dns.message.Message:
    response = dns.message.make_response(query)
    if records:
        response.answer.append(dns.rrset.from_text(query.question[0].name, ttl, "IN", type_, *records))
    return response


class NameServer:
    """A name server with responders by name, or by `*.` and the name's parent; other names do not exist.

    `tcp` has the responders for queries over TCP. `queries` counts queries by name.
    """

    def __init__(self, udp: dict[str, Responder], tcp: dict[str, Responder]) -> None:
        self.udp, self.tcp = udp, tcp
        self._closed = False
        self.queries: Counter[str] = Counter()
        self._udp, self._tcp = _sockets()
        self.port: int = self._udp.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._over_udp, self._over_tcp)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._closed = True
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", ("127.0.0.1", self.port))
        self._tcp.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        self._tcp.close()
        self._udp.close()

    def _respond(self, wire: bytes, responders: dict[str, Responder]) -> bytes:
        query = dns.message.from_wire(wire)
        name = query.question[0].name.to_text(omit_final_dot=True)
        self.queries[name] += 1
        respond = responders.get(name) or responders.get(f"*.{name.partition('.')[2]}", missing)
        return respond(query)

    def _over_udp(self) -> None:
        while not self._closed:
            wire, sender = self._udp.recvfrom(65535)
            if wire and (response := self._respond(wire, self.udp)):
                self._udp.sendto(response, sender)

    def _over_tcp(self) -> None:
        while True:
            try:
                connection, _ = self._tcp.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as incoming:
                wire = incoming.read(int.from_bytes(incoming.read(2)))
                response = self._respond(wire, self.tcp)
                connection.sendall(len(response).to_bytes(2) + response)


def _sockets() -> tuple[socket.socket, socket.socket]:
    """Return sockets for UDP and TCP on the same free port."""
    while True:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        udp.bind(("127.0.0.1", 0))
        try:
            return udp, socket.create_server(udp.getsockname())
        except OSError:  # another program uses the TCP port
            udp.close()


@contextmanager
def name_server(udp: dict[str, Responder], tcp: dict[str, Responder] | None = None) -> Iterator[NameServer]:
    server = NameServer(udp, tcp or {})
    try:
        yield server
    finally:
        server.close()


@contextmanager
def silent_address() -> Iterator[str]:
    """Yield the IP:PORT of a resolver that never responds."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"
