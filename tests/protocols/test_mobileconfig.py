import hashlib
import plistlib
from typing import Any
from uuid import NAMESPACE_DNS, UUID, uuid5

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoconfig.address import MailAddress
from autoconfig.definition import EMBEDDED
from autoconfig.directory import NotServedError
from autoconfig.protocols import mobileconfig
from autoconfig.protocols.mobileconfig import Mobileconfig
from autoconfig.requests import Request
from autoconfig.responses import Response
from tests.support import SERVICES, Write, load

PATH = "/email.mobileconfig"
BT = Mobileconfig(load(EMBEDDED))

# Keys and values that Apple's device-management schema allows and requires, as far as profiles use them.
COMMON = {"PayloadIdentifier": str, "PayloadUUID": str, "PayloadType": str, "PayloadVersion": int}
TOP_LEVEL_KEYS = COMMON | {
    "PayloadContent": list,
    "PayloadDisplayName": str,
    "PayloadDescription": str,
    "PayloadOrganization": str,
}
AUTHENTICATION = {"EmailAuthNone", "EmailAuthPassword", "EmailAuthCRAMMD5", "EmailAuthNTLM", "EmailAuthHTTPMD5"}
MAIL_REQUIRED = COMMON | {
    "EmailAccountType": {"EmailTypeIMAP", "EmailTypePOP"},
    "IncomingMailServerHostName": str,
    "IncomingMailServerAuthentication": AUTHENTICATION,
    "OutgoingMailServerHostName": str,
    "OutgoingMailServerAuthentication": AUTHENTICATION,
}
MAIL_KEYS = MAIL_REQUIRED | {
    "PayloadDisplayName": str,
    "EmailAccountDescription": str,
    "EmailAccountName": str,
    "EmailAddress": str,
    "IncomingMailServerPortNumber": int,
    "IncomingMailServerUseSSL": bool,
    "IncomingMailServerUsername": str,
    "OutgoingMailServerPortNumber": int,
    "OutgoingMailServerUseSSL": bool,
    "OutgoingMailServerUsername": str,
    "OutgoingPasswordSameAsIncomingPassword": bool,
}


def conforms(payload: dict[str, Any], allowed: dict[str, Any], required: dict[str, Any]) -> bool:
    return required.keys() <= payload.keys() and all(
        value in allowed[key] if isinstance(allowed[key], set) else type(value) is allowed[key]
        for key, value in payload.items()
    )


