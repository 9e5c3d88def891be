"""The check of domains without a definition: the clients are compared with each other."""

import re
from collections.abc import Callable

import dns.rcode
import pytest

from autoconfig.operations.report import Verdict
from tests.operations.test_served_check import AUTOCONFIG, FILE, POST, respond
from tests.operations.world import DEFINITION, DOMAIN, FIRST, SECOND, CheckResult, Request, Response, World

SETTINGS = f"settings of {DOMAIN}"
RARE = {f"PACC clients, {DOMAIN}": "finds no settings"}


def checked(world: World) -> CheckResult:
    return world.check(DOMAIN, foreign=(DOMAIN,))


def test_a_consistent_provider_has_no_errors(world: World) -> None:
    found = checked(world)
    assert found.problems == RARE
    assert found.report.exit_status == 0
    account = f"imap mail.{DOMAIN}:{world.ports['imap']} SSL, smtp mail.{DOMAIN}:{world.ports['smtp']} SSL"
    assert found.text(f"Thunderbird, {DOMAIN}") == f"{account}, from {FILE}"
    assert found.text(f"aerc, {DOMAIN}") == f"{account}, from SRV records of {DOMAIN}"
    assert found.text(POST) == account
    assert found.text(f"MX of {DOMAIN}") == f"mail.{DOMAIN}"
    assert found.text(f"CAA records of {DOMAIN}") == "any authority may issue certificates"
    assert found.text(f"name servers of {DOMAIN}") == f"ns1.{DOMAIN} ({FIRST}) and ns2.{DOMAIN} ({SECOND}) agree"
    assert {line.domain for line in found.report.lines} == {DOMAIN}
    areas = list(dict.fromkeys(line.area for line in found.report.lines))
    assert areas == ["DNS", "HTTPS", "mail", "clients"]
    assert found.text(f"imap mail.{DOMAIN}:{world.ports['imap']}").endswith("password-cleartext")
    assert found.report.summary() == "1 domain: 1 warning"


def test_a_domain_that_does_not_exist_is_one_error(world: World) -> None:
    found = world.check("no-such.example", foreign=("no-such.example",))
    (line,) = found.report.lines
    assert line.subject == "no-such.example"
    assert found.problems == {"no-such.example": "this domain does not exist"}
    assert (line.area, line.domain) == ("DNS", "no-such.example")
    remedy = "check the spelling, and whether the domain is registered and delegated"
    assert found.remedy("no-such.example") == remedy
    assert found.report.exit_status == 1


def test_a_domain_that_cannot_be_looked_up_is_unknown(world: World) -> None:
    world.rcodes["broken.example"], world.unchecked_fails = dns.rcode.REFUSED, True
    found = world.check("broken.example", foreign=("broken.example",))
    assert found.of(Verdict.UNKNOWN) == {"broken.example": "the lookup of broken.example A fails"}
    assert found.report.exit_status == 2


def test_a_domain_that_publishes_nothing_is_one_error_with_a_remedy(world: World) -> None:
    world.records = {(DOMAIN, "MX"): [f"10 mail.{DOMAIN}."], (f"mail.{DOMAIN}", "A"): [FIRST]}
    world.publish_services = False
    found = checked(world)
    assert found.of(Verdict.ERROR) == {SETTINGS: "no mail client finds settings for this domain"}
    remedy = f"find its servers with `bt-autoconfig init {DOMAIN}`; publish the settings with `serve` and `dns`"
    assert found.remedy(SETTINGS) == remedy
    assert found.text(f"Outlook, classic, {DOMAIN}") == f"skipped: see {SETTINGS}"


def test_a_wildcard_record_does_not_count_as_client_hosts(world: World) -> None:
    """*.example.com points every name to a website without settings."""
    world.wildcard = FIRST
    world.records = {(DOMAIN, "A"): [FIRST], (DOMAIN, "MX"): [f"10 mail.{DOMAIN}."]}
    world.publish_services = False
    world.respond.append(lambda _: (200, {"Content-Type": "text/html"}, b"<h1>Welcome</h1>"))
    found = checked(world)
    assert AUTOCONFIG not in [line.subject for line in found.report.lines]
    assert list(found.of(Verdict.ERROR)) == [SETTINGS]


