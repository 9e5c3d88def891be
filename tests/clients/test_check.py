"""`bt-autoconfig check` against a complete deployment: correct, and with one part broken at a time."""

import os
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients.conftest import MAIL_HOST
from tests.clients.deployment import CLOSED, DOMAIN, SILENT, Deployment
from tests.clients.network import Network
from tests.clients.record import picture
from tests.clients.tls import Authority
from tests.support import COMMAND

AUTOCONFIG = "https://autoconfig.btinternet.com/mail/config-v1.1.xml"
CLIENTS = [
    "Thunderbird",
    "Thunderbird for Android",
    "Outlook, classic",
    "Delta Chat",
    "Evolution",
    "KMail",
    "aerc",
    "Claws Mail",
    "PACC clients",
]


@pytest.fixture
def deployment(lab: Network, authority: Authority) -> Deployment:
    return Deployment(lab, authority)


def test_a_correct_deployment_is_all_ok(deployment: Deployment) -> None:
    deployment.change_zone("10 1 995", "20 7 995")  # the operator's own priority and weight
    deployment.start()
    verdict = deployment.check()
    assert verdict.of("warning", "error", "unknown", "skipped") == []
    assert verdict.status == 0
    clients = {line["subject"]: line["text"] for line in verdict.lines if line["area"] == "clients"}
    assert list(clients) == [f"{client}, {DOMAIN}" for client in CLIENTS]
    incoming, outgoing = "imap mail.btinternet.com:993 SSL, ", "smtp mail.btinternet.com:465 SSL, from "
    claws = clients.pop(f"Claws Mail, {DOMAIN}")  # knows only _submission._tcp, which is STARTTLS (docs/check.md)
    assert claws == f"{incoming}no outgoing server, from SRV records of {DOMAIN}"
    assert all(text.startswith(incoming + outgoing) for text in clients.values())
    assert clients[f"Thunderbird, {DOMAIN}"].endswith(AUTOCONFIG)
    assert clients[f"Outlook, classic, {DOMAIN}"].endswith("https://btinternet.com/autodiscover/autodiscover.xml")


def test_a_server_can_be_checked_before_its_dns_records_exist(deployment: Deployment) -> None:
    deployment.zones[DOMAIN] = re.sub("(?m)^(auto|ua-auto|_).*$", "", deployment.zones[DOMAIN])
    deployment.start()
    assert deployment.check().status == 1
    verdict = deployment.check("--url", "http://127.0.0.1:8000")
    assert verdict.of("error", "unknown") == []
    not_checked = {"not checked: --url is http", "uses only DNS records, which are not checked"}
    assert {text for _, text in verdict.of("skipped")} == not_checked
    assert verdict.status == 0


def test_a_domain_without_a_website_is_all_ok(deployment: Deployment) -> None:
    deployment.change_zone("@ A 192.0.2.1\n", "")
    deployment.start()
    verdict = deployment.check()
    assert verdict.of("warning", "error", "unknown", "skipped") == []
    clients = {line["subject"]: line["text"] for line in verdict.lines if line["area"] == "clients"}
    assert clients[f"Outlook, classic, {DOMAIN}"].endswith(
        "https://autodiscover.btinternet.com/autodiscover/autodiscover.xml"
    )


def test_certificates_that_expire_soon_are_warnings(deployment: Deployment, authority: Authority) -> None:
    deployment.certificates["autoconfig.btinternet.com"] = authority.issue("autoconfig.btinternet.com", days=5)
    chain, key = authority.issue(MAIL_HOST, days=3)
    deployment.mail |= {"submission_certificate": chain, "submission_key": key}
    deployment.start()
    verdict = deployment.check()
    assert verdict.status == 0
    assert [subject for subject, _ in verdict.of("warning")] == ["autoconfig.btinternet.com", SMTP]
    assert {line["remedy"] for line in verdict.lines if line["verdict"] == "warning"} == {"renew the certificate now"}


