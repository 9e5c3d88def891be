"""Every document states exactly what its definition states.

The tests generate random definitions, and read the documents with parsers of the standard library.
"""

import json
import plistlib
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from hypothesis import given
from hypothesis import strategies as st

from autoconfig import definition
from autoconfig.address import MailAddress
from autoconfig.directory import Directory, NotServedError, directory
from autoconfig.protocols.autoconfig import Autoconfig
from autoconfig.protocols.autodiscover import Autodiscover, AutodiscoverError
from autoconfig.protocols.mobileconfig import Mobileconfig
from autoconfig.protocols.pacc import Pacc

OUTLOOK = "{http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a}"
PORTS = {"imap": 993, "pop3": 995, "smtp": 465}


@dataclass(frozen=True)
class Server:
    type: str
    hostname: str
    port: int
    socket_type: str
    authentication: tuple[str, ...]
    username: str

    def xml(self) -> str:
        element = "outgoingServer" if self.type == "smtp" else "incomingServer"
        methods = "".join(f"<authentication>{method}</authentication>" for method in self.authentication)
        return (
            f'<{element} type="{self.type}"><hostname>{self.hostname}</hostname><port>{self.port}</port>'
            f"<socketType>{self.socket_type}</socketType>{methods}<username>{escape(self.username)}</username></{element}>"
        )

    def accepts_password(self) -> bool:
        return bool({"password-cleartext", "password-encrypted"} & set(self.authentication))


LABELS = st.from_regex(r"[a-z]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
NAMES = st.builds("{}.{}".format, LABELS, st.sampled_from(["example", "test", "co.uk"]))
TEXTS = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"], exclude_characters="\ufffe\uffff%"), min_size=1
)
HOSTNAMES = NAMES | st.just("mail.%EMAILDOMAIN%")
USERNAMES = st.sampled_from(["%EMAILADDRESS%", "%EMAILLOCALPART%", "%EMAILLOCALPART%.%EMAILDOMAIN%"]) | TEXTS
METHODS = st.lists(
    st.sampled_from(["password-cleartext", "password-encrypted", "OAuth2", "GSSAPI", "TLS-client-cert"]),
    min_size=1,
    max_size=3,
    unique=True,
)


def servers(type_: str) -> st.SearchStrategy[Server]:
    ports = st.just(PORTS[type_]) | st.integers(1, 65535)
    socket_types = st.sampled_from(["SSL", "STARTTLS", "plain"])
    return st.builds(Server, st.just(type_), HOSTNAMES, ports, socket_types, METHODS.map(tuple), USERNAMES)


@dataclass(frozen=True)
class Provider:
    domains: tuple[str, ...]
    name: str
    servers: tuple[Server, ...]

    def load(self) -> Directory[definition.Definition]:
        domains = "".join(f"<domain>{domain}</domain>" for domain in self.domains)
        sections = "".join(server.xml() for server in self.servers)
        text = (
            f'<clientConfig version="1.1"><emailProvider id="{self.domains[0]}">{domains}'
            f"<displayName>{escape(self.name)}</displayName>{sections}</emailProvider></clientConfig>"
        )
        return directory([definition.load(Path("random.xml"), text.encode())])

    def first(self, type_: str) -> Server | None:
        return next((one for one in self.servers if one.type == type_ and one.accepts_password()), None)


PROVIDERS = st.builds(
    Provider,
    st.lists(NAMES, min_size=1, max_size=4, unique=True).map(tuple),
    TEXTS.filter(lambda text: len(text) <= 60),
    st.builds(
        lambda incoming, outgoing: (*incoming, *outgoing),
        st.lists(servers("imap") | servers("pop3"), min_size=1, max_size=4),
        st.lists(servers("smtp"), min_size=1, max_size=2),
    ),
)
LOCAL_PARTS = st.text(st.characters(categories=["L", "N"], include_characters=".+-_&<>'"), min_size=1, max_size=20)


def filled(text: str, address: MailAddress) -> str:
    text = text.replace("%EMAILADDRESS%", str(address)).replace("%EMAILLOCALPART%", address.local)
    return text.replace("%EMAILDOMAIN%", address.domain)


