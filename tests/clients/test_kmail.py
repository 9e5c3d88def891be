import pytest

from tests.clients import dns
from tests.clients.conftest import FRED, MAIL_HOST, correct_zones
from tests.clients.desktop import version
from tests.clients.kmail import Server, look_up
from tests.clients.network import Network
from tests.clients.record import Recorder
from tests.clients.tls import Authority, ReverseProxy


@pytest.mark.usefixtures("served")
def test_kmails_lookup_finds_the_settings_and_sends_no_address(
    lab: Network, authority: Authority, proxy: ReverseProxy, recorder: Recorder
) -> None:
    # KMail also requests Thunderbird's database, which does not exist here.
    dns.start_resolver(lab, correct_zones())
    servers = look_up(lab, authority, FRED)
    assert servers == [
        Server("imap", MAIL_HOST, 993, "SSL", FRED, "plain"),
        Server("pop3", MAIL_HOST, 995, "SSL", FRED, "plain"),
        Server("smtp", MAIL_HOST, 465, "SSL", FRED, "plain"),
    ]
    assert [(request.url, request.status) for request in proxy.requests()] == [
        ("https://autoconfig.btinternet.com/mail/config-v1.1.xml", 200)
    ]
    found = ", ".join(f"{one.kind} {one.host}:{one.port} {one.encryption}" for one in servers)
    recorder.add(version("KMail (lookup of its account wizard)", "accountwizard"), "everything is up", proxy, found)
