"""Whether a response is the one that the definition gives, and if not, what in front of the server spoils it."""

from collections.abc import Collection

from autoconfig.operations import cms
from autoconfig.operations.report import Finding, Problem, right
from autoconfig.operations.web import LONGEST_QUOTE, Reply
from autoconfig.visible import visible

OUTLOOK_FOLLOWS = (301, 302)
"""Redirects that classic Outlook follows; it posts again to where they lead."""

_HOST_REMEDY = "let the reverse proxy pass on the Host header unchanged (nginx: `proxy_set_header Host $host`)"


def expect(reply: Reply, wanted: Reply, without_host: Reply | None = None, *, posted: bool = False) -> Finding:
    """Check that a response is the one that this program would give. Raises Problem.

    `without_host` is the response that it would give if it did not know the Host header; `posted` says that the request
    was Outlook's POST.
    """
    remedy = "let this server respond here, with this definition; reload it if the definition is newer"
    expect_upstream(reply)
    if reply.status == 401:
        raise Problem("it requires a password, so clients prompt their users for one", remedy)
    if posted and (odd := [status for status in reply.redirects if status not in OUTLOOK_FOLLOWS]):
        remedy = "respond to this request here, or redirect with 302"
        raise Problem(f"it redirects with {odd[0]}; Outlook follows only 301 and 302", remedy)
    if (
        without_host
        and reply.body != wanted.body
        and (reply.status, reply.body)
        == (
            without_host.status,
            without_host.body,
        )
    ):
        raise Problem("it responds as if for another host", _HOST_REMEDY)
    if reply.status != wanted.status:
        raise Problem(f"it responds with {reply.status}", remedy)
    media_type, wanted_type = (one.headers.get("content-type", "of no type") for one in (reply, wanted))
    if media_type.partition(";")[0].strip() != wanted_type.partition(";")[0]:
        raise Problem(f"its type is {visible(media_type, LONGEST_QUOTE)}, not {wanted_type}", remedy)
    if (coding := reply.headers.get("content-encoding", "identity")) != "identity":
        remedy = "let the web server compress only for clients that ask for it by Accept-Encoding"
        raise Problem(f"it is compressed ({visible(coding, LONGEST_QUOTE)}), which the request did not ask for", remedy)
    body, signature = _within_signature(reply.body)
    if body != wanted.body:
        raise Problem("the document differs from the one that the definition renders", remedy)
    _expect_private(reply, wanted)
    after = f", after {_times(len(reply.redirects))}" if reply.redirects else ""
    if signature:
        return Finding(signature.verdict, f"as the definition renders it{after}; {signature.text}", signature.remedy)
    return right(f"as the definition renders it{after}")


def _within_signature(body: bytes) -> tuple[bytes, Finding | None]:
    """Return a document, and what is found of its signature if it has one. Raises Problem."""
    if not cms.is_signed(body):
        return body, None
    signature, document = cms.check(body)
    return document, signature


def _expect_private(reply: Reply, wanted: Reply) -> None:
    if "no-store" in wanted.headers["cache-control"] and "no-store" not in reply.headers.get("cache-control", ""):
        remedy = "pass on the header Cache-Control: no-store, so that no cache gives one user's response to another"
        raise Problem("caches may store this response", remedy)


def _times(redirects: int) -> str:
    return "1 redirect" if redirects == 1 else f"{redirects} redirects"


def expect_upstream(reply: Reply) -> None:
    """Check that a reverse proxy has a server behind it. Raises Problem."""
    if reply.status in (502, 503, 504):
        remedy = "start bt-autoconfig, and let the reverse proxy connect to the address and port that it listens on"
        raise Problem(f"it responds with {reply.status}: the reverse proxy gets no response from the server", remedy)


def expect_redirect(reply: Reply, targets: Collection[str]) -> Finding:
    """Check the response to Outlook's request over http: a redirect to where it can post. Raises Problem."""
    expect_upstream(reply)
    location = visible(reply.headers.get("location", ""), LONGEST_QUOTE)
    if reply.status in OUTLOOK_FOLLOWS and location in targets:
        return right(f"redirects to {location}")
    remedy = (
        "respond over http on this host with a redirect (302) to the same URL over https, from this server or another"
    )
    if reply.status == 200 and b"responseschema" in reply.body:
        remedy = f"{_HOST_REMEDY}, and set X-Forwarded-Proto to the scheme of the request, http here"
        raise Problem("it responds with 200 with settings, not with a redirect", remedy)
    if reply.status in (303, 307, 308):
        remedy = "redirect with 302, not by a general redirect to https; deploy/ has it for Caddy and nginx"
        raise Problem(f"it redirects with {reply.status}; Outlook follows only 301 and 302", remedy)
    raise Problem(f"it responds with {reply.status} {location}".rstrip(), remedy)