@given(PROVIDERS, LOCAL_PARTS, st.data())
def test_autoconfig_contains_every_setting(provider: Provider, local: str, data: st.DataObject) -> None:
    address = MailAddress(local, data.draw(st.sampled_from(provider.domains)))
    root = ET.fromstring(Autoconfig(provider.load()).render(address))
    found = root.find("emailProvider")
    assert found is not None
    assert tuple(domain.text for domain in found.iter("domain")) == provider.domains
    assert found.findtext("displayName") == provider.name
    # Clients may not fill in placeholders in hostnames, so the server fills in the domain there, and in usernames too.
    in_hosts = any("%" in server.hostname for server in provider.servers)
    for section, server in zip(
        [*found.iter("incomingServer"), *found.iter("outgoingServer")], provider.servers, strict=True
    ):
        assert section.get("type") == server.type
        assert section.findtext("hostname") == filled(server.hostname, address)
        assert section.findtext("port") == str(server.port)
        assert section.findtext("socketType") == server.socket_type
        assert tuple(method.text for method in section.iter("authentication")) == server.authentication
        username = server.username.replace("%EMAILDOMAIN%", address.domain) if in_hosts else server.username
        assert section.findtext("username") == username


@given(PROVIDERS, LOCAL_PARTS, st.data())
def test_autodiscover_contains_the_settings_that_outlook_can_use(
    provider: Provider, local: str, data: st.DataObject
) -> None:
    address = MailAddress(local, data.draw(st.sampled_from(provider.domains)))
    expected = [server for server in map(provider.first, PORTS) if server]
    try:
        root = ET.fromstring(Autodiscover(provider.load()).render(address))
    except AutodiscoverError:
        assert {server.type for server in expected} in (set(), {"smtp"}, {"imap"}, {"pop3"}, {"imap", "pop3"})
        return
    found = list(root.iter(f"{OUTLOOK}Protocol"))
    encryption = {"SSL": ("on", "SSL"), "STARTTLS": ("off", "TLS"), "plain": ("off", "None")}
    for entry, server in zip(found, expected, strict=True):
        text = {child.tag.removeprefix(OUTLOOK): child.text for child in entry}
        assert text["Type"] == server.type.upper()
        assert (text["Server"], text["Port"]) == (filled(server.hostname, address), str(server.port))
        assert text["LoginName"] == filled(server.username, address)
        assert (text["SSL"], text["Encryption"]) == encryption[server.socket_type]
        assert (text["SPA"], text["AuthRequired"]) == ("off", "on")


@given(PROVIDERS, LOCAL_PARTS, st.sampled_from(["imap", "pop3"]), st.data())
def test_a_profile_contains_the_settings_that_apple_devices_can_use(
    provider: Provider, local: str, protocol: str, data: st.DataObject
) -> None:
    address = MailAddress(local, data.draw(st.sampled_from(provider.domains)))
    incoming, outgoing = provider.first(protocol), provider.first("smtp")
    try:
        profile = plistlib.loads(Mobileconfig(provider.load()).render(address, protocol=protocol))
    except NotServedError:
        assert incoming is None or outgoing is None
        return
    (mail,) = profile["PayloadContent"]
    assert (profile["PayloadDisplayName"], mail["EmailAddress"]) == (provider.name, str(address))
    for prefix, server in (("Incoming", incoming), ("Outgoing", outgoing)):
        assert server
        assert mail[f"{prefix}MailServerHostName"] == filled(server.hostname, address)
        assert mail[f"{prefix}MailServerPortNumber"] == server.port
        assert mail[f"{prefix}MailServerUseSSL"] == (server.socket_type != "plain")
        assert mail[f"{prefix}MailServerUsername"] == filled(server.username, address)


@given(PROVIDERS, st.data())
def test_pacc_contains_the_settings_that_it_can_express(provider: Provider, data: st.DataObject) -> None:
    domain = data.draw(st.sampled_from(provider.domains))
    expected: dict[str, dict[str, str]] = {}
    for server in provider.servers:
        if (server.port, server.socket_type) == (PORTS[server.type], "SSL"):
            name = "submit" if server.type == "smtp" else server.type
            expected.setdefault(name, {"host": server.hostname.replace("%EMAILDOMAIN%", domain)})
    try:
        content = json.loads(Pacc(provider.load()).render(domain))
    except NotServedError:
        assert not expected
        return
    assert content["protocols"] == expected
    assert content["info"]["provider"] == {"name": provider.name}
