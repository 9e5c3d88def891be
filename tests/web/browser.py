"""Debian's Chromium, isolated from the internet: it resolves only the hostname of the server under test."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.web.relay import relay

CHROMIUM = shutil.which("chromium")
AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
HOST = "autoconfig.btinternet.com"
"""One of the provider's own hosts. In this browser it resolves to the server under test."""
ORIGIN = f"https://{HOST}"


def missing() -> str:
    """Return what the browser tests lack on this machine, and how to install it."""
    lacking = [name for name, there in (("chromium", CHROMIUM), ("axe-core", AXE.exists())) if not there]
    return f"not installed: {', '.join(lacking)}; `make test-web` installs what is needed (root, Debian)" * bool(
        lacking
    )


@contextmanager
def browser(port: int) -> Iterator[Browser]:
    """Run Chromium. It reaches a server on a local port over https and http."""
    with relay(HOST, port) as tls, sync_playwright() as playwright:
        rules = f"MAP {HOST}:443 127.0.0.1:{tls.port}, MAP {HOST}:80 127.0.0.1:{port}, MAP * ~NOTFOUND"
        arguments = [
            f"--host-resolver-rules={rules}, EXCLUDE 127.0.0.1",
            f"--ignore-certificate-errors-spki-list={tls.key_digest}",
            *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
            *("--disable-background-networking", "--disable-component-update"),
        ]
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield running
        running.close()
