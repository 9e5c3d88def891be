"""A real browser, and checks for every page that it opens."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.support import Served, Unavailable
from tests.web import browser as browser_module
from tests.web.browser import HOST, ORIGIN

FRED = "fred.bloggs@btinternet.com"
Open = Callable[..., Page]


_UNAVAILABLE = Unavailable("tests/web", browser_module.missing(), "REQUIRE_WEB")
collect_ignore_glob = _UNAVAILABLE.files
pytest_terminal_summary = _UNAVAILABLE.report


@pytest.fixture(scope="package", autouse=True)
def _complete() -> None:
    _UNAVAILABLE.fail_if_required()


@pytest.fixture(scope="package")
def browser(server: Served, _complete: None) -> Iterator[Browser]:
    with browser_module.browser(server.port) as running:
        yield running


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Open a page of the server in a new window; the options are Playwright's.

    At the end, check that no request went to another host, no policy was violated, no script failed, no cookie was set,
    and no URL contained the address.
    """
    with ExitStack() as closing:
        monitors: list[_Monitor] = []

        def open_(path: str = "/", base: str = ORIGIN, **options: Any) -> Page:
            context = browser.new_context(**options)
            closing.callback(context.close)
            monitors.append(_Monitor(context))
            page = context.new_page()
            page.goto(base + path)
            return page

        yield open_
        for monitor in monitors:
            monitor.check()


class _Monitor:
    def __init__(self, context: BrowserContext) -> None:
        self._context = context
        self.urls: list[str] = []
        self.messages: list[str] = []
        context.on("request", lambda request: self.urls.append(request.url))
        context.on("console", lambda message: self.messages.append(f"{message.type}: {message.text}"))
        context.on("weberror", lambda error: self.messages.append(str(error.error)))

    def check(self) -> None:
        assert {url.split("/")[2] for url in self.urls} == {HOST}
        assert not [url for url in self.urls if "fred" in url]
        assert not self._context.cookies()
        # Chromium logs a message for every page with an error status.
        assert not [text for text in self.messages if "the server responded with a status of 40" not in text]


def give_address(page: Page, address: str = FRED) -> None:
    """Type an address on the first page and submit it."""
    page.locator("#emailaddress").fill(address)
    with page.expect_navigation():
        page.keyboard.press("Enter")


def choose(page: Page, app: str) -> None:
    """Choose an app on the second page, with or without an address."""
    with page.expect_navigation():
        page.locator(f".choice [formaction$='/setup/{app}/'], .choice [href$='/setup/{app}/']").click()
