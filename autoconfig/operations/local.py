"""The responses that this program would give, from the application itself, without a network."""

from typing import Self
from urllib.parse import urlsplit

import httpx
from starlette.types import ASGIApp

from autoconfig.operations.http import Request, Response


class Local:
    """Sends requests to the application, as `Web` sends them to servers."""

    def __init__(self, app: ASGIApp) -> None:
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(app))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def fetch(self, request: Request, host: str = "") -> Response:
        """Return the response to a request. `host` is the Host header, by default the URL's host."""
        headers = {"Host": host or urlsplit(request.url).hostname or ""}
        method = "GET" if request.body is None else "POST"
        response = await self._client.request(method, request.url, content=request.body, headers=headers)
        return Response(response.status_code, response.headers, response.content, (request.url,))
