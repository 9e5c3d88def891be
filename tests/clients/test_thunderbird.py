from dataclasses import replace
from pathlib import Path

import pytest

from autoconfig.definition import EMBEDDED
from tests.clients import dns
from tests.clients.conftest import DOMAINS, FRED, OWNER, PASSWORD, publish, serve, web_names
from tests.clients.mail import MailServers
from tests.clients.network import Network
from tests.clients.record import Recorder
from tests.clients.thunderbird import Account, Server, Thunderbird, version
from tests.clients.tls import Authority, ReverseProxy

IMAP = Server("imap", "mail.btinternet.com", 993, "SSL", "passwordCleartext", FRED)
POP3 = Server("pop3", "mail.btinternet.com", 995, "SSL", "passwordCleartext", FRED)
SMTP = Server("smtp", "mail.btinternet.com", 465, "SSL", "passwordCleartext", FRED)


def bt_account(source: str, username: str = FRED) -> Account:
    """Return the account that Thunderbird must set up from BT's settings."""
    imap, pop3, smtp = (replace(server, username=username) for server in (IMAP, POP3, SMTP))
    return Account(source, imap, smtp, (pop3,))


def summary(account: Account | None) -> str:
    """Return an account's source and servers for the record."""
    if account is None:
        return "nothing found"
    servers = ", ".join(f"{one.type} {one.hostname}:{one.port} {one.socketType}" for one in account.servers())
    return f"`{account.source}`: {servers}"


@pytest.mark.usefixtures("names", "served", "mail")
@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_an_address_and_a_password_are_enough_to_send_and_receive(
    lab: Network, authority: Authority, proxy: ReverseProxy, recorder: Recorder, protocol: str
) -> None:
    result = Thunderbird(lab, authority).correspond(FRED, PASSWORD, protocol)
    assert result.account == bt_account("xml-from-isp-https")
    assert result.subject == "To myself"
    recorder.add(
        version(), f"everything is up; {protocol}", proxy, f"{summary(result.account)}; logged in, sent and received"
    )


@pytest.mark.usefixtures("served")
def test_the_well_known_url_of_the_domain_is_enough(
    lab: Network, authority: Authority, proxy: ReverseProxy, recorder: Recorder
) -> None:
    publish(lab, "@")
    account = Thunderbird(lab, authority).discover(FRED, PASSWORD)
    assert account == bt_account("xml-from-isp-https")
    assert {request.place for request in proxy.requests() if request.status == 200} >= {
        "https://btinternet.com/.well-known/autoconfig/mail/config-v1.1.xml"
    }
    recorder.add(version(), "only DOMAIN is in DNS, no autoconfig host", proxy, summary(account))


@pytest.mark.usefixtures("names", "served")
def test_settings_are_found_over_http_alone(lab: Network, authority: Authority, recorder: Recorder) -> None:
    proxy = ReverseProxy(lab, None)
    account = Thunderbird(lab, authority).discover(FRED)
    assert account == bt_account("xml-from-isp-http")
    recorder.add(version(), "no https at all", proxy, summary(account))


@pytest.mark.usefixtures("names", "served")
def test_a_wrong_certificate_is_not_trusted(lab: Network, authority: Authority, recorder: Recorder) -> None:
    proxy = ReverseProxy(lab, authority.issue("another.example"))
    account = Thunderbird(lab, authority).discover(FRED)
    assert account == bt_account("xml-from-isp-http")
    assert not [request for request in proxy.requests() if request.url.startswith("https:")]
    recorder.add(version(), "https has a certificate for another name", proxy, summary(account))


@pytest.fixture
def hosting(tmp_path: Path) -> Path:
    """BT's definition, as if BT hosted customers' domains."""
    file = tmp_path / "hosting.xml"
    text = EMBEDDED.read_text()
    file.write_text(text.replace("<domain>btinternet.com", '<domain purpose="mx">btinternet.com'))
    assert file.read_text() != text
    return file


@pytest.mark.usefixtures("names", "mail")
def test_a_customers_settings_are_found_through_its_mx_record(
    lab: Network, authority: Authority, proxy: ReverseProxy, recorder: Recorder, hosting: Path
) -> None:
    serve(lab, "--definition", hosting)
    result = Thunderbird(lab, authority).correspond(OWNER, PASSWORD)
    assert result.account == bt_account("xml-from-isp-https", OWNER)
    assert result.subject == "To myself"
    recorder.add(version(), "an address at a domain that the provider hosts (MX)", proxy, summary(result.account))


