"""The documents of the setup page: one for each provider, language and page, made on its first request.

Ten thousand providers would have a million documents, most of them never requested. So only the most recently used are
cached. At start-up every page is made once, so that a broken stylesheet stops the start.
"""

from collections.abc import Sequence
from functools import cache, lru_cache
from itertools import product
from typing import NamedTuple

from autoconfig.definition import Definition
from autoconfig.site import languages, steps
from autoconfig.site.assets import EDITION
from autoconfig.site.steps import Step
from autoconfig.templates import ADDRESS_PLACEHOLDERS, DOMAIN_PLACEHOLDERS, Document, Template, TemplateError

_MAX_CACHED = 1024
"""Maximum number of cached documents: about 15 MB. One provider has some 250."""

_VISITOR = frozenset({"NEXT", "TYPED", "SUGGESTION", "FOREIGN"})
_URLS = frozenset({"PAGEURL", "PAGEQR", "PAGEQRSIZE", "PROFILEURL", "PROFILEQR", "PROFILEQRSIZE"})
_ACCOUNT = frozenset({"ACCOUNTQR", "ACCOUNTQRSIZE"})
_PLACEHOLDERS = _VISITOR | _URLS | _ACCOUNT


class Variant(NamedTuple):
    """The key of one of a provider's documents."""

    language: str
    step: Step
    given: bool = False
    """Whether the visitor's address is known."""
    scannable: bool = False
    """Whether there is a QR code with the whole account."""
    platform: str = ""
    problem: str = ""
    """What is wrong with the typed address: `problem_` and this is the name of the text that says so."""
    suggested: bool = False
    """Whether there is an address to suggest instead."""


class Provider:
    """What the page needs of one definition."""

    def __init__(self, definition: Definition, profiles: Sequence[str]) -> None:
        self.definition = definition
        self.domains = definition.domains
        self.profiles = profiles
        """The protocols that have a profile for Apple devices."""


@cache
def _templates() -> dict[str, Template]:
    """Return the stylesheet compiled with the texts of each language, by language tag.

    Raises TemplateError if the stylesheet does not compile, or a text is missing.
    """
    shared = {"languages": languages.names(), "apps": steps.apps()}
    found: dict[str, Template] = {}
    for tag, catalogue in languages.catalogues().items():
        if missing := languages.missing(tag):
            raise TemplateError(f"xml_templates/languages/{tag}.xml:1: has no text {', '.join(sorted(missing))}")
        found[tag] = Template.named("setup_page.xsl", {"catalogue": catalogue, **shared})
    return found


class Documents:
    """A cache that makes documents. Raises TemplateError if a stylesheet does not compile, or a text is missing."""

    def __init__(self, *, signed: bool, root_path: str) -> None:
        self._signed, self._root_path = signed, root_path
        self._templates = _templates()
        self.get = lru_cache(maxsize=_MAX_CACHED)(self._make)

    def make_all(self, provider: Provider) -> None:
        """Make every kind of document once, so that a broken stylesheet fails at start-up."""
        for step, given in product((*steps.PAGES, steps.FOREIGN), (False, True)):
            self._make(provider, Variant(languages.DEFAULT, step, given=given, scannable=given))

    def _make(self, provider: Provider, variant: Variant) -> Document | None:
        """Return a document, or None if the provider has no settings for that page."""
        return self._templates[variant.language].document(
            provider.definition.settings,
            _PLACEHOLDERS | (ADDRESS_PLACEHOLDERS if variant.given else DOMAIN_PLACEHOLDERS),
            step=variant.step.id,
            path=variant.step.path,
            given=variant.given,
            scannable=variant.scannable,
            platform=variant.platform,
            problem=variant.problem,
            suggested=variant.suggested,
            profile=bool(provider.profiles),
            pop3profile="pop3" in provider.profiles,
            signed=self._signed,
            root=self._root_path,
            edition=EDITION,
        )
