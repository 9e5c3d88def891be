"""DNS records as text: zone file fragments, JSON, and files in a folder."""

import json
from collections.abc import Callable, Iterable

from autoconfig.operations.dns import TTL, Record
from autoconfig.operations.folder import Folder, FolderError

_MAX_FILE = 1024 * 1024
"""Maximum bytes of a file. A domain's records have about two thousand."""
_KEYS = {"name", "type", "ttl", "data", "why"}


def zone(domain: str, found: Iterable[Record]) -> str:
    """Return records as a zone file fragment (RFC 1035, section 5) to include in the domain's zone.

    Optional records are commented out.
    """
    lines = [*_head(domain)]
    why = ""
    for record in found:
        if record.why != why:
            why = record.why
            lines.append(f"; {why}{_OPTIONAL if record.optional else ''}")
        line = f"{record.name:<20} {record.type:<5} {record.zone_data}"
        lines.append(f"; {line}" if record.optional else line)
    return "\n".join(lines) + "\n"


_OPTIONAL = " (optional: --hosted-names)"


def _head(domain: str) -> tuple[str, str, str]:
    return f"; {domain}", f"$ORIGIN {domain}.", f"$TTL {TTL}"


def as_json(domain: str, found: Iterable[Record]) -> list[dict[str, str | int]]:
    """Return records for JSON, with full names without the final dot. Optional records are left out."""
    return [
        {"name": f"{one.name}.{domain}", "type": one.type, "ttl": TTL, "data": one.data, "why": one.why}
        for one in found
        if not one.optional
    ]


def write(folder: Folder, domain: str, found: Iterable[Record], format_: str) -> bool:
    """Write a domain's records atomically to DOMAIN.zone or DOMAIN.json; return whether the file has changed.

    `format_` is zone or json. A file with the same content stays as it is. Raises FolderError if the file cannot be
    written, or exists and was not written by this function.
    """
    file = f"{domain}.{format_}"
    text = zone(domain, found) if format_ == "zone" else json.dumps(as_json(domain, found), indent=2) + "\n"
    content = text.encode()
    old = folder.read(file, _MAX_FILE)
    if old == content:
        return False
    if old is not None and not _IS_OURS[format_](old, domain):
        raise FolderError(f"{folder.place(file)}: not written by this command; remove it, or choose another folder")
    folder.replace(file, content)
    return True


def _is_zone(old: bytes, domain: str) -> bool:
    return old.startswith("\n".join((*_head(domain), "")).encode())


def _is_json(old: bytes, domain: str) -> bool:
    try:
        content = json.loads(old)
    except (ValueError, RecursionError):
        return False
    return isinstance(content, list) and all(
        isinstance(one, dict) and one.keys() == _KEYS and str(one["name"]).endswith(f".{domain}") for one in content
    )


_IS_OURS: dict[str, Callable[[bytes, str], bool]] = {"zone": _is_zone, "json": _is_json}
