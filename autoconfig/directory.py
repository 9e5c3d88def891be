"""Finds the definition for an address or a host."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum
from functools import lru_cache, partial
from typing import Generic, NamedTuple, TypeVar

from autoconfig.address import MailAddress, ascii_domain
from autoconfig.definition import Definition
from autoconfig.hosting import Hosted
from autoconfig.mail_exchangers import Resolver
from autoconfig.recognition import Recognition, UndecidedError, Verdict

CLIENT_HOSTS = ("", "autoconfig.", "autodiscover.", "ua-auto-config.")
"""The prefixes that clients put before a domain to get the host to request settings from."""

_PREFIXES = frozenset(prefix.removesuffix(".").encode() for prefix in CLIENT_HOSTS if prefix)

_FIRST = 100
_LARGE = 1000
_MAX_STRUCTURES = 1000
_MAX_CACHED = 4096
"""Maximum number of cached values that are made on demand."""

T = TypeVar("T")
U = TypeVar("U")


class NotServedError(LookupError):
    """Something that is not served here. Its text contains nothing from the request."""


class UncertainError(LookupError):
    """The DNS lookup that decides whether a name is served here has failed."""


class Relation(Enum):
    """The relation of a domain to the providers that are served here."""

    OWN = "in a definition"
    HOSTED = "in a list of hosted domains"
    BY_MX = "hosted, if its mail goes to a provider without a list"
    FOREIGN = "not served here"


class Standing(NamedTuple, Generic[T]):
    """The relation of a domain, and the value of the definition that serves it; None if unknown or not served."""

    relation: Relation
    value: T | None


class _Index:
    """An index of domains: the number of the definition that has or hosts one, and the domain that a host is for."""

    def __init__(self, definitions: Sequence[Definition], hosted: Hosted, resolver: Resolver | None) -> None:
        self.domains = {domain: number for number, one in enumerate(definitions) for domain in one.domains}
        self.hosts = {domain.encode(): domain for domain in self.domains}
        self.homes = [one.domains[0] for one in definitions]
        """For each definition, the domain whose hosts serve the settings of its hosted domains."""
        self.hosted = hosted
        self.open = {
            number
            for number, one in enumerate(definitions)
            if one.hosts_customer_domains and number not in hosted.listed
        }
        """The definitions that host domains without a list."""
        self.first_open = min(self.open, default=None)
        self.exchanges = {domain: number for number in sorted(self.open) for domain in definitions[number].mx_domains}
        """The domains of the MX hosts of hosted domains."""
        self.recognition = Recognition(resolver, self.by_exchange) if resolver and self.open else None
        self.prepared = _prepared(definitions)

    def known(self, domain: str) -> int | None:
        """Return the definition that has a domain, or whose list contains it."""
        number = self.domains.get(domain)
        return self.hosted.owner(domain) if number is None else number

    def by_exchange(self, host: str) -> int | None:
        """Return the definition without a list that has a purpose="mx" domain with this MX host in it, or None."""
        while host and host not in self.exchanges:
            host = host.partition(".")[2]
        return self.exchanges.get(host)

    def at_host(self, host: bytes) -> tuple[int, str] | None:
        """Return the definition and the domain that a host is for, or None."""
        name = host.partition(b":")[0].rstrip(b".").lower()
        # A host that is itself a domain, such as autoconfig.example, is for that domain.
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
        # Only names for mail clients are looked up in the DNS, not every host that a request may name.
        for domain in domains[1:]:
            if (verdict := self.verdict(domain)) and verdict.owner is not None:
                return verdict.owner, domain
        return None

    def verdict(self, domain: str) -> Verdict | None:
        """Return the result of a domain's DNS lookup, or None if there are no lookups.

        Raises UndecidedError if the lookup has yet to be made.
        """
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
    """Yield the domains that a host may be for: itself, and the rest after a client's prefix."""
    return (host.removeprefix(prefix) for prefix in CLIENT_HOSTS if host.startswith(prefix))


def _prepared(definitions: Sequence[Definition]) -> list[int]:
    """Return the definitions that are prepared at start-up: the first ones, the large ones, and samples.

    In most installations these are all. Among thousands of definitions, most are never requested; each is prepared on
    its first request, within a millisecond. A stylesheet cannot fail then, because it has already transformed a
    definition with the same structure.
    """
    samples: dict[int, int] = {}
    for number, one in enumerate(definitions):
        if len(samples) < _MAX_STRUCTURES:
            samples.setdefault(one.structure, number)
    large = (number for number, one in enumerate(definitions) if len(one.domains) > _LARGE)
    return sorted({*range(min(_FIRST, len(definitions))), *large, *samples.values()})


