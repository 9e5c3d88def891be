"""Every format contains all settings that it can express, for a definition with every service."""

import json
import plistlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from autoconfig import definition
from autoconfig.address import MailAddress
from autoconfig.definition import Definition
from autoconfig.directory import directory
from autoconfig.protocols import PROTOCOLS
from autoconfig.protocols.autodiscover_v2 import AutodiscoverV2
from autoconfig.protocols.description import Parts, RenderOptions

FRED = MailAddress("fred", "example.org")
TEXT = (Path(__file__).parents[1] / "every_service.xml").read_text()
OF_2026 = {
    "<authentication>http-basic<": '<authentication system="http">Basic<',
    "addressBook": "addressbook",
    "activesync": "activeSync",
}
SPELLINGS: dict[str, dict[str, str]] = {
    "in use": {},
    "of the draft of June 2026": OF_2026,
    "of Thunderbird's files": {"<authentication>http-basic<": "<authentication>password-cleartext<"},
    "of the oldest files": {"<authentication>http-basic<": "<authentication>plain<"},
}


def spelt(replacements: dict[str, str]) -> Definition:
    text = TEXT
    for old, new in replacements.items():
        assert old in text
        text = text.replace(old, new)
    return definition.load(Path("every.xml"), text.encode())


def xml(body: bytes) -> dict[str, str]:
    """Return the texts of an XML document by path, without namespaces and with types; + marks repetitions."""
    found: dict[str, str] = {}
    for element in etree.fromstring(body).iter():
        steps = [element, *element.iterancestors()][:-1]
        names = [etree.QName(one).localname + (f"[{one.get('type')}]" if one.get("type") else "") for one in steps]
        path = "/".join(reversed(names))
        while path in found:
            path += "+"
        found[path] = (element.text or "").strip()
    return found


def entries(body: bytes) -> dict[str, str]:
    """Return the server and login name of each Protocol element in Outlook's settings."""
    protocols = etree.fromstring(body).iter("{*}Protocol")
    found = [{etree.QName(one).localname: one.text or "" for one in protocol} for protocol in protocols]
    return {one["Type"]: f"{one['Server']}:{one.get('Port', '')} {one['LoginName']}" for one in found}


def payloads(body: bytes) -> dict[str, Any]:
    """Return the values in all payloads of a profile, by payload type and key."""
    content = plistlib.loads(body)["PayloadContent"]
    return {f"{one['PayloadType']} {key}": value for one in content for key, value in one.items()}


