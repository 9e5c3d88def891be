"""Responses of the setup page. tests/web tests it in a browser."""

import html
import re
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from lxml.html import document_fromstring
from starlette.exceptions import HTTPException

from autoconfig.definition import EMBEDDED
from autoconfig.directory import directory
from autoconfig.protocols.mobileconfig import Mobileconfig
from autoconfig.requests import Request
from autoconfig.site.languages import catalogues
from autoconfig.site.setup_page import PATHS, SetupPage
from autoconfig.site.steps import APPS, apps
from autoconfig.sources import Sources
from tests.support import SERVICES, Served, Write, client_for, run

REQUEST = Request("GET", "https", b"", b"", b"", b"application/x-www-form-urlencoded", 0)
OTHER = {"example.com": "other.example", "example.net": "net.other.example", "Example Mail": "Other Mail"}
FRED = {"emailaddress": "fred@talk21.com"}
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/156.0.0.0"


def setup_page(*definitions: Path, public_url: str | None = None) -> SetupPage:
    found = directory(Sources(definitions).read().load().definitions)
    return SetupPage(found, Mobileconfig(found), public_url)


def read(
    page: SetupPage, path: str = "/en/", host: str = "", address: str = "", scheme: str = "https"
) -> etree._Element:
    """Request a page, with a POST if there is an address, and parse it as HTML."""
    form = b"emailaddress=" + "".join(f"%{byte:02X}" for byte in address.encode()).encode() if address else b""
    request = REQUEST._replace(host=host.encode(), scheme=scheme, method="POST" if form else "GET", body=form)
    return document_fromstring(dict(page.routes())[path](request).messages()[1]["body"])


def text(page: etree._Element) -> str:
    return " ".join(" ".join(part for body in page.iter("body") for part in body.itertext()).split())


def cards(page: etree._Element) -> dict[str, dict[str, str]]:
    """Return the settings that a page shows, by the titles of their cards."""
    return {
        str(card.xpath("string(h2 | h3)")): {
            str(row.xpath("string(th)")): str(row.xpath("string(td)")) for row in card.iter("tr")
        }
        for card in page.xpath("//div[@class='card']")
    }


def headings(page: etree._Element) -> list[str]:
    """Return the headings of a page's main part, each with its level."""
    return [f"{one.tag} {''.join(one.itertext())}" for one in page.xpath("//main//*[self::h1 or self::h2 or self::h3]")]


def page_url(page: etree._Element) -> str:
    return str(page.xpath("string(//figcaption/a/@href)"))


BT = setup_page(EMBEDDED)


@pytest.mark.parametrize("path", ["/", "/cy/setup/", "/de/setup/iphone/", "/settings/"])
def test_a_page_may_load_only_its_own_assets(http: httpx.Client, path: str) -> None:
    for response in (http.get(path), http.post(path, data=FRED), http.post(path, data={"emailaddress": "fred"})):
        assert response.headers["content-security-policy"] == (
            "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; "
            "base-uri 'none'; frame-ancestors 'none'"
        )
        assert response.headers["referrer-policy"] == "no-referrer"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        assert "set-cookie" not in response.headers


@pytest.mark.parametrize(
    ("path", "vary"),
    [
        ("/", "Accept-Language"),
        ("/setup/", "User-Agent, Accept-Language"),
        ("/setup/iphone/", "Accept-Language"),
        ("/en/", None),
        ("/en/setup/", "User-Agent"),
        ("/en/setup/iphone/", None),
    ],
)
def test_caches_may_store_general_pages_with_the_right_vary_header(
    http: httpx.Client, path: str, vary: str | None
) -> None:
    general = http.get(path)
    assert (general.headers["cache-control"], general.headers.get("vary")) == ("public, max-age=3600", vary)
    assert http.get(path, headers={"If-None-Match": general.headers["etag"]}).status_code == 304


@pytest.mark.parametrize("address", ["fred@talk21.com", "fred@example.org", "nonsense", ""])
def test_shared_caches_do_not_store_a_page_with_an_address(http: httpx.Client, address: str) -> None:
    response = http.post("/", data={"emailaddress": address})
    assert response.headers["cache-control"] == "private, no-cache"
    assert "etag" not in response.headers


