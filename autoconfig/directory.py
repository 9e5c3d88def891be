"""Several providers side by side: read their definitions, and find the one that an address or a host belongs to."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from autoconfig import definition
from autoconfig.address import MailAddress, ascii_domain
from autoconfig.definition import Definition, DefinitionError
from autoconfig.files import MAX_DEFINITION, FileError, expand, read_file
from autoconfig.hosting import Hosted
from autoconfig.mail_exchangers import Resolver
from autoconfig.recognition import Recognition, UndecidedError, Verdict

CLIENT_HOSTS = ("", "autoconfig.", "autodiscover.", "ua-auto-config.")
"""What clients put before a domain to get the host that they ask for its settings."""

_PREFIXES = frozenset(prefix.removesuffix(".").encode() for prefix in CLIENT_HOSTS if prefix)

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


class UncertainError(LookupError):
    """The DNS does not say whether something is served here."""


class Relation(Enum):
    """What a domain is to the providers that are served here."""

    OWN = "in a definition"
    HOSTED = "in a list of hosted domains"
    BY_MX = "hosted, if its mail goes to a provider without a list"
    FOREIGN = "not served here"


class Standing(NamedTuple, Generic[T]):
    """Who serves a domain: `thing` is that of the definition, None where only the DNS knows or no one does."""

    relation: Relation
    thing: T | None


class _Index:
    """Which definition, by its number, has or hosts a domain; which domain's settings are asked for at a host."""

    def __init__(self, definitions: Sequence[Definition], hosted: Hosted, resolver: Resolver | None) -> None:
        self.domains = {domain: number for number, one in enumerate(definitions) for domain in one.domains}
        self.hosts = {domain.encode(): domain for domain in self.domains}
        self.homes = [one.domains[0] for one in definitions]
        """The domain at whose hosts each definition's settings for hosted domains are found."""
        self.hosted = hosted
        self.open = {
            number
            for number, one in enumerate(definitions)
            if one.hosts_customer_domains and number not in hosted.listed
        }
        """The definitions that host domains of which there is no list."""
        self.first_open = min(self.open, default=None)
        self.exchanges = {domain: number for number in sorted(self.open) for domain in definitions[number].mx_domains}
        """The domains that the MX hosts of customers' domains are in."""
        self.recognition = Recognition(resolver, self.by_exchange) if resolver and self.open else None
        self.prepared = _prepared(definitions)

    def known(self, domain: str) -> int | None:
        """Return the definition that has a domain, or whose list has it."""
        number = self.domains.get(domain)
        return self.hosted.owner(domain) if number is None else number

    def by_exchange(self, host: str) -> int | None:
        """Return the definition without a list whose customers have this MX host: one within a domain of purpose mx."""
        while host and host not in self.exchanges:
            host = host.partition(".")[2]
        return self.exchanges.get(host)

    def at_host(self, host: bytes) -> tuple[int, str] | None:
        """Return the definition and the domain whose settings are asked for at a host."""
        name = host.partition(b":")[0].rstrip(b".").lower()
        # A host that is a domain itself, autoconfig.example say, is that domain's.
        domain = self.hosts.get(name)
        if domain is None:
            prefix, _, rest = name.partition(b".")
            domain = self.hosts.get(rest) if prefix in _PREFIXES else None
        if domain is not None:
            return self.domains[domain], domain
        if not name.isascii() or not (self.hosted or self.recognition):
            return None
        domains = list(_domains_of(name.decode("ascii")))
        for domain in domains:
            if (number := self.hosted.owner(domain)) is not None:
                return number, domain
        # The DNS is asked about names that are for mail clients, not about every host that a request may name.
        for domain in domains[1:]:
            if (verdict := self.verdict(domain)) and verdict.owner is not None:
                return verdict.owner, domain
        return None

    def verdict(self, domain: str) -> Verdict | None:
        """Return what the DNS says of a domain, None when it is not asked. Raises UndecidedError when it must be."""
        if self.recognition is None:
            return None
        if not _is_domain(domain):
            return Verdict(certain=True)
        found = self.recognition.remembered(domain)
        if found is None:
            raise UndecidedError(partial(self.recognition.settle, domain))
        return found


def _is_domain(name: str) -> bool:
    try:
        return "." in name and ascii_domain(name) == name
    except ValueError:
        return False


