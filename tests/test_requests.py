import time
from contextlib import suppress

import pytest
from starlette.exceptions import HTTPException

from autoconfig.address import MailAddress
from autoconfig.requests import FORM, MAX_BODY, Fields, Request, combine, plain_address, plain_domain, read_head

HEADERS = {b"host": b"example.com", b"content-type": FORM}


def form(body: bytes) -> Fields:
    return Fields.of(read_head("POST", "http", "/", b"", HEADERS).with_body(body))


def query(text: bytes) -> Request:
    return read_head("GET", "http", "/", text, HEADERS)


@pytest.mark.parametrize(
    "body",
    [b"&" * MAX_BODY, b"=" * MAX_BODY, b"a=&" * (MAX_BODY // 3), b"%41" * (MAX_BODY // 3), b"+" * MAX_BODY,
     b"emailaddress=" + b"%41" * (MAX_BODY // 3 - 5), b"emailaddress=&" * (MAX_BODY // 14), b"e" * MAX_BODY],
)  # fmt: skip
def test_the_largest_form_is_read_within_milliseconds(body: bytes) -> None:
    seconds = []
    for _ in range(5):
        start = time.process_time()
        for name in ("emailaddress", "name", "protocol"):
            with suppress(HTTPException):
                assert form(body).text(name) is None
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.02


def test_a_field_that_is_too_long_is_refused() -> None:
    with pytest.raises(HTTPException, match="emailaddress is too long"):
        form(b"emailaddress=" + b"%41" * 3000).text("emailaddress")


def test_a_field_is_found_in_any_case_and_only_by_its_whole_name() -> None:
    assert form(b"xemailaddress=a&EmailAddress=b&emailaddressx=c").text("emailaddress") == "b"


def test_an_empty_field_counts_as_missing() -> None:
    assert form(b"emailaddress=&emailaddress&emailaddress=a").text("emailaddress") == "a"


def test_a_repeated_field_is_refused() -> None:
    with pytest.raises(HTTPException, match="emailaddress is given twice"):
        form(b"emailaddress=a&EMAILADDRESS=b").text("emailaddress")


def test_a_forwarded_scheme_is_used_only_behind_a_proxy() -> None:
    headers = HEADERS | {b"x-forwarded-proto": b"https"}
    assert read_head("GET", "http", "/", b"", headers).scheme == "http"
    assert read_head("GET", "http", "/", b"", headers, behind_proxy=True).scheme == "https"
    headers = HEADERS | {b"x-forwarded-proto": b"http"}
    assert read_head("GET", "https", "/", b"", headers, behind_proxy=True).scheme == "http"


@pytest.mark.parametrize("scheme", [b"", b"HTTPS", b"javascript", b"https,http"])
def test_a_forwarded_scheme_other_than_http_or_https_is_ignored(scheme: bytes) -> None:
    headers = HEADERS | {b"x-forwarded-proto": scheme}
    assert read_head("GET", "http", "/", b"", headers, behind_proxy=True).scheme == "http"


@pytest.mark.parametrize("at", [b"@", b"%40"])
def test_the_fast_path_reads_the_address_of_a_plain_query(at: bytes) -> None:
    request = query(b"emailaddress=a.b+c" + at + b"example.com")
    assert plain_address(request) == MailAddress("a.b+c", "example.com")
    assert plain_domain(request) == "example.com"


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
def test_the_fast_path_leaves_other_queries_to_the_parser(text: bytes) -> None:
    assert plain_address(query(text)) is None
    assert plain_domain(query(text)) is None


def posted(body: bytes, content_type: bytes = FORM) -> Request:
    return read_head("POST", "http", "/", b"", HEADERS | {b"content-type": content_type}).with_body(body)


def test_the_fast_path_reads_the_address_of_a_plain_form() -> None:
    request = posted(b"emailaddress=a.b%40example.com")
    assert plain_address(request) == MailAddress("a.b", "example.com")
    assert plain_domain(request) == "example.com"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"emailaddress=a%40example.com", b"text/plain"),
        (b"emailaddress=a+b%40example.com", FORM),  # a space
        (b"emailaddress=%s%%40example.com" % (b"a" * 65), FORM),
        (b"emailaddress=a%40example.com&x=y", FORM),
    ],
)
def test_the_fast_path_leaves_other_forms_to_the_parser(body: bytes, content_type: bytes) -> None:
    assert plain_address(posted(body, content_type)) is None
    assert plain_domain(posted(body, content_type)) is None


