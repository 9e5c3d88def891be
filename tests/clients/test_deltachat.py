import pytest

from tests.clients.conftest import JOE, MAXINE, PASSWORD, publish
from tests.clients.deltachat import converse
from tests.clients.network import Network
from tests.clients.record import Recorder
from tests.clients.tls import ReverseProxy


@pytest.mark.usefixtures("names", "served", "mail")
def test_delta_chat_sets_itself_up_with_autoconfig_and_sends_a_message(
    lab: Network, proxy: ReverseProxy, recorder: Recorder
) -> None:
    result = converse(lab, PASSWORD, JOE, MAXINE)
    assert result.received == "Hello."
    assert "imap:[mail.btinternet.com:993:tls] smtp:[mail.btinternet.com:465:tls]" in result.settings
    requests = {(request.place, request.status) for request in proxy.requests()}
    assert requests == {("https://autoconfig.talk21.com/mail/config-v1.1.xml", 200)}
    recorder.add(
        f"Delta Chat core {result.version}", "everything is up", proxy, f"`{result.settings}`; sent and received"
    )


@pytest.mark.usefixtures("served", "mail")
def test_delta_chat_sets_itself_up_with_autodiscover_alone_and_sends_a_message(
    lab: Network, proxy: ReverseProxy, recorder: Recorder
) -> None:
    publish(lab, "autodiscover")
    result = converse(lab, PASSWORD, JOE, MAXINE)
    assert result.received == "Hello."
    # Delta Chat tries implicit TLS first. STARTTLS on the same port is its own guess.
    assert "imap:[mail.btinternet.com:993:tls, " in result.settings
    assert "smtp:[mail.btinternet.com:465:tls, " in result.settings
    requests = {(request.place, request.status) for request in proxy.requests()}
    assert requests == {("https://autodiscover.talk21.com/autodiscover/autodiscover.xml", 200)}
    recorder.add(
        f"Delta Chat core {result.version}",
        "no autoconfig host and no DOMAIN in DNS",
        proxy,
        f"`{result.settings}`; sent and received",
    )
