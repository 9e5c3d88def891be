"""Hostile requests to a reverse proxy: an email address in every part of a request, and paths in every spelling."""

import base64
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from tests.clients.conftest import FRED, PASSWORD
from tests.deploy.proxies import HOST, exchange, request

LOCAL_PART = FRED.partition("@")[0]
BASIC = base64.b64encode(f"{FRED}:{PASSWORD}".encode()).decode()
SECRETS = (LOCAL_PART, PASSWORD, quote(PASSWORD), BASIC)
FILE = f"/mail/config-v1.1.xml?emailaddress={FRED}"
FORM = f"emailaddress={quote(FRED)}"
TARGETS = (
    FILE,
    f"/mail/config-v1.1.xml?emailaddress={quote(FRED)}",
    f"/mail/config-v1.1.xml?emailaddress={quote(quote(FRED, safe=''))}",
    f"/autodiscover/autodiscover.json/v1.0/{FRED}?Protocol=AutodiscoverV1",
    f"/Autodiscover/Autodiscover.json/v1.0/{quote(FRED)}",
    f"/autodiscover/autodiscover.json?Email={FRED}",
    f"/email.mobileconfig?emailaddress={FRED}",
    f"/v1.1/{FRED}",
    f"/{FRED}",
    f"/#{FRED}",
    f"//{FRED}/../{FRED}",
    f"http://{HOST}{FILE}",
    f"http://{FRED}/",
    f"http://{FRED}:{BASIC}@{HOST}/",
    FRED,
    f"/{FRED}%zz",
    f"/{FRED}%00",
    f"/{FRED}\x01",
    f"/{'%66%72%65%64%2e%62%6c%6f%67%67%73%40'}x",
    f"/{FRED}?{'x' * 40000}",
    f"/?{FRED * 2000}",
)
HEADERS = (
    f"Authorization: Basic {BASIC}",
    f"Authorization: {FRED} {PASSWORD}",
    f"Proxy-Authorization: Basic {BASIC}",
    f"Cookie: address={FRED}",
    f"Referer: https://{FRED}/?{FRED}",
    f"Origin: https://{FRED}",
    f"User-Agent: {FRED}",
    f"From: {FRED}",
    f"X-Forwarded-For: {FRED}",
    f"X-Forwarded-Host: {FRED}",
    f"X-Forwarded-Proto: {FRED}",
    f"Forwarded: for={FRED}",
    f"X-Real-IP: {FRED}",
    f"Accept-Encoding: {FRED}",
    f"Range: bytes={FRED}",
    f"If-None-Match: {FRED}",
    f"If-Modified-Since: {FRED}",
    f"Expect: {FRED}",
    f"TE: {FRED}",
    f"Trailer: {FRED}",
    f"Upgrade: {FRED}\r\nConnection: Upgrade",
    f"Connection: {FRED}",
    f"Transfer-Encoding: {FRED}",
    f"Content-Length: {FRED}",
    f"Content-Type: {FRED}",
    f"Host: {FRED}",
    f"{FRED}: x",
    f"{FRED}",
    f" {FRED}: folded",
    f"X-Control: \x01{FRED}",
    f"X-Null: \x00{FRED}",
    f"X-Space : {FRED}",
    f"X-Bytes: \xff{FRED}",
    f"X-Large: {FRED * 2000}",
    "\r\n".join(f"X-{number}: {FRED}" for number in range(500)),
)
LINES = (
    f"{FRED} / HTTP/1.1",
    f"{LOCAL_PART.upper()} / HTTP/1.1",
    f"GET / {FRED}",
    f"GET / HTTP/{FRED}",
    f"GET {FILE}",
    f"GET {FILE} HTTP/0.9",
    f"GET {FILE} HTTP/9.9",
    f"GET {FILE} HTTP/1.1 {FRED}",
    f"CONNECT {FRED}:443 HTTP/1.1",
    f"OPTIONS {FRED} HTTP/1.1",
    f"TRACE {FILE} HTTP/1.1",
    f"PRI {FILE} HTTP/2.0",
    FRED,
)
BYTES = (
    f"GET {FILE} HTTP/1.1\r\n\r\n",
    f"GET {FILE} HTTP/1.1\nHost: {FRED}\n\n",
    f"\r\n\r\nGET {FILE} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n",
    f"POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{FRED}",
    f"POST / HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n{FRED}\r\n",
    f"GET /healthz HTTP/1.1\r\nHost: {HOST}\r\n\r\n{FRED} {FRED} {FRED}\r\n\r\n",
    f"\x16\x03\x01\x02\x00\x01{FRED}",
)


