"""What `init` discovers about providers, with real servers on loopback."""

import asyncio
import time

import pytest

from autoconfig.operations.discovery.discover import Found, Service
from autoconfig.operations.discovery.settle import Server
from autoconfig.operations.discovery.verify import Verified, VerifiedService
from tests.operations.discovery.provider import (
    DOMAIN,
    HANGS,
    IMPLICIT,
    STARTTLS,
    Provider,
    SiteResponse,
    certificate,
    evidence,
    places,
    server,
    unauthorized,
    xml,
)
from tests.operations.hosts import Handler, send

AUTOCONFIG = f"GET autoconfig.{DOMAIN}/mail/config-v1.1.xml"
MAIL = f"mail.{DOMAIN}"


def section(type_: str, port: str, socket_type: str = "SSL", host: str = MAIL, more: str = "") -> str:
    element = "outgoingServer" if type_ == "smtp" else "incomingServer"
    return (
        f'<{element} type="{type_}"><hostname>{host}</hostname><port>{port}</port><socketType>{socket_type}</socketType>'
        f"<authentication>password-cleartext</authentication>{more or '<username>%EMAILADDRESS%</username>'}</{element}>"
    )


def config(*sections: str, domains: str = f"<domain>{DOMAIN}</domain>", after: str = "") -> SiteResponse:
    """Return an autoconfig file as other servers write it."""
    name = "<displayName>Good Mail</displayName><displayShortName>Good</displayShortName>"
    return xml(
        f'<clientConfig version="1.1"><emailProvider id="{DOMAIN}">{domains}{name}{"".join(sections)}</emailProvider>'
        f"{after}</clientConfig>"
    )


RIGHT = config(section("imap", "{imap}"), section("smtp", "{smtp}"))
ALL = ["imap mail.provider.example SSL", "pop3 mail.provider.example SSL", "smtp mail.provider.example SSL"]
TWO = [ALL[0], ALL[2]]


def test_published_settings_are_used_and_no_others_are_guessed() -> None:
    provider = Provider(IMPLICIT, responses={AUTOCONFIG: RIGHT})
    found = provider.discover()
    assert places(found) == TWO  # POP3 works, but the provider does not publish it
    assert [one.username for one in found.servers] == ["%EMAILADDRESS%"] * 2
    assert found.display_name
    assert found.short_name
    assert (found.display_name.value, found.short_name.value) == ("Good Mail", "Good")
    assert f"Published at https://autoconfig.{DOMAIN}/mail/config-v1.1.xml: imap {MAIL}:" in evidence(found)
    assert "TLSv1.3, certificate for mail.provider.example valid for" in evidence(found)
    assert found.is_usable
    assert found.knows_username
    assert found.remarks == []
    assert "Wrong" not in evidence(found)


@pytest.mark.parametrize(
    ("published", "reason"),
    [
        (("1", "SSL"), "Wrong: 127.0.0.1 port 1: connection refused. Port "),
        (("{imap}", "plain"), "plain leaves passwords unprotected"),
        (("{imap}", "x"), "no socketType leaves passwords unprotected"),
        (("99999", "SSL"), f"Published at https://autoconfig.{DOMAIN}/mail/config-v1.1.xml: imap {MAIL}"),
        (("{imap}", "STARTTLS"), "does not respond within 1 second"),
    ],
)
def test_a_wrong_published_setting_is_replaced_by_one_that_works(published: tuple[str, str], reason: str) -> None:
    found = Provider(
        IMPLICIT, responses={AUTOCONFIG: config(section("imap", *published), section("smtp", "{smtp}"))}
    ).discover(timeout=1)
    assert places(found) == TWO
    assert reason in evidence(found)


def test_a_published_server_that_works_nowhere_is_reported_with_each_reason() -> None:
    published = config(section("imap", "2"), section("pop3", "{pop3}"), section("smtp", "{smtp}"))
    found = Provider(IMPLICIT, responses={AUTOCONFIG: published}, default=()).discover()
    assert places(found) == ALL[1:]
    reasons = "127.0.0.1 port 2: connection refused; 127.0.0.1 port 1: connection refused"
    place = f"Published at https://autoconfig.{DOMAIN}/mail/config-v1.1.xml"
    assert f"{place}: imap {MAIL}:2 SSL; {reasons}" in found.remarks


def test_a_server_without_a_username_gets_the_one_that_another_source_publishes() -> None:
    without = config(section("imap", "{imap}", more="<username>fred</username>"), section("smtp", "{smtp}"))
    responses = {AUTOCONFIG: without, POSTED.format(DOMAIN): xml(OUTLOOK)}
    found = Provider(IMPLICIT, responses=responses).discover()
    assert places(found) == TWO
    assert [one.username for one in found.servers] == ["%EMAILLOCALPART%", "%EMAILADDRESS%"]
    assert "The username is as published: %EMAILLOCALPART%" in evidence(found)


def test_implicit_tls_is_preferred_to_a_published_starttls_that_works() -> None:
    provider = Provider(
        {**IMPLICIT, **STARTTLS},
        responses={AUTOCONFIG: config(section("imap", "{imap-starttls}", "STARTTLS"), section("smtp", "{smtp}"))},
    )
    found = provider.discover()
    assert places(found) == TWO
    assert f"Port {provider.ports['imap']} with SSL works too, and is preferred." in evidence(found)


def test_starttls_is_used_without_implicit_tls() -> None:
    found = Provider(STARTTLS, records={(DOMAIN, "MX"): [f"10 {MAIL}."]}).discover()
    assert places(found) == [one.replace("SSL", "STARTTLS") for one in ALL]
    assert all(one.guessed for one in found.servers)


def test_guesses_that_do_not_work_are_not_reported() -> None:
    """They are in no source: imap., pop. and smtp. do not exist, mail. does."""
    found = Provider(IMPLICIT).discover()
    assert places(found) == ALL
    assert found.remarks == []
    assert not any("Wrong" in evidence(found, number) for number in range(3))


