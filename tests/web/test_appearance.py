"""What the page looks like, to eyes and to screen readers."""

import httpx
import pytest

from tests.web.browser import AXE
from tests.web.conftest import Open, give_address
from tests.web.test_setup_page import DEVICES


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("typed", ["", "fred.bloggs@btinternet.com", "fred@example.org"])
def test_axe_finds_nothing_wrong(open_page: Open, scheme: str, device: str, typed: str) -> None:
    page = open_page(f"/#{device}", color_scheme=scheme)
    if typed:
        give_address(page, typed)
    page.evaluate(AXE.read_text())
    result = page.evaluate(
        "axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})"
    )
    assert len(result["passes"]) > 20
    assert [(one["id"], one["nodes"][0]["html"]) for one in result["violations"]] == []


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("width", [320, 375, 768, 1024, 1280, 1920, 3840])
def test_nothing_has_to_be_scrolled_sideways(open_page: Open, width: int, device: str) -> None:
    page = open_page(f"/#{device}", viewport={"width": width, "height": 800})
    give_address(page, f"{'a' * 64}@btinternet.com")
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("width", [320, 1280])
def test_text_twice_as_large_still_fits(open_page: Open, width: int) -> None:
    page = open_page("/#apple", viewport={"width": width, "height": 800})
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_without_its_style_the_page_still_says_everything(open_page: Open) -> None:
    page = open_page()
    page.evaluate("document.styleSheets[0].disabled = true")
    assert all(page.locator(f"#{device}").is_visible() for device in DEVICES)


def test_page_style_script_and_picture_are_less_than_40_kib(open_page: Open, http: httpx.Client) -> None:
    page = open_page()
    loaded = page.evaluate("performance.getEntries().filter(e => e.name.startsWith('http')).map(e => e.name)")
    paths = {"/site/icon.svg", *(f"/{url.split('/', 3)[3]}" for url in loaded)}
    assert len(paths) >= 4
    assert sum(len(http.get(path).content) for path in paths) < 40 * 1024