def requests() -> list[str]:
    """Return requests with an address in every possible part, well-formed or not."""
    return [
        *(request(f"{method} {target} HTTP/1.1") for target in TARGETS for method in ("GET", "POST")),
        *(request(f"GET {FILE} HTTP/1.1", HOST, header) for header in HEADERS),
        *(request(line) for line in LINES),
        *(
            request(f"GET {FILE} HTTP/1.1", host)
            for host in (FRED, f"{FRED}:80", f"{FRED}/", quote(FRED), f"x\0{FRED}")
        ),
        *(request("POST / HTTP/1.1", body=body) for body in (FORM, FORM * 1200, FORM * 5000)),
        *BYTES,
    ]


def exchanges() -> list[dict[str, Any]]:
    """Return exchanges with these requests over https and http, and failures below HTTP."""
    sent = [exchange(data, tls=tls, timeout=4) for data in requests() for tls in ("any", "")]
    good = request(f"GET {FILE} HTTP/1.1")
    sent += [
        exchange(good, ipv6=True),
        exchange(good, tls="", ipv6=True),
        exchange(good, tls="", port=443, timeout=4),
        exchange(good, tls="any", port=80, timeout=4),
        exchange(good, sni=f"www.{LOCAL_PART}.example", timeout=4),
        exchange(good, sni=FRED, timeout=4),
        exchange(good, sni="", timeout=4),
        exchange(good, tls="old", timeout=4),
        exchange(good, tls="strict", timeout=4),
        exchange("", tls="broken key", timeout=4),
        exchange("", tls="broken extension", timeout=4),
        exchange(good[:-20], abort=True),
        exchange(good[:-20], tls="", abort=True),
        exchange(request("POST / HTTP/1.1", HOST, "Content-Length: 900") + FORM, abort=True),
        exchange(good[:20], timeout=4),
        exchange(request("POST / HTTP/1.1", HOST, "Content-Length: 900") + FORM, timeout=4),
    ]
    return sent


def spelled(path: str) -> Iterator[str]:
    """Yield spellings that a program might treat as the path itself."""
    cases = [path, path.upper(), path.title(), path.swapcase(), path.capitalize()]
    encoded = [path[:n] + f"%{ord(path[n]):02{kind}}" + path[n + 1 :] for n in range(1, len(path)) for kind in "xX"]
    whole = "/" + "".join(f"%{ord(letter):02x}" for letter in path[1:])
    twice = [whole.replace("%", "%25"), path.replace("e", "%2565", 1), path.replace("s", "%2573", 1)]
    slashes = [
        path.replace("/", slash) for slash in ("//", "/./", "/x/../", "%2f", "%2F", "\\", "%5c", "/%2e/", "/%2E%2e/")
    ]
    slashes += [
        path[:1] + path[1:].replace("/", slash) for slash in ("//", "/./", "/x/../", "%2f", "%2F", "\\", "%5c", ";/")
    ]
    for spelling in (*cases, *encoded, whole, whole.upper(), *twice, *slashes):
        yield spelling
        yield f"http://{HOST}{spelling}"
        yield spelling + "?domain=autoconfig.btinternet.com"
    before = ("/", "//", "/.", "/./.", "/x/..", "/%2e", "/x/%2e%2e", "/x%2f..", "/x/%2e%2E", "/;", "/x;/..", "/..", "/%2f", "/%00",
              "/healthz/..", "/mail/..", "/mail/config-v1.1.xml/..", "/autodiscover/autodiscover.xml/..", "/site/..",
              "/.well-known/autoconfig/..", "/mail/%2e%2e", "/mail/..%2f", "/v1.1/..", "%20", "%09")  # fmt: skip
    after = ("/", "//", "/.", "/..", "/x/..", "/%2e", ";", ";x", "%00", "%20", "%09", "%0a", "%3f", "%23", "#", "?", ".", "\\",
             "/x", "&", "%2f", "%ff", "\xff")  # fmt: skip
    yield from (prefix + path for prefix in before)
    yield from (path + suffix for suffix in after)
