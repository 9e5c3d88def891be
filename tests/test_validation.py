"""Common mistakes in definitions, and what `validate` reports: line, mistake and remedy."""

from pathlib import Path

import pytest

from autoconfig import definition
from autoconfig.definition import EMBEDDED, DefinitionError
from tests.support import Write, run

CALENDAR = '<calendar type="caldav"><url>{}</url><authentication>basic</authentication></calendar></clientConfig>'
NO_MAIL = "there is no incomingServer of a type that clients know, so there is no mail to set up; add one"
WEB_MAIL = '<webMail><loginPage url="{}"/></webMail></clientConfig>'
OAUTH2 = "<oAuth2><issuer>https://login.example.com</issuer></oAuth2>"
HELP = '<documentation url="{}"/></emailProvider>'
SERVER = """<incomingServer type="imap"><hostname>imap.example.com</hostname><port>143</port>
<socketType>STARTTLS</socketType><authentication>OAuth2</authentication></incomingServer></emailProvider>"""

WARNINGS = {
    "a domain twice": (
        {"<domain>example.net": "<domain>example.com"},
        "5: domain example.com is already on line 4; remove one",
    ),
    "a domain twice on one line": (
        {"</domain>\n    <domain>example.net": "</domain><domain>Example.COM"},
        "4: domain example.com is already on line 4; remove one",
    ),
    "the client's own machine": (
        {">imap.example.com<": ">localhost<"},
        "8: hostname localhost is the client's own machine; use a name that clients can look up",
    ),
    "a name below the client's own machine": (
        {">imap.example.com<": ">Mail.LocalHost<"},
        "8: hostname mail.localhost is the client's own machine; use a name that clients can look up",
    ),
    "an IP address": (
        {">imap.example.com<": ">192.0.2.1<"},
        "8: hostname 192.0.2.1 is an IP address, but certificates and most clients need a name; use a hostname",
    ),
    "a name without a domain": (
        {">imap.example.com<": ">imap<"},
        "8: hostname imap has no domain, so clients cannot look it up; use the full name",
    ),
    "a type in capitals": (
        {'type="imap"': 'type="IMAP"'},
        '7: type="IMAP" is read as imap, as clients call it',
    ),
    "SSL on IMAP's other port": (
        {">STARTTLS</socketType>\n      <authentication>password-cleartext</authentication>\n      <username>%EMAILLOCALPART": ">SSL</socketType>\n      <authentication>password-cleartext</authentication>\n      <username>%EMAILLOCALPART"},
        "9: SSL on port 143: this port uses STARTTLS; use 993 or STARTTLS",
    ),
    "SSL on POP3's other port": (
        {">plain<": ">SSL<"},
        "16: SSL on port 110: this port uses STARTTLS; use 995 or STARTTLS",
    ),
    "STARTTLS on IMAP's TLS port": (
        {">143<": ">993<"},
        "9: STARTTLS on port 993: this port uses SSL; use 143 or SSL",
    ),
    "STARTTLS on SMTP's TLS port": (
        {">587<": ">465<"},
        "23: STARTTLS on port 465: this port uses SSL; use 587 or SSL",
    ),
    "no encryption on POP3's TLS port": (
        {">110<": ">995<"},
        "16: plain on port 995: this port uses SSL; use SSL",
    ),
    "submission on port 25": (
        {">587<": ">25<"},
        "23: port 25 is for mail between servers, and many networks block it; use 465 with SSL, or 587 with STARTTLS",
    ),
    "a calendar without encryption": (
        {"</clientConfig>": CALENDAR.format("http://dav.example.com/")},
        "29: url http://dav.example.com/: passwords and data are sent in clear text; use https://",
    ),
    "a calendar at an IP address": (
        {"</clientConfig>": CALENDAR.format("https://192.0.2.1/")},
        "29: hostname 192.0.2.1 is an IP address, but certificates and most clients need a name; use a hostname",
    ),
    "a calendar on the client's own machine": (
        {"</clientConfig>": CALENDAR.format("https://localhost:8443/dav")},
        "29: hostname localhost is the client's own machine; use a name that clients can look up",
    ),
    "a misspelt placeholder in a URL": (
        {"</clientConfig>": CALENDAR.format("https://dav.example.com/%EMAILADRESS%/")},
        "29: url https://dav.example.com/%EMAILADRESS%/ has a placeholder that does not exist, and clients will not fill it in; did you mean %EMAILADDRESS%?",
    ),
    "a misspelt placeholder in a calendar's username": (
        {"</clientConfig>": CALENDAR.replace("</calendar>", "<username>%EMAILADRESS%</username></calendar>").format("https://dav.example.com/")},
        "29: username %EMAILADRESS% has a placeholder that does not exist, and clients will not fill it in; did you mean %EMAILADDRESS%?",
    ),
    "an address book without encryption": (
        {"</clientConfig>": CALENDAR.replace("calendar", "addressbook").replace("caldav", "carddav").format("http://dav.example.com/")},
        "29: url http://dav.example.com/: passwords and data are sent in clear text; use https://",
    ),
    "two identical servers": (
        {"</emailProvider>": SERVER},
        "28: imap server imap.example.com:143 is already on line 7; remove one, or correct its port",
    ),
    "an Exchange server without a URL": (
        {"</emailProvider>": '<incomingServer type="ews"/></emailProvider>'},
        "28: ews server has no url, so clients ignore it; add one",
    ),
    "an ActiveSync server without a URL": (
        {"</emailProvider>": '<incomingServer type="activeSync"/></emailProvider>'},
        "28: activeSync server has no url, so clients ignore it; add one",
    ),
    "an Exchange server without a method": (
        {"</emailProvider>": '<incomingServer type="ews"><url>https://x.example/</url></incomingServer></emailProvider>'},
        '28: ews server has no authentication, so clients may ignore it; add one, such as <authentication system="http">Basic</authentication>',
    ),
    "webmail that is not a link": (
        {"</clientConfig>": WEB_MAIL.format("javascript:alert(1)")},
        "29: loginPage url javascript:alert(1) is not a web address that starts with https:// or http://; it is left out; correct it",
    ),
    "webmail without a page": (
        {"</clientConfig>": "<webMail/></clientConfig>"},
        "29: webMail has no loginPage; it is left out; add one",
    ),
    "help that is not a link": (
        {"</emailProvider>": HELP.format("ftp://example.com/")},
        "28: documentation url ftp://example.com/ is not a web address that starts with https:// or http://; it is left out; correct it",
    ),
    "help without a link": (
        {"</emailProvider>": "<documentation/></emailProvider>"},
        "28: documentation has no url; it is left out; correct it",
    ),
    "a provider's name for its id": (
        {'id="example.com"': 'id="Example Mail"'},
        '3: id Example Mail is not a hostname; id="example.com" is used instead',
    ),
    "no id": (
        {' id="example.com"': ""},
        '3: emailProvider has no id; id="example.com" is used instead',
    ),
    "a name with an underscore": (
        {">imap.example.com<": ">imap_1.example.com<"},
        "8: hostname imap_1.example.com has an underscore, which Thunderbird rejects; use letters, digits and hyphens",
    ),
    "a hostname that ends with a dot": (
        {">imap.example.com<": ">imap.example.com.<"},
        "8: hostname imap.example.com. ends with a dot, unlike the names in certificates; it is left out",
    ),
    "another protocol's port": (
        {">143<": ">995<"},
        "9: port 995 is for pop3; imap uses 993 with SSL, or 143 with STARTTLS",
    ),
    "another protocol's port for STARTTLS": (
        {">587<": ">143<"},
        "23: port 143 is for imap; smtp uses 465 with SSL, or 587 with STARTTLS",
    ),
    "TLS where Thunderbird knows SSL": (
        {">587<": ">465<", ">STARTTLS</socketType>\n      <authentication>password-cleartext</authentication>\n      <username>%EMAILADDRESS": ">TLS</socketType>\n      <authentication>password-cleartext</authentication>\n      <username>%EMAILADDRESS"},
        "24: socketType TLS is read as SSL, as clients call it",
    ),
    "SSL/TLS on a port for STARTTLS": (
        {">STARTTLS</socketType>\n      <authentication>password-cleartext</authentication>\n      <username>%EMAILADDRESS": ">SSL/TLS</socketType>\n      <authentication>password-cleartext</authentication>\n      <username>%EMAILADDRESS"},
        "24: socketType SSL/TLS is read as STARTTLS, as clients call it",
    ),
    "a type that no client knows": (
        {'type="pop3"': 'type="pop"'},
        '14: type="pop": clients do not know this type of incomingServer and ignore it; did you mean pop3?',
    ),
    "a type of another section": (
        {"</clientConfig>": CALENDAR.replace("calendar", "addressbook").format("https://dav.example.com/")},
        '29: type="caldav": clients do not know this type of addressbook and ignore it; it belongs in calendar',
    ),
    "a type unlike any known type": (
        {"</clientConfig>": '<calendar type="x"/></clientConfig>'},
        '29: type="x": clients do not know this type of calendar and ignore it; use caldav',
    ),
    "a name without a domain that ends with a digit": (
        {">imap.example.com<": ">imap1<"},
        "8: hostname imap1 has no domain, so clients cannot look it up; use the full name",
    ),
    "a misspelt element": (
        {"</emailProvider>": "<incommingServer/></emailProvider>"},
        "28: incommingServer is not an element of the format; it is passed on unchanged",
    ),
    "a misspelt section": (
        {"</clientConfig>": "<adressbook/></clientConfig>"},
        "29: adressbook is not an element of the format; it is passed on unchanged; did you mean addressbook?",
    ),
    "a calendar in emailProvider": (
        {"</emailProvider>": CALENDAR.format("https://dav.example.com/").replace("clientConfig", "emailProvider")},
        "28: calendar belongs in clientConfig, not in emailProvider; it is moved there",
    ),
    "a server outside emailProvider": (
        {"</clientConfig>": SERVER.replace("emailProvider", "clientConfig").replace("imap.", "imap2.")},
        "29: incomingServer belongs in emailProvider, not in clientConfig; it is moved there",
    ),
    "help without a description": (
        {"</emailProvider>": '<documentation url="https://x.example/"><descr lang="en"> </descr></documentation></emailProvider>'},
        "28: descr is empty; it is left out",
    ),
    "two names": (
        {"</displayName>": "</displayName><displayName>Other</displayName>"},
        "6: displayName: there is another on line 6, which is used; remove one",
    ),
    "two short names": (
        {"</displayName>": "</displayName><displayShortName>A</displayShortName>\n<displayShortName>B</displayShortName>"},
        "7: displayShortName: there is another on line 6, which is used; remove one",
    ),
    "two hostnames": (
        {"imap.example.com</hostname>": "imap.example.com</hostname>\n<hostname>imap2.example.com</hostname>"},
        "9: hostname: there is another on line 8, which is used; remove one",
    ),
    "two usernames": (
        {"%EMAILLOCALPART%</username>": "%EMAILLOCALPART%</username>\n<username>%EMAILADDRESS%</username>"},
        "13: username: there is another on line 12, which is used; remove one",
    ),
    "two addresses of a calendar": (
        {"</clientConfig>": CALENDAR.format("https://dav.example.com/</url>\n<url>https://dav2.example.com/")},
        "30: url: there is another on line 29, which is used; remove one",
    ),
    "two ports": (
        {">143</port>": ">143</port>\n<port>993</port>"},
        "10: port: there is another on line 9, which is used; remove one",
    ),
    "two OAuth2 sections": (
        {"</clientConfig>": f"{OAUTH2}{OAUTH2}</clientConfig>"},
        "29: oAuth2: there is another on line 29, which is used; remove one",
    ),
    "two issuers": (
        {"</clientConfig>": OAUTH2.replace("</oAuth2>", "<issuer>y</issuer></oAuth2></clientConfig>")},
        "29: issuer: there is another on line 29, which is used; remove one",
    ),
    "a webmail page after an empty one": (
        {"</clientConfig>": "<webMail/>" + WEB_MAIL.format("https://mail.example.com/")},
        "29: webMail has no loginPage; it is left out; add one",
    ),
    "two webmail pages": (
        {"</clientConfig>": '<webMail><loginPage url="https://a.example/"/></webMail>' + WEB_MAIL.format("https://b.example/")},
        "29: webMail: there is another on line 29, which is used; remove one",
    ),
    "a future socketType besides a current one": (
        {"<socketType>plain": "<socketType>QUIC</socketType>\n<socketType>plain"},
        "17: socketType: there is another on line 18, which is used; remove one",
    ),
    "a future socketType besides SSL": (
        {"<socketType>plain": "<socketType>QUIC</socketType>\n<socketType>SSL", ">110<": ">995<"},
        "17: socketType: there is another on line 18, which is used; remove one",
    ),
    "a future socketType besides STARTTLS": (
        {"<socketType>plain": "<socketType>QUIC</socketType>\n<socketType>STARTTLS"},
        "17: socketType: there is another on line 18, which is used; remove one",
    ),
    "a name that is too long": (
        {">Example Mail<": f">{'x' * 59}<", "</displayName>": "yz</displayName>"},
        f"6: displayName {'x' * 59}y… has 61 characters; use at most 60, as some clients truncate it",
    ),
    "text in a server's section": (
        {'<incomingServer type="imap">': '<incomingServer type="imap">primary'},
        "7: the text primary between elements is left out",
    ),
    "an attribute's name in capitals": (
        {'id="example.com"': 'ID="example.com"'},
        "3: emailProvider: the attribute's name is id, not ID",
    ),
    "an unknown method of a calendar": (
        {"</clientConfig>": CALENDAR.replace("basic", "telepathy").format("https://dav.example.com/")},
        "29: authentication telepathy is not a method that clients know; use one of Basic, Digest, GSSAPI, NTLM, OAuth2, TLS-client-cert, none",
    ),
    "a short name that is too long": (
        {"</displayName>": "</displayName><displayShortName>Example Mail of Example</displayShortName>"},
        "6: displayShortName Example Mail of Example has 23 characters; use at most 20, as some clients truncate it",
    ),
}  # fmt: skip

