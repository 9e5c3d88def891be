import asyncio

import pytest
from starlette.types import Message

from autoconfig.front import Front
from autoconfig.requests import Request
from autoconfig.responses import Response, ResponseKind


def echo(asked: Request) -> Response:
    return Response(ResponseKind("text/plain", {}), asked.body)


async def router(*_: object) -> None:
    raise AssertionError("not reached")


def ask(headers: list[tuple[bytes, bytes]], messages: list[Message]) -> list[Message]:
    """Send a request through a limit of 10 bytes."""
    sent: list[Message] = []

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "scheme": "http", "path": "/", "query_string": b"", "headers": headers}
    asyncio.run(Front({("POST", "/"): echo}, router, max_body=10)(scope, receive, send))
    return sent


CHUNKED = [(b"transfer-encoding", b"chunked")]


def test_a_body_arrives_whole_however_it_came() -> None:
    parts: list[Message] = [
        {"type": "http.request", "body": b"01234", "more_body": True},
        {"type": "http.request", "body": b"56789", "more_body": False},
    ]
    assert ask(CHUNKED, parts)[1]["body"] == b"0123456789"


def test_a_body_that_is_announced_too_large_is_refused_unread() -> None:
    messages: list[Message] = [{"type": "http.request", "body": b"x"}]
    assert ask([(b"content-length", b"11")], messages)[0]["status"] == 413
    assert len(messages) == 1


def test_a_body_that_grows_too_large_is_refused_as_soon_as_it_is() -> None:
    piece = {"type": "http.request", "body": b"012345", "more_body": True}
    messages: list[Message] = [piece, piece, piece]
    assert ask(CHUNKED, messages)[0]["status"] == 413
    assert len(messages) == 1


def test_a_client_that_has_gone_gets_no_answer() -> None:
    assert ask(CHUNKED, [{"type": "http.disconnect"}]) == []


@pytest.mark.parametrize("length", [b"-1", b"x", b""])
def test_a_length_that_is_no_number_does_not_open_the_gate(length: bytes) -> None:
    body: list[Message] = [{"type": "http.request", "body": b"0" * 11, "more_body": False}]
    assert ask([(b"content-length", length)], body)[0]["status"] == 413
