"""MX responses: read as dnspython reads them, in a few milliseconds, even if an attacker wrote them."""

import struct
import time
from itertools import pairwise

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoconfig.mx_messages import Response, make_query, read_response
from tests.name_server import Responder, alias, failure, forged, missing, mx, to_another_query, truncated

DOMAIN = "customer.example"
NAMES = st.lists(st.text("abcDEF019-_", min_size=1, max_size=20), min_size=1, max_size=5).map(
    lambda labels: ".".join(labels) + "."
)


def answered(respond: Responder, domain: str = DOMAIN) -> Response | None:
    query = make_query(domain)
    return read_response(respond(dns.message.from_wire(query)), query)


def test_a_query_is_for_the_mx_records_of_a_domain_with_room_for_a_larger_response() -> None:
    query = dns.message.from_wire(make_query(DOMAIN))
    (question,) = query.question
    assert question.to_text() == f"{DOMAIN}. IN MX"
    assert (query.edns, query.payload, query.flags, query.ednsflags) == (0, 1232, dns.flags.RD, 0)
    assert dns.message.from_wire(make_query(DOMAIN)).id != query.id or make_query(DOMAIN) != make_query(DOMAIN)


def test_the_hosts_with_the_best_preference_are_returned_in_lower_case() -> None:
    records = mx("20 backup.example.", "10 MX1.example.", "10 mx2.example.", ttl=60)
    assert answered(records) == (frozenset({"mx1.example", "mx2.example"}), 60, False, False)


def test_an_alias_is_followed_and_its_ttl_counts() -> None:
    assert answered(alias("other.example.", "10 mx.example.")) == Response(frozenset({"mx.example"}), 600)


def test_a_name_without_mail_has_no_hosts() -> None:
    assert answered(mx("0 .")) == Response(ttl=600)
    assert answered(mx()) == answered(missing) == Response()


def test_failures_and_truncated_responses_are_told_apart() -> None:
    assert answered(failure) == Response(failed=True)
    assert answered(truncated) == Response(truncated=True)


@pytest.mark.parametrize(
    "respond", [forged, to_another_query, lambda query: query.to_wire(), lambda _: b"", lambda _: b"\0" * 11]
)
def test_a_message_that_is_not_a_response_to_the_query_is_ignored(respond: Responder) -> None:
    assert answered(respond) is None


@pytest.mark.parametrize(
    "exchange", [r"x\.provider.example.", r"mx.evil\.provider.example.", r"m\255x.example.", r"a\032b.example."]
)
def test_a_host_with_a_label_that_is_invalid_in_hostnames_is_ignored(exchange: str) -> None:
    """A dot inside a label must not be read as a boundary between labels."""
    assert answered(mx(f"10 {exchange}", "10 good.example.")) == Response(frozenset({"good.example"}), 600)


def by_hand(*records: bytes, number: int | None = None) -> Response | None:
    query = make_query(DOMAIN)
    header = query[:2] + struct.pack("!HHHHH", 0x8180, 1, len(records) if number is None else number, 0, 0)
    return read_response(header + query[12 : len(query) - 11] + b"".join(records), query)


def record(data: bytes, type_: int = 15, ttl: int = 60, owner: bytes = b"\xc0\x0c", length: int | None = None) -> bytes:
    return owner + struct.pack("!HHIH", type_, 1, ttl, len(data) if length is None else length) + data


@pytest.mark.parametrize("end", [b"\0", b"\xc0\x1d"], ids=["root", "pointer to the root"])
@pytest.mark.parametrize(("last", "valid"), [(61, True), (62, False)])
def test_a_name_has_at_most_255_bytes(end: bytes, last: int, valid: bool) -> None:
    labels = (b"\x3f" + b"a" * 63) * 3 + bytes([last]) + b"b" * last
    assert (len(labels) + 1 <= 255) is valid
    assert (by_hand(record(b"\0\x0a" + labels + end)) is not None) is valid


def test_a_name_that_does_not_exist_has_no_hosts_even_if_the_answer_lists_some() -> None:
    def contradictory(query: dns.message.Message) -> bytes:
        response = dns.message.from_wire(mx("10 mx.example.")(query))
        response.set_rcode(dns.rcode.NXDOMAIN)
        return response.to_wire()

    assert answered(contradictory) == Response()


def test_a_ttl_with_the_highest_bit_set_counts_as_zero() -> None:
    assert by_hand(record(b"\0\x0a\2mx\0", ttl=1 << 31)) == Response(frozenset({"mx"}), 0)


def test_records_of_other_types_are_skipped() -> None:
    assert by_hand(record(b"abcd", 1), record(b"\0\x0a\2mx\0")) == Response(frozenset({"mx"}), 60)