ERRORS = {
    "no servers at all": (
        {Write.TEXT[Write.TEXT.index("    <incomingServer") : Write.TEXT.index("  </emailProvider>")]: ""},
        "3: there is no incomingServer; add one with a type of imap, pop3 or jmap",
    ),
    "a misspelt placeholder": (
        {">%EMAILLOCALPART%<": ">%EMAILADRESS%<"},
        "12: username %EMAILADRESS% has a placeholder that does not exist; did you mean %EMAILADDRESS%?",
    ),
    "an unterminated placeholder": (
        {">%EMAILLOCALPART%<": ">%EMAILADDRESS<"},
        "12: username %EMAILADDRESS has a placeholder that does not exist; did you mean %EMAILADDRESS%?",
    ),
    "an unknown placeholder": (
        {">%EMAILLOCALPART%<": ">%USERNAME%<"},
        "12: username %USERNAME% has a placeholder that does not exist; use %EMAILADDRESS%, %EMAILLOCALPART%, %EMAILDOMAIN%",
    ),
    "a misspelt placeholder in a hostname": (
        {">imap.example.com<": ">imap.%EMAILDOMIAN%<"},
        "8: hostname imap.%EMAILDOMIAN% has a placeholder that does not exist; did you mean %EMAILDOMAIN%?",
    ),
    "a calendar whose URL is not a web address": (
        {"</clientConfig>": CALENDAR.format("dav.example.com")},
        "29: url dav.example.com is not a web address that starts with https:// or http://",
    ),
    "a calendar with an empty URL": (
        {"</clientConfig>": CALENDAR.format("")},
        "29: url is not a web address that starts with https:// or http://",
    ),
    "a port that is not decimal": (
        {">143<": ">0x8F<"},
        "9: port 0x8F is out of range; use 1-65535",
    ),
    "an Exchange URL that is not a web address": (
        {"</emailProvider>": '<incomingServer type="exchange"><ewsURL>ftp://x.example/</ewsURL></incomingServer></emailProvider>'},
        "28: ewsURL ftp://x.example/ is not a web address that starts with https:// or http://",
    ),
    "a calendar at an invalid host": (
        {"</clientConfig>": CALENDAR.format('https://h;x"/')},
        '29: url https://h;x"/ has no valid hostname',
    ),
    "a calendar at an invalid port": (
        {"</clientConfig>": CALENDAR.format("https://dav.example.com:99999/")},
        "29: url https://dav.example.com:99999/ is not a URL",
    ),
    "a calendar at an IPv6 address": (
        {"</clientConfig>": CALENDAR.format("https://[2001:db8::1]/")},
        "29: url https://[2001:db8::1]/ has an IPv6 address as its host; use a hostname",
    ),
    "a calendar at port 0": (
        {"</clientConfig>": CALENDAR.format("https://dav.example.com:0/")},
        "29: url https://dav.example.com:0/ has port 0; use 1-65535",
    ),
    "a hostname with a space and another alphabet": (
        {">imap.example.com<": ">imäp example<"},
        "8: hostname imäp example is not a hostname",
    ),
    "a port that is out of range besides an unknown element": (
        {">143<": ">99999<", "<displayName>": "<motto><port>99999</port></motto><displayName>"},
        "9: port 99999 is out of range; use 1-65535",
    ),
    "a calendar with a password": (
        {"</clientConfig>": CALENDAR.format("https://fred:secret@dav.example.com/")},
        "29: url contains a username or password, which every client would get; remove it",
    ),
    "a port and a scheme in a hostname": (
        {">imap.example.com<": ">https://imap.example.com:993<"},
        "8: hostname https://imap.example.com:993 is not a hostname",
    ),
    "two providers in one file": (
        {"</clientConfig>": '<emailProvider id="x.example"><domain>x.example</domain></emailProvider></clientConfig>'},
        "2: clientConfig must have one emailProvider (use one file per provider), ",
    ),
    "a provider in a provider": (
        {"<domain>example.com": '<emailProvider id="x.example"><domain>x.example</domain></emailProvider>\n<domain>example.com'},
        "2: clientConfig must have one emailProvider (use one file per provider), ",
    ),
    "two future socketTypes": (
        {"<socketType>plain": "<socketType>QUIC</socketType>\n<socketType>DTLS"},
        "17: socketType QUIC is not SSL, STARTTLS or plain",
    ),
    "no authentication": (
        {"<authentication>password-encrypted</authentication>": ""},
        "14: incomingServer must have one hostname, one port, one socketType, at least one authentication and at most one username; this one has no authentication",
    ),
    "neither port nor hostname": (
        {"<hostname>imap.example.com</hostname>": "", "<port>143</port>": ""},
        "7: incomingServer must have one hostname, one port, one socketType, at least one authentication and at most one username; this one has no hostname and no port",
    ),
    "a server without a type": (
        {' type="pop3"': ""},
        "14: incomingServer must have a type; this one has no type",
    ),
    "no domain": (
        {"<domain>example.com</domain>": "", "<domain>example.net</domain>": ""},
        "3: emailProvider must have an id, at least one domain, at most one displayName and displayShortName, and no element that belongs elsewhere; this one has no domain",
    ),
    "a domain without a dot": (
        {"<domain>example.net": "<domain>example"},
        "5: domain example is not a domain name",
    ),
    "no username": (
        {"\n      <username>%EMAILLOCALPART%</username>": ""},
        "7: incomingServer requires a password but has no username; add one, such as %EMAILADDRESS%",
    ),
}  # fmt: skip


