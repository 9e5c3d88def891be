"""Hostile requests and definitions get a small, correct response quickly. Nothing is fetched, read or left unescaped."""

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autoconfig import definition
from autoconfig.definition import DefinitionError
from autoconfig.server import application
from autoconfig.sources import Settings
from tests.support import Served, Write

OUTLOOK = "/autodiscover/autodiscover.xml"
REQUEST = "http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"
RESPONSE = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
PATHS = [
    *(
        "/",
        "/mail/config-v1.1.xml",
        "/.well-known/autoconfig/mail/config-v1.1.xml",
        "/v1.1/",
        "/v1.1/mail/config-v1.1.xml",
    ),
    *(
        OUTLOOK,
        "/Autodiscover/Autodiscover.xml",
        "/autodiscover/autodiscover.json",
        "/autodiscover/autodiscover.json/v1.0/",
    ),
    *(
        "/email.mobileconfig",
        "/.well-known/user-agent-configuration.json",
        "/healthz",
        "/readyz",
        "/tls/ask",
        "/site/setup.css",
    ),
]
MARK = "<x9 y='\">"
"""Markup that no response contains."""


@pytest.fixture(scope="module")
def trap() -> Iterator[tuple[str, list[str]]]:
    """A web server that must get no request: its URL, and its clients."""
    clients: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def listen() -> None:
            while True:
                try:
                    connection, client = listener.accept()
                except OSError:
                    return
                clients.append(str(client))
                connection.close()

        threading.Thread(target=listen, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", clients
        listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def fifo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that must not be opened: opening it blocks."""
    path = tmp_path_factory.mktemp("fifo") / "file"
    os.mkfifo(path)
    return path


def body(address: str = "fred@talk21.com", before: str = "", root: str = "", schema: str = RESPONSE) -> str:
    return (
        f'<?xml version="1.0"?>{before}<Autodiscover xmlns="{REQUEST}"{root}><Request><EMailAddress>{address}</EMailAddress>'
        f"<AcceptableResponseSchema>{schema}</AcceptableResponseSchema></Request></Autodiscover>"
    )


def entities(levels: int, times: int) -> str:
    """Return declarations of entities, each of which contains the previous one several times."""
    lines = ['<!ENTITY e0 "boom">']
    lines += [f'<!ENTITY e{number} "{f"&e{number - 1};" * times}">' for number in range(1, levels)]
    return f"<!DOCTYPE x [{''.join(lines)}]>"


ATTACKS: dict[str, tuple[str | bytes, str]] = {
    # the body, and a part of the response: an error code or the LoginName
    "billion laughs": (body("&e9;@talk21.com", entities(10, 10)), "<ErrorCode>600<"),
    "quadratic blow-up": (body("&e1;@talk21.com", '<!DOCTYPE x [<!ENTITY e1 "' + "a" * 20000 + '">]>').replace("&e1;", "&e1;" * 4000), "<ErrorCode>600<"),
    "a recursive entity": (body("&a;", '<!DOCTYPE x [<!ENTITY a "&b;"><!ENTITY b "&a;">]>'), "<ErrorCode>600<"),
    "an external entity, a file": (body("&x;", '<!DOCTYPE x [<!ENTITY x SYSTEM "file://FIFO">]>'), "<ErrorCode>600<"),
    "an external entity, a URL": (body("&x;", '<!DOCTYPE x [<!ENTITY x SYSTEM "TRAP">]>'), "<ErrorCode>600<"),
    "an external parameter entity": (body(before='<!DOCTYPE x [<!ENTITY % p SYSTEM "TRAP"> %p;]>'), "<ErrorCode>600<"),
    "an external DTD": (body(before='<!DOCTYPE x SYSTEM "TRAP">'), "<ErrorCode>600<"),
    "a public DTD that is a file": (body(before='<!DOCTYPE x PUBLIC "-//X//Y" "file://FIFO">'), "<ErrorCode>600<"),
    "XInclude": (body('<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file://FIFO" parse="text"/>'), "<ErrorCode>600<"),
    "a schema's location": (body(root=' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="a TRAP"'), "<LoginName>fred@talk21.com<"),
    "a stylesheet": (body(before='<?xml-stylesheet type="text/xsl" href="TRAP"?>'), "<LoginName>fred@talk21.com<"),
    "a base": (body(root=' xml:base="TRAP"'), "<LoginName>fred@talk21.com<"),
    "thousands of attributes": (body(root="".join(f' a{number}=""' for number in range(5000))), "<"),
    "a million attributes": (body(root=' a=""' * 1_000_000), "the body is larger"),
    "thousands of namespaces": (body(root="".join(f' xmlns:n{number}="urn:{number}"' for number in range(2000))), "<"),
    "depth": ("<a>" * 15000, "<ErrorCode>600<"),
    "another namespace": (body().replace("/2006", "/2007"), "<ErrorCode>600<"),
    "no namespace": (body().replace(f' xmlns="{REQUEST}"', ""), "<ErrorCode>600<"),
    "a comment in the address": (body("fred<!-- x -->@talk21.com"), "<LoginName>fred@talk21.com<"),
    "a comment instead of the address": (body("<!-- x -->"), "<ErrorCode>600<"),
    "CDATA in the address": (body("<![CDATA[<fred>@talk21.com]]>"), "<LoginName>&lt;fred&gt;@talk21.com<"),
    "markup in the address": (body("&lt;/LoginName&gt;&lt;x9&gt;@talk21.com"), "<LoginName>&lt;/LoginName&gt;&lt;x9&gt;@talk21.com<"),
    "a quote in the address": (body('&quot;"@talk21.com'), "<LoginName>"),
    "two addresses": (body("a@talk21.com</EMailAddress><EMailAddress>b@talk21.com"), "<ErrorCode>600<"),
    "a control character": (body("fred&#1;@talk21.com"), "<ErrorCode>600<"),
    "a line break": (body("fred&#10;X: y@talk21.com"), "<ErrorCode>600<"),
    "UTF-16": (body().replace('"1.0"', '"1.0" encoding="utf-16"').encode("utf-16"), "<LoginName>fred@talk21.com<"),
    "UTF-16 declared as UTF-8": (body().replace('"1.0"', '"1.0" encoding="utf-8"').encode("utf-16"), "<"),
    "UTF-7": (body("+ADw-x9+AD4-@talk21.com").replace('"1.0"', '"1.0" encoding="utf-7"'), "<"),
    "an unknown encoding": (body().replace('"1.0"', '"1.0" encoding="x-mark"'), "<ErrorCode>600<"),
    "EBCDIC": (body().encode("cp037"), "<ErrorCode>600<"),
    "invalid UTF-8": (body().encode() + b"\xff\xfe", "<ErrorCode>600<"),
    "zeros": (b"\0" * 60000, "<ErrorCode>600<"),
    "nothing": (b"", "<ErrorCode>600<"),
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_xml_attack_gets_a_response_quickly_and_no_file_or_url_is_read(
    server: Served, trap: tuple[str, list[str]], fifo: Path, attack: str
) -> None:
    sent, wanted = ATTACKS[attack]
    url, clients = trap
    content = sent if isinstance(sent, bytes) else sent.replace("FIFO", str(fifo)).replace("TRAP", url).encode()
    times = []
    for _ in range(3):
        start = server.cpu_seconds()
        response = server.http.post(OUTLOOK, content=content, headers={"Content-Type": "text/xml"})
        times.append(server.cpu_seconds() - start)
    assert response.status_code in (200, 413)
    assert wanted in response.text
    assert "<x9" not in response.text
    assert min(times) < 0.05
    assert clients == []


TEXT = st.text(max_size=60) | st.sampled_from(
    [
        "fred@talk21.com",
        f"{MARK}@talk21.com",
        MARK,
        "%00",
        "\r\nSet-Cookie: x",
        "../../etc/passwd",
        "a@b@c",
        "@",
        "%EMAILADDRESS%",
        "\N{LATIN SMALL LIGATURE FI}@\N{FULLWIDTH LATIN SMALL LETTER T}alk21.com",
    ]
)
FIELDS = st.sampled_from(
    ["emailaddress", "EmailAddress", "Email", "name", "protocol", "Protocol", "domain", "RedirectCount", ""]
)
QUERIES = st.lists(st.tuples(FIELDS, TEXT), max_size=4)
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "Host",
            "X-Forwarded-Proto",
            "X-Forwarded-Host",
            "X-Forwarded-For",
            "Forwarded",
            "If-None-Match",
            "User-Agent",
            "Content-Type",
            "Authorization",
            "Cookie",
            "Accept",
            "Range",
            "Expect-CT",
        ]
    ),
    st.sampled_from(
        [
            "autodiscover.talk21.com",
            "evil.example",
            "https",
            "*",
            '"',
            "application/x-www-form-urlencoded",
            "text/xml",
            MARK,
        ]
    )
    | st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40).map(str.strip),
    max_size=5,
)
METHODS = st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
BODIES = (
    st.binary(max_size=300)
    | TEXT.map(str.encode)
    | st.sampled_from([body().encode(), b"emailaddress=" + quote(MARK).encode() + b"%40talk21.com"])
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(METHODS, st.sampled_from(PATHS), TEXT, QUERIES, HEADERS, BODIES)
def test_no_request_causes_a_failure_or_gets_its_markup_back(
    server: Served,
    method: str,
    path: str,
    more: str,
    query: list[tuple[str, str]],
    headers: dict[str, str],
    content: bytes,
) -> None:
    more = quote(more.encode("utf-8", "surrogatepass")) if path.endswith("/") and path != "/" else ""
    encoded = "&".join(f"{name}={quote(value.encode('utf-8', 'surrogatepass'))}" for name, value in query)
    url = f"{server.url}{path}{more}{'?' if encoded else ''}{encoded}"
    response = server.http.request(method, url, headers=headers, content=content)
    assert 200 <= response.status_code < 500
    assert "<x9" not in response.text
    assert "Set-Cookie" not in response.headers
    assert "evil.example" not in response.headers.get("location", "")
    if method != "HEAD" and response.status_code != 304:
        assert len(response.content) == int(response.headers["content-length"])


PIECES = st.sampled_from(
    ["<", ">", "&", "&amp;", "%EMAILADDRESS%", "%EMAIL", "%", "<domain>a.example</domain>", "<incomingServer type='imap'/>", "<!-- x -->",
     "<![CDATA[x]]>", "<!DOCTYPE x>", "<?x y?>", " xmlns='urn:x'", " type='imap'", "\0", "é", "\u2028", "99999999999", "", "]]>", "<x:y/>"]
) | st.text(max_size=10)  # fmt: skip


@given(st.lists(st.tuples(st.integers(0, len(Write.TEXT)), st.integers(0, 60), PIECES), min_size=1, max_size=4))
def test_a_definition_is_served_or_every_error_is_reported(
    changes: list[tuple[int, int, str]],
) -> None:
    text = Write.TEXT
    for place, length, piece in changes:
        text = text[:place] + piece + text[place + length :]
    errors = []
    try:
        loaded = definition.load(Path("provider.xml"), text.encode("utf-8", "surrogatepass"))
        application(Settings((loaded,)))
    except DefinitionError as error:
        errors = error.errors or [""]
    assert all(mistake.startswith("provider.xml:") for mistake in errors)


@given(st.binary(max_size=2000))
def test_bytes_that_are_not_a_definition_are_reported(content: bytes) -> None:
    with pytest.raises(DefinitionError, match=r"^provider\.xml:"):
        definition.load(Path("provider.xml"), content)