def test_without_a_resolver_nothing_is_an_error(deployment: Deployment) -> None:
    deployment.start()
    verdict = deployment.check("--resolver", CLOSED, timeout=0.5)
    assert verdict.of("error") == []
    assert verdict.status == 2


def broken(
    *, zone: tuple[str, str] | None = None, site: tuple[str, str] | None = None, mail: dict[str, object] | None = None,
    certificate: Callable[[Authority], dict[str, tuple[Path, Path]]] | None = None,
) -> Callable[[Deployment], None]:  # fmt: skip
    """Return a function that breaks one part: a record, a website, the mail servers, or a certificate."""

    def break_(deployment: Deployment) -> None:
        if zone:
            deployment.change_zone(*zone)
        if site:
            deployment.directives[site[0]] = site[1]
        deployment.mail |= mail or {}
        deployment.certificates |= certificate(deployment.authority) if certificate else {}

    return break_


def submission(issue: Callable[[Authority], tuple[Path, Path]]) -> Callable[[Deployment], None]:
    """Return a function that gives the submission server another certificate."""

    def break_(deployment: Deployment) -> None:
        chain, key = issue(deployment.authority)
        deployment.mail |= {"submission_certificate": chain, "submission_key": key}

    return break_


def line_of(name: str, type_: str) -> str:
    """Return the start of a record's line."""
    return f"{name:<20} {type_:<5}"


