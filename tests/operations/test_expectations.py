"""What a response must have besides the right document."""

import pytest

from autoconfig.operations.expectations import expect
from autoconfig.operations.http import Response
from autoconfig.operations.report import Problem, ok

EXPECTED = Response(200, {"content-type": "text/xml; charset=utf-8", "cache-control": "private, no-store"}, b"<a/>")


def test_a_proxy_that_lets_caches_store_a_users_response_is_an_error() -> None:
    response = EXPECTED._replace(headers={"content-type": "text/xml", "cache-control": "max-age=60"})
    with pytest.raises(Problem, match=r"^caches may store this response$") as problem:
        expect(response, EXPECTED)
    assert "Cache-Control: no-store" in problem.value.finding.remedy
    assert expect(EXPECTED, EXPECTED) == ok("matches the definition")


@pytest.mark.parametrize(
    ("redirects", "text"),
    [((301,), "matches the definition, after 1 redirect"), ((301, 302), "matches the definition, after 2 redirects")],
)
def test_the_finding_counts_the_redirects_before_the_document(redirects: tuple[int, ...], text: str) -> None:
    assert expect(EXPECTED._replace(redirects=redirects), EXPECTED) == ok(text)
