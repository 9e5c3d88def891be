"""Requests: head, body, and the fields of a query string or form."""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import islice
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from starlette.exceptions import HTTPException

from autoconfig.address import PLAIN_DOMAIN, PLAIN_LOCAL, UNPRINTABLE, AddressError, MailAddress

FORM = b"application/x-www-form-urlencoded"
MAX_BODY = 64 * 1024
"""Maximum bytes of a request body. Outlook's have about 400."""
CLOSE = {"Connection": "close"}
"""Headers of a response after which the connection is closed."""

# RFC 3986, sections 3.2.2 and 3.2.3: host and port; the Host header has them (RFC 9112, section 3.2).
_HOST = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=%-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?")
_MAX_LENGTH_DIGITS = 15

Headers = Iterable[tuple[bytes, bytes]]
"""Names in lower case, and values."""
HEADER_NAMES = (
    b"host",
    b"content-length",
    b"content-type",
    b"transfer-encoding",
    b"connection",
    b"expect",
    b"if-none-match",
    b"user-agent",
    b"accept-language",
    b"x-forwarded-proto",
)
"""The headers that `read_head` uses."""


class Request(NamedTuple):
    """The parts of a request that protocols need. `Authorization` is left out: it may contain a password."""

    method: str
    scheme: str
    """http or https."""
    query: bytes
    host: bytes
    """The Host header, unverified; empty if there is none."""
    if_none_match: bytes
    content_type: bytes
    body_length: int | None
    """Announced length of the body in bytes; None for a chunked body."""
    user_agent: bytes = b""
    body: bytes = b""
    path: str = "/"
    """The path, percent-decoded."""
    parameters: dict[str, Any] = {}  # noqa: RUF012 - never written to
    """Values of the path's parameters."""
    accept_language: bytes = b""
    is_last: bool = False
    """Whether the client sends no other request on its connection."""
    expects_continue: bool = False
    """Whether the client waits for 100 before it sends the body (RFC 9110, section 10.1.1)."""

    def with_body(self, body: bytes) -> "Request":
        """Return the request with its body; much faster than _replace."""
        return Request(*self[:8], body, *self[9:])


def read_head(
    method: str,
    scheme: str,
    path: str,
    query: bytes,
    headers: Mapping[bytes, bytes],
    version: str = "1.1",
    *,
    behind_proxy: bool = False,
) -> Request:
    """Return a request without its body. `headers` must include those of HEADER_NAMES, `version` is the HTTP version.

    `behind_proxy` says whether X-Forwarded-Proto comes from a trusted proxy. An empty Host header is valid: load
    balancers' probes send it, and RFC 9112, section 3.3, leaves the default to the server.

    Raises HTTPException (section numbers are of RFC 9112):

    - 400 if there is no Host header or more than one (3.2), or if the body's length is ambiguous (6.3)
    - 413 if the body is larger than MAX_BODY
    - 501 for a transfer coding other than chunked (6.1)
    """
    host = headers.get(b"host")
    if host is None:
        if version == "1.1":
            raise HTTPException(400, "the request has no Host header", CLOSE)
        host = b""
    elif not _HOST.fullmatch(host):
        raise HTTPException(400, "the Host header is not a hostname", CLOSE)
    if behind_proxy and (forwarded := headers.get(b"x-forwarded-proto")) in (b"http", b"https"):
        scheme = forwarded.decode()
    length, coding = headers.get(b"content-length"), headers.get(b"transfer-encoding")
    return Request(
        method,
        scheme,
        query,
        host,
        headers.get(b"if-none-match", b""),
        headers.get(b"content-type", FORM),
        0 if length is None and coding is None else _body_length(length, coding, version),
        headers.get(b"user-agent", b""),
        b"",
        path,
        {},
        headers.get(b"accept-language", b""),
        method == "CONNECT"
        or version == "1.0"
        or (b"connection" in headers and _CLOSE_OPTION.search(headers[b"connection"]) is not None),
        version == "1.1" and b"expect" in headers and headers[b"expect"].lower() == b"100-continue",
    )


def is_host(value: bytes) -> bool:
    """Return whether a Host header's value is valid (RFC 9112, section 3.2); it may be empty."""
    return _HOST.fullmatch(value) is not None


_ONCE = (b"host", b"content-length", b"transfer-encoding")
"""Headers that must not be repeated: two readers could each use a different one."""
_CLOSE_OPTION = re.compile(rb"(?:^|,)[ \t]*close[ \t]*(?:,|$)", re.IGNORECASE)
"""In a Connection header (RFC 9112, section 9.6)."""


def combine(headers: Headers) -> dict[bytes, bytes]:
    """Return headers with the values of repeated ones combined (RFC 9110, section 5.3).

    Raises HTTPException 400 for a repeated header that must not be repeated.
    """
    combined: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in combined and name in _ONCE:
            raise HTTPException(400, f"there are two {name.decode().title()} headers", CLOSE)
        combined[name] = combined[name] + b", " + value if name in combined else value
    return combined


