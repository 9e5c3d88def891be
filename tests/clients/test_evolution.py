import hashlib
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.clients.conftest import FRED, MAIL_HOST, publish
from tests.clients.desktop import version
from tests.clients.evolution import Account, Server, set_up
from tests.clients.network import Network
from tests.clients.record import Recorder
from tests.clients.tls import Authority, Front

PROPOSED = Account(
    address=FRED,
    incoming=Server("imapx", MAIL_HOST, 993, "ssl-on-alternate-port", FRED),
    outgoing=Server("smtp", MAIL_HOST, 465, "ssl-on-alternate-port", FRED),
)
"""What Evolution must make of BT's settings."""


def told(account: Account) -> str:
    servers = (account.incoming, account.outgoing)
    return ", ".join(f"{one.backend} {one.host}:{one.port} {one.security}" for one in servers)


@pytest.mark.usefixtures("names", "served")
def test_evolution_proposes_the_settings_and_sends_a_hash_in_place_of_the_address(
    lab: Network, authority: Authority, front: Front, recorder: Recorder
) -> None:
    account = set_up(lab, authority, "Fred Bloggs", FRED)
    assert account == PROPOSED
    assert {(request.place, request.status) for request in front.requests()} == {
        ("https://autoconfig.btinternet.com/mail/config-v1.1.xml", 200)
    }
    sent = {"emailaddress": ["EVOLUTIONUSER@btinternet.com"], "emailmd5": [hashlib.md5(FRED.encode()).hexdigest()]}
    assert [parse_qs(urlsplit(request.url).query) for request in front.requests()] == [sent]
    recorder.add(version("Evolution", "evolution"), "all is up", front, f"{told(account)}; proposed and stored")


@pytest.mark.usefixtures("served")
def test_evolution_needs_only_the_well_known_url_on_the_domain(
    lab: Network, authority: Authority, front: Front, recorder: Recorder
) -> None:
    publish(lab, "@")
    account = set_up(lab, authority, "Fred Bloggs", FRED)
    assert account == PROPOSED
    assert ("https://btinternet.com/.well-known/autoconfig/mail/config-v1.1.xml", 200) in {
        (request.place, request.status) for request in front.requests()
    }
    recorder.add(
        version("Evolution", "evolution"),
        "only DOMAIN is in DNS, no autoconfig host",
        front,
        f"{told(account)}; proposed and stored",
    )
