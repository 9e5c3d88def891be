"""Compares responses with those that the definition gives, and names the reverse proxy's fault if they differ."""

from collections.abc import Collection

from autoconfig.operations import cms
from autoconfig.operations.http import Response
from autoconfig.operations.report import Finding, Problem, ok
from autoconfig.operations.web import LONGEST_QUOTE
from autoconfig.visible import visible

OUTLOOK_FOLLOWS = (301, 302)
"""Redirects that classic Outlook follows; it sends its POST again to the target."""

_HOST_REMEDY = "let the reverse proxy pass the Host header on unchanged (nginx: `proxy_set_header Host $host`)"
PASSWORD_PROMPT = "requires a password, so clients ask their users for one"  # noqa: S105 - a message


def status_text(response: Response) -> str:
    """Describe a response's status, and where redirects led, without the query string: it may contain an address."""
    if response.redirects:
        return f"redirects to {response.urls[-1].partition('?')[0]}, which responds with {response.status}"
    return f"responds with {response.status}"


def expect(
    response: Response, expected: Response, without_host: Response | None = None, *, posted: bool = False
) -> Finding:
    """Check that a response is the one that this program gives. Raises Problem.

    `without_host` is this program's response to an unknown Host header. `posted` says that the request was Outlook's
    POST.
    """
    remedy = "route this URL to bt-autoconfig with this definition; reload it if the definition has changed"
    expect_upstream(response)
    if response.status == 401:
        raise Problem(PASSWORD_PROMPT, remedy)
    if posted and (unfollowed := [status for status in response.redirects if status not in OUTLOOK_FOLLOWS]):
        remedy = "redirect with 302, or respond without a redirect"
        raise Problem(f"redirects with {unfollowed[0]}; Outlook follows only 301 and 302", remedy)
    if (
        without_host
        and response.body != expected.body
        and (response.status, response.body)
        == (
            without_host.status,
            without_host.body,
        )
    ):
        raise Problem("responds as if to another Host header", _HOST_REMEDY)
    if response.status != expected.status:
        raise Problem(status_text(response), remedy)
    media_type, expected_type = (one.headers.get("content-type", "missing") for one in (response, expected))
    if media_type.partition(";")[0].strip() != expected_type.partition(";")[0]:
        raise Problem(f"the Content-Type is {visible(media_type, LONGEST_QUOTE)}, not {expected_type}", remedy)
    if (coding := response.headers.get("content-encoding", "identity")) != "identity":
        remedy = "let the web server compress only for clients that accept it (Accept-Encoding)"
        raise Problem(f"is compressed ({visible(coding, LONGEST_QUOTE)}), which the request does not accept", remedy)
    body, signature = _within_signature(response.body)
    if body != expected.body:
        raise Problem("the document does not match the definition", remedy)
    _expect_private(response, expected)
    after = f", after {_times(len(response.redirects))}" if response.redirects else ""
    if signature:
        return Finding(signature.verdict, f"matches the definition{after}; {signature.text}", signature.remedy)
    return ok(f"matches the definition{after}")


def _within_signature(body: bytes) -> tuple[bytes, Finding | None]:
    """Return a document without its signature, and the finding on the signature, if any. Raises Problem."""
    if not cms.is_signed(body):
        return body, None
    signature, document = cms.check(body)
    return document, signature


def _expect_private(response: Response, expected: Response) -> None:
    if "no-store" in expected.headers["cache-control"] and "no-store" not in response.headers.get("cache-control", ""):
        remedy = "pass the header Cache-Control: no-store on; without it, a cache may give a user's response to another"
        raise Problem("caches may store this response", remedy)


def _times(redirects: int) -> str:
    return "1 redirect" if redirects == 1 else f"{redirects} redirects"


def expect_upstream(response: Response) -> None:
    """Check that the reverse proxy reaches its upstream. Raises Problem."""
    if response.status in (502, 503, 504):
        remedy = "start the upstream server, and check the address and port that the reverse proxy connects to"
        raise Problem(f"responds with {response.status}: the reverse proxy gets no response from its upstream", remedy)


def expect_redirect(response: Response, targets: Collection[str]) -> Finding:
    """Check that the response to Outlook's GET over http redirects to one of `targets`. Raises Problem."""
    expect_upstream(response)
    location = visible(response.headers.get("location", ""), LONGEST_QUOTE)
    if response.status in OUTLOOK_FOLLOWS and location in targets:
        return ok(f"redirects to {location}")
    remedy = "redirect this URL with 302 to the same URL over https"
    if response.status == 200 and b"responseschema" in response.body:
        remedy = f"{_HOST_REMEDY} and set X-Forwarded-Proto to the scheme of the request (here http)"
        raise Problem("responds with settings (200) instead of a redirect", remedy)
    if response.status in (303, 307, 308):
        remedy = "exclude this URL from the general redirect to https, and redirect it with 302 (examples in deploy/)"
        raise Problem(f"redirects with {response.status}; Outlook follows only 301 and 302", remedy)
    raise Problem(f"responds with {response.status} {location}".rstrip(), remedy)