@pytest.mark.parametrize(
    ("path", "type_"),
    [
        ("/site/setup.css", "text/css"),
        ("/site/setup.js", "text/javascript"),
        ("/site/icon.svg", "image/svg+xml"),
    ],
)
def test_caches_may_store_assets_whose_urls_change_with_their_content(
    http: httpx.Client, path: str, type_: str
) -> None:
    (url,) = re.findall(rf'"({path}\?[0-9a-f]+)"', http.get("/").text)
    response = http.get(url)
    assert (response.status_code, response.headers["cache-control"]) == (200, "public, max-age=86400")
    assert response.headers["content-type"].partition(";")[0] == type_
    assert http.get(url, headers={"If-None-Match": response.headers["etag"]}).status_code == 304


@pytest.mark.parametrize("path", PATHS)
def test_every_page_is_also_served_without_its_trailing_slash(http: httpx.Client, path: str) -> None:
    response = http.get(path)
    assert response.status_code == 200
    assert http.get(path.rstrip("/")).content == response.content


def test_every_link_and_form_of_every_page_works(http: httpx.Client) -> None:
    links = set()
    for path in PATHS:
        for page in (http.get(path), http.post(path, data=FRED)):
            document = document_fromstring(page.content)
            links |= {url for url in document.xpath("//a/@href | //link/@href | //script/@src") if url[0] == "/"}
            for url in document.xpath("//@formaction | //form/@action"):
                assert http.post(url, data=FRED).status_code == 200
            for fragment in document.xpath("//a/@href[starts-with(., '#')]"):
                assert document.xpath("//*[@id = $id]", id=fragment[1:])
    assert [url for url in links if http.get(url).status_code != 200] == []


@pytest.mark.parametrize(
    ("accepted", "language"),
    [("cy-GB,cy;q=0.9,en;q=0.8", "cy"), ("de-AT", "de"), ("nl, fr;q=0.5", "fr"), ("zh", "en"), ("", "en")],
)
def test_the_browsers_language_is_used_unless_the_path_has_one(
    http: httpx.Client, accepted: str, language: str
) -> None:
    headers = {"Accept-Language": accepted}
    for page in (http.get("/setup/", headers=headers), http.post("/", data=FRED, headers=headers)):
        assert f'<html lang="{language}">' in page.text
        assert set(re.findall(r'action="/([a-z-]+)/setup/iphone/"|href="/([a-z-]+)/setup/iphone/"', page.text)) <= {
            (language, ""),
            ("", language),
        }
    assert http.get("/setup/", headers=headers).headers["content-language"] == language
    assert '<html lang="es">' in http.get("/es/setup/", headers=headers).text


@pytest.mark.parametrize("language", catalogues())
@pytest.mark.parametrize("address", ["", "fred@talk21.com"])
def test_a_page_links_to_itself_in_every_other_language(language: str, address: str) -> None:
    page = read(BT, f"/{language}/setup/iphone/", address=address)
    others = page.xpath("//nav[@class='languages']//@formaction" if address else "//nav[@class='languages']//a/@href")
    assert sorted(others) == sorted(f"/{one}/setup/iphone/" for one in catalogues() if one != language)


@pytest.mark.parametrize(
    ("typed", "status"),
    [
        *(("fred@talk21.com", 200), ("", 400), ("fred", 400), ("a@b@talk21.com", 400), ("fred@bt", 400)),
        ("fred@example.org", 404),
    ],
)
def test_an_error_page_has_the_matching_status(http: httpx.Client, typed: str, status: int) -> None:
    assert http.post("/", data={"emailaddress": typed}).status_code == status


def test_the_form_of_an_error_page_leads_to_the_intended_page(http: httpx.Client) -> None:
    page = document_fromstring(http.post("/fr/setup/gmail/", data={"emailaddress": "fred"}).content)
    assert page.xpath("//form[input[@id='emailaddress']]/@action") == ["/fr/setup/gmail/"]


def test_an_app_page_with_an_empty_form_is_the_general_one(http: httpx.Client) -> None:
    assert http.post("/en/setup/gmail/", data={"emailaddress": ""}).content == http.get("/en/setup/gmail/").content


def test_an_address_in_the_url_is_ignored(http: httpx.Client) -> None:
    assert http.get("/setup/gmail/?emailaddress=fred@talk21.com").content == http.get("/setup/gmail/").content


def test_a_post_that_is_not_a_form_is_refused(http: httpx.Client) -> None:
    assert http.post("/", json=FRED).status_code == 415


def test_an_address_is_passed_from_page_to_page_but_not_in_urls(http: httpx.Client) -> None:
    for path in ("/", "/en/setup/", *(f"/en/{app.path}" for app in APPS)):
        page = document_fromstring(http.post(path, data=FRED).content)
        assert page.xpath("//form[@id='again']/input/@value") == ["fred@talk21.com"]
        assert not [url for url in page.xpath("//@href | //@action | //@formaction | //@src") if "fred" in url]


