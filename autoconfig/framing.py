"""Bytes to requests: request heads and chunked bodies (RFC 9112, sections 2, 3 and 7.1)."""

import re
from urllib.parse import unquote

import httptools
from starlette.exceptions import HTTPException

from autoconfig.requests import CLOSE, Request, check_size, is_host, read_head

_ABSOLUTE = re.compile(rb"https?://([^/?]*)(/[^?]*)?(?:\?(.*))?", re.IGNORECASE)
"""A request target in absolute form (RFC 9112, section 3.2.2): authority, path, query."""
_VERSIONS = {b" HTTP/1.1": "1.1", b" HTTP/1.0": "1.0"}
_VERSION_LENGTH = len(b" HTTP/1.1")
_METHODS = {method.encode(): method for method in ("GET", "HEAD", "POST")}


class HeadParser:
    """Parses the request heads of one connection.

    `scheme` is http or https; `behind_proxy` says whether X-Forwarded-Proto comes from a trusted proxy.
    """

    def __init__(self, scheme: str, *, behind_proxy: bool) -> None:
        self.client_closes = False
        """Whether the client sends nothing after the last request."""
        self._scheme, self._behind_proxy = scheme, behind_proxy
        self._parser = httptools.HttpRequestParser(self)
        self._version = ""
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []

    def parse(self, head: bytes) -> Request:
        """Return a request without its body. `head` is whole, with the empty line at its end.

        Raises HTTPException or HttpParserError if the head is invalid: then nothing after it can be read.
        """
        if head.startswith((b"\r", b"\n")):
            raise HTTPException(400, "there are empty lines before the request", CLOSE)
        self._target, self._headers = b"", []
        parser = self._parser
        try:
            parser.feed_data(head)
            reusable = True
        except httptools.HttpParserUpgrade:
            reusable = False
        line_end = head.find(b"\r\n")
        # The parser also accepts versions of other protocols: RTSP/1.0, ICE/1.0.
        version = _VERSIONS.get(head[line_end - _VERSION_LENGTH : line_end])
        if version is None:
            raise HTTPException(505, "the HTTP version is not 1.1", CLOSE)
        method = parser.get_method()
        request = read_head(
            _METHODS.get(method) or method.decode(),
            self._scheme,
            *self._parse_target(),
            self._headers,
            version,
            behind_proxy=self._behind_proxy,
        )
        if request.body_length != 0 or not reusable:
            # The old parser would expect the body, which it never gets.
            self._parser = httptools.HttpRequestParser(self)
        self._version = version
        self.client_closes = self.client_closes or version == "1.0"
        return request

    def expects_continue(self) -> bool:
        """Return whether the client waits for 100 before it sends the body (RFC 9110, section 10.1.1)."""
        return self._version == "1.1" and any(
            name == b"expect" and value.lower() == b"100-continue" for name, value in self._headers
        )

    def release(self) -> None:
        """Drop the parser: it refers to this object, and only the garbage collector would free both, much later."""
        del self._parser

    def _parse_target(self) -> tuple[str, bytes]:
        """Return path and query. A host in the target replaces the Host header (RFC 9112, section 3.2.2)."""
        target = self._target
        if not target.isascii() or b"#" in target:
            raise HTTPException(400, "the request target is not a URL", CLOSE)
        if target.startswith(b"/"):
            path, _, query = target.partition(b"?")
        elif absolute := _ABSOLUTE.fullmatch(target):
            path, query = absolute[2] or b"/", absolute[3] or b""
            self._replace_host(absolute[1])
        elif target == b"*":
            path, query = target, b""
        else:
            raise HTTPException(400, "the request target is not a path", CLOSE)
        text = path.decode("ascii")
        return unquote(text) if "%" in text else text, query

    def _replace_host(self, authority: bytes) -> None:
        if not authority or authority.startswith(b":"):  # RFC 9110, section 4.2.1
            raise HTTPException(400, "the request target has no host", CLOSE)
        for name, value in self._headers:
            if name == b"host" and not is_host(value):
                raise HTTPException(400, "the Host header is not a hostname", CLOSE)
        self._headers = [(name, authority if name == b"host" else value) for name, value in self._headers]

    # httptools calls these.

    def on_url(self, url: bytes) -> None:
        """Add a part of the request target."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header."""
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Note whether the client sends nothing after this request; later the parser no longer knows."""
        self.client_closes = not self._parser.should_keep_alive()


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
