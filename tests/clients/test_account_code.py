"""The code for Thunderbird for Android contains the account that Thunderbird sets up from the address."""

import json

import pytest
from lxml.html import document_fromstring

from autoconfig.site.qr_code import QRCode
from tests.clients.conftest import FRED, PASSWORD
from tests.clients.network import Network
from tests.clients.thunderbird import Server, Thunderbird
from tests.clients.tls import Authority
from tests.site.test_account_code import scanned

PAGE = "https://autoconfig.btinternet.com/en/setup/thunderbird-android/"
SECURITY = {0: "plain", 2: "alwaysSTARTTLS", 3: "SSL"}
METHODS = {1: "passwordCleartext", 2: "passwordEncrypted", 6: "OAuth2"}


def server(kind: str, host: str, port: int, security: int, method: int, username: str) -> Server:
    """Return a server from the code in Thunderbird's terms."""
    return Server(kind, host, port, SECURITY[security], METHODS[method], username)


@pytest.mark.usefixtures("names", "served", "mail", "proxy")
def test_thunderbird_and_a_scanned_code_set_up_the_same_account(lab: Network, authority: Authority) -> None:
    form = ["--data-urlencode", f"emailaddress={FRED}"]
    page = lab.run(["curl", "--silent", "--fail", "--cacert", authority.certificate, *form, PAGE])
    (code,) = document_fromstring(page).xpath("//svg[@class='account']")
    text = scanned(QRCode(code.xpath("string(path/@d)"), int(code.get("viewbox").split()[2])))
    _, _, (kind, *incoming), (((_, *outgoing), (address, _)),) = json.loads(text)
    account = Thunderbird(lab, authority).correspond(FRED, PASSWORD, "imap").account
    assert server({0: "imap", 1: "pop3"}[kind], *incoming) == account.incoming
    assert server("smtp", *outgoing) == account.outgoing
    assert address == FRED
