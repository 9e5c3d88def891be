from pathlib import Path

import pytest

from autoconfig.advice import advise
from autoconfig.definition import EMBEDDED
from tests import support
from tests.support import Write

CALENDAR = "<calendar type='caldav'><url>{}</url><authentication>{}</authentication></calendar></clientConfig>"
ONLY_OAUTH2 = {">password-cleartext<": ">OAuth2<", ">password-encrypted<": ">OAuth2<"}
OAUTH2 = "<oAuth2><issuer>login.example.com</issuer></oAuth2></clientConfig>"
IMPLICIT = {">143<": ">993<", ">110<": ">995<", ">587<": ">465<", ">STARTTLS<": ">SSL<", ">plain<": ">SSL<"}
"""Changes that make the example usable by every client."""


def with_domains(write: Write, number: int) -> Path:
    domains = "".join(f"<domain>shop-{one}.example</domain>" for one in range(number - 2))
    return write(IMPLICIT | {"<domain>example.net": f"{domains}<domain>example.net"})


def test_more_than_fifty_domains_get_a_warning_to_use_a_list(write: Write) -> None:
    assert advise(support.load(with_domains(write, 50)).first) == []
    assert len(advise(support.load(with_domains(write, 51)).first)) == 1
    file = with_domains(write, 1051)
    (advice,) = advise(support.load(file).first)
    assert advice.startswith(f"{file}:4: there are 1,051 domains, and every autoconfig response lists them all; move ")
    assert "--hosted-domains FILE" in advice


def test_bts_definition_needs_no_advice() -> None:
    assert advise(support.load(EMBEDDED).first) == []


@pytest.mark.parametrize(
    ("changes", "line", "warning"),
    [
        ({}, 0, ""),
        ({">995<": ">110<", "</socketType>\n      <authentication>password-encrypted": "</socketType>\n      <authentication>password-encrypted"}, 14, "PACC leaves this pop3 server out: it is not SSL on the default port"),
        ({'type="imap"': 'type="x"'}, 14, "Delta Chat and Thunderbird for Android cannot use POP3"),
        ({"<authentication>password-cleartext</authentication>\n      <username>%EMAILLOCALPART%": "<authentication>NTLM</authentication>\n      <username>%EMAILLOCALPART%"}, 7, "Thunderbird for Android rejects the whole file: it cannot log in to the imap server"),
        ({">password-encrypted<": ">OAuth2<"}, 14, "Apple cannot log in to this pop3 server; it is left out"),
        ({">password-encrypted<": ">NTLM<"}, 14, "Outlook cannot log in to this pop3 server; it is left out"),
        ({"<authentication>password-cleartext</authentication>\n      <username>%EMAILADDRESS%</username>": "<authentication>none</authentication>"}, 21, "Thunderbird for Android rejects the whole file: the smtp server has no username"),
        ({"</clientConfig>": OAUTH2}, 29, "PACC leaves OAuth2 out: the issuer is not a URL that starts with https://"),
        ({"</clientConfig>": CALENDAR.format("https://dav.example.com/", "OAuth2")}, 29, "Apple and eM Client cannot log in to this caldav service; it is left out"),
        ({"</clientConfig>": CALENDAR.format("https://dav.example.com/", "basic")} | ONLY_OAUTH2, 29, "Apple needs a mail account for this caldav service, and cannot use these servers; it is left out"),
        ({"</clientConfig>": CALENDAR.format("https://dav.example.com/", "basic")} | ONLY_OAUTH2, 29, "eM Client needs a mail account for this caldav service, and cannot use these servers; it is left out"),
        ({"</clientConfig>": CALENDAR.format("https://dav.example.com/", "basic"), "<authentication>password-cleartext</authentication>\n      <username>%EMAILADDRESS%": "<authentication>OAuth2</authentication>\n      <username>%EMAILADDRESS%"}, 29, "Apple needs a mail account for this caldav service, and cannot use these servers; it is left out"),
        ({"<authentication>password-cleartext</authentication>\n      <username>%EMAILADDRESS%": "<authentication>x</authentication>\n      <username>%EMAILADDRESS%"}, 21, "no client can log in to this smtp server"),
        ({"</clientConfig>": CALENDAR.format("http://dav.example.com/", "basic")}, 29, "PACC leaves this caldav service out: its URL is not https"),
        ({"</clientConfig>": CALENDAR.format("https://dav.example.com/%EMAILADDRESS%", "basic")}, 29, "PACC leaves this caldav service out: its URL depends on the address"),
        ({">imap.example.com<": ">%EMAILLOCALPART%.example.com<"}, 7, "PACC leaves this imap server out: its hostname depends on the address"),
        ({'type="imap"': 'type="pop3"', 'type="pop3">\n      <hostname>pop.': 'type="imap">\n      <hostname>pop.', ">993<": ">995<", ">995</port>\n      <socketType>SSL</socketType>\n      <authentication>password-encrypted": ">993</port>\n      <socketType>SSL</socketType>\n      <authentication>password-encrypted"}, 7, "Thunderbird sets up POP3, because it comes before IMAP"),
    ],
)  # fmt: skip
def test_valid_settings_that_fail_in_a_client_get_a_warning(
    write: Write, changes: dict[str, str], line: int, warning: str
) -> None:
    file = write(IMPLICIT | changes)
    advice = advise(support.load(file).first)
    if warning:
        assert any(one.startswith(f"{file}:{line}: {warning}") for one in advice), advice
    else:
        assert advice == []