def test_the_fast_path_reads_the_longest_local_part_of_a_form() -> None:
    assert plain_address(posted(b"emailaddress=%s%%40example.com" % (b"a" * 64))) == MailAddress(
        "a" * 64, "example.com"
    )


def test_the_fast_path_ignores_the_query_of_a_post() -> None:
    request = query(b"emailaddress=a@example.com")._replace(method="POST")
    assert plain_address(request) is None
    assert plain_domain(request) is None


def head(*headers: tuple[bytes, bytes], version: str = "1.1", host: bytes | None = b"example.com") -> Request:
    hosts = [] if host is None else [(b"host", host)]
    return read_head("POST", "http", "/", b"", combine([*hosts, *headers]), version)


@pytest.mark.parametrize(
    ("length", "bytes_"),
    [(b"0", 0), (b"7", 7), (b" \t7 ", 7), (b"65536", 65536), (b"0" * 30 + b"65536", 65536), (b"0" * 5000, 0)],
)
def test_a_body_may_have_up_to_64_kib(length: bytes, bytes_: int) -> None:
    assert head((b"content-length", length)).body_length == bytes_


@pytest.mark.parametrize("length", [b"65537", b"9" * 15, b"1" + b"0" * 15, b"9" * 5000, b"0" * 9 + b"65537"])
def test_a_body_of_more_than_64_kib_is_refused(length: bytes) -> None:
    with pytest.raises(HTTPException, match=r"^413: the body is larger than 65536 bytes$"):
        head((b"content-length", length))


def test_the_length_of_a_body_is_zero_by_default_and_unknown_if_chunked() -> None:
    assert head().body_length == 0
    assert head((b"transfer-encoding", b" Chunked ")).body_length is None


@pytest.mark.parametrize(
    ("headers", "host", "version", "error"),
    [
        ([], None, "1.1", "400: the request has no Host header"),
        ([], b"a b", "1.1", "400: the Host header is not a hostname"),
        ([(b"host", b"example.com")], b"example.com", "1.1", "400: there are two Host headers"),
        ([(b"content-length", b"1")] * 2, b"x", "1.1", "400: there are two Content-Length headers"),
        ([(b"transfer-encoding", b"chunked")] * 2, b"x", "1.1", "400: there are two Transfer-Encoding headers"),
        ([(b"content-length", b"1"), (b"transfer-encoding", b"chunked")], b"x", "1.1", "400: the length of the body is ambiguous"),
        ([(b"transfer-encoding", b"chunked")], b"x", "1.0", "400: the length of the body is ambiguous"),
        ([(b"transfer-encoding", b"gzip")], b"x", "1.1", "400: the length of the body is ambiguous"),
        ([(b"transfer-encoding", b"chunked, gzip")], b"x", "1.1", "400: the length of the body is ambiguous"),
        ([(b"transfer-encoding", b"gzip, chunked")], b"x", "1.1", "501: the only supported transfer coding is chunked"),
        ([(b"content-length", b"-1")], b"x", "1.1", "400: the Content-Length header is not a number"),
        ([(b"content-length", b"")], b"x", "1.1", "400: the Content-Length header is not a number"),
    ],
)  # fmt: skip
def test_an_ambiguous_request_head_is_refused_and_the_connection_closed(
    headers: list[tuple[bytes, bytes]], host: bytes | None, version: str, error: str
) -> None:
    with pytest.raises(HTTPException) as refused:
        head(*headers, host=host, version=version)
    assert str(refused.value) == error
    assert refused.value.headers == {"Connection": "close"}


def test_http_1_0_clients_may_leave_out_the_host() -> None:
    assert head(host=None, version="1.0").host == b""


def test_other_headers_may_be_repeated() -> None:
    assert head((b"accept", b"a"), (b"accept", b"b")).body_length == 0
    assert combine([(b"accept", b"a"), (b"x", b""), (b"accept", b"b")]) == {b"accept": b"a, b", b"x": b""}


