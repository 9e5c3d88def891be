"""What is served is made from files and a few options: where they are, what was read of them, what it means."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from autoconfig.advice import advise
from autoconfig.definition import Definition, DefinitionError
from autoconfig.directory import Directory, Files, directory, load, read
from autoconfig.hosting import Assigned, HostedList, ListSource, assign, check, read_lists
from autoconfig.mail_exchangers import Resolver
from autoconfig.signing import Signer, SigningError, SigningFiles
from autoconfig.templates import TemplateError
from autoconfig.visible import visible

T = TypeVar("T")
U = TypeVar("U")

CONFIGURATION_ERRORS = (DefinitionError, SigningError, TemplateError)
"""What is raised when something cannot be served; the texts are for the operator."""


@dataclass(frozen=True)
class Options:
    """How it is served: what does not change while the server runs."""

    public_url: str | None = None
    """Where people reach this server, for links to it, when that is none of the definitions' hosts."""
    root_path: str = ""
    """Path under which another application mounts this one, for links of the setup page: empty, or /mail."""
    drain_time: float = 0.0
    """Seconds from SIGTERM to the end of listening, for load balancers to look elsewhere."""
    access_log: bool = False
    resolver: str | None = None
    """What is asked for the MX records of customers' domains, `IP[:PORT]`, if not the system's resolvers."""
    metrics: bool = False


@dataclass(frozen=True)
class Sources:
    """Where everything is. Definitions and lists may be folders; without a key, profiles are not signed."""

    definitions: tuple[Path, ...]
    sign_certificate: Path | None = None
    sign_key: Path | None = None
    sign_chain: Path | None = None
    options: Options = Options()
    hosted_domains: tuple[ListSource, ...] = ()

    def read(self) -> "Contents":
        """Read the files. Raises DefinitionError or SigningError for those that cannot be read."""
        signing = None
        if self.sign_certificate and self.sign_key:
            signing = SigningFiles.read(self.sign_certificate, self.sign_key, self.sign_chain)
        definitions, lists = _all(partial(read, self.definitions), partial(read_lists, self.hosted_domains))
        return Contents(definitions, signing, self.options, lists)


@dataclass(frozen=True)
class Contents:
    """What was read: it can be given to other processes."""

    definitions: Files
    signing: SigningFiles | None
    options: Options
    lists: tuple[HostedList, ...] = ()

    def load(self) -> "Settings":
        """Return what it means. Raises DefinitionError or SigningError with all that is wrong."""
        definitions, _ = _all(partial(load, self.definitions), partial(check, self.lists))
        assigned = assign(self.lists, definitions)
        return Settings(definitions, Signer(self.signing) if self.signing else None, self.options, assigned)


def _all(first: Callable[[], T], second: Callable[[], U]) -> tuple[T, U]:
    """Return what both functions return. Raises DefinitionError with the errors of both."""
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
    """What is to be served, all of it right."""

    definitions: tuple[Definition, ...]
    signer: Signer | None = None
    options: Options = Options()
    assigned: Assigned = field(default_factory=Assigned)
    """The domains that definitions host, as far as there are lists."""

    def directory(self, resolver: Resolver | None = None) -> Directory[Definition]:
        """Return who serves which domain; `resolver` is for domains of which there is no list."""
        return directory(self.definitions, self.assigned.hosted, resolver)

    def resolver(self) -> Resolver | None:
        """Return what is asked about domains of which there is no list, None if no provider hosts any."""
        numbers = (number for number, one in enumerate(self.definitions) if one.hosts_customer_domains)
        if all(number in self.assigned.hosted.listed for number in numbers):
            return None
        return Resolver(self.options.resolver)

    def signing_warnings(self) -> Iterator[str]:
        """Yield what an operator should know of the signing certificate, `FILE: what`."""
        if self.signer:
            yield from map(visible, self.signer.warnings())

    def warnings(self) -> Iterator[str]:
        """Yield what is right and yet fails somewhere, or soon: `FILE[:LINE]: what`."""
        yield from self.signing_warnings()
        yield from map(visible, self.assigned.warnings)
        if (resolver := self.resolver()) and not resolver.servers:
            remedy = "use --hosted-domains or --resolver"
            yield f"this machine has no resolver to recognise customers' domains with: {remedy}"
        for definition in self.definitions:
            yield from warnings_of(definition)


def warnings_of(definition: Definition) -> Iterator[str]:
    """Yield what was passed over in a definition, and what some clients cannot use of it."""
    yield from map(visible, definition.warnings)
    yield from map(visible, advise(definition))
