"""The setup page in a real browser, used as people use it."""

import json
import plistlib
from pathlib import Path
from typing import Any

import pytest
import zxingcpp
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from autoconfig.site.languages import catalogues
from autoconfig.site.steps import APPS
from tests.web.browser import HOST, ORIGIN
from tests.web.conftest import FRED, Open, choose, give_address

IDS = [app.id for app in APPS]
PHONE_APPS = ["iphone", "outlook-phone", "gmail", "samsung", "thunderbird-android"]
COPYING = ["outlook-new", "outlook-classic", "outlook-mac", "outlook-phone", "gmail", "samsung", "other"]
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 26_1 like Mac OS X) AppleWebKit/605.1.15"


FOCUSED = """selector => {
  const focused = document.activeElement;
  return [focused.matches(selector), getComputedStyle(focused).outlineStyle];
}"""


def focus(page: Page, selector: str) -> None:
    """Press Tab until an element has the focus. Every element on the way must show that it has the focus."""
    for _ in range(60):
        page.keyboard.press("Tab")
        found, outline = page.evaluate(FOCUSED, selector)
        assert outline == "solid"
        if found:
            return
    raise AssertionError(f"Tab does not reach {selector}")


def press(page: Page, key: str = "Enter") -> None:
    with page.expect_navigation():
        page.keyboard.press(key)


def in_viewport(page: Page, element: Locator) -> bool:
    """Return whether an element is visible without scrolling."""
    box, window = element.bounding_box(), page.viewport_size
    # One pixel of tolerance: positions have fractions, but scrolling does not.
    return bool(box and window and box["y"] >= -1 and box["y"] + box["height"] <= window["height"] + 1)


def download(page: Page, name: str = "Download the profile") -> dict[str, Any]:
    with page.expect_download() as waiting:
        page.get_by_role("button", name=name, exact=True).click()
    assert waiting.value.suggested_filename == "btinternet.com.mobileconfig"
    profile: dict[str, Any] = plistlib.loads(Path(waiting.value.path()).read_bytes())
    return profile


def scan(code: Locator, folder: Path) -> str:
    picture = folder / "code.png"
    code.screenshot(path=picture)
    (found,) = zxingcpp.read_barcodes(Image.open(picture), formats=zxingcpp.barcode_formats_from_str("QRCode"))
    return str(found.text)


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("language", catalogues())
@pytest.mark.parametrize("app", IDS)
def test_every_app_can_be_set_up_by_keyboard(open_page: Open, app: str, language: str, width: int) -> None:
    page = open_page(
        f"/{language}/", viewport={"width": width, "height": 844}, java_script_enabled=width == 1280, locale=language
    )
    focus(page, "#emailaddress")
    page.keyboard.type(FRED)
    press(page)
    assert in_viewport(page, page.get_by_role("heading", level=1))
    focus(page, f"[formaction='/{language}/setup/{app}/']")
    press(page)
    assert in_viewport(page, page.get_by_role("heading", level=1))
    assert page.locator("html").get_attribute("lang") == language
    steps = page.locator("main section ol.steps").last.locator("li")
    assert steps.count() >= 3
    steps.last.scroll_into_view_if_needed()
    assert in_viewport(page, steps.last)
    expect(page.get_by_text(FRED).first).to_be_visible()
    focus(page, "footer a")


@pytest.mark.parametrize("app", IDS)
def test_the_browsers_back_and_the_back_link_return_to_the_previous_page(open_page: Open, app: str) -> None:
    page = open_page("/en/")
    give_address(page)
    choose(page, app)
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Where do you want to read your email?")
    expect(page.get_by_text(FRED)).to_be_visible()
    choose(page, app)
    with page.expect_navigation():
        page.get_by_role("button", name="Back").click()
    expect(page.get_by_text(FRED)).to_be_visible()


@pytest.mark.parametrize("scripts", [True, False])
@pytest.mark.parametrize("app", ["iphone", "mac"])
def test_the_profile_contains_the_address(open_page: Open, app: str, scripts: bool) -> None:
    page = open_page("/en/", java_script_enabled=scripts)
    give_address(page)
    choose(page, app)
    (mail,) = download(page)["PayloadContent"]
    assert (mail["EmailAddress"], mail["EmailAccountType"]) == (FRED, "EmailTypeIMAP")
    page.get_by_text("Other options").click()
    (mail,) = download(page, "Download the profile for POP3")["PayloadContent"]
    assert (mail["EmailAddress"], mail["EmailAccountType"]) == (FRED, "EmailTypePOP")


def test_without_an_address_the_profile_contains_none(open_page: Open) -> None:
    page = open_page("/en/setup/iphone/")
    (mail,) = download(page)["PayloadContent"]
    assert "EmailAddress" not in mail


