"""Takes screenshots of the setup page: `python -m tests.web.screenshot FOLDER`."""

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser

from tests.signatories import SigningAuthority
from tests.support import serving
from tests.web.browser import ORIGIN, browser
from tests.web.conftest import choose, give_address

PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 26_1 like Mac OS X) AppleWebKit/605.1.15"
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/156.0.0.0"
SPACE = 24
TALLEST = 1300


def path(running: Browser, language: str, app: str, agent: str, width: int, scheme: str) -> Image.Image:
    """Return the pages from the address to an app's steps, side by side."""
    context = running.new_context(
        viewport={"width": width, "height": 700}, user_agent=agent, color_scheme="dark" if scheme == "dark" else "light"
    )
    page = context.new_page()
    page.goto(f"{ORIGIN}/{language}/")
    page.locator("#emailaddress").fill("you@btinternet.com")
    pages = [page.screenshot(full_page=True)]
    page.locator("#emailaddress").fill("")
    give_address(page, "you@btinternet.com")
    pages.append(page.screenshot(full_page=True))
    choose(page, app)
    pages.append(page.screenshot(full_page=True))
    context.close()
    images = [Image.open(io.BytesIO(one)).convert("RGB") for one in pages]
    height = min(max(image.height for image in images), TALLEST)
    joined = Image.new("RGB", ((width + SPACE) * len(images) - SPACE, height), "#8a93a3")
    for number, image in enumerate(images):
        joined.paste(image.crop((0, 0, width, min(image.height, height))), (number * (width + SPACE), 0))
    return joined


def main() -> None:
    folder = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as keys:
        # Profiles are normally signed.
        signing = SigningAuthority(Path(keys)).signatory().options()
        with serving(*signing) as served, browser(served.port) as running:
            _take(running, folder)


def _take(running: Browser, folder: Path) -> None:
    for name, *options in (
        ("setup-page.png", "en", "iphone", PHONE, 390, "light"),
        ("setup-page-outlook.png", "cy", "outlook-new", WINDOWS, 780, "light"),
        ("setup-page-thunderbird.png", "de", "thunderbird-android", WINDOWS, 780, "dark"),
    ):
        picture = path(running, *options)  # type: ignore[arg-type]
        picture.quantize(64).save(folder / name, optimize=True)


if __name__ == "__main__":
    main()
