"""Picture the setup page as it is now: `python -m tests.web.screenshot FILE.png`."""

import sys
from pathlib import Path

from tests.support import serving
from tests.web.browser import HOST, browser
from tests.web.conftest import give_address


def main() -> None:
    with serving() as served, browser(served.port) as running:
        page = running.new_page(viewport={"width": 1280, "height": 1000}, color_scheme="light")
        page.goto(f"http://{HOST}/#apple")
        give_address(page, "you@btinternet.com")
        page.mouse.move(0, 0)
        page.screenshot(path=Path(sys.argv[1]), full_page=True)


if __name__ == "__main__":
    main()
