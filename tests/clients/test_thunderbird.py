import pytest

from tests.clients.network import Network
from tests.clients.thunderbird import Server, Thunderbird
from tests.clients.tls import Authority

ADDRESS = "fred.bloggs@btinternet.com"
IMAP = Server("imap", "mail.btinternet.com", 993, "SSL", "passwordCleartext", ADDRESS)
POP3 = Server("pop3", "mail.btinternet.com", 995, "SSL", "passwordCleartext", ADDRESS)
SMTP = Server("smtp", "mail.btinternet.com", 465, "SSL", "passwordCleartext", ADDRESS)


@pytest.mark.usefixtures("names", "front", "served")
def test_thunderbird_finds_the_whole_account_over_https(lab_network: Network, authority: Authority) -> None:
    account = Thunderbird(lab_network, authority.certificate).discover(ADDRESS)
    assert account
    assert account.source == "xml-from-isp-https"
    assert (account.incoming, account.outgoing, account.alternatives) == (IMAP, SMTP, (POP3,))
    assert ADDRESS not in lab_network.printed()
