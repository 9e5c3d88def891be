"""Requests for customers' domains and for unknown ones, over every protocol."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from autoconfig.address import MailAddress
from autoconfig.hosting import ListSource
from autoconfig.mail_exchangers import Resolver
from autoconfig.protocols import activesync, autodiscover
from autoconfig.server import application
from autoconfig.sources import Options, Settings, Sources
from tests.name_server import NameServer, failure, mx, name_server, silence
from tests.support import Write

# The hosting provider's definition is not the first: an unknown host would get the other one's settings.
PLAIN = {"example.com": "plain.example", "example.net": "plain.test", "Example Mail": "Plain Mail"}
HOSTING = {"<domain>example.net": '<domain purpose="mx">example.net', "imap.example.com": "imap.%EMAILDOMAIN%"}
PREFIXES = ("autoconfig.", "autodiscover.", "ua-auto-config.")


class Client:
    """Sends requests to an application in this process."""

    def __init__(self, settings: Settings, resolver: Resolver | None = None) -> None:
        self._app = application(settings, resolver=resolver)

    def __call__(
        self,
        method: str,
        url: str,
        host: str = "127.0.0.1",
        content: bytes | None = None,
        scheme: str = "https",
        **more: str,
    ) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url=f"{scheme}://{host}") as client:
                return await client.request(method, url, content=content, headers=more)

        return asyncio.run(send())

    def outcomes(self, address: str) -> dict[str, int]:
        """Request everything about an address; return the status of each response, or Autodiscover's error code."""
        encoded = quote(address)
        parsed = MailAddress.parse(address)
        form = {"content_type": "application/x-www-form-urlencoded"}
        body = f"emailaddress={encoded}".encode()
        posts = {
            "autodiscover": autodiscover.request_for(parsed),
            "mobilesync": next(iter(next(iter(activesync.PROTOCOL.probes(parsed, parsed))).requests)).body,  # type: ignore[misc]
        }
        found = {
            "autoconfig": self("GET", f"/mail/config-v1.1.xml?emailaddress={encoded}").status_code,
            "well-known": self(
                "GET", f"/.well-known/autoconfig/mail/config-v1.1.xml?emailaddress={encoded}"
            ).status_code,
            "profile": self("GET", f"/email.mobileconfig?emailaddress={encoded}").status_code,
            "profile form": self("POST", "/email.mobileconfig", content=body, **form).status_code,
            "json": self("GET", f"/autodiscover/autodiscover.json?Email={encoded}&Protocol=AutodiscoverV1").status_code,
            "json path": self(
                "GET", f"/autodiscover/autodiscover.json/v1.0/{encoded}?Protocol=AutodiscoverV1"
            ).status_code,
            "page": self("POST", "/", content=body, **form).status_code,
            "code": self("POST", "/setup/thunderbird-android/", content=body, **form).status_code,
        }
        for name, post in posts.items():
            response = self("POST", "/autodiscover/autodiscover.xml", content=post)
            code = response.text.partition("<ErrorCode>")[2].partition("<")[0]
            found[name] = int(code) if code else response.status_code
        return found


SERVED = {
    "autoconfig": 200,
    "well-known": 200,
    "profile": 200,
    "profile form": 200,
    "json": 200,
    "json path": 200,
    "page": 200,
    "code": 200,
    "autodiscover": 200,
    "mobilesync": 601,  # this provider has no ActiveSync
}
REFUSED = {name: 500 if name in ("autodiscover", "mobilesync") else 404 for name in SERVED}


@pytest.fixture
def definitions(write: Write) -> tuple[Path, ...]:
    return write(PLAIN, "plain.xml"), write(HOSTING, "hosting.xml")


@pytest.fixture
def listed(definitions: tuple[Path, ...], tmp_path: Path) -> Client:
    file = tmp_path / "customers.txt"
    file.write_text("customer.example\nsecret.example\n")
    return Client(Sources(definitions, hosted_domains=(ListSource(file),)).read().load())


@pytest.fixture
def server() -> Iterator[NameServer]:
    responders = {
        "customer.example": mx("10 mx1.example.net."),
        "gmail.com": mx("10 mx.elsewhere.example."),
        "broken.example": failure,
    }
    with name_server(responders) as server:
        yield server


@pytest.fixture
def by_mx(definitions: tuple[Path, ...], server: NameServer) -> Client:
    return Client(Sources(definitions).read().load(), Resolver(server.address))


