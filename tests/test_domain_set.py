import pickle
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoconfig.domain_set import DomainSet

names = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?(\.[a-z]{2,4}){1,2}", fullmatch=True)


@pytest.mark.long
@given(st.sets(names), st.sets(names))
def test_a_domain_set_survives_pickling(inside: set[str], others: set[str]) -> None:
    found: DomainSet = pickle.loads(pickle.dumps(DomainSet(inside)))
    assert (set(found), len(found)) == (inside, len(inside))
    assert all((name in found) == (name in inside) for name in others | inside)
    assert [found.place(name) for name in found] == list(range(len(inside)))


def test_domains_with_the_same_checksum_are_different() -> None:
    first, second = "plumless.example", "buckeroo.example"
    assert crc32(first.encode()) == crc32(second.encode())
    assert first in DomainSet([first])
    assert second not in DomainSet([first])
    assert set(DomainSet([first, second])) == {first, second}
    assert {first, second} <= set(filter(DomainSet([first, second]).__contains__, [first, second]))
