"""Framing, with generated requests: whole, split, pipelined, in every form of HTTP/1.1.

The same application behind uvicorn's own h11 connection reads the requests independently; tests/http1.py reads responses.
"""

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

import httptools
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from starlette.exceptions import HTTPException

from autoconfig.address import MailAddress
from autoconfig.framing import ChunkedBody, parse_head
from autoconfig.protocols.autodiscover import request_for
from tests.http1 import Response, connect, exchange, read_to_end, request, split_responses
from tests.support import TIMEOUT, Served, wait_for

FORM = "Content-Type: application/x-www-form-urlencoded"
SMUGGLED = request("/email.mobileconfig?emailaddress=smuggled@btinternet.com")
"""A request that is always part of a body."""


@pytest.fixture(scope="module")
def plain() -> Iterator[int]:
    """The port of the application behind uvicorn's own h11 connection."""
    with tempfile.TemporaryDirectory() as folder, Path(folder, "output").open("wb+") as output:
        options = ["--port", "0", "--http", "h11", "--lifespan", "off", "--no-access-log", "--no-server-header"]
        command = [sys.executable, "-m", "uvicorn", "tests.plain_asgi:application", *options]
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=Path(__file__).parents[1])
        try:
            yield int(wait_for(lambda: re.search(rb"http://127\.0\.0\.1:(\d+)", Path(output.name).read_bytes()))[1])
        finally:
            process.terminate()
            process.wait(timeout=TIMEOUT)


@dataclass(frozen=True)
class Message:
    """The bytes of a request, its method, and whether the connection is closed after it."""

    content: bytes
    method: str = "GET"
    last: bool = False


@st.composite
def chunked(draw: st.DrawFn, body: bytes) -> bytes:
    """A body in chunks, with extensions and trailers."""
    encoded = b""
    while body:
        size = draw(st.integers(1, len(body)))
        extension = draw(st.sampled_from([b"", b";a", b";a=b", b';a="b;c"']))
        encoded += b"%x%b\r\n%b\r\n" % (size, extension, body[:size])
        body = body[size:]
    trailers = draw(st.sampled_from([b"", b"X: y\r\n", b"X: y\r\nHost: z\r\n"]))
    return encoded + b"0\r\n" + trailers + b"\r\n"


@st.composite
def requests(draw: st.DrawFn, name: str, *, final: bool = False) -> Message:
    """A request for the settings of a user; a `final` one may close the connection."""
    path = f"/email.mobileconfig?emailaddress={name}@btinternet.com"
    headers = draw(
        st.lists(
            st.sampled_from(["Accept: */*", "X: y", "If-None-Match: *", "Connection: Upgrade", "Upgrade: h2c", "Range: bytes=0-1"]),
            max_size=4, unique=True,
        )
    )  # fmt: skip
    kind = draw(
        st.sampled_from(
            ["get", "head", "absolute", "form", "outlook", "smuggled", *(["close", "old", "chunked"] if final else [])]
        )
    )
    match kind:
        case "head":
            return Message(request(path, "HEAD", headers), "HEAD")
        case "absolute":
            return Message(request(f"http://x{path}", headers=headers))
        case "form":
            body = f"emailaddress={quote(name)}%40btinternet.com".encode()
            return Message(request("/email.mobileconfig", "POST", [FORM, *headers], body), "POST")
        case "outlook":
            body = request_for(MailAddress(name, "btinternet.com"))
            return Message(request("/autodiscover/autodiscover.xml", "POST", headers, body), "POST")
        case "smuggled":
            return Message(request(path, "POST", [FORM, *headers], SMUGGLED), "POST")
        case "close":
            return Message(request(path, headers=["Connection: close"]), last=True)
        case "old":
            return Message(request(path).replace(b"HTTP/1.1", b"HTTP/1.0"), last=True)
        case "chunked":
            content, type_ = draw(
                st.sampled_from([(f"emailaddress={name}%40btinternet.com".encode(), FORM), (SMUGGLED, FORM)])
            )
            head = request("/email.mobileconfig", "POST", [type_, "Transfer-Encoding: chunked", *headers])
            return Message(head + draw(chunked(content)), "POST", last=True)
        case _:
            return Message(request(path, headers=headers))


