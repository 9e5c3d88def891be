"""What a response must have besides the right document."""

from typing import Any

import pytest

from autoconfig.operations.expectations import expect, expect_redirect, status_text
from autoconfig.operations.http import Response
from autoconfig.operations.report import Finding, Problem, Verdict, ok

EXPECTED = Response(200, {"content-type": "text/xml; charset=utf-8", "cache-control": "private, no-store"}, b"<a/>")
NO_UPSTREAM = ": the reverse proxy gets no response from its upstream"


def test_a_proxy_that_lets_caches_store_a_users_response_is_an_error() -> None:
    response = EXPECTED._replace(headers={"content-type": "text/xml", "cache-control": "max-age=60"})
    with pytest.raises(Problem, match=r"^caches may store this response$") as problem:
        expect(response, EXPECTED)
    remedy = "pass the header Cache-Control: no-store on; without it, a cache may give a user's response to another"
    assert problem.value.finding.remedy == remedy
    with pytest.raises(Problem, match=r"^caches may store this response$"):
        expect(EXPECTED._replace(headers={"content-type": "text/xml"}), EXPECTED)
    assert expect(EXPECTED, EXPECTED) == ok("matches the definition")


@pytest.mark.parametrize(
    ("redirects", "text"),
    [((301,), "matches the definition, after 1 redirect"), ((301, 302), "matches the definition, after 2 redirects")],
)
def test_the_finding_counts_the_redirects_before_the_document(redirects: tuple[int, ...], text: str) -> None:
    assert expect(EXPECTED._replace(redirects=redirects), EXPECTED) == ok(text)


def problem(response: Response, **options: Any) -> Finding:
    """Return the problem with a response."""
    with pytest.raises(Problem) as raised:
        expect(response, EXPECTED, **options)
    assert raised.value.finding.verdict is Verdict.ERROR
    return raised.value.finding


def with_headers(**headers: str) -> Response:
    """Return the expected response with other headers."""
    return EXPECTED._replace(headers={**EXPECTED.headers, **{k.replace("_", "-"): v for k, v in headers.items()}})


ROUTE = "route this URL to bt-autoconfig with this definition; reload it if the definition has changed"
COMPRESSION = "let the web server compress only for clients that accept it (Accept-Encoding)"
UPSTREAM = "start the upstream server, and check the address and port that the reverse proxy connects to"


@pytest.mark.parametrize(
    ("response", "text", "remedy"),
    [
        (EXPECTED._replace(status=401), "requires a password, so clients ask their users for one", ROUTE),
        (EXPECTED._replace(status=404), "responds with 404", ROUTE),
        (EXPECTED._replace(status=502), f"responds with 502{NO_UPSTREAM}", UPSTREAM),
        (EXPECTED._replace(status=503), f"responds with 503{NO_UPSTREAM}", UPSTREAM),
        (EXPECTED._replace(status=504), f"responds with 504{NO_UPSTREAM}", UPSTREAM),
        (EXPECTED._replace(body=b"<b/>"), "the document does not match the definition", ROUTE),
        (
            with_headers(content_type="text/html; charset=utf-8"),
            "the Content-Type is text/html; charset=utf-8, not text/xml; charset=utf-8",
            ROUTE,
        ),
        (
            EXPECTED._replace(headers={"cache-control": "no-store"}),
            "the Content-Type is missing, not text/xml; charset=utf-8",
            ROUTE,
        ),
        (
            with_headers(content_type="a" * 300),
            f"the Content-Type is {'a' * 199}…, not text/xml; charset=utf-8",
            ROUTE,
        ),
        (
            with_headers(content_encoding="gzip"),
            "is compressed (gzip), which the request does not accept",
            COMPRESSION,
        ),
    ],
)
def test_a_response_that_differs_in_a_way_that_matters_is_an_error(response: Response, text: str, remedy: str) -> None:
    assert problem(response) == Finding(Verdict.ERROR, text, remedy)


