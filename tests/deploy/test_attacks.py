"""Attacks on the server, directly and through the reverse proxies of deploy/, during requests of a thousand clients."""

import asyncio
import json
import ssl
import sys
from pathlib import Path

import pytest

from tests.attacks import ATTACKS, Target, run_attacks
from tests.clients.network import ADDRESS, network
from tests.clients.tls import Authority
from tests.deploy.proxies import HOST, certificates, start_caddy, start_nginx
from tests.support import COMMAND

CLIENTS = 1000


@pytest.mark.parametrize("proxy", ["caddy", "nginx"])
def test_a_thousand_clients_get_their_own_responses_through_a_proxy_during_attacks(proxy: str, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with network() as lab:
        lab.start("server", [COMMAND, "serve", "--workers", "2"])
        lab.wait_for_port(8000)
        if proxy == "caddy":
            start_caddy(lab)
        else:
            start_nginx(lab, certificates(authority))
        found = json.loads(lab.run([sys.executable, "-m", "tests.deploy.test_attacks"], timeout=250))
    assert (found["failures"], found["foreign"]) == ([], [])
    assert found["good"] == 2 * CLIENTS
    assert found["attacks"] >= 2 * len(ATTACKS)


def main() -> None:
    """Attack from within the network, and print the clients' results as JSON."""
    tls = ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE  # other tests check the proxy's certificate
    targets = [Target(8000), Target(443, HOST, tls, None, ADDRESS)]
    results, attacks = asyncio.run(run_attacks(f"https://{ADDRESS}", HOST, CLIENTS, targets, tls))
    good = results.good.total()
    print(json.dumps({"failures": results.failures, "foreign": results.foreign, "good": good, "attacks": attacks}))  # noqa: T201


if __name__ == "__main__":
    main()
