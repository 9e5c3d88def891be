"""What clients do with records and redirects that they cannot use."""

import asyncio
from collections.abc import Mapping

import pytest

from autoconfig.address import MailAddress
from autoconfig.operations.attempts import Attempts
from autoconfig.operations.client_lookups import ClientLookups, Found
from autoconfig.operations.clients import CLIENTS, Client, Lookup
from autoconfig.operations.dns import pacc_text
from autoconfig.operations.http import Request, Response
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


class Recorder(Web):
    """Records the requests, and sends none. The response to each is 404, unless it is in `responses` by its URL."""

    def __init__(self, names: Names, responses: Mapping[str, Response]) -> None:
        super().__init__(names, Attempts(5))
        self.requests: list[str] = []
        self._known = responses

    async def fetch(self, request: Request, *, follow: bool = True, **_: object) -> Response:
        method = "GET" if request.body is None else "POST"
        self.requests.append(f"{method} {request.url}{'' if follow else ' without its redirect'}")
        return self._known.get(request.url, Response(404, {}, b""))._replace(urls=(request.url,))


DNS: Records = {
    ("example.com", "MX"): ["10 mx.a.provider.example."],
    ("_autodiscover._tcp.example.com", "SRV"): ["0 0 443 outlook.example."],
}
QUERY = "?emailaddress=fred%40example.com"
AUTODISCOVER = "autodiscover/autodiscover.xml"
HTTP = f"http://autodiscover.example.com/{AUTODISCOVER}"


def looked_up(
    client: Client, responses: Mapping[str, Response] = {}, records: Records = DNS, *, in_dns: bool = True
) -> tuple[list[str], Found | None]:
    """Return the requests of a client for ADDRESS, and what it finds."""

    async def find(address: str) -> tuple[list[str], Found | None]:
        names = Names(address, 5)
        recorder = Recorder(names, responses)
        found = await ClientLookups(recorder, names, in_dns=in_dns).find(client, ADDRESS)
        return recorder.requests, found

    with resolver(records) as address:
        return asyncio.run(find(address))


REQUESTS = {
    "Thunderbird": [
        f"GET https://autoconfig.example.com/mail/config-v1.1.xml{QUERY}",
        f"GET https://example.com/.well-known/autoconfig/mail/config-v1.1.xml{QUERY}",
        f"GET http://autoconfig.example.com/mail/config-v1.1.xml{QUERY}",
        f"GET http://example.com/.well-known/autoconfig/mail/config-v1.1.xml{QUERY}",
        f"GET https://autoconfig.a.provider.example/mail/config-v1.1.xml{QUERY}",
        f"GET https://autoconfig.provider.example/mail/config-v1.1.xml{QUERY}",
        f"POST https://autodiscover.example.com/{AUTODISCOVER}",
        f"POST https://example.com/{AUTODISCOVER}",
    ],
    "Thunderbird for Android": [
        "GET https://autoconfig.example.com/mail/config-v1.1.xml",
        "GET https://example.com/.well-known/autoconfig/mail/config-v1.1.xml",
        "GET http://autoconfig.example.com/mail/config-v1.1.xml",
        f"GET https://autoconfig.a.provider.example/mail/config-v1.1.xml{QUERY}",
        f"GET https://autoconfig.provider.example/mail/config-v1.1.xml{QUERY}",
    ],
    "Outlook, classic": [
        f"POST https://example.com/{AUTODISCOVER}",
        f"POST https://autodiscover.example.com/{AUTODISCOVER}",
        f"GET {HTTP} without its redirect",
        "POST https://redirected.example/x",
        f"POST https://outlook.example/{AUTODISCOVER}",
    ],
    "Delta Chat": [
        f"GET https://autoconfig.example.com/mail/config-v1.1.xml{QUERY}",
        "GET https://example.com/.well-known/autoconfig/mail/config-v1.1.xml",
        f"GET https://example.com/{AUTODISCOVER}",
        f"GET https://autodiscover.example.com/{AUTODISCOVER}",
    ],
    "Evolution": [
        "GET https://autoconfig.example.com/mail/config-v1.1.xml?emailaddress=EVOLUTIONUSER%40example.com&emailmd5=0",
        "GET https://example.com/.well-known/autoconfig/mail/config-v1.1.xml",
        "GET http://autoconfig.example.com/mail/config-v1.1.xml?emailaddress=EVOLUTIONUSER%40example.com&emailmd5=0",
    ],
    "KMail": [
        "GET https://autoconfig.example.com/mail/config-v1.1.xml",
        "GET http://autoconfig.example.com/mail/config-v1.1.xml",
        "GET https://example.com/.well-known/autoconfig/mail/config-v1.1.xml",
    ],
    "aerc": [
        f"GET https://autoconfig.example.com/mail/config-v1.1.xml{QUERY}",
        "GET https://example.com/.well-known/autoconfig/mail/config-v1.1.xml",
    ],
    "Claws Mail": [],
    "PACC clients": ["GET https://ua-auto-config.example.com/.well-known/user-agent-configuration.json"],
}
"""docs/clients.md shows the requests of real clients. Clients that send their lookups at once prefer them in this order."""


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_a_client_that_finds_nothing_has_made_all_its_requests(client: Client) -> None:
    redirect = Response(302, {"location": "https://redirected.example/x"}, b"")
    assert looked_up(client, {HTTP: redirect}) == (REQUESTS[client.name], None)


