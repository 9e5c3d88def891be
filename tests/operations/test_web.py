"""Requests and certificates at the addresses of a host."""

import asyncio
import datetime

import pytest
import trustme

from autoconfig.operations.attempts import Attempts
from autoconfig.operations.http import Request
from autoconfig.operations.names import Names
from autoconfig.operations.report import Finding, Verdict
from autoconfig.operations.web import Web, redirected
from tests.operations.hosts import listening, resolver, tls_for, web

HOST = "autoconfig.example.com"


def test_a_certificate_that_expires_in_less_than_two_weeks_is_a_warning(authority: trustme.CA) -> None:
    """It should have been renewed; the server's versions of TLS do not matter then."""
    end = datetime.datetime.now() + datetime.timedelta(days=5, hours=1)
    certificate = authority.issue_cert(HOST, not_after=end)

    async def check(address: str, port: int) -> Finding:
        return await Web(Names(address, 5), Attempts(5), ports={"https": port}).certificate(HOST)

    with resolver({(HOST, "A"): ["127.0.0.1"]}) as address, listening(web(), tls_for(certificate)) as port:
        found = asyncio.run(check(address, port))
    text = "certificate valid for 5 more days at 127.0.0.1"
    assert found == Finding(Verdict.WARNING, text, "renew the certificate now")


def test_a_request_goes_to_the_next_address_if_nothing_listens_at_the_first() -> None:
    async def fetch(address: str, port: int) -> bytes:
        return (await Web(Names(address, 5), Attempts(5), ports={"http": port}).fetch(Request(f"http://{HOST}/"))).body

    server = web(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
    with resolver({(HOST, "A"): ["127.0.0.9", "127.0.0.1"]}) as address, listening(server) as port:
        assert asyncio.run(fetch(address, port)) == b"hi"


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("http://[2001:DB8:0::1]:8080/x", "http://[2001:db8::1]:8080/x"),
        ("//[::1]/x", "https://[::1]/x"),
    ],
)
def test_a_redirect_to_an_ipv6_address_keeps_its_brackets(location: str, target: str) -> None:
    assert redirected(f"https://{HOST}/", location) == target