@pytest.mark.parametrize("app", IDS)
def test_a_link_to_an_app_shows_its_steps_and_accepts_an_address(open_page: Open, app: str) -> None:
    page = open_page(f"/en/setup/{app}")
    assert page.locator("ol.steps li").count() >= 3
    give_address(page)
    expect(page).to_have_url(f"{ORIGIN}/en/setup/{app}/")
    expect(page.get_by_text(FRED).first).to_be_attached()


@pytest.mark.parametrize("scripts", [True, False])
@pytest.mark.parametrize(
    ("old", "apps"),
    [
        ("apple", ["iphone", "mac"]),
        ("outlook", ["outlook-new", "outlook-classic", "outlook-mac", "outlook-phone"]),
        ("android", ["gmail", "samsung", "thunderbird-android"]),
        ("thunderbird", ["thunderbird"]),
        ("other", ["other"]),
    ],
)
def test_a_link_to_the_former_page_shows_its_apps(open_page: Open, old: str, apps: list[str], scripts: bool) -> None:
    page = open_page(f"/#{old}", java_script_enabled=scripts)
    shown = [link for link in page.locator(".choice a").all() if link.is_visible()]
    assert [link.get_attribute("href") for link in shown] == [f"/en/setup/{app}/" for app in apps]
    with page.expect_navigation():
        shown[0].click()
    assert page.locator("ol.steps").count() > 0


@pytest.mark.parametrize("address", [FRED, ""])
def test_changing_the_language_keeps_page_and_address(open_page: Open, address: str) -> None:
    page = open_page("/en/setup/gmail/")
    if address:
        give_address(page)
    with page.expect_navigation():
        page.get_by_role("navigation", name="Language").get_by_text("Cymraeg").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Gosod yr ap Gmail ar Android")
    assert page.get_by_text(FRED).count() == (4 if address else 0)


@pytest.mark.parametrize(("locale", "heading"), [("cy-GB", "Beth yw"), ("fr-CA", "Quelle est"), ("ja", "What is")])
def test_the_page_uses_the_browsers_language(open_page: Open, locale: str, heading: str) -> None:
    expect(open_page(locale=locale).get_by_role("heading", level=1)).to_contain_text(heading)


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scripts", [True, False])
@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("", "Type your email address."),
        ("fred", "There is no @ in this address."),
        ("fred@@talk21.com", "There is more than one @ in this address."),
        ("fred bloggs@talk21.com", "There is a space in this address."),
        ("fred,bloggs@talk21.com", "There is a comma in this address."),
        ("fred@btinternet.con", "Did you mean fred@btinternet.com?"),
    ],
)
def test_a_mistake_gets_the_focus_and_can_be_corrected(
    open_page: Open, typed: str, sentence: str, scripts: bool, width: int
) -> None:
    page = open_page("/en/", viewport={"width": width, "height": 500}, java_script_enabled=scripts)
    give_address(page, typed)
    summary = page.get_by_role("alert")
    expect(summary).to_contain_text(sentence)
    expect(summary).to_be_focused()
    assert in_viewport(page, summary)
    field = page.locator("#emailaddress")
    expect(field).to_have_value(typed)
    expect(field).to_have_attribute("aria-invalid", "true")
    assert page.title().startswith("Error: ")
    summary.get_by_role("link").click()
    field.fill("")
    give_address(page)
    expect(page.get_by_text(FRED)).to_be_visible()


@pytest.mark.parametrize("scripts", [True, False])
def test_the_suggested_address_is_a_button(open_page: Open, scripts: bool) -> None:
    page = open_page("/en/setup/gmail/", java_script_enabled=scripts)
    give_address(page, "fred.bloggs@btinternet.con")
    with page.expect_navigation():
        page.get_by_role("button", name=f"Use {FRED}").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Set up the Gmail app on Android")
    expect(page.get_by_text(FRED).first).to_be_visible()


def test_a_gmail_address_gets_one_sentence(open_page: Open) -> None:
    page = open_page("/en/")
    give_address(page, "fred.bloggs@gmail.com")
    assert page.get_by_role("main").inner_text().split("\n\n") == [
        "You can’t set up Gmail addresses here",
        "This page is for BT Mail addresses only.",
        "Use another address",
    ]
    with page.expect_navigation():
        page.get_by_role("link", name="Use another address").click()
    expect(page.locator("#emailaddress")).to_have_value("")


@pytest.mark.parametrize("app", COPYING)
def test_settings_can_be_copied_next_to_the_steps(open_page: Open, app: str) -> None:
    page = open_page(f"/en/setup/{app}/")
    give_address(page)
    common = {
        "Server": "mail.btinternet.com",
        "Security": "SSL/TLS",
        "Username": FRED,
        "Password": "Your BT Mail password",
    }
    assert tables(page) == {
        "Incoming mail (IMAP)": common | {"Port": "993"},
        "Outgoing mail (SMTP)": common | {"Port": "465"},
    }
    page.get_by_text("Other options").click()
    assert tables(page)["In place of IMAP (POP3)"] == common | {"Port": "995"}