def test_a_source_with_only_an_outgoing_server_does_not_end_the_search() -> None:
    records = {(f"_submissions._tcp.{DOMAIN}", "SRV"): [f"0 1 {{smtp}} {MAIL}."]}
    found = Provider(IMPLICIT, records=records).discover()
    assert places(found) == ALL
    assert [one.guessed for one in found.servers] == [True, True, False]


def test_a_published_host_without_an_address_is_replaced() -> None:
    responses = {
        AUTOCONFIG: config(
            section("imap", "993", host=f"gone.{DOMAIN}"), section("pop3", "{pop3}"), section("smtp", "{smtp}")
        )
    }
    found = Provider(IMPLICIT, responses=responses).discover()
    assert places(found) == ALL
    assert "gone.provider.example has no address" in evidence(found)
    assert found.servers[0].username == "%EMAILADDRESS%"


@pytest.mark.parametrize(
    ("more", "username"),
    [
        ("<username>bt-autoconfig-init</username>", "%EMAILLOCALPART%"),
        ("<username>bt-autoconfig-init%40provider.example</username>", "%EMAILADDRESS%"),
        ("<username>bt-autoconfig-init@provider.example</username>", "%EMAILADDRESS%"),
        ("<username>fred</username>", ""),
        ("<username>%EMAILADRESS%</username>", ""),
    ],
)
def test_a_filled_in_username_becomes_a_placeholder_and_any_other_is_ignored(more: str, username: str) -> None:
    responses = {AUTOCONFIG: config(section("imap", "{imap}", more=more), section("smtp", "{smtp}", more=more))}
    found = Provider(IMPLICIT, responses=responses).discover()
    assert [one.username for one in found.servers] == [username] * 2


