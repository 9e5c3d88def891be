"""The check of a provider's own domain, without faults and with one fault at a time."""

import datetime
import re
from collections.abc import Callable

import dns.rcode
import pytest
import trustme

from autoconfig.operations.report import Verdict
from tests.operations.world import DEFINITION, DOMAIN, FIRST, SECOND, Request, Response, World
from tests.signatories import SigningAuthority

AUTOCONFIG, AUTODISCOVER = f"autoconfig.{DOMAIN}", f"autodiscover.{DOMAIN}"
FILE = f"https://{AUTOCONFIG}/mail/config-v1.1.xml"
POST = f"https://{AUTODISCOVER}/autodiscover/autodiscover.xml (POST)"
REDIRECT = f"http://{AUTODISCOVER}/autodiscover/autodiscover.xml"
PROFILE = f"https://{AUTOCONFIG}/email.mobileconfig"
PACC = {f"PACC clients, {DOMAIN}": "cannot use any server in the definition"}
"""PACC supports only the default ports, which these servers do not have."""
PAST = datetime.datetime(2025, 1, 1)
UNROUTED = "ff02::1"
"""A multicast address: TCP has no route to it."""
CLIENTS = ["Thunderbird", "Thunderbird for Android", "Outlook, classic", "Delta Chat", "Evolution", "KMail", "aerc"]


def respond(
    status: int, host: str = AUTOCONFIG, path: str = "/", scheme: str = "https", location: str = "", body: bytes = b""
) -> Callable[[Request], Response | None]:
    """Return a function that responds to requests for a host and a path."""

    def answer(request: Request) -> Response | None:
        if request.scheme == scheme and request.host == host and request.path.startswith(path):
            headers = {"Content-Type": "text/xml"} | ({"Location": location} if location else {})
            return status, headers, body
        return None

    return answer


def test_a_provider_without_faults_has_no_errors(world: World) -> None:
    found = world.check()
    assert found.problems == PACC
    assert found.report.exit_status == 0
    clients = {
        line.subject: line.finding.text for line in found.report.lines if line.area == "clients" and line.finding
    }
    account = f"imap mail.{DOMAIN}:{world.ports['imap']} SSL, smtp mail.{DOMAIN}:{world.ports['smtp']} SSL, from "
    assert [name for name in CLIENTS if clients[f"{name}, {DOMAIN}"].startswith(account)] == CLIENTS
    assert clients[f"Claws Mail, {DOMAIN}"].startswith(
        f"imap mail.{DOMAIN}:{world.ports['imap']} SSL, no outgoing server"
    )
    assert found.text(f"name servers of {DOMAIN}") == f"ns1.{DOMAIN} ({FIRST}) and ns2.{DOMAIN} ({SECOND}) agree"
    assert found.text(POST) == "matches the definition"
    assert found.text(f"CAA records of {DOMAIN}") == "any authority may issue certificates"
    assert found.text(f"https://{DOMAIN}") == (
        "serves /.well-known/autoconfig/mail/config-v1.1.xml, /autodiscover/autodiscover.xml"
    )
    assert found.text(f"/autodiscover/autodiscover.xml by _autodiscover._tcp.{DOMAIN}") == f"{AUTODISCOVER}, as above"
    needs = "an imap or pop3 server and an smtp server with SSL on the default ports"
    assert found.remedy(f"PACC clients, {DOMAIN}") == f"publish {needs}"
    assert {line.domain for line in found.report.lines} == {DOMAIN}
    areas = list(dict.fromkeys(line.area for line in found.report.lines))
    assert areas == ["DNS", "HTTPS", "mail", "clients"]


def test_a_website_without_settings_is_not_an_error(world: World) -> None:
    """Clients that find nothing there look elsewhere. A certificate that they reject is as good as a 404."""
    world.respond += [respond(404, DOMAIN), respond(404, DOMAIN, scheme="http")]
    found = world.check()
    assert found.text(f"https://{DOMAIN}") == "has no settings; clients look elsewhere"
    world.issued[DOMAIN] = world.authority.issue_cert("a.example")
    found = world.check()
    assert found.text(f"https://{DOMAIN}") == "has no settings; clients look elsewhere"
    assert found.problems == PACC


