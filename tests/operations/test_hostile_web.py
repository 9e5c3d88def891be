"""`bt-autoconfig check` against web servers that try to exhaust it, with the command's memory measured."""

import ssl
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.operations.hosts import CommandResult, Handler, check, listening, measured_check, resolver, web

pytestmark = pytest.mark.long
MAX_MEGABYTES = 150
SECONDS = 120
"""Much more than these checks need."""
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n"


def gzipped(megabytes: int, end: int) -> bytes:
    """Return some megabytes of zeros as a gzip stream, flushed or finished (`end`)."""
    stream = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(stream.compress(bytes(1 << 20)) for _ in range(megabytes)) + stream.flush(end)


GZIP_BEGIN = gzipped(0, zlib.Z_FULL_FLUSH)
GZIP_MORE = gzipped(16, zlib.Z_FULL_FLUSH).removeprefix(GZIP_BEGIN)
BOMB = GZIP_BEGIN + GZIP_MORE * 16

TOO_LARGE_BODY, TOO_LARGE_HEADERS, TOO_MANY_PARTS = (
    "the response body is larger than 256 KiB",
    "the response headers are larger than 64 KiB",
    "the response has more than 2000 parts",
)
FLOODS: dict[str, tuple[Handler, str]] = {
    "a body of 8 GB": (web(OK + b"Content-Length: 8000000000\r\n\r\n", forever=bytes(1 << 16)), TOO_LARGE_BODY),
    "an endless body": (web(OK + b"\r\n", forever=b"<a>" * 20000), TOO_LARGE_BODY),
    "endless chunks": (web(OK + b"Transfer-Encoding: chunked\r\n\r\n", forever=b"8000\r\n" + bytes(0x8000) + b"\r\n"), TOO_LARGE_BODY),
    "endless tiny chunks": (web(OK + b"Transfer-Encoding: chunked\r\n\r\n", forever=b"1\r\nx\r\n" * 9000), TOO_MANY_PARTS),
    "endless trailers": (web(OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", forever=b"a: b\r\n" * 9000), "the response is not HTTP"),
    "an endless gzip stream": (web(OK + b"Content-Encoding: gzip\r\n\r\n", GZIP_BEGIN, forever=GZIP_MORE), TOO_LARGE_BODY),
    "a gzip bomb": (web(OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB), BOMB), "is compressed (gzip)"),
    "endless headers": (web(OK, forever=b"X-A: b\r\n" * 8000), TOO_LARGE_HEADERS),
    "an endless header": (web(OK + b"X-A: ", forever=b"b" * 65536), TOO_LARGE_HEADERS),
    "an endless status line": (web(b"HTTP/1.1 200 ", forever=b"b" * 65536), TOO_LARGE_HEADERS),
    "endless interim responses": (web(forever=b"HTTP/1.1 100 Continue\r\n\r\n" * 2000), TOO_MANY_PARTS),
    "bytes that are not HTTP": (web(b"\x00\x01" * 500, b"\r\n\r\n"), "the response is not HTTP"),
    "half a body": (web(OK + b"Content-Length: 100\r\n\r\n<clientConfig>"), "the response is not HTTP"),
    "one byte at a time": (web(OK + b"\r\n", forever=b"<", pause=0.02), "does not respond within 1 second"),
    "interim responses one at a time": (web(forever=b"HTTP/1.1 102 P\r\n\r\n", pause=0.05), "does not respond within 1 second"),
    "endless redirects": (web(b"HTTP/1.1 302 F\r\nContent-Length: 0\r\nLocation: //autoconfig.btinternet.com:1/\r\n\r\n"), "redirects in a loop"),
}  # fmt: skip


@pytest.fixture(scope="module")
def no_names() -> Iterator[str]:
    with resolver({}) as address:
        yield address


def survives(checked: CommandResult) -> None:
    """Assert that a check finished within its limits and found no hostile response to be OK."""
    assert checked.status == 1
    assert "Traceback" not in checked.stderr
    assert "bug in this check" not in checked.stdout
    assert checked.megabytes < MAX_MEGABYTES
    assert checked.seconds < SECONDS
    assert not [line for line in checked.of("HTTPS") if line["text"].startswith("matches the definition")]


@pytest.mark.parametrize("flood", FLOODS)
def test_a_web_server_that_floods_or_stalls_costs_little_and_is_reported(flood: str, no_names: str) -> None:
    handle, text = FLOODS[flood]
    with listening(handle) as port:
        url = f"http://127.0.0.1:{port}"
        checked = measured_check("talk21.com", "--url", url, "--resolver", no_names, "--timeout", 1, "--json")
    survives(checked)
    assert any(text in line["text"] for line in checked.of("HTTPS")), checked.of("HTTPS")


def test_a_flood_over_tls_is_limited_too(tmp_path: Path, no_names: str) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("*.btinternet.com", "*.btopenworld.com", "*.talk21.com").configure_cert(context)
    with listening(web(OK + b"\r\n", forever=bytes(1 << 16)), context) as port:
        url = f"https://127.0.0.1:{port}"
        arguments = ("--url", url, "--resolver", no_names, "--timeout", 10, "--json")
        checked = measured_check(*arguments, SSL_CERT_FILE=str(tmp_path / "ca.pem"))
    survives(checked)
    assert len([line for line in checked.of("HTTPS") if "certificate valid for" in line["text"]]) == 9
    assert any(TOO_LARGE_BODY in line["text"] for line in checked.of("HTTPS"))


def test_the_largest_responses_of_a_hundred_domains_take_no_more_memory(tmp_path: Path, no_names: str) -> None:
    """Responses are cached, up to a limit."""
    definition = tmp_path / "many.xml"
    text = (Path(__file__).parents[1] / "example.xml").read_text()
    domains = "".join(f"<domain>d{number}.example</domain>" for number in range(100))
    definition.write_text(text.replace("<domain>example.com</domain>", f"<domain>example.com</domain>{domains}"))
    body = b"<clientConfig>" + b" " * (255 * 1024) + b"</clientConfig>"
    with listening(web(OK + b"Content-Length: %d\r\n\r\n" % len(body), body)) as port:
        url = f"http://127.0.0.1:{port}"
        checked = measured_check(
            *("--url", url, "--resolver", no_names, "--timeout", 10, "--json"),
            "--definition",
            definition,
            "--max-time",
            40,
        )
    survives(checked)


def test_the_whole_check_finishes_in_time_with_any_number_of_attempts(no_names: str) -> None:
    with listening(web(OK + b"\r\n", forever=b"<", pause=0.1)) as port:
        url = f"http://127.0.0.1:{port}"
        checked = measured_check("--url", url, "--resolver", no_names, "--timeout", 300, "--max-time", 2, "--json")
    assert checked.status != 0
    assert checked.seconds < SECONDS
    late = [line for line in checked.lines if line["text"] == "not finished in time"]
    assert len(late) > 20
    assert {line["remedy"] for line in late} == {"raise --max-time, or check fewer domains"}
    assert checked.stderr == ""


@pytest.mark.parametrize(
    ("location", "text"),
    [
        (b"https://h;x\"/", "is not a web address"),
        (b"//" + b"a" * 70 + b".example/", "is not a web address"),
        (b"https://[::1", "is not a web address"),
        (b"https://a.example:99999999999/", "is not a web address"),
        (b"https://a.example:" + b"9" * 5000, "is not a web address"),
        (b"javascript:alert(1)", "is not a web address"),
        (b"https://b\xfccher.example/", "redirects to itself"),  # --url serves every host
        (b"http://a.example/\x80 \xff?\xe2\x80\xae", "in a loop"),
    ],
)  # fmt: skip
def test_an_invalid_redirect_is_reported(location: bytes, text: str, no_names: str) -> None:
    answer = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: %s\r\n\r\n" % location
    with listening(web(answer)) as port:
        url = f"http://127.0.0.1:{port}"
        checked = check("talk21.com", "--url", url, "--resolver", no_names, "--timeout", 1, "--json")
    survives(checked)
    assert any(text in line["text"] for line in checked.of("HTTPS")), checked.of("HTTPS")