OUTLOOK = """<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"><Response
xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"><Account>
<Protocol><Type>IMAP</Type><Server>mail.provider.example</Server><Port>{imap}</Port><SSL>on</SSL>
<LoginName>bt-autoconfig-init</LoginName></Protocol>
<Protocol><Type>POP</Type><Server>mail.provider.example</Server><Port>{pop3}</Port><Encryption>SSL</Encryption></Protocol>
<Protocol><Type>SMTP</Type><Server>mail.provider.example</Server><Port>{smtp}</Port><SSL>on</SSL></Protocol>
<Protocol><Type>WEB</Type></Protocol><Protocol><Type>CalDAV</Type><Server>https://dav.provider.example/</Server></Protocol>
</Account></Response></Autodiscover>"""
POSTED = "POST {}/autodiscover/autodiscover.xml"
OUTLOOK_METHODS = {
    "at the domain": (POSTED.format(DOMAIN), {}, {}),
    "at its host": (POSTED.format(f"autodiscover.{DOMAIN}"), {}, {}),
    "by redirect": (
        POSTED.format("other.example"),
        {f"GET autodiscover.{DOMAIN}/autodiscover/autodiscover.xml": (302, {"Location": "https://other.example/autodiscover/autodiscover.xml"}, "")},
        {},
    ),
    "by SRV": (
        POSTED.format("srv.example"),
        {f"GET autodiscover.{DOMAIN}/autodiscover/autodiscover.xml": (302, {"Location": "http://[/"}, "")},
        {(f"_autodiscover._tcp.{DOMAIN}", "SRV"): ["0 0 443 srv.example.", "0 0 80 no.example."]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("method", OUTLOOK_METHODS)
def test_autodiscover_is_found_by_each_method_that_outlook_uses(method: str) -> None:
    posted, responses, records = OUTLOOK_METHODS[method]
    dav = {"PROPFIND dav.provider.example/": unauthorized()}
    found = Provider(IMPLICIT, responses={posted: xml(OUTLOOK), **responses, **dav}, records=records).discover()
    assert places(found) == ALL
    assert [one.username for one in found.servers] == ["%EMAILLOCALPART%", "", ""]
    assert [one.verified.url for one in found.services] == ["https://dav.provider.example/"]


@pytest.mark.parametrize(
    ("response", "line"),
    [
        ((301, {"Location": "https://other.example/autodiscover/autodiscover.xml"}, ""), "has settings"),
        ((307, {"Location": "https://other.example/autodiscover/autodiscover.xml"}, ""), "responds with 307"),
        ((302, {"Location": "http://other.example/autodiscover/autodiscover.xml"}, ""), "responds with 302"),
        ((200, {}, ""), "responds with 200"),
    ],
)
def test_only_outlooks_redirects_to_https_are_followed(response: SiteResponse, line: str) -> None:
    responses = {
        f"GET autodiscover.{DOMAIN}/autodiscover/autodiscover.xml": response,
        POSTED.format("other.example"): xml(OUTLOOK),
    }
    found = Provider(IMPLICIT, responses=responses, default=()).discover()
    place = "https://other.example" if line == "has settings" else f"http://autodiscover.{DOMAIN}"
    assert f"{place}/autodiscover/autodiscover.xml: {line}" in found.tried
    assert bool(found.servers) == (line == "has settings")


def test_activesync_is_found_by_its_own_request() -> None:
    answer = (
        "<Autodiscover><Response><Action><Settings><Server><Type>MobileSync</Type>"
        "<Url>https://provider.example/eas</Url></Server></Settings></Action></Response></Autodiscover>"
    )
    provider = Provider(
        IMPLICIT,
        responses={AUTOCONFIG: RIGHT, POSTED.format(DOMAIN): xml(answer), f"GET {DOMAIN}/eas": unauthorized()},
    )
    assert [one.verified.type for one in provider.discover().services] == ["activeSync"]
    posted = [one for one in provider.requests if one.startswith("POST")]
    assert any("mobilesync/requestschema/2006" in one for one in posted)
    assert any("outlook/requestschema/2006" in one for one in posted)


def test_pacc_is_read() -> None:
    body = (
        '{"protocols": {"imap": {"host": "mail.provider.example"}, "submit": {"host": "mail.provider.example"}, '
        '"jmap": {"url": "https://provider.example/jmap/"}}, "info": {"provider": {"name": "Good Mail"}, '
        '"help": {"documentation": "https://provider.example/help"}}}'
    )
    responses: dict[str, SiteResponse] = {
        f"GET ua-auto-config.{DOMAIN}/.well-known/user-agent-configuration.json": (200, {}, body),
        f"GET {DOMAIN}/jmap/": unauthorized("Bearer, Basic realm=x"),
        f"GET {DOMAIN}/help": (200, {}, ""),
    }
    found = Provider(IMPLICIT, responses=responses).discover(timeout=1)
    assert places(found) == TWO
    assert found.services[0].verified.methods == ("OAuth2", "Basic")
    assert found.display_name
    assert found.display_name.value == "Good Mail"
    assert found.help_page
    assert found.help_page.value == "https://provider.example/help"


def test_a_request_to_the_database_contains_the_domain_and_no_address() -> None:
    provider = Provider(
        IMPLICIT, responses={f"GET database.example/v1.1/{DOMAIN}": RIGHT}, database="https://database.example/v1.1/"
    )
    assert places(provider.discover()) == TWO
    requests = [one for one in provider.requests if "database.example" in one]
    assert requests == [f"GET database.example/v1.1/{DOMAIN}"]


def test_the_database_is_queried_for_the_domains_of_the_mx_too() -> None:
    records = {(DOMAIN, "MX"): ["10 mx.hosting.net.example."]}
    listed = {"GET database.example/net.example": RIGHT}
    provider = Provider(IMPLICIT, records=records, responses=listed, database="https://database.example/")
    found = provider.discover()
    assert places(found) == TWO
    assert "Listed at https://database.example/net.example: imap " in evidence(found)
    requests = [one for one in provider.requests if "database.example" in one]
    assert sorted(requests) == [
        f"GET database.example/{domain}" for domain in ("hosting.net.example", "net.example", DOMAIN)
    ]


def test_settings_that_a_domain_publishes_over_http_only_are_used() -> None:
    responses = {AUTOCONFIG.replace("GET ", "GET http://"): RIGHT}
    found = Provider(IMPLICIT, responses=responses).discover()
    assert places(found) == TWO
    assert f"Published at http://autoconfig.{DOMAIN}/mail/config-v1.1.xml: imap" in evidence(found)
    assert f"https://autoconfig.{DOMAIN}/mail/config-v1.1.xml: responds with 404" in found.tried
    assert f"http://autoconfig.{DOMAIN}/mail/config-v1.1.xml: has settings" in found.tried


def test_settings_over_https_are_used_before_others_over_http() -> None:
    other = config(section("pop3", "{pop3}"), section("smtp", "{smtp}"))
    responses = {
        AUTOCONFIG.replace("GET ", "GET http://"): other,
        f"GET https://{DOMAIN}/.well-known/autoconfig/mail/config-v1.1.xml": RIGHT,
    }
    assert places(Provider(IMPLICIT, responses=responses).discover()) == TWO


def test_requests_name_init_as_the_user_agent() -> None:
    provider = Provider(IMPLICIT, responses={AUTOCONFIG: RIGHT})
    provider.discover()
    assert provider.agents == {"bt-autoconfig init"}


@pytest.mark.parametrize("host", ["hosting.net.example", "net.example"])
def test_settings_published_for_the_mx_are_found(host: str) -> None:
    records = {(DOMAIN, "MX"): ["10 mx.hosting.net.example."]}
    found = Provider(
        IMPLICIT, records=records, responses={f"GET autoconfig.{host}/mail/config-v1.1.xml": RIGHT}
    ).discover()
    assert places(found) == TWO
    assert f"Published for the MX at https://autoconfig.{host}/" in evidence(found)


def test_srv_records_are_tried_in_order_of_priority() -> None:
    records = {
        (f"_imaps._tcp.{DOMAIN}", "SRV"): ["20 1 {imap} mail.provider.example.", "10 1 1 gone.provider.example."],
        (f"_imap._tcp.{DOMAIN}", "SRV"): ["0 0 0 ."],
        (f"_submissions._tcp.{DOMAIN}", "SRV"): ["0 1 {smtp} mail.provider.example."],
    }
    found = Provider(IMPLICIT, records=records, default=()).discover()
    assert places(found) == TWO
    assert any("_imap._tcp.provider.example SRV: points to no host" in one for one in found.tried)
    assert any(one.startswith(f"_imaps._tcp.{DOMAIN} SRV: gone.{DOMAIN}:1, {MAIL}:") for one in found.tried)


def test_of_srv_records_with_one_priority_the_heaviest_four_are_tried_first() -> None:
    records = {
        (f"_imaps._tcp.{DOMAIN}", "SRV"): [f"1 {weight} 993 h{weight}.example." for weight in (3, 5, 1, 4, 2)],
        (f"_pop3s._tcp.{DOMAIN}", "SRV"): ["0 1 0 no-port.example.", "0 1 995 local."],
    }
    tried = Provider(records=records).discover().tried
    assert f"_imaps._tcp.{DOMAIN} SRV: h5.example:993, h4.example:993, h3.example:993, h2.example:993" in tried
    assert f"_pop3s._tcp.{DOMAIN} SRV: points to no host" in tried


def test_every_srv_name_of_a_mail_server_has_its_type_and_security() -> None:
    other = f"other.{DOMAIN}"
    records = {
        (f"_{name}._tcp.{DOMAIN}", "SRV"): [f"0 1 {{{server}}} {host}."]
        for name, server, host in (
            ("imaps", "imap", MAIL),
            ("imap", "imap-starttls", MAIL),
            ("pop3s", "pop3", MAIL),
            ("pop3", "pop3-starttls", MAIL),
            ("submissions", "smtp", MAIL),
            ("smtps", "smtp", other),
            ("submission", "smtp-starttls", MAIL),
        )
    }
    provider = Provider({**IMPLICIT, **STARTTLS}, names=(MAIL, other), records=records, default=())
    found = provider.discover()
    assert sorted(places(found)) == sorted(
        [*ALL, *(one.replace("SSL", "STARTTLS") for one in ALL), f"smtp {other} SSL"]
    )
    assert f"SRV records of {DOMAIN}: imap {MAIL}:{provider.ports['imap']} SSL" in evidence(found)


def test_calendars_address_books_and_jmap_are_found_by_srv_and_verified() -> None:
    records = {
        (f"_caldavs._tcp.{DOMAIN}", "SRV"): ["0 1 443 dav.provider.example."],
        (f"_caldavs._tcp.{DOMAIN}", "TXT"): ['"path=/cal/"'],
        (f"_carddavs._tcp.{DOMAIN}", "SRV"): ["0 1 8443 dav.provider.example."],
        (f"_jmap._tcp.{DOMAIN}", "SRV"): ["0 1 443 jmap.provider.example."],
    }
    responses = {
        "PROPFIND dav.provider.example/cal/": unauthorized('Digest realm="a, Basic b", Negotiate'),
        "PROPFIND dav.provider.example:8443/.well-known/carddav": unauthorized(),
        "GET jmap.provider.example/.well-known/jmap": unauthorized("NTLM"),
    }
    found = Provider(IMPLICIT, records=records, responses={AUTOCONFIG: RIGHT, **responses}).discover()
    assert [(one.verified.type, one.verified.url) for one in found.services] == [
        ("caldav", "https://dav.provider.example/cal/"),
        ("carddav", "https://dav.provider.example:8443/.well-known/carddav"),
        ("jmap", "https://jmap.provider.example/.well-known/jmap"),
    ]
    assert found.services[0].verified.methods[0] == "Digest"


def test_redirects_of_a_well_known_url_are_followed() -> None:
    responses: dict[str, SiteResponse] = {
        f"PROPFIND {DOMAIN}/.well-known/caldav": (301, {"Location": "/dav/"}, ""),
        f"PROPFIND {DOMAIN}/dav/": unauthorized(),
        f"PROPFIND {DOMAIN}/.well-known/carddav": unauthorized(),
        f"GET {DOMAIN}/.well-known/jmap": (401, {}, ""),
    }
    found = Provider(IMPLICIT, responses={AUTOCONFIG: RIGHT, **responses}).discover()
    assert [one.verified.url for one in found.services] == [
        f"https://{DOMAIN}/dav/",
        f"https://{DOMAIN}/.well-known/carddav",
    ]


def test_a_site_that_requires_a_password_everywhere_has_no_calendar() -> None:
    responses = {
        f"PROPFIND {DOMAIN}/.well-known/{name}": unauthorized() for name in ("caldav", "bt-autoconfig-nothing-is-here")
    }
    assert Provider(IMPLICIT, responses={AUTOCONFIG: RIGHT, **responses}).discover().services == []


MORE = """<webMail><loginPage url="https://provider.example/webmail"/></webMail>
<calendar type="caldav"><url>https://provider.example/cal/%EMAILADDRESS%/</url><authentication>basic</authentication>
<username>%EMAILLOCALPART%</username></calendar>
<addressbook type="carddav"><url>http://provider.example/book</url></addressbook>
<fileShare type="webdav"/><oAuth2><issuer>https://login.provider.example/realm</issuer></oAuth2>"""
EXCHANGE = """<incomingServer type="exchange"><ewsURL>https://provider.example/ews</ewsURL>
<easURL>https://provider.example/eas</easURL></incomingServer>
<documentation url="https://provider.example/help"/>"""
ISSUER = "https://login.provider.example/realm"


def test_published_services_and_pages_are_verified_and_kept() -> None:
    responses: dict[str, SiteResponse] = {
        AUTOCONFIG: config(section("imap", "{imap}"), section("smtp", "{smtp}"), EXCHANGE, after=MORE),
        f"PROPFIND {DOMAIN}/cal/bt-autoconfig-init@{DOMAIN}/": unauthorized(),
        f"GET {DOMAIN}/ews": unauthorized("NTLM, Negotiate"),
        f"GET {DOMAIN}/eas": unauthorized(),
        f"GET {DOMAIN}/help": (200, {}, ""),
        "GET login.provider.example/realm/.well-known/openid-configuration": (200, {}, f'{{"issuer": "{ISSUER}"}}'),
        "GET login.provider.example/.well-known/oauth-authorization-server/realm": (200, {}, "[]"),
    }
    found = Provider(IMPLICIT, responses=responses).discover()
    assert [(one.verified.type, one.verified.url, one.username) for one in found.services] == [
        ("ews", "https://provider.example/ews", ""),
        ("activeSync", "https://provider.example/eas", ""),
        ("caldav", "https://provider.example/cal/%EMAILADDRESS%/", "%EMAILLOCALPART%"),
    ]
    assert found.issuer
    assert found.issuer.value == ISSUER
    metadata = "https://login.provider.example/realm/.well-known/openid-configuration"
    assert found.issuer.evidence.endswith(f". On {found.date} it had metadata at {metadata}.")
    assert found.webmail is None
    assert any("https://provider.example/webmail: responds with 404" in one for one in found.remarks)
    assert any("init does not copy the element fileShare" in one for one in found.remarks)


def test_an_issuer_without_metadata_is_left_out() -> None:
    responses: dict[str, SiteResponse] = {
        AUTOCONFIG: config(section("imap", "{imap}"), section("smtp", "{smtp}"), after=MORE.replace("/realm", "")),
        "GET login.provider.example/.well-known/oauth-authorization-server": (200, {}, '{"issuer": "https://evil.example"}'),
        "GET login.provider.example/.well-known/openid-configuration": (200, {}, "{"),
    }  # fmt: skip
    found = Provider(IMPLICIT, responses=responses).discover()
    assert found.issuer is None
    assert any("no metadata names this issuer" in one for one in found.remarks)


@pytest.mark.parametrize(
    ("issuer", "places"),
    [
        ("", ("/.well-known/oauth-authorization-server", "/.well-known/openid-configuration")),
        ("/", ("/.well-known/oauth-authorization-server", "/.well-known/openid-configuration")),
        ("/a/b/", ("/.well-known/oauth-authorization-server/a/b", "/a/b/.well-known/openid-configuration")),
    ],
)
def test_the_metadata_of_an_issuer_are_requested_at_the_standards_places(issuer: str, places: tuple[str, ...]) -> None:
    after = f"<oAuth2><issuer>https://login.provider.example{issuer}</issuer></oAuth2>"
    provider = Provider(
        IMPLICIT, responses={AUTOCONFIG: config(section("imap", "{imap}"), section("smtp", "{smtp}"), after=after)}
    )
    provider.discover()
    requests = [one for one in provider.requests if "login.provider.example" in one]
    assert requests == [f"GET login.provider.example{one}" for one in places]


@pytest.mark.parametrize(
    ("status", "kept"), [(200, True), (401, True), (403, True), (302, False), (404, False), (500, False)]
)
def test_a_page_that_exists_is_kept_even_if_it_needs_a_login(status: int, kept: bool) -> None:
    responses: dict[str, SiteResponse] = {
        AUTOCONFIG: config(section("imap", "{imap}"), section("smtp", "{smtp}"), after=MORE),
        f"GET {DOMAIN}/webmail": (status, {}, ""),
    }
    found = Provider(IMPLICIT, responses=responses).discover()
    place = f"Published at https://autoconfig.{DOMAIN}/mail/config-v1.1.xml"
    if kept:
        assert found.webmail
        assert found.webmail.evidence == f"{place}. On {found.date} it responded with {status}."
    else:
        assert found.webmail is None
        assert f"{place}: https://{DOMAIN}/webmail: responds with {status}" in found.remarks


def test_a_published_service_that_does_not_work_is_left_out_and_reported() -> None:
    responses: dict[str, SiteResponse] = {
        AUTOCONFIG: config(
            section("imap", "{imap}"),
            section("smtp", "{smtp}"),
            '<incomingServer type="jmap"><url>https://provider.example/a</url></incomingServer>',
            after='<calendar type="caldav"><url>https://provider.example/b</url></calendar>',
        ),
        f"PROPFIND {DOMAIN}/b": (302, {"Location": f"http://{DOMAIN}/c"}, ""),
        f"PROPFIND {DOMAIN}/c": unauthorized(),
    }
    found = Provider(IMPLICIT, responses=responses).discover()
    assert found.services == []
    remarks = "\n".join(found.remarks)
    assert "https://provider.example/a: responds with 404; a service that needs a password sends 401" in remarks
    assert "redirects to http://provider.example/c, which is not https" in remarks


def test_jmap_may_respond_without_a_password() -> None:
    jmap = '<incomingServer type="jmap"><url>https://provider.example/j</url><authentication>OAuth2</authentication></incomingServer>'
    session = '{"capabilities": {}}'
    found = Provider(responses={AUTOCONFIG: config(jmap), f"GET {DOMAIN}/j": (200, {}, session)}).discover()
    assert found.services[0].verified.methods == ("OAuth2",)
    assert found.is_usable  # JMAP sends mail too


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        ((401, {}, ""), "requires a password, but names no authentication method"),
        (unauthorized('Basicrealm="a"'), "requires a password, but names no authentication method"),
        ((200, {}, '{"capabilities": []}'), "responds with 200; a service that needs a password sends 401"),
        ((200, {}, "[]"), "responds with 200; a service that needs a password sends 401"),
        ((403, {"WWW-Authenticate": "Basic"}, '{"capabilities": {}}'), "responds with 403; a service that needs a"),
    ],
)
def test_a_jmap_url_that_does_not_answer_like_jmap_is_left_out(response: SiteResponse, reason: str) -> None:
    jmap = '<incomingServer type="jmap"><url>https://provider.example/j</url><authentication>OAuth2</authentication></incomingServer>'
    found = Provider(responses={AUTOCONFIG: config(jmap), f"GET {DOMAIN}/j": response}).discover()
    assert found.services == []
    assert any(f"jmap; https://{DOMAIN}/j: {reason}" in one for one in found.remarks)


def test_only_jmap_may_respond_without_a_password() -> None:
    after = (
        '<calendar type="caldav"><url>https://provider.example/c</url><authentication>Basic</authentication></calendar>'
    )
    published = config(section("imap", "{imap}"), section("smtp", "{smtp}"), after=after)
    session: SiteResponse = (200, {}, '{"capabilities": {}}')
    found = Provider(IMPLICIT, responses={AUTOCONFIG: published, f"PROPFIND {DOMAIN}/c": session}).discover()
    assert found.services == []


def test_a_published_url_that_redirects_is_kept_as_published() -> None:
    after = '<calendar type="caldav"><url>https://provider.example/%EMAILLOCALPART%/</url></calendar>'
    responses: dict[str, SiteResponse] = {
        AUTOCONFIG: config(section("imap", "{imap}"), section("smtp", "{smtp}"), after=after),
        f"PROPFIND {DOMAIN}/bt-autoconfig-init/": (302, {"Location": "https://dav.provider.example/"}, ""),
        "PROPFIND dav.provider.example/": unauthorized(),
    }
    (service,) = Provider(IMPLICIT, responses=responses).discover().services
    assert service.verified.url == "https://provider.example/%EMAILLOCALPART%/"
    assert service.evidence[1].endswith(": https://dav.provider.example/: responds with 401, Basic.")


def test_other_domains_are_kept_if_their_mail_goes_to_the_same_provider() -> None:
    names = "".join(
        f"<domain>{one}</domain>"
        for one in (DOMAIN, "also.example", "other.example", "none.example", "no domain", "slow.example")
    )
    records = {
        (DOMAIN, "MX"): ["10 mx.provider.example."],
        ("also.example", "MX"): ["10 mx2.provider.example."],
        ("other.example", "MX"): ["10 mx.elsewhere.example."],
        ("slow.example", "MX"): [f"{number} a.example." for number in range(40)],
    }
    domains = names + f'<domain purpose="mx">{DOMAIN}</domain><domain purpose="mx">foreign.example</domain>'
    responses = {AUTOCONFIG: config(section("imap", "{imap}"), section("smtp", "{smtp}"), domains=domains)}
    found = Provider(IMPLICIT, records=records, responses=responses).discover()
    assert [one.value for one in found.domains] == ["also.example"]
    assert [one.value for one in found.mx_domains] == [DOMAIN]
    remarks = "\n".join(found.remarks)
    assert "domain other.example; its MX, mx.elsewhere.example, is not in provider.example" in remarks
    assert "domain none.example; it has no MX" in remarks
    assert "slow.example has 40 records" in remarks


def test_a_domain_whose_mx_and_servers_are_a_providers_is_hosted() -> None:
    records = {
        ("customer.example", "MX"): [f"10 {MAIL}."],
        ("spam.example", "MX"): ["10 mx.filter.example."],
        ("mail.spam.example", "A"): ["127.0.0.1"],
    }
    provider = Provider(IMPLICIT, names=(MAIL, "mail.spam.example"), records=records)
    assert provider.discover("customer.example").is_hosted
    assert not provider.discover("spam.example").is_hosted


@pytest.mark.parametrize(
    ("servers", "services", "usable"),
    [
        (["imap", "smtp"], [], True),
        (["pop3", "smtp"], [], True),
        (["imap"], ["ews"], True),
        (["imap"], ["activeSync"], True),
        ([], ["jmap"], True),
        (["imap", "pop3"], [], False),
        (["smtp"], [], False),
        (["imap"], ["caldav", "carddav"], False),
        ([], ["ews", "activeSync"], False),
        (["smtp"], ["caldav"], False),
        ([], [], False),
    ],
)
def test_settings_are_usable_if_they_receive_and_send(servers: list[str], services: list[str], usable: bool) -> None:
    found = Found(DOMAIN, "2026-11-26")
    found.servers = [Server(Verified(one, MAIL, 1, "SSL", (), ""), (), "", (), guessed=False) for one in servers]
    found.services = [Service(VerifiedService(one, "https://provider.example/", (), ""), "", ()) for one in services]
    assert found.is_usable == usable


@pytest.mark.parametrize(
    ("server", "service", "known"), [("a", "b", True), ("", "b", False), ("a", "", False), ("", "", False)]
)
def test_the_username_is_known_if_every_server_and_service_has_one(server: str, service: str, known: bool) -> None:
    found = Found(DOMAIN, "2026-11-26")
    found.servers = [
        Server(Verified("imap", MAIL, 1, "SSL", (), ""), (), one, (), guessed=False) for one in ("a", server)
    ]
    found.services = [
        Service(VerifiedService("ews", "https://provider.example/", (), ""), one, ()) for one in ("b", service)
    ]
    assert found.knows_username == known


@pytest.mark.parametrize(
    ("names", "offers"), [(("other.example", MAIL), b"* CAPABILITY LOGINDISABLED\r\nc OK\r\n"), (("*.other.example",), b"")]
)  # fmt: skip
def test_a_server_with_another_hosts_certificate_or_no_login_method_is_left_out(
    names: tuple[str, ...], offers: bytes
) -> None:
    records = {(DOMAIN, "MX"): [f"10 {MAIL}."], (MAIL, "A"): ["127.0.0.1"]}
    servers = {**IMPLICIT, ("imap", "SSL"): server("imap", offers), ("pop3", "SSL"): server("pop3", b"-ERR\r\n")}
    found = Provider(servers, names=names, records=records).discover()
    assert not found.is_usable
    text = "\n".join(found.tried)
    assert ("the server offers no login method" if offers else f"the certificate is not for {MAIL}") in text


def test_of_the_offered_methods_the_preferred_one_is_used() -> None:
    both = b"* CAPABILITY IMAP4rev1 AUTH=CRAM-MD5 AUTH=PLAIN AUTH=XOAUTH2\r\nc OK done\r\n"
    found = Provider({**IMPLICIT, ("imap", "SSL"): server("imap", both)}).discover()
    assert len(found.servers[0].verified.offered) > 1
    assert found.servers[0].methods == found.servers[0].verified.offered[:1]


def test_published_methods_that_are_not_offered_are_replaced() -> None:
    text = config(section("imap", "{imap}"), section("smtp", "{smtp}"))[2]
    assert isinstance(text, str)
    published = xml(text.replace("password-cleartext", "GSSAPI"))
    found = Provider(IMPLICIT, responses={AUTOCONFIG: published}).discover()
    assert [one.methods for one in found.servers] == [("password-cleartext",)] * 2
    assert "Wrong: the server does not offer the published GSSAPI." in evidence(found)


@pytest.mark.parametrize(
    ("published", "remark"),
    [
        (xml("<clientConfig><emailProvider>"), "the file has an error in line 1: not well-formed XML"),
        (xml("<html/>"), "the file has an error in line 1: "),
        (config(section("imap", "abc"), section("smtp", "{smtp}")), "the file has an error in line 1: port abc"),
        (config(section("imap", "{imap}", host="169.254.169.254")), "imap 169.254.169.254; this is not a hostname"),
    ],
)
def test_errors_in_the_published_file_are_reported_once_even_if_the_guesses_work(
    published: SiteResponse, remark: str
) -> None:
    """They are the most useful finding: mail clients read the file first."""
    found = Provider(IMPLICIT, records={(DOMAIN, "MX"): [f"10 {MAIL}."]}, responses={AUTOCONFIG: published}).discover()
    assert found.is_usable
    place = f"Published at https://autoconfig.{DOMAIN}/mail/config-v1.1.xml: "
    assert [one for one in found.remarks if one.startswith(f"{place}{remark}")]
    assert not [one for one in found.remarks if "http://" in one]


def test_an_address_that_does_not_work_is_reported() -> None:
    addresses = ["127.0.0.1", *(f"127.0.0.{number}" for number in range(95, 99))]
    provider = Provider(IMPLICIT, records={(MAIL, "A"): addresses}, responses={AUTOCONFIG: RIGHT})
    found = provider.discover()
    assert places(found) == TWO
    lines = [one for one in evidence(found).splitlines() if one.startswith("Not at every address: ")]
    refused = f"port {provider.ports['imap']}: connection refused"
    assert lines == [f"Not at every address: {address} {refused}" for address in addresses[1:4]]


def test_for_a_domain_without_settings_everything_tried_is_reported() -> None:
    found = Provider().discover()
    assert not found.is_usable
    requested = [one for one in found.tried if one.startswith("http")]
    assert len(set(requested)) == len(requested)
    text = "\n".join(found.tried)
    for tried in (
        f"https://autoconfig.{DOMAIN}/mail/config-v1.1.xml: responds with 404",
        f"_imaps._tcp.{DOMAIN} SRV: none",
        f"MX of {DOMAIN}: none",
        *(
            f"{type_} {name}.{DOMAIN}:1: "
            for type_, names in (("imap", ("imap", "mail")), ("pop3", ("pop", "mail")), ("smtp", ("smtp", "mail")))
            for name in names
        ),
    ):
        assert tried in text


def test_the_first_three_mx_hosts_and_common_names_of_their_domain_are_tried() -> None:
    records = {(DOMAIN, "MX"): [f"{number} mx{number}.hosting.example." for number in range(4)]}
    found = Provider(records=records).discover()
    assert f"MX of {DOMAIN}: {', '.join(f'mx{number}.hosting.example' for number in range(4))}" in found.tried
    tried = {one.split(":")[0] for one in found.tried}
    for type_, name in (("imap", "imap"), ("pop3", "pop"), ("smtp", "smtp")):
        hosts = [*(f"mx{number}" for number in range(3)), name, "mail"]
        assert {f"{type_} {host}.hosting.example" for host in hosts} <= tried
    assert "imap mx3.hosting.example" not in tried


def test_hosts_with_private_addresses_are_not_contacted() -> None:
    """The test's resolver and web server are exempt; every other host is refused."""
    found = Provider(IMPLICIT, responses={AUTOCONFIG: RIGHT}).discover(public_only=True)
    assert found.servers == []
    assert "resolves to 127.0.0.1, an address of this machine or of a private network" in "\n".join(found.tried)


def silent() -> Handler:
    async def handle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await send(writer, forever=b"-", pause=0.05)

    return handle


def test_servers_verified_in_time_are_kept() -> None:
    """IMAP and SMTP work; POP3 sends one byte at a time for ever."""
    servers = {**IMPLICIT, ("pop3", "SSL"): silent()}
    began = time.monotonic()
    messages: list[str] = []
    found = Provider(servers, records={(DOMAIN, "MX"): [f"10 {MAIL}."]}).discover(
        timeout=60, max_time=4, progress=messages.append
    )
    assert time.monotonic() - began < 15
    assert places(found) == TWO
    assert any(one.endswith("not finished in time") for one in found.tried)
    assert messages[0] == f"looking up what {DOMAIN} publishes"
    assert "connecting to mail servers" in messages[-1]


def test_failed_lookups_are_reported() -> None:
    many = [f"{number} 1 1 a.example." for number in range(40)]
    records = {
        (DOMAIN, "MX"): [one.replace(" 1 1", "") for one in many],
        (f"_imaps._tcp.{DOMAIN}", "SRV"): many,
        (f"_caldavs._tcp.{DOMAIN}", "SRV"): ["0 1 443 dav.provider.example."],
        (f"_caldavs._tcp.{DOMAIN}", "TXT"): ['"a"'] * 1 + [f'"{number}"' for number in range(40)],
    }
    found = Provider(IMPLICIT, responses={AUTOCONFIG: RIGHT}, records=records).discover()
    assert places(found) == TWO
    text = "\n".join(found.tried)
    assert f"MX of {DOMAIN}: {DOMAIN} has 40 records of type MX" in text
    assert f"_imaps._tcp.{DOMAIN} SRV: _imaps._tcp.{DOMAIN} has 40 records" in text


def test_slow_sources_are_cancelled_and_the_rest_used() -> None:
    """The web server does not respond; the DNS is enough."""
    records = {
        (f"_imaps._tcp.{DOMAIN}", "SRV"): ["0 1 {imap} mail.provider.example."],
        (f"_submissions._tcp.{DOMAIN}", "SRV"): ["0 1 {smtp} mail.provider.example."],
    }
    late = {
        "autoconfig": AUTOCONFIG,
        "Autodiscover": POSTED.format(DOMAIN),
        "PACC": f"GET ua-auto-config.{DOMAIN}/.well-known/user-agent-configuration.json",
        "database": f"GET database.example/{DOMAIN}",
    }
    responses: dict[str, SiteResponse] = dict.fromkeys(late.values(), (HANGS, {}, ""))
    provider = Provider(IMPLICIT, responses=responses, records=records, database="https://database.example/")
    found = provider.discover(timeout=60, max_time=6)
    assert places(found) == TWO
    assert [one for one in found.tried if "not finished" in one] == [f"{name}: not finished in time" for name in late]


def test_a_service_that_hangs_does_not_affect_the_mail_servers() -> None:
    calendar = '<calendar type="caldav"><url>https://slow.example/</url></calendar>'
    responses: dict[str, SiteResponse] = {
        AUTOCONFIG: config(section("imap", "{imap}"), section("smtp", "{smtp}"), after=calendar),
        "PROPFIND slow.example/": (HANGS, {}, ""),
    }
    found = Provider(IMPLICIT, responses=responses).discover(timeout=60, max_time=4)
    assert places(found) == TWO
    assert found.services == []


def test_a_well_known_url_is_used_if_other_urls_of_the_site_fail() -> None:
    nowhere = f"PROPFIND {DOMAIN}/.well-known/bt-autoconfig-nothing-is-here"
    responses: dict[str, SiteResponse] = {
        AUTOCONFIG: RIGHT,
        f"PROPFIND {DOMAIN}/.well-known/caldav": unauthorized(),
        nowhere: (302, {"Location": "mailto:x"}, ""),
    }
    found = Provider(IMPLICIT, responses=responses).discover()
    assert [one.verified.type for one in found.services] == ["caldav"]


def test_an_invalid_path_in_a_txt_record_is_ignored() -> None:
    records = {
        (f"_caldavs._tcp.{DOMAIN}", "SRV"): ["0 1 443 dav.provider.example."],
        (f"_caldavs._tcp.{DOMAIN}", "TXT"): [r'"path=/a b\027"'],
    }
    found = Provider(IMPLICIT, responses={AUTOCONFIG: RIGHT}, records=records).discover()
    assert [one for one in found.remarks if "caldav" in one] == []


def test_a_very_long_redirect_target_is_truncated() -> None:
    responses: dict[str, SiteResponse] = {
        AUTOCONFIG: (302, {"Location": "https://other.example/" + "a" * 9000}, ""),
        "GET other.example/" + "a" * 9000: RIGHT,
    }
    found = Provider(IMPLICIT, responses=responses).discover()
    assert places(found) == TWO
    assert len(evidence(found).splitlines()[0]) < 400


def test_settings_from_plain_http_are_marked_for_checking() -> None:
    """Anyone on the network could have inserted a server with its own valid certificate."""
    responses: dict[str, SiteResponse] = {
        AUTOCONFIG: (302, {"Location": "http://plain.example/a.xml"}, ""),
        "GET plain.example/a.xml": RIGHT,
    }
    found = Provider(IMPLICIT, responses=responses).discover()
    assert places(found) == TWO
    assert "Published at http://plain.example/a.xml" in evidence(found)
    assert (
        "CHECK: this arrived over http, so anyone on the network could have changed it. Is this your server?"
        in evidence(found)
    )


def test_settings_behind_outlooks_redirect_are_marked_for_checking() -> None:
    posted, responses, records = OUTLOOK_METHODS["by redirect"]
    found = Provider(IMPLICIT, responses={posted: xml(OUTLOOK), **responses}, records=records).discover()
    assert "CHECK: this arrived over http" in evidence(found)


def test_settings_over_https_are_not_marked() -> None:
    assert "CHECK" not in evidence(Provider(IMPLICIT, responses={AUTOCONFIG: RIGHT}).discover())


def test_hosts_in_a_certificate_for_another_name_are_tried() -> None:
    """Shared hosting: mail.customer.example is an alias, but the certificate is for the provider's host."""
    records = {("mail.customer.example", "A"): ["127.0.0.1"]}
    found = Provider(IMPLICIT, names=("*.hosting.example", "s12.hosting.example"), records=records).discover(
        "customer.example"
    )
    assert places(found) == [one.replace(MAIL, "s12.hosting.example") for one in ALL]
    assert "Named in the certificate of a host tried before: imap s12.hosting.example" in evidence(found)
    assert all(one.guessed for one in found.servers)


def test_a_host_in_a_certificate_is_tried_on_the_port_that_sent_it() -> None:
    records = {
        ("_imaps._tcp.customer.example", "SRV"): ["0 1 {imap} mail.customer.example."],
        ("mail.customer.example", "A"): ["127.0.0.1"],
    }
    provider = Provider(IMPLICIT, names=("s12.hosting.example",), records=records, default=())
    assert places(provider.discover("customer.example")) == ["imap s12.hosting.example SSL"]


def test_four_hosts_of_a_certificate_are_tried() -> None:
    names = [f"s{number}.hosting.example" for number in range(5)]
    records = {("mail.customer.example", "A"): ["127.0.0.1"], **{(name, "A"): [] for name in names}}
    provider = Provider({("imap", "SSL"): None}, names=tuple(names), records=records)
    tried = "\n".join(provider.discover("customer.example").tried)
    assert [f"imap {name}:" in tried for name in names] == [True, True, True, True, False]


def test_a_certificate_with_only_wildcards_does_not_add_a_host() -> None:
    records = {("mail.customer.example", "A"): ["127.0.0.1"]}
    found = Provider(IMPLICIT, names=("*.hosting.example",), records=records).discover("customer.example")
    assert found.servers == []


def test_a_late_certificate_does_not_add_a_host() -> None:
    """The host sends its certificate once, for another name, and then hangs."""
    context = certificate("s12.hosting.example")
    connections = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(reader)
        if len(connections) > 1:
            await reader.read(1_000_000)
            await asyncio.Event().wait()
        await writer.start_tls(context)

    records = {
        (f"_imaps._tcp.{DOMAIN}", "SRV"): ["0 1 {imap-starttls} odd.example."],
        ("odd.example", "A"): ["127.0.0.1"],
    }
    provider = Provider({("imap", "STARTTLS"): handle}, records=records, default=())
    began = time.monotonic()
    found = provider.discover(timeout=60, max_time=4)
    assert time.monotonic() - began < 15
    assert len(connections) == 2
    assert found.servers == []


def test_only_missing_servers_are_guessed() -> None:
    responses = {AUTOCONFIG: config(section("imap", "{imap}"), section("smtp", "465", host=f"gone.{DOMAIN}"))}
    found = Provider(IMPLICIT, responses=responses).discover()
    assert places(found) == TWO
    assert [one.guessed for one in found.servers] == [False, True]
    assert "gone.provider.example has no address" in evidence(found, 1)