@pytest.mark.usefixtures("names", "served")
def test_the_mail_server_rejects_a_wrong_password_and_the_server_under_test_neither_requests_nor_logs_it(
    lab: Network, authority: Authority, proxy: ReverseProxy, mail: MailServers
) -> None:
    thunderbird = Thunderbird(lab, authority)
    with pytest.raises(AssertionError, match="Unable to log in at server"):
        thunderbird.correspond(FRED, "wrong")
    assert mail.rejected(FRED)
    # Thunderbird sent the password to Autodiscover, which neither requested nor logged it.
    # (0: lookups that Thunderbird cancelled after another one had succeeded.)
    assert {request.status for request in proxy.requests()} <= {0, 200, 302}


@pytest.mark.usefixtures("served")
def test_nothing_is_found_for_another_providers_domain(lab: Network, authority: Authority, recorder: Recorder) -> None:
    publish(lab, **{"other.example": dns.records("@", "autoconfig", "autodiscover")})
    proxy = ReverseProxy(lab, authority.issue(*web_names("other.example")))
    address = "fred@other.example"
    assert Thunderbird(lab, authority).discover(address, PASSWORD) is None
    autoconfig = [request.status for request in proxy.requests() if "config-v1.1.xml" in request.place]
    assert set(autoconfig) == {404}
    recorder.add(version(), "a domain that is not served", proxy, "nothing found")


@pytest.mark.usefixtures("names", "served", "mail")
def test_autodiscover_alone_is_enough_to_send_and_receive(
    lab: Network, authority: Authority, proxy: ReverseProxy, recorder: Recorder
) -> None:
    thunderbird = Thunderbird(lab, authority, preferences={"mailnews.auto_config.fetchFromISP.enabled": False})
    result = thunderbird.correspond(FRED, PASSWORD)
    assert result.account.source.startswith("exchange-from-url")
    assert (result.account.incoming, result.account.outgoing) == (IMAP, SMTP)
    assert "exchange" not in {server.type for server in result.account.servers()}
    assert result.subject == "To myself"
    assert not [request for request in proxy.requests() if "config-v1.1.xml" in request.place]
    recorder.add(version(), "lookup at the provider switched off", proxy, summary(result.account))


def test_the_settings_of_a_second_provider_are_found_with_starttls_and_other_usernames(
    lab: Network, authority: Authority, recorder: Recorder, second: Path
) -> None:
    serve(lab, "--definition", EMBEDDED, "--definition", second)
    proxy = ReverseProxy(lab, authority.issue(*web_names("second.example")))
    result = Thunderbird(lab, authority).correspond("fred.bloggs@second.example", PASSWORD)
    imap = Server("imap", "mail.second.example", 143, "alwaysSTARTTLS", "passwordCleartext", "fred.bloggs")
    smtp = replace(imap, type="smtp", port=587)
    assert result.account == Account("xml-from-isp-https", imap, smtp, ())
    assert result.subject == "To myself"
    recorder.add(version(), "a second definition: STARTTLS, username before the @", proxy, summary(result.account))


@pytest.mark.usefixtures("served")
def test_the_server_can_replace_thunderbirds_database(lab: Network, authority: Authority, recorder: Recorder) -> None:
    publish(lab, **{"database.example": dns.records("@")})
    proxy = ReverseProxy(lab, authority.issue("database.example"))
    preferences: dict[str, bool | int | str] = {
        "mailnews.auto_config_url": "https://database.example/v1.1/",
        "mailnews.auto_config.fetchFromISP.enabled": False,
        "mailnews.auto_config.fetchFromExchange.enabled": False,
    }
    account = Thunderbird(lab, authority, preferences=preferences).discover(FRED)
    assert account == bt_account("xml-from-db")
    recorder.add(version(), "mailnews.auto_config_url set to this server", proxy, summary(account))


@pytest.mark.usefixtures("names", "served", "mail")
def test_the_mail_servers_accept_only_the_whole_address_and_only_tls(lab: Network) -> None:
    """Otherwise the tests above would prove nothing: a wrong username must fail, and so must a fallback without TLS."""
    listening = lab.run(["ss", "--no-header", "--listening", "--numeric", "--tcp"])
    assert not [port for port in (25, 110, 143, 587) if f":{port} " in listening]
    curl = ["curl", "--silent", "--insecure", "--url", "imaps://mail.btinternet.com", "--user"]
    assert "INBOX" in lab.run([*curl, f"{FRED}:{PASSWORD}"])
    with pytest.raises(AssertionError):
        lab.run([*curl, f"{FRED.partition('@')[0]}:{PASSWORD}"])


def test_every_domain_of_the_definition_is_in_the_lab() -> None:
    assert all(f"<domain>{domain}<" in EMBEDDED.read_text() for domain in DOMAINS)
