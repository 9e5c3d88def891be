"""The configuration of the server: the files that it comes from, their contents, and the settings in them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from autoconfig.advice import advise
from autoconfig.definition import Definition, DefinitionError
from autoconfig.definition_files import Files, load, read
from autoconfig.directory import Directory, directory
from autoconfig.hosting import Assigned, HostedList, ListSource, assign, check, read_lists
from autoconfig.mail_exchangers import Resolver
from autoconfig.signing_files import SigningError, SigningFiles
from autoconfig.templates import TemplateError
from autoconfig.visible import visible

if TYPE_CHECKING:
    from autoconfig.signing import Signer

T = TypeVar("T")
U = TypeVar("U")

CONFIGURATION_ERRORS = (DefinitionError, SigningError, TemplateError)
"""Raised for an invalid configuration; the texts are for the operator."""


@dataclass(frozen=True)
class Options:
    """Options that do not change while the server runs."""

    public_url: str | None = None
    """URL of the setup page, if it is not on a hostname of a definition's domain."""
    root_path: str = ""
    """Path under which another application mounts this one, for links in the setup page: empty, or /mail."""
    drain_time: float = 0.0
    """Seconds to keep accepting requests after SIGTERM, until load balancers use another server."""
    access_log: bool = False
    resolver: str | None = None
    """DNS resolver for the MX records of hosted domains, `IP[:PORT]`, instead of the system's."""
    metrics: bool = False


@dataclass(frozen=True)
class Sources:
    """The files of a configuration. Definitions and lists may be folders; without a key, profiles are not signed."""

    definitions: tuple[Path, ...]
    sign_certificate: Path | None = None
    sign_key: Path | None = None
    sign_chain: Path | None = None
    options: Options = Options()
    hosted_domains: tuple[ListSource, ...] = ()

    def read(self) -> "Contents":
        """Read the files. Raises DefinitionError or SigningError if any cannot be read."""
        signing = None
        if self.sign_certificate and self.sign_key:
            signing = SigningFiles.read(self.sign_certificate, self.sign_key, self.sign_chain)
        definitions, lists = _all(partial(read, self.definitions), partial(read_lists, self.hosted_domains))
        return Contents(definitions, signing, self.options, lists)


@dataclass(frozen=True)
class Contents:
    """The contents of the files. They can be sent to other processes."""

    definitions: Files
    signing: SigningFiles | None
    options: Options
    lists: tuple[HostedList, ...] = ()

    def load(self) -> "Settings":
        """Return the settings in the files. Raises DefinitionError or SigningError with every error in them."""
        definitions, _ = _all(partial(load, self.definitions), partial(check, self.lists))
        assigned = assign(self.lists, definitions)
        return Settings(definitions, _signer(self.signing) if self.signing else None, self.options, assigned)


def _signer(files: SigningFiles) -> "Signer":
    from autoconfig.signing import Signer  # only with a key: cryptography takes a fifth of the start

    return Signer(files)


def _all(first: Callable[[], T], second: Callable[[], U]) -> tuple[T, U]:
    """Return the results of both functions. Raises DefinitionError with the errors of both."""
    try:
        found = first()
    except DefinitionError as error:
        try:
            second()
        except DefinitionError as another:
            raise DefinitionError([*error.errors, *another.errors]) from error
        raise
    return found, second()


@dataclass(frozen=True)
class Settings:
    """The settings to serve, all of them valid."""

    definitions: tuple[Definition, ...]
    signer: "Signer | None" = None
    options: Options = Options()
    assigned: Assigned = field(default_factory=Assigned)
    """The listed hosted domains."""

    def directory(self, resolver: Resolver | None = None) -> Directory[Definition]:
        """Return the directory of the definitions; `resolver` is for hosted domains without a list."""
        return directory(self.definitions, self.assigned.hosted, resolver)

    def resolver(self) -> Resolver | None:
        """Return the resolver for hosted domains without a list, or None if no provider has any."""
        numbers = (number for number, one in enumerate(self.definitions) if one.hosts_customer_domains)
        if all(number in self.assigned.hosted.listed for number in numbers):
            return None
        return Resolver(self.options.resolver)

    def file_warnings(self) -> Iterator[str]:
        """Yield warnings about the signing certificate and lists, often written by programs: `FILE[:LINE]: what`."""
        if self.signer:
            yield from map(visible, self.signer.warnings())
        yield from map(visible, self.assigned.warnings)

    def warnings(self) -> Iterator[str]:
        """Yield warnings about valid settings that fail in some clients, or will fail soon: `FILE[:LINE]: what`."""
        yield from self.file_warnings()
        if (resolver := self.resolver()) and not resolver.servers:
            remedy = "use --hosted-domains or --resolver"
            yield f"this machine has no DNS resolver, so customers' domains cannot be recognised; {remedy}"
        for definition in self.definitions:
            yield from warnings_of(definition)


def warnings_of(definition: Definition) -> Iterator[str]:
    """Yield what was changed or left out in a definition, and what some clients cannot use."""
    yield from map(visible, definition.warnings)
    yield from map(visible, advise(definition))
