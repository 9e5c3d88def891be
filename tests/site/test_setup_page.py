"""What `/` answers. What people see of it and do with it is in tests/web."""

import html
import re
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from lxml.html import document_fromstring

from autoconfig.definition import EMBEDDED
from autoconfig.directory import directory
from autoconfig.protocols.mobileconfig import Mobileconfig
from autoconfig.requests import Request
from autoconfig.site.setup_page import SetupPage
from autoconfig.sources import Sources
from tests.support import SERVICES, Served, Write, serving

ASKED = Request("GET", "https", b"", b"", b"", b"application/x-www-form-urlencoded", 0)
OTHER = {"example.com": "other.example", "example.net": "net.other.example", "Example Mail": "Other Mail"}


def setup_page(*definitions: Path, public_url: str | None = None) -> SetupPage:
    found = directory(Sources(definitions).read().load().definitions)
    return SetupPage(found, Mobileconfig(found), public_url)


def read(page: SetupPage, host: str = "", form: bytes = b"") -> etree._Element:
    """Ask for the page and read it as HTML."""
    asked = ASKED._replace(host=host.encode(), method="POST" if form else "GET", body=form)
    return document_fromstring(page.respond(asked).messages()[1]["body"])


def text(page: SetupPage, host: str = "", form: bytes = b"") -> str:
    return " ".join(" ".join(part for body in read(page, host, form).iter("body") for part in body.itertext()).split())


def profile_url(page: etree._Element) -> str:
    return str(page.xpath("string(//figcaption/a/@href)"))


BT = setup_page(EMBEDDED)


def test_the_page_may_do_nothing_but_what_it_needs(http: httpx.Client) -> None:
    for answer in (http.get("/"), http.post("/", data={"emailaddress": "fred"})):
        assert answer.headers["content-security-policy"] == (
            "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; "
            "base-uri 'none'; frame-ancestors 'none'"
        )
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert "set-cookie" not in answer.headers


def test_caches_keep_what_is_for_all_and_nothing_personal(http: httpx.Client) -> None:
    general = http.get("/")
    assert (general.headers["cache-control"], general.headers["vary"]) == ("public, max-age=3600", "User-Agent")
    assert http.get("/", headers={"If-None-Match": general.headers["etag"]}).status_code == 304
    for address in ("fred@talk21.com", "fred@example.org", "nonsense"):
        assert http.post("/", data={"emailaddress": address}).headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/site/setup.css", "/site/setup.js", "/site/icon.svg"])
def test_its_parts_are_kept_by_caches_and_asked_for_by_what_is_in_them(http: httpx.Client, path: str) -> None:
    (url,) = re.findall(rf'"({path}\?[0-9a-f]+)"', http.get("/").text)
    answer = http.get(url)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "public, max-age=86400")
    assert http.get(url, headers={"If-None-Match": answer.headers["etag"]}).status_code == 304


@pytest.mark.parametrize(
    ("typed", "status"),
    [("fred@talk21.com", 200), ("", 200), ("fred", 400), ("a@b@talk21.com", 400), ("fred@example.org", 404)],
)
def test_a_mistake_is_the_page_again_with_the_status_that_it_deserves(
    http: httpx.Client, typed: str, status: int
) -> None:
    answer = http.post("/", data={"emailaddress": typed})
    assert answer.status_code == status
    assert 'name="emailaddress"' in answer.text


def test_an_address_in_the_url_is_not_looked_at(http: httpx.Client) -> None:
    assert http.get("/?emailaddress=fred@talk21.com").content == http.get("/").content


def test_a_post_that_is_no_form_is_refused(http: httpx.Client) -> None:
    assert http.post("/", json={"emailaddress": "fred@talk21.com"}).status_code == 415


@given(
    st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters="\ufffe\uffff"), min_size=1)
)
def test_markup_in_what_was_typed_comes_back_as_text(typed: str) -> None:
    typed = typed.strip(" ")[:300] or "x"
    page = read(BT, form=b"emailaddress=" + "".join(f"%{byte:02X}" for byte in typed.encode()).encode())
    assert page.xpath("string(//input[@id='emailaddress']/@value)") == typed
    assert len(page.xpath("//script")) == 1


def test_a_local_part_full_of_markup_is_text_wherever_it_stands(http: httpx.Client) -> None:
    local = "<script>alert(1)</script>&\"'"
    answer = http.post("/", data={"emailaddress": f"{local}@talk21.com"})
    assert answer.status_code == 200
    assert "<script>alert" not in answer.text
    assert answer.text.count(html.escape(local)) >= 5