def flat(body: bytes) -> dict[str, Any]:
    """Return the values of a JSON document by path."""

    def walk(value: Any, path: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            return {path: value}
        return {name: one for key, inner in value.items() for name, one in walk(inner, f"{path}/{key}").items()}

    return walk(json.loads(body), "")


MAIL = "emailProvider/incomingServer"
DAV = "com.apple.{}.account {}"
EXPECTED: dict[str, tuple[Callable[[bytes], dict[str, Any]], dict[str, Any]]] = {
    "autoconfig": (
        xml,
        {
            f"{MAIL}[imap]/hostname": "imap.example.org",
            f"{MAIL}[pop3]/hostname": "pop.example.org",
            "emailProvider/outgoingServer[smtp]/hostname": "smtp.example.org",
            f"{MAIL}[jmap]/url": "https://jmap.example.org",
            f"{MAIL}[jmap]/authentication": "OAuth2",
            f"{MAIL}[jmap]/authentication+": "Basic",
            f"{MAIL}[jmap]/authentication++": "password-cleartext",
            f"{MAIL}[ews]/url": "https://mail.example.org/EWS/Exchange.asmx",
            f"{MAIL}[ews]/authentication": "Basic",
            f"{MAIL}[ews]/authentication+": "password-cleartext",
            f"{MAIL}[activeSync]/url": "https://mail.example.org/Microsoft-Server-ActiveSync",
            "addressbook[carddav]/url": "https://contacts.example.org/dav",
            "addressbook[carddav]/authentication": "Basic",
            "calendar[caldav]/url": "https://calendar.example.org/dav",
            "calendar[caldav]/authentication": "Basic",
            "fileShare[webdav]/url": "https://files.example.org/dav",
            "chatServer[xmpp]/url": "wss://chat.example.org:5281/socket",
            "chatServer[xmpptcp]/hostname": "xmpp.example.org",
            "chatServer[xmpptcp]/authentication": "password-cleartext",
            "videoConference[opentalk]/url": "https://talk.example.org/login",
            "oAuth2/issuer": "https://login.example.org",
            "oAuth2/scope": "IMAP POP3 SMTP CalDAV CardDAV WebDAV offline_access",
            "emailProvider/documentation/descr+": "App einrichten",
        },
    ),
    "autodiscover": (
        entries,
        {
            "IMAP": f"imap.example.org:993 {FRED}",
            "POP3": f"pop.example.org:995 {FRED}",
            "SMTP": f"smtp.example.org:587 {FRED}",
            "CalDAV": f"https://calendar.example.org/dav: {FRED}",
            "CardDAV": f"https://contacts.example.org/dav: {FRED}",
        },
    ),
    "activesync": (
        xml,
        {
            "Response/User/EMailAddress": str(FRED),
            "Response/Action/Settings/Server/Url": "https://mail.example.org/Microsoft-Server-ActiveSync",
        },
    ),
    "mobileconfig": (
        payloads,
        {
            "com.apple.mail.managed IncomingMailServerHostName": "imap.example.org",
            "com.apple.mail.managed OutgoingMailServerHostName": "smtp.example.org",
            DAV.format("caldav", "CalDAVHostName"): "calendar.example.org",
            DAV.format("caldav", "CalDAVPrincipalURL"): "/dav",
            DAV.format("caldav", "CalDAVUsername"): str(FRED),
            DAV.format("carddav", "CardDAVHostName"): "contacts.example.org",
            DAV.format("carddav", "CardDAVUsername"): str(FRED),
        },
    ),
    "pacc": (
        flat,
        {
            "/protocols/imap/host": "imap.example.org",
            "/protocols/pop3/host": "pop.example.org",
            "/protocols/jmap/url": "https://jmap.example.org",
            "/protocols/caldav/url": "https://calendar.example.org/dav",
            "/protocols/carddav/url": "https://contacts.example.org/dav",
            "/protocols/webdav/url": "https://files.example.org/dav",
            "/authentication/password": True,
            "/authentication/oauth-public/issuer": "https://login.example.org",
            "/info/provider/name": "Example Suite",
            "/info/provider/shortName": "Suite",
            "/info/help/documentation": "http://www.example.org/help/",
        },
    ),
}


@pytest.mark.parametrize("format_", EXPECTED)
@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_every_format_contains_everything_that_it_can_express(spelling: dict[str, str], format_: str) -> None:
    read, expected = EXPECTED[format_]
    (protocol,) = (one for one in PROTOCOLS if one.name == format_)
    parts = Parts(directory([spelt(spelling)]), PROTOCOLS)
    assert protocol.render
    found = read(protocol.render(parts.made(protocol), RenderOptions(FRED)))
    assert {key: found.get(key) for key in expected} == expected


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_autodiscover_json_returns_the_urls_of_exchange(spelling: dict[str, str]) -> None:
    urls = AutodiscoverV2(directory([spelt(spelling)]))
    found = {name: json.loads(urls.render(FRED, name))["Url"] for name in ("EWS", "ActiveSync", "AutodiscoverV1")}
    assert found == {
        "EWS": "https://mail.example.org/EWS/Exchange.asmx",
        "ActiveSync": "https://mail.example.org/Microsoft-Server-ActiveSync",
        "AutodiscoverV1": "https://autodiscover.example.org/autodiscover/autodiscover.xml",
    }


@pytest.mark.parametrize("format_", [*EXPECTED, "autodiscover.json"])
def test_the_spelling_of_a_definition_does_not_change_responses(format_: str) -> None:
    (protocol,) = (one for one in PROTOCOLS if one.name == format_)
    assert protocol.render
    made = [Parts(directory([spelt(spelling)]), PROTOCOLS).made(protocol) for spelling in SPELLINGS.values()]
    assert len({protocol.render(one, RenderOptions(FRED)) for one in made}) == 1


def test_only_names_outside_the_format_get_a_warning() -> None:
    assert spelt(OF_2026).warnings == ()
    assert [one.partition(":")[2] for one in spelt({}).warnings] == [
        '41: type="activesync" is read as activeSync, as clients call it',
        "51: addressBook is read as addressbook, the element's name in the format",
    ]


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_a_served_file_is_an_equal_definition(spelling: dict[str, str]) -> None:
    original = spelt(spelling)
    (protocol,) = (one for one in PROTOCOLS if one.name == "autoconfig")
    served = protocol.make(Parts(directory([original]), PROTOCOLS)).render()
    again = definition.load(Path("served.xml"), served)
    for name in ("id", "domains", "display_name", "servers", "services", "issuer"):
        assert getattr(again, name) == getattr(original, name)
    assert again.warnings == ()
    assert protocol.make(Parts(directory([again]), PROTOCOLS)).render() == served