@st.composite
def conversations(draw: st.DrawFn) -> tuple[list[Message], list[bytes]]:
    """Requests on one connection, and the pieces in which they are sent."""
    number = draw(st.integers(0, 4))
    messages = [draw(requests(f"user{index}")) for index in range(number)]
    messages.append(draw(requests(f"user{number}", final=True)))
    content = b"".join(one.content for one in messages)
    cuts = sorted(draw(st.lists(st.integers(0, len(content)), max_size=6)))
    return messages, [content[start:end] for start, end in zip([0, *cuts], [*cuts, len(content)], strict=True)]


def comparable(response: Response) -> tuple[int, dict[str, str], bytes]:
    """Return a response without headers of the connection and without times."""
    headers = {name: value for name, value in response.headers.items() if name not in ("date", "connection", "server")}
    return response.status, headers, re.sub(rb'Time="[^"]*"', b"", response.body)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(conversations())
def test_each_request_gets_the_response_that_another_server_gives_it_alone(
    server: Served, plain: int, conversation: tuple[list[Message], list[bytes]]
) -> None:
    messages, pieces = conversation
    with connect(server.port) as connection:
        for piece in pieces:
            connection.sendall(piece)
        if not messages[-1].last:
            connection.sendall(request(headers=["Connection: close"]))
        found = split_responses(read_to_end(connection), [one.method for one in messages])
    assert len(found) == len(messages) + (not messages[-1].last)
    for number, (message, response) in enumerate(zip(messages, found, strict=False)):
        assert b"smuggled" not in response.body
        assert re.findall(rb"user\d", response.body)[:1] in ([], [b"user%d" % number])
        # uvicorn's connection does not support absolute targets, and does not ignore upgrades.
        content = message.content.replace(b" HTTP/1.0\r\n", b" HTTP/1.1\r\n").replace(b"GET http://x/", b"GET /", 1)
        content = re.sub(rb"\r\n(?:Connection|Upgrade): [^\r]*", b"", content, count=2)
        (alone,), _ = exchange(
            plain, content.replace(b"\r\n", b"\r\nConnection: close\r\n", 1), methods=[message.method]
        )
        assert comparable(response) == comparable(alone)


class HeadOracle:
    """Reads a request head with httptools."""

    def __init__(self, head: bytes) -> None:
        self.target, self.headers = b"", list[tuple[bytes, bytes]]()
        self.keeps_alive = True
        self.parser = httptools.HttpRequestParser(self)
        with suppress(httptools.HttpParserUpgrade):
            self.parser.feed_data(head)

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        self.keeps_alive = self.parser.should_keep_alive()

    def values(self, name: bytes) -> list[bytes]:
        return [value for found, value in self.headers if found == name]


@st.composite
def heads(draw: st.DrawFn) -> bytes:
    """A request head: valid, or with one or a few faults."""
    method = draw(st.sampled_from([b"GET", b"POST", b"HEAD", b"OPTIONS", b"G T", b""]))
    target = draw(
        st.sampled_from(
            [b"/", b"/a?b=c?d", b"/%40", b"*", b"http://h/p?q", b"http://h", b"/#f", b"h:1", b"/\xe9", b"/ "]
        )
    )
    version = draw(
        st.sampled_from([b"HTTP/1.1"] * 6 + [b"HTTP/1.0", b"HTTP/1.2", b"http/1.1", b"RTSP/1.0", b"HTTP/1.1 "])
    )
    names = [
        *(b"Host", b"HOST", b"Content-Length", b"Transfer-Encoding", b"Connection", b"Expect", b"If-None-Match"),
        *(b"User-Agent", b"X-Host", b"Host ", b" Host", b"", b"X(", b"Host\0"),
    ]
    values = [
        *(b"x", b"h:1", b"", b" x\t ", b"5", b"+5", b"5, 5", b"chunked", b"gzip, chunked", b"close", b"a, Close , b"),
        *(b"keep-alive", b"100-continue", b"a\0", b"a\rb", b"a\n b", b"\xe9", b"closed", b"Host: y"),
    ]
    pairs = draw(st.lists(st.tuples(st.sampled_from(names), st.sampled_from(values)), max_size=4))
    separators = st.sampled_from([b":", b": ", b":\t"])
    lines = [b"%b %b %b" % (method, target, version), b"Host: x"]
    lines += [name + draw(separators) + value for name, value in pairs]
    end = draw(st.sampled_from([b"\r\n"] * 9 + [b"\n"]))
    return end.join([lines[0], *draw(st.permutations(lines[1:]))]) + b"\r\n\r\n"


