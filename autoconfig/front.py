"""The path of a request through the server.

A connection (connections.py), or any ASGI server, reads a request and calls `Front.respond`. It looks up the path in a
dictionary and calls the responder, which returns the response: this is the path of nearly all requests. Paths in
another letter case or with parameters, unknown paths and unsupported methods are matched one by one with Starlette's
path patterns. A response that takes time, such as a signed profile, is returned as an awaitable.
"""

import logging
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Protocol

from starlette.exceptions import HTTPException
from starlette.routing import compile_path
from starlette.types import Receive, Scope, Send

from autoconfig.directory import NotServedError
from autoconfig.observe import RequestRecord, record
from autoconfig.recognition import UndecidedError
from autoconfig.requests import Request, check_size, combine, read_head
from autoconfig.responses import Response, plain_text

logger = logging.getLogger(__name__)

Responder = Callable[[Request], Response | Awaitable[Response]]
"""A protocol's function from a request to its response. Raises HTTPException or NotServedError to refuse it."""
_MAX_LOOKUPS = 3
"""DNS lookups that a request can wait for."""
_MAX_WAIT = 3.0
"""Seconds that a request waits for them, all together."""
Report = Callable[[RequestRecord], None]


class Endpoint(NamedTuple):
    """A row of the table of routes; `name` is its name in metrics and logs."""

    name: str
    path: str
    responder: Responder
    methods: tuple[str, ...] = ("GET", "HEAD")
    any_case: bool = False
    """Whether clients request it in other letter cases too: /Autodiscover/, /AutoDiscover/."""

    def pattern(self) -> re.Pattern[str]:
        """Return a pattern that matches the path, with a group for each parameter."""
        pattern, _, _ = compile_path(self.path)
        return re.compile(pattern.pattern, re.IGNORECASE if self.any_case else 0)


class Handler(Protocol):
    """The interface of an application for connections."""

    draining: bool
    """Whether the server is about to shut down: connections close after their next response."""

    def respond(self, request: Request) -> Response | Awaitable[Response]:
        """Return the response to a request, or an awaitable if it takes time. Raises nothing."""

    def refuse(self, response: Response) -> Response:
        """Report and return the response to an incomplete or invalid request."""

    def evicted(self) -> None:
        """Report that a connection has been closed to make room for another one."""