@pytest.mark.parametrize(
    "records",
    [
        [record(b"\0\x0a\xc0\xff")],  # a pointer to what follows
        [record(b"\0\x0a\2mx\xc0\x30")],  # a pointer to the name that it is in
        [record(b"\0\x0a" + struct.pack("!H", 0xC000 | len(make_query(DOMAIN)) + 19)), record(b"\0\x0a\2mx\0")],  # to the second host
        [record(b"\0\x0a\2mx\0", length=99)],
        [record(b"abcd", 1, length=99)],
        [record(b"\0\x0a\2mx\0more")],
        [record(b"\0\x0a\x40" + b"a" * 64 + b"\0")],  # a label of 64 bytes
        [record(b"\0\x0a" + (b"\x3f" + b"a" * 63) * 4 + b"\0")],  # a name of 257 bytes
        [record(b"\0\x0a" + (b"\x3f" + b"a" * 63) * 3 + b"\0"), record(b"\0\x0a\x3f" + b"b" * 63 + b"\xc0\x30")],
        [record(b"\0\x0a\2mx\0")] * 257,
        [record(b"\0")],
        [b"\xc0\x0c\0\x0f"],
    ],
)  # fmt: skip
def test_an_invalid_response_is_ignored(records: list[bytes]) -> None:
    assert by_hand(*records) is None


@pytest.mark.parametrize(("pointers", "hosts"), [(127, {"mx"}), (128, None)])
def test_a_name_with_more_than_128_pointers_is_refused(pointers: int, hosts: set[str] | None) -> None:
    # The first record has the root at byte 46, then a pointer to it at byte 48, and a pointer to each pointer.
    chain = b"".join(struct.pack("!H", 0xC000 | place - 2) for place in range(48, 48 + 2 * pointers, 2))
    last = struct.pack("!H", 0xC000 | 46 + 2 * pointers)
    response = by_hand(record(b"\0\0" + chain, 1), record(b"\0\x0a\2mx" + last))
    assert (response and response.hosts) == hosts


@pytest.mark.parametrize(("aliases", "hosts"), [(16, {"mx"}), (17, set())])
def test_at_most_16_aliases_are_followed(aliases: int, hosts: set[str]) -> None:
    owners = [b"\xc0\x0c", *(bytes([1, 97 + number, 0]) for number in range(aliases))]
    chain = [record(target, 5, owner=owner) for owner, target in pairwise(owners)]
    response = by_hand(*chain, record(b"\0\x0a\2mx\0", owner=owners[-1]))
    assert response is not None
    assert response.hosts == hosts


def test_aliases_in_a_loop_have_no_hosts() -> None:
    loop = [record(b"\1a\0", 5), record(b"\1b\0", 5, owner=b"\1a\0"), record(b"\1a\0", 5, owner=b"\1b\0")]
    assert by_hand(*loop) == Response(ttl=60)


def hostile() -> list[bytes]:
    """Return the records of a response that dnspython reads for half a second: names of 119 compressed labels."""
    first = record(b"\0\x0a" + b"".join(b"\1" + bytes([97 + number % 26]) for number in range(118)) + b"\0")
    place = len(make_query(DOMAIN)) - 11 + 12 + 2
    others = (record(b"\0\x0a\3%03x" % number + struct.pack("!H", 0xC000 | place)) for number in range(255))
    return [first, *others]


def test_the_worst_compression_costs_little_cpu_time() -> None:
    records = hostile()
    began = time.process_time()
    for _ in range(10):
        response = by_hand(*records)
    assert response is not None
    assert len(response.hosts) == 256
    assert time.process_time() - began < 1  # 0.03 s; dnspython takes 4 s for ten


@given(st.lists(st.tuples(st.integers(0, 3), NAMES), max_size=6), NAMES | st.none(), st.integers(0, 2**31 - 1))
def test_a_response_is_read_as_dnspython_reads_it(
    exchanges: list[tuple[int, str]], target: str | None, ttl: int
) -> None:
    records = [f"{preference} {name}" for preference, name in exchanges]

    def respond(query: dns.message.Message) -> bytes:
        response = dns.message.make_response(query)
        owner = query.question[0].name
        if target:
            response.answer.append(dns.rrset.from_text(owner, ttl, "IN", "CNAME", target))
            owner = dns.name.from_text(target)
        if records:
            response.answer.append(dns.rrset.from_text(owner, ttl, "IN", "MX", *records))
        return response.to_wire()

    wire = respond(dns.message.from_wire(make_query(DOMAIN)))
    chain = dns.message.from_wire(wire).resolve_chaining()  # type: ignore[attr-defined]
    found = list(chain.answer or ())
    best = min((one.preference for one in found), default=0)
    expected = {one.exchange.to_text(omit_final_dot=True).lower() for one in found if one.preference == best}
    response = answered(respond)
    assert response is not None
    assert response.hosts == expected
    if found:
        assert response.ttl == chain.minimum_ttl


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=8), st.integers(0, 400))
def test_damaged_responses_raise_nothing(changes: list[tuple[int, int]], length: int) -> None:
    def respond(query: dns.message.Message) -> bytes:
        wire = bytearray(alias("other.example.", "10 mx.example.", "10 mx2.other.example.")(query))
        for place, value in changes:
            wire[place % len(wire)] = value
        return bytes(wire[: len(wire) - length % 40])

    answered(respond)