@settings(max_examples=1000)
@given(heads())
@example(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: a\r\nConnection: close\r\n\r\n")
@example(b"GET / HTTP/1.1\r\nHost: x\r\nIf-None-Match: a\r\nIf-None-Match: b\r\n\r\n")
@example(b"GET / HTTP/1.1\r\nHost: x\r\nX: Host: y\r\n\r\n")
@example(b"GET / HTTP/1.1\r\nHost: x \t\r\n\r\n")
def test_a_request_head_is_read_as_httptools_reads_it_or_rejected(head: bytes) -> None:
    try:
        found = parse_head(head, behind_proxy=False)
    except HTTPException:
        return
    oracle = HeadOracle(head)
    assert oracle.parser.get_method().decode() == found.method
    assert oracle.parser.get_http_version() == ("1.1" if b" HTTP/1.1\r\n" in head else "1.0")
    if oracle.target.startswith(b"/"):
        path, _, query = oracle.target.partition(b"?")
        assert (unquote(path.decode()), query) == (found.path, found.query)
        assert oracle.values(b"host") == [found.host]
    assert b", ".join(oracle.values(b"if-none-match")) == found.if_none_match
    assert b", ".join(oracle.values(b"user-agent")) == found.user_agent
    lengths = oracle.values(b"content-length")
    chunked = oracle.values(b"transfer-encoding")
    assert found.body_length == (None if chunked else int(lengths[0]) if lengths else 0)
    if not chunked:
        assert found.is_last == (not oracle.keeps_alive or b" HTTP/1.0\r\n" in head)


START = b"GET / HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    "head",
    [
        START + b"Connection: a\r\n" * 1100 + b"\r\n",
        START + b"Connection: " + b", " * 8000 + b"\r\n\r\n",
        START + b"Connection: ," + b" " * 16_000 + b"x\r\n\r\n",
        START + b"hos:\r\n" * 2600 + b"\r\n",
        START + b"a:\r\n" * 4000 + b"\0\r\n\r\n",
        START + b"Transfer-Encoding: " + b"," * 16_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: " + b"a" * 16_000 + b":123456\r\n\r\n",
        b"GET /" + b"%41" * 5000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://" + b"?" * 16_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_the_largest_request_head_is_read_within_milliseconds(head: bytes) -> None:
    seconds = []
    for _ in range(5):
        start = time.process_time()
        with suppress(HTTPException):
            parse_head(head, behind_proxy=False)
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.02


@pytest.mark.parametrize(
    ("head", "error"),
    [
        (b"\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", "400: there are empty lines before the request"),
        (b"\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", "400: there are empty lines before the request"),
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", "505: the HTTP version is not 1.1"),
        (b"GET / HTTP\r\nHost: x\r\n\r\n", "400: this is not an HTTP request"),
        (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", "400: this is not an HTTP request"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n y\r\n\r\n", "400: this is not an HTTP request"),
        (b"GET /#a HTTP/1.1\r\nHost: x\r\n\r\n", "400: the request target is not a URL"),
        (b"GET a:1 HTTP/1.1\r\nHost: x\r\n\r\n", "400: the request target is not a path"),
        (b"GET http:/// HTTP/1.1\r\nHost: x\r\n\r\n", "400: the request target has no host"),
        (b"GET http://y/ HTTP/1.1\r\nHost: x y\r\n\r\n", "400: the Host header is not a hostname"),
        (b"GET http://y/ HTTP/1.1\r\n\r\n", "400: the request has no Host header"),
    ],
)
def test_an_invalid_head_is_refused_with_a_reason(head: bytes, error: str) -> None:
    with pytest.raises(HTTPException) as refused:
        parse_head(head, behind_proxy=False)
    assert str(refused.value) == error
    assert refused.value.headers == {"Connection": "close"}


def test_a_host_in_the_target_replaces_the_host_header() -> None:
    found = parse_head(b"HEAD http://y:1/a%20b?c HTTP/1.1\r\nHost: x\r\n\r\n", behind_proxy=False)
    assert (found.method, found.host, found.path, found.query) == ("HEAD", b"y:1", "/a b", b"c")
    found = parse_head(b"GET http://y HTTP/1.1\r\nHost: x\r\n\r\n", behind_proxy=False)
    assert (found.path, found.query) == ("/", b"")


@pytest.mark.parametrize("proto", [b"https", b"http"])
def test_the_scheme_is_the_one_that_a_trusted_proxy_names(proto: bytes) -> None:
    head = b"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-Proto: %b\r\n\r\n" % proto
    assert parse_head(head, behind_proxy=True).scheme == proto.decode()
    assert parse_head(head, behind_proxy=False).scheme == "http"


@pytest.mark.parametrize(
    "body",
    [
        b"x\r\n",
        b"1\r\nab\r\n",
        b"0\r\nX\r\n\r\n",
        b"0\r\nContent-Length: 1\r\n\r\n",
        b"0\r\nTransfer-Encoding: x\r\n\r\n",
        b"1\na",
    ],
)
def test_an_invalid_chunked_body_is_refused(body: bytes) -> None:
    with pytest.raises(HTTPException) as refused:
        ChunkedBody(100).feed(body)
    assert str(refused.value) == "400: the chunks of the body are invalid"


def test_a_chunk_that_is_too_large_is_refused_when_its_size_arrives() -> None:
    with pytest.raises(HTTPException) as refused:
        ChunkedBody(100).feed(b"10001\r\n")
    assert refused.value.status_code == 413


def test_nothing_after_connect_is_a_request() -> None:
    """A client or proxy that expects a tunnel may send bytes into it before it reads the response."""
    assert parse_head(b"CONNECT /x HTTP/1.1\r\nHost: x\r\n\r\n", behind_proxy=False).is_last


class Oracle:
    """Reads a chunked body with httptools."""

    def __init__(self) -> None:
        self.body, self.complete = b"", False
        self.parser = httptools.HttpRequestParser(self)

    def read(self, data: bytes) -> None:
        try:
            self.parser.feed_data(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + data)
        except httptools.HttpParserError:
            assert self.complete

    def on_body(self, data: bytes) -> None:
        self.body += b"" if self.complete else data

    def on_message_complete(self) -> None:
        self.complete = True


@given(st.binary(max_size=60).flatmap(chunked), st.lists(st.integers(0, 200), max_size=4), st.binary(max_size=9))
def test_chunks_are_read_to_the_end_however_they_are_split(body: bytes, cuts: list[int], after: bytes) -> None:
    oracle, ours = Oracle(), ChunkedBody(16384)
    oracle.read(body)
    sent = body + after
    bounds = sorted(min(cut, len(sent)) for cut in cuts)
    found = [ours.feed(sent[start:end]) for start, end in zip([0, *bounds], [*bounds, len(sent)], strict=True)]
    assert oracle.complete
    assert oracle.body in found


@given(
    st.lists(
        st.sampled_from(
            [
                b"1",
                b"a",
                b"0",
                b"\r\n",
                b"\n",
                b"\r",
                b";",
                b" ",
                b"\t",
                b"x",
                b":",
                b'"',
                b"=",
                b"\0",
                b"\xff",
                b"0\r\n\r\n",
            ]
        ),
        max_size=14,
    ).map(b"".join)
)
def test_a_chunked_body_is_read_as_httptools_reads_it_or_rejected(body: bytes) -> None:
    try:
        found = ChunkedBody(16384).feed(body)
    except HTTPException:
        return
    if found is not None:
        oracle = Oracle()
        oracle.read(body)
        assert (oracle.complete, oracle.body) == (True, found)


PIECES = [
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"POST / HTTP/1.1\r\nHost: x\r\n", b"Content-Length: 5\r\n\r\n", b"Content-Length: -1\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n", b"Connection: close\r\n", b"Connection: Upgrade\r\nUpgrade: h2c\r\n",
    b"Expect: 100-continue\r\n", b"\0", b"\xff", b" ", b":", b"\r\n", b"\r", b"\n", b"FFFFFFFFFFFFFFFF\r\n", b"GET http://[::1]:99999/",
    b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", b"Host: y\r\n", b"0\r\n", b"X: " + b"a" * 5000 + b"\r\n", b"\r\n\t folded\r\n", b"%", b"#", b"?",
]  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.sampled_from(PIECES) | st.binary(max_size=20), max_size=8).map(b"".join), max_size=4))
def test_malformed_http_gets_an_error_or_nothing_and_the_server_keeps_running(
    server: Served, parts: list[bytes]
) -> None:
    with connect(server.port) as connection:
        for part in parts:
            try:
                connection.sendall(part)
            except ConnectionError:
                break
        connection.shutdown(1)
        found = split_responses(read_to_end(connection))
    assert all(response.status < 500 or response.status in (501, 505) for response in found)
    assert server.http.get("/healthz").text == "ok\n"
