"""Several providers side by side: read their definitions, and find the one that an address or a host belongs to."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Generic, TypeVar

from autoconfig import definition
from autoconfig.address import MailAddress
from autoconfig.definition import Definition, DefinitionError
from autoconfig.files import MAX_DEFINITION, FileError, expand, read_file

CLIENT_HOSTS = ("", "autoconfig.", "autodiscover.", "ua-auto-config.")
"""What clients put before a domain to get the host that they ask for its settings."""

Files = list[tuple[Path, bytes]]
"""Definition files as they were when they were read: names and contents."""

_MOST_CONFLICTS = 100
"""Errors that are listed: finding the lines of each takes time."""

_FIRST = 100
_LARGE = 1000
_MOST_STRUCTURES = 1000
_KEPT = 4096
"""Things that are kept of those that are made on demand."""

T = TypeVar("T")
U = TypeVar("U")


class NotServedError(LookupError):
    """Something that is asked for and not served here. Its text holds nothing of what was asked."""


def read(sources: Iterable[Path]) -> Files:
    """Read definition files, and of folders all of the .xml files in them.

    Raises DefinitionError with all that cannot be read.
    """
    files: Files = []
    errors: list[str] = []
    for source in sources:
        try:
            paths = expand(source, ".xml")
        except FileError as error:
            errors.append(str(error))
            continue
        if not paths:
            errors.append(f"{source}: there is no .xml file in this folder")
        for path in paths:
            try:
                files.append((path, read_file(path, MAX_DEFINITION)))
            except FileError as error:
                errors.append(str(error))
    if errors:
        raise DefinitionError(errors)
    return files


def load(files: Files) -> tuple[Definition, ...]:
    """Make definitions of what has been read.

    Raises DefinitionError with all that is wrong with any of them: when one cannot be served, none is.
    """
    definitions: list[Definition] = []
    errors: list[str] = []
    for path, content in files:
        try:
            definitions.append(definition.load(path, content))
        except DefinitionError as error:
            errors += error.errors
    errors += islice(_conflicts(definitions), _MOST_CONFLICTS)
    if errors:
        raise DefinitionError(errors)
    return tuple(definitions)


def check_conflicts(definitions: Iterable[Definition]) -> None:
    """Raise DefinitionError when a domain is in more than one definition."""
    if errors := list(islice(_conflicts(definitions), _MOST_CONFLICTS)):
        raise DefinitionError(errors)


def _conflicts(definitions: Iterable[Definition]) -> Iterator[str]:
    owners: dict[str, Definition] = {}
    for one in definitions:
        for domain in one.domains:
            owner = owners.setdefault(domain, one)
            if owner is not one:
                yield f"{one.place(domain)}: domain {domain} stands in {owner.place(domain)} already"


class _Index:
    """Which definition, by its number, has a domain; which domain's settings are asked for at a host."""

    def __init__(self, definitions: Sequence[Definition]) -> None:
        self.domains = {domain: number for number, one in enumerate(definitions) for domain in one.domains}
        self.hosts = {f"{prefix}{domain}".encode(): domain for prefix in CLIENT_HOSTS[1:] for domain in self.domains}
        # A host that is a domain itself, autoconfig.example say, is that domain's.
        self.hosts |= {domain.encode(): domain for domain in self.domains}
        self.hosting = {domain for one in definitions if one.hosts_customer_domains for domain in one.domains}
        self.first_hosting = next((one.domains[0] for one in definitions if one.hosts_customer_domains), None)
        self.first = definitions[0].domains[0]
        self.prepared = _prepared(definitions)


def _prepared(definitions: Sequence[Definition]) -> list[int]:
    """Return the definitions for which everything is made at start-up: the first ones, the large ones, and samples.

    Nothing is left to do for a request in most installations. Where there are thousands of definitions, most are never
    asked for, and what each needs is made within a millisecond when it is. A stylesheet cannot fail then: it has run
    over a definition with the same structure.
    """
    samples: dict[int, int] = {}
    for number, one in enumerate(definitions):
        if len(samples) < _MOST_STRUCTURES:
            samples.setdefault(one.structure, number)
    large = (number for number, one in enumerate(definitions) if len(one.domains) > _LARGE)
    return sorted({*range(min(_FIRST, len(definitions))), *large, *samples.values()})


class Directory(Generic[T]):
    """One thing for each definition, found by the domain of an address or, without one, by the host that was asked.

    `make` makes the thing for the definition of a number: at once if that one is prepared, for any other when it is
    first asked for. Then it is kept, as long as it is among the last ones. It must always make the same.
    """

    def __init__(self, index: _Index, make: Callable[[int], T]) -> None:
        self._index = index
        self._prepared = {number: make(number) for number in index.prepared}
        self._on_demand = lru_cache(_KEPT)(make)

    def each(self, make: Callable[[T], U]) -> "Directory[U]":
        """Return the directory of what `make` makes of each thing."""
        return Directory(self._index, lambda number: make(self._thing(number)))

    @property
    def prepared(self) -> Iterable[T]:
        """The things that have been made at start-up."""
        return self._prepared.values()

    @property
    def first(self) -> T:
        """The first definition's: it serves whoever gives neither an address nor a host that is known."""
        return self._prepared[0]

    def _thing(self, number: int) -> T:
        return self._prepared[number] if number in self._prepared else self._on_demand(number)

    def find(self, address: MailAddress | None, host: bytes = b"") -> tuple[T, str]:
        """Return the thing for an address, and the address's domain.

        Without an address it is that of the host, a Host header's value, or else the first; the domain is then one of
        its own. Raises NotServedError when the address's domain is not served.
        """
        if address is None:
            domain = self.domain_of(host) or self._index.first
            return self._thing(self._index.domains[domain]), domain
        home = self.home(address.domain, host)
        return self._thing(self._index.domains[home]), address.domain

    def own(self, domain: str) -> T | None:
        """Return the thing for a domain that stands in a definition, None for any other."""
        number = self._index.domains.get(domain)
        return None if number is None else self._thing(number)

    def domain_of(self, host: bytes) -> str | None:
        """Return the domain whose settings are asked for at a host."""
        return self._index.hosts.get(host.partition(b":")[0].rstrip(b".").lower())

    def owns(self, host: str) -> bool:
        """Tell whether clients of a definition ask this host: one of its domains, or one of the names before them."""
        return self.domain_of(host.encode()) is not None

    def home(self, domain: str, host: bytes) -> str:
        """Return a domain of the definition that serves a domain: itself, or one of who hosts it.

        Domains that stand nowhere are other people's. Clients ask for their settings where their mail goes, so at the
        host of who hosts them. Raises NotServedError.
        """
        if domain in self._index.domains:
            return domain
        if self._index.first_hosting is None:
            raise NotServedError("the domain of this address is not served here")
        domain_asked = self.domain_of(host)
        return domain_asked if domain_asked in self._index.hosting else self._index.first_hosting


def directory(definitions: Sequence[Definition]) -> Directory[Definition]:
    """Return the directory of some definitions, at least one."""
    return Directory(_Index(definitions), definitions.__getitem__)
