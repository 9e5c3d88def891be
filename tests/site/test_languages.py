"""The setup page's languages: selection by the browser's preferences, and complete catalogues."""

import re
from importlib.resources import files

import pytest
import readability
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from autoconfig.address import AddressProblem
from autoconfig.site.languages import DEFAULT, catalogues, preferred
from autoconfig.site.steps import APPS

READING_AGE = 9
"""The age in years at which a child can read the English page: the Flesch-Kincaid grade plus five."""
PLACEHOLDERS = {"provider", "example", "address", "protocol", "suggestion", "foreign"}
STYLESHEETS = [file.read_text() for file in files("xml_templates").iterdir() if file.name.startswith("setup_")]
WORD = re.compile(r"[A-Za-z0-9’-]+")
OTHERS = [tag for tag in catalogues() if tag != DEFAULT]


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("cy", "cy"),
        ("cy-GB", "cy"),
        ("CY-gb, en;q=0.5", "cy"),
        ("en;q=0.5, cy", "cy"),
        ("en-GB, cy;q=0.9", "en"),
        ("nl, de;q=0.7, fr;q=0.8", "fr"),
        ("de;q=0, fr;q=0.1", "fr"),
        ("de;q=0", "en"),
        ("*", "en"),
        ("fr;q=0.3, *;q=0.9", "en"),
        ("de;q=1.5, es", "es"),
        ("de; q=0.8 , es ;q=0.9", "es"),
        ("", "en"),
        (";;;,,,q=,", "en"),
        ("de" * 500, "en"),
        ("x, " * 5000 + "de", "en"),
    ],
)
def test_a_visitor_gets_the_preferred_available_language(accepted: str, language: str) -> None:
    assert preferred(accepted.encode()) == language


@given(st.binary(max_size=300))
def test_any_accept_language_header_gets_an_available_language(accepted: bytes) -> None:
    assert preferred(accepted) in catalogues()


def test_the_languages_are_english_welsh_german_french_and_spanish() -> None:
    assert {"en", "cy", "de", "fr", "es"} <= set(catalogues())


def names(tag: str) -> list[str]:
    return [text.get("name", "") for text in catalogues()[tag]]


@pytest.mark.parametrize("tag", OTHERS)
def test_a_catalogue_has_exactly_the_texts_of_the_default_language(tag: str) -> None:
    assert names(tag) == names(DEFAULT)


def test_the_stylesheets_use_every_text_and_no_other() -> None:
    source = "".join(STYLESHEETS)
    used = set(re.findall(r"t:text\('(\w+)'\)", source))
    used |= {f"problem_{name}" for name in re.findall(r'name="problem_(\w+)"', catalogue_text())}
    for app in APPS:
        key = app.id.replace("-", "_")
        used |= {f"{key}_{part}" for part in ("name", "hint", "title", "steps", "fails")}
    used |= {"iphone_manual", "mac_manual", "address_title", "choice_title", "foreign_title", "settings_title"}
    assert set(names(DEFAULT)) == used


def test_there_is_a_text_for_every_problem_with_an_address() -> None:
    problems = {text for text in names(DEFAULT) if text.startswith("problem_")}
    assert problems - {"problem_prefix", "problem_title", "problem_empty", "problem_typo"} == {
        f"problem_{problem.name.lower()}" for problem in AddressProblem
    }


def catalogue_text() -> str:
    return files("xml_templates").joinpath("languages", "en.xml").read_text()


def parts(text: etree._Element) -> list[tuple[str | None, list[str]]]:
    """Return the condition and the placeholders of each item of a text."""
    items = text.findall("item") or [text]
    return [(item.get("when"), sorted(str(one.tag) for one in item.iter(*PLACEHOLDERS))) for item in items]


@pytest.mark.parametrize("tag", OTHERS)
def test_a_translation_has_the_same_steps_and_placeholders(tag: str) -> None:
    for text, model in zip(catalogues()[tag], catalogues()[DEFAULT], strict=True):
        assert (text.get("name"), text.tag, [when for when, _ in parts(text)]) == (
            model.get("name"),
            model.tag,
            [when for when, _ in parts(model)],
        )
        assert {one for _, filled in parts(text) for one in filled} == {
            one for _, filled in parts(model) for one in filled
        }, text.get("name")


@pytest.mark.parametrize("tag", catalogues())
def test_a_catalogue_has_typographic_quotation_marks_and_known_elements(tag: str) -> None:
    root = catalogues()[tag]
    assert not re.search("[\"'\\\\]", "".join(root.itertext()))
    assert {str(one.tag) for one in root.iter(etree.Element)} <= {
        *("resources", "string", "string-array", "item", "b"),
        *PLACEHOLDERS,
    }


@pytest.mark.parametrize("tag", OTHERS)
def test_hardly_any_text_is_left_in_english(tag: str) -> None:
    english = {text.get("name"): "".join(text.itertext()) for text in catalogues()[DEFAULT]}
    same = [text.get("name") for text in catalogues()[tag] if "".join(text.itertext()) == english[text.get("name")]]
    # Product names, and words that are the same in both languages: Port, Server, Contacts.
    assert len(same) <= 8


def sentences(prefix: str = "") -> list[str]:
    """Return the sentences of the English texts with this prefix, with placeholders filled in and without labels."""
    filled = {"provider": "Mail", "address": "your address", "example": "the end", "protocol": "IMAP"}
    found: list[str] = []
    for text in catalogues()[DEFAULT]:
        for item in text.findall("item") or [text]:
            flat = (item.text or "") + "".join(
                filled.get(str(one.tag), "".join(one.itertext())) + (one.tail or "") for one in item
            )
            if (text.get("name") or "").startswith(prefix) and flat.rstrip()[-1:] in ".?!:…":
                found += [" ".join(words) for part in re.split(r"[.?!:…]+", flat) if (words := WORD.findall(part))]
    return found


@pytest.mark.parametrize("part", ["", "problem", *(app.id.replace("-", "_") for app in APPS)])
def test_a_nine_year_old_can_read_the_english_page(part: str) -> None:
    measured = readability.getmeasures(sentences(part), lang="en")
    assert measured["readability grades"]["Kincaid"] + 5 <= READING_AGE


def test_no_english_sentence_is_longer_than_twenty_words() -> None:
    assert [sentence for sentence in sentences() if len(sentence.split()) > 20] == []


def test_welsh_words_mutate_after_a() -> None:
    """`a` (and) and `â` (with) turn c, p and t into ch, ph and th. An app's English labels are unchanged."""
    for welsh in catalogues()["cy"].iter("string", "item"):
        spoken = "".join(welsh.xpath(".//text()[not(ancestor::b)]"))
        assert not re.findall(r"\b[aâ] [cpt](?!h)\w+", spoken)


def test_no_french_punctuation_mark_starts_a_line() -> None:
    assert not re.findall(r" [?!:;»]|« ", "".join(catalogues()["fr"].itertext()))