def load(file: Path) -> definition.Definition:
    return definition.load(file, file.read_bytes())


@pytest.mark.parametrize(("changes", "text"), WARNINGS.values(), ids=WARNINGS)
def test_flawed_settings_that_clients_can_use_get_a_warning(write: Write, changes: dict[str, str], text: str) -> None:
    file = write(changes)
    assert load(file).warnings == (f"{file}:{text}",)


@pytest.mark.parametrize(("changes", "text"), ERRORS.values(), ids=ERRORS)
def test_settings_that_no_client_can_use_get_an_error(write: Write, changes: dict[str, str], text: str) -> None:
    file = write(changes)
    with pytest.raises(DefinitionError) as refused:
        load(file)
    assert [error[: len(f"{file}:{text}")] for error in refused.value.errors] == [f"{file}:{text}"]


def test_names_of_the_maximum_length_get_no_warning(write: Write) -> None:
    file = write(
        {">Example Mail</displayName>": f">{'x' * 60}</displayName><displayShortName>{'x' * 20}</displayShortName>"}
    )
    assert load(file).warnings == ()


def test_a_hostname_may_be_the_domain_of_the_address(write: Write) -> None:
    calendar = CALENDAR.format("https://%EMAILDOMAIN%/dav")
    assert load(write({">imap.example.com<": ">%EMAILDOMAIN%<", "</clientConfig>": calendar})).warnings == ()


