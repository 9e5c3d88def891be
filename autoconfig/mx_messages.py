"""DNS messages about MX records (RFC 1035, section 4): queries, and the responses to them.

An attacker may write the response. dnspython takes half a second for the worst 8 KiB, and the event loop waits. This
reader takes a few milliseconds: it reads only the answers, and each compressed name once.
"""

import re
import secrets
import struct
from typing import NamedTuple

MAX_PAYLOAD = 1232
"""Bytes of a UDP response that every network transports (DNS flag day 2020); larger ones use TCP."""
_MAX_RECORDS = 256
"""Maximum records in the answer section. A domain has a few MX hosts."""
_MAX_ALIASES = 16
"""Maximum CNAME records followed for one name."""
_MAX_POINTERS = 128
"""Maximum compression pointers of one name; it has at most 127 labels."""
_MAX_NAME = 255
"""Maximum bytes of a name (RFC 1035, section 3.1)."""

_HEADER = struct.Struct("!HHHHHH")
_RECORD = struct.Struct("!HHIH")
_IN, _CNAME, _MX, _OPT = 1, 5, 15, 41
_QUESTION = struct.pack("!HH", _MX, _IN)
_RECURSION_DESIRED = 0x0100
_RESPONSE_AND_OPCODE, _RESPONSE, _TRUNCATED, _RCODE = 0xF800, 0x8000, 0x0200, 0x000F
_NOERROR, _NXDOMAIN = 0, 3
_LABEL = re.compile(rb"[a-z0-9_-]+")


class Response(NamedTuple):
    """A response: the preferred MX hosts, in lower case, and their TTL in seconds.

    There are no hosts if the domain has none, and if the response failed or is truncated.
    """

    hosts: frozenset[str] = frozenset()
    ttl: int = 0
    failed: bool = False
    truncated: bool = False


def make_query(domain: str) -> bytes:
    """Return a query, with a random ID, for the MX records of a domain: a valid one in lower-case A-labels."""
    header = _HEADER.pack(secrets.randbits(16), _RECURSION_DESIRED, 1, 0, 0, 1)
    name = b"".join(bytes([len(label)]) + label.encode("ascii") for label in domain.split("."))
    return header + name + b"\0" + _QUESTION + b"\0" + _RECORD.pack(_OPT, MAX_PAYLOAD, 0, 0)


def read_response(message: bytes, query: bytes) -> Response | None:
    """Return the response to a query, or None if the message is invalid or responds to another query."""
    try:
        return _read(message, query)
    except (ValueError, IndexError, struct.error):
        return None


def _read(message: bytes, query: bytes) -> Response | None:
    number, flags, questions, answers, _, _ = _HEADER.unpack_from(message)
    if number != _HEADER.unpack_from(query)[0] or flags & _RESPONSE_AND_OPCODE != _RESPONSE:
        return None
    if flags & _RCODE not in (_NOERROR, _NXDOMAIN):
        return Response(failed=True)
    names = _Names(message)
    name, place = names.read(_HEADER.size)
    asked, _ = _Names(query).read(_HEADER.size)
    if questions != 1 or name != asked or message[place : place + len(_QUESTION)] != _QUESTION:
        return None
    if flags & _TRUNCATED:
        return Response(truncated=True)
    if flags & _RCODE == _NXDOMAIN:
        return Response()
    if answers > _MAX_RECORDS:
        raise ValueError("too many records")
    return _Records(names, place + len(_QUESTION), answers).preferred(name)


class _Records:
    """The CNAME and MX records of an answer section, by owner."""

    def __init__(self, names: "_Names", place: int, number: int) -> None:
        self._aliases: dict[bytes, tuple[bytes, int]] = {}
        self._exchanges: dict[bytes, list[tuple[int, bytes, int]]] = {}
        message = names.message
        for _ in range(number):
            owner, place = names.read(place)
            type_, class_, ttl, length = _RECORD.unpack_from(message, place)
            place += _RECORD.size
            end = place + length
            if end > len(message):
                raise ValueError("a record is longer than the message")
            ttl = 0 if ttl >> 31 else ttl  # RFC 2181, section 8
            if (type_, class_) == (_CNAME, _IN):
                target, place = names.read(place)
                self._aliases[owner] = target, ttl
            elif (type_, class_) == (_MX, _IN):
                (preference,) = struct.unpack_from("!H", message, place)
                exchange, place = names.read(place + 2)
                self._exchanges.setdefault(owner, []).append((preference, exchange, ttl))
            else:
                place = end
            if place != end:
                raise ValueError("a record's length is not that of its data")

    def preferred(self, name: bytes) -> Response:
        """Return the exchanges of a name, or of the name that it is an alias of, with the best preference."""
        ttls = []
        for _ in range(_MAX_ALIASES):
            if name in self._exchanges or name not in self._aliases:
                break
            name, ttl = self._aliases[name]
            ttls.append(ttl)
        found = self._exchanges.get(name, [])
        best = min((preference for preference, _, _ in found), default=0)
        hosts = {_hostname(exchange) for preference, exchange, _ in found if preference == best}
        return Response(frozenset(hosts - {""}), min((*ttls, *(ttl for _, _, ttl in found)), default=0))


class _Names:
    """Reads the names in a message, in lower case and uncompressed; those that pointers refer to only once."""

    def __init__(self, message: bytes) -> None:
        self.message = message
        self._known: dict[int, bytes] = {}

    def read(self, place: int) -> tuple[bytes, int]:
        """Return the name at a place, and the place after it. Raises ValueError or IndexError if it is invalid."""
        return self._read(place, 0)

    def _read(self, place: int, pointers: int) -> tuple[bytes, int]:
        start, message = place, self.message
        while 0 < (length := message[place]) < 64:
            place += 1 + length
            if place - start >= _MAX_NAME:  # it also has a byte for the root
                raise ValueError("a name is too long")
        labels, end = message[start:place].lower(), place + 1
        if not length:
            return labels + b"\0", end
        if length < 0xC0 or pointers == _MAX_POINTERS:
            raise ValueError("a name is invalid")
        target = (length & 0x3F) << 8 | message[end]
        if target >= start:  # pointers lead back to earlier names
            raise ValueError("a pointer is not to an earlier name")
        if target not in self._known:
            self._known[target] = self._read(target, pointers + 1)[0]
        name = labels + self._known[target]
        if len(name) > _MAX_NAME:
            raise ValueError("a name is too long")
        return name, end + 1


def _hostname(name: bytes) -> str:
    """Return a name as text, or an empty string if it is the root or not a valid hostname."""
    labels, place = [], 0
    while length := name[place]:
        labels.append(name[place + 1 : place + 1 + length])
        place += 1 + length
    return b".".join(labels).decode("ascii") if all(map(_LABEL.fullmatch, labels)) else ""
