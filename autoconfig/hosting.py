"""Lists of the domains that providers host for their customers, one per line.

A provider's own domains are in its definition and in its responses. Hosted domains are in no response, so a list may
contain a million of them: they are stored as text, some 30 bytes each.
"""

import codecs
import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import NamedTuple, Self

from autoconfig.address import mail_domain
from autoconfig.definition import Definition, DefinitionError
from autoconfig.domain_set import DomainSet
from autoconfig.files import FileError, expand, read_file
from autoconfig.grammar import quote, unlisted

SUFFIX = ".txt"
"""File name extension of lists in a folder."""
MAX_LIST = 64 * 1024 * 1024
"""Maximum bytes of a list. A million domains take about 20 MB."""
MAX_HOSTED = 2_000_000
"""Maximum number of domains in all lists together."""

_MAX_LINE = 1024
"""Maximum bytes of a line before a comment. The longest domain name in UTF-8 has fewer."""
_MAX_REMARKS = 100
_MAX_ERRORS = 10_000
"""Number of invalid lines after which the rest is not read: the file is not a list."""
_PLAIN_LINE = re.compile(rb"((?:[a-z0-9]++(?:-++[a-z0-9]++)*+\.){1,3}[a-z]{2,63})\r?\n?")
_MAX_PLAIN = 64
"""Nearly all lines match. In a line of at most this many bytes, no label is too long. The general path gives the same
result."""
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class ListSource(NamedTuple):
    """A list, or a folder of lists, and the provider that it belongs to.

    `provider` is the id of a definition. Without it, the file's name or the definitions decide.
    """

    path: Path
    provider: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse FILE or ID=FILE. A FILE with = in its name is written ./FILE. Raises ValueError without FILE."""
        provider, equals, path = text.partition("=")
        if not equals or not provider or "/" in provider:
            provider, path = "", text
        if not path:
            raise ValueError(f"{text} names no file; use ID=FILE")
        return cls(Path(path), provider.lower() or None)


class HostedList(NamedTuple):
    """The content of a list at the time of reading. It can be sent to other processes."""

    path: Path
    provider: str | None
    domains: DomainSet
    lines: "array[int]"
    """The line of each domain, in the order of `domains`."""
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def place(self, domain: str) -> str:
        """Return the place of one of its domains, FILE:LINE."""
        found = self.domains.place(domain)
        return f"{self.path}:{1 if found is None else self.lines[found]}"


def read_lists(sources: Iterable[ListSource]) -> tuple[HostedList, ...]:
    """Read lists, and all .txt files in folders.

    Raises DefinitionError with every file that cannot be read. Errors in a file are in its HostedList.
    """
    lists: list[HostedList] = []
    errors: list[str] = []
    for source in sources:
        try:
            paths = expand(source.path, SUFFIX)
        except FileError as error:
            errors.append(str(error))
            continue
        if not paths:
            errors.append(f"{source.path}: there is no {SUFFIX} file in this folder")
        for path in paths:
            try:
                lists.append(read_list(path, read_file(path, MAX_LIST), source.provider))
            except FileError as error:
                errors.append(str(error))
    if errors:
        raise DefinitionError(errors)
    return tuple(lists)


def read_list(path: Path, content: bytes, provider: str | None = None) -> HostedList:
    """Parse the content of a list: UTF-8, one domain per line, comments from # to the end of the line."""
    if content.startswith(_UTF_16):
        return HostedList(path, provider, DomainSet(), array("I"), (f"{path}:1: is UTF-16; save it as UTF-8",))
    content = content.removeprefix(codecs.BOM_UTF8)
    if not content.strip():
        text = "the list is empty, perhaps because an export failed; if you host no domains, write a comment into it"
        return HostedList(path, provider, DomainSet(), array("I"), (f"{path}:1: {text}",))
    lines: dict[str, int] = {}
    errors, warnings = _Remarks(path, "error"), _Remarks(path, "warning")
    for number, line in enumerate(BytesIO(content), 1):
        try:
            plain = _PLAIN_LINE.fullmatch(line) if len(line) <= _MAX_PLAIN else None
            domain = plain[1].decode("ascii") if plain else _domain(line)
        except ValueError as error:
            errors.add(number, str(error))
            if errors.count == _MAX_ERRORS:
                errors.end = f"; the lines after {number} were not read"
                break
            continue
        if domain and lines.setdefault(domain, number) != number:
            warnings.add(number, f"{domain} is already on line {lines[domain]}; remove one")
        if len(lines) > MAX_HOSTED:
            errors.add(number, f"there are more than {MAX_HOSTED:,} domains; use MX records instead of a list")
            break
    if not lines and not errors.count:
        warnings.add(1, "this list contains no domains, so no hosted domain is served")
    domains = DomainSet(lines)
    kept = array("I", map(lines.__getitem__, domains))
    return HostedList(path, provider, domains, kept, errors.lines(), warnings.lines())


class _Remarks:
    """The first remarks about a file, and the number of the rest: a large file may have millions of invalid lines."""

    def __init__(self, path: Path, kind: str) -> None:
        self._path, self._kind = path, kind
        self._first: list[str] = []
        self.count = 0
        self.end = ""
        """Appended to the line that counts the remarks that are not listed."""

    def add(self, line: int, text: str) -> None:
        self.count += 1
        if self.count <= _MAX_REMARKS:
            self._first.append(f"{self._path}:{line}: {text}")

    def lines(self) -> tuple[str, ...]:
        more = self.count - _MAX_REMARKS
        return (*self._first, *([f"{self._path}:1: {unlisted(more, self._kind)}{self.end}"] if more > 0 else []))