def read(profile: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read a profile as a device does; return its top level and its only payload."""
    top_level = plistlib.loads(profile, fmt=plistlib.FMT_XML)
    (mail,) = top_level["PayloadContent"]
    assert conforms(top_level, TOP_LEVEL_KEYS, COMMON | {"PayloadContent": list})
    assert conforms(mail, MAIL_KEYS, MAIL_REQUIRED)
    assert (top_level["PayloadType"], top_level["PayloadVersion"]) == ("Configuration", 1)
    assert (mail["PayloadType"], mail["PayloadVersion"]) == ("com.apple.mail.managed", 1)
    return top_level, mail


def payload(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/x-apple-aspen-config"
    return read(response.content)[1]


def test_an_iphone_gets_imap_and_smtp_over_tls_with_the_address_as_username(
    http: httpx.Client,
) -> None:
    mail = payload(http.get(PATH, params={"emailaddress": "fred@btinternet.com", "name": "Fred Bloggs"}))
    assert (
        mail.items()
        >= {
            "EmailAccountType": "EmailTypeIMAP",
            "EmailAccountName": "Fred Bloggs",
            "EmailAddress": "fred@btinternet.com",
            "IncomingMailServerHostName": "mail.btinternet.com",
            "IncomingMailServerPortNumber": 993,
            "IncomingMailServerUseSSL": True,
            "IncomingMailServerAuthentication": "EmailAuthPassword",
            "IncomingMailServerUsername": "fred@btinternet.com",
            "OutgoingMailServerHostName": "mail.btinternet.com",
            "OutgoingMailServerPortNumber": 465,
            "OutgoingMailServerUseSSL": True,
            "OutgoingMailServerAuthentication": "EmailAuthPassword",
            "OutgoingMailServerUsername": "fred@btinternet.com",
            "OutgoingPasswordSameAsIncomingPassword": True,
        }.items()
    )
    assert not {"IncomingPassword", "OutgoingPassword"} & mail.keys()


def test_a_profile_can_be_requested_with_a_form(http: httpx.Client) -> None:
    fields = {"emailaddress": "fred+news@btinternet.com", "name": "Fred Bloggs", "protocol": "pop3"}
    mail = payload(http.post(PATH, data=fields))
    assert mail["EmailAddress"] == "fred+news@btinternet.com"
    assert mail["EmailAccountName"] == "Fred Bloggs"
    assert (mail["EmailAccountType"], mail["IncomingMailServerPortNumber"]) == ("EmailTypePOP", 995)
    assert http.post(PATH, data=fields).content == http.get(PATH, params=fields).content


@pytest.mark.parametrize("query", ["", "?emailaddress=&name=&protocol="])
def test_unknown_values_are_left_out_so_that_the_device_asks_for_them(http: httpx.Client, query: str) -> None:
    mail = payload(http.get(PATH + query))
    unknown = {"EmailAddress", "EmailAccountName", "IncomingMailServerUsername", "OutgoingMailServerUsername"}
    assert not unknown & mail.keys()


def test_the_filename_ends_as_safari_expects(http: httpx.Client) -> None:
    disposition = http.get(PATH).headers["content-disposition"]
    assert disposition == 'attachment; filename="btinternet.com.mobileconfig"'


def test_caches_do_not_store_a_profile_with_an_address_or_a_name(http: httpx.Client) -> None:
    assert http.get(PATH).headers["cache-control"] == "public, max-age=3600"
    for field in ({"emailaddress": "fred@talk21.com"}, {"name": "Fred"}):
        assert http.get(PATH, params=field).headers["cache-control"] == "no-store"
        assert http.post(PATH, data=field).headers["cache-control"] == "no-store"


def identity(address: str | None, protocol: str = "imap") -> tuple[str, str]:
    top_level, mail = read(BT.render(MailAddress.parse(address) if address else None, None, protocol))
    assert top_level["PayloadIdentifier"].startswith("com.btinternet.")
    assert mail["PayloadIdentifier"].startswith(top_level["PayloadIdentifier"])
    assert {UUID(top_level["PayloadUUID"]).version, UUID(mail["PayloadUUID"]).version} == {5}
    assert top_level["PayloadUUID"] != mail["PayloadUUID"]
    return top_level["PayloadIdentifier"], mail["PayloadUUID"]


def test_installing_a_profile_again_replaces_the_account() -> None:
    assert identity("fred@btinternet.com") == identity("Fred@BTinternet.com")
    assert identity(None) == identity(None)


def test_each_address_has_its_own_account() -> None:
    assert identity("fred@btinternet.com")[0] != identity("joe@btinternet.com")[0]
    assert identity("fred@btinternet.com")[0] != identity("fred@talk21.com")[0]
    assert identity("fred@btinternet.com")[0] != identity(None)[0]


def test_imap_and_pop3_are_different_accounts_in_the_same_profile() -> None:
    (imap_profile, imap_account), (pop3_profile, pop3_account) = (
        identity("a@talk21.com"),
        identity("a@talk21.com", "pop3"),
    )
    assert imap_profile == pop3_profile
    assert imap_account != pop3_account


@pytest.mark.parametrize(
    ("method", "key"),
    [
        ("password-cleartext", "EmailAuthPassword"),
        ("password-encrypted", "EmailAuthCRAMMD5"),
        ("NTLM", "EmailAuthNTLM"),
        ("client-IP-address", "EmailAuthNone"),
        ("none", "EmailAuthNone"),
        ("OAuth2</authentication><authentication>password-encrypted", "EmailAuthCRAMMD5"),
    ],
)
def test_the_first_method_that_apple_supports_is_used(write: Write, method: str, key: str) -> None:
    _, mail = read(Mobileconfig(load(write({"password-cleartext": method}))).render())
    assert mail["IncomingMailServerAuthentication"] == key


def test_starttls_differs_from_plain_and_usernames_follow_the_definition(write: Write) -> None:
    provider = Mobileconfig(load(write()))
    _, imap = read(provider.render(MailAddress("fred", "example.net")))
    assert (imap["IncomingMailServerUseSSL"], imap["IncomingMailServerUsername"]) == (True, "fred")
    assert (imap["IncomingMailServerPortNumber"], imap["OutgoingMailServerUsername"]) == (143, "fred@example.net")
    _, pop3 = read(provider.render(MailAddress("fred", "example.net"), protocol="pop3"))
    assert pop3["IncomingMailServerUseSSL"] is False


def test_a_provider_without_imap_has_a_pop3_profile_by_default(write: Write) -> None:
    _, mail = read(Mobileconfig(load(write({'type="imap"': 'type="ews"'}))).render())
    assert mail["EmailAccountType"] == "EmailTypePOP"


def test_a_calendar_and_an_address_book_are_separate_payloads(write: Write) -> None:
    provider = Mobileconfig(load(write({"</clientConfig>": SERVICES})))
    profile = plistlib.loads(provider.render(MailAddress("fred", "example.com")))
    _, calendar, contacts = profile["PayloadContent"]
    assert len({one["PayloadUUID"] for one in profile["PayloadContent"]}) == 3
    assert len({one["PayloadIdentifier"] for one in profile["PayloadContent"]}) == 3
    common = {"PayloadVersion": 1, "PayloadDisplayName": "Example Mail"}
    assert calendar == common | {
        "PayloadType": "com.apple.caldav.account",
        "PayloadIdentifier": calendar["PayloadIdentifier"],
        "PayloadUUID": calendar["PayloadUUID"],
        "CalDAVAccountDescription": "Example Mail",
        "CalDAVHostName": "dav.example.com",
        "CalDAVPort": 8443,
        "CalDAVUseSSL": True,
        "CalDAVPrincipalURL": "/cal/",
        "CalDAVUsername": "fred@example.com",
    }
    assert contacts == common | {
        "PayloadType": "com.apple.carddav.account",
        "PayloadIdentifier": contacts["PayloadIdentifier"],
        "PayloadUUID": contacts["PayloadUUID"],
        "CardDAVAccountDescription": "Example Mail",
        "CardDAVHostName": "contacts.example.com",
        "CardDAVPort": 443,
        "CardDAVUseSSL": True,
        "CardDAVUsername": "fred",
    }


def test_a_profile_names_the_provider_and_its_accounts(write: Write) -> None:
    profile, mail = read(Mobileconfig(load(write())).render(MailAddress("fred", "example.net"), "Fred", "pop3"))
    identifier = f"com.example.email.{profile['PayloadUUID']}"
    assert {key: value for key, value in profile.items() if key != "PayloadContent"} == {
        "PayloadType": "Configuration",
        "PayloadVersion": 1,
        "PayloadIdentifier": identifier,
        "PayloadUUID": profile["PayloadUUID"],
        "PayloadDisplayName": "Example Mail",
        "PayloadOrganization": "Example Mail",
        "PayloadDescription": "Sets up your Example Mail account in Mail.",
    }
    assert mail == {
        "PayloadType": "com.apple.mail.managed",
        "PayloadVersion": 1,
        "PayloadIdentifier": f"{identifier}.pop3",
        "PayloadUUID": mail["PayloadUUID"],
        "PayloadDisplayName": "Example Mail",
        "EmailAccountDescription": "Example Mail",
        "EmailAccountType": "EmailTypePOP",
        "EmailAccountName": "Fred",
        "EmailAddress": "fred@example.net",
        "IncomingMailServerHostName": "pop.example.com",
        "IncomingMailServerPortNumber": 110,
        "IncomingMailServerUseSSL": False,
        "IncomingMailServerAuthentication": "EmailAuthCRAMMD5",
        "IncomingMailServerUsername": "fred@example.net",
        "OutgoingMailServerHostName": "smtp.example.com",
        "OutgoingMailServerPortNumber": 587,
        "OutgoingMailServerUseSSL": True,
        "OutgoingMailServerAuthentication": "EmailAuthPassword",
        "OutgoingMailServerUsername": "fred@example.net",
        "OutgoingPasswordSameAsIncomingPassword": True,
    }


def test_a_username_that_all_users_share_is_in_every_profile(write: Write) -> None:
    services = SERVICES.replace("%EMAILADDRESS%", "shared").replace("%EMAILLOCALPART%", "shared")
    definition = write({"%EMAILLOCALPART%": "shared", "%EMAILADDRESS%": "shared", "</clientConfig>": services})
    for payload in plistlib.loads(Mobileconfig(load(definition)).render())["PayloadContent"]:
        usernames = [value for key, value in payload.items() if key.endswith("Username")]
        assert usernames
        assert set(usernames) == {"shared"}


@pytest.mark.parametrize(("host", "side"), [("imap", "Incoming"), ("smtp", "Outgoing")])
def test_a_server_at_a_host_of_each_user_is_in_personal_profiles_only(write: Write, host: str, side: str) -> None:
    provider = Mobileconfig(load(write({f">{host}.example.com<": ">%EMAILLOCALPART%.example.com<"})))
    _, mail = read(provider.render(MailAddress("fred", "example.com"), protocol="imap"))
    assert mail[f"{side}MailServerHostName"] == "fred.example.com"
    with pytest.raises(NotServedError, match="no imap settings"):
        provider.render(protocol="imap")


@pytest.mark.parametrize("placeholder", ["%EMAILLOCALPART%", "%EMAILADDRESS%"])
def test_a_calendar_at_a_url_of_each_user_is_in_personal_profiles_only(write: Write, placeholder: str) -> None:
    provider = Mobileconfig(load(write({"</clientConfig>": SERVICES.replace("/cal/", f"/{placeholder}/")})))
    types = [
        [one["PayloadType"] for one in plistlib.loads(provider.render(address))["PayloadContent"][1:]]
        for address in (MailAddress("fred", "example.com"), None)
    ]
    assert types == [["com.apple.caldav.account", "com.apple.carddav.account"], ["com.apple.carddav.account"]]


@pytest.mark.parametrize(
    ("method", "included"), [("basic", True), ("digest", True), ("OAuth2", False), ("NTLM", False), ("none", False)]
)
def test_a_calendar_that_accepts_no_password_is_left_out(write: Write, method: str, included: bool) -> None:
    services = SERVICES.replace(">basic<", f">{method}<")
    payloads = plistlib.loads(Mobileconfig(load(write({"</clientConfig>": services}))).render())["PayloadContent"]
    assert ("com.apple.caldav.account" in [one["PayloadType"] for one in payloads]) == included


def test_a_calendar_over_http_has_its_port_and_no_tls(write: Write) -> None:
    services = SERVICES.replace("https://dav.example.com:8443", "http://dav.example.com")
    calendar = plistlib.loads(Mobileconfig(load(write({"</clientConfig>": services}))).render())["PayloadContent"][1]
    assert (calendar["CalDAVPort"], calendar["CalDAVUseSSL"]) == (80, False)
    assert (calendar["CalDAVHostName"], calendar["CalDAVPrincipalURL"]) == ("dav.example.com", "/cal/")


@pytest.mark.parametrize("method", ["password-cleartext", "password-encrypted", "NTLM", "none", "client-IP-address"])
@pytest.mark.parametrize(("port", "side"), [("143", "Incoming"), ("587", "Outgoing")])
def test_the_first_server_with_a_method_of_apple_is_used(write: Write, method: str, port: str, side: str) -> None:
    text = Write.TEXT
    at = text.index(f">{port}<")
    start, end = text.rindex("<", 0, text.index("<hostname>", at - 80)), text.index("Server>", at) + len("Server>")
    server = text[start:end]
    usable = server.replace(".example.com", "-2.example.com").replace("password-cleartext", method)
    oauth2 = server.replace("password-cleartext", "OAuth2")
    _, mail = read(Mobileconfig(load(write({server: oauth2 + usable + server}))).render(protocol="imap"))
    assert mail[f"{side}MailServerHostName"].split(".")[0].endswith("-2")


def test_the_first_of_several_calendars_is_used(write: Write) -> None:
    again = SERVICES.replace("</clientConfig>", "") + SERVICES.replace("https://", "https://other.")
    provider = Mobileconfig(load(write({"</clientConfig>": again})))
    _, calendar, contacts = plistlib.loads(provider.render())["PayloadContent"]
    assert (calendar["CalDAVHostName"], contacts["CardDAVHostName"]) == ("dav.example.com", "contacts.example.com")


def test_without_an_address_services_have_no_usernames(write: Write) -> None:
    provider = Mobileconfig(load(write({"</clientConfig>": SERVICES})))
    _, calendar, contacts = plistlib.loads(provider.render())["PayloadContent"]
    assert ("CalDAVUsername" in calendar, "CardDAVUsername" in contacts) == (False, False)


def test_a_provider_that_apple_devices_cannot_use_has_no_profile(write: Write) -> None:
    with pytest.raises(NotServedError, match="no imap settings"):
        Mobileconfig(load(write({"password-cleartext": "OAuth2"}))).render(protocol="imap")


LINES = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters="\ufffe\uffff"), min_size=1
)


@given(LINES, LINES.filter(lambda text: "@" not in text))
def test_markup_in_a_name_or_an_address_is_returned_as_text(name: str, local: str) -> None:
    _, mail = read(BT.render(MailAddress(local, "talk21.com"), name))
    assert (mail["EmailAccountName"], mail["EmailAddress"]) == (name, f"{local}@talk21.com")


@pytest.mark.parametrize(
    ("query", "status", "text"),
    [
        ("protocol=jmap", 400, "protocol is not imap or pop3\n"),
        ("protocol=IMAP", 400, "protocol is not imap or pop3\n"),
        ("protocol=imap&protocol=pop3", 400, "protocol is given twice\n"),
        ("name=a&name=b", 400, "name is given twice\n"),
        ("name=a%0Ab", 400, "name has a control character in it\n"),
        ("name=" + "a" * 257, 400, "name is longer than 256 characters\n"),
        ("name=%FF", 400, "name is not UTF-8\n"),
        ("emailaddress=fred", 400, "emailaddress has no @\n"),
        ("emailaddress=fred@example.org", 404, "the domain of this address is not served here\n"),
    ],
)
def test_an_invalid_request_is_refused_with_the_reason(http: httpx.Client, query: str, status: int, text: str) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for response in (http.get(f"{PATH}?{query}"), http.post(PATH, content=query, headers=form)):
        assert (response.status_code, response.text) == (status, text)


def test_a_post_that_is_not_a_form_is_refused(http: httpx.Client) -> None:
    response = http.post(PATH, json={"emailaddress": "fred@talk21.com"})
    assert (response.status_code, response.text) == (415, "the body is not application/x-www-form-urlencoded\n")


@given(st.text(max_size=40))
def test_identifiers_are_uuids_of_version_5(account: str) -> None:
    prefix = hashlib.sha1(NAMESPACE_DNS.bytes + b"PROFILEUUID ")
    assert mobileconfig._uuid(prefix, account) == str(uuid5(NAMESPACE_DNS, f"PROFILEUUID {account}")).upper()


def test_a_limited_number_of_profiles_without_an_address_is_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mobileconfig, "_MAX_CACHED", 2)
    profiles = Mobileconfig(load(EMBEDDED))
    for domain in ("btinternet.com", "talk21.com", "btopenworld.com", "btinternet.com"):
        response = profiles.respond(Request("GET", "https", b"", domain.encode(), b"", b"", 0, path=PATH))
        assert isinstance(response, Response)
        assert plistlib.loads(response.body)["PayloadContent"]
        assert profiles._general[domain, None] is response
        assert len(profiles._general) <= 2
