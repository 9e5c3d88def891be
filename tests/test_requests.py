import time
from contextlib import suppress

import pytest
from starlette.exceptions import HTTPException

from autoconfig.address import MailAddress
from autoconfig.requests import FORM, MAX_BODY, Fields, Request, plain_address, read_head

HEADERS = [(b"host", b"example.com"), (b"content-type", FORM)]


def form(body: bytes) -> Fields:
    return Fields.of(read_head("POST", "http", "/", b"", HEADERS).with_body(body))


def query(text: bytes) -> Request:
    return read_head("GET", "http", "/", text, HEADERS)


@pytest.mark.parametrize(
    "body",
    [b"&" * MAX_BODY, b"=" * MAX_BODY, b"a=&" * (MAX_BODY // 3), b"%41" * (MAX_BODY // 3), b"+" * MAX_BODY,
     b"emailaddress=" + b"%41" * (MAX_BODY // 3 - 5), b"emailaddress=&" * (MAX_BODY // 14), b"e" * MAX_BODY],
)  # fmt: skip
def test_the_largest_form_is_read_in_no_time(body: bytes) -> None:
    seconds = []
    for _ in range(5):
        start = time.process_time()
        for name in ("emailaddress", "name", "protocol"):
            with suppress(HTTPException):
                assert form(body).text(name) is None
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.02


def test_a_field_that_is_longer_than_any_valid_one_is_refused() -> None:
    with pytest.raises(HTTPException, match="emailaddress is too long"):
        form(b"emailaddress=" + b"%41" * 3000).text("emailaddress")


def test_a_field_is_found_in_any_letter_case_and_only_as_a_whole_name() -> None:
    assert form(b"xemailaddress=a&EmailAddress=b&emailaddressx=c").text("emailaddress") == "b"


def test_empty_fields_are_missing_ones() -> None:
    assert form(b"emailaddress=&emailaddress&emailaddress=a").text("emailaddress") == "a"


def test_a_field_that_is_given_twice_is_refused() -> None:
    with pytest.raises(HTTPException, match="emailaddress is given twice"):
        form(b"emailaddress=a&EMAILADDRESS=b").text("emailaddress")


def test_a_forwarded_scheme_counts_only_behind_a_proxy() -> None:
    headers = [*HEADERS, (b"x-forwarded-proto", b"https")]
    assert read_head("GET", "http", "/", b"", headers).scheme == "http"
    assert read_head("GET", "http", "/", b"", headers, behind_proxy=True).scheme == "https"


@pytest.mark.parametrize("scheme", [b"", b"HTTPS", b"javascript", b"https,http"])
def test_a_forwarded_scheme_is_http_or_https(scheme: bytes) -> None:
    headers = [*HEADERS, (b"x-forwarded-proto", scheme)]
    assert read_head("GET", "http", "/", b"", headers, behind_proxy=True).scheme == "http"


@pytest.mark.parametrize("at", [b"@", b"%40"])
def test_the_address_of_a_plain_query_is_read_at_once(at: bytes) -> None:
    assert plain_address(query(b"emailaddress=a.b+c" + at + b"example.com")) == MailAddress("a.b+c", "example.com")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"emailaddress=a",
        b"emailaddress=a@b&x=y",
        b"emailaddress=a%20b@example.com",
        b"Email=a@b",
        b"emailaddress=a@B",
    ],
)
def test_any_other_query_is_left_to_the_parser(text: bytes) -> None:
    assert plain_address(query(text)) is None


def test_the_query_of_a_post_does_not_count() -> None:
    assert plain_address(query(b"emailaddress=a@example.com")._replace(method="POST")) is None