def test_bts_definition_has_no_errors_or_warnings() -> None:
    assert load(EMBEDDED).warnings == ()


def test_a_provider_with_only_calendars_is_served_with_a_warning(write: Write) -> None:
    servers = Write.TEXT[Write.TEXT.index("    <incomingServer") : Write.TEXT.index("  </emailProvider>")]
    file = write({servers: "", "</clientConfig>": CALENDAR.format("https://dav.example.com/")})
    assert load(file).warnings == (f"{file}:3: {NO_MAIL}",)


@pytest.mark.parametrize("type_", ["jmap", "ews", "activeSync", "graph", "exchange", "owa"])
def test_a_provider_that_sends_mail_by_another_protocol_needs_no_smtp(write: Write, type_: str) -> None:
    outgoing = Write.TEXT[Write.TEXT.index("    <outgoingServer") : Write.TEXT.index("  </emailProvider>")]
    server = f'<incomingServer type="{type_}"><url>https://j.example/</url><authentication>basic</authentication></incomingServer>'
    assert load(write({outgoing: server})).warnings == ()


@pytest.mark.parametrize("type_", ["managesieve", "nntp"])
def test_a_server_that_does_not_receive_mail_has_a_known_type_but_is_not_enough(write: Write, type_: str) -> None:
    servers = Write.TEXT[Write.TEXT.index("    <incomingServer") : Write.TEXT.index("  </emailProvider>")]
    file = write({servers: f'<incomingServer type="{type_}"/>'})
    assert load(file).warnings == (f"{file}:3: {NO_MAIL}",)