def _body_length(length: bytes | None, coding: bytes | None, version: str) -> int | None:
    """Return the announced bytes of the body; None if it is chunked."""
    if coding is not None:
        codings = [one.strip(b" \t").lower() for one in coding.split(b",")]
        if length is not None or version == "1.0" or codings[-1] != b"chunked":
            raise HTTPException(400, "the length of the body is ambiguous", CLOSE)
        if len(codings) > 1:
            raise HTTPException(501, "the only supported transfer coding is chunked", CLOSE)
        return None
    length = (length or b"").strip(b" \t")
    if not length.isdigit():
        raise HTTPException(400, "the Content-Length header is not a number", CLOSE)
    size = int(length[-_MAX_LENGTH_DIGITS:]) if len(length.lstrip(b"0")) <= _MAX_LENGTH_DIGITS else MAX_BODY + 1
    check_size(size)
    return size


def check_size(size: int) -> None:
    """Raise HTTPException 413 if a body is larger than MAX_BODY."""
    if size > MAX_BODY:
        raise HTTPException(413, f"the body is larger than {MAX_BODY} bytes", CLOSE)


_PLAIN_QUERY = re.compile(rb"emailaddress=(%b)(?:@|%%40)(%b)" % (PLAIN_LOCAL, PLAIN_DOMAIN))
_PLAIN_FORM = re.compile(rb"emailaddress=([A-Za-z0-9._-]{1,64})%%40(%b)" % PLAIN_DOMAIN)


def _plain(request: Request) -> re.Match[bytes] | None:
    if request.method != "POST":
        return _PLAIN_QUERY.fullmatch(request.query)
    # In forms, + is a space.
    return _PLAIN_FORM.fullmatch(request.body) if request.content_type == FORM else None


def plain_address(request: Request) -> MailAddress | None:
    """Return the address of a query or form that contains only a plain address, as nearly all do.

    The address is certainly valid only if its domain is known; for any other domain, read the request with Fields.
    """
    plain = _plain(request)
    return MailAddress(plain[1].decode(), plain[2].decode()) if plain else None


def plain_domain(request: Request) -> str | None:
    """Return the domain of the address that `plain_address` returns."""
    plain = _plain(request)
    return plain[2].decode() if plain else None


_MAX_VALUE = 8 * 1024
"""Maximum bytes of an encoded field. The longest valid one is a name of 256 characters, 12 bytes each."""


@cache
def _field(name: str) -> re.Pattern[bytes]:
    """Return a pattern for the non-empty values of a field, in lower-case text.

    It begins with fixed text, which `re` searches for quickly: 64 KiB of separators take microseconds.
    """
    prefix = name.lower().encode() + b"="
    return re.compile(prefix + rb"(?<![^&]" + prefix + rb")([^&]+)")


class Fields:
    """The fields of a query string or form. Their names are case-insensitive.

    Every error is an HTTPException with status 400 that names the field and does not quote its value.
    """

    def __init__(self, encoded: bytes, *, form: bool = False) -> None:
        self._encoded, self._lower = encoded, encoded.lower()
        self._form = form

    @classmethod
    def of(cls, request: Request) -> "Fields":
        """Return the fields of a POSTed form, or else of the query string.

        Raises HTTPException 415 if a POSTed body is not application/x-www-form-urlencoded.
        """
        if request.method != "POST":
            return cls(request.query)
        if request.content_type.partition(b";")[0].strip().lower() != FORM:
            raise HTTPException(415, f"the body is not {FORM.decode()}")
        return cls(request.body, form=True)

    def text(self, name: str, plus: bytes = b" ") -> str | None:
        """Return a field's text; None if it is missing or empty. `plus` replaces an unencoded +."""
        match [self._encoded[slice(*found.span(1))] for found in islice(_field(name).finditer(self._lower), 2)]:
            case []:
                return None
            case [value]:
                pass
            case _:
                raise HTTPException(400, f"{name} is given twice")
        if len(value) > _MAX_VALUE:
            raise HTTPException(400, f"{name} is too long")
        try:
            text = unquote_to_bytes(value.replace(b"+", plus)).decode()
        except UnicodeDecodeError as error:
            raise HTTPException(400, f"{name} is not UTF-8") from error
        return text.strip(" ") or None

    def line(self, name: str, max_length: int) -> str | None:
        """Return a field that is one line of at most `max_length` characters."""
        text = self.text(name)
        if text and len(text) > max_length:
            raise HTTPException(400, f"{name} is longer than {max_length} characters")
        if text and UNPRINTABLE.search(text):
            raise HTTPException(400, f"{name} has a control character in it")
        return text

    def address(self, name: str = "emailaddress") -> MailAddress | None:
        """Return a field that is an email address; None if it is missing or empty.

        Mail clients do not encode a + in an address (seen in practice); browsers send %2B. In forms, browsers send
        spaces as +; clients' queries contain no spaces.
        """
        text = self.text(name, plus=b" " if self._form else b"+")
        try:
            return None if text is None else MailAddress.parse(text)
        except AddressError as error:
            raise HTTPException(400, f"{name} {error}") from error