@pytest.mark.parametrize(
    "response", [with_headers(content_type="text/xml ;charset=x"), with_headers(content_encoding="identity")]
)
def test_a_response_may_differ_in_its_charset_and_name_the_identity_encoding(response: Response) -> None:
    assert expect(response, EXPECTED) == ok("matches the definition")


def test_a_response_to_an_unknown_host_is_the_reverse_proxys_fault() -> None:
    other = Response(404, {}, b"no such host")
    assert problem(other, without_host=other) == Finding(
        Verdict.ERROR,
        "responds as if to another Host header",
        "let the reverse proxy pass the Host header on unchanged (nginx: `proxy_set_header Host $host`)",
    )
    assert problem(other, without_host=other._replace(status=400)).text == "responds with 404"
    assert expect(EXPECTED, EXPECTED, EXPECTED) == ok("matches the definition")


@pytest.mark.parametrize(("status", "followed"), [(301, True), (302, True), (303, False), (307, False), (308, False)])
def test_outlooks_post_may_be_redirected_only_in_a_way_that_it_follows(status: int, followed: bool) -> None:
    response = EXPECTED._replace(redirects=(302, status))
    assert expect(response, EXPECTED) == ok("matches the definition, after 2 redirects")
    if followed:
        assert expect(response, EXPECTED, posted=True) == ok("matches the definition, after 2 redirects")
    else:
        text = f"redirects with {status}; Outlook follows only 301 and 302"
        remedy = "redirect with 302, or respond without a redirect"
        assert problem(response, posted=True) == Finding(Verdict.ERROR, text, remedy)


def test_the_target_of_a_redirect_is_named_without_its_query_string() -> None:
    urls = ("https://a.example/", "https://b.example/x?fred@b.example")
    response = EXPECTED._replace(status=404, urls=urls, redirects=(302,))
    assert status_text(response) == "redirects to https://b.example/x, which responds with 404"


TARGET = "https://autodiscover.example.com/autodiscover/autodiscover.xml"
HTTPS = "redirect this URL with 302 to the same URL over https"
GENERAL = "exclude this URL from the general redirect to https, and redirect it with 302 (examples in deploy/)"


@pytest.mark.parametrize("status", [301, 302])
def test_outlook_follows_a_redirect_to_https(status: int) -> None:
    response = Response(status, {"location": TARGET}, b"")
    assert expect_redirect(response, {TARGET}) == ok(f"redirects to {TARGET}")


@pytest.mark.parametrize(
    ("status", "location", "body", "text", "remedy"),
    [
        (303, TARGET, b"", "redirects with 303; Outlook follows only 301 and 302", GENERAL),
        (307, TARGET, b"", "redirects with 307; Outlook follows only 301 and 302", GENERAL),
        (308, TARGET, b"", "redirects with 308; Outlook follows only 301 and 302", GENERAL),
        (302, "https://x.example/", b"", "responds with 302 https://x.example/", HTTPS),
        (404, "", b"", "responds with 404", HTTPS),
        (200, "", b"<a/>", "responds with 200", HTTPS),
        (404, "", b"responseschema", "responds with 404", HTTPS),
        (502, "", b"", f"responds with 502{NO_UPSTREAM}", UPSTREAM),
        (
            200,
            "",
            b"<Autodiscover xmlns='http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006'/>",
            "responds with settings (200) instead of a redirect",
            "let the reverse proxy pass the Host header on unchanged (nginx: `proxy_set_header Host $host`) "
            "and set X-Forwarded-Proto to the scheme of the request (here http)",
        ),
    ],
)
def test_outlooks_get_over_http_must_be_redirected_in_a_way_that_it_follows(
    status: int, location: str, body: bytes, text: str, remedy: str
) -> None:
    with pytest.raises(Problem) as raised:
        expect_redirect(Response(status, {"location": location} if location else {}, body), {TARGET})
    assert raised.value.finding == Finding(Verdict.ERROR, text, remedy)