@pytest.mark.parametrize(
    ("type_", "url"),
    [("jmap", "url"), ("ews", "url"), ("activeSync", "url"), ("exchange", "ewsURL"), ("exchange", "easURL")],
)
def test_the_urls_of_mail_services_are_checked(write: Write, type_: str, url: str) -> None:
    link = f"<{url}>http://x.example/</{url}><authentication>basic</authentication>"
    server = f'<incomingServer type="{type_}">{link}</incomingServer></emailProvider>'
    file = write({"</emailProvider>": server})
    problem = "passwords and data are sent in clear text; use https://"
    assert load(file).warnings == (f"{file}:28: {url} http://x.example/: {problem}",)


@pytest.mark.parametrize("username", ["%EMAILLOCALPART%%%EMAILDOMAIN%", "50%", "%EMAILDOMAIN%\\%EMAILLOCALPART%"])
def test_a_lone_percent_sign_in_a_username_is_text(write: Write, username: str) -> None:
    provider = load(write({">%EMAILLOCALPART%<": f">{username}<"}))
    assert (provider.servers[0].username, provider.warnings) == (username, ())


@pytest.mark.long
def test_an_error_among_a_hundred_thousand_domains_is_found_in_seconds(write: Write) -> None:
    many = "".join(f"<domain>d{number}.example</domain>\n" for number in range(100_000))
    file = write({"<domain>example.net</domain>": f"{many}<domain>a b</domain>"})
    with pytest.raises(DefinitionError, match="domain a b is not a domain name"):
        load(file)
    file = write({"<domain>example.net</domain>": many})
    assert len(load(file).domains) == 100_001


