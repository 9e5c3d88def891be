"""A set of domain names that takes little memory, for a million of them."""

from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator
from io import BytesIO
from itertools import accumulate
from zlib import crc32


class DomainSet(Collection[str]):
    """Domain names, each once, in no particular order and in little memory.

    They are sorted by a checksum, so finding one takes a bisection of numbers and one comparison.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        """Take names that are lower-case A-labels."""
        ordered = sorted(set(names), key=_checksum)
        self._text = "\n".join([*ordered, ""]).encode("ascii")
        self._starts = array("I", accumulate((len(name) + 1 for name in ordered), initial=0))
        self._checksums = array("I", map(_checksum, ordered))

    def __len__(self) -> int:
        return len(self._checksums)

    def __iter__(self) -> Iterator[str]:
        return (line[:-1].decode("ascii") for line in BytesIO(self._text))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.place(name) is not None

    def place(self, name: str) -> int | None:
        """Return the number of a name in the order of iteration, or None if it is not in the set."""
        checksum, wanted = _checksum(name), f"{name}\n".encode()
        place = bisect_left(self._checksums, checksum)
        while place < len(self._checksums) and self._checksums[place] == checksum:
            if self._text[self._starts[place] : self._starts[place + 1]] == wanted:
                return place
            place += 1
        return None


def _checksum(name: str) -> int:
    return crc32(name.encode())
