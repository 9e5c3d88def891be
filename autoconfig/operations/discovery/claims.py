"""Claims: what sources say about a domain's servers, not yet verified."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from autoconfig.address import MailAddress
from autoconfig.operations.dns import hostname
from autoconfig.validation import IMPLICIT_TLS_PORTS

MAIL_TYPES = ("imap", "pop3", "smtp")
WEB_TYPES = ("jmap", "caldav", "carddav", "activeSync", "ews")
STARTTLS_PORTS = {"imap": 143, "pop3": 110, "smtp": 587}
"""Standard ports (RFC 8314, section 7; RFC 6409)."""

PLACEHOLDER_USER = "bt-autoconfig-init"
"""The local part used in requests: no mailbox has it, and settings are the same for every user."""
MAX_URL = 500
"""Maximum characters of a URL in a definition."""
_MAX_USERNAME = 100

_USERNAME = re.compile(r"(?:%EMAIL(?:ADDRESS|LOCALPART|DOMAIN)%|[A-Za-z0-9._+=@\\/-])+")
_URL = re.compile(r"https://(?:[A-Za-z0-9.-]|%EMAILDOMAIN%)+(?::[0-9]{1,5})?(?:[/?][!-~]*)?")


@dataclass(frozen=True)
class Ports:
    """The default ports of each server type. Tests use other ports."""

    tls: tuple[tuple[str, int], ...] = tuple(IMPLICIT_TLS_PORTS.items())
    starttls: tuple[tuple[str, int], ...] = tuple(STARTTLS_PORTS.items())

    def of(self, type_: str) -> tuple[tuple[int, str], ...]:
        """Return the ports of a server type with their socketType, implicit TLS first."""
        return ((dict(self.tls)[type_], "SSL"), (dict(self.starttls)[type_], "STARTTLS"))


@dataclass(frozen=True)
class Claim:
    """A mail server as a source describes it. Port and socketType are empty if the source gives only a host.

    `username` contains the format's placeholders. `methods` are the authentication methods that the source states.
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
    """A service at a URL. `guessed` means that no source gave the URL: it is the standard's well-known one."""

    type: str
    url: str
    methods: tuple[str, ...] = ()
    username: str = ""
    guessed: bool = False


@dataclass(frozen=True)
class Source:
    """What one source says. `name` starts a sentence: `Published at https://…`.

    With `guess`, the hosts may not exist. Otherwise the source states that they do.
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
    """Whether any part of it arrived over plain http, where anyone on the network could have changed it."""
    remarks: tuple[str, ...] = ()
    """Messages to the operator about published settings that the definition leaves out."""


def username_of(text: str, address: MailAddress) -> str:
    """Return a username with the format's placeholders, or an empty string if it does not work for every user.

    Some servers fill in the requested address. Some percent-encode it, and no login works with that.
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
    """Return a hostname that clients can look up, with its placeholder filled; empty if the text is not a hostname."""
    found = hostname(text.strip().replace("%EMAILDOMAIN%", domain))
    return found if "." in found else ""


def port_of(text: str) -> int:
    """Return a port number, or 0 if the text is not one."""
    text = text.strip()
    return int(text) if re.fullmatch(r"[0-9]{1,5}", text) and int(text) < 65536 else 0


def url_of(text: str) -> str:
    """Return an https URL without credentials, ready for a definition; empty if the text is not one."""
    text = text.strip()
    if len(text) > MAX_URL or not _URL.fullmatch(text):
        return ""
    try:
        return text if urlsplit(text).port != 0 else ""
    except ValueError:
        return ""


def filled(text: str, address: MailAddress) -> str:
    """Return a URL with its placeholders filled, as a client requests it."""
    values = {"ADDRESS": str(address), "LOCALPART": address.local, "DOMAIN": address.domain}
    for name, value in values.items():
        text = text.replace(f"%EMAIL{name}%", value)
    return text