@pytest.mark.parametrize("mode", ["listed", "by_mx"])
@pytest.mark.parametrize("address", ["fred@customer.example", "fred@Customer.EXAMPLE", "fred&co@customer.example"])
def test_a_hosted_domain_is_served_over_every_protocol(mode: str, address: str, request: pytest.FixtureRequest) -> None:
    assert request.getfixturevalue(mode).outcomes(address) == SERVED | ({"code": 200} if "&" not in address else {})


@pytest.mark.parametrize("mode", ["listed", "by_mx"])
def test_no_protocol_serves_any_other_domain(mode: str, request: pytest.FixtureRequest) -> None:
    client = request.getfixturevalue(mode)
    assert client.outcomes("fred@gmail.com") == REFUSED
    assert client.outcomes("fred@nowhere.example") == REFUSED


def test_customers_get_their_settings_if_the_dns_fails(by_mx: Client) -> None:
    assert by_mx.outcomes("fred@broken.example") == SERVED


def test_own_domains_are_never_looked_up(by_mx: Client, server: NameServer) -> None:
    assert by_mx.outcomes("fred@example.com") == SERVED
    assert by_mx.outcomes("fred@plain.example") == SERVED
    assert by_mx("GET", "/mail/config-v1.1.xml", "autoconfig.example.com").status_code == 200
    assert by_mx("GET", "/mail/config-v1.1.xml", "setup.elsewhere.example").status_code == 200
    assert by_mx("GET", "/tls/ask?domain=www.elsewhere.example").status_code == 404
    assert not server.queries


def test_the_database_endpoint_has_listed_domains(listed: Client) -> None:
    assert listed("GET", "/v1.1/customer.example").status_code == 200
    assert listed("GET", "/v1.1/gmail.com").status_code == 404


@pytest.mark.parametrize("mode", ["listed", "by_mx"])
@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_customers_host_selects_the_customers_domain(mode: str, prefix: str, request: pytest.FixtureRequest) -> None:
    text = request.getfixturevalue(mode)("GET", "/mail/config-v1.1.xml", f"{prefix}customer.example").text
    assert "<hostname>imap.customer.example</hostname>" in text


def test_a_listed_domain_as_host_selects_itself(listed: Client) -> None:
    assert (
        "imap.customer.example"
        in listed("GET", "/.well-known/autoconfig/mail/config-v1.1.xml", "customer.example").text
    )
    assert "imap.customer.example" in listed("GET", "/autodiscover/autodiscover.xml", "customer.example").text
    assert "imap.customer.example" in listed("GET", "/email.mobileconfig", "autoconfig.customer.example").text