BY_NAME = {client.name: client for client in CLIENTS}


@pytest.mark.parametrize(
    "response",
    [
        Response(302, {"location": "http://redirected.example/x"}, b""),
        Response(307, {"location": "https://redirected.example/x"}, b""),
        Response(200, {"location": "https://redirected.example/x"}, b""),
        Response(302, {}, b""),
    ],
)
def test_outlook_follows_its_redirect_over_http_only_with_301_or_302_and_to_https(response: Response) -> None:
    requests, _ = looked_up(BY_NAME["Outlook, classic"], {HTTP: response})
    assert requests == [one for one in REQUESTS["Outlook, classic"] if "redirected" not in one]


@pytest.mark.parametrize("records", [[], ["0 0 444 outlook.example."], ["0 0 443 a_b.example."], ["0 0 443 ."]])
def test_outlook_does_not_use_an_srv_record_without_a_hostname_or_with_another_port(records: list[str]) -> None:
    requests, _ = looked_up(BY_NAME["Outlook, classic"], records={("_autodiscover._tcp.example.com", "SRV"): records})
    assert requests == REQUESTS["Outlook, classic"][:3]


@pytest.mark.parametrize(
    ("exchangers", "hosts"),
    [
        ([], []),
        (["10 mx.provider.example."], ["provider.example"]),
        (["10 provider.co.uk."], ["provider.co.uk"]),
        (["20 mx.other.example.", "10 mx.a.provider.example."], ["a.provider.example", "provider.example"]),
    ],
)
def test_thunderbird_looks_at_the_domains_of_the_preferred_mail_exchanger(
    exchangers: list[str], hosts: list[str]
) -> None:
    requests, _ = looked_up(BY_NAME["Thunderbird"], records={("example.com", "MX"): exchangers})
    expected = [f"GET https://autoconfig.{host}/mail/config-v1.1.xml{QUERY}" for host in hosts]
    assert requests[4:-2] == expected


@pytest.mark.parametrize(
    ("client", "url", "asks"),
    [
        ("Thunderbird for Android", "https://example.com/.well-known/autoconfig/mail/config-v1.1.xml", False),
        ("Thunderbird for Android", "http://autoconfig.example.com/mail/config-v1.1.xml", True),
        ("KMail", "http://autoconfig.example.com/mail/config-v1.1.xml", False),
    ],
)
def test_thunderbird_for_android_asks_for_approval_of_settings_over_http(
    write: Write, client: str, url: str, asks: bool
) -> None:
    response = Response(200, {}, write({">110<": ">995<", ">plain<": ">SSL<"}).read_bytes())
    requests, found = looked_up(BY_NAME[client], {url: response})
    assert found
    assert (found.place, found.needs_approval) == (url, asks)
    assert requests[-1] == f"GET {url}"


@pytest.mark.parametrize(
    ("digest", "in_dns", "usable"), [("right", True, True), ("wrong", True, False), ("wrong", False, True)]
)
def test_pacc_clients_compare_the_documents_digest_with_the_dns(digest: str, in_dns: bool, usable: bool) -> None:
    document = b'{"protocols": {"imap": {"host": "i.example"}, "submit": {"host": "s.example"}}}'
    text = pacc_text(document if digest == "right" else b"another document")
    (request,) = REQUESTS["PACC clients"]
    _, found = looked_up(
        BY_NAME["PACC clients"],
        {request.removeprefix("GET "): Response(200, {}, document)},
        {("_ua-auto-config.example.com", "TXT"): [f'"{text}"']},
        in_dns=in_dns,
    )
    assert (found is not None) is usable