PLAIN = DEFINITION.replace(">SSL<", ">plain<").replace("{imap}", "{imap-starttls}").replace("{smtp}", "{smtp-starttls}")
NOT_FOUND: Response = (404, {}, b"")
BROKEN_FILE = (
    b"<clientConfig version='1.1'><emailProvider id='a.b'><domain>a.b</domain>\n</emailProvider></clientConfig>"
)
OTHER = b"""<Autodiscover><Response><Account>
<Protocol><Type>IMAP</Type><Server>mail.example.com</Server><Port>%d</Port><SSL>on</SSL>%s</Protocol>
<Protocol><Type>SMTP</Type><Server>mail.example.com</Server><Port>%d</Port><SSL>on</SSL></Protocol>
</Account></Response></Autodiscover>"""


def other_autodiscover(world: World, imap: str = "imap", more: bytes = b"") -> None:
    def answer(request: Request) -> Response | None:
        if request.path != "/autodiscover/autodiscover.xml":
            return None
        body = OTHER % (world.ports[imap], more, world.ports["smtp"])
        return 200, {"Content-Type": "text/xml"}, body

    world.respond.append(answer)


def test_a_client_that_gets_another_server_is_an_error(world: World) -> None:
    other_autodiscover(world, "pop3")
    found = checked(world)
    outlook = f"Outlook, classic, {DOMAIN}"
    text = found.of(Verdict.ERROR)[outlook]
    assert text.startswith(f"sets up imap mail.{DOMAIN}:{world.ports['pop3']} SSL, ")
    assert f"; Thunderbird sets up imap mail.{DOMAIN}:{world.ports['imap']} SSL" in text
    assert found.remedy(outlook) == "publish the same settings for all clients"
    # The other server is checked too.
    assert found.text(f"imap mail.{DOMAIN}:{world.ports['pop3']}") == "this is not a valid imap greeting"


@pytest.mark.parametrize(
    ("login_name", "username"),
    [(b"", "the part before the @"), (b"<LoginName>other</LoginName>", "another text")],
)
def test_a_client_that_gets_another_username_is_an_error(world: World, login_name: bytes, username: str) -> None:
    """Without LoginName, Outlook uses the part before the @."""
    other_autodiscover(world, more=login_name)
    found = checked(world)
    account = f"imap mail.{DOMAIN}:{world.ports['imap']} SSL, smtp mail.{DOMAIN}:{world.ports['smtp']} SSL"
    place = f"https://{DOMAIN}/autodiscover/autodiscover.xml"
    assert found.of(Verdict.ERROR)[f"Outlook, classic, {DOMAIN}"] == (
        f"sets up {account}, from {place}, with {username} as the username; "
        "Thunderbird sets up the same servers with the whole address"
    )