def test_pacc_at_a_customers_host_contains_the_customers_domain(write: Write, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("customer.example")
    definition = write(HOSTING | {">143<": ">993<", "STARTTLS": "SSL"})
    client = Client(Sources((definition,), hosted_domains=(ListSource(tmp_path / "list.txt"),)).read().load())
    response = client("GET", "/.well-known/user-agent-configuration.json", "ua-auto-config.customer.example")
    assert response.json()["protocols"]["imap"]["host"] == "imap.customer.example"


@pytest.mark.parametrize("mode", ["listed", "by_mx"])
def test_http_at_a_customers_autodiscover_host_redirects_to_the_providers(
    mode: str, request: pytest.FixtureRequest
) -> None:
    client = request.getfixturevalue(mode)
    for method, host in (("GET", "autodiscover.customer.example"), ("POST", "AutoDiscover.Customer.Example:80")):
        response = client(method, "/Autodiscover/Autodiscover.xml", host, b"" if method == "POST" else None, "http")
        assert response.status_code == 302
        assert response.headers["location"] == "https://autodiscover.example.com/autodiscover/autodiscover.xml"
    own = client("GET", "/autodiscover/autodiscover.xml", "autodiscover.example.net", scheme="http")
    assert own.headers["location"] == "https://autodiscover.example.net/autodiscover/autodiscover.xml"
    assert client("GET", "/autodiscover/autodiscover.xml", "autodiscover.gmail.com", scheme="http").status_code == 200
    json = client("GET", "/autodiscover/autodiscover.json?Email=f@customer.example&Protocol=AutodiscoverV1").json()
    assert json["Url"] == "https://autodiscover.example.com/autodiscover/autodiscover.xml"


@pytest.mark.parametrize("mode", ["listed", "by_mx"])
def test_certificates_are_approved_only_for_hosts_that_clients_use(mode: str, request: pytest.FixtureRequest) -> None:
    client = request.getfixturevalue(mode)

    def status(name: str) -> int:
        return int(client("GET", f"/tls/ask?domain={name}").status_code)

    assert {status(f"{prefix}{one}") for prefix in PREFIXES for one in ("customer.example", "example.com")} == {200}
    assert status("example.com") == 200
    others = [
        "customer.example",
        "www.customer.example",
        "autoconfig.gmail.com",
        "gmail.com",
        "autoconfig.nowhere.example",
    ]
    others += ["autoconfig.autoconfig.customer.example", "autoconfig.", "autoconfig.example", "autoconfig..example", ""]
    assert {status(name) for name in others} == {404}
    assert status("AUTOCONFIG.Customer.Example.") == 200


def test_no_certificate_is_approved_or_rejected_if_the_dns_fails(by_mx: Client) -> None:
    response = by_mx("GET", "/tls/ask?domain=autoconfig.broken.example")
    assert (response.status_code, response.headers["retry-after"]) == (503, "10")
    assert "broken" not in response.text


@pytest.mark.parametrize(
    ("scheme", "host", "url"),
    [
        ("https", "autoconfig.customer.example", "https://autoconfig.customer.example"),
        ("https", "AutoDiscover.Customer.example:443", "https://autodiscover.customer.example"),
        ("http", "autoconfig.customer.example", "https://autoconfig.example.com"),  # the host may have no certificate
        ("https", "customer.example", "https://autoconfig.example.com"),  # the customer's website
        ("https", "autoconfig.secret.example", "https://autoconfig.example.com"),  # another customer's
        ("https", "autoconfig.example.net", "https://autoconfig.example.net"),
    ],
)
def test_links_for_a_customer_lead_to_the_customers_or_the_providers_host(
    listed: Client, scheme: str, host: str, url: str
) -> None:
    body = b"emailaddress=fred%40customer.example"
    form = "application/x-www-form-urlencoded"
    page = listed("POST", "/en/setup/gmail/", host, body, scheme, content_type=form).text
    assert f"{url}/en/setup/gmail/" in page
    assert "secret" not in page


def test_no_response_to_a_customer_names_another_customer(listed: Client) -> None:
    for path in ("/", "/settings/", "/mail/config-v1.1.xml", "/email.mobileconfig", "/autodiscover/autodiscover.xml"):
        for host in ("127.0.0.1", "autoconfig.example.com", "autoconfig.customer.example"):
            assert "secret.example" not in listed("GET", path, host).text
    body = b"emailaddress=fred%40secrets.example"
    text = listed("POST", "/", "autoconfig.example.com", body, content_type="application/x-www-form-urlencoded").text
    assert "secret.example" not in text  # nor as a correction


def test_the_mx_record_selects_one_of_several_providers_without_lists(write: Write, server: NameServer) -> None:
    other = write({"<domain>example.net": '<domain purpose="mx">example.net'} | PLAIN, "other.xml")
    client = Client(Sources((other, write(HOSTING))).read().load(), Resolver(server.address))
    response = client("GET", "/mail/config-v1.1.xml?emailaddress=f@customer.example", "autoconfig.plain.test")
    assert "Example Mail" in response.text


def test_other_requests_are_served_during_a_dns_lookup(definitions: tuple[Path, ...]) -> None:
    with name_server({"slow.example": silence}) as server:
        app = application(Sources(definitions).read().load(), resolver=Resolver(server.address))

        async def send_all() -> list[str]:
            done: list[str] = []
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://x") as client:

                async def get(path: str) -> None:
                    await client.get(path)
                    done.append(path)

                slow = asyncio.create_task(get("/tls/ask?domain=autoconfig.slow.example"))
                await asyncio.sleep(0)
                await get("/mail/config-v1.1.xml?emailaddress=fred@example.com")
                await get("/healthz")
                await slow
            return done

        assert asyncio.run(send_all())[-1] == "/tls/ask?domain=autoconfig.slow.example"


def test_the_option_sets_the_resolver(definitions: tuple[Path, ...]) -> None:
    settings = Sources(definitions, options=Options(resolver="127.0.0.9:5353")).read().load()
    resolver = settings.resolver()
    assert resolver is not None
    assert resolver.servers == [("127.0.0.9", 5353)]


def test_no_resolver_is_needed_if_every_provider_has_a_list(definitions: tuple[Path, ...], tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("customer.example")
    sources = Sources(definitions, hosted_domains=(ListSource(tmp_path / "list.txt"),))
    assert sources.read().load().resolver() is None
    assert Sources(definitions[:1]).read().load().resolver() is None