def tables(page: Page) -> dict[str | None, dict[str, str]]:
    """Return the visible tables."""
    return {
        table.get_attribute("aria-label"): dict(
            zip(
                table.get_by_role("rowheader").all_inner_texts(),
                table.locator("td:nth-child(2)").all_inner_texts(),
                strict=True,
            )
        )
        for table in page.get_by_role("table").all()
        if table.is_visible()
    }


def test_the_settings_page_has_all_settings(open_page: Open) -> None:
    page = open_page("/en/setup/")
    with page.expect_navigation():
        page.get_by_role("link", name="Show me all the settings").click()
    give_address(page)
    assert list(tables(page)) == ["Incoming mail (IMAP)", "Outgoing mail (SMTP)", "In place of IMAP (POP3)"]


@pytest.mark.parametrize("secure", [True, False])
def test_every_value_can_be_copied_even_over_http(open_page: Open, secure: bool) -> None:
    options: dict[str, Any] = (
        {"permissions": ["clipboard-read", "clipboard-write"]} if secure else {"base": f"http://{HOST}"}
    )
    page = open_page("/en/settings/", **options)
    give_address(page)
    buttons = page.get_by_role("button", name="Copy")
    values = page.locator("td:nth-child(2):not(:last-child)")
    assert buttons.count() == values.count() == 12
    page.evaluate("document.querySelector('main').append(document.createElement('textarea'))")
    for button, value in zip(buttons.all(), values.all(), strict=True):
        button.click()
        expect(page.get_by_role("status")).to_have_text(f"Copied: {value.inner_text()}")
        field = page.locator("textarea")
        field.fill("")
        field.press("Control+V")
        expect(field).to_have_value(value.inner_text())


def test_an_unknown_username_cannot_be_copied(open_page: Open) -> None:
    page = open_page("/en/settings/")
    assert page.get_by_role("button", name="Copy Server").count() == 3
    assert page.get_by_role("button", name="Copy Username").count() == 0


def test_without_scripts_there_are_no_copy_buttons(open_page: Open) -> None:
    page = open_page("/en/settings/", java_script_enabled=False)
    give_address(page)
    assert page.get_by_role("button", name="Copy").count() == 0


@pytest.mark.parametrize("colours", [{"color_scheme": "light"}, {"color_scheme": "dark"}, {"forced_colors": "active"}])
@pytest.mark.parametrize("app", PHONE_APPS)
def test_a_code_opens_the_page_on_the_phone(open_page: Open, tmp_path: Path, app: str, colours: dict[str, str]) -> None:
    page = open_page(f"/cy/setup/{app}/", **colours)
    url = scan(page.get_by_role("img", name="agor y dudalen hon").first, tmp_path)
    assert url == f"{ORIGIN}/cy/setup/{app}/"
    expect(page.get_by_role("link", name=url)).to_be_visible()
    page.goto(url)
    assert page.locator("ol.steps").count() > 0


def test_a_code_downloads_the_profile_to_an_iphone(open_page: Open, tmp_path: Path) -> None:
    page = open_page("/en/setup/iphone/")
    url = scan(page.get_by_role("img", name="downloads the profile"), tmp_path)
    assert url == f"{ORIGIN}/email.mobileconfig"
    with page.expect_download() as waiting:
        page.get_by_role("link", name=url).click()
    assert plistlib.loads(Path(waiting.value.path()).read_bytes())


@pytest.mark.parametrize("colours", [{"color_scheme": "light"}, {"color_scheme": "dark"}, {"forced_colors": "active"}])
def test_a_code_contains_the_account_for_thunderbird_for_android(
    open_page: Open, tmp_path: Path, colours: dict[str, str]
) -> None:
    page = open_page("/en/", **colours)
    give_address(page)
    choose(page, "thunderbird-android")
    assert json.loads(scan(page.get_by_role("img", name="the account"), tmp_path)) == [
        1,
        [1, 1],
        [0, "mail.btinternet.com", 993, 3, 1, FRED],
        [[[0, "mail.btinternet.com", 465, 3, 1, FRED], [FRED, ""]]],
    ]


@pytest.mark.parametrize("app", PHONE_APPS)
def test_a_phone_shows_no_codes(open_page: Open, app: str) -> None:
    page = open_page(f"/en/setup/{app}/", user_agent=IPHONE, viewport={"width": 390, "height": 844}, has_touch=True)
    give_address(page)
    assert not [code for code in page.get_by_role("img", name="QR code").all() if code.is_visible()]
