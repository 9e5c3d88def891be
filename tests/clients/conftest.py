"""The lab for real clients: a network with DNS, certificates, a reverse proxy, mail servers and the server under test.

client ── DNS (Knot)
   ├── https, http ── reverse proxy (Caddy) ── bt-autoconfig serve
   └── IMAPS, POP3S (Dovecot), submissions (Postfix)
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoconfig.directory import CLIENT_HOSTS
from tests.clients import dns
from tests.clients.mail import MailServers
from tests.clients.network import Network, network
from tests.clients.record import Recorder
from tests.clients.tls import Authority, ReverseProxy
from tests.support import COMMAND, Unavailable

PROGRAMS = {
    "/usr/libexec/at-spi-bus-launcher": "at-spi2-core",
    "Xvfb": "xvfb",
    "caddy": "caddy",
    "certutil": "libnss3-tools",
    "dbus-run-session": "dbus-daemon",
    "dovecot": "dovecot-imapd dovecot-pop3d",
    "evolution": "evolution",
    "ip": "iproute2",
    "ispdb": "accountwizard",
    "knotd": "knot",
    "named": "bind9",
    "nginx": "nginx-light",
    "nsd": "nsd",
    "postfix": "postfix",
    "thunderbird": "thunderbird",
}
"""The lab's programs, and their Debian packages."""

DOMAINS = ("btinternet.com", "btopenworld.com", "talk21.com")
MAIL_HOST = "mail.btinternet.com"
REDIRECTS = (301, 302, 303, 307, 308)
WEB_HOSTS = ("@", "autoconfig", "autodiscover")

FRED = "fred.bloggs@btinternet.com"
JOE = "joe.soap@talk21.com"
MAXINE = "maxine@talk21.com"
OWNER = "owner@customer.example"
"""An address at a customer's domain."""
KEEPER, CLERK = "keeper@shop.example", "clerk@shop.example"
"""Addresses at a customer's domain with hosts for clients."""
PASSWORD = "correct horse battery"


SECOND = """<clientConfig version="1.1">
  <emailProvider id="second.example">
    <domain>second.example</domain>
    <displayName>Second</displayName>
    <incomingServer type="imap">
      <hostname>mail.%EMAILDOMAIN%</hostname>
      <port>143</port>
      <socketType>STARTTLS</socketType>
      <authentication>password-cleartext</authentication>
      <username>%EMAILLOCALPART%</username>
    </incomingServer>
    <outgoingServer type="smtp">
      <hostname>mail.%EMAILDOMAIN%</hostname>
      <port>587</port>
      <socketType>STARTTLS</socketType>
      <authentication>password-cleartext</authentication>
      <username>%EMAILLOCALPART%</username>
    </outgoingServer>
  </emailProvider>
</clientConfig>
"""


def missing() -> str:
    """Return what the lab lacks on this machine, and how to install it."""
    if os.geteuid() != 0:
        return "network namespaces need root: sudo make test-clients"
    packages = sorted({package for program, package in PROGRAMS.items() if not shutil.which(program)})
    return f"not installed: {' '.join(packages)}; `make test-clients` installs them (Debian)" if packages else ""


_UNAVAILABLE = Unavailable("tests/clients", missing(), "REQUIRE_CLIENTS")
collect_ignore_glob = _UNAVAILABLE.files
pytest_terminal_summary = _UNAVAILABLE.report


@pytest.fixture(scope="package", autouse=True)
def _complete() -> None:
    _UNAVAILABLE.fail_if_required()


