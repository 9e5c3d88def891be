"""QR codes (ISO/IEC 18004) as SVG paths: one line through their modules."""

from functools import lru_cache
from typing import NamedTuple

import segno

_QUIET_ZONE = 4
"""White modules around a code; the standard requires four."""
_PERSONAL_MASK = 2
"""A fixed data mask: choosing the best of eight takes four times as long, and readers accept any of them."""


class QRCode(NamedTuple):
    """A QR code: `path` is the data of an SVG path with a stroke of 1, `size` its width in modules with quiet zone."""

    path: str
    size: int


@lru_cache(maxsize=1024)
def of_url(url: str) -> QRCode:
    """Return the code of a URL. It is cached, so the URL must not contain personal data."""
    return _drawn(segno.make(url, error="m", micro=False))


def of_account(text: str) -> QRCode:
    """Return the code of an account. It contains personal data, so it is not cached."""
    return _drawn(segno.make(text, error="l", micro=False, mask=_PERSONAL_MASK, boost_error=False))


def _drawn(code: segno.QRCode) -> QRCode:
    lines = []
    for y, row in enumerate(code.matrix, _QUIET_ZONE):
        modules = bytes(row)
        start, end = modules.find(1), 0
        lines.append(f"M{start + _QUIET_ZONE} {y}.5" if start >= 0 else "")
        while start >= 0:
            end = modules.find(0, start)
            end = end if end >= 0 else len(modules)
            start, drawn = modules.find(1, end), end - start
            lines.append(f"h{drawn}" + (f"m{start - end} 0" if start >= 0 else ""))
    return QRCode("".join(lines), int(code.symbol_size(border=_QUIET_ZONE)[0]))