def test_validate_reports_all_errors_at_once(write: Write) -> None:
    file = write({">143<": ">99999<", "<domain>example.net": "<domain>a b", ">plain<": ">none<"})
    done = run("validate", file)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"{file}:5: domain a b is not a domain name such as example.com",
        f"{file}:9: port 99999 is out of range; use 1-65535",
        f"{file}:17: socketType none is not SSL, STARTTLS or plain",
    ]


def test_the_line_of_an_error_is_correct_in_a_long_file(write: Write) -> None:
    file = write({"<domain>example.net": "\n" * 100_000 + "<domain>a b</domain><domain>example.net"})
    with pytest.raises(DefinitionError, match=":100005: domain a b is not a domain name"):
        load(file)


def test_very_many_errors_are_counted(write: Write) -> None:
    with pytest.raises(DefinitionError) as refusal:
        load(write({"</emailProvider>": '<outgoingServer type="smtp"/>' * 1000 + "</emailProvider>"}))
    assert len(refusal.value.errors) == 101
    assert refusal.value.errors[-1].endswith(":1: and 900 more errors")


def test_an_id_and_a_domain_that_are_not_hostnames_are_both_reported(write: Write) -> None:
    file = write({'id="example.com"': 'id="Example Mail"', "<domain>example.com": "<domain>"})
    with pytest.raises(DefinitionError) as refusal:
        load(file)
    assert refusal.value.errors == [
        f"{file}:3: id Example Mail is not a hostname; use the provider's main domain",
        f"{file}:4: domain  is not a domain name such as example.com",
    ]