@pytest.fixture
def lab() -> Iterator[Network]:
    """The network. If a test fails, the report contains the output of its programs."""
    with network() as made:
        yield made
        print(made.printed())  # noqa: T201 - pytest shows it only if the test fails


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def second(lab: Network, authority: Authority, tmp_path: Path) -> Path:
    """Another provider's definition, with its DNS and mail servers: STARTTLS, and login with the part before the @."""
    domain = "second.example"
    publish(lab, **{domain: dns.records(*WEB_HOSTS, "mail")})
    host = f"mail.{domain}"
    MailServers(lab, host, authority.issue(host), (domain,), {"fred.bloggs": PASSWORD}, starttls=True)
    definition = tmp_path / "second.xml"
    definition.write_text(SECOND)
    return definition


def correct_zones() -> dict[str, str]:
    """Return the zones of the provider, with the records that `bt-autoconfig dns` prints, and of a customer.

    The server has a name in each zone, because an authoritative name server does not follow aliases into other zones.
    """
    zones = {
        domain: dns.records("@", "web", mx=MAIL_HOST) + dns.published(domain, f"web.{domain}") for domain in DOMAINS
    }
    zones["btinternet.com"] = dns.records("mail") + zones["btinternet.com"]
    return zones | {"customer.example": dns.records(mx=MAIL_HOST), "bt.com": dns.records("www")}


def publish(lab: Network, *hosts: str, **others: str) -> None:
    """Publish the zones of the provider, with addresses for some of its web hosts, and of a customer."""
    zones = {domain: dns.records(*hosts, mx=MAIL_HOST) for domain in DOMAINS}
    zones["btinternet.com"] += dns.records("mail")
    zones["customer.example"] = dns.records(mx=MAIL_HOST)
    dns.start(lab, zones | others)


@pytest.fixture
def names(lab: Network) -> None:
    """DNS with the records that `bt-autoconfig dns` prints."""
    dns.start(lab, correct_zones())


def web_names(*domains: str) -> list[str]:
    return [f"{prefix}{domain}" for domain in domains for prefix in CLIENT_HOSTS]


@pytest.fixture
def proxy(lab: Network, authority: Authority) -> Iterator[ReverseProxy]:
    """HTTPS and HTTP for all hosts that clients use."""
    proxy = ReverseProxy(lab, authority.issue(*web_names(*DOMAINS)))
    yield proxy
    assert_no_errors(proxy)


def assert_no_errors(proxy: ReverseProxy) -> None:
    """Check that no response was a 401, a server error, or a redirect from https. A 304 is no redirect."""
    requests = proxy.requests()
    assert not [request for request in requests if request.status == 401 or request.status >= 500]
    assert not [request for request in requests if request.status in REDIRECTS and request.url.startswith("https:")]


@pytest.fixture
def mail(lab: Network, authority: Authority) -> MailServers:
    """The provider's mail servers, with mailboxes."""
    passwords = dict.fromkeys((FRED, JOE, MAXINE, OWNER), PASSWORD)
    return MailServers(lab, MAIL_HOST, authority.issue(MAIL_HOST), (*DOMAINS, "customer.example"), passwords)


def serve(lab: Network, *arguments: str | Path) -> None:
    """Start the server under test."""
    lab.start("bt-autoconfig", [COMMAND, "serve", *arguments])
    lab.wait_for_port(8000)


@pytest.fixture
def served(lab: Network) -> None:
    """The server under test, with default options."""
    serve(lab)


@pytest.fixture(autouse=True)
def _nothing_leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    """Check that no client and no program except mail servers prints an address or a password of a test."""
    lab: Network = request.getfixturevalue("lab")
    yield
    printed = lab.printed(but=("dovecot", "postfix"))
    for address in (FRED, JOE, MAXINE, OWNER, KEEPER, CLERK):
        assert address not in printed
        assert address.partition("@")[0] not in printed
        assert address.replace("@", "%40") not in printed
    assert PASSWORD not in printed


@pytest.fixture(scope="session")
def recorder() -> Iterator[Recorder]:
    """Records the clients' requests and results for docs/clients.md."""
    recorder = Recorder()
    yield recorder
    if file := os.environ.get("RECORD_CLIENTS"):
        recorder.write(Path(file))
