import pickle

from hypothesis import given
from hypothesis import strategies as st

from autoconfig.domain_set import DomainSet

names = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?(\.[a-z]{2,4}){1,2}", fullmatch=True)


@given(st.sets(names), st.sets(names))
def test_a_domain_set_is_a_set_that_survives_the_way_to_a_worker(inside: set[str], others: set[str]) -> None:
    found: DomainSet = pickle.loads(pickle.dumps(DomainSet(inside)))
    assert (set(found), len(found)) == (inside, len(inside))
    assert all((name in found) == (name in inside) for name in others | inside)
    assert [found.place(name) for name in found] == list(range(len(inside)))


def test_names_with_the_same_checksum_are_kept_apart() -> None:
    colliding = {"plumless.example", "buckeroo.example"}  # their CRC-32 is the same
    assert all({*DomainSet([one])} == {one} and len(colliding & {*DomainSet([one])}) == 1 for one in colliding)
    for one in colliding:
        (other,) = colliding - {one}
        assert other not in DomainSet([one])
    assert set(DomainSet(colliding)) == colliding
