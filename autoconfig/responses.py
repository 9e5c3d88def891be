"""Responses. Everything that does not depend on the request is prepared when the response is created."""

import hashlib
from collections.abc import Mapping
from functools import cached_property
from http import HTTPStatus

from starlette.types import Message

Headers = list[tuple[bytes, bytes]]
"""Names in lower case, and values."""

_INERT = {"Content-Security-Policy": "default-src 'none'; sandbox"}
"""For XML, which a browser may display: it has the same origin as the setup page."""


class ResponseKind:
    """What responses of one kind have in common.

    `media_type` is the body's; text is UTF-8. `headers` must include Cache-Control. `refusal` counts the response as
    refused in the metrics, regardless of its status.
    """

    def __init__(
        self, media_type: str, headers: Mapping[str, str], status: int = 200, *, refusal: bool = False
    ) -> None:
        self.refusal = refusal
        if media_type == "text/xml":
            headers = _INERT | dict(headers)
        if media_type.startswith("text/"):
            media_type += "; charset=utf-8"
        self.status = status
        self.headers = _encoded({"Content-Type": media_type, "X-Content-Type-Options": "nosniff", **headers})
        self.lines = _lines(self.headers)
        """The headers as sent over HTTP/1.1."""
        self.status_line = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode()
        """The first line of a response, with its line break."""
        self.closes = (b"connection", b"close") in self.headers
        """Whether the headers say that the connection is closed after the response."""


class Response:
    """A response to a request."""

    def __init__(self, kind: ResponseKind, body: bytes) -> None:
        self.kind = kind
        self.body = body

    @property
    def status(self) -> int:
        """The status code."""
        return self.kind.status

    @property
    def refused(self) -> bool:
        """Whether the metrics count the request as refused."""
        return self.kind.refusal or self.kind.status >= 400

    def for_client_with(self, if_none_match: bytes) -> "Response":  # noqa: ARG002 - no entity tag
        """Return the response for a client that sent this If-None-Match header."""
        return self

    def messages(self) -> tuple[Message, Message]:
        """Return the response as ASGI messages."""
        headers = [*self.kind.headers, *self._length()]
        return (
            {"type": "http.response.start", "status": self.status, "headers": headers},
            {"type": "http.response.body", "body": self.body},
        )

    def header_lines(self) -> bytes:
        """Return the headers as sent over HTTP/1.1, without Date and Connection."""
        return b"%bcontent-length: %d\r\n" % (self.kind.lines, len(self.body))

    def after_date(self) -> bytes:
        """Return the bytes after the status line and the Date header: the other headers and the body."""
        return b"%bcontent-length: %d\r\n\r\n%b" % (self.kind.lines, len(self.body), self.body)

    def _length(self) -> Headers:
        return [(b"content-length", b"%d" % len(self.body))]


class StaticResponse(Response):
    """A response that is the same for every client, with an entity tag, or 304 (RFC 9110, section 13.1.2)."""

    def __init__(self, body: bytes, media_type: str, headers: Mapping[str, str]) -> None:
        etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        super().__init__(ResponseKind(media_type, {"ETag": etag, **headers}), body)
        self._etag = etag.encode()
        self._not_modified = _NotModified({"ETag": etag, **headers})

    def for_client_with(self, if_none_match: bytes) -> Response:
        """Return 304 if the client already has this response."""
        # The tag is quoted and unique: anywhere in the list, weak or strong, it means this response.
        return self._not_modified if self._etag in if_none_match or if_none_match == b"*" else self

    def after_date(self) -> bytes:
        """Return the bytes after the status line and the Date header."""
        return self._after_date

    @cached_property
    def _after_date(self) -> bytes:
        return super().after_date()


class _NotModified(Response):
    """304: without a body, and so without its length."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        kind = ResponseKind("", {}, 304)
        kind.headers = _encoded(headers)
        kind.lines = _lines(kind.headers)
        super().__init__(kind, b"")

    def header_lines(self) -> bytes:
        return self.kind.lines

    def after_date(self) -> bytes:
        return self.kind.lines + b"\r\n"

    def _length(self) -> Headers:
        return []


def plain_text(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return an error as one line of text, which contains no part of the request.

    Any web page may read it; no cache stores it.
    """
    open_to_all = {"Cache-Control": "no-store", "Access-Control-Allow-Origin": "*"}
    return Response(ResponseKind("text/plain", open_to_all | dict(headers or {}), status), f"{text}\n".encode())


def _encoded(headers: Mapping[str, str]) -> Headers:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


def _lines(headers: Headers) -> bytes:
    return b"".join(b"%b: %b\r\n" % header for header in headers)