def _domain(line: bytes) -> str:
    """Return the domain of a line, or an empty string if there is none. Raises ValueError if the line is invalid."""
    line = line.partition(b"#")[0]
    if len(line) > _MAX_LINE:
        raise ValueError(f"the line is longer than {_MAX_LINE} bytes; write one domain per line")
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise ValueError("the line is not UTF-8; save the list as UTF-8") from error
    text = text.strip(" \t\r\n")
    if not text:
        return ""
    if "*" in text:
        raise ValueError(f"{quote(text)}: wildcards are not supported; list every domain")
    try:
        return mail_domain(text)
    except ValueError as error:
        raise ValueError(f"{quote(text)} is not a domain name such as example.com") from error


class Hosted:
    """The domains of all lists, and the number of the definition that each belongs to."""

    def __init__(self, owners: dict[str, int] | None = None, listed: Iterable[int] = ()) -> None:
        self._domains = DomainSet(owners or ())
        self._owners = array("I", map((owners or {}).__getitem__, self._domains))
        self.listed = frozenset(listed)
        """The definitions that have a list, even an empty one."""

    @classmethod
    def of_one(cls, domains: DomainSet, owner: int) -> Self:
        """Return the domains of one list, without copying it."""
        found = cls(listed=[owner])
        found._domains, found._owners = domains, array("I", [owner]) * len(domains)
        return found

    def __len__(self) -> int:
        return len(self._domains)

    def owner(self, domain: str) -> int | None:
        """Return the number of the definition that a hosted domain belongs to, or None."""
        place = self._domains.place(domain)
        return None if place is None else self._owners[place]

    def items(self) -> Iterator[tuple[str, int]]:
        """Yield every domain with the number of its definition, in no particular order."""
        return zip(self._domains, self._owners, strict=True)

    def count(self, number: int) -> int:
        """Return the number of domains that a definition hosts."""
        return self._owners.count(number)


def check(lists: Iterable[HostedList]) -> None:
    """Raise DefinitionError if lists have errors, with all of them."""
    if errors := [error for one in lists for error in one.errors]:
        raise DefinitionError(errors)


class Assigned(NamedTuple):
    """Hosted domains assigned to definitions, and warnings about their lists."""

    hosted: Hosted = Hosted()
    warnings: tuple[str, ...] = ()


def assign(lists: Sequence[HostedList], definitions: Sequence[Definition]) -> Assigned:
    """Assign every list to the definition that hosts its domains.

    Raises DefinitionError if it is unclear which definition a list belongs to, or if two providers list one domain.
    """
    errors: list[str] = []
    owners: list[int] = []
    for one in lists:
        try:
            owners.append(_owner(one, definitions))
        except ValueError as error:
            errors.append(f"{one.path}: {error}")
    if sum(len(one.domains) for one in lists) > MAX_HOSTED:
        text = f"the lists have more than {MAX_HOSTED:,} domains; use MX records instead of lists"
        errors.append(f"{lists[-1].path}: {text}")
    if errors:
        raise DefinitionError(errors)
    hosted = _merged(lists, owners)
    warnings = [warning for one in lists for warning in one.warnings]
    for definition in definitions:
        for domain in definition.domains if len(hosted) else ():
            if hosted.owner(domain) is not None:
                listed = next(one for one in lists if domain in one.domains)
                place = definition.place(domain)
                warnings.append(
                    f"{listed.place(domain)}: {domain} is a provider's own domain ({place}); remove it here"
                )
    return Assigned(hosted, tuple(warnings))


def _merged(lists: Sequence[HostedList], owners: Sequence[int]) -> Hosted:
    if not lists:
        return Hosted()
    if len(lists) == 1:
        return Hosted.of_one(lists[0].domains, owners[0])
    found: dict[str, int] = {}
    errors: list[str] = []
    for one, owner in zip(lists, owners, strict=True):
        for domain in one.domains:
            if found.setdefault(domain, owner) != owner and len(errors) < _MAX_REMARKS:
                pairs = zip(lists, owners, strict=True)
                other = next(two for two, number in pairs if number != owner and domain in two.domains)
                errors.append(f"{one.place(domain)}: {domain} is in another provider's list, {other.place(domain)}")
    if errors:
        raise DefinitionError(errors)
    return Hosted(found, owners)


def _owner(one: HostedList, definitions: Sequence[Definition]) -> int:
    """Return the number of the definition that a list belongs to. Raises ValueError if that is unclear."""
    name = one.provider or one.path.name.removesuffix(SUFFIX).lower()
    named = [number for number, definition in enumerate(definitions) if definition.id.lower() == name]
    hosting = [number for number, definition in enumerate(definitions) if definition.hosts_customer_domains]
    if one.provider and not named:
        raise ValueError(f"no definition has the id {quote(name)}")
    if len(named) > 1:
        raise ValueError(f"{len(named)} definitions have the id {quote(name)}; give them different ids")
    if named and named[0] not in hosting:
        source = definitions[named[0]].source
        raise ValueError(f'{source} hosts no domains: add <domain purpose="mx"> with the domain of its MX hosts')
    if named:
        return named[0]
    if not hosting:
        remedy = 'add <domain purpose="mx"> with the domain of the MX hosts to one'
        raise ValueError(f"no definition hosts domains: {remedy}")
    if len(hosting) > 1:
        ids = ", ".join(quote(definitions[number].id) for number in hosting[:4])
        more = f" and {len(hosting) - 4} more" if len(hosting) > 4 else ""
        raise ValueError(
            f"{len(hosting)} definitions host domains ({ids}{more}), and it is not clear which this list belongs to; "
            f"use --hosted-domains ID={one.path}, or name the file ID{SUFFIX}"
        )
    return hosting[0]
