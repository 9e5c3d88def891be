"""Parses bytes into requests: request heads and chunked bodies (RFC 9112, sections 2, 3 and 7.1)."""

import re
from urllib.parse import unquote

from starlette.exceptions import HTTPException

from autoconfig.requests import CLOSE, HEADER_NAMES, Request, check_size, combine, is_host, read_head

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_LINE = rb"[^\x00-\x08\x0a-\x1f\x7f]*+\r\n"
"""The rest of a line: printable bytes, spaces and tabs."""

_HEAD = re.compile(
    rb"(%b) (?:(/[!-\"$->@-~]*+)(?:\?([!-\"$-~]*+))?|(\S++)) HTTP/1\.([01])\r\n(?:%b:%b)*+\r\n"
    % (_TOKEN, _TOKEN, _LINE)
)
"""A request head (RFC 9112, sections 3 and 5). Groups: the method, the path and query or a target in another form, and
the minor version. A header on several lines (section 5.2) is invalid."""
_HEADERS = re.compile(rb"\r\n(%b):[ \t]*+([^\r]*)" % b"|".join(HEADER_NAMES), re.IGNORECASE)
"""The headers that the server reads, in a valid head."""
_ABSOLUTE = re.compile(rb"https?://([^/?]*)(/[^?]*)?(?:\?(.*))?", re.IGNORECASE)
"""A request target in absolute form (RFC 9112, section 3.2.2): authority, path, query."""
_OTHER_VERSION = re.compile(rb"%b \S++ (?!HTTP/1\.[01]\r)[A-Z]++/[0-9]++\.[0-9]++\r\n" % _TOKEN)
_METHODS = {method.encode(): method for method in ("GET", "HEAD", "POST")}


def parse_head(head: bytes, *, behind_proxy: bool) -> Request:
    """Return a request without its body.

    `head` is whole, with the empty line at its end. The scheme is http, or that in X-Forwarded-Proto if the request
    comes from a trusted proxy (`behind_proxy`). Raises HTTPException 400, 413, 501 or 505 if the head is invalid: then
    nothing after it can be read.
    """
    found = _HEAD.fullmatch(head)
    if found is None:
        raise _error(head)
    method, path, query, target, minor_version = found.groups()
    lines = _HEADERS.findall(head)
    headers = {name.lower(): value.rstrip(b" \t") for name, value in lines}
    if len(headers) != len(lines):
        headers = combine((name.lower(), value.rstrip(b" \t")) for name, value in lines)
    if target is not None:
        path, query = _parse_target(target, headers)
    text = path.decode("ascii")
    return read_head(
        _METHODS.get(method) or method.decode("ascii"),
        "http",
        unquote(text) if "%" in text else text,
        query or b"",
        headers,
        "1.1" if minor_version == b"1" else "1.0",
        behind_proxy=behind_proxy,
    )


def _error(head: bytes) -> HTTPException:
    """Return the error for an invalid head."""
    if head.startswith((b"\r", b"\n")):
        return HTTPException(400, "there are empty lines before the request", CLOSE)
    if _OTHER_VERSION.match(head):
        return HTTPException(505, "the HTTP version is not 1.1", CLOSE)
    return HTTPException(400, "this is not an HTTP request", CLOSE)


def _parse_target(target: bytes, headers: dict[bytes, bytes]) -> tuple[bytes, bytes]:
    """Return path and query for a target that is not a path.

    A host in the target replaces the one in `headers` (RFC 9112, section 3.2.2).
    """
    if not target.isascii() or b"#" in target:
        raise HTTPException(400, "the request target is not a URL", CLOSE)
    if target == b"*":
        return target, b""
    absolute = _ABSOLUTE.fullmatch(target)
    if not absolute:
        raise HTTPException(400, "the request target is not a path", CLOSE)
    authority = absolute[1]
    if not authority or authority.startswith(b":"):  # RFC 9110, section 4.2.1
        raise HTTPException(400, "the request target has no host", CLOSE)
    if b"host" in headers:
        if not is_host(headers[b"host"]):
            raise HTTPException(400, "the Host header is not a hostname", CLOSE)
        headers[b"host"] = authority
    return absolute[2] or b"/", absolute[3] or b""


class ChunkedBody:
    """A chunked body (RFC 9112, section 7.1).

    Chunk sizes, extensions and trailers together have at most `max_framing` bytes; the body at most MAX_BODY. A chunk
    that would make it longer is refused when its size arrives, before its content.
    """

    _SIZE = re.compile(rb"([0-9A-Fa-f]+)[ \t]*(?:;[^\x00-\x08\x0a-\x1f\x7f]*)?\r\n")
    _TRAILER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[^\x00-\x08\x0a-\x1f\x7f]*\r\n")
    _NOT_IN_TRAILERS = (b"content-length", b"transfer-encoding")
    """Headers that say where the body ends (RFC 9110, section 6.5.1)."""

    def __init__(self, max_framing: int) -> None:
        self._max_framing = max_framing
        self._framing = 0
        self._line = b""
        """The beginning of a line."""
        self._body = bytearray()
        self._missing = 0
        """Bytes of the current chunk that have not arrived."""
        self._in_trailers = False
        self._after_chunk = False
        """Whether the line break after a chunk is next."""

    def feed(self, data: bytes) -> bytes | None:
        """Return the body if `data` completes it, else None; bytes after its end are ignored.

        Raises HTTPException 400, 413 or 431.
        """
        at = 0
        while at < len(data):
            if self._missing:
                content = data[at : at + self._missing]
                self._body += content
                self._missing -= len(content)
                at += len(content)
                continue
            end = data.find(b"\n", at) + 1
            part = data[at : end or len(data)]
            self._framing += len(part)
            if self._framing > self._max_framing:
                raise HTTPException(431, "the chunk sizes, extensions and trailers are too large", CLOSE)
            self._line += part
            at += len(part)
            if end:
                line, self._line = self._line, b""
                if self._read_line(line):
                    return bytes(self._body)
        return None

    def _read_line(self, line: bytes) -> bool:
        """Read a line with its end; return whether the body is complete."""
        if self._after_chunk:
            valid = line == b"\r\n"
            self._after_chunk = False
        elif self._in_trailers:
            if line == b"\r\n":
                return True
            trailer = self._TRAILER.fullmatch(line)
            valid = trailer is not None and trailer[1].lower() not in self._NOT_IN_TRAILERS
        else:
            found = self._SIZE.fullmatch(line)
            valid = found is not None
            self._missing = int(found[1], 16) if found else 0
            check_size(len(self._body) + self._missing)
            self._in_trailers = not self._missing
            self._after_chunk = not self._in_trailers
        if not valid:
            raise HTTPException(400, "the chunks of the body are invalid", CLOSE)
        return False