def test_another_providers_address_gets_one_sentence_and_no_app(http: httpx.Client) -> None:
    page = document_fromstring(http.post("/", data={"emailaddress": "fred@gmail.com"}).content)
    assert page.xpath("string(//h1)") == "You can’t set up Gmail addresses here"
    assert page.xpath("string(//main)").endswith("This page is for BT Mail addresses only.Use another address")
    assert not page.xpath("//main//input | //main//ul | //footer")


def test_a_provider_without_a_known_brand_name_is_called_by_its_domain(http: httpx.Client) -> None:
    page = document_fromstring(http.post("/", data={"emailaddress": "fred@example.org"}).content)
    assert page.xpath("string(//h1)") == "You can’t set up example.org addresses here"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("fred@btinternet.con", "fred@btinternet.com"),
        ("Fred@BTopenword.com", "Fred@btopenworld.com"),
        ("fred@btinternet,com", "fred@btinternet.com"),
        ("fred@bt internet.com", "fred@btinternet.com"),
    ],
)
def test_a_mistyped_domain_is_offered_as_a_button(http: httpx.Client, typed: str, meant: str) -> None:
    page = document_fromstring(http.post("/en/setup/mac/", data={"emailaddress": typed}).content)
    (form,) = page.xpath("//section[@role='alert']//form")
    assert (form.get("action"), form.xpath("string(input/@value)")) == ("/en/setup/mac/", meant)
    assert form.xpath("string(button)") == f"Use {meant}"


@pytest.mark.parametrize("definition", [EMBEDDED, None], ids=["own domains", "customers' domains"])
def test_an_incomplete_domain_is_an_error_not_another_provider(write: Write, definition: Path | None) -> None:
    page = setup_page(definition or write({"<domain>example.net": '<domain purpose="mx">example.net'}))
    response = read(page, "/en/", address="fred@bt")
    assert response.xpath("string(//h1)").startswith("What is your ")
    assert "The part after the @ is not right. It looks like " in text(response)


MARKUP = "<x9/y='\">"
"""Markup that no page contains, without a space, so that an address can contain it."""
LINE = st.text(
    st.characters(exclude_categories=["Cc", "Cf", "Cs", "Zl", "Zp"], exclude_characters="\ufffe\uffff"), max_size=40
)


@given(LINE, st.sampled_from(["/en/", "/cy/setup/", "/de/setup/thunderbird-android/", "/settings/"]))
def test_markup_in_an_invalid_address_is_returned_as_text(typed: str, path: str) -> None:
    typed = f"{typed.lstrip()}{MARKUP}"
    page = read(BT, path, address=typed)
    assert page.xpath("//input[@id='emailaddress']/@value") == [typed]
    assert not page.xpath("//x9")


@given(LINE, st.sampled_from(["/en/", "/cy/setup/", "/de/setup/thunderbird-android/", "/settings/"]))
def test_markup_in_an_address_stays_text_on_every_page(typed: str, path: str) -> None:
    local = re.sub(r"[\s,@]", "", typed) + MARKUP
    page = read(BT, path, address=f"{local}@talk21.com")
    assert page.xpath("//form[@id='again']/input/@value") == [f"{local}@talk21.com"]
    assert not page.xpath("//x9")


def test_markup_in_a_local_part_is_escaped_everywhere(http: httpx.Client) -> None:
    local = "<script>alert(1)</script>&\"'"
    for path in ("/", "/setup/other/", "/setup/thunderbird-android/", "/settings/"):
        response = http.post(path, data={"emailaddress": f"{local}@talk21.com"})
        assert response.status_code == 200
        assert "<script>alert" not in response.text
        assert response.text.count(html.escape(local)) >= 2


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
@pytest.mark.parametrize("address", ["", "fred@btinternet.com"])
def test_links_lead_to_the_requested_host_only_when_it_is_the_providers_own(
    scheme: str, host: str, url: str, address: str
) -> None:
    page = read(BT, "/en/setup/gmail/", host, address, scheme)
    assert page_url(page) == f"{url}/en/setup/gmail/"
    assert b"evil" not in etree.tostring(page)