def test_a_website_with_other_settings_is_an_error(world: World) -> None:
    other = DEFINITION.replace("mail.example.com", "old.example.com").format(imap=993, smtp=465).encode()
    world.respond.append(respond(200, DOMAIN, "/.well-known/autoconfig/", body=other))
    found = world.check()
    text = (
        "/.well-known/autoconfig/mail/config-v1.1.xml has other settings; clients that look there do not look further"
    )
    assert found.of(Verdict.ERROR)[f"https://{DOMAIN}"] == text
    remedy = "let the website respond with 404 there, or pass the request on to this server"
    assert found.remedy(f"https://{DOMAIN}") == remedy


def test_requests_name_the_program_and_are_for_an_address_that_no_mailbox_has(world: World) -> None:
    world.check()
    assert {one.headers["user-agent"] for one in world.requests} == {"bt-autoconfig check"}
    queries = {one.target.partition("?emailaddress=")[2] for one in world.requests} - {""}
    local = "bt-autoconfig-check"
    assert queries <= {f"{local}%40{DOMAIN}", f"{local}-2%40{DOMAIN}", f"EVOLUTIONUSER%40{DOMAIN}&emailmd5=0"}
    posts = [one.body.decode() for one in world.requests if one.method == "POST"]
    assert {re.findall("<EMailAddress>(.*)</EMailAddress>", body)[0] for body in posts} <= {
        f"{local}@{DOMAIN}",
        f"{local}-2@{DOMAIN}",
    }


def test_only_outlooks_requests_are_posts(world: World) -> None:
    world.check()
    posts = {(one.host, one.path.lower()) for one in world.requests if one.method == "POST"}
    assert posts == {(DOMAIN, "/autodiscover/autodiscover.xml"), (AUTODISCOVER, "/autodiscover/autodiscover.xml")}
    assert {one.method for one in world.requests if "content-type" in one.headers} == {"POST"}
    assert {one.headers["content-type"] for one in world.requests if one.method == "POST"} == {"text/xml"}


def test_a_server_that_rejects_outlooks_post_is_an_error(world: World) -> None:
    def answer(request: Request) -> Response | None:
        return (405, {}, b"") if request.method == "POST" else None

    world.respond.append(answer)
    found = world.check()
    assert found.problems == PACC | {POST: "responds with 405"}
    assert found.text(f"Outlook, classic, {DOMAIN}") == f"skipped: see {POST}"


def test_only_requests_to_a_given_url_set_the_forwarded_scheme(world: World) -> None:
    world.check()
    assert not [one for one in world.requests if "x-forwarded-proto" in one.headers]
    world.requests.clear()
    found = world.check(in_dns=False)
    assert {one.headers["x-forwarded-proto"] for one in world.requests} == {"http", "https"}
    assert found.problems == PACC
    assert not [line for line in found.report.lines if line.area == "DNS"]
    assert found.text(AUTOCONFIG) == "not checked: --url is http"
    assert found.text(f"Claws Mail, {DOMAIN}") == "uses only DNS records, which are not checked"
    excluded = (AUTOCONFIG, AUTODISCOVER, f"Claws Mail, {DOMAIN}")
    assert {found.line(one).finding.verdict for one in excluded} == {Verdict.SKIPPED}  # type: ignore[union-attr]
    assert found.report.exit_status == 0


# By name: the fault, the subject of the line with the error, its text, and a part of the remedy.

ALIAS = {(AUTOCONFIG, "CNAME"): [f"gone.{DOMAIN}."]}


def records(changes: dict[tuple[str, str], list[str]], *removed: tuple[str, str]) -> Callable[[World], None]:
    def break_(world: World) -> None:
        for key in removed:
            del world.records[key]
        world.records |= changes

    return break_


def answers(*responds: Callable[[Request], Response | None]) -> Callable[[World], None]:
    return lambda world: world.respond.extend(responds)


def certificate(host: str, make: Callable[[World], trustme.LeafCert]) -> Callable[[World], None]:
    def break_(world: World) -> None:
        world.issued[host] = make(world)

    return break_


def mail(type_: str, **lines: bytes) -> Callable[[World], None]:
    def break_(world: World) -> None:
        world.mail[type_] = {name: [line] for name, line in lines.items()}

    return break_


def alert(number: int) -> Callable[[World], None]:
    def break_(world: World) -> None:
        world.alerts["127.0.0.4"] = number
        world.records[AUTOCONFIG, "A"] = ["127.0.0.4"]

    return break_


def handshakes(number: int) -> Callable[[World], None]:
    def break_(world: World) -> None:
        world.failed_handshakes[AUTOCONFIG] = number

    return break_