def test_escapes_in_a_url_are_not_taken_for_placeholders(write: Write) -> None:
    assert load(write({"</clientConfig>": CALENDAR.format("https://dav.example.com/%DEmo/")})).warnings == ()


def test_a_file_without_a_provider_is_an_error(write: Write) -> None:
    file = write({"emailProvider": "provider"})
    with pytest.raises(DefinitionError) as refusal:
        load(file)
    assert len(refusal.value.errors) == 1
    assert refusal.value.errors[0].startswith(f"{file}:2: clientConfig must have one emailProvider")
    assert refusal.value.errors[0].endswith("this one has no emailProvider")


def test_very_many_warnings_are_counted(write: Write) -> None:
    warnings = load(write({"</emailProvider>": "<y/>" * 1000 + "</emailProvider>"})).warnings
    assert len(warnings) == 101
    assert warnings[-1].endswith(":1: and 900 more warnings")


def test_a_provider_without_a_server_that_clients_know_gets_a_warning(write: Write) -> None:
    file = write({'type="imap"': 'type="imaps"', 'type="pop3"': 'type="smtp"'})
    assert load(file).warnings == (
        f"{file}:3: {NO_MAIL}",
        f'{file}:7: type="imaps": clients do not know this type of incomingServer and ignore it; did you mean imap?',
        f'{file}:14: type="smtp": clients do not know this type of incomingServer and ignore it; it belongs in outgoingServer',
    )


def test_every_section_that_is_served_is_in_the_summary(write: Write) -> None:
    sections = (
        '<fileShare type="webdav"><url>https://files.example.com/</url></fileShare>'
        '<chatServer type="xmpptcp"><hostname>chat.example.com</hostname></chatServer></clientConfig>'
    )
    graph = '<incomingServer type="graph"><url>https://graph.example.com/</url></incomingServer></emailProvider>'
    file = write({"</emailProvider>": graph, "</clientConfig>": sections})
    done = run("validate", file)
    assert done.stdout.splitlines()[-3:] == [
        "  webdav https://files.example.com/, no authentication",
        "  graph https://graph.example.com/, in autoconfig only",
        "  xmpptcp chat.example.com, in autoconfig only",
    ]


def test_a_provider_without_a_name_is_shown_by_its_id(write: Write) -> None:
    file = write({"<displayName>Example Mail<": "<displayName><"})
    provider = load(file)
    assert provider.display_name == "example.com"
    assert provider.warnings == (
        f"{file}:3: emailProvider has no displayName; users see example.com instead",
        f"{file}:6: displayName is empty; it is left out",
    )