@pytest.mark.parametrize(
    ("options", "version", "last"),
    [
        ([], "1.1", False),
        ([b"close"], "1.1", True),
        ([b"Close"], "1.1", True),
        ([b"upgrade, close\t, x"], "1.1", True),
        ([b"upgrade", b"close"], "1.1", True),
        ([b"closed"], "1.1", False),
        ([b"not-close"], "1.1", False),
        ([], "1.0", True),
        ([b"keep-alive"], "1.0", True),
    ],
)
def test_a_request_is_the_last_if_the_client_closes_or_speaks_http_1_0(
    options: list[bytes], version: str, last: bool
) -> None:
    assert head(*((b"connection", option) for option in options), version=version).is_last is last


@pytest.mark.parametrize(
    ("expectation", "version", "waits"),
    [
        (b"100-continue", "1.1", True),
        (b"100-Continue", "1.1", True),
        (b"x", "1.1", False),
        (b"100-continue", "1.0", False),
    ],
)
def test_a_client_waits_for_100_if_it_says_so_in_http_1_1(expectation: bytes, version: str, waits: bool) -> None:
    assert head((b"expect", expectation), version=version).expects_continue is waits


def test_missing_headers_are_empty() -> None:
    request = head()
    assert request == Request("POST", "http", b"", b"example.com", b"", FORM, 0)
    assert (request.user_agent, request.body, request.path, request.accept_language) == (b"", b"", "/", b"")
    assert request.parameters == {}


def test_headers_are_kept() -> None:
    headers = ((b"user-agent", b"a"), (b"if-none-match", b"b"), (b"content-type", b"c"), (b"accept-language", b"d"))
    request = head(*headers)
    kept = request.user_agent, request.if_none_match, request.content_type, request.accept_language
    assert kept == (b"a", b"b", b"c", b"d")
    assert request.with_body(b"body") == request._replace(body=b"body")


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        (b"name=a&name=b", "400: name is given twice"),
        (b"name=" + b"a" * 8193, "400: name is too long"),
        (b"name=%FF", "400: name is not UTF-8"),
        (b"name=abcdef", "400: name is longer than 5 characters"),
        (b"name=a%00b", "400: name has a control character in it"),
    ],
)
def test_an_invalid_line_is_refused(fields: bytes, error: str) -> None:
    with pytest.raises(HTTPException) as refused:
        form(fields).line("name", 5)
    assert str(refused.value) == error


def test_a_field_may_have_8_kib_and_a_line_its_maximum_number_of_characters() -> None:
    assert form(b"name=" + b"%41" * 2730 + b"AA").text("name") == "A" * 2732  # 8,192 bytes
    assert form(b"name=%C3%A4%C3%B6%C3%BC").line("name", 3) == "äöü"
    assert form(b"other=x").line("name", 3) is None


def test_an_invalid_address_is_refused_with_the_name_of_its_field() -> None:
    with pytest.raises(HTTPException, match=r"^400: emailaddress has no @"):
        form(b"emailaddress=x").address()
    assert form(b"other=x").address() is None


def test_a_plus_is_a_space_in_a_form_but_stays_in_an_address_in_a_query() -> None:
    assert form(b"name=a+b").text("name") == "a b"
    assert form(b"name=+Xavier+X+").text("name") == "Xavier X"
    assert form(b"emailaddress=+fred%40example.com+").address() == MailAddress("fred", "example.com")
    assert form(b"emailaddress=a%2Bb%40example.com").address() == MailAddress("a+b", "example.com")
    assert Fields(b"emailaddress=a+b@example.com").address() == MailAddress("a+b", "example.com")


@pytest.mark.parametrize("content_type", [FORM, FORM.upper(), FORM + b"; charset=utf-8", b" " + FORM + b" ;x"])
def test_a_form_is_read_with_any_parameters_of_its_content_type(content_type: bytes) -> None:
    request = head((b"content-type", content_type)).with_body(b"name=x")
    assert Fields.of(request).text("name") == "x"


def test_fields_come_from_a_form_or_a_query() -> None:
    with pytest.raises(HTTPException, match=r"^415: the body is not application/x-www-form-urlencoded$"):
        Fields.of(head((b"content-type", b"text/plain")))
    assert Fields.of(query(b"name=x")).text("name") == "x"
