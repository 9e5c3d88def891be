import asyncio
import re
from collections.abc import Awaitable

import pytest
from starlette.types import Message

from autoconfig.front import Endpoint, Front, place_of
from autoconfig.observe import RequestRecord
from autoconfig.recognition import UndecidedError
from autoconfig.requests import MAX_BODY, Request
from autoconfig.responses import Response, ResponseKind, StaticResponse


def echo(request: Request) -> Response:
    return Response(ResponseKind("text/plain", {}), request.body)


def name_of(request: Request) -> Response:
    return Response(ResponseKind("text/plain", {}), request.parameters["name"].encode())


def fixed(_: Request) -> Response:
    return StaticResponse(b"fixed", "text/plain", {})


def later(request: Request) -> Awaitable[Response]:
    async def respond() -> Response:
        await asyncio.sleep(0)
        return fixed(request)

    return respond()


def broken_later(_: Request) -> Awaitable[Response]:
    async def respond() -> Response:
        await asyncio.sleep(0)
        raise ZeroDivisionError

    return respond()


ENDPOINTS = [
    Endpoint("echo", "/", echo, ("GET", "HEAD", "POST")),
    Endpoint("fixed", "/fixed", fixed),
    Endpoint("form", "/form", fixed, ("POST",)),
    Endpoint("later", "/later", later, ("GET", "HEAD", "POST")),
    Endpoint("broken later", "/broken", broken_later),
    Endpoint("any case", "/Any", fixed, any_case=True),
    Endpoint("name", "/Name/{name}", name_of, any_case=True),
    Endpoint("exact name", "/exact/{name}", name_of),
]
HOST = (b"host", b"example.com")


def send_request(
    path: str = "/",
    method: str = "GET",
    headers: list[tuple[bytes, bytes]] | None = None,
    messages: list[Message] | None = None,
    records: list[RequestRecord] | None = None,
    **scope: str,
) -> list[Message]:
    """Send a request, `scope` being more of its ASGI scope; return the messages of its response."""
    waiting = messages or []
    sent: list[Message] = []

    async def receive() -> Message:
        return waiting.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [HOST] if headers is None else headers
    request = {
        "type": "http",
        "method": method,
        "scheme": "http",
        "path": path,
        "query_string": b"",
        "headers": headers,
    }
    front = Front(ENDPOINTS, records.append if records is not None else None)
    asyncio.run(front(request | scope, receive, send))
    return sent


CHUNKED = [HOST, (b"transfer-encoding", b"chunked")]


def test_a_body_in_many_parts_arrives_whole() -> None:
    parts: list[Message] = [
        {"type": "http.request", "body": b"01234", "more_body": True},
        {"type": "http.request", "body": b"56789", "more_body": False},
    ]
    assert send_request(method="POST", headers=CHUNKED, messages=parts)[1]["body"] == b"0123456789"


def test_a_part_without_content_is_the_last_and_empty() -> None:
    assert send_request(method="POST", headers=CHUNKED, messages=[{"type": "http.request"}])[1]["body"] == b""


@pytest.mark.parametrize("length", [b"65537", b"9" * 5000], ids=["65,537 bytes", "a number of 5,000 digits"])
def test_a_body_announced_as_too_large_is_refused_unread(length: bytes) -> None:
    messages: list[Message] = [{"type": "http.request", "body": b"x"}]
    assert (
        send_request(method="POST", headers=[HOST, (b"content-length", length)], messages=messages)[0]["status"] == 413
    )
    assert len(messages) == 1


