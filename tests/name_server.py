"""A name server on loopback that answers questions for MX records, honestly or not."""

import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

Reply = Callable[[dns.message.Message], bytes]
"""Makes the answer to a question, empty for none at all."""


def mx(*records: str, ttl: int = 600) -> Reply:
    """Answer with MX records, such as `10 mx1.example.com.`."""
    return lambda query: _with(query, "MX", *records, ttl=ttl).to_wire()


def alias(target: str, *records: str) -> Reply:
    """Answer that the name is an alias for another, which has MX records."""

    def reply(query: dns.message.Message) -> bytes:
        answer = _with(query, "CNAME", target)
        answer.answer.append(dns.rrset.from_text(target, 600, "IN", "MX", *records))
        return answer.to_wire()

    return reply


def failure(query: dns.message.Message) -> bytes:
    answer = dns.message.make_response(query)
    answer.set_rcode(dns.rcode.SERVFAIL)
    return answer.to_wire()


def silence(_query: dns.message.Message) -> bytes:
    return b""


def garbage(query: dns.message.Message) -> bytes:
    return query.to_wire()[:2] + b"\x81\x80\0\1\xff\xff" + b"\xc0" * 500


def forged(query: dns.message.Message) -> bytes:
    """Answer as someone who has not seen the question: with another number."""
    answer = _with(query, "MX", "10 mx.example.net.")
    answer.id ^= 1
    return answer.to_wire()


def of_another_question(query: dns.message.Message) -> bytes:
    other = dns.message.make_query("another.example.", "MX")
    other.id = query.id
    return _with(other, "MX", "10 mx.example.net.").to_wire()


def truncated(query: dns.message.Message) -> bytes:
    answer = dns.message.make_response(query)
    answer.flags |= dns.flags.TC
    return answer.to_wire()


def enormous(query: dns.message.Message) -> bytes:
    records = (f"10 mx{number}.{'x' * 60}.example.net." for number in range(700))
    return _with(query, "MX", *records).to_wire(max_size=65535)


def missing(query: dns.message.Message) -> bytes:
    answer = dns.message.make_response(query)
    answer.set_rcode(dns.rcode.NXDOMAIN)
    return answer.to_wire()


def _with(query: dns.message.Message, type_: str, *records: str, ttl: int = 600) -> dns.message.Message:
    answer = dns.message.make_response(query)
    if records:
        answer.answer.append(dns.rrset.from_text(query.question[0].name, ttl, "IN", type_, *records))
    return answer


class NameServer:
    """Answers by name, or by `*.` and what follows its first label; other names do not exist. `tcp` is for questions that come by TCP."""

    def __init__(self, replies: dict[str, Reply], tcp: dict[str, Reply]) -> None:
        self.replies, self.tcp = replies, tcp
        self._ended = False
        self.asked: Counter[str] = Counter()
        self._udp, self._tcp = _sockets()
        self.port: int = self._udp.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._over_udp, self._over_tcp)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._ended = True
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", ("127.0.0.1", self.port))
        self._tcp.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        self._tcp.close()
        self._udp.close()

    def _reply(self, wire: bytes, replies: dict[str, Reply]) -> bytes:
        query = dns.message.from_wire(wire)
        name = query.question[0].name.to_text(omit_final_dot=True)
        self.asked[name] += 1
        found = replies.get(name) or replies.get(f"*.{name.partition('.')[2]}", missing)
        return found(query)

    def _over_udp(self) -> None:
        while not self._ended:
            wire, sender = self._udp.recvfrom(65535)
            if wire and (answer := self._reply(wire, self.replies)):
                self._udp.sendto(answer, sender)

    def _over_tcp(self) -> None:
        while True:
            try:
                connection, _ = self._tcp.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as incoming:
                wire = incoming.read(int.from_bytes(incoming.read(2)))
                answer = self._reply(wire, self.tcp)
                connection.sendall(len(answer).to_bytes(2) + answer)


def _sockets() -> tuple[socket.socket, socket.socket]:
    """Return sockets for UDP and TCP on the same free port."""
    while True:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        udp.bind(("127.0.0.1", 0))
        try:
            return udp, socket.create_server(udp.getsockname())
        except OSError:  # another program has the port for TCP
            udp.close()


@contextmanager
def name_server(replies: dict[str, Reply], tcp: dict[str, Reply] | None = None) -> Iterator[NameServer]:
    server = NameServer(replies, tcp or {})
    try:
        yield server
    finally:
        server.close()


@contextmanager
def nothing_there() -> Iterator[str]:
    """Yield IP:PORT where no resolver answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"