CLIENTS = ("Apple", "Outlook", "Thunderbird for Android")


@pytest.mark.parametrize(
    ("method", "clients"),
    [
        ("password-cleartext", ()),
        ("password-encrypted", ()),
        ("OAuth2", ("Apple", "Outlook")),
        ("NTLM", ("Outlook", "Thunderbird for Android")),
        ("none", ("Thunderbird for Android",)),
        ("client-IP-address", ("Thunderbird for Android",)),
        ("GSSAPI", CLIENTS),
    ],
)
def test_a_warning_names_each_client_that_cannot_log_in(write: Write, method: str, clients: tuple[str, ...]) -> None:
    end = "</authentication>\n      <username>%EMAILLOCALPART%"
    advice = advise(support.load(write(IMPLICIT | {f">password-cleartext{end}": f">{method}{end}"})).first)
    warned = [client for client in CLIENTS if any(client in one and "cannot log in" in one for one in advice)]
    assert (tuple(warned), len(advice)) == (clients, len(clients))


SERVICE = '<{0} type="{1}"><url>http://x.example/</url><authentication>basic</authentication></{0}>'


@pytest.mark.parametrize(
    ("element", "type_"),
    [("incomingServer", "jmap"), ("calendar", "caldav"), ("addressbook", "carddav"), ("fileShare", "webdav")],
)
def test_pacc_leaves_out_every_service_without_https(write: Write, element: str, type_: str) -> None:
    end = "</emailProvider>" if element == "incomingServer" else "</clientConfig>"
    file = write(IMPLICIT | {end: SERVICE.format(element, type_) + end})
    warning = f"PACC leaves this {type_} service out: its URL is not https"
    assert [one.split(": ", 1)[1] for one in advise(support.load(file).first)] == [warning]


def test_a_service_that_pacc_cannot_express_needs_no_advice_about_pacc(write: Write) -> None:
    ews = SERVICE.format("incomingServer", "ews")
    assert advise(support.load(write(IMPLICIT | {"</emailProvider>": f"{ews}</emailProvider>"})).first) == []


def test_every_calendar_and_address_book_without_a_password_gets_a_warning(write: Write) -> None:
    """Other services do not."""
    sections = [
        SERVICE.format(*one) for one in (("calendar", "caldav"), ("calendar", "caldav"), ("addressbook", "carddav"))
    ]
    jmap, *dav = (
        one.replace("http:", "https:").replace("basic", "OAuth2")
        for one in (SERVICE.format("incomingServer", "jmap"), *sections)
    )
    changes = {"</emailProvider>": f"{jmap}</emailProvider>", "</clientConfig>": f"{''.join(dav)}</clientConfig>"}
    advice = [one.split(": ", 1)[1] for one in advise(support.load(write(IMPLICIT | changes)).first)]
    warning = "Apple and eM Client cannot log in to this {} service; it is left out"
    assert advice == [warning.format(one) for one in ("caldav", "caldav", "carddav")]


def test_an_issuer_with_https_needs_no_advice(write: Write) -> None:
    issuer = OAUTH2.replace("login.", "https://login.")
    assert advise(support.load(write(IMPLICIT | {"</clientConfig>": issuer})).first) == []


def test_pop3_comes_before_imap_only_if_there_is_imap(write: Write) -> None:
    imap = Write.TEXT[
        Write.TEXT.index('    <incomingServer type="imap"') : Write.TEXT.index('    <incomingServer type="pop3"')
    ]
    (advice,) = advise(
        support.load(
            write({imap: "", ">110<": ">995<", ">plain<": ">SSL<", ">587<": ">465<", ">STARTTLS<": ">SSL<"})
        ).first
    )
    assert advice.endswith("Delta Chat and Thunderbird for Android cannot use POP3")


@pytest.mark.parametrize(("old", "line", "type_"), [(">143<", 7, "imap"), (">587<", 21, "smtp")])
def test_thunderbird_for_android_rejects_a_file_with_a_plain_server(
    write: Write, old: str, line: int, type_: str
) -> None:
    port = f"<port>{old.strip('<>')}</port>\n      <socketType>"
    file = write({f"{port}STARTTLS<": f"{port}plain<"})
    advice = advise(support.load(file).first)
    assert f"{file}:{line}: Thunderbird for Android rejects the whole file: the {type_} server is plain" in advice
    assert f"{file}:{line}: passwords are sent in clear text, and clients warn about it" in advice


def test_thunderbird_for_android_fills_every_placeholder_and_skips_pop3(write: Write) -> None:
    file = write({">imap.example.com<": ">%EMAILLOCALPART%.example.com<", ">password-encrypted<": ">NTLM<"})
    assert not [one for one in advise(support.load(file).first) if "Android" in one]