def test_a_body_is_refused_as_soon_as_it_is_too_large() -> None:
    piece = {"type": "http.request", "body": b"0" * (MAX_BODY // 2 + 1), "more_body": True}
    messages: list[Message] = [piece, piece, piece]
    assert send_request(method="POST", headers=CHUNKED, messages=messages)[0]["status"] == 413
    assert len(messages) == 1


def test_a_client_that_has_disconnected_gets_no_response() -> None:
    assert send_request(method="POST", headers=CHUNKED, messages=[{"type": "http.disconnect"}]) == []


@pytest.mark.parametrize("length", [b"-1", b"x", b"", b"\xb2", b"+5", b"1_0", b"0x1", "²".encode()])
def test_a_content_length_that_is_not_a_number_is_refused(length: bytes) -> None:
    assert send_request(method="POST", headers=[HOST, (b"content-length", length)])[0]["status"] == 400


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([], 400),
        ([HOST, HOST], 400),
        ([(b"host", b"a b")], 400),
        ([(b"host", b"a/b")], 400),
        ([(b"host", b"user@example.com")], 400),
        ([(b"host", b"")], 200),
        ([(b"host", b"[2001:db8::1]:8000")], 200),
        ([HOST, (b"content-length", b"1"), (b"content-length", b"1")], 400),
        ([HOST, (b"content-length", b"1"), (b"transfer-encoding", b"chunked")], 400),
        ([HOST, (b"transfer-encoding", b"gzip, chunked")], 501),
        ([HOST, (b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"chunked")], 400),
    ],
)
def test_an_ambiguous_request_is_refused(headers: list[tuple[bytes, bytes]], status: int) -> None:
    assert send_request(headers=headers)[0]["status"] == status


def test_a_path_with_a_parameter_is_found() -> None:
    assert send_request("/nAmE/Fred")[1]["body"] == b"Fred"
    assert send_request("/exact/Fred")[1]["body"] == b"Fred"


def test_braces_in_a_requested_path_are_text() -> None:
    assert send_request("/Name/{name}")[1]["body"] == b"{name}"


@pytest.mark.parametrize("path", ["/none", "/FIXED", "/any/x", "/Exact/Fred"])
def test_an_unknown_path_gets_404(path: str) -> None:
    start, end = send_request(path)
    assert (start["status"], end["body"]) == (404, b"there is nothing at this path\n")


def test_only_some_paths_are_found_in_any_case() -> None:
    assert [send_request(path)[0]["status"] for path in ("/Any", "/aNY", "/fixed")] == [200, 200, 200]


def test_a_request_in_http_1_0_needs_no_host() -> None:
    assert send_request("/fixed", headers=[], http_version="1.0")[0]["status"] == 200


@pytest.mark.parametrize(
    ("kind", "received", "sent"),
    [
        ("websocket", ["websocket.connect"], [{"type": "websocket.close", "code": 1000}]),
        (
            "lifespan",
            ["lifespan.startup", "lifespan.shutdown"],
            [{"type": "lifespan.startup.complete"}, {"type": "lifespan.shutdown.complete"}],
        ),
        ("other", [], []),
    ],
)
def test_an_asgi_server_may_use_other_protocols(kind: str, received: list[str], sent: list[Message]) -> None:
    messages: list[Message] = [{"type": one} for one in received]
    assert send_request(messages=messages, type=kind) == sent
    assert messages == []


@pytest.mark.parametrize("path", ["/fixed", "/name/x"])
def test_an_unsupported_method_gets_405_with_the_supported_methods(path: str) -> None:
    start, _ = send_request(path, "POST")
    assert start["status"] == 405
    assert (b"allow", b"GET, HEAD") in start["headers"]


@pytest.mark.parametrize("path", ["/fixed", "/later"])
def test_a_request_with_the_current_etag_gets_304(path: str) -> None:
    etag = dict(send_request(path)[0]["headers"])[b"etag"]
    start, end = send_request(path, headers=[HOST, (b"if-none-match", b'"x", W/' + etag)])
    assert (start["status"], end["body"]) == (304, b"")
    assert b"content-length" not in dict(start["headers"])


@pytest.mark.parametrize("path", ["/form", "/later"])
def test_the_response_to_a_post_is_always_sent(path: str) -> None:
    start, end = send_request(path, "POST", [HOST, (b"if-none-match", b"*")])
    assert (start["status"], end["body"]) == (200, b"fixed")


