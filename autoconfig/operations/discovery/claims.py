"""What sources say about a domain's servers, before anything of it has been verified."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from autoconfig.address import MailAddress
from autoconfig.operations.dns import hostname
from autoconfig.validation import IMPLICIT_TLS_PORTS

MAIL_TYPES = ("imap", "pop3", "smtp")
WEB_TYPES = ("jmap", "caldav", "carddav", "activeSync", "ews")
STARTTLS_PORTS = {"imap": 143, "pop3": 110, "smtp": 587}
"""RFC 8314, section 7, and RFC 6409: the standards', not a provider's."""

SOMEBODY = "bt-autoconfig-init"
"""The local part that stands for any user's: it is nobody's, and settings are the same for all."""
MAX_URL = 500
"""Characters of a URL that is written."""
_MAX_USERNAME = 100

_USERNAME = re.compile(r"(?:%EMAIL(?:ADDRESS|LOCALPART|DOMAIN)%|[A-Za-z0-9._+=@\\/-])+")
_URL = re.compile(r"https://(?:[A-Za-z0-9.-]|%EMAILDOMAIN%)+(?::[0-9]{1,5})?(?:[/?][!-~]*)?")


@dataclass(frozen=True)
class Ports:
    """Where servers listen by default, by type: the standards' ports, and others in tests."""

    tls: tuple[tuple[str, int], ...] = tuple(IMPLICIT_TLS_PORTS.items())
    starttls: tuple[tuple[str, int], ...] = tuple(STARTTLS_PORTS.items())

    def of(self, type_: str) -> tuple[tuple[int, str], ...]:
        """Return the ports of a type with their socketType, implicit TLS first."""
        return ((dict(self.tls)[type_], "SSL"), (dict(self.starttls)[type_], "STARTTLS"))


@dataclass(frozen=True)
class Claim:
    """A mail server as a source names it; port and socketType are empty where it names the host alone.

    `username` has the format's placeholders. `methods` are those that the source states.
    """

    type: str
    host: str
    port: int = 0
    socket_type: str = ""
    methods: tuple[str, ...] = ()
    username: str = ""

    def __str__(self) -> str:
        return f"{self.host}:{self.port} {self.socket_type}" if self.port else self.host


@dataclass(frozen=True)
class ServiceClaim:
    """A service at a URL as a source names it. With `guessed`, no one said so: it is where the standard looks."""

    type: str
    url: str
    methods: tuple[str, ...] = ()
    username: str = ""
    guessed: bool = False


@dataclass(frozen=True)
class Source:
    """What one source says. `name` begins a sentence: `Published at https://…`.

    A `guess` names hosts that may exist; the others are statements.
    """

    name: str
    claims: tuple[Claim, ...] = ()
    services: tuple[ServiceClaim, ...] = ()
    display_name: str = ""
    short_name: str = ""
    domains: tuple[str, ...] = ()
    mx_domains: tuple[str, ...] = ()
    help_page: str = ""
    webmail: str = ""
    issuer: str = ""
    guess: bool = False
    forgeable: bool = False
    """Whether it came over http on the way: anyone there could have changed it."""
    remarks: tuple[str, ...] = ()
    """What it says and cannot be written, for the operator."""


def username_of(text: str, address: MailAddress) -> str:
    """Return a username with the format's placeholders, empty when it is not one for every user.

    Some servers fill in the address that they were asked for, or a percent-encoded one, with which no login works.
    """
    for filled, placeholder in (
        (str(address), "%EMAILADDRESS%"),
        (str(address).replace("@", "%40"), "%EMAILADDRESS%"),
        (address.local, "%EMAILLOCALPART%"),
    ):
        text = text.replace(filled, placeholder)
    text = text.strip()
    if len(text) > _MAX_USERNAME or not _USERNAME.fullmatch(text):
        return ""
    return text if "%EMAILADDRESS%" in text or "%EMAILLOCALPART%" in text else ""


def host_of(text: str, domain: str) -> str:
    """Return a hostname that clients can look up, its placeholder filled; empty when it is none."""
    found = hostname(text.strip().replace("%EMAILDOMAIN%", domain))
    return found if "." in found else ""


def port_of(text: str) -> int:
    """Return the number of a port, 0 when it is none."""
    text = text.strip()
    return int(text) if re.fullmatch(r"[0-9]{1,5}", text) and int(text) < 65536 else 0


def url_of(text: str) -> str:
    """Return a URL that can be written as it is, empty when it is none: https, and no credentials in it."""
    text = text.strip()
    if len(text) > MAX_URL or not _URL.fullmatch(text):
        return ""
    try:
        return text if urlsplit(text).port != 0 else ""
    except ValueError:
        return ""


def filled(text: str, address: MailAddress) -> str:
    """Return a URL as a client would ask for it."""
    values = {"ADDRESS": str(address), "LOCALPART": address.local, "DOMAIN": address.domain}
    for name, value in values.items():
        text = text.replace(f"%EMAIL{name}%", value)
    return text
