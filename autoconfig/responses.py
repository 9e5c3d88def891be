"""What is answered. An answer is made of the messages that ASGI wants, so that sending it costs nothing more."""

import hashlib
from collections.abc import Mapping

from starlette.types import Message

Messages = tuple[Message, Message]


class ResponseKind:
    """What answers of one kind have in common.

    `media_type` is that of the body; text is UTF-8. `headers` must say what caches may do with it, Cache-Control.
    `refusal` tells who counts answers that this one refuses what was asked, whatever its status.
    """

    def __init__(
        self, media_type: str, headers: Mapping[str, str], status: int = 200, *, refusal: bool = False
    ) -> None:
        self.refusal = refusal
        if media_type.startswith("text/"):
            media_type += "; charset=utf-8"
        self.status = status
        self.headers = _encoded({"Content-Type": media_type, "X-Content-Type-Options": "nosniff", **headers})


class Response:
    """An answer to a request."""

    def __init__(self, kind: ResponseKind, body: bytes) -> None:
        headers = [*kind.headers, (b"content-length", b"%d" % len(body))]
        self._messages: Messages = (
            {"type": "http.response.start", "status": kind.status, "headers": headers, "refused": kind.refusal},
            {"type": "http.response.body", "body": body},
        )

    def messages(self, known: bytes = b"") -> Messages:  # noqa: ARG002 - nothing of it is ever known
        """Return what ASGI is to send. `known` is the If-None-Match of who asked."""
        return self._messages


class StaticResponse(Response):
    """An answer that is settled at start, for all who ask: it has an entity tag, and a 304 twin (RFC 9110, 13.1.2)."""

    def __init__(self, body: bytes, media_type: str, headers: Mapping[str, str]) -> None:
        etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        headers = {"ETag": etag, **headers}
        super().__init__(ResponseKind(media_type, headers), body)
        self._etag = etag.encode()
        self._not_modified: Messages = (
            {"type": "http.response.start", "status": 304, "headers": _encoded(headers)},
            {"type": "http.response.body"},
        )

    def messages(self, known: bytes = b"") -> Messages:
        """Return what ASGI is to send: the whole, or that the client has it already."""
        # An entity tag is quoted and of our making: wherever it stands in the list, weak or strong, it is this one.
        if known and (self._etag in known or known == b"*"):
            return self._not_modified
        return self._messages


def plain_text(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return an error for a person or a log to read: one line of text, nothing of the request in it.

    So any web page may read it, and no cache keeps it.
    """
    open_to_all = {"Cache-Control": "no-store", "Access-Control-Allow-Origin": "*"}
    return Response(ResponseKind("text/plain", open_to_all | dict(headers or {}), status), f"{text}\n".encode())


def _encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
