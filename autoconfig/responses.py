"""What the protocols answer with."""

import hashlib
from collections.abc import Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

_ALWAYS = {"X-Content-Type-Options": "nosniff"}


def response(body: bytes, media_type: str, headers: Mapping[str, str], status: int = 200) -> Response:
    """Return an answer. `headers` must say what caches may do with it: Cache-Control."""
    return Response(body, status, _ALWAYS | dict(headers), media_type)


def plain_text(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return an error for a person or a log to read: one line of text, nothing of the request in it.

    So any web page may read it, and no cache keeps it.
    """
    open_to_all = {"Cache-Control": "no-store", "Access-Control-Allow-Origin": "*"}
    return response(f"{text}\n".encode(), "text/plain", open_to_all | dict(headers or {}), status)


class StaticResponse:
    """ASGI application: always the same bytes, settled at start, or their 304 twin (RFC 9110, section 13.1.2)."""

    def __init__(self, body: bytes, media_type: str, headers: Mapping[str, str]) -> None:
        etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        headers = {"ETag": etag, **headers}
        self._etag = etag.encode()
        self._full = response(body, media_type, headers)
        self._not_modified = Response(status_code=304, headers=_ALWAYS | headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the bytes, or that the client has them already."""
        known = next((value for name, value in scope["headers"] if name == b"if-none-match"), b"")
        # An entity tag is quoted and of our making: wherever it stands in the list, weak or strong, it is this one.
        matches = self._etag in known or known == b"*"
        await (self._not_modified if matches else self._full)(scope, receive, send)