FAULTS: dict[str, tuple[Callable[[World], object], str, str, str]] = {
    "no Autodiscover": (lambda world: world.respond.append(lambda one: NOT_FOUND if "autodiscover" in one.path else None), POST, "responds with 404", "publish the settings here, or remove the host from the DNS"),
    "a password prompt": (lambda world: world.respond.append(respond(401, path="/mail/")), FILE, "requires a password", "remove the password protection"),
    "an upstream that is down": (lambda world: world.respond.append(respond(502, path="/mail/")), FILE, "responds with 502: the reverse proxy", "start the upstream server, and check the address and port that the reverse proxy connects to"),
    "a 404 at a host for clients": (lambda world: world.respond.append(respond(404, path="/mail/")), FILE, "responds with 404", "publish the settings here, or remove the host from the DNS"),
    "a file that is not valid": (lambda world: world.respond.append(respond(200, path="/mail/", body=BROKEN_FILE)), FILE, "line 1:", "correct the file; `bt-autoconfig validate FILE` lists every error"),
    "not a document": (lambda world: world.respond.append(respond(200, path="/mail/", body=b"hello")), FILE, "mail clients cannot use this document", "publish the settings here, or remove the host from the DNS"),
    "a certificate for another name": (lambda world: world.issued.update({AUTOCONFIG: world.authority.issue_cert("a.example")}), AUTOCONFIG, f"the certificate is not for {AUTOCONFIG}", f"get one that names {AUTOCONFIG} too"),
    "a dangling alias": (lambda world: (world.records.pop((AUTOCONFIG, "A")), world.records.update({(AUTOCONFIG, "CNAME"): ["gone.example.com."]})), AUTOCONFIG, f"{AUTOCONFIG} is an alias of gone.{DOMAIN}, which has no address", f"publish an address for gone.{DOMAIN}, or point {AUTOCONFIG} at the server"),
    "an SRV record to a missing host": (lambda world: world.records.update({(f"_imap._tcp.{DOMAIN}", "SRV"): ["0 1 143 gone.example.com."]}), f"_imap._tcp.{DOMAIN}", "points to gone.example.com; gone.example.com has no address", f"correct the record _imap._tcp.{DOMAIN}, or remove it"),
    "an SRV record to an invalid host": (lambda world: world.records.update({(f"_imap._tcp.{DOMAIN}", "SRV"): ["0 1 143 a_b.example.com."]}), f"_imap._tcp.{DOMAIN}", "points to a_b.example.com, which is not a hostname", f"correct the record _imap._tcp.{DOMAIN}, or remove it"),
    "an SRV record to port 0": (lambda world: world.records.update({(f"_imap._tcp.{DOMAIN}", "SRV"): ["0 1 0 mail.example.com."]}), f"_imap._tcp.{DOMAIN}", "points to port 0", f"correct the record _imap._tcp.{DOMAIN}, or remove it"),
    "an SRV record for Outlook with another port": (lambda world: world.records.update({(f"_autodiscover._tcp.{DOMAIN}", "SRV"): ["0 0 8443 autodiscover.example.com."]}), f"_autodiscover._tcp.{DOMAIN}", "points to port 8443; Outlook uses only 443", f"publish `_autodiscover._tcp.{DOMAIN}. SRV 0 0 443 HOST.`; `bt-autoconfig dns --host HOST` prints it"),
    "a dead mail server": (lambda world: world.mail.update({"imap": {"greeting": [b"* BYE no\r\n"]}}), "imap mail.example.com:{imap}", "this is not a valid imap greeting", "see what listens on port {imap}"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_in_what_a_domain_publishes_is_found(world: World, fault: str) -> None:
    break_, subject, text, remedy = FAULTS[fault]
    break_(world)
    found = checked(world)
    subject, remedy = (one.format_map(world.ports) if "{" in one else one for one in (subject, remedy))
    assert found.of(Verdict.ERROR)[subject].startswith(text), found.problems
    assert found.remedy(subject) == remedy
    assert found.report.exit_status == 1


def test_a_client_that_finds_nothing_because_of_another_line_is_skipped(world: World) -> None:
    """Thunderbird looks over http too; Delta Chat and aerc do not."""
    world.issued[AUTOCONFIG] = world.authority.issue_cert("a.example")
    world.respond.append(respond(404, DOMAIN, "/"))
    world.respond.append(respond(404, f"autodiscover.{DOMAIN}", "/"))
    world.publish_services = False
    found = checked(world)
    for client in ("Delta Chat", "aerc"):
        assert found.text(f"{client}, {DOMAIN}") == f"skipped: see {AUTOCONFIG}"
    assert list(found.of(Verdict.ERROR)) == [AUTOCONFIG, POST, POST.removesuffix(" (POST)")]


def test_settings_over_http_need_the_users_approval_on_android(world: World) -> None:
    world.issued[AUTOCONFIG] = world.authority.issue_cert("a.example")
    world.respond.append(respond(404, DOMAIN, "/.well-known/"))
    world.respond.append(respond(404, DOMAIN, "/.well-known/", scheme="http"))
    found = checked(world)
    text = found.of(Verdict.WARNING)[f"Thunderbird for Android, {DOMAIN}"]
    assert text.endswith("but asks for approval, because the settings came over http")
    remedy = "use https throughout, with a certificate that clients trust"
    assert found.remedy(f"Thunderbird for Android, {DOMAIN}") == remedy


def test_a_domain_without_an_mx_record_gets_a_warning(world: World) -> None:
    del world.records[DOMAIN, "MX"]
    found = checked(world)
    assert found.of(Verdict.WARNING)[f"MX of {DOMAIN}"] == "there is no MX record"
    remedy = "publish the domain's mail servers as MX records if it receives mail"
    assert found.remedy(f"MX of {DOMAIN}") == remedy
    world.records[DOMAIN, "MX"] = ["0 ."]
    text = "the domain declares that it receives no mail (null MX, RFC 7505)"
    assert checked(world).of(Verdict.WARNING)[f"MX of {DOMAIN}"] == text
    world.records[DOMAIN, "MX"] = ["10 _mx.example."]
    assert checked(world).of(Verdict.WARNING)[f"MX of {DOMAIN}"] == "no MX record has a valid hostname"


def test_a_client_that_does_not_use_plain_is_distinguished_from_one_that_finds_nothing(world: World) -> None:
    world.definition_text = PLAIN
    world.respond.append(lambda one: NOT_FOUND if "autodiscover" in one.path else None)
    found = checked(world)
    android = f"Thunderbird for Android, {DOMAIN}"
    assert found.problems[android].endswith("published autoconfig file: it does not use plain (no TLS)")
    assert "SSL or STARTTLS" in found.remedy(android)


def test_a_client_that_rejects_the_published_file_is_distinguished_from_one_that_finds_nothing(world: World) -> None:
    """Thunderbird for Android rejects a file in which SMTP has no login method that it knows."""
    before, smtp, after = DEFINITION.partition("<outgoingServer")
    world.definition_text = before + smtp + after.replace("password-cleartext", "client-IP-address", 1)
    world.respond.append(lambda one: NOT_FOUND if "autodiscover" in one.path else None)
    found = checked(world)
    text = found.problems[f"Thunderbird for Android, {DOMAIN}"]
    assert text == "cannot use the servers in the published autoconfig file"


def test_a_client_whose_records_are_missing_finds_no_settings(world: World) -> None:
    for key in [one for one in world.records if "autodiscover" in one[0]]:
        del world.records[key]
    world.respond.append(lambda one: NOT_FOUND if "autodiscover" in one.path else None)
    found = checked(world)
    outlook = f"Outlook, classic, {DOMAIN}"
    assert found.of(Verdict.ERROR)[outlook] == "finds no settings, so users must type in the servers"
    remedy = "publish Autodiscover (/autodiscover/autodiscover.xml) with `bt-autoconfig serve` and `dns`"
    assert found.remedy(outlook) == remedy


def test_a_client_without_an_autoconfig_file_finds_no_settings(world: World) -> None:
    """Thunderbird and Outlook use Autodiscover, Evolution does not."""
    for key in [one for one in world.records if "autoconfig." in one[0]]:
        del world.records[key]
    world.respond.append(lambda one: NOT_FOUND if ".well-known" in one.path else None)
    found = checked(world)
    evolution = f"Evolution, {DOMAIN}"
    assert found.of(Verdict.ERROR)[evolution] == "finds no settings, so users must type in the servers"
    assert found.remedy(evolution) == "publish autoconfig with `bt-autoconfig serve` and `dns`"


def test_caa_records_that_forbid_the_authority_of_a_hosts_certificate_are_an_error(world: World) -> None:
    world.records[DOMAIN, "CAA"] = ['0 issue "digicert.com"']
    text = checked(world).of(Verdict.ERROR)[f"CAA records of {DOMAIN}"]
    assert (
        text == f"only digicert.com may issue certificates (CAA of {DOMAIN}), but Let's Encrypt issued the current one"
    )


@pytest.mark.parametrize(
    ("ports", "text"),
    [
        (("0", "465"), r"line 3: port 0 is [^()]*"),
        (("0", "0"), r"line 3: port 0 is [^()]* \(and 1 more\)"),
    ],
)
def test_an_invalid_file_is_described_by_its_first_error(world: World, ports: tuple[str, str], text: str) -> None:
    file = DEFINITION.replace("{imap}", ports[0]).replace("{smtp}", ports[1])
    world.respond.append(respond(200, path="/mail/", body=file.encode()))
    found = checked(world).of(Verdict.ERROR)[FILE]
    assert re.fullmatch(text, found), found


def test_a_file_that_a_client_does_not_look_up_is_not_one_that_it_cannot_use(world: World) -> None:
    """Thunderbird looks at the mail exchanger's domain; Delta Chat does not."""
    world.publish_services = False
    world.records = {
        (DOMAIN, "A"): [FIRST],
        (DOMAIN, "MX"): ["10 mx.provider.example."],
        ("autoconfig.provider.example", "A"): [FIRST],
    }

    def answer(request: Request) -> Response:
        if request.host != "autoconfig.provider.example":
            return NOT_FOUND
        return 200, {"Content-Type": "text/xml"}, DEFINITION.format_map(world.ports).encode()

    world.respond.append(answer)
    found = checked(world)
    assert found.text(f"Thunderbird, {DOMAIN}").endswith(
        "from https://autoconfig.provider.example/mail/config-v1.1.xml"
    )
    text = found.of(Verdict.ERROR)[f"Delta Chat, {DOMAIN}"]
    assert text == "finds no settings, so users must type in the servers"


OTHER_RECORDS = {
    (DOMAIN, "MX"): ["10 other.example."],
    (AUTOCONFIG, "A"): [SECOND],
    (f"_autodiscover._tcp.{DOMAIN}", "SRV"): ["0 0 443 other.example."],
}


@pytest.mark.parametrize("key", OTHER_RECORDS, ids=" ".join)
def test_name_servers_that_disagree_about_any_record_for_clients_are_an_error(
    world: World, key: tuple[str, str]
) -> None:
    world.second_records = world.records | {key: OTHER_RECORDS[key]}
    text = checked(world).of(Verdict.ERROR)[f"name servers of {DOMAIN}"]
    assert text.endswith(f"have different records for {' '.join(key)}")


def test_without_any_settings_the_faults_of_the_published_hosts_are_the_errors(world: World) -> None:
    world.respond.append(lambda _: NOT_FOUND)
    world.publish_services = False
    for key in [one for one in world.records if one[1] == "SRV"]:
        del world.records[key]
    found = checked(world)
    assert found.text(SETTINGS).startswith("skipped: see ")
    assert found.report.exit_status == 1


def test_a_url_that_several_lookups_lead_to_has_one_line(world: World) -> None:
    """The MX and SRV records and the redirect over http lead to the hosts that clients look at first."""
    subjects = [line.subject for line in checked(world).report.lines if line.area == "HTTPS"]
    assert {FILE, POST} <= set(subjects)
    assert len(subjects) == len(set(subjects)), subjects
    world.respond.append(respond(200, path="/mail/", body=b"hello"))
    found = checked(world)
    assert found.report.count(Verdict.ERROR) == len(found.of(Verdict.ERROR)), found.problems


def test_a_redirect_to_a_missing_document_is_named_without_its_query(world: World) -> None:
    target = f"https://{DOMAIN}/gone"
    world.respond.append(respond(302, path="/mail/", location=f"{target}?fred@example.com"))
    world.respond.append(respond(404, DOMAIN, "/gone"))
    text = f"redirects to {target}, which responds with 404"
    assert checked(world).of(Verdict.ERROR)[FILE] == text
    assert world.check().of(Verdict.ERROR)[FILE] == text


def test_every_warning_and_error_has_a_remedy_and_a_clients_remedy_names_what_it_looks_up(world: World) -> None:
    world.publish_services = False
    found = checked(world)
    names = ", ".join(f"{name}.{DOMAIN}" for name in ("_imaps._tcp", "_pop3s._tcp", "_submission._tcp"))
    assert found.remedy(f"Claws Mail, {DOMAIN}") == f"publish {names}, if your users have it"
    assert f"https://ua-auto-config.{DOMAIN}/" in found.remedy(f"PACC clients, {DOMAIN}")
    world.definition_text = PLAIN
    for one in (found, checked(world), world.check()):
        assert one.problems
        assert not [subject for subject in one.problems if not one.remedy(subject)]


def test_an_invalid_hostname_is_an_error_and_not_in_a_subject(world: World) -> None:
    def answer(request: Request) -> Response | None:
        if request.path != "/autodiscover/autodiscover.xml":
            return None
        return 200, {"Content-Type": "text/xml"}, OTHER.replace(b"mail.example.com", b"fred@a b") % (993, b"", 465)

    world.respond.append(answer)
    found = checked(world)
    assert found.text("imap server") == "fred@a b is not a hostname"
    assert found.remedy("imap server") == "publish the server's hostname"
    assert found.line("imap server").area == "mail"
    assert not [line for line in found.report.lines if "fred@" in line.subject]


def test_a_document_whose_redirects_loop_is_an_error(world: World) -> None:
    world.respond.append(respond(302, path="/mail/", location=FILE))
    assert checked(world).of(Verdict.ERROR)[FILE] == "redirects to itself"


def test_the_pages_and_servers_in_a_published_file_are_checked_unless_they_depend_on_the_address(world: World) -> None:
    page = f'<webMail><loginPage url="https://{DOMAIN}/mail"/></webMail>'
    personal = """<incomingServer type="pop3"><hostname>%EMAILLOCALPART%.example.com</hostname><port>995</port>
    <socketType>SSL</socketType><authentication>password-cleartext</authentication><username>x</username></incomingServer>"""
    text = DEFINITION.replace("<outgoingServer", f"{personal}<outgoingServer", 1)
    world.definition_text = text.replace("</clientConfig>", f"{page}</clientConfig>")
    world.respond.append(respond(404, DOMAIN, "/mail"))
    found = checked(world)
    assert found.of(Verdict.ERROR)[f"page https://{DOMAIN}/mail"] == "responds with 404"
    servers = [line.subject for line in found.report.lines if line.area == "mail"]
    assert servers == [f"imap mail.{DOMAIN}:{world.ports['imap']}", f"smtp mail.{DOMAIN}:{world.ports['smtp']}"]


def test_an_srv_record_whose_lookup_fails_is_unknown_not_missing(world: World) -> None:
    name = f"_imaps._tcp.{DOMAIN}"
    world.rcodes[name], world.unchecked_fails = dns.rcode.REFUSED, True
    assert checked(world).of(Verdict.UNKNOWN)[name] == f"the lookup of {name} SRV fails"
