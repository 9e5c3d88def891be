"""Reads and loads the definitions of several providers."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from autoconfig import definition
from autoconfig.definition import Definition, DefinitionError
from autoconfig.files import MAX_DEFINITION, FileError, expand, read_file

Files = list[tuple[Path, bytes]]
"""Definition files: names, and contents at the time of reading."""

_MAX_CONFLICTS = 100
"""Maximum number of errors listed: finding the lines of each takes time."""


def read(sources: Iterable[Path]) -> Files:
    """Read definition files, and all .xml files in folders.

    Raises DefinitionError with every file that cannot be read.
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
    """Load definitions from the contents of their files.

    Raises DefinitionError with the errors of all of them: if one is invalid, none is served.
    """
    definitions: list[Definition] = []
    errors: list[str] = []
    for path, content in files:
        try:
            definitions.append(definition.load(path, content))
        except DefinitionError as error:
            errors += error.errors
    errors += islice(_conflicts(definitions), _MAX_CONFLICTS)
    if errors:
        raise DefinitionError(errors)
    return tuple(definitions)


def check_conflicts(definitions: Iterable[Definition]) -> None:
    """Raise DefinitionError if a domain is in more than one definition."""
    if errors := list(islice(_conflicts(definitions), _MAX_CONFLICTS)):
        raise DefinitionError(errors)


def _conflicts(definitions: Iterable[Definition]) -> Iterator[str]:
    owners: dict[str, Definition] = {}
    for one in definitions:
        for domain in one.domains:
            owner = owners.setdefault(domain, one)
            if owner is not one:
                yield f"{one.place(domain)}: domain {domain} is already in {owner.place(domain)}; remove one"