def _domains_of(host: str) -> Iterator[str]:
    """Yield the domains that a host may be asked about: itself, and what follows a prefix of clients."""
    return (host.removeprefix(prefix) for prefix in CLIENT_HOSTS if host.startswith(prefix))


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
        all_prepared = len(self._prepared) == len(index.homes)
        self._thing: Callable[[int], T] = self._prepared.__getitem__ if all_prepared else self._find_or_make

    def each(self, make: Callable[[T], U]) -> "Directory[U]":
        """Return the directory of what `make` makes of each thing."""
        return Directory(self._index, lambda number: make(self._thing(number)))

    @property
    def prepared(self) -> Iterable[T]:
        """The things that have been made at start-up."""
        return self._prepared.values()

    @property
    def first(self) -> T:
        """The first definition's: it serves clients that give neither an address nor a host that is known."""
        return self._prepared[0]

    def _find_or_make(self, number: int) -> T:
        return self._prepared[number] if number in self._prepared else self._on_demand(number)

    def find(self, address: MailAddress | None, host: bytes = b"") -> tuple[T, str]:
        """Return the thing for an address, and the address's domain.

        Without an address it is that of the host, a Host header's value, and the domain of that host, or else the
        first. Raises NotServedError when the address's domain is not served.
        """
        if address is None:
            number, domain = self._index.at_host(host) or (0, self._index.homes[0])
            return self._thing(number), domain
        return self._thing(self._number(address.domain, host)), address.domain

    def own(self, domain: str) -> T | None:
        """Return the thing for a domain that is in a definition, None for any other."""
        number = self._index.domains.get(domain)
        return None if number is None else self._thing(number)

    def known(self, domain: str) -> T | None:
        """Return the thing for a domain that is in a definition or in a list, None for any other."""
        number = self._index.known(domain)
        return None if number is None else self._thing(number)

    def standing(self, domain: str) -> Standing[T]:
        """Return who serves a domain, a lower-case A-label, as far as definitions and lists tell."""
        number = self._index.known(domain)
        if number is None:
            return Standing(Relation.BY_MX if self._index.open else Relation.FOREIGN, None)
        relation = Relation.OWN if domain in self._index.domains else Relation.HOSTED
        return Standing(relation, self._thing(number))

    def by_exchange(self, host: str) -> T | None:
        """Return the thing of the provider without a list whose customers have this preferred MX host, if any has."""
        number = self._index.by_exchange(host)
        return None if number is None else self._thing(number)

    def domain_of(self, host: bytes) -> str | None:
        """Return the domain whose settings are asked for at a host."""
        found = self._index.at_host(host)
        return found and found[1]

    def owns(self, host: str) -> bool:
        """Tell whether clients ask this host: an own domain, or one of the names before own and hosted domains.

        A hosted domain itself is its owner's web site. Raises UncertainError when that depends on the DNS, and it does
        not answer.
        """
        found = self._index.at_host(host.encode())
        if found is not None:
            return found[1] in self._index.domains or found[1] != host
        for domain in list(_domains_of(host))[1:]:
            if (verdict := self._index.verdict(domain)) and not verdict.certain:
                raise UncertainError("the DNS does not say whether this name is a customer's")
        return False

    def home(self, domain: str, host: bytes) -> str:
        """Return a domain of the definition that serves a domain: itself, or one of its hoster's.

        Raises NotServedError.
        """
        return domain if domain in self._index.domains else self._index.homes[self._number(domain, host)]

    def _number(self, domain: str, host: bytes) -> int:
        """Return the definition that serves a domain. Raises NotServedError.

        Domains that are in no definition or list may belong to customers of a provider without a list. Their clients
        ask where their mail goes, so at a host of that provider.
        """
        number = self._index.known(domain)
        if number is not None:
            return number
        if self._index.first_open is None:
            raise NotServedError("the domain of this address is not served here")
        if (verdict := self._index.verdict(domain)) and verdict.certain:
            if verdict.owner is None:
                raise NotServedError("the domain of this address is not served here")
            return verdict.owner
        # Settings are no secret: when the DNS does not answer, customers get theirs all the same.
        asked = self._index.at_host(host)
        return asked[0] if asked and asked[0] in self._index.open else self._index.first_open


def directory(
    definitions: Sequence[Definition], hosted: Hosted | None = None, resolver: Resolver | None = None
) -> Directory[Definition]:
    """Return the directory of some definitions, at least one, and of the domains that they host.

    With a `resolver`, domains of providers without a list are recognised by their MX records: what depends on them
    raises UndecidedError until the DNS has been asked. Without one, every domain is taken for a customer's.
    """
    return Directory(_Index(definitions, hosted or Hosted(), resolver), definitions.__getitem__)
