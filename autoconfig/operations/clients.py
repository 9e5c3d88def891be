"""The lookups of each mail client, in its order.

The order is from the clients' source code: Thunderbird 153 (FindConfig.sys.mjs), Thunderbird for Android
(feature/autodiscovery), Delta Chat's core (configure.rs), Evolution (e-mail-autoconfig.c), KMail (ispdb.cpp), aerc
(lib/autoconfig) and Claws Mail (wizard.c); for classic Outlook, it is from Microsoft's documentation. Third-party
databases and services, which some clients use too, are left out.
"""

from collections.abc import Mapping
from typing import NamedTuple

from autoconfig.address import MailAddress
from autoconfig.operations import readers
from autoconfig.operations.expectations import OUTLOOK_FOLLOWS
from autoconfig.operations.readers import Account, Reader
from autoconfig.protocols import autoconfig, autodiscover, pacc


class Lookup(NamedTuple):
    """A URL that a client requests, with the placeholders {domain}, {address}, {mxfull}, {mxbase} and {srv}.

    {mxfull} and {mxbase} are the domains of the preferred mail exchanger; {srv} is the host in Outlook's SRV record.
    `kind` is one of:

    - get, post
    - redirect: a GET, followed by a POST to the redirect's target
    - srv: a POST to {srv}
    - pacc: a GET for a document whose digest must be in the TXT record
    """

    url: str
    kind: str = "get"

    @property
    def key(self) -> tuple[str, str]:
        """What identifies the lookup in all clients: its URL without the query string, and its kind."""
        return self.url.partition("?")[0], self.kind

    @property
    def by_mx(self) -> bool:
        """Whether its host is derived from the mail exchanger."""
        return "{mx" in self.url


class Client(NamedTuple):
    """A mail client. It follows SRV records first, then looks up documents."""

    name: str
    needs: str
    """The servers that it can use: what to publish if it can use none of the published ones."""
    lookups: tuple[Lookup, ...] = ()
    readers: Mapping[str, Reader] = {}
    """The readers of XML documents, by the name of the root element."""
    srv: tuple[str, ...] = ()
    """Names of SRV records, the preferred ones first."""
    asks_approval: bool = False
    """Whether it asks the user to approve settings that came over plain http."""
    pacc: bool = False
    """Whether it reads PACC's JSON."""
    redirects: tuple[int, ...] = (301, 302, 303, 307, 308)
    """The redirects that it follows."""
    optional: bool = False
    """Whether a provider may leave it out: its protocol is a draft, or its users are used to setting up by hand."""

    def places(self, domain: str) -> list[str]:
        """Return the SRV records, and the documents without query strings, that it looks up for a domain."""
        lookups = [one.url.partition("?")[0].replace("{domain}", domain) for one in self.lookups]
        return [*(f"{name}.{domain}" for name in self.srv), *(url for url in dict.fromkeys(lookups) if "{" not in url)]


def read(client: Client, document: bytes, address: MailAddress) -> Account | None:
    """Return the account that a client sets up from a document, or None if it cannot use the document."""
    if document.lstrip()[:1] == b"{":
        return readers.read_pacc(document, address) if client.pacc else None
    return readers.read_xml(document, client.readers, address)


_ISP = "https://autoconfig.{domain}" + autoconfig.PATH
_WELL_KNOWN = "https://{domain}" + autoconfig.WELL_KNOWN_PATH
_ADDRESS_QUERY = "?emailaddress={address}"
_BY_MX = tuple(Lookup("https://autoconfig." + mx + autoconfig.PATH + _ADDRESS_QUERY) for mx in ("{mxfull}", "{mxbase}"))
_OUTLOOK = "https://{domain}" + autodiscover.PATH
_OUTLOOK_HOST = "https://autodiscover.{domain}" + autodiscover.PATH
_EVOLUTION_QUERY = "?emailaddress=EVOLUTIONUSER%40{domain}&emailmd5=0"


def _http(url: str) -> str:
    return url.replace("https:", "http:")


_ANY = "an imap or pop3 server and an smtp server, each with SSL or STARTTLS"
_IMAP = "an imap server and an smtp server, each with SSL or STARTTLS"
_ANY_MAIL = {"clientConfig": readers.autoconfig(("imap", "pop3"))}

CLIENTS = (
    Client(
        "Thunderbird",
        _ANY,
        (
            Lookup(_ISP + _ADDRESS_QUERY),
            Lookup(_WELL_KNOWN + _ADDRESS_QUERY),
            Lookup(_http(_ISP) + _ADDRESS_QUERY),
            Lookup(_http(_WELL_KNOWN) + _ADDRESS_QUERY),
            *_BY_MX,
            Lookup(_OUTLOOK_HOST, "post"),
            Lookup(_OUTLOOK, "post"),
        ),
        {**_ANY_MAIL, "Autodiscover": readers.autodiscover(str)},
    ),
    Client(
        "Thunderbird for Android",
        f"{_IMAP}, a username, and a password or OAuth2 as the method; it uses no plain",
        (Lookup(_ISP), Lookup(_WELL_KNOWN), Lookup(_http(_ISP)), *_BY_MX),
        {"clientConfig": readers.android},
        asks_approval=True,
    ),
    Client(
        "Outlook, classic",
        f"{_ANY}, and password-cleartext as the method",
        (
            Lookup(_OUTLOOK, "post"),
            Lookup(_OUTLOOK_HOST, "post"),
            Lookup(_http(_OUTLOOK_HOST), "redirect"),
            Lookup("https://{srv}" + autodiscover.PATH, "srv"),
        ),
        {"Autodiscover": readers.autodiscover(lambda address: address.local)},
        redirects=OUTLOOK_FOLLOWS,
    ),
    Client(
        "Delta Chat",
        _IMAP,
        (Lookup(_ISP + _ADDRESS_QUERY), Lookup(_WELL_KNOWN), Lookup(_OUTLOOK), Lookup(_OUTLOOK_HOST)),
        {"clientConfig": readers.autoconfig(("imap",)), "Autodiscover": readers.autodiscover(str)},
    ),
    Client(
        "Evolution",
        _ANY,
        (Lookup(_ISP + _EVOLUTION_QUERY), Lookup(_WELL_KNOWN), Lookup(_http(_ISP) + _EVOLUTION_QUERY)),
        _ANY_MAIL,
    ),
    Client("KMail", _ANY, (Lookup(_ISP), Lookup(_http(_ISP)), Lookup(_WELL_KNOWN)), _ANY_MAIL),
    Client(
        "aerc",
        _IMAP,
        (Lookup(_ISP + _ADDRESS_QUERY), Lookup(_WELL_KNOWN)),
        {"clientConfig": readers.autoconfig(("imap",))},
        srv=("_imaps._tcp", "_imap._tcp", "_smtps._tcp", "_submission._tcp"),
        optional=True,
    ),
    Client(
        "Claws Mail",
        "an imap or pop3 server with SSL: it looks up only _imaps, _pop3s and _submission",
        srv=("_imaps._tcp", "_pop3s._tcp", "_submission._tcp"),
        optional=True,
    ),
    Client(
        "PACC clients",
        "an imap or pop3 server and an smtp server with SSL on the default ports",
        (Lookup("https://ua-auto-config.{domain}" + pacc.PATH, "pacc"),),
        pacc=True,
        optional=True,
    ),
)