def test_a_public_url_replaces_hosts_that_are_not_the_providers_own() -> None:
    page = setup_page(EMBEDDED, public_url="https://setup.bt.example/")
    path = "/en/setup/gmail/"
    assert page_url(read(page, path, "anything.example")) == f"https://setup.bt.example{path}"
    assert page_url(read(page, path, "talk21.com")) == f"https://talk21.com{path}"


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("http://setup.bt.example", "https://setup.bt.example"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_links_use_http_only_for_this_machine(given: str, used: str) -> None:
    page = read(setup_page(EMBEDDED, public_url=given), "/en/setup/gmail/", "10.0.0.1")
    assert page_url(page) == f"{used}/en/setup/gmail/"


@pytest.mark.parametrize("wrong", ["setup.example", "ftp://setup.example", "https://setup.example/path", 'https://"'])
def test_an_invalid_public_url_stops_the_start(wrong: str) -> None:
    done = run("serve", "--public-url", wrong)
    assert done.returncode == 2
    assert "is not the URL of a server" in done.stderr


def test_the_host_or_the_address_selects_the_providers_page(write: Write) -> None:
    both = setup_page(write(), write(OTHER, "other.xml"), public_url="https://setup.example")
    assert text(read(both)).startswith("Set up Example Mail")
    assert text(read(both, host="autoconfig.other.example")).startswith("Set up Other Mail")
    by_address = read(both, "/en/setup/gmail/", "autoconfig.example.com", "fred@other.example")
    assert text(by_address).startswith("Set up Other Mail")
    # A phone must get it from its own host, because the other host has the other provider's page.
    assert page_url(by_address) == "https://autoconfig.other.example/en/setup/gmail/"


JMAP = """<incomingServer type="jmap"><url>https://jmap.example.com/</url><authentication>Basic</authentication>
<username>%EMAILADDRESS%</username></incomingServer></emailProvider>"""


def test_the_settings_page_shows_all_settings_of_the_definition(write: Write) -> None:
    page = setup_page(write({"</emailProvider>": JMAP, "</clientConfig>": SERVICES}))
    password = {"Password": "Your Example Mail password"}
    found = cards(read(page, "/en/settings/", address="fred@example.net"))
    assert found == {
        "Incoming mail (IMAP)": {
            "Server": "imap.example.com",
            "Port": "143",
            "Security": "STARTTLS",
            "Username": "fred",
        }
        | password,
        "Outgoing mail (SMTP)": {
            "Server": "smtp.example.com",
            "Port": "587",
            "Security": "STARTTLS",
            "Username": "fred@example.net",
        }
        | password,
        "In place of IMAP (POP3)": {
            "Server": "pop.example.com",
            "Port": "110",
            "Security": "None",
            "Username": "fred@example.net",
        }
        | password,
        "Incoming and outgoing mail (JMAP)": {"Address": "https://jmap.example.com/", "Username": "fred@example.net"},
        "Calendar (CalDAV)": {"Address": "https://dav.example.com:8443/cal/", "Username": "fred@example.net"},
        "Contacts (CardDAV)": {"Address": "https://contacts.example.com", "Username": "fred"},
    }
    assert [title.partition(" (")[2] for title in found] == ["IMAP)", "SMTP)", "POP3)", "JMAP)", "CalDAV)", "CardDAV)"]


def test_implicit_tls_is_called_ssl_tls() -> None:
    assert [one["Security"] for one in cards(read(BT, "/en/settings/")).values()] == ["SSL/TLS"] * 3


@pytest.mark.parametrize(
    ("methods", "login"),
    [
        ("password-cleartext", "Your Example Mail password"),
        ("password-encrypted", "Your Example Mail password"),
        ("NTLM", "Your Example Mail password"),
        ("OAuth2", "The app opens a page where you log in (OAuth2)"),
        ("OAuth2 password-cleartext", "Your Example Mail password"),
        ("none", "None"),
        ("client-IP-address", "None"),
        ("GSSAPI TLS-client-cert", "GSSAPI"),
    ],
)
def test_the_settings_state_how_to_log_in(write: Write, methods: str, login: str) -> None:
    changed = methods.replace(" ", "</authentication><authentication>")
    page = setup_page(write({"password-cleartext": changed}))
    assert cards(read(page, "/en/settings/"))["Incoming mail (IMAP)"]["Password"] == login


def test_without_imap_the_settings_are_those_of_pop3(write: Write) -> None:
    page = setup_page(write({'type="imap"': 'type="ews"'}))
    for path in ("/en/settings/", "/en/setup/outlook-new/"):
        found = read(page, path)
        assert list(cards(found)) == ["Incoming mail (POP3)", "Outgoing mail (SMTP)"]
        assert "IMAP" not in text(found)
    steps = read(page, "/en/setup/outlook-new/").xpath("//ol[@class='steps']//b")
    assert "POP3" in [one.text for one in steps]


@pytest.mark.parametrize(
    ("path", "address", "title"),
    [
        ("", "", "What is your BT Mail address?"),
        ("", "fred@gmail.com", "You can’t set up Gmail addresses here"),
        ("setup/", "", "Where do you want to read your email?"),
        ("setup/", "fred@talk21.com", "Where do you want to read your email?"),
        ("setup/thunderbird-android/", "", "Set up Thunderbird on your Android phone"),
        ("settings/", "", "All the settings"),
    ],
)
def test_a_pages_title_is_its_heading_with_the_provider(path: str, address: str, title: str) -> None:
    page = read(BT, f"/en/{path}", address=address)
    assert page.xpath("string(//title)") == f"{title} – BT Mail"
    assert "".join(page.xpath("//h1")[0].itertext()) == title


def test_the_title_of_an_error_page_says_so_first() -> None:
    title = read(BT, "/en/", address="fred").xpath("string(//title)")
    assert title == "Error: What is your BT Mail address? – BT Mail"


@pytest.mark.parametrize(("address", "shown"), [("", False), ("fred@talk21.com", True)])
def test_the_choice_repeats_the_address(address: str, shown: bool) -> None:
    assert ("You are setting up fred@talk21.com" in text(read(BT, "/en/setup/", address=address))) == shown


@pytest.mark.parametrize(("agent", "titles"), [(WINDOWS, 2), ("", 0)])
def test_only_a_known_device_divides_the_choice_in_two(http: httpx.Client, agent: str, titles: int) -> None:
    page = document_fromstring(http.get("/en/setup/", headers={"User-Agent": agent}).content)
    assert (len(page.xpath("//main/h2")), len(page.xpath("//ul[@class='choice']"))) == (titles, titles or 1)


@pytest.mark.parametrize(
    ("app", "address", "expected"),
    [
        (
            "gmail",
            "",
            [
                "h1 Set up the Gmail app on Android",
                "h2 What you need",
                "h2 What to do",
                "h2 The settings to copy",
                "h3 Incoming mail (IMAP)",
                "h3 Outgoing mail (SMTP)",
                "h2 You know it works when…",
                "h2 If it doesn’t work",
                "h2 Other options",
                "h3 POP3",
                "h3 In place of IMAP (POP3)",
            ],
        ),
        (
            "iphone",
            "fred@talk21.com",
            [
                "h1 Set up Mail on your iPhone or iPad",
                "h2 What you need",
                "h2 What to do",
                "h2 You know it works when…",
                "h2 If it doesn’t work",
                "h2 Set it up by hand",
                "h2 The settings to copy",
                "h3 Incoming mail (IMAP)",
                "h3 Outgoing mail (SMTP)",
                "h2 Other options",
                "h3 POP3",
            ],
        ),
        (
            "thunderbird-android",
            "fred@talk21.com",
            [
                "h1 Set up Thunderbird on your Android phone",
                "h2 What you need",
                "h2 Scan to set up",
                "h2 Set it up on the phone",
                "h2 You know it works when…",
                "h2 If it doesn’t work",
                "h2 Other options",
                "h3 POP3",
                "h3 In place of IMAP (POP3)",
            ],
        ),
    ],
)
def test_an_apps_page_has_its_sections_in_order(app: str, address: str, expected: list[str]) -> None:
    assert headings(read(BT, f"/en/setup/{app}/", address=address)) == expected


@pytest.mark.parametrize(
    ("app", "figures"),
    [
        ("iphone", ["/en/setup/iphone/", "/email.mobileconfig"]),
        ("gmail", ["/en/setup/gmail/"]),
        ("mac", []),
        ("thunderbird", []),
        ("other", []),
    ],
)
def test_a_phones_page_has_a_code_to_open_it_there_and_the_iphones_one_for_the_profile(
    app: str, figures: list[str]
) -> None:
    page = read(BT, f"/en/setup/{app}/", "btinternet.com")
    targets = page.xpath("//figure//a")
    assert [one.get("href") for one in targets] == [f"https://btinternet.com{path}" for path in figures]
    assert [one.text for one in targets] == [one.get("href") for one in targets]
    assert len(page.xpath("//figure/svg")) == len(figures)


@pytest.mark.parametrize(
    ("app", "step", "address", "shown"),
    [
        ("iphone", "Type your BT Mail address when you are asked for it.", "", True),
        ("iphone", "Type your BT Mail address when you are asked for it.", "fred@talk21.com", False),
        ("thunderbird", "If you can choose, take IMAP.", "", True),
        ("thunderbird-android", "You also need the Thunderbird app.", "", True),
        ("gmail", "You also need the Thunderbird app.", "", False),
    ],
)
def test_a_page_has_only_the_steps_for_its_app_and_visitor(app: str, step: str, address: str, shown: bool) -> None:
    page = read(BT, f"/en/setup/{app}/", address=address)
    assert any(step in "".join(one.itertext()) for one in page.iter("li", "p")) == shown


@pytest.mark.parametrize("changes", [{'type="imap"': 'type="ews"'}, {'type="pop3"': 'type="ews"'}])
def test_thunderbirds_users_are_not_told_to_choose_between_one_protocol(write: Write, changes: dict[str, str]) -> None:
    assert "If you can choose" not in text(read(setup_page(write(changes)), "/en/setup/thunderbird/"))


def test_a_problem_is_described_at_the_field_and_replaces_old_links() -> None:
    first, problem = read(BT, "/en/"), read(BT, "/en/", address="fred")
    assert (len(first.xpath("//*[@id='problem']")), len(problem.xpath("//*[@id='problem']"))) == (0, 1)
    assert first.xpath("//input[@id='emailaddress']/@aria-describedby") == ["hint promise"]
    assert problem.xpath("//input[@id='emailaddress']/@aria-describedby") == ["problem hint promise"]
    assert problem.xpath("//input[@id='emailaddress']/@aria-invalid") == ["true"]
    assert not problem.xpath("//nav[@class='old']")


@pytest.mark.parametrize(("address", "fields"), [("", []), ("fred@talk21.com", [("emailaddress", "fred@talk21.com")])])
def test_the_buttons_for_a_profile_send_the_address_if_it_is_known(address: str, fields: list[tuple[str, str]]) -> None:
    page = read(BT, "/en/setup/mac/", address=address)
    forms = {
        "".join(form.xpath("string(button)")): [(one.get("name"), one.get("value")) for one in form.iter("input")]
        for form in page.xpath("//form[@action='/email.mobileconfig'][@method='post']")
    }
    assert forms == {
        "Download the profile": fields,
        "Download the profile for POP3": [*fields, ("protocol", "pop3")],
    }


def test_without_a_pop3_profile_apples_page_shows_the_pop3_settings(write: Write) -> None:
    page = read(setup_page(write({"password-encrypted": "OAuth2"})), "/en/setup/mac/")
    assert len(page.xpath("//form[@action='/email.mobileconfig']")) == 1
    assert "In place of IMAP (POP3)" in cards(page)


def test_a_provider_with_one_protocol_offers_no_other_on_an_apps_page(write: Write) -> None:
    page = read(setup_page(write({'type="pop3"': 'type="ews"'})), "/en/setup/gmail/")
    assert "POP3" not in text(page)


@pytest.mark.parametrize("address", ["", "fred@talk21.com"])
def test_only_a_visitor_without_an_address_can_fill_one_in(address: str) -> None:
    for path in ("/en/setup/gmail/", "/en/settings/"):
        forms = read(BT, path, address=address).xpath("//form[@class='fill']")
        assert [form.get("action") for form in forms] == ([] if address else [path])


@pytest.mark.parametrize("address", ["", "fred@talk21.com"])
def test_an_apps_page_leads_back_to_the_choice_and_to_all_settings(address: str) -> None:
    page = read(BT, "/en/setup/gmail/", address=address)
    for place, paths in (("//p[@class='back']", ["setup/"]), ("//details[@class='options']", ["setup/", "settings/"])):
        links = page.xpath(f"{place}//a/@href" if not address else f"{place}//button[@form='again']/@formaction")
        assert links == [f"/en/{path}" for path in paths]


def test_the_language_of_a_page_is_marked_and_not_a_link() -> None:
    (current,) = read(BT, "/cy/setup/").xpath("//nav[@class='languages']//span[@aria-current='true']")
    assert current.text == "Cymraeg"


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({}, set()),
        ({'type="imap"': 'type="ews"'}, {"thunderbird-android"}),
        ({'type="imap"': 'type="ews"', 'type="pop3"': 'type="ews"'}, {app.id for app in APPS} - {"other"}),
        (
            {"password-cleartext": "OAuth2", "password-encrypted": "OAuth2"},
            {app.id for app in APPS} - {"thunderbird", "thunderbird-android", "other"},
        ),
        (
            {"password-cleartext": "NTLM"},
            {app.id for app in APPS if app.id.startswith(("outlook", "gmail", "samsung"))},
        ),
    ],
)
def test_only_apps_that_can_use_the_provider_are_offered(
    write: Write, changes: dict[str, str], missing: set[str]
) -> None:
    page = setup_page(write(changes))
    offered = [path.split("/")[-2] for path in read(page, "/en/setup/").xpath("//ul[@class='choice']//a/@href")]
    assert offered == [app.id for app in APPS if app.id not in missing]


