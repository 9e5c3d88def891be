"""The server's responses without a server: this calls the application itself."""

from typing import Self
from urllib.parse import urlsplit

import httpx
from starlette.types import ASGIApp

from autoconfig.operations.web import Question, Reply


class Local:
    """Sends requests to the application as `Web` does to a server."""

    def __init__(self, app: ASGIApp) -> None:
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(app))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def ask(self, question: Question, host: str = "") -> Reply:
        """Return the response to a request. `host` is the Host header, by default the URL's host."""
        headers = {"Host": host or urlsplit(question.url).hostname or ""}
        method = "GET" if question.body is None else "POST"
        response = await self._client.request(method, question.url, content=question.body, headers=headers)
        return Reply(response.status_code, response.headers, response.content, (question.url,))
