import hashlib
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.clients import dns
from tests.clients.conftest import FRED, MAIL_HOST, assert_no_errors, correct_zones, publish, serve, web_names
from tests.clients.desktop import version
from tests.clients.evolution import Account, Server, set_up
from tests.clients.network import Network
from tests.clients.record import Recorder
from tests.clients.tls import Authority, ReverseProxy

TLS, STARTTLS = "ssl-on-alternate-port", "starttls-on-standard-port"
PROPOSED = Account(
    address=FRED,
    incoming=Server("imapx", MAIL_HOST, 993, TLS, FRED),
    outgoing=Server("smtp", MAIL_HOST, 465, TLS, FRED),
)
"""What Evolution must make of BT's settings."""


def propose(lab: Network, authority: Authority, *pages: str, address: str = FRED) -> Account:
    """Return the account that Evolution proposes for an address, and stores."""
    return set_up(lab, authority, "Fred Bloggs", address, *pages)


def record(
    recorder: Recorder, situation: str, proxy: ReverseProxy, account: Account, pages: str = "proposed and stored"
) -> None:
    servers = (account.incoming, account.outgoing)
    proposed = ", ".join(f"{one.backend} {one.host}:{one.port} {one.security}" for one in servers)
    recorder.add(version("Evolution", "evolution"), situation, proxy, f"{proposed}; {pages}")


@pytest.mark.usefixtures("names", "served")
def test_evolution_proposes_the_settings_and_sends_a_hash_in_place_of_the_address(
    lab: Network, authority: Authority, proxy: ReverseProxy, recorder: Recorder
) -> None:
    account = propose(lab, authority)
    assert account == PROPOSED
    assert [(request.place, request.status) for request in proxy.requests()] == [
        ("https://autoconfig.btinternet.com/mail/config-v1.1.xml", 200)
    ]
    sent = {"emailaddress": ["EVOLUTIONUSER@btinternet.com"], "emailmd5": [hashlib.md5(FRED.encode()).hexdigest()]}
    assert [parse_qs(urlsplit(request.url).query) for request in proxy.requests()] == [sent]
    record(recorder, "everything is up", proxy, account)


@pytest.mark.usefixtures("served")
def test_evolution_needs_only_the_well_known_url_on_the_domain(
    lab: Network, authority: Authority, proxy: ReverseProxy, recorder: Recorder
) -> None:
    publish(lab, "@")
    account = propose(lab, authority)
    assert account == PROPOSED
    assert [(request.place, request.status) for request in proxy.requests()] == [
        ("https://btinternet.com/.well-known/autoconfig/mail/config-v1.1.xml", 200)
    ]
    record(recorder, "only DOMAIN is in DNS, no autoconfig host", proxy, account)


def test_evolution_proposes_an_account_from_srv_records_alone(
    lab: Network, authority: Authority, proxy: ReverseProxy, recorder: Recorder
) -> None:
    zones = correct_zones()
    srv = [line for line in zones["btinternet.com"].splitlines() if " SRV " in line]
    dns.start_resolver(lab, zones | {"btinternet.com": "\n".join([dns.records("mail", mx=MAIL_HOST), *srv])})
    account = propose(lab, authority, "Receiving Email", "Receiving Options", "Sending Email")
    assert account == PROPOSED
    assert proxy.requests() == []
    record(recorder, "only SRV records in DNS", proxy, account, "filled in on each page, and stored")


def test_evolution_uses_starttls_and_the_username_of_a_second_definition(
    lab: Network, authority: Authority, second: Path, recorder: Recorder
) -> None:
    serve(lab, "--definition", second)
    proxy = ReverseProxy(lab, authority.issue(*web_names("second.example")))
    account = propose(lab, authority, address="fred.bloggs@second.example")
    assert account == Account(
        address="fred.bloggs@second.example",
        incoming=Server("imapx", "mail.second.example", 143, STARTTLS, "fred.bloggs"),
        outgoing=Server("smtp", "mail.second.example", 587, STARTTLS, "fred.bloggs"),
    )
    assert_no_errors(proxy)
    record(recorder, "a second definition: STARTTLS, username before the @", proxy, account)
