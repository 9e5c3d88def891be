"""Corrections of mistyped addresses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoconfig.site.corrections import brand_of, correction

DOMAINS = ("example.com", "mail.example.org")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("fred@example.con", "fred@example.com"),
        ("Fred@EXAMPEL.COM", "Fred@example.com"),
        ("fred@mail.exmaple.org", "fred@mail.example.org"),
        ("fred@example", "fred@example.com"),
        ("fred@example,com", "fred@example.com"),
        ("fred@@example.com", "fred@example.com"),
        ("fred @ example.com", "fred@example.com"),
        ("<fred@example.com>;", "fred@example.com"),
        ("mailto:fred@example.com", "fred@example.com"),
        ("\N{LEFT-TO-RIGHT MARK}fred@example.com", "fred@example.com"),
        ("fred@gmail.com", None),
        ("fred", None),
        ("@example.com", None),
        ("", None),
        ("fred,bloggs@example.com", None),
        ("a@b@example.com", None),
    ],
)
def test_a_mistyped_address_is_corrected_if_the_error_is_clear(typed: str, meant: str | None) -> None:
    found = correction(typed, DOMAINS, DOMAINS.__contains__)
    assert (found and str(found)) == meant


@given(st.text())
def test_every_correction_is_an_address_of_the_provider(typed: str) -> None:
    found = correction(typed, DOMAINS, DOMAINS.__contains__)
    assert found is None or found.domain in DOMAINS


MANY = [f"shop-{number}.example" for number in range(100_000)]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("fred@sohp-99999.example", "fred@shop-99999.example"),
        ("fred@shop-99999.exampel", "fred@shop-99999.example"),
        ("fred@ship-99999.example", "fred@shop-99999.example"),
        ("fred@shop-99999.exmple", "fred@shop-99999.example"),
        ("fred@shop-99999.examplee", "fred@shop-99999.example"),
        ("fred@99999.example", None),
        ("fred@", None),
    ],
)
def test_a_typing_error_is_corrected_among_a_hundred_thousand_domains(typed: str, meant: str | None) -> None:
    found = correction(typed, MANY, set(MANY).__contains__)
    assert (found and str(found)) == meant


@pytest.mark.parametrize(
    "typed", ["a@" + "." * 318, "a" * 60_000 + "@example.com", "@" * 320, "a@" + "e" * 255, "a@" + "e" * 40]
)
def test_the_cost_of_a_correction_does_not_grow_with_the_domains(typed: str) -> None:
    lookups: list[str] = []

    def is_own(domain: str) -> bool:
        lookups.append(domain)
        return False

    assert correction(typed, MANY, is_own) is None
    assert len(lookups) < 3_500


@pytest.mark.parametrize(
    ("domain", "brand"),
    [("gmail.com", "Gmail"), ("hotmail.co.uk", "Hotmail"), ("sky.com", "Sky"), ("example.org", "example.org")],
)
def test_other_providers_are_called_by_their_brand_names(domain: str, brand: str) -> None:
    assert brand_of(domain) == brand