class Front:
    """The application: the handler of our connections, and an ASGI application for any other server.

    It passes a record of each response to `report`, if given.
    """

    draining = False

    def __init__(self, endpoints: Sequence[Endpoint], report: Report | None = None) -> None:
        self._table = {
            (method, endpoint.path): endpoint
            for endpoint in endpoints
            for method in endpoint.methods
            if "{" not in endpoint.path
        }
        self._paths = {endpoint.path: endpoint for endpoint in endpoints if "{" not in endpoint.path}
        self._patterns = [
            (endpoint.pattern(), endpoint) for endpoint in endpoints if endpoint.any_case or "{" in endpoint.path
        ]
        self._report = report

    def respond(self, request: Request) -> Response | Awaitable[Response]:
        """Return the response to a request, or an awaitable if it takes time."""
        if self._report is None:
            return self._find_response(request)[1]
        start = time.perf_counter()
        route, response = self._find_response(request)
        if isinstance(response, Response):
            self._report(record(request, route, response, start))
            return response
        return self._reported(self._report, response, request, route, start)

    def refuse(self, response: Response) -> Response:
        """Report and return the response to an incomplete or invalid request."""
        if self._report is not None:
            self._report(RequestRecord("other", "connection", "none", response.status, "refused", 0))
        return response

    def evicted(self) -> None:
        """Report that a connection has been closed to make room for another one."""
        if self._report is not None:
            self._report(RequestRecord("other", "connection", "none", 0, "evicted", 0))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to a request of an ASGI server. WebSockets are refused."""
        if scope["type"] != "http":
            await _respond_without_http(scope["type"], receive, send)
            return
        try:
            # If mounted below a path, only the rest of the path is ours.
            path = scope["path"].removeprefix(scope.get("root_path", ""))
            version = scope.get("http_version", "1.1")
            query, headers = scope["query_string"], combine(scope["headers"])
            request = read_head(scope["method"], scope["scheme"], path, query, headers, version)
            if request.body_length != 0:
                request = request.with_body(await _read_body(receive))
        except HTTPException as error:
            response = self.refuse(refusal(error))
        except _ClientGoneError:
            return
        else:
            found = self.respond(request)
            response = found if isinstance(found, Response) else await found
        for message in response.messages():
            await send(message)

    def _find_response(self, request: Request) -> tuple[str, Response | Awaitable[Response]]:
        """Return the name of the route and the response."""
        route = "unknown"
        try:
            endpoint = self._table.get((request.method, request.path))
            if endpoint is None:
                endpoint, parameters = self._match(request.path)
                request = request._replace(parameters=parameters)
            route = endpoint.name
            if request.method not in endpoint.methods:
                allowed = ", ".join(endpoint.methods)
                raise HTTPException(405, f"this path accepts {allowed}", {"Allow": allowed})
            try:
                response = endpoint.responder(request)
            except UndecidedError as undecided:
                response = _settled(undecided, endpoint.responder, request)
            if not isinstance(response, Response):
                return route, _awaited(response, request)
            if request.if_none_match and request.method != "POST":
                response = response.for_client_with(request.if_none_match)
        except Exception as error:
            response = _response_to(error)
        return route, response

    def _match(self, path: str) -> tuple[Endpoint, dict[str, str]]:
        """Return the endpoint and parameters of a path that is not in the table. Raises HTTPException 404."""
        if path in self._paths:
            return self._paths[path], {}
        for pattern, endpoint in self._patterns:
            if match := pattern.match(path):
                return endpoint, match.groupdict()
        raise HTTPException(404, "there is nothing at this path")

    @staticmethod
    async def _reported(
        report: Report, pending: Awaitable[Response], request: Request, route: str, start: float
    ) -> Response:
        response = await pending
        report(record(request, route, response, start))
        return response


async def _settled(undecided: UndecidedError, respond: Responder, request: Request) -> Response:
    """Respond to a request after the DNS lookups it depends on: of the domain of its host, then of its address."""
    ends = time.monotonic() + _MAX_WAIT
    for _ in range(_MAX_LOOKUPS):
        await undecided.settle(max(0.0, ends - time.monotonic()))
        try:
            response = respond(request)
        except UndecidedError as error:
            undecided = error
        else:
            return response if isinstance(response, Response) else await response
    raise NotServedError("this is not served here")


async def _awaited(pending: Awaitable[Response], request: Request) -> Response:
    """Return a response that takes time."""
    try:
        response = await pending
    except Exception as error:
        return _response_to(error)
    if request.if_none_match and request.method != "POST":
        return response.for_client_with(request.if_none_match)
    return response


async def _respond_without_http(kind: str, receive: Receive, send: Send) -> None:
    """Handle the ASGI protocols lifespan (nothing to do) and websocket (refused). Ignore all others."""
    if kind == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1000})
    while kind == "lifespan":
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _read_body(receive: Receive) -> bytes:
    """Return the whole body of a request. Raises HTTPException 413 if it is too large."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _ClientGoneError
        body += bytes(message.get("body", b""))
        check_size(len(body))
        if not message.get("more_body", False):
            return body


class _ClientGoneError(Exception):
    """The client disconnected before its request was complete."""


def _response_to(error: Exception) -> Response:
    if isinstance(error, (HTTPException, NotServedError)):
        return refusal(error)
    logger.error("%s", place_of(error))
    return plain_text(500, "Internal Server Error")


def refusal(error: HTTPException | NotServedError) -> Response:
    """Return the response for an error."""
    if isinstance(error, HTTPException):
        return plain_text(error.status_code, error.detail, error.headers)
    return plain_text(404, str(error))


def place_of(error: BaseException) -> str:
    """Return an error's kind and place without its message, which may quote a request."""
    place = error.__traceback__
    while place and place.tb_next:
        place = place.tb_next
    file, line = (place.tb_frame.f_code.co_filename, place.tb_lineno) if place else ("?", 0)
    return f"{type(error).__name__} at {file}:{line}"