@pytest.mark.parametrize(
    ("scheme", "host", "url"),
    [
        ("https", "autoconfig.talk21.com", "https://autoconfig.talk21.com"),
        ("http", "btinternet.com", "https://btinternet.com"),
        ("https", "AutoConfig.BTinternet.com.", "https://autoconfig.btinternet.com"),
        ("https", "talk21.com:8443", "https://talk21.com"),
        ("https", "evil.example", "https://autoconfig.btinternet.com"),
        ("https", "evil.example/autoconfig.btinternet.com", "https://autoconfig.btinternet.com"),
        ("https", "", "https://autoconfig.btinternet.com"),
    ],
)
def test_links_lead_to_the_host_that_was_asked_only_when_it_is_the_providers_own(
    scheme: str, host: str, url: str
) -> None:
    body = BT.respond(ASKED._replace(scheme=scheme, host=host.encode())).messages()[1]["body"]
    assert profile_url(document_fromstring(body)) == f"{url}/email.mobileconfig"
    assert b"evil" not in body


def test_a_public_url_is_for_hosts_that_are_not_the_providers_own() -> None:
    page = setup_page(EMBEDDED, public_url="https://setup.bt.example/")
    assert profile_url(read(page, "anything.example")) == "https://setup.bt.example/email.mobileconfig"
    assert profile_url(read(page, "talk21.com")) == "https://talk21.com/email.mobileconfig"


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("http://setup.bt.example", "https://setup.bt.example"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://localhost:8000", "http://localhost:8000"),
    ],
)
def test_links_use_http_only_for_this_machine_itself(given: str, used: str) -> None:
    page = setup_page(EMBEDDED, public_url=given)
    body = page.respond(ASKED._replace(host=b"10.0.0.1")).messages()[1]["body"]
    assert profile_url(document_fromstring(body)) == f"{used}/email.mobileconfig"


@pytest.mark.parametrize("wrong", ["setup.example", "ftp://setup.example", "https://setup.example/path", 'https://"'])
def test_a_public_url_that_is_none_is_refused_at_start(wrong: str) -> None:
    with pytest.raises(AssertionError, match="is not the address of a server"), serving("--public-url", wrong):
        pass


def test_each_provider_has_its_page_found_by_host_and_by_address(write: Write) -> None:
    both = setup_page(write(), write(OTHER, "other.xml"), public_url="https://setup.example")
    assert text(both).startswith("Set up Example Mail")
    assert text(both, "autoconfig.other.example").startswith("Set up Other Mail")
    by_address = read(both, "autoconfig.example.com", b"emailaddress=fred@other.example")
    assert str(by_address.xpath("string(//h1)")) == "Set up Other Mail in your mail app"
    # Its profile is to be had at its own host: at the other's, the other's would be.
    assert profile_url(by_address) == "https://autoconfig.other.example/email.mobileconfig"


def test_a_page_says_what_its_definition_says_and_no_more(write: Write) -> None:
    page = setup_page(write())
    settings = text(page, form=b"emailaddress=fred@example.net")
    assert "STARTTLS" in settings
    assert "Security None" in settings
    assert "Username fred " in settings
    bare = text(setup_page(write({"password-cleartext": "OAuth2"})))
    assert "In the browser" in bare
    assert "iPhone" not in bare
    assert "Outlook" not in bare
    only_pop3 = text(setup_page(write({'type="imap"': 'type="ews"'})))
    assert "Incoming mail: POP3" in only_pop3
    assert "IMAP" not in only_pop3


def test_calendars_and_address_books_are_settings_too(write: Write) -> None:
    page = text(setup_page(write({"</clientConfig>": SERVICES})), form=b"emailaddress=fred@example.com")
    assert "Calendar: CalDAV Address https://dav.example.com:8443/cal/" in page
    assert "Contacts: CardDAV Address https://contacts.example.com" in page


def test_without_an_address_the_username_is_described(write: Write) -> None:
    page = text(setup_page(write()))
    assert "Username what is before the @ of your address" in page
    assert "Username your e-mail address" in page


def test_whoever_hosts_others_takes_any_domain(write: Write) -> None:
    hosting = setup_page(write({"<domain>example.net": '<domain purpose="mx">example.net'}))
    assert "Username fred " in text(hosting, form=b"emailaddress=fred@customer.example")


def test_the_page_tells_what_the_device_will_show(server: Served, signing: tuple[str, ...]) -> None:
    assert "Not Signed" in server.http.get("/").text
    with serving(*signing) as served:
        signed = served.http.get("/").text
    assert "Not Signed" not in signed
    assert "Verified" in signed
