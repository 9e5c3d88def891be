import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoconfig.address import MAX_LENGTH, AddressError, MailAddress


@pytest.mark.parametrize(
    ("text", "local", "domain"),
    [
        ("fred@btinternet.com", "fred", "btinternet.com"),
        ("Fred.Bloggs@BTInternet.COM", "Fred.Bloggs", "btinternet.com"),
        ("fred+news@talk21.com", "fred+news", "talk21.com"),
        ("o'hara&sons@talk21.com", "o'hara&sons", "talk21.com"),
        ('"fred bloggs"@talk21.com', '"fred bloggs"', "talk21.com"),
        ('"fred@home"@talk21.com', '"fred@home"', "talk21.com"),
        ('"bloggs, fred"@talk21.com', '"bloggs, fred"', "talk21.com"),
        ("jürgen@bücher.example", "jürgen", "xn--bcher-kva.example"),
        ("jürgen@BÜCHER.example", "jürgen", "xn--bcher-kva.example"),
        ("fred@XN--BCHER-KVA.example", "fred", "xn--bcher-kva.example"),
        ("fred@btinternet.com.", "fred", "btinternet.com"),
        (" fred@btinternet.com ", "fred", "btinternet.com"),
        ("\N{NO-BREAK SPACE}fred@btinternet.com", "fred", "btinternet.com"),
        ("EVOLUTIONUSER@btinternet.com", "EVOLUTIONUSER", "btinternet.com"),
        ("f@" + "a" * 63 + ".com", "f", "a" * 63 + ".com"),
        ("f@" + "a." * 125 + "com", "f", "a." * 125 + "com"),  # a domain of 253 characters
    ],
)
def test_the_local_part_is_kept_and_the_domain_converted_to_a_labels(text: str, local: str, domain: str) -> None:
    assert MailAddress.parse(text) == MailAddress(local, domain)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "has no @"),
        ("fred", "has no @"),
        ("@btinternet.com", "has nothing before the @"),
        ("fred@", "has nothing after the @"),
        ("fred@.com", "has no domain name after the @"),
        ("fred@bt internet.com", "has a space in it"),
        ("fred bloggs@btinternet.com", "has a space in it"),
        ("fred\N{NO-BREAK SPACE}bloggs@btinternet.com", "has a space in it"),
        ("fred\N{IDEOGRAPHIC SPACE}bloggs@btinternet.com", "has a space in it"),
        ("fred @btinternet.com", "has a space in it"),
        ('"fred" bloggs@btinternet.com', "has a space in it"),
        ("fred,bloggs@btinternet.com", "has a comma in it"),
        ("fred@btinternet,com", "has a comma in it"),
        ("fred@talk21.com, bob@talk21.com", "has more than one @"),
        ("fred@<b>.com", "has no domain name after the @"),
        ("fred@" + "a" * 64 + ".com", "has no domain name after the @"),
        ("fred@" + "a." * 125 + "info", "has no domain name after the @"),
        ("fred@\N{SNOWMAN WITHOUT SNOW}\u200d.com", "has no domain name after the @"),
        ("fred@home@btinternet.com", "has more than one @"),
        ("fred\n@btinternet.com", "has a control character in it"),
        ("fred\x00@btinternet.com", "has a control character in it"),
        ("fred\x85@btinternet.com", "has a control character in it"),
        ("fred\u2028@btinternet.com", "has a control character in it"),
        ("\N{LEFT-TO-RIGHT MARK}fred@btinternet.com", "has a control character in it"),
        ("fred\N{ZERO WIDTH SPACE}@btinternet.com", "has a control character in it"),
        ("fred\N{RIGHT-TO-LEFT OVERRIDE}@btinternet.com", "has a control character in it"),
        ("fred\ufffe@btinternet.com", "has a control character in it"),
        ("a" * (MAX_LENGTH - 14) + "@btinternet.com", "is longer than 320 characters"),
    ],
)
def test_an_invalid_address_is_rejected_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(AddressError, match=f"^{reason}$"):
        MailAddress.parse(text)


def test_an_address_of_320_characters_is_valid() -> None:
    assert len(str(MailAddress.parse("a" * (MAX_LENGTH - 15) + "@btinternet.com"))) == MAX_LENGTH


@given(st.text())
def test_any_text_is_invalid_or_parses_to_an_address_that_parses_to_itself(text: str) -> None:
    with contextlib.suppress(AddressError):
        address = MailAddress.parse(text)
        assert MailAddress.parse(str(address)) == address


@given(st.from_regex(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,40}", fullmatch=True), st.booleans())
def test_case_is_ignored_in_a_domain_and_kept_in_a_local_part(local: str, upper: bool) -> None:
    domain = "BTINTERNET.COM" if upper else "btinternet.com"
    assert MailAddress.parse(f"{local}@{domain}") == MailAddress(local, "btinternet.com")
