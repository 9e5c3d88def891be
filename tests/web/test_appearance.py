"""The page's appearance on screens, in screen readers and in print."""

import pytest

from autoconfig.site.languages import catalogues
from autoconfig.site.steps import APPS, PAGES
from tests.web.browser import AXE, ORIGIN
from tests.web.conftest import Open, give_address

LONG = f"{'a' * 64}@btinternet.com"
TYPED = ["", "fred", "fred bloggs@btinternet.con", "fred@gmail.com", "fred.bloggs@btinternet.com"]
STATES = [
    *(("", typed) for typed in TYPED),
    ("#outlook", None),
    *((page.path, typed) for page in PAGES for typed in (None, "fred.bloggs@btinternet.com")),
    ("setup/gmail/", "fred"),
]
"""A page, and the text typed into its form; None to leave the form alone."""


def show(open_page: Open, language: str, path: str, typed: str | None, **options: object) -> object:
    page = open_page(f"/{language}/{path}", **options)
    if typed is not None:
        if page.locator("#emailaddress").count() == 0:
            page.goto(f"{ORIGIN}/{language}/")
        give_address(page, typed)
    return page


def check(page: object) -> None:
    page.evaluate(AXE.read_text())  # type: ignore[attr-defined]
    result = page.evaluate(  # type: ignore[attr-defined]
        "axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})"
    )
    assert len(result["passes"]) > 15
    assert [(one["id"], one["nodes"][0]["html"]) for one in result["violations"]] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("path", "typed"), STATES)
def test_axe_finds_no_violation_in_any_state(open_page: Open, path: str, typed: str | None, scheme: str) -> None:
    check(show(open_page, "en", path, typed, color_scheme=scheme))


@pytest.mark.parametrize("language", [tag for tag in catalogues() if tag != "en"])
@pytest.mark.parametrize(
    ("path", "typed"), [("", "fred"), ("setup/", None), ("setup/iphone/", "fred@talk21.com"), ("setup/gmail/", None)]
)
def test_axe_finds_no_violation_in_any_language(open_page: Open, language: str, path: str, typed: str | None) -> None:
    check(show(open_page, language, path, typed))


@pytest.mark.parametrize("width", [320, 375, 768, 1280, 3840])
@pytest.mark.parametrize("language", catalogues())
def test_no_page_scrolls_horizontally(open_page: Open, language: str, width: int) -> None:
    page = open_page(f"/{language}/", viewport={"width": width, "height": 800})
    for path in ("", *(one.path for one in PAGES)):
        page.goto(f"{ORIGIN}/{language}/{path}")
        if page.locator("#emailaddress").count():
            give_address(page, LONG)
        assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("language", catalogues())
@pytest.mark.parametrize("path", ["", "setup/", "setup/iphone/", "settings/"])
@pytest.mark.parametrize("width", [320, 1280])
def test_no_page_scrolls_horizontally_with_text_at_200_percent(
    open_page: Open, path: str, language: str, width: int
) -> None:
    page = open_page(f"/{language}/{path}", viewport={"width": width, "height": 800})
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("path", [app.path for app in APPS])
def test_a_page_is_complete_without_its_stylesheet(open_page: Open, path: str) -> None:
    page = open_page(f"/en/{path}")
    page.evaluate("document.styleSheets[0].disabled = true")
    for heading in ("What you need", "What to do", "You know it works when…", "If it doesn’t work"):
        assert page.get_by_role("heading", name=heading).is_visible()


@pytest.mark.parametrize("path", [app.path for app in APPS])
@pytest.mark.parametrize("paper", ["A4", "Letter"])
def test_an_apps_steps_print_on_at_most_two_sheets(open_page: Open, path: str, paper: str) -> None:
    page = open_page(f"/en/{path}")
    give_address(page)
    printed = page.pdf(format=paper, margin={"top": "15mm", "right": "15mm", "bottom": "15mm", "left": "15mm"})
    assert printed.count(b"/Type /Page\n") <= 2


def test_printed_pages_have_codes_and_urls_but_no_buttons(open_page: Open) -> None:
    page = open_page("/en/setup/thunderbird-android/", viewport={"width": 390, "height": 844})
    give_address(page)
    page.emulate_media(media="print")
    codes = page.get_by_role("img", name="QR code")
    assert codes.count() == 2
    assert all(code.is_visible() for code in codes.all())
    assert page.get_by_text(f"{ORIGIN}/en/setup/thunderbird-android/").is_visible()
    shown = page.locator("footer a").first.evaluate("e => getComputedStyle(e, '::after').content")
    assert "attr(href)" in shown or "https://" in shown
    assert not [button for button in page.get_by_role("button").all() if button.is_visible()]