TARGET = "web.btinternet.com."
SMTP = f"smtp {MAIL_HOST}:465"
FAULTS: dict[str, tuple[Callable[[Deployment], None], str, str]] = {
    # DNS
    "no autoconfig host": (broken(zone=(line_of("autoconfig", "CNAME"), "; ")), "autoconfig.btinternet.com", "has no address"),
    "no autodiscover host": (broken(zone=(line_of("autodiscover", "CNAME"), "; ")), "autodiscover.btinternet.com", "has no address"),
    "no ua-auto-config host": (broken(zone=(line_of("ua-auto-config", "CNAME"), "; ")), "ua-auto-config.btinternet.com", "has no address"),
    "a dangling alias": (broken(zone=(f"{line_of('autoconfig', 'CNAME')} {TARGET}", "autoconfig CNAME gone.btinternet.com.")), "autoconfig.btinternet.com", "has no address"),
    "no Autodiscover SRV": (broken(zone=(line_of("_autodiscover._tcp", "SRV"), "; ")), "_autodiscover._tcp.btinternet.com", "there is no SRV record"),
    "Autodiscover SRV to another port": (broken(zone=(f"0 0 443 {TARGET}", f"0 0 8443 {TARGET}")), "_autodiscover._tcp.btinternet.com", "points to port 8443"),
    "Autodiscover SRV to a missing host": (broken(zone=(f"0 0 443 {TARGET}", "0 0 443 gone.btinternet.com.")), "_autodiscover._tcp.btinternet.com", "points to gone.btinternet.com; gone.btinternet.com has no address"),
    "a stale second Autodiscover SRV": (broken(zone=("; Outlook, as", "_autodiscover._tcp SRV 0 0 443 old.example.\n; ")), "_autodiscover._tcp.btinternet.com", "there are 2 SRV records"),
    "a host in the SRV record without a certificate": (broken(certificate=lambda ca: {"web.btinternet.com": ca.issue("www.btinternet.com")}), "/autodiscover/autodiscover.xml by _autodiscover._tcp.btinternet.com", "the certificate is not for web.btinternet.com"),
    "no IMAP SRV": (broken(zone=(line_of("_imaps._tcp", "SRV"), "; ")), "_imaps._tcp.btinternet.com", "there is no SRV record"),
    "IMAP SRV to another host": (broken(zone=("993 mail.btinternet.com.", "993 old.btinternet.com.")), "_imaps._tcp.btinternet.com", "differs from the definition: 0 1 993 old.btinternet.com."),
    "an extra submission SRV": (broken(zone=("; clients that", "_submissions._tcp SRV 5 1 465 old.btinternet.com.\n; ")), "_submissions._tcp.btinternet.com", "there is also SRV 5 1 465 old.btinternet.com."),
    "POP3 offered without TLS": (broken(zone=(f"{line_of('_pop3._tcp', 'SRV')} 0 0 0 .", "_pop3._tcp SRV 0 1 110 mail.btinternet.com.")), "_pop3._tcp.btinternet.com", "differs from the definition: 0 1 110"),
    "no PACC digest": (broken(zone=(line_of("_ua-auto-config", "TXT"), "; ")), "_ua-auto-config.btinternet.com", "there is no TXT record"),
    "a stale PACC digest": (broken(zone=("a=sha256; d=", "a=sha256; d=AAAA")), "_ua-auto-config.btinternet.com", "the digest does not match the document"),
    "CAA records that forbid every authority": (broken(zone=("@ A 192.0.2.1\n", '@ A 192.0.2.1\n@ CAA 0 issue ";"\n')), "CAA records of btinternet.com", "no authority may issue certificates"),
    # HTTPS
    "an upstream that is down": (broken(site=("https://autoconfig.btinternet.com", "respond /mail/* 502")), AUTOCONFIG, "responds with 502: the reverse proxy gets no response"),
    "a proxy that sends the wrong scheme": (broken(site=("https://autodiscover.btinternet.com", "reverse_proxy /autodiscover/autodiscover.xml 127.0.0.1:8000 {\n    header_up X-Forwarded-Proto http\n  }")), "https://autodiscover.btinternet.com/autodiscover/autodiscover.xml (POST)", "redirects to itself"),
    "a proxy that drops Host": (broken(site=("http://autodiscover.btinternet.com", "reverse_proxy /autodiscover/* 127.0.0.1:8000 {\n    header_up Host 127.0.0.1\n  }")), "http://autodiscover.btinternet.com/autodiscover/autodiscover.xml", "responds with settings (200)"),
    "Outlook redirected by 308": (broken(site=("http://autodiscover.btinternet.com", "redir https://{host}{uri} 308")), "http://autodiscover.btinternet.com/autodiscover/autodiscover.xml", "redirects with 308"),
    "an address where nothing listens": (broken(zone=(f"{line_of('ua-auto-config', 'CNAME')} {TARGET}", f"ua-auto-config A {CLOSED}")), "ua-auto-config.btinternet.com", f"{CLOSED} port 443: connection refused"),
    "a second, stale address": (broken(zone=(f"{line_of('ua-auto-config', 'CNAME')} {TARGET}", f"ua-auto-config A 192.0.2.1\nua-auto-config A {CLOSED}")), "ua-auto-config.btinternet.com", f"{CLOSED} port 443: connection refused"),
    "a host that hangs": (broken(zone=(f"{line_of('ua-auto-config', 'CNAME')} {TARGET}", f"ua-auto-config A {SILENT}")), "ua-auto-config.btinternet.com", f"{SILENT} does not respond within 3 seconds"),
    "an expired certificate": (broken(certificate=lambda ca: {"autodiscover.btinternet.com": ca.issue("autodiscover.btinternet.com", days=-1)}), "autodiscover.btinternet.com", "the certificate has expired"),
    "a self-signed certificate": (broken(certificate=lambda ca: {"autoconfig.btinternet.com": ca.self_signed("autoconfig.btinternet.com")}), "autoconfig.btinternet.com", "the certificate is self-signed"),
    "a certificate for another name": (broken(certificate=lambda ca: {"ua-auto-config.btinternet.com": ca.issue("www.btinternet.com")}), "ua-auto-config.btinternet.com", "the certificate is not for ua-auto-config.btinternet.com"),
    "another autoconfig file": (broken(site=("https://autoconfig.btinternet.com", "header /mail/* Content-Type text/xml\n  respond /mail/* <clientConfig/>")), AUTOCONFIG, "the document does not match the definition"),
    "another PACC document": (broken(site=("https://ua-auto-config.btinternet.com", "header Content-Type application/json\n  respond `{\"protocols\": {}}`")), "https://ua-auto-config.btinternet.com/.well-known/user-agent-configuration.json", "the document does not match the definition"),
    "a wrong Content-Type": (broken(site=("https://autoconfig.btinternet.com", "header /mail/* {\n    defer\n    Content-Type text/html\n  }")), AUTOCONFIG, "the Content-Type is text/html"),
    "Autodiscover requests that are not passed on": (broken(site=("https://autodiscover.btinternet.com", "respond /autodiscover/autodiscover.xml 404")), "https://autodiscover.btinternet.com/autodiscover/autodiscover.xml (POST)", "responds with 404"),
    "Autodiscover that requires a password": (broken(site=("https://autodiscover.btinternet.com", "respond /autodiscover/autodiscover.xml 401")), "https://autodiscover.btinternet.com/autodiscover/autodiscover.xml (POST)", "requires a password"),
    "a JSON lookup that is refused": (broken(site=("https://autodiscover.btinternet.com", "respond /autodiscover/autodiscover.json 400")), "https://autodiscover.btinternet.com/autodiscover/autodiscover.json (with an address)", "responds with 400"),
    "a redirect loop": (broken(site=("https://autoconfig.btinternet.com", "redir /mail/* {uri}")), AUTOCONFIG, "redirects to itself"),
    "a redirect to a mail address": (broken(site=("https://autoconfig.btinternet.com", "redir /mail/* mailto:x@y")), AUTOCONFIG, "redirects to mailto:x@y, which is not a web address"),
    "no redirect for Outlook": (broken(site=("http://autodiscover.btinternet.com", "respond 404")), "http://autodiscover.btinternet.com/autodiscover/autodiscover.xml", "responds with 404"),
    "Outlook redirected elsewhere": (broken(site=("http://autodiscover.btinternet.com", "redir https://www.btinternet.com/")), "http://autodiscover.btinternet.com/autodiscover/autodiscover.xml", "responds with 302 https://www.btinternet.com/"),
    "nothing over http": (broken(site=("http://autoconfig.btinternet.com", "respond 404")), "http://autoconfig.btinternet.com/mail/config-v1.1.xml", "responds with 404"),
    "profiles that caches may store": (broken(site=("https://autoconfig.btinternet.com", 'header /email.mobileconfig {\n    defer\n    Cache-Control "public, max-age=600"\n  }')), "https://autoconfig.btinternet.com/email.mobileconfig", "caches may store this response"),
    "a cache that sends another user's profile": (broken(site=("https://autoconfig.btinternet.com", "rewrite /email.mobileconfig /email.mobileconfig?emailaddress=bt-autoconfig-check@btinternet.com")), "https://autoconfig.btinternet.com/email.mobileconfig", "the document does not match the definition"),
    "a website that requires a password": (broken(site=("https://btinternet.com", "respond /autodiscover/* 401")), "https://btinternet.com", "/autodiscover/autodiscover.xml requires a password"),
    "a website with old settings": (broken(site=("https://btinternet.com", "header /.well-known/* Content-Type text/xml\n  respond /.well-known/* `<clientConfig><emailProvider id=\"a.b\"><incomingServer type=\"imap\"><hostname>old.example</hostname><port>1</port><socketType>SSL</socketType></incomingServer><outgoingServer type=\"smtp\"><hostname>old.example</hostname><port>2</port><socketType>SSL</socketType></outgoingServer></emailProvider></clientConfig>`")), "https://btinternet.com", "/.well-known/autoconfig/mail/config-v1.1.xml has other settings"),
    # Mail servers
    "a closed port": (broken(mail={"imaps": 0}), f"imap {MAIL_HOST}:993", "192.0.2.1 port 993: connection refused"),
    "a mail server with an expired certificate": (submission(lambda ca: ca.issue(MAIL_HOST, days=-1)), SMTP, "the certificate has expired"),
    "a mail server with a self-signed certificate": (submission(lambda ca: ca.self_signed(MAIL_HOST)), SMTP, "the certificate is self-signed"),
    "a mail server with the wrong certificate": (submission(lambda ca: ca.issue("smtp.example")), SMTP, f"the certificate is not for {MAIL_HOST}"),
    "no login at the submission server": (broken(mail={"sasl": "no"}), SMTP, "the server does not offer password-cleartext"),
    "a missing help page": (broken(site=("https://www.bt.com", "respond /help/* 404\n  respond 200")), "page https://www.bt.com/help/email", "responds with 404"),
    "STARTTLS instead of implicit TLS": (broken(mail={"submission": "465 inet n - n - - smtpd"}), SMTP, "port 465 offers STARTTLS instead of SSL"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_causes_exactly_one_error(deployment: Deployment, fault: str) -> None:
    break_, subject, text = FAULTS[fault]
    break_(deployment)
    deployment.start()
    verdict = deployment.check()
    assert verdict.status == 1
    assert len(verdict.of("error")) == 1, verdict.of("error")
    ((wrong, found),) = verdict.of("error")
    assert wrong == subject
    assert text in found
    assert [line["remedy"] for line in verdict.lines if line["verdict"] == "error"] != [""]
    if fault == "a certificate for another name" and (file := os.environ.get("RECORD_CHECK")):
        picture(verdict.lines, Path(file))


STARTTLS = """<clientConfig version="1.1"><emailProvider id="btinternet.com"><domain>btinternet.com</domain>
<displayName>STARTTLS</displayName>
<incomingServer type="imap"><hostname>mail.btinternet.com</hostname><port>143</port><socketType>STARTTLS</socketType>
<authentication>password-cleartext</authentication><username>%EMAILLOCALPART%</username></incomingServer>
<outgoingServer type="smtp"><hostname>mail.btinternet.com</hostname><port>587</port><socketType>STARTTLS</socketType>
<authentication>password-cleartext</authentication><username>%EMAILLOCALPART%</username></outgoingServer>
</emailProvider></clientConfig>"""


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({}, []),
        (
            {"submission_tls": "none"},
            [("smtp mail.btinternet.com:587", "the settings say STARTTLS, but the server does not offer it")],
        ),
        (
            {"imap_tls": "no"},
            [("imap mail.btinternet.com:143", "the settings say STARTTLS, but the server does not offer it")],
        ),
    ],
)
def test_starttls_is_tried_and_its_absence_is_an_error(
    deployment: Deployment, tmp_path: Path, changes: dict[str, object], wrong: list[tuple[str, str]]
) -> None:
    deployment.starttls, deployment.definition = True, tmp_path / "starttls.xml"
    deployment.definition.write_text(STARTTLS)
    printed = subprocess.run(
        [COMMAND, "dns", "--host", "web.btinternet.com", "--definition", deployment.definition],
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    zone = deployment.zones[DOMAIN]
    deployment.zones[DOMAIN] = zone[: zone.index("; btinternet.com")] + printed
    deployment.mail |= changes
    deployment.start()
    assert deployment.check().of("error") == wrong


def test_hosts_that_hang_are_checked_concurrently(deployment: Deployment) -> None:
    """The check takes hardly longer if all of the provider's hosts hang than if one does."""
    for host in ("autoconfig", "autodiscover", "ua-auto-config"):
        deployment.change_zone(f"{line_of(host, 'CNAME')} {TARGET}", f"{host} A {SILENT}")
    deployment.start()
    began = time.monotonic()
    deployment.check(timeout=4)
    assert time.monotonic() - began < 2 * 4
