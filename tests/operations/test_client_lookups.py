"""What clients do with records and redirects that they cannot use."""

import asyncio

from autoconfig.address import MailAddress
from autoconfig.operations.attempts import Attempts
from autoconfig.operations.client_lookups import ClientLookups, Found
from autoconfig.operations.clients import Client, Lookup
from autoconfig.operations.names import MAX_RECORDS, Names
from autoconfig.operations.readers import Targets, autoconfig
from autoconfig.operations.web import Web
from tests.operations.hosts import Records, listening, resolver, web
from tests.support import Write

ADDRESS = MailAddress("fred", "example.com")


def test_a_client_ignores_an_srv_name_whose_lookup_fails() -> None:
    records: Records = {
        ("_imaps._tcp.example.com", "SRV"): [f"0 0 993 h{number}.example." for number in range(MAX_RECORDS + 1)],
        ("_imap._tcp.example.com", "SRV"): ["0 0 143 mail.example."],
    }

    async def targets(address: str) -> Targets:
        names = Names(address, 5)
        lookups = ClientLookups(Web(names, Attempts(5)), names, in_dns=True)
        return await lookups.targets(("_imaps._tcp", "_imap._tcp"), "example.com")

    with resolver(records) as address:
        assert asyncio.run(targets(address)) == {"_imap._tcp": ("mail.example", 143)}


def test_a_client_does_not_use_the_settings_behind_a_redirect_that_it_does_not_follow(write: Write) -> None:
    """Classic Outlook follows only 301 and 302."""
    lookup = Lookup("http://{domain}/")
    body = write().read_bytes()
    document = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)

    def found(status: int) -> Found | None:
        redirect = b"HTTP/1.1 %d X\r\nLocation: /moved\r\nContent-Length: 0\r\n\r\n" % status
        responses = iter((redirect, document))

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await web(next(responses))(reader, writer)

        client = Client(
            "Outlook", "any server", (lookup,), {"clientConfig": autoconfig(("imap",))}, redirects=(301, 302)
        )
        with resolver({("example.com", "A"): ["127.0.0.1"]}) as address, listening(handle) as port:
            return asyncio.run(find(client, address, port))

    async def find(client: Client, address: str, port: int) -> Found | None:
        names = Names(address, 5)
        lookups = ClientLookups(Web(names, Attempts(5), ports={"http": port}), names, in_dns=True)
        return await lookups.find(client, ADDRESS)

    assert found(308) is None
    followed = found(302)
    assert followed
    assert followed.account.incoming.host == "imap.example.com"