def attribute(name: str, value: object) -> Callable[[World], None]:
    return lambda world: getattr(world, name).update(value)


def second_server(world: World) -> None:
    world.second_records = world.records | {(AUTOCONFIG, "A"): [SECOND]}


FAULTS: dict[str, tuple[Callable[[World], None], str, str, str]] = {
    # DNS
    "a dangling alias": (records(ALIAS, (AUTOCONFIG, "A")), AUTOCONFIG, f"{AUTOCONFIG} is an alias of gone.{DOMAIN}, which has no address", f"publish an address for gone.{DOMAIN}"),
    "no host": (records({}, (AUTOCONFIG, "A")), AUTOCONFIG, f"{AUTOCONFIG} has no address", "publish an A, AAAA or CNAME"),
    "no SRV record": (records({}, (f"_autodiscover._tcp.{DOMAIN}", "SRV")), f"_autodiscover._tcp.{DOMAIN}", "there is no SRV record", "publish"),
    "an SRV record elsewhere": (records({(f"_imaps._tcp.{DOMAIN}", "SRV"): ["0 1 993 old.example.com."]}), f"_imaps._tcp.{DOMAIN}", "differs from the definition: 0 1 993 old.example.com.", "publish"),
    "name servers that disagree": (second_server, f"name servers of {DOMAIN}", f"ns1.{DOMAIN} ({FIRST}) and ns2.{DOMAIN} ({SECOND}) have different records for {AUTOCONFIG} A", "transfer the zone"),
    "a name server without authority": (attribute("lame", {SECOND}), f"name servers of {DOMAIN}", f"ns2.{DOMAIN} ({SECOND}) does not serve {DOMAIN}: it responds with REFUSED", "remove the server from the NS"),
    "CAA records that forbid the authority": (records({(DOMAIN, "CAA"): ['0 issue "digicert.com"', '0 iodef "mailto:a@b"']}), f"CAA records of {DOMAIN}", f"only digicert.com may issue certificates (CAA of {DOMAIN}), but Let's Encrypt issued the current one", f'publish `{DOMAIN}. CAA 0 issue "letsencrypt.org"`'),
    "CAA records that forbid all": (records({(AUTOCONFIG, "CAA"): ['0 issue ";"']}), f"CAA records of {DOMAIN}", f"no authority may issue certificates (CAA of {AUTOCONFIG})", "letsencrypt.org"),
    "a broken DNSSEC chain": (attribute("rcodes", {AUTOCONFIG: dns.rcode.SERVFAIL}), AUTOCONFIG, f"DNSSEC validation of {AUTOCONFIG} fails", "correct the zone's signatures"),
    # HTTPS
    "a stale second address": (records({(AUTOCONFIG, "A"): [FIRST, "127.0.0.3"]}), AUTOCONFIG, "127.0.0.3 port {https}: connection refused", "start the server"),
    "an expired certificate": (certificate(AUTOCONFIG, lambda world: world.authority.issue_cert(AUTOCONFIG, not_after=PAST)), AUTOCONFIG, "the certificate has expired", "renew it"),
    "a certificate for another name": (certificate(AUTOCONFIG, lambda world: world.authority.issue_cert("a.example")), AUTOCONFIG, f"the certificate is not for {AUTOCONFIG}", f"get one that names {AUTOCONFIG}"),
    "an unknown authority": (certificate(AUTOCONFIG, lambda _: trustme.CA().issue_cert(AUTOCONFIG)), AUTOCONFIG, "the certificate's issuer is unknown", "whole chain"),
    "no certificate": (alert(80), AUTOCONFIG, f"the TLS handshake fails: the server has no certificate for {AUTOCONFIG} (tlsv1 alert internal error)", "give the server a certificate for"),
    "only TLS 1.1": (alert(70), AUTOCONFIG, "the server offers only TLS 1.1 or older", "allow TLS 1.2 and 1.3"),
    "an upstream that is down": (answers(respond(502, path="/mail/")), FILE, "responds with 502: the reverse proxy gets no response", "start the upstream"),
    "an upstream that is unavailable": (answers(respond(503, path="/mail/")), FILE, "responds with 503: the reverse proxy gets no response", "start the upstream"),
    "an upstream that is late": (answers(respond(504, path="/mail/")), FILE, "responds with 504: the reverse proxy gets no response", "start the upstream"),
    "a 404": (answers(respond(404, path="/mail/")), FILE, "responds with 404", "route this URL"),
    "a password": (answers(respond(401, path="/mail/")), FILE, "requires a password", "route this URL"),
    "another file": (answers(respond(200, path="/mail/", body=b"<clientConfig/>")), FILE, "the document does not match the definition", "route this URL"),
    "a POST redirected by 308": (answers(respond(308, AUTODISCOVER, "/autodiscover/autodiscover.xml", location=f"https://{DOMAIN}/autodiscover/autodiscover.xml")), POST, "redirects with 308; Outlook follows only 301 and 302", "redirect with 302"),
    "a loop": (answers(respond(302, AUTODISCOVER, "/autodiscover/autodiscover.xml", location=f"https://{AUTODISCOVER}/autodiscover/autodiscover.xml")), POST, "redirects to itself", "X-Forwarded-Proto"),
    "a loop of two": (answers(respond(302, path="/mail/", location="https://autoconfig.example.com/b"), respond(302, path="/b", location=FILE)), FILE, "redirects in a loop", "correct the redirects"),
    "a redirect of http by 308": (answers(respond(308, AUTODISCOVER, scheme="http", location=f"https://{AUTODISCOVER}/autodiscover/autodiscover.xml")), REDIRECT, "redirects with 308; Outlook follows only 301 and 302", "302"),
    "a redirect of http by 307": (answers(respond(307, AUTODISCOVER, scheme="http", location=f"https://{AUTODISCOVER}/autodiscover/autodiscover.xml")), REDIRECT, "redirects with 307", "302"),
    "http without an upstream": (answers(respond(502, AUTODISCOVER, scheme="http")), REDIRECT, "responds with 502: the reverse proxy", "start the upstream"),
    "http redirected elsewhere": (answers(respond(302, AUTODISCOVER, scheme="http", location="https://www.example.com/")), REDIRECT, "responds with 302 https://www.example.com/", "302"),
    "no autoconfig file over http": (answers(respond(404, scheme="http")), f"http://{AUTOCONFIG}/mail/config-v1.1.xml", "responds with 404", "route this URL"),
    "a website that asks for passwords": (answers(respond(401, DOMAIN, "/autodiscover/")), f"https://{DOMAIN}", "requires a password", "404"),
    # Mail servers
    "no login at the IMAP server": (mail("imap", CAPABILITY=b"* CAPABILITY IMAP4rev1 LOGINDISABLED\r\nc OK\r\n"), "imap mail.example.com:{imap}", "the server rejects logins (LOGINDISABLED)", "allow logins after TLS"),
    "no password at the SMTP server": (mail("smtp", EHLO=b"250 AUTH GSSAPI\r\n"), "smtp mail.example.com:{smtp}", "the server does not offer password-cleartext", "after TLS"),
    "a mail server that does not greet": (mail("imap", greeting=b"* BYE busy\r\n"), "imap mail.example.com:{imap}", "this is not a valid imap greeting", "see what listens"),
    "TLS that fails for another reason": (alert(10), AUTOCONFIG, "the TLS handshake fails: sslv3 alert unexpected message", "enable TLS 1.2 or 1.3 on this port"),
    "a connection that is closed": (handshakes(99), AUTOCONFIG, "the server closes the connection during the TLS handshake", "log"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_exactly_one_error_with_its_remedy(world: World, fault: str) -> None:
    break_, subject, text, remedy = FAULTS[fault]
    break_(world)
    found = world.check()
    subject, text = (one.format_map(world.ports) if "{" in one else one for one in (subject, text))
    wrong = {one: said for one, said in found.problems.items() if one not in PACC}
    assert list(wrong) == [subject], wrong
    assert text in wrong[subject]
    assert remedy in found.remedy(subject)
    assert found.report.exit_status == 1


WARNINGS: dict[str, tuple[Callable[[World], None], str, str]] = {
    "a name server that is silent": (attribute("silent", {SECOND}), f"name servers of {DOMAIN}", f"no response from ns2.{DOMAIN} ({SECOND})"),
    "TLS 1.1 on the web": (attribute("old_tls", {"web"}), AUTOCONFIG, f"{FIRST}: the server also accepts TLS 1.1 or older"),
    "TLS 1.1 at the IMAP server": (attribute("old_tls", {"imap"}), "imap mail.example.com:{imap}", f"{FIRST}: the server also accepts TLS 1.1 or older"),
}  # fmt: skip


@pytest.mark.parametrize("fault", WARNINGS)
def test_a_weakness_is_a_warning(world: World, fault: str) -> None:
    break_, subject, text = WARNINGS[fault]
    break_(world)
    found = world.check(timeout=5 if "silent" in fault else 10)
    subject = subject.format_map(world.ports)
    assert found.problems[subject].startswith(text)
    assert found.line(subject).finding.verdict is Verdict.WARNING  # type: ignore[union-attr]
    assert found.report.exit_status == 0


def test_the_resolvers_explanation_of_a_dnssec_failure_is_quoted(world: World) -> None:
    world.rcodes[AUTOCONFIG], world.dnssec_errors[AUTOCONFIG] = dns.rcode.SERVFAIL, "signature \x1b[2Jexpired"
    text = f"DNSSEC validation of {AUTOCONFIG} fails (signature \\x1b[2Jexpired)"
    assert world.check().text(AUTOCONFIG) == text


def test_a_lookup_that_also_fails_with_checking_disabled_is_unknown(world: World) -> None:
    world.rcodes[AUTOCONFIG] = dns.rcode.REFUSED
    world.unchecked_fails = True
    found = world.check()
    assert found.text(AUTOCONFIG) == f"the lookup of {AUTOCONFIG} A fails"
    assert found.report.exit_status == 2


def test_a_handshake_that_fails_while_a_certificate_is_issued_is_tried_again(world: World) -> None:
    world.failed_handshakes[AUTOCONFIG] = 1
    assert world.check().problems == PACC


def test_an_address_without_a_route_is_unknown_and_the_others_are_checked(world: World) -> None:
    world.records[AUTOCONFIG, "AAAA"] = [UNROUTED]
    found = world.check()
    assert found.report.exit_status == 2
    unknown = found.of(Verdict.UNKNOWN)
    assert unknown == {AUTOCONFIG: f"there is no route from here to {UNROUTED}; no problem at {FIRST}"}
    assert found.text(FILE) == f"matches the definition at {FIRST}; other addresses skipped: see {AUTOCONFIG}"
    assert found.line(FILE).finding.verdict is Verdict.SKIPPED  # type: ignore[union-attr]
    assert found.text(f"Thunderbird, {DOMAIN}").endswith(FILE)


def test_a_fault_at_a_reachable_address_is_found_if_another_has_no_route(world: World) -> None:
    world.records[AUTOCONFIG, "AAAA"] = [UNROUTED]
    world.respond.append(respond(404, path="/mail/"))
    assert world.check().problems[FILE] == "responds with 404"


def test_hosts_without_a_reachable_address_are_unknown_and_their_documents_skipped(world: World) -> None:
    for host in (AUTOCONFIG, AUTODISCOVER, DOMAIN):
        del world.records[host, "A"]
        world.records[host, "AAAA"] = [UNROUTED]
    found = world.check()
    assert found.report.exit_status == 2
    assert found.text(FILE) == f"skipped: see {AUTOCONFIG}"


def test_documents_are_checked_at_every_address_of_a_host(world: World) -> None:
    """Clients prefer the first address; the second web server has an old document."""
    world.records[AUTOCONFIG, "A"] = [FIRST, SECOND]

    def stale(request: Request) -> Response | None:
        old = request.address == SECOND and request.scheme == "https" and request.path.startswith("/mail/")
        return (200, {"Content-Type": "text/xml"}, b"<clientConfig/>") if old else None

    world.respond.append(stale)
    assert world.check().problems == PACC | {FILE: "the document does not match the definition"}


def test_a_proxy_that_drops_the_host_header_is_found(world: World) -> None:
    """The server then responds for its first domain, and does not redirect Outlook."""
    world.definition_text = DEFINITION.replace("mail.example.com", "mail.%EMAILDOMAIN%").replace(
        "<domain>example.com", "<domain>first.example</domain><domain>example.com"
    )
    world.forwarded = {"host": "127.0.0.1"}
    found = world.check()
    assert found.problems[FILE] == "responds as if to another Host header"
    assert "proxy_set_header Host $host" in found.remedy(FILE)
    assert found.problems[REDIRECT] == "responds with settings (200) instead of a redirect"
    assert "proxy_set_header Host $host" in found.remedy(REDIRECT)


def test_a_proxy_that_does_not_forward_the_scheme_is_found(world: World) -> None:
    world.forwarded = {"scheme": "http"}
    found = world.check()
    assert found.problems[POST] == "redirects to itself"
    assert "X-Forwarded-Proto" in found.remedy(POST)


def test_a_signature_is_verified_with_its_chain(world: World, signing_authority: SigningAuthority) -> None:
    world.trust(signing_authority.root)
    for kind in ("rsa", "ec"):
        world.signer = signing_authority.signatory(kind=kind).signer()
        found = world.check()
        assert found.problems == PACC
        assert found.text(PROFILE).startswith("matches the definition; signed by BT Mail, certificate valid for 36")


def test_a_signing_certificate_that_expires_soon_is_a_warning(
    world: World, signing_authority: SigningAuthority
) -> None:
    world.trust(signing_authority.root)
    world.signer = signing_authority.signatory(days=5).signer()
    found = world.check()
    assert found.problems == PACC | {
        PROFILE: "matches the definition; signed by BT Mail, certificate valid for 5 more days"
    }
    assert found.remedy(PROFILE) == "renew the certificate now"
    assert found.report.exit_status == 0


def test_a_signature_whose_root_is_not_trusted_is_an_error(world: World, signing_authority: SigningAuthority) -> None:
    world.signer = signing_authority.signatory().signer()
    assert "the signing certificate's chain is incomplete" in world.check().problems[PROFILE]


@pytest.mark.parametrize(
    "corrupt", [lambda body: body[:-1] + bytes([body[-1] ^ 1]), lambda body: body[:-9], lambda _: b"0\x80"]
)
def test_an_invalid_signature_is_an_error(
    world: World, signing_authority: SigningAuthority, corrupt: Callable[[bytes], bytes]
) -> None:
    world.trust(signing_authority.root)
    world.signer = signing_authority.signatory().signer()
    world.corrupt = corrupt
    assert world.check().problems == PACC | {PROFILE: "the signature is not valid, so devices reject the profile"}


def to_https(request: Request) -> Response | None:
    """Redirect the autoconfig file from http to https."""
    return respond(301, path="/mail/", scheme="http", location=FILE)(request)


def test_a_broken_certificate_is_one_error_even_if_http_redirects_to_it(world: World) -> None:
    world.respond.append(to_https)
    assert world.check().problems == PACC
    world.issued[AUTOCONFIG] = world.authority.issue_cert("a.example")
    found = world.check()
    assert found.of(Verdict.ERROR) == {AUTOCONFIG: f"the certificate is not for {AUTOCONFIG}"}
    assert found.text(f"http://{AUTOCONFIG}/mail/config-v1.1.xml") == f"skipped: see {AUTOCONFIG}"


def test_a_redirect_to_http_makes_android_ask_for_approval(world: World) -> None:
    """Every document is right, but anyone on the network could have changed it."""
    world.respond.append(respond(302, path="/mail/", location=f"http://{AUTOCONFIG}/mail/config-v1.1.xml"))
    found = world.check()
    assert found.text(FILE) == "matches the definition, after 1 redirect"
    android = f"Thunderbird for Android, {DOMAIN}"
    assert list(found.problems) == [android, *PACC]
    assert found.problems[android].endswith("but asks for approval, because the settings came over http")
    assert found.remedy(android) == "use https throughout, with a certificate that clients trust"


def test_a_client_that_gets_other_settings_although_every_document_is_right_is_an_error(world: World) -> None:
    """Evolution sends its own query string, and a web server may treat it differently."""
    other = DEFINITION.replace("mail.example.com", "old.example.com").format(imap=993, smtp=465).encode()

    def answer(request: Request) -> Response | None:
        return (200, {"Content-Type": "text/xml"}, other) if "EVOLUTIONUSER" in request.target else None

    world.respond.append(answer)
    found = world.check()
    client = f"Evolution, {DOMAIN}"
    assert found.of(Verdict.ERROR)[client].startswith("sets up imap old.example.com:993 SSL")
    assert found.remedy(client) == "see which server responds there: this client looks there first"
    assert list(found.of(Verdict.ERROR)) == [client]


def test_a_client_that_finds_no_settings_although_every_document_is_right_is_an_error(world: World) -> None:
    """A firewall rejects Evolution's query string, and the website has no settings."""

    def answer(request: Request) -> Response | None:
        return (404, {}, b"") if "EVOLUTIONUSER" in request.target or "/.well-known/" in request.path else None

    world.respond.append(answer)
    found = world.check()
    client = f"Evolution, {DOMAIN}"
    assert found.of(Verdict.ERROR) == {client: "finds no settings"}
    assert found.remedy(client) == "publish the settings on one of the hosts where it looks"
