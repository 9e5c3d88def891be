"""What people do on the setup page, in a real browser."""

import plistlib
from pathlib import Path
from typing import Any

import pytest
import zxingcpp
from PIL import Image
from playwright.sync_api import Page, expect

from tests.support import Served
from tests.web.conftest import FRED, Open, give_address

DEVICES = {
    "apple": "iPhone, iPad or Mac",
    "thunderbird": "Thunderbird",
    "outlook": "Outlook",
    "android": "Android",
    "other": "Any other app",
}
AGENTS = {
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15": "apple",
    "Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X) AppleWebKit/605.1.15": "apple",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15": "apple",
    "Mozilla/5.0 (Linux; Android 16) AppleWebKit/537.36 Chrome/156.0.0.0 Mobile": "android",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/156.0.0.0": "outlook",
    "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0": "thunderbird",
    "Something new": "other",
}


def shown(page: Page) -> list[str]:
    """Return which devices' sections show."""
    return [device for device in DEVICES if page.locator(f"#{device}").is_visible()]


def choose(page: Page, device: str) -> None:
    page.get_by_role("navigation").get_by_role("link", name=DEVICES[device]).click()


def download(page: Page) -> dict[str, Any]:
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download the profile").click()
    assert waiting.value.suggested_filename == "btinternet.com.mobileconfig"
    profile: dict[str, Any] = plistlib.loads(Path(waiting.value.path()).read_bytes())
    return profile


@pytest.mark.parametrize("scripts", [True, False])
def test_from_the_address_to_the_profile(open_page: Open, scripts: bool) -> None:
    page = open_page(java_script_enabled=scripts)
    give_address(page)
    choose(page, "apple")
    (mail,) = download(page)["PayloadContent"]
    assert (mail["EmailAddress"], mail["IncomingMailServerUsername"]) == (FRED, FRED)


@pytest.mark.parametrize("scripts", [True, False])
def test_without_an_address_the_profile_leaves_it_to_the_device(open_page: Open, scripts: bool) -> None:
    page = open_page("/#apple", java_script_enabled=scripts)
    (mail,) = download(page)["PayloadContent"]
    assert "EmailAddress" not in mail


@pytest.mark.parametrize("scripts", [True, False])
@pytest.mark.parametrize(("agent", "device"), AGENTS.items())
def test_the_visitors_own_platform_is_suggested(open_page: Open, agent: str, device: str, scripts: bool) -> None:
    page = open_page(user_agent=agent, java_script_enabled=scripts)
    assert shown(page) == [device]
    give_address(page)
    assert shown(page) == [device]


@pytest.mark.parametrize("scripts", [True, False])
@pytest.mark.parametrize("device", DEVICES)
def test_any_other_can_be_chosen_and_sent_as_a_link(open_page: Open, device: str, scripts: bool) -> None:
    page = open_page(java_script_enabled=scripts)
    choose(page, device)
    assert shown(page) == [device]
    assert shown(open_page(f"/#{device}", java_script_enabled=scripts)) == [device]


@pytest.mark.parametrize("device", DEVICES)
def test_the_choice_outlasts_the_address(open_page: Open, device: str) -> None:
    page = open_page(user_agent="Something new")
    choose(page, device)
    give_address(page)
    assert shown(page) == [device]
    current = page.locator("nav [aria-current]")
    expect(current).to_have_text(DEVICES[device])


@pytest.mark.parametrize("device", DEVICES)
def test_every_device_has_the_settings_with_the_address_as_username(open_page: Open, device: str) -> None:
    page = open_page(f"/#{device}")
    give_address(page)
    rows = {
        table.get_attribute("aria-label"): dict(
            zip(
                table.get_by_role("rowheader").all_inner_texts(),
                table.locator("td:nth-child(2)").all_inner_texts(),
                strict=True,
            )
        )
        for table in page.get_by_role("table").all()
    }
    common = {
        "Server": "mail.btinternet.com",
        "Security": "SSL/TLS",
        "Username": FRED,
        "Sign-in": "Your BT Mail password",
    }
    assert rows == {
        "Incoming mail: IMAP": common | {"Port": "993"},
        "Outgoing mail: SMTP": common | {"Port": "465"},
        "Instead of IMAP: POP3": common | {"Port": "995"},
    }
    assert next(iter(rows)) == "Incoming mail: IMAP"