def test_an_error_in_a_responder_is_logged_by_its_place(caplog: pytest.LogCaptureFixture) -> None:
    start, end = send_request("/broken")
    assert (start["status"], end["body"]) == (500, b"Internal Server Error\n")
    (message,) = caplog.messages
    assert re.fullmatch(rf"ZeroDivisionError at {re.escape(__file__)}:\d+", message)


def test_an_error_that_was_not_raised_has_no_place() -> None:
    assert place_of(ValueError("secret")) == "ValueError at ?:0"


class Lookup:
    """A responder that needs the results of some DNS lookups, one after the other."""

    def __init__(self, number: int) -> None:
        self.missing = number
        self.seconds: list[float] = []

    def respond(self, request: Request) -> Response:
        if self.missing:
            raise UndecidedError(self.settle)
        return fixed(request)

    async def settle(self, seconds: float) -> None:
        self.missing -= 1
        self.seconds.append(seconds)


@pytest.mark.parametrize(("lookups", "status"), [(0, 200), (1, 200), (2, 200), (3, 200), (4, 404)])
def test_a_request_waits_for_at_most_three_dns_lookups(lookups: int, status: int) -> None:
    front = Front([Endpoint("lookup", "/lookup", Lookup(lookups).respond)])
    found = front.respond(Request("GET", "http", b"", b"", b"", b"", 0, path="/lookup"))

    async def settled() -> Response:
        return found if isinstance(found, Response) else await found

    response = asyncio.run(settled())
    assert response.status == status
    assert response.body == (b"fixed" if status == 200 else b"this is not served here\n")


def test_all_lookups_of_a_request_share_three_seconds() -> None:
    lookup = Lookup(3)
    found = Front([Endpoint("lookup", "/lookup", lookup.respond)]).respond(
        Request("GET", "http", b"", b"", b"", b"", 0, path="/lookup")
    )
    assert not isinstance(found, Response)
    asyncio.run(_result(found))
    assert 3 >= lookup.seconds[0] > lookup.seconds[1] > lookup.seconds[2] > 0


async def _result(pending: Awaitable[Response]) -> Response:
    return await pending


def test_the_root_path_is_removed_from_the_path() -> None:
    assert send_request("/mail/fixed", root_path="/mail")[1]["body"] == b"fixed"


@pytest.mark.parametrize(
    ("path", "method", "record"),
    [
        ("/fixed", "GET", ("GET", "fixed", 200, "ok")),
        ("/later", "GET", ("GET", "later", 200, "ok")),
        ("/broken", "GET", ("GET", "broken later", 500, "failed")),
        ("/fixed", "POST", ("POST", "fixed", 405, "refused")),
        ("/name/Fred", "GET", ("GET", "name", 200, "ok")),
        ("/none", "GET", ("GET", "unknown", 404, "refused")),
        ("/none", "BREW", ("other", "unknown", 404, "refused")),
    ],
)
def test_each_response_is_reported_with_its_route(path: str, method: str, record: tuple[str, str, int, str]) -> None:
    records: list[RequestRecord] = []
    send_request(path, method, records=records)
    (found,) = records
    assert (found.method, found.route, found.status, found.outcome) == record


def test_a_refused_request_is_reported() -> None:
    records: list[RequestRecord] = []
    send_request(headers=[], records=records)
    assert records == [RequestRecord("other", "connection", "none", 400, "refused", 0)]


def test_a_connection_closed_for_another_one_is_reported() -> None:
    records: list[RequestRecord] = []
    Front(ENDPOINTS, records.append).evicted()
    assert records == [RequestRecord("other", "connection", "none", 0, "evicted", 0)]
    Front(ENDPOINTS).evicted()


def test_an_application_does_not_drain_by_default() -> None:
    assert not Front(ENDPOINTS).draining
