"""The files that the setup page links to: style, script and icon."""

import hashlib
from collections.abc import Callable
from functools import partial
from importlib.resources import files
from typing import NamedTuple

from autoconfig.requests import Request
from autoconfig.responses import Response, StaticResponse


class Asset(NamedTuple):
    """A file that the page links to."""

    path: str
    media_type: str
    content: bytes

    def responder(self) -> Callable[[Request], Response]:
        """Return the responder for the file: its URL contains the edition, so caches may keep it for a day."""
        response = StaticResponse(self.content, self.media_type, {"Cache-Control": "public, max-age=86400"})
        return partial(_static, response)


def _static(response: Response, _: Request) -> Response:
    return response


def _asset(name: str, media_type: str) -> Asset:
    return Asset(f"/site/{name}", media_type, files("autoconfig.site").joinpath(name).read_bytes())


ASSETS = (
    _asset("setup.css", "text/css"),
    _asset("setup.js", "text/javascript"),
    _asset("icon.svg", "image/svg+xml"),
)
EDITION = hashlib.sha256(b"".join(asset.content for asset in ASSETS)).hexdigest()[:12]
"""Changes whenever one of the files does."""