@pytest.mark.parametrize(
    ("records", "target"),
    [
        (["10 0 993 b.example.", "5 0 994 a.example."], ("a.example", 994)),
        (["0 0 993 ."], None),
        (["0 0 0 a.example."], None),
        (["0 0 993 a_b.example."], None),
        ([], None),
    ],
)
def test_clients_use_the_srv_record_with_the_lowest_priority_if_it_has_a_hostname_and_a_port(
    records: list[str], target: tuple[str, int] | None
) -> None:
    async def targets(address: str, in_dns: bool) -> Targets:
        names = Names(address, 5)
        lookups = ClientLookups(Recorder(names, {}), names, in_dns=in_dns)
        return await lookups.targets(("_imaps._tcp",), "example.com")

    with resolver({("_imaps._tcp.example.com", "SRV"): records}) as address:
        assert asyncio.run(targets(address, True)) == ({"_imaps._tcp": target} if target else {})
        assert asyncio.run(targets(address, False)) == {}


def test_the_place_of_settings_is_named_without_the_query_string(write: Write) -> None:
    response = Response(200, {}, write({">110<": ">995<", ">plain<": ">SSL<"}).read_bytes())
    _, found = looked_up(BY_NAME["Thunderbird"], {REQUESTS["Thunderbird"][0].removeprefix("GET "): response})
    assert found
    assert found.place == "https://autoconfig.example.com/mail/config-v1.1.xml"


@pytest.mark.parametrize(("redirects", "used"), [((), True), ((301,), True), ((302, 301), True), ((302, 307), False)])
def test_outlook_uses_settings_only_behind_redirects_that_it_follows(redirects: tuple[int, ...], used: bool) -> None:
    protocol = "<Protocol><Type>{0}</Type><Server>{0}.example</Server><Port>7</Port></Protocol>"
    body = f"<Autodiscover>{protocol.format('IMAP')}{protocol.format('SMTP')}</Autodiscover>".encode()
    url = f"https://example.com/{AUTODISCOVER}"
    _, found = looked_up(BY_NAME["Outlook, classic"], {url: Response(200, {}, body, redirects=redirects)})
    assert (found is not None) is used


@pytest.mark.parametrize(
    ("status", "used"), [(300, False), (301, True), (302, True), (303, True), (304, False), (307, True), (308, True)]
)
def test_other_clients_use_settings_behind_any_redirect(write: Write, status: int, used: bool) -> None:
    content = write({">110<": ">995<", ">plain<": ">SSL<"}).read_bytes()
    url = REQUESTS["KMail"][0].removeprefix("GET ")
    _, found = looked_up(BY_NAME["KMail"], {url: Response(200, {}, content, redirects=(status,))})
    assert (found is not None) is used


def test_a_lookup_is_the_same_for_clients_that_send_other_query_strings() -> None:
    assert Lookup("https://{domain}/x?a={address}").key == Lookup("https://{domain}/x").key
    assert Lookup("https://{domain}/x", "post").key != Lookup("https://{domain}/x").key
    assert Lookup("https://{domain}/y").key != Lookup("https://{domain}/x").key


def test_a_client_that_follows_srv_records_prefers_them() -> None:
    records = {("_imaps._tcp.example.com", "SRV"): ["0 0 993 mail.example."]}
    requests, found = looked_up(BY_NAME["aerc"], records=records)
    assert requests == []
    assert str(found) == "imap mail.example:993 SSL, no outgoing server, from SRV records of example.com"
    assert found
    assert not found.needs_approval


@pytest.mark.parametrize(
    ("client", "places"),
    [
        (
            "aerc",
            [
                *(f"{name}.example.com" for name in ("_imaps._tcp", "_imap._tcp", "_smtps._tcp", "_submission._tcp")),
                "https://autoconfig.example.com/mail/config-v1.1.xml",
                "https://example.com/.well-known/autoconfig/mail/config-v1.1.xml",
            ],
        ),
        ("Claws Mail", [f"{name}.example.com" for name in ("_imaps._tcp", "_pop3s._tcp", "_submission._tcp")]),
        (
            "Outlook, classic",
            [f"https://example.com/{AUTODISCOVER}", f"https://autodiscover.example.com/{AUTODISCOVER}", HTTP],
        ),
    ],
)
def test_the_places_where_a_client_looks_do_not_depend_on_other_records(client: str, places: list[str]) -> None:
    assert BY_NAME[client].places("example.com") == places


def test_the_optional_clients_are_those_of_drafts_and_of_users_who_set_up_by_hand() -> None:
    assert [client.name for client in CLIENTS if client.optional] == ["aerc", "Claws Mail", "PACC clients"]
