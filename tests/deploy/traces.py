"""Find traces of personal data in files, in any encoding that a program may use."""

import base64
import binascii
import contextlib
import html
import ipaddress
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote_to_bytes

_ESCAPES = re.compile(rb"\\x([0-9a-f]{2})|\\u00([0-9a-f]{2})|\\([0-7]{3})|=([0-9a-f]{2})")


def _unescaped(match: re.Match[bytes]) -> bytes:
    digits = match[1] or match[2] or match[4]
    return bytes([int(digits, 16) if digits else int(match[3], 8) & 255])


def _readings(data: bytes) -> Iterator[bytes]:
    """Yield the data as it is, and with possible escapes decoded."""
    reading = data.lower()
    for _ in range(5):
        yield reading
        yield _ESCAPES.sub(_unescaped, reading).lower()
        yield html.unescape(reading.decode("latin-1")).encode("utf-8").lower()
        reading = unquote_to_bytes(reading).lower()
    yield data.replace(b"\0", b"").lower()


def spellings(secret: str) -> list[bytes]:
    """Return the encodings of a text to search for: plain, hexadecimal, and base64 at each of three offsets."""
    raw = secret.encode()
    encoded = []
    for offset in range(3):
        text = base64.b64encode(b"\0" * offset + raw)
        # The first and last characters depend on the neighbouring bytes.
        encoded.append(text[(8 * offset + 5) // 6 : (8 * (offset + len(raw))) // 6])
    spelled = [raw, binascii.hexlify(raw), *encoded]
    with contextlib.suppress(ValueError):
        address = ipaddress.ip_address(secret)
        spelled += [address.exploded.encode(), binascii.hexlify(address.packed)]
    return [spelling.lower() for spelling in spelled]


def traces(data: bytes, secrets: Iterable[str]) -> list[str]:
    """Return the secrets of which the data contains a trace. The search is case-insensitive."""
    readings = set(_readings(data))
    return [
        secret
        for secret in secrets
        if any(spelling in reading for spelling in spellings(secret) for reading in readings)
    ]


def traces_in_files(folders: Iterable[Path], secrets: Iterable[str], but: Iterable[Path] = ()) -> dict[str, list[str]]:
    """Return each line in the folders' files that contains a trace of a secret, with the secrets found; skip the files `but`."""
    skipped = set(but)
    found: dict[str, list[str]] = {}
    for file in (file for folder in folders for file in sorted(folder.rglob("*"))):
        if file.is_file() and file.resolve() not in skipped:
            for line in file.read_bytes().splitlines():
                if secrets_found := traces(line, secrets):
                    found[f"{file}: {line[:500]!r}"] = secrets_found
    return found