def test_apps_that_cannot_use_a_provider_are_not_offered(write: Write) -> None:
    oauth = setup_page(write({"password-cleartext": "OAuth2", "password-encrypted": "OAuth2"}))
    offered = text(read(oauth, "/en/setup/"))
    assert "Thunderbird" in offered
    assert "iPhone" not in offered
    assert "Outlook" not in offered
    with client_for(write({"password-cleartext": "OAuth2"})) as client:
        assert client.get("/setup/outlook-new/").status_code == 404


def test_the_settings_include_calendars_and_address_books(write: Write) -> None:
    page = setup_page(write({"</clientConfig>": SERVICES}))
    settings = text(read(page, "/en/settings/", address="fred@example.com"))
    assert "Calendar (CalDAV) Address https://dav.example.com:8443/cal/" in settings
    assert "Contacts (CardDAV) Address https://contacts.example.com" in settings


def test_without_an_address_the_username_is_described(write: Write) -> None:
    page = text(read(setup_page(write()), "/en/settings/"))
    assert "Username The part of your address before the @" in page
    assert "Username Your whole email address" in page


def test_a_provider_that_hosts_customer_domains_accepts_any_domain(write: Write) -> None:
    hosting = setup_page(write({"<domain>example.net": '<domain purpose="mx">example.net'}))
    assert "Username fred Copy" in text(read(hosting, "/en/settings/", address="fred@customer.example"))


