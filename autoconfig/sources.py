"""What is served is made from files and a few options: where they are, what was read of them, what it means."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from autoconfig.advice import advise
from autoconfig.definition import Definition, DefinitionError
from autoconfig.directory import Files, load, read
from autoconfig.signing import Signer, SigningError, SigningFiles
from autoconfig.templates import TemplateError
from autoconfig.visible import visible

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
    metrics: bool = False


@dataclass(frozen=True)
class Sources:
    """Where everything is. Definitions may be folders; without a key, profiles are not signed."""

    definitions: tuple[Path, ...]
    sign_certificate: Path | None = None
    sign_key: Path | None = None
    sign_chain: Path | None = None
    options: Options = Options()

    def read(self) -> "Contents":
        """Read the files. Raises DefinitionError or SigningError for those that cannot be read."""
        signing = None
        if self.sign_certificate and self.sign_key:
            signing = SigningFiles.read(self.sign_certificate, self.sign_key, self.sign_chain)
        return Contents(read(self.definitions), signing, self.options)


@dataclass(frozen=True)
class Contents:
    """What was read: it can be given to other processes."""

    definitions: Files
    signing: SigningFiles | None
    options: Options

    def load(self) -> "Settings":
        """Return what it means. Raises DefinitionError or SigningError with all that is wrong."""
        definitions = load(self.definitions)
        return Settings(definitions, Signer(self.signing) if self.signing else None, self.options)


@dataclass(frozen=True)
class Settings:
    """What is to be served, all of it right."""

    definitions: tuple[Definition, ...]
    signer: Signer | None = None
    options: Options = Options()

    def signing_warnings(self) -> Iterator[str]:
        """Yield what an operator should know of the signing certificate, `FILE: what`."""
        if self.signer:
            yield from map(visible, self.signer.warnings())

    def warnings(self) -> Iterator[str]:
        """Yield what is right and yet fails somewhere, or soon: `FILE[:LINE]: what`."""
        yield from self.signing_warnings()
        for definition in self.definitions:
            yield from warnings_of(definition)


def warnings_of(definition: Definition) -> Iterator[str]:
    """Yield what was passed over in a definition, and what some clients cannot use of it."""
    yield from map(visible, definition.warnings)
    yield from map(visible, advise(definition))