@pytest.mark.parametrize("secure", [True, False])
def test_every_value_can_be_copied_over_http_too(open_page: Open, server: Served, secure: bool) -> None:
    options: dict[str, Any] = (
        {"base": server.url, "permissions": ["clipboard-read", "clipboard-write"]} if secure else {}
    )
    page = open_page("/#other", **options)
    give_address(page)
    buttons = page.get_by_role("button", name="Copy")
    values = page.locator("td:nth-child(2):not(:last-child)")
    assert buttons.count() == values.count() == 12
    for button, value in zip(buttons.all(), values.all(), strict=True):
        button.click()
        expect(page.get_by_role("status")).to_have_text(f"Copied {value.inner_text()}")
        field = page.get_by_label("Your e-mail address")
        field.fill("")
        field.press("Control+V")
        expect(field).to_have_value(value.inner_text())


def test_a_username_that_is_not_known_cannot_be_copied(open_page: Open) -> None:
    page = open_page("/#other")
    assert page.get_by_role("button", name="Copy Server").count() == 3
    assert page.get_by_role("button", name="Copy Username").count() == 0


def test_without_script_nothing_is_offered_that_needs_it(open_page: Open) -> None:
    page = open_page("/#other", java_script_enabled=False)
    give_address(page)
    assert page.get_by_role("button", name="Copy").count() == 0
    assert page.get_by_text(FRED).count() == 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_qr_code_opens_the_profile(open_page: Open, tmp_path: Path, scheme: str) -> None:
    page = open_page("/#apple", color_scheme=scheme)
    give_address(page)
    picture = tmp_path / "code.png"
    page.get_by_role("img", name="QR code").screenshot(path=picture)
    (code,) = zxingcpp.read_barcodes(Image.open(picture))
    assert code.text == "http://autoconfig.btinternet.com/email.mobileconfig"
    with page.expect_download() as waiting:
        page.get_by_role("link", name=code.text).click()
    assert plistlib.loads(Path(waiting.value.path()).read_bytes())


@pytest.mark.parametrize("scripts", [True, False])
@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("fred", "This address has no @."),
        ("fred@@talk21.com", "This address has more than one @."),
        ("fred@example.org", "BT Mail addresses end in @btinternet.com, @btopenworld.com or @talk21.com."),
        ("fred@btinternet.con", "Did you mean @btinternet.com?"),
        ("Fred@BTopenword.com", "Did you mean @btopenworld.com?"),
    ],
)
def test_a_mistake_is_explained_and_can_be_mended(open_page: Open, typed: str, sentence: str, scripts: bool) -> None:
    page = open_page(java_script_enabled=scripts)
    give_address(page, typed)
    expect(page.get_by_role("alert")).to_contain_text(sentence)
    field = page.get_by_label("Your e-mail address")
    expect(field).to_have_value(typed)
    expect(field).to_have_attribute("aria-invalid", "true")
    assert page.title().startswith("Error: ")
    give_address(page, FRED)
    expect(page.get_by_role("alert")).to_be_hidden()
    expect(page.get_by_text(FRED)).to_have_count(3)


def test_everything_can_be_done_by_keyboard_and_the_focus_is_seen(open_page: Open) -> None:
    page = open_page(user_agent="Something new")
    page.keyboard.press("Tab")
    page.keyboard.type(FRED)
    with page.expect_navigation():
        page.keyboard.press("Enter")
    reached: list[str] = []
    for _ in range(30):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        if not focused.count() or focused.evaluate("e => e === document.body"):
            break
        assert focused.evaluate("e => getComputedStyle(e).outlineStyle") == "solid"
        reached.append(focused.inner_text() or focused.get_attribute("name") or "")
    assert reached[:2] == ["emailaddress", "Fill it in for me"]
    assert reached[2:7] == list(DEVICES.values())
    assert len([name for name in reached if name.startswith("Copy")]) == 12
    page.get_by_role("link", name=DEVICES["apple"]).focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    with page.expect_download():
        page.keyboard.press("Enter")


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("paper", ["A4", "Letter"])
def test_it_prints_on_one_sheet(open_page: Open, device: str, paper: str) -> None:
    page = open_page(f"/#{device}")
    give_address(page)
    printed = page.pdf(format=paper, margin={"top": "15mm", "right": "15mm", "bottom": "15mm", "left": "15mm"})
    assert printed.count(b"/Type /Page\n") == 1