DOCUMENTED = """<documentation url="https://help.example">
      <descr lang="en">Help in English</descr><descr lang="cy">Help yn Gymraeg</descr>
    </documentation></emailProvider>"""


@pytest.mark.parametrize(
    ("language", "link"),
    [("en", "Help in English"), ("cy", "Help yn Gymraeg"), ("de", "Hilfe von Example Mail")],
)
def test_the_help_link_is_described_in_the_visitors_language(write: Write, language: str, link: str) -> None:
    page = read(setup_page(write({"</emailProvider>": DOCUMENTED})), f"/{language}/")
    assert page.xpath("string(//footer//a)") == link


def test_several_help_pages_in_other_languages_keep_their_own_descriptions(write: Write) -> None:
    documented = "".join(
        f'<documentation url="https://{tag}.example"><descr lang="{tag}">Help {tag}</descr></documentation>'
        for tag in ("de-AT", "nl")
    )
    page = setup_page(write({"</emailProvider>": f"{documented}</emailProvider>"}))
    links = {
        language: [
            (one.get("href"), one.text, one.get("lang")) for one in read(page, f"/{language}/").xpath("//footer//a")
        ]
        for language in ("en", "de")
    }
    assert links == {
        "en": [("https://de-AT.example", "Help de-AT", "de-AT"), ("https://nl.example", "Help nl", "nl")],
        "de": [("https://de-AT.example", "Help de-AT", None), ("https://nl.example", "Help nl", "nl")],
    }


