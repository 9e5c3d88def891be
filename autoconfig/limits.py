"""The gate in front of everything: a request's body comes in whole and small, or not at all."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from autoconfig.responses import plain_text

MAX_BODY = 64 * 1024
"""Bytes of a request's body. Outlook's requests have about 400."""
BODY_TIMEOUT = 10.0
"""Seconds from a request's head to the end of its body."""


class _TooLargeError(Exception):
    pass


class BodyLimit:
    """ASGI middleware: reads a request's body before the application sees the request, and hands it over whole.

    A body of more than `max_body` bytes, announced or not, is answered 413, one that takes longer than `timeout`
    seconds 408; the rest of it stays unread and the connection is closed.
    """

    def __init__(self, app: ASGIApp, max_body: int = MAX_BODY, timeout: float = BODY_TIMEOUT) -> None:
        self.app = app
        self.max_body = max_body
        self.timeout = timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse its body."""
        length = _body_length(scope)
        if length == 0:
            return await self.app(scope, receive, send)
        try:
            if length is not None and length > self.max_body:
                raise _TooLargeError
            async with asyncio.timeout(self.timeout):
                body = await self._read(receive)
        except _TooLargeError:
            refusal = plain_text(413, f"the body is larger than {self.max_body} bytes", {"Connection": "close"})
            return await refusal(scope, receive, send)
        except TimeoutError:
            refusal = plain_text(408, f"the body took longer than {self.timeout:g} seconds", {"Connection": "close"})
            return await refusal(scope, receive, send)
        if body is None:
            return None  # The client has gone; nobody waits for an answer.

        async def receive_whole() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        return await self.app(scope, receive_whole, send)

    async def _read(self, receive: Receive) -> bytes | None:
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            if len(body) > self.max_body:
                raise _TooLargeError
            if not message.get("more_body", False):
                return bytes(body)


def _body_length(scope: Scope) -> int | None:
    """Return how many bytes of body a request announces, None when it announces a body but not its length."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else None
        if name == b"transfer-encoding":
            return None
    return 0
