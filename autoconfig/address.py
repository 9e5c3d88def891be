"""E-mail addresses: the one door through which every address comes in."""

import re
from typing import NamedTuple, Self

import idna

MAX_LENGTH = 320
"""Characters in an address: 64 before the @, the @, and 255 after it (RFC 5321, section 4.5.3.1)."""

# What XML 1.0 cannot carry (section 2.2) and what could break a line wherever the text is shown.
UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')  # RFC 5321, section 4.1.2: Quoted-string
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"  # RFC 1123, section 2.1, and the _ seen in the field
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_MAX_DOMAIN_LENGTH = 253


PLAIN_LOCAL = rb"[A-Za-z0-9._+-]{1,64}"
PLAIN_DOMAIN = rb"[a-z0-9.-]{1,253}"
"""Patterns for bytes that nearly all addresses fit. With a domain that is known, such an address is valid."""


class AddressError(ValueError):
    """An address that cannot be used. Its text says why and holds nothing of the address."""


class MailAddress(NamedTuple):
    """An e-mail address: `local` as its owner typed it, `domain` as the DNS knows it (lower case, A-labels)."""

    local: str
    domain: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an address such as `Fred@BTinternet.com`; white space around it is dropped.

        Raises AddressError when it has no @ or nothing on one side of it, a control character, more than 320
        characters, a second @ outside quotes, or a domain that is none.
        """
        text = text.strip(" ")
        if len(text) > MAX_LENGTH:
            raise AddressError(f"is longer than {MAX_LENGTH} characters")
        if UNPRINTABLE.search(text):
            raise AddressError("has a control character in it")
        local, at, domain = text.rpartition("@")
        if not at:
            raise AddressError("has no @")
        if not local:
            raise AddressError("has nothing before the @")
        if "@" in local and not _QUOTED.fullmatch(local):
            raise AddressError("has more than one @")
        try:
            return cls(local, ascii_domain(domain))
        except ValueError as error:
            raise AddressError("has no domain name after the @") from error

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}"


def ascii_domain(name: str) -> str:
    """Return a domain name, its labels U-labels or A-labels in any case, as lower-case A-labels (RFC 5890).

    A dot at its end is dropped. Raises ValueError when it is no domain name.
    """
    name = name.removesuffix(".")
    name = name.lower() if name.isascii() else idna.encode(name, uts46=True).decode("ascii")
    if len(name) > _MAX_DOMAIN_LENGTH or not _DOMAIN.fullmatch(name):
        raise ValueError("not a domain name")
    return name