def test_without_help_pages_and_webmail_there_is_no_help(write: Write) -> None:
    assert read(setup_page(write())).xpath("//footer//*") == []


def test_name_help_and_webmail_come_from_the_definition() -> None:
    footer = read(BT).xpath("//footer//a")
    assert [(link.get("href"), link.text_content()) for link in footer] == [
        ("https://www.bt.com/help/email", "Help with BT Email"),
        ("https://www.bt.com/email", "Read your email on the web"),
    ]


@pytest.mark.parametrize("app", ["iphone", "mac"])
def test_the_page_describes_the_devices_dialogue_in_one_sentence(
    server: Served, signing: tuple[str, ...], app: str
) -> None:
    unsigned = document_fromstring(server.http.get(f"/setup/{app}/").content)
    assert text(unsigned).count("Not Signed") == 1
    assert unsigned.xpath("//details[@id='manual']/@open")
    with client_for(EMBEDDED, *signing) as client:
        signed = document_fromstring(client.get(f"/setup/{app}/").content)
    assert "Not Signed" not in text(signed)
    assert "Verified" in text(signed)
    assert not signed.xpath("//details[@id='manual']/@open")


@pytest.mark.parametrize("platform", ["windows", "phone"])
def test_apps_for_the_visitors_device_come_first(http: httpx.Client, platform: str) -> None:
    agent = {"windows": WINDOWS, "phone": "Mozilla/5.0 (iPhone; CPU iPhone OS 26_1 like Mac OS X)"}[platform]
    page = document_fromstring(http.get("/en/setup/", headers={"User-Agent": agent}).content)
    first = page.xpath("(//ul[@class='choice'])[1]//a/@href")
    assert (
        first
        == {
            "windows": [f"/en/setup/{app}/" for app in ("outlook-new", "outlook-classic", "thunderbird")],
            "phone": [f"/en/setup/{app}/" for app in ("iphone", "outlook-phone")],
        }[platform]
    )
    assert len(page.xpath("//ul[@class='choice']//a")) == len(APPS)


