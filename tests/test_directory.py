from collections.abc import Sequence
from pathlib import Path
from weakref import WeakSet

import pytest

from autoconfig import directory as directory_module
from autoconfig.address import MailAddress
from autoconfig.definition import Definition
from autoconfig.definition_files import load, read
from autoconfig.directory import NotServedError
from autoconfig.mail_exchangers import Resolver
from autoconfig.recognition import UndecidedError
from autoconfig.templates import Template, TemplateError
from tests import support
from tests.support import Write

ANOTHER = {"example.com": "another.example", "example.net": "another.test", "Example Mail": "Another Mail"}


@pytest.fixture
def two(write: Write) -> list[Path]:
    return [write(), write(ANOTHER, "another.xml")]


def at(domain: str) -> MailAddress:
    return MailAddress("fred", domain)


def test_the_domain_of_an_address_selects_the_definition(two: list[Path]) -> None:
    directory = support.load(*two)
    assert directory.find(at("another.test"))[0].id == "another.example"
    assert directory.find(at("example.net"))[0].id == "example.com"


def test_an_address_takes_precedence_over_the_host(two: list[Path]) -> None:
    assert support.load(*two).find(at("example.com"), b"autoconfig.another.example")[0].id == "example.com"


@pytest.mark.parametrize("prefix", ["", "autoconfig.", "autodiscover.", "ua-auto-config.", "AutoDiscover."])
@pytest.mark.parametrize("port", ["", ":8000", ".", ".:443"])
def test_without_an_address_the_host_selects_the_definition(two: list[Path], prefix: str, port: str) -> None:
    found, domain = support.load(*two).find(None, f"{prefix}another.test{port}".encode())
    assert (found.id, domain) == ("another.example", "another.test")


@pytest.mark.parametrize(
    "host", [b"", b"127.0.0.1:8000", b"[::1]:8000", b"imap.another.test", b"evil.example", b"\xff"]
)
def test_without_an_address_or_a_known_host_the_first_definition_is_used(two: list[Path], host: bytes) -> None:
    found, domain = support.load(*two).find(None, host)
    assert (found.id, domain) == ("example.com", "example.com")


def test_a_domain_in_no_definition_is_not_served(two: list[Path]) -> None:
    with pytest.raises(NotServedError, match=r"^the domain of this address is not served here$"):
        support.load(*two).find(at("example.org"), b"autoconfig.example.com")


def test_the_requested_host_selects_the_provider_of_a_hosted_domain(write: Write) -> None:
    hosting = {"<domain>": '<domain purpose="mx">'}
    directory = support.load(
        write(), write(hosting | ANOTHER, "b.xml"), write(hosting | {"example.": "third."}, "c.xml")
    )
    assert directory.find(at("customer.example"), b"autoconfig.third.com")[0].id == "third.com"
    assert directory.find(at("customer.example"), b"autoconfig.another.test")[0].id == "another.example"
    # The host's provider hosts no domains, so the first that does is used.
    assert directory.find(at("customer.example"), b"autoconfig.example.com")[0].id == "another.example"
    assert directory.home("customer.example", b"autoconfig.third.com") == "third.com"
    assert directory.own("customer.example") is None


@pytest.mark.parametrize("domain", ["-a.example", "a..example", "localhost", f"{'a' * 64}.example"])
def test_a_host_that_is_not_a_domain_is_not_looked_up(write: Write, domain: str) -> None:
    definitions = load(read([write({"<domain>example.net": '<domain purpose="mx">example.net'})]))
    directory = directory_module.directory(definitions, resolver=Resolver("127.0.0.1:1"))
    assert directory.domain_of(f"autoconfig.{domain}".encode()) is None
    with pytest.raises(UndecidedError):
        directory.domain_of(b"autoconfig.customer.example")


DAV = "</emailProvider><calendar type='caldav'><url>https://dav.example/</url><authentication>Basic</authentication></calendar>"


@pytest.fixture
def many(write: Write, tmp_path: Path) -> Sequence[Definition]:
    """300 definitions. Number 200 has a calendar, number 250 has 1,001 domains, and number 260 has 1,000."""
    shops = {250: 999, 260: 998}
    for number in range(300):
        names = {"example.com": f"com-{number}.example", "example.net": f"net-{number}.example"}
        domains = "".join(f"<domain>shop-{one}.e{number}.example</domain>" for one in range(shops.get(number, 0)))
        others = {"<displayName>": f"{domains}<displayName>"} | ({"</emailProvider>": DAV} if number == 200 else {})
        write(names | others, f"{number:03}.xml")
    return load(read([tmp_path]))


def test_the_first_the_large_and_one_definition_of_each_structure_are_prepared_at_start_up(
    many: Sequence[Definition],
) -> None:
    made: list[str] = []
    directory_module.directory(many).each(lambda one: made.append(one.id))
    assert made == [f"com-{number}.example" for number in (*range(100), 200, 250)]


def test_samples_of_at_most_a_limited_number_of_structures_are_prepared_at_start_up(
    many: Sequence[Definition], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory_module, "_MAX_STRUCTURES", 1)
    made: list[str] = []
    directory_module.directory(many).each(lambda one: made.append(one.id))
    assert made == [f"com-{number}.example" for number in (*range(100), 250)]


def test_other_definitions_are_prepared_on_their_first_request(many: Sequence[Definition]) -> None:
    made: list[str] = []

    def make(one: Definition) -> str:
        made.append(one.id)
        return one.display_name

    names = directory_module.directory(many).each(make)
    del made[:]
    for _ in range(2):
        assert names.find(at("net-299.example"))[0] == "Example Mail"
        assert names.own("com-299.example") == "Example Mail"
        assert names.find(None, b"autoconfig.com-298.example")[0] == "Example Mail"
    assert made == ["com-299.example", "com-298.example"]


def test_values_prepared_on_demand_are_cached_up_to_a_limit(
    many: Sequence[Definition], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory_module, "_MAX_CACHED", 10)

    class Thing:
        def __init__(self, one: Definition) -> None:
            self.id = one.id
            alive.add(self)

    alive: WeakSet[Thing] = WeakSet()
    settings = directory_module.directory(many).each(Thing)
    for number in (*range(300), *range(300)):
        found, _ = settings.find(at(f"com-{number}.example"))
        assert found.id == f"com-{number}.example"
    assert len(alive) == 102 + 10


def test_a_stylesheet_that_fails_for_one_kind_of_definition_stops_the_start(many: Sequence[Definition]) -> None:
    content = """<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
      <xsl:template match="calendar"><xsl:message terminate="yes">no calendar</xsl:message></xsl:template>
      <xsl:template match="/"><a/><xsl:apply-templates select="clientConfig/calendar"/></xsl:template>
    </xsl:stylesheet>"""
    template = Template("strict.xsl", content.encode())
    with pytest.raises(TemplateError, match="no calendar"):
        directory_module.directory(many).each(lambda one: template.document(one.settings))
    directory_module.directory(many[:200]).each(lambda one: template.document(one.settings))