class Directory(Generic[T]):
    """A value for each definition, found by an address's domain or, without an address, by the request's host.

    `make` returns the value for a definition's number. It is called at once for prepared definitions; for others on
    first use, and the most recently used values are cached. It must return equal values for equal numbers.
    """

    def __init__(self, index: _Index, make: Callable[[int], T]) -> None:
        self._index = index
        self._prepared = {number: make(number) for number in index.prepared}
        self._on_demand = lru_cache(_MAX_CACHED)(make)
        all_prepared = len(self._prepared) == len(index.homes)
        self._value: Callable[[int], T] = self._prepared.__getitem__ if all_prepared else self._find_or_make

    def each(self, make: Callable[[T], U]) -> "Directory[U]":
        """Return the directory with the results of `make` for each value."""
        return Directory(self._index, lambda number: make(self._value(number)))

    @property
    def prepared(self) -> Iterable[T]:
        """The values that were made at start-up."""
        return self._prepared.values()

    @property
    def first(self) -> T:
        """The first definition's value, for clients that give neither an address nor a known host."""
        return self._prepared[0]

    def _find_or_make(self, number: int) -> T:
        return self._prepared[number] if number in self._prepared else self._on_demand(number)

    def find(self, address: MailAddress | None, host: bytes = b"") -> tuple[T, str]:
        """Return the value for an address, and the address's domain.

        Without an address, return the value and the domain for `host`, the value of a Host header. For an unknown host,
        return those of the first definition. Raises NotServedError if the address's domain is not served.
        """
        if address is None:
            number, domain = self._index.at_host(host) or (0, self._index.homes[0])
            return self._value(number), domain
        return self._value(self._number(address.domain, host)), address.domain

    def own(self, domain: str) -> T | None:
        """Return the value for a domain that is in a definition, or None."""
        number = self._index.domains.get(domain)
        return None if number is None else self._value(number)

    def known(self, domain: str) -> T | None:
        """Return the value for a domain that is in a definition or a list, or None."""
        number = self._index.known(domain)
        return None if number is None else self._value(number)

    def standing(self, domain: str) -> Standing[T]:
        """Return the relation of a domain (a lower-case A-label), without a DNS lookup."""
        number = self._index.known(domain)
        if number is None:
            return Standing(Relation.BY_MX if self._index.open else Relation.FOREIGN, None)
        relation = Relation.OWN if domain in self._index.domains else Relation.HOSTED
        return Standing(relation, self._value(number))

    def by_exchange(self, host: str) -> T | None:
        """Return the value for the provider without a list whose customers have this preferred MX host, or None."""
        number = self._index.by_exchange(host)
        return None if number is None else self._value(number)

    def domain_of(self, host: bytes) -> str | None:
        """Return the domain that a host is for, or None."""
        found = self._index.at_host(host)
        return found and found[1]

    def owns(self, host: str) -> bool:
        """Return whether a host is for clients: an own domain, or a client's prefix and an own or hosted domain.

        A hosted domain itself is its owner's website. Raises UncertainError if this depends on a DNS lookup that has
        failed.
        """
        found = self._index.at_host(host.encode())
        if found is not None:
            return found[1] in self._index.domains or found[1] != host
        for domain in list(_domains_of(host))[1:]:
            if (verdict := self._index.verdict(domain)) and not verdict.certain:
                raise UncertainError("the DNS lookup failed, so it is unknown whether this name is a customer's")
        return False

    def home(self, domain: str, host: bytes) -> str:
        """Return the domain itself if it is in a definition, or else the first domain of its provider's definition.

        Raises NotServedError if the domain is not served.
        """
        return domain if domain in self._index.domains else self._index.homes[self._number(domain, host)]

    def _number(self, domain: str, host: bytes) -> int:
        """Return the definition that serves a domain. Raises NotServedError if there is none.

        A domain in no definition or list may belong to a customer of a provider without a list. Its clients follow the
        MX record, and so send their requests to a host of that provider.
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
        # Settings are not secret: customers get theirs even if the DNS does not answer.
        requested = self._index.at_host(host)
        return requested[0] if requested and requested[0] in self._index.open else self._index.first_open


def directory(
    definitions: Sequence[Definition], hosted: Hosted | None = None, resolver: Resolver | None = None
) -> Directory[Definition]:
    """Return the directory of one or more definitions and the domains that they host.

    A `resolver` recognises hosted domains without a list by their MX records. Methods that depend on a record raise
    UndecidedError until it has been looked up. Without a resolver, every domain counts as a customer's.
    """
    return Directory(_Index(definitions, hosted or Hosted(), resolver), definitions.__getitem__)