@pytest.mark.parametrize("address", ["", "fred@talk21.com"])
def test_the_visitors_device_is_recognised_only_on_the_page_of_the_choice(address: str) -> None:
    def page(path: str, agent: str) -> bytes:
        form = b"emailaddress=" + address.encode() if address else b""
        request = REQUEST._replace(user_agent=agent.encode(), method="POST" if form else "GET", body=form)
        return bytes(dict(BT.routes())[path](request).messages()[1]["body"])

    assert page("/en/setup/", WINDOWS) != page("/en/setup/", "")
    for path in ("/en/setup/gmail/", "/en/settings/"):
        assert page(path, WINDOWS) == page(path, "")


def test_a_picture_shows_the_kind_of_device() -> None:
    pictures: dict[str | None, set[bytes]] = {}
    for app in apps().iterfind("app"):
        (drawn,) = read(BT, "/en/setup/").xpath(f"//a[@href='/en/setup/{app.get('id')}/']/svg")
        drawn.tail = None
        pictures.setdefault(app.get("on"), set()).add(etree.tostring(drawn))
    assert [len(one) for one in pictures.values()] == [1, 1, 1]
    assert len(set.union(*pictures.values())) == 3


def test_fragments_of_the_former_page_select_their_apps(http: httpx.Client) -> None:
    page = document_fromstring(http.get("/").content)
    groups = {nav.get("id"): nav.xpath(".//a/@href") for nav in page.xpath("//nav[@class='old']")}
    assert set(groups) == {"apple", "outlook", "android", "thunderbird", "other"}
    assert groups["outlook"][0] == "/en/setup/outlook-new/"
    assert sum(map(len, groups.values())) == len(APPS)


def test_a_page_with_its_assets_is_smaller_than_40_kib_for_any_address(http: httpx.Client) -> None:
    parts = sum(len(http.get(path).content) for path in ("/site/setup.css", "/site/setup.js", "/site/icon.svg"))
    for address in ("fred@btinternet.com", f"{'a' * 64}@btinternet.com", f"{'a' * 305}@btinternet.com"):
        for path in PATHS:
            assert len(http.post(path, data={"emailaddress": address}).content) + parts < 40 * 1024


def test_cached_responses_are_bounded() -> None:
    page = setup_page(EMBEDDED)
    for number in range(2000):
        languages = f"x{number}".encode()
        page.respond(
            REQUEST._replace(host=f"h{number}.example".encode(), user_agent=languages, accept_language=languages)
        )
    assert page._general.cache_info().currsize == 1


@given(
    st.from_regex(r"[A-Za-z0-9._+%-]{0,70}", fullmatch=True),
    st.sampled_from(["talk21.com", "TALK21.com", "talk21.com.", "gmail.com", "talk21.con", "", "-.-"]),
    st.sampled_from(["%40", "@", "%2540"]),
)
def test_the_fast_path_for_a_plain_form_agrees_with_the_general_path(local: str, domain: str, at: str) -> None:
    form = f"emailaddress={local}{at}{domain}".encode()
    respond = dict(BT.routes())["/en/setup/gmail/"]

    def outcome(body: bytes) -> object:
        try:
            response = respond(REQUEST._replace(method="POST", body=body))
        except HTTPException as error:
            return error.status_code
        return response.status, response.body

    assert outcome(form) == outcome(form + b"&") == outcome(b"&" + form)
