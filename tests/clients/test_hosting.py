"""Domains that a provider hosts, with real clients, Caddy's certificates on demand, and aliases."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from autoconfig.definition import EMBEDDED
from tests.clients import dns
from tests.clients.conftest import CLERK, DOMAINS, KEEPER, MAIL_HOST, OWNER, PASSWORD, serve
from tests.clients.deltachat import converse
from tests.clients.mail import MailServers
from tests.clients.network import Network
from tests.clients.test_thunderbird import bt_account
from tests.clients.thunderbird import Thunderbird
from tests.clients.tls import Authority
from tests.deploy.proxies import start_caddy

WEB = "web.btinternet.com"
"""The server's name. Customers' names are aliases of it."""
BY_MX, BY_NAME, ELSEWHERE = "customer.example", "shop.example", "elsewhere.example"
_ALIASES = ("autoconfig", "autodiscover")


def zones(*provider: str, aliases: tuple[str, ...] = _ALIASES) -> dict[str, str]:
    """Return the zones of the provider, with some hosts of clients, of two customers, and of another provider's domain."""
    found = {BY_MX: dns.records(mx=MAIL_HOST), "btinternet.com": dns.records("web", "mail", *provider)}
    for domain, mx in ((BY_NAME, MAIL_HOST), (ELSEWHERE, f"mail.{ELSEWHERE}")):
        found[domain] = dns.records(mx=mx) + "".join(f"{alias} CNAME {WEB}.\n" for alias in aliases)
    found[ELSEWHERE] += dns.records("mail")
    return found


@pytest.fixture
def definition(tmp_path: Path) -> Path:
    """BT's definition, as if BT hosted customers' domains."""
    file = tmp_path / "hosting.xml"
    file.write_text(EMBEDDED.read_text().replace("<domain>btinternet.com", '<domain purpose="mx">btinternet.com'))
    return file


@pytest.fixture(params=["a list", "the DNS"])
def recognised_by(request: pytest.FixtureRequest, lab: Network, definition: Path, tmp_path: Path) -> Iterator[str]:
    """Serve the definition, with or without a list of the customers."""
    lists: list[str | Path] = []
    if request.param == "a list":
        customers = tmp_path / "customers.txt"
        customers.write_text(f"# customers\n{BY_MX}\n{BY_NAME.upper()}\n")
        lists = ["--hosted-domains", customers]
    serve(lab, "--definition", definition, *lists)
    start_caddy(lab)
    yield request.param
    assert not [one for one in certificates(lab) if ELSEWHERE in one or one in (BY_MX, BY_NAME)]


@pytest.fixture
def mail(lab: Network, authority: Authority) -> MailServers:
    """The provider's mail servers, with the customers' mailboxes."""
    passwords = dict.fromkeys((OWNER, KEEPER, CLERK), PASSWORD)
    return MailServers(lab, MAIL_HOST, authority.issue(MAIL_HOST), (*DOMAINS, BY_MX, BY_NAME), passwords)


def root_of_caddy(lab: Network) -> Path:
    return lab.folder / "caddy" / "caddy" / "pki" / "authorities" / "local" / "root.crt"


def certificates(lab: Network) -> set[str]:
    """Return the names for which Caddy has certificates."""
    return {one.stem for one in (lab.folder / "caddy" / "caddy" / "certificates").glob("*/*/*.crt")}


def fetch(lab: Network, url: str, *, attempts: int = 5) -> str:
    """Request a URL, as docs/deploy.md does once for each new name; return the status and the redirect.

    Caddy 2.6 rejects a handshake for a new name soon after another one.
    """
    trusted = ["--cacert", str(root_of_caddy(lab))] if url.startswith("https:") else []
    wanted = ["--output", "/dev/null", "--write-out", "%{http_code} %{redirect_url}"]
    again = ["--retry", str(attempts - 1), "--retry-all-errors", "--retry-delay", "1"]
    return lab.run(["curl", "--silent", *again, *trusted, *wanted, url]).splitlines()[-1].strip()


@pytest.mark.usefixtures("recognised_by", "mail")
def test_thunderbird_finds_a_customers_settings_through_its_mx_record(lab: Network, authority: Authority) -> None:
    dns.start_resolver(lab, zones("autoconfig", "autodiscover"))
    assert fetch(lab, "https://autoconfig.btinternet.com/mail/config-v1.1.xml") == "200"
    result = Thunderbird(lab, authority, root_of_caddy(lab)).correspond(OWNER, PASSWORD)
    assert result.account == bt_account("xml-from-isp-https", OWNER)
    assert result.subject == "To myself"
    assert certificates(lab) >= {"autoconfig.btinternet.com"}


@pytest.mark.usefixtures("recognised_by", "mail")
def test_thunderbird_finds_a_customers_settings_at_the_customers_own_hosts(lab: Network, authority: Authority) -> None:
    dns.start_resolver(lab, zones())  # no server at the provider's names, so only the customer's own can work
    for name in _ALIASES:
        assert fetch(lab, f"https://{name}.{BY_NAME}/healthz") == "200"
    result = Thunderbird(lab, authority, root_of_caddy(lab)).correspond(KEEPER, PASSWORD)
    assert result.account == bt_account("xml-from-isp-https", KEEPER)
    assert result.subject == "To myself"
    assert certificates(lab) == {f"{name}.{BY_NAME}" for name in _ALIASES}
    provider = "302 https://autodiscover.btinternet.com/autodiscover/autodiscover.xml"
    assert fetch(lab, f"http://autodiscover.{BY_NAME}/autodiscover/autodiscover.xml") == provider


@pytest.mark.usefixtures("recognised_by", "mail")
def test_delta_chat_finds_a_customers_settings_at_the_customers_autodiscover_host(lab: Network) -> None:
    dns.start_resolver(lab, zones(aliases=("autodiscover",)))
    assert fetch(lab, f"https://autodiscover.{BY_NAME}/autodiscover/autodiscover.xml") == "200"
    result = converse(lab, PASSWORD, KEEPER, CLERK)
    assert result.received == "Hello."
    # Delta Chat tries implicit TLS first. STARTTLS on the same port is its own guess.
    assert "imap:[mail.btinternet.com:993:tls, " in result.settings
    assert "smtp:[mail.btinternet.com:465:tls, " in result.settings
    assert certificates(lab) == {f"autodiscover.{BY_NAME}"}


@pytest.mark.usefixtures("recognised_by")
def test_a_domain_with_another_mail_provider_gets_no_certificate_and_no_settings(
    lab: Network, authority: Authority
) -> None:
    dns.start_resolver(lab, zones("autoconfig", "autodiscover"))
    assert fetch(lab, "https://autoconfig.btinternet.com/healthz") == "200"
    for name in _ALIASES:
        with pytest.raises(AssertionError, match="curl failed"):
            fetch(lab, f"https://{name}.{ELSEWHERE}/healthz", attempts=1)
    settings = "mail/config-v1.1.xml?emailaddress=fred@"
    for host in (f"http://autoconfig.{ELSEWHERE}", "https://autoconfig.btinternet.com"):
        assert fetch(lab, f"{host}/{settings}{ELSEWHERE}") == "404"
        assert fetch(lab, f"{host}/{settings}{BY_MX}") == "200"
    assert Thunderbird(lab, authority, root_of_caddy(lab)).discover(f"fred@{ELSEWHERE}", PASSWORD) is None
