"""A QR code with a complete account, for Thunderbird for Android.

Source: thunderbird-android, feature/migration/qrcode/qr-code-format.md, format version 1 of 2025-02-06.
"""

import json
import re
from collections.abc import Mapping

from autoconfig.address import MailAddress
from autoconfig.definition import Definition, Server
from autoconfig.templates import placeholder_values

_FORMAT_VERSION = 1
_ONE_CODE_OF_ONE = [1, 1]
_INCOMING = {"imap": 0, "pop3": 1}
_SMTP = 0
_SECURITY = {"plain": 0, "STARTTLS": 2, "SSL": 3}
_AUTHENTICATION = {
    "none": 0,
    "client-IP-address": 0,
    "password-cleartext": 1,
    "password-encrypted": 2,
    "GSSAPI": 3,
    "NTLM": 4,
    "TLS-client-cert": 5,
    "OAuth2": 6,
}
_DOT_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
"""The local parts that fit: the format allows only ASCII, and the app's parser no quotes."""
_MAX_LENGTH = 500
"""Maximum characters in a code that can still be scanned from a screen: some 85 modules wide."""


def account_code(definition: Definition, address: MailAddress) -> str | None:
    """Return the text of the code for an address, or None if the format cannot express it or it is too long to scan.

    The password and the account's name are left out, and the person's name is empty, because they are unknown.
    """
    if not _DOT_ATOM.fullmatch(address.local):
        return None
    incoming = next((one for one in _usable(definition) if one.type in _INCOMING), None)
    outgoing = next((one for one in _usable(definition) if one.type == "smtp"), None)
    if incoming is None or outgoing is None:
        return None
    values = placeholder_values(address, address.domain)
    account = [
        _FORMAT_VERSION,
        _ONE_CODE_OF_ONE,
        [_INCOMING[incoming.type], *_server(incoming, incoming.username, values)],
        [[[_SMTP, *_server(outgoing, outgoing.username or incoming.username, values)], [str(address), ""]]],
    ]
    text = json.dumps(account, separators=(",", ":"))
    return text if len(text) <= _MAX_LENGTH else None


def _usable(definition: Definition) -> list[Server]:
    """Return the servers that the format can express: IMAP before POP3, otherwise in the order of the file."""
    known = [one for one in definition.servers if one.socket_type in _SECURITY and _method(one) is not None]
    return sorted(known, key=lambda one: one.type == "pop3")


def _method(server: Server) -> int | None:
    return next((_AUTHENTICATION[method] for method in server.authentication if method in _AUTHENTICATION), None)


def _server(server: Server, username: str | None, values: Mapping[str, str]) -> list[object]:
    host, security = _filled(server.hostname, values), _SECURITY[server.socket_type]
    return [host, server.port, security, _method(server), _filled(username or "", values)]


def _filled(text: str, values: Mapping[str, str]) -> str:
    for placeholder, value in values.items():
        text = text.replace(f"%{placeholder}%", value)
    return text
