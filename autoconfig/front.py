"""What every request passes first, and where most end.

The head is read once; the body comes in whole and small, or not at all. Then the path is looked up in a dictionary,
and what stands there answers: that is how nearly all requests go. Paths in other spellings or with parameters, unknown
paths and wrong methods take the way through Starlette's router.
"""

import logging
from collections.abc import Callable, Mapping

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from autoconfig.directory import NotServedError
from autoconfig.requests import Request, read_head
from autoconfig.responses import Response, plain_text

MAX_BODY = 64 * 1024
"""Bytes of a request's body. Outlook's requests have about 400."""

logger = logging.getLogger(__name__)

Responder = Callable[[Request], Response]
"""What a protocol is: from what is asked to what is answered. Raises HTTPException or NotServedError to refuse."""


class Front:
    """ASGI application: `responders` by method and path, `app` for everything else."""

    def __init__(self, responders: Mapping[tuple[str, str], Responder], app: ASGIApp, max_body: int = MAX_BODY) -> None:
        self._responders = responders
        self._app = app
        self._max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        request = read_head(scope)
        try:
            if request.body_length != 0:
                request = request._replace(body=await self._read_body(request, receive))
            responder = self._responders.get((request.method, scope["path"]))
            if responder is None:
                # Where there is an app to catch it, the router raises that it knows no such path or method.
                scope.update({_REQUEST: request, "app": self})
                await self._app(scope, receive, send)
                return
            response = responder(request)
        except (HTTPException, NotServedError) as error:
            response = refusal(error)
        except _GoneError:
            return
        except Exception as error:
            logger.error("%s", place_of(error))
            response = plain_text(500, "Internal Server Error")
        start, end = response.messages(request.known)
        await send(start)
        await send(end)

    async def _read_body(self, request: Request, receive: Receive) -> bytes:
        """Return the whole body; that it comes soon, the connection sees to.

        A refusal leaves the rest of it unread, so the connection is closed.
        """
        self._check_size(request.body_length or 0)
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _GoneError
            body += bytes(message.get("body", b""))
            self._check_size(len(body))
            if not message.get("more_body", False):
                return body

    def _check_size(self, size: int) -> None:
        if size > self._max_body:
            raise HTTPException(413, f"the body is larger than {self._max_body} bytes", _CLOSE)


_REQUEST = "autoconfig.request"
_CLOSE = {"Connection": "close"}


class _GoneError(Exception):
    """The client has gone in the middle; nobody waits for an answer."""


class Endpoint:
    """ASGI application for a route of Starlette's, behind the front: a responder."""

    def __init__(self, responder: Responder) -> None:
        self.responder = responder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - the front has read it
        """Answer a request."""
        request: Request = scope[_REQUEST]._replace(path=scope["path_params"])
        for message in self.responder(request).messages(request.known):
            await send(message)


def refusal(error: Exception) -> Response:
    """Return the answer that an HTTPException or a NotServedError stands for."""
    if isinstance(error, HTTPException):
        return plain_text(error.status_code, error.detail, error.headers)
    return plain_text(404, str(error))


def place_of(error: BaseException) -> str:
    """Return an error's kind and place, nothing of its own words: they may be a request's."""
    place = error.__traceback__
    while place and place.tb_next:
        place = place.tb_next
    file, line = (place.tb_frame.f_code.co_filename, place.tb_lineno) if place else ("?", 0)
    return f"{type(error).__name__} at {file}:{line}"
