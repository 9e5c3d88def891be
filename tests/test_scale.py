"""Thousands of definitions and domains: each gets its own settings, and responses do not grow."""

import random
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from autoconfig.address import MailAddress
from autoconfig.protocols.autodiscover import request_for
from autoconfig.site.setup_page import PATHS
from tests.support import ONE_AND_TWO_WORKERS, Served, Write, client_for, serving, wait_until

pytestmark = pytest.mark.long


class ClientRequest(NamedTuple):
    """A client's request to a host of a domain."""

    path: str
    prefix: str = "autoconfig."
    typed: str | None = None
    """The address typed into the form of the setup page."""
    xml: bytes | None = None

    def send(self, http: httpx.Client, domain: str) -> httpx.Response:
        method = "GET" if self.typed is None and self.xml is None else "POST"
        form = None if self.typed is None else {"emailaddress": self.typed}
        host = {"Host": f"{self.prefix}{domain}", "Connection": "close"}
        content_type = {"Content-Type": "text/xml"} if self.xml else {}
        return http.request(method, self.path, headers=host | content_type, data=form, content=self.xml)


AUTOCONFIG = "/mail/config-v1.1.xml"
TLS = {">143<": ">993<", ">110<": ">995<", ">587<": ">465<", ">STARTTLS<": ">SSL<", ">plain<": ">SSL<"}
"""Changes to the example, so that every format can express it."""


def all_requests(domain: str, *mistyped: str) -> Iterator[ClientRequest]:
    """Yield a request of every kind for an address on a domain."""
    address = f"fred@{domain}"
    for path in (AUTOCONFIG, f"{AUTOCONFIG}?emailaddress={address}", f"/v1.1/{domain}"):
        yield ClientRequest(path)
    for query in ("", f"emailaddress={address}", f"emailaddress={address}&name=Fred&protocol=pop3", "protocol=pop3"):
        yield ClientRequest(f"/email.mobileconfig?{query}")
    yield ClientRequest("/.well-known/user-agent-configuration.json", "ua-auto-config.")
    yield ClientRequest("/autodiscover/autodiscover.xml", "")
    yield ClientRequest("/autodiscover/autodiscover.xml", "", xml=request_for(MailAddress("fred", domain)))
    yield ClientRequest(f"/autodiscover/autodiscover.json?Email={address}&Protocol=AutodiscoverV1", "")
    yield ClientRequest(f"/tls/ask?domain=autoconfig.{domain}")
    for path in PATHS[:4]:
        yield ClientRequest(path)
        for typed in (address, *mistyped):
            yield ClientRequest(path, typed=typed)


def with_domains(write: Write, number: int) -> Path:
    """Write a definition with additional domains."""
    domains = "".join(f"<domain>shop-{one}.example</domain>" for one in range(number))
    return write(TLS | {"<displayName>": f"{domains}<displayName>"}, f"{number}.xml")


def test_only_the_autoconfig_file_grows_with_the_number_of_domains(write: Write) -> None:
    mistyped = ("fred@exmaple.com", "fred@gmail.com", "fred@", "fred", "fred@exam ple.com")
    requests = [
        one for one in all_requests("example.com", *mistyped) if not one.path.startswith((AUTOCONFIG, "/v1.1/"))
    ]
    with client_for(with_domains(write, 0)) as http:
        small = [one.send(http, "example.com") for one in requests]
    with client_for(with_domains(write, 20_000)) as http:
        large = [one.send(http, "example.com") for one in requests]
    assert {one.status_code for one in small} == {200, 400, 404}
    assert [one.content for one in large] == [one.content for one in small]
    assert [one.headers for one in large] == [one.headers for one in small]


def test_a_definition_may_have_a_hundred_thousand_domains(write: Write) -> None:
    with client_for(with_domains(write, 100_000)) as http:
        body = ClientRequest(AUTOCONFIG).send(http, "shop-99999.example").text
        assert body.count("<domain>") == 100_002
        for one in all_requests("shop-99999.example"):
            assert one.send(http, "shop-99999.example").status_code == 200
        corrected = ClientRequest("/en/setup/", typed="fred@shpo-99999.example").send(http, "example.com")
        assert "fred@shop-99999.example" in corrected.text
        assert corrected.text.count("shop-") == corrected.text.count("shop-99999.example")


NUMBER = 150


@pytest.fixture
def definitions(write: Write, tmp_path: Path) -> Path:
    """A folder of definitions, each with a different server and name."""
    folder = tmp_path / "definitions"
    folder.mkdir()
    for number in range(NUMBER):
        names = {
            "example.com": f"com-{number}.example",
            "example.net": f"net-{number}.example",
            "Example Mail": f"Mail {number} & Co".replace("&", "&amp;"),
        }
        write(TLS | names, f"definitions/{number:03}.xml")
    return folder


@ONE_AND_TWO_WORKERS
def test_clients_get_their_providers_settings_even_during_reloads(definitions: Path, workers: str) -> None:
    chosen = [0, 99, 100, NUMBER - 1, *random.sample(range(101, NUMBER - 1), 2)]
    expected: dict[tuple[int, ClientRequest], tuple[bytes, str | None]] = {}
    for number in chosen:
        with client_for(definitions / f"{number:03}.xml") as http:
            for one in all_requests(f"com-{number}.example"):
                response = one.send(http, f"com-{number}.example")
                assert response.status_code == 200
                expected[number, one] = (response.content, response.headers.get("ETag"))
    with serving("--definition", definitions, "--workers", workers) as served, ThreadPoolExecutor(4) as clients:

        def send(wanted: tuple[int, ClientRequest]) -> tuple[bytes, str | None]:
            number, request = wanted
            response = request.send(served.http, f"com-{number}.example")
            return response.content, response.headers.get("ETag")

        for reloads in range(1, 4):
            wanted = random.sample(list(expected), len(expected))
            found = clients.map(send, wanted)
            served.process.send_signal(signal.SIGHUP)
            assert dict(zip(wanted, found, strict=True)) == expected
            assert wait_until(lambda number=reloads: served.printed().count("reloaded") == number)  # type: ignore[misc]


def test_a_reload_finds_an_error_in_a_definition_that_was_never_requested(definitions: Path) -> None:
    def profile(served: Served) -> bytes:
        return ClientRequest("/email.mobileconfig").send(served.http, "com-120.example").content

    with serving("--definition", definitions) as served:
        last = definitions / f"{NUMBER - 1}.xml"
        text = last.read_text()
        last.write_text(text.replace(">993<", ">99999<"))
        served.process.send_signal(signal.SIGHUP)
        assert wait_until(lambda: f"{last}:9: port 99999 is out of range; use 1-65535" in served.printed())
        before = profile(served)
        changed = definitions / "120.xml"
        changed.write_text(changed.read_text().replace("imap.com-120", "imap2.com-120"))
        last.write_text(text)
        served.process.send_signal(signal.SIGHUP)
        assert wait_until(lambda: "imap2.com-120" in profile(served).decode())
        assert b"imap.com-120" in before
