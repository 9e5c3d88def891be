"""Parses email addresses: every address that reaches the server goes through this parser."""

import re
from enum import Enum
from typing import NamedTuple, Self

import idna

MAX_LENGTH = 320
"""Characters in an address: 64 before the @, the @, and 255 after it (RFC 5321, section 4.5.3.1)."""

# Characters that XML 1.0 cannot contain (section 2.2), and those that could break a line of output.
UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")

# Direction and width marks that people copy along with an address. No username contains them.
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]")

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')  # RFC 5321, section 4.1.2: Quoted-string
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"  # RFC 1123, section 2.1, and the _ that real domains use
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_MAX_DOMAIN_LENGTH = 253


PLAIN_LOCAL = rb"[A-Za-z0-9._+-]{1,64}"
PLAIN_DOMAIN = rb"[a-z0-9.-]{1,253}"
"""Patterns of bytes that nearly all addresses match. An address that matches is valid if its domain is known."""


class AddressProblem(Enum):
    """Why a text is not an email address. The value completes the sentence "this address ..."."""

    TOO_LONG = f"is longer than {MAX_LENGTH} characters"
    CONTROL_CHARACTER = "has a control character in it"
    SPACE = "has a space in it"
    NO_AT = "has no @"
    NOTHING_BEFORE_AT = "has nothing before the @"
    NOTHING_AFTER_AT = "has nothing after the @"
    SECOND_AT = "has more than one @"
    COMMA = "has a comma in it"
    NO_DOMAIN = "has no domain name after the @"


class AddressError(ValueError):
    """A text that is not an email address. Its message contains no part of the text."""

    def __init__(self, problem: AddressProblem) -> None:
        super().__init__(problem.value)
        self.problem = problem


_QUOTED_ONLY = re.compile(r"[@\s,]")
"""Characters that the parser accepts in a local part only if it is quoted (RFC 5321, section 4.1.2)."""
_QUOTED_ONLY_PROBLEMS = {"@": AddressProblem.SECOND_AT, ",": AddressProblem.COMMA}


class MailAddress(NamedTuple):
    """An email address: `local` as its owner typed it, `domain` in lower-case A-labels, as in the DNS."""

    local: str
    domain: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse an address such as `Fred@BTinternet.com`; spaces around it are dropped.

        Spaces and commas are allowed only in a quoted local part (RFC 5321, section 4.1.2). Other characters that need
        quotes are accepted without them: mail servers decide whether those are valid, and documents escape them.
        Raises AddressError.
        """
        text = text.strip(" \N{NO-BREAK SPACE}")
        if len(text) > MAX_LENGTH:
            raise AddressError(AddressProblem.TOO_LONG)
        if UNPRINTABLE.search(text):
            raise AddressError(AddressProblem.CONTROL_CHARACTER)
        local, at, domain = text.rpartition("@")
        if not at:
            raise AddressError(AddressProblem.NO_AT)
        if not local:
            raise AddressError(AddressProblem.NOTHING_BEFORE_AT)
        if not domain:
            raise AddressError(AddressProblem.NOTHING_AFTER_AT)
        if _INVISIBLE.search(local):
            raise AddressError(AddressProblem.CONTROL_CHARACTER)
        unquoted = domain if _QUOTED.fullmatch(local) else local + domain
        if found := _QUOTED_ONLY.search(unquoted):
            raise AddressError(_QUOTED_ONLY_PROBLEMS.get(found[0], AddressProblem.SPACE))
        try:
            return cls(local, ascii_domain(domain))
        except ValueError as error:
            raise AddressError(AddressProblem.NO_DOMAIN) from error

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}"


def ascii_domain(name: str) -> str:
    """Convert a domain name with U-labels or A-labels, in any case, to lower-case A-labels (RFC 5890).

    A dot at the end is dropped. Raises ValueError if it is not a domain name.
    """
    name = name.removesuffix(".")
    name = name.lower() if name.isascii() else idna.encode(name, uts46=True).decode("ascii")
    if len(name) > _MAX_DOMAIN_LENGTH or not _DOMAIN.fullmatch(name):
        raise ValueError("not a domain name")
    return name


def mail_domain(name: str) -> str:
    """Convert a domain name as `ascii_domain` does, but only one that can have email addresses on the internet.

    It must contain a dot, and its last label must not be a number. Raises ValueError for `localhost`, `com` or
    `192.0.2.1`.
    """
    domain = ascii_domain(name)
    _, dot, last = domain.rpartition(".")
    if not dot or last.isdigit():
        raise ValueError("not a domain name with a dot")
    return domain
