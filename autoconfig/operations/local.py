"""What the definitions answer, without a server: the application itself is asked."""

from typing import Self
from urllib.parse import urlsplit

import httpx
from starlette.types import ASGIApp

from autoconfig.operations.web import Question, Reply


class Local:
    """Asks the application as the web asks a server."""

    def __init__(self, app: ASGIApp) -> None:
        self._client = httpx.AsyncClient(transport=httpx.ASGITransport(app))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def ask(self, question: Question) -> Reply:
        """Return the answer to a question."""
        headers = {"Host": urlsplit(question.url).hostname or ""}
        method = "GET" if question.body is None else "POST"
        response = await self._client.request(method, question.url, content=question.body, headers=headers)
        return Reply(response.status_code, response.headers, response.content, (question.url,))
