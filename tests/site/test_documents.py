"""Making the setup page's documents, and finding faults in them at start-up."""

from copy import deepcopy

import pytest

from autoconfig.definition import EMBEDDED
from autoconfig.site import documents, languages, steps
from autoconfig.site.documents import Documents, Provider, Variant
from autoconfig.templates import TemplateError
from tests.support import load


def test_a_catalogue_with_a_missing_text_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    incomplete = languages.catalogues() | {"de": deepcopy(languages.catalogues()["de"])}
    incomplete["de"].remove(incomplete["de"][0])
    monkeypatch.setattr(languages, "catalogues", lambda: incomplete)
    with pytest.raises(TemplateError, match=r"^xml_templates/languages/de\.xml:1: has no text caption$"):
        documents._templates.__wrapped__()


def test_a_text_missing_from_the_only_catalogue_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    english = deepcopy(languages.catalogues()["en"])
    for text in english.iterfind("string[@name='works_title']"):
        english.remove(text)
    monkeypatch.setattr(languages, "catalogues", lambda: {"en": english})
    monkeypatch.setattr(documents, "_templates", documents._templates.__wrapped__)
    with pytest.raises(TemplateError, match=r"languages/en\.xml has no text works_title"):
        Documents(signed=False, root_path="").make_all(Provider(load(EMBEDDED).first, ()))


def test_a_document_is_made_once_and_only_recent_ones_are_cached() -> None:
    made = Documents(signed=False, root_path="")
    provider = Provider(load(EMBEDDED).first, ("imap",))
    assert made.get(provider, Variant("en", steps.CHOICE)) is made.get(provider, Variant("en", steps.CHOICE))
    for number in range(1500):
        made.get(provider, Variant("en", steps.FOREIGN, platform=str(number)))
    assert made.get.cache_info().currsize == 1024
