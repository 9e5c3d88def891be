"""What each mail client asks for, and in which order.

The orders are those of the clients' sources: Thunderbird 153 (FindConfig.sys.mjs), Thunderbird for Android
(feature/autodiscovery), Delta Chat's core (configure.rs), Evolution (e-mail-autoconfig.c), KMail (ispdb.cpp), aerc
(lib/autoconfig), Claws Mail (wizard.c), and Microsoft's description for classic Outlook. The databases and services
that some use besides belong to others and are not asked here.
"""

from collections.abc import Mapping
from typing import NamedTuple

from autoconfig.address import MailAddress
from autoconfig.operations import readers
from autoconfig.operations.expectations import OUTLOOK_FOLLOWS
from autoconfig.operations.readers import Account, Reader
from autoconfig.protocols import autoconfig, autodiscover, pacc


class LookUp(NamedTuple):
    """One thing that a client asks for: a URL with {domain}, {address}, {mxfull} and {mxbase}, or {srv}.

    {mxfull} and {mxbase} are the domains of the best mail exchanger; {srv} is the host of Outlook's SRV record. `how`
    is get or post; redirect, for a GET whose redirect is followed by a POST; srv, for a POST to {srv}; pacc, for a
    document that must have the digest of the TXT record.
    """

    url: str
    how: str = "get"

    @property
    def by_mx(self) -> bool:
        """Whether it is at a host of the mail exchanger."""
        return "{mx" in self.url


class Client(NamedTuple):
    """A mail client: the SRV records that it follows first, then the documents that it asks for."""

    name: str
    look_ups: tuple[LookUp, ...] = ()
    read: Mapping[str, Reader] = {}
    """How it reads XML documents, by the name of their root element."""
    srv: tuple[str, ...] = ()
    """Names of SRV records, the preferred ones first."""
    asks_approval: bool = False
    """Whether it asks the user to approve settings that came without TLS on the way."""
    pacc: bool = False
    """Whether it reads PACC's JSON."""
    redirects: tuple[int, ...] = (301, 302, 303, 307, 308)
    """The redirects that it follows."""
    rare: bool = False
    """Whether a provider may well leave it out: its protocol is a draft, or its users set up much by hand."""


def read(client: Client, document: bytes, address: MailAddress) -> Account | None:
    """Return the account that a client makes of a document, None when it cannot use it."""
    if document.lstrip()[:1] == b"{":
        return readers.read_pacc(document, address) if client.pacc else None
    return readers.read_xml(document, client.read, address)


_ISP = "https://autoconfig.{domain}" + autoconfig.PATH
_WELL_KNOWN = "https://{domain}" + autoconfig.WELL_KNOWN_PATH
_ADDRESS_QUERY = "?emailaddress={address}"
_BY_MX = tuple(LookUp("https://autoconfig." + mx + autoconfig.PATH + _ADDRESS_QUERY) for mx in ("{mxfull}", "{mxbase}"))
_OUTLOOK = "https://{domain}" + autodiscover.PATH
_OUTLOOK_HOST = "https://autodiscover.{domain}" + autodiscover.PATH
_EVOLUTION_QUERY = "?emailaddress=EVOLUTIONUSER%40{domain}&emailmd5=0"


def _http(url: str) -> str:
    return url.replace("https:", "http:")


_ANY_MAIL = {"clientConfig": readers.autoconfig(("imap", "pop3"))}

CLIENTS = (
    Client(
        "Thunderbird",
        (
            LookUp(_ISP + _ADDRESS_QUERY),
            LookUp(_WELL_KNOWN + _ADDRESS_QUERY),
            LookUp(_http(_ISP) + _ADDRESS_QUERY),
            LookUp(_http(_WELL_KNOWN) + _ADDRESS_QUERY),
            *_BY_MX,
            LookUp(_OUTLOOK_HOST, "post"),
            LookUp(_OUTLOOK, "post"),
        ),
        {**_ANY_MAIL, "Autodiscover": readers.autodiscover(str)},
    ),
    Client(
        "Thunderbird for Android",
        (LookUp(_ISP), LookUp(_WELL_KNOWN), LookUp(_http(_ISP)), *_BY_MX),
        {"clientConfig": readers.android},
        asks_approval=True,
    ),
    Client(
        "Outlook, classic",
        (
            LookUp(_OUTLOOK, "post"),
            LookUp(_OUTLOOK_HOST, "post"),
            LookUp(_http(_OUTLOOK_HOST), "redirect"),
            LookUp("https://{srv}" + autodiscover.PATH, "srv"),
        ),
        {"Autodiscover": readers.autodiscover(lambda address: address.local)},
        redirects=OUTLOOK_FOLLOWS,
    ),
    Client(
        "Delta Chat",
        (LookUp(_ISP + _ADDRESS_QUERY), LookUp(_WELL_KNOWN), LookUp(_OUTLOOK), LookUp(_OUTLOOK_HOST)),
        {"clientConfig": readers.autoconfig(("imap",)), "Autodiscover": readers.autodiscover(str)},
    ),
    Client(
        "Evolution",
        (LookUp(_ISP + _EVOLUTION_QUERY), LookUp(_WELL_KNOWN), LookUp(_http(_ISP) + _EVOLUTION_QUERY)),
        _ANY_MAIL,
    ),
    Client("KMail", (LookUp(_ISP), LookUp(_http(_ISP)), LookUp(_WELL_KNOWN)), _ANY_MAIL),
    Client(
        "aerc",
        (LookUp(_ISP + _ADDRESS_QUERY), LookUp(_WELL_KNOWN)),
        {"clientConfig": readers.autoconfig(("imap",))},
        srv=("_imaps._tcp", "_imap._tcp", "_smtps._tcp", "_submission._tcp"),
        rare=True,
    ),
    Client("Claws Mail", srv=("_imaps._tcp", "_pop3s._tcp", "_submission._tcp"), rare=True),
    Client(
        "PACC clients",
        (LookUp("https://ua-auto-config.{domain}" + pacc.PATH, "pacc"),),
        pacc=True,
        rare=True,
    ),
)
