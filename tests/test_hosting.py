import pickle
import random
import re
import resource
import tracemalloc
from pathlib import Path
from unittest.mock import ANY

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoconfig import hosting
from autoconfig.address import MailAddress, ascii_domain
from autoconfig.definition import DefinitionError
from autoconfig.directory import Directory, NotServedError, Relation
from autoconfig.hosting import MAX_LIST, HostedList, ListSource, assign, read_list, read_lists
from autoconfig.sources import Settings, Sources
from tests.support import Write

HOSTING = {"<domain>example.net": '<domain purpose="mx">example.net'}
ANOTHER = {"example.com": "another.example", "example.net": "another.test", "Example Mail": "Another Mail"}


def listed(content: str | bytes, name: str = "customers.txt") -> HostedList:
    return read_list(Path(name), content.encode() if isinstance(content, str) else content)


def domains(content: str | bytes) -> set[str]:
    found = listed(content)
    assert found.errors == ()
    return set(found.domains)


def load(*definitions: Path, lists: dict[Path, str | None]) -> Settings:
    sources = tuple(ListSource(path, provider) for path, provider in lists.items())
    return Sources(definitions, hosted_domains=sources).read().load()


def errors(*definitions: Path, lists: dict[Path, str | None]) -> list[str]:
    with pytest.raises(DefinitionError) as refusal:
        load(*definitions, lists=lists)
    return refusal.value.errors


@pytest.fixture
def customers(tmp_path: Path) -> Path:
    file = tmp_path / "customers.txt"
    file.write_text("customer.example\n")
    return file


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("customer.example\n", {"customer.example"}),
        ("customer.example", {"customer.example"}),
        ("Customer.EXAMPLE\r\nother.example\r\n", {"customer.example", "other.example"}),
        ("# all customers\n\n  customer.example \t # since May\n", {"customer.example"}),
        ("\ufeffcustomer.example\n", {"customer.example"}),
        ("bücher.example\nxn--bcher-kva.example\n", {"xn--bcher-kva.example"}),
        ("customer.example.\n", {"customer.example"}),
        ("customer.xn--p1ai\n_odd.example\n", {"customer.xn--p1ai", "_odd.example"}),
        ("# none yet\n", set()),
        (f"#{'x' * 100_000}\ncustomer.example\n", {"customer.example"}),
    ],
)
def test_a_list_has_one_domain_per_line_and_comments(content: str, found: set[str]) -> None:
    assert domains(content) == found


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("a.example\nb c.example\n", "2: b c.example is not a domain name such as example.com"),
        ("fred@customer.example", "1: fred@customer.example is not a domain name such as example.com"),
        ("https://customer.example/", "1: https://customer.example/ is not a domain name such as example.com"),
        ("*.customer.example", "1: *.customer.example: wildcards are not supported; list every domain"),
        ("localhost", "1: localhost is not a domain name such as example.com"),
        ("192.0.2.1", "1: 192.0.2.1 is not a domain name such as example.com"),
        ("a..example", "1: a..example is not a domain name such as example.com"),
        (f"{'a' * 64}.example", f"1: {'a' * 60}… is not a domain name such as example.com"),
        ("a.example\0", r"1: a.example\x00 is not a domain name such as example.com"),
        ("a.example\x1b[31m", r"1: a.example\x1b[31m is not a domain name such as example.com"),
        ("a.example\rb.example", "1: a.example b.example is not a domain name such as example.com"),
        ("a.example\u2028b.example", "1: a.example b.example is not a domain name such as example.com"),
        (b"a.example\nb\xfccher.example\n", "2: the line is not UTF-8; save the list as UTF-8"),
        ("customer.example".encode("utf-16"), "1: is UTF-16; save it as UTF-8"),
        ("x" * 1024, f"1: {'x' * 60}… is not a domain name such as example.com"),
        ("x" * 1025, "1: the line is longer than 1024 bytes; write one domain per line"),
        ("x" * 5000, "1: the line is longer than 1024 bytes; write one domain per line"),
        ("", "1: the list is empty, perhaps because an export failed; if you host no domains, write a comment into it"),
        (
            "\ufeff\r\n",
            "1: the list is empty, perhaps because an export failed; if you host no domains, write a comment into it",
        ),
        (
            "\r\n \n",
            "1: the list is empty, perhaps because an export failed; if you host no domains, write a comment into it",
        ),
    ],
)
def test_an_error_in_a_list_names_its_line(write: Write, tmp_path: Path, content: str | bytes, error: str) -> None:
    file = tmp_path / "customers.txt"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    assert errors(write(HOSTING), lists={file: None}) == [f"{file}:{error}"]


def test_errors_in_lists_and_definitions_are_reported_at_once(write: Write, tmp_path: Path) -> None:
    file = tmp_path / "customers.txt"
    file.write_text("a b.example\n")
    definition = write({">143<": ">0<"})
    assert [one.partition(": ")[0] for one in errors(definition, lists={file: None})] == [
        f"{definition}:9",
        f"{file}:1",
    ]
    missing = [tmp_path / "missing.xml", tmp_path / "missing.txt"]
    assert errors(missing[0], lists={missing[1]: None}) == [
        f"{one}: cannot be read: No such file or directory" for one in missing
    ]


@pytest.mark.parametrize(("number", "end"), [(100, []), (101, ["customers.txt:1: and 1 more error"])])
def test_a_hundred_errors_are_reported(number: int, end: list[str]) -> None:
    found = listed("a b.example\n" * number).errors
    assert list(found[100:]) == end
    assert found[99] == "customers.txt:100: a b.example is not a domain name such as example.com"


def test_warnings_beyond_a_hundred_are_counted() -> None:
    assert listed("a.example\n" * 201).warnings[-1] == "customers.txt:1: and 100 more warnings"


def test_a_list_without_domains_gets_a_warning() -> None:
    warning = "customers.txt:1: this list contains no domains, so no hosted domain is served"
    assert listed("# none yet\n").warnings == (warning,)
    assert listed("a b.example\n").warnings == ()


def test_the_first_errors_are_reported_and_the_rest_counted() -> None:
    found = listed("a b.example\n" * 5000).errors
    assert (len(found), found[-1]) == (101, "customers.txt:1: and 4,900 more errors")


def test_a_file_with_thousands_of_invalid_lines_is_not_read_to_its_end() -> None:
    found = listed("a b.example\n" * 20_000 + "\xff")
    assert found.errors[-1] == "customers.txt:1: and 9,900 more errors; the lines after 10000 were not read"


def test_a_comment_after_a_domain_may_be_long() -> None:
    assert domains(f"customer.example  # {'x' * 5000}\n") == {"customer.example"}


def test_thousands_of_invalid_lines_take_little_memory() -> None:
    content = b"a b\n" * 50_000
    tracemalloc.start()
    try:
        assert len(listed(content).errors) == 101
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("text", ["=list.txt", "./a=b.txt", "/lists/a=b.txt", "list.txt"])
def test_an_argument_without_an_id_before_an_equals_sign_is_a_file(text: str) -> None:
    assert ListSource.parse(text) == (Path(text), None)


@pytest.mark.parametrize("text", ["", "example.com="])
def test_an_argument_without_a_file_is_invalid(text: str) -> None:
    with pytest.raises(ValueError, match=f"^{text} names no file; use ID=FILE$"):
        ListSource.parse(text)


def test_a_list_that_is_too_large_is_rejected(write: Write, customers: Path) -> None:
    with customers.open("wb") as file:
        file.truncate(MAX_LIST + 1)
    assert errors(write(HOSTING), lists={customers: None}) == [f"{customers}: is larger than 64 MiB"]


def test_a_duplicate_domain_is_a_warning() -> None:
    found = listed("a.example\nb.example\nA.example\n")
    assert (len(found.domains), found.errors) == (2, ())
    assert found.warnings == ("customers.txt:3: a.example is already on line 1; remove one",)


def test_a_list_without_a_provider_that_hosts_domains_is_an_error(write: Write, customers: Path) -> None:
    remedy = 'add <domain purpose="mx"> with the domain of the MX hosts to one'
    assert errors(write(), lists={customers: None}) == [f"{customers}: no definition hosts domains: {remedy}"]


def test_a_list_belongs_to_the_only_provider_that_hosts_domains(write: Write, customers: Path) -> None:
    settings = load(write(ANOTHER, "a.xml"), write(HOSTING), lists={customers: None})
    standing = settings.directory().standing("customer.example")
    assert standing.relation is Relation.HOSTED
    assert standing.value is not None
    assert standing.value.id == "example.com"


@pytest.fixture
def providers(write: Write) -> list[Path]:
    return [write(HOSTING, "a.xml"), write(ANOTHER | {"<domain>": '<domain purpose="mx">'}, "b.xml")]


def test_the_option_assigns_a_list_to_one_of_several_providers(providers: list[Path], customers: Path) -> None:
    source = ListSource.parse(f"Another.example={customers}")
    settings = Sources(tuple(providers), hosted_domains=(source,)).read().load()
    assert settings.directory().find(MailAddress("fred", "customer.example"))[0].id == "another.example"


def test_the_filename_assigns_a_list_in_a_folder_to_one_of_several_providers(
    providers: list[Path], tmp_path: Path
) -> None:
    folder = tmp_path / "lists"
    folder.mkdir()
    (folder / "another.example.txt").write_text("one.example\n")
    (folder / "example.com.txt").write_text("two.example\n")
    (folder / "README").write_text("not a list")
    directory = load(*providers, lists={folder: None}).directory()
    assert [directory.find(MailAddress("f", one))[0].id for one in ("one.example", "two.example")] == [
        "another.example",
        "example.com",
    ]


def test_an_ambiguous_list_is_an_error_with_a_remedy(providers: list[Path], customers: Path) -> None:
    assert errors(*providers, lists={customers: None}) == [
        f"{customers}: 2 definitions host domains (example.com, another.example), and it is not clear which this list"
        f" belongs to; use --hosted-domains ID={customers}, or name the file ID.txt"
    ]


def test_a_list_whose_id_two_definitions_have_is_an_error(write: Write, customers: Path) -> None:
    shared = {'id="example.com"': 'id="shared.example"'}
    others = {"<domain>example.com": "<domain>another.example", "<domain>example.net": "<domain>another.test"}
    definitions = [write(HOSTING | shared), write(shared | others, "another.xml")]
    assert errors(*definitions, lists={customers: "shared.example"}) == [
        f"{customers}: 2 definitions have the id shared.example; give them different ids"
    ]


def test_a_folder_without_lists_and_a_missing_list_are_errors(write: Write, tmp_path: Path) -> None:
    folder, missing = tmp_path / "lists", tmp_path / "missing"
    folder.mkdir()
    assert errors(write(HOSTING), lists={folder: None, missing: None}) == [
        f"{folder}: there is no .txt file in this folder",
        f"{missing}: cannot be read: No such file or directory",
    ]


def test_every_folder_that_cannot_be_listed_is_an_error(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(DefinitionError) as refusal:
            read_lists([ListSource(tmp_path)] * 2)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert refusal.value.errors == [f"{tmp_path}: cannot be read: Too many open files"] * 2


def test_lists_with_more_domains_than_the_limit_are_an_error(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosting, "MAX_HOSTED", 3)
    first, second = tmp_path / "first.txt", tmp_path / "second.txt"
    first.write_text("a.example\nb.example\nc.example\n")
    second.write_text("d.example\n")
    assert load(write(HOSTING), lists={first: None}).assigned.hosted.owner("c.example") == 0
    assert errors(write(HOSTING), lists={first: None, second: None}) == [
        f"{second}: the lists have more than 3 domains; use MX records instead of lists"
    ]


def test_a_list_is_not_read_beyond_the_limit_of_domains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosting, "MAX_HOSTED", 3)
    content = "".join(f"{letter}.example\n" for letter in "abcdefgh")
    assert listed(content).errors == (
        "customers.txt:4: there are more than 3 domains; use MX records instead of a list",
    )


def test_a_list_with_an_unknown_id_is_an_error(providers: list[Path], customers: Path) -> None:
    assert errors(*providers, lists={customers: "unknown.example"}) == [
        f"{customers}: no definition has the id unknown.example"
    ]


def test_a_list_of_a_definition_that_hosts_no_domains_is_an_error(write: Write, customers: Path) -> None:
    plain = write(ANOTHER, "plain.xml")
    remedy = 'add <domain purpose="mx"> with the domain of its MX hosts'
    for name in ("another.example", "Another.example"):
        assert errors(write(HOSTING), plain, lists={customers: name.lower()}) == [
            f"{customers}: {plain} hosts no domains: {remedy}"
        ]


def test_a_domain_in_the_lists_of_two_providers_is_an_error_that_names_both_places(
    providers: list[Path], customers: Path, tmp_path: Path
) -> None:
    first, other = tmp_path / "first.txt", tmp_path / "other.txt"
    first.write_text("unique.example\n")
    other.write_text("# others\ncustomer.example\n")
    lists: dict[Path, str | None] = {first: "example.com", customers: "example.com", other: "another.example"}
    assert errors(*providers, lists=lists) == [
        f"{other}:2: customer.example is in another provider's list, {customers}:1"
    ]
    assert load(*providers, lists={customers: "example.com", other: "example.com"}).definitions


def test_the_first_hundred_domains_in_two_lists_are_reported(providers: list[Path], tmp_path: Path) -> None:
    first, second = tmp_path / "first.txt", tmp_path / "second.txt"
    for file in (first, second):
        file.write_text("".join(f"customer-{number}.example\n" for number in range(101)))
    assert len(errors(*providers, lists={first: "example.com", second: "another.example"})) == 100


def test_an_ambiguous_list_names_four_of_the_definitions(write: Write, customers: Path) -> None:
    hosting = {"<domain>": '<domain purpose="mx">'}
    many = [write(hosting | {"example.": f"e{number}."}, f"{number}.xml") for number in range(5)]
    (error,) = errors(*many, lists={customers: None})
    assert "5 definitions host domains (e0.com, e1.com, e2.com, e3.com and 1 more), and" in error
    (error,) = errors(*many[:4], lists={customers: None})
    assert "4 definitions host domains (e0.com, e1.com, e2.com, e3.com), and" in error


def test_a_listed_own_domain_belongs_to_its_definition_with_a_warning(write: Write, customers: Path) -> None:
    customers.write_text("a.example\nexample.com\n")
    definition = write(HOSTING)
    settings = load(definition, lists={customers: None})
    assert settings.directory().standing("example.com").relation is Relation.OWN
    assert f"{customers}:2: example.com is a provider's own domain ({definition}:4); remove it here" in list(
        settings.warnings()
    )


@pytest.fixture
def directory(write: Write, customers: Path) -> Directory[str]:
    settings = load(write(ANOTHER, "a.xml"), write(HOSTING, "b.xml"), lists={customers: None})
    return settings.directory().each(lambda one: one.id)


def test_domains_that_are_not_in_the_list_are_foreign(directory: Directory[str]) -> None:
    assert directory.find(MailAddress("fred", "customer.example")) == ("example.com", "customer.example")
    assert directory.standing("gmail.com") == (Relation.FOREIGN, None)
    assert directory.known("gmail.com") is None
    with pytest.raises(NotServedError):
        directory.find(MailAddress("fred", "gmail.com"), b"autoconfig.example.com")
    with pytest.raises(NotServedError):
        directory.find(MailAddress("fred", "www.customer.example"), b"autoconfig.example.com")


def test_without_a_list_the_dns_decides(providers: list[Path], customers: Path) -> None:
    directory = load(*providers, lists={customers: "example.com"}).directory()
    assert directory.standing("unknown.example") == (Relation.BY_MX, None)
    found = directory.by_exchange("mx1.eu.another.test")
    assert found is not None
    assert found.id == "another.example"
    assert directory.by_exchange("mx1.example.net") is None  # of the provider that has a list
    assert directory.by_exchange("mx1.notanother.test") is None


@pytest.mark.parametrize("prefix", ["", "autoconfig.", "autodiscover.", "ua-auto-config.", "AutoDiscover."])
@pytest.mark.parametrize("port", ["", ":8000", ".", ".:443"])
def test_the_host_of_a_hosted_domain_selects_its_provider(directory: Directory[str], prefix: str, port: str) -> None:
    assert directory.find(None, f"{prefix}customer.example{port}".encode()) == ("example.com", "customer.example")


def test_certificates_are_approved_for_client_prefixes_of_a_hosted_domain(directory: Directory[str]) -> None:
    names = ["autoconfig.customer.example", "autodiscover.customer.example", "ua-auto-config.customer.example"]
    assert all(directory.owns(name) for name in [*names, "example.com", "autoconfig.example.com"])
    others = [
        "customer.example",
        "www.customer.example",
        "autoconfig.autoconfig.customer.example",
        "autoconfig.a.example",
    ]
    assert not any(directory.owns(name) for name in others)


def test_the_home_of_a_hosted_domain_is_its_providers_first_domain(directory: Directory[str]) -> None:
    assert directory.home("customer.example", b"autodiscover.customer.example") == "example.com"


names = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?(\.[a-z]{2,4}){1,2}", fullmatch=True)


@given(st.text(alphabet=st.sampled_from("ab-._xnA1 #\t"), max_size=20) | names)
def test_the_fast_path_for_a_line_agrees_with_the_general_path(line: str) -> None:
    found = listed(f"# list\n{line}\n")
    text = line.partition("#")[0].strip()
    try:
        name = ascii_domain(text)
        expected = {name} if re.search(r"\.[^.]*[^0-9.][^.]*\Z", name) else None
    except ValueError:
        expected = set() if not text else None
    assert (None if found.errors else set(found.domains)) == expected


def test_a_hundred_thousand_domains_take_little_memory(tmp_path: Path) -> None:
    digits = random.Random(1)
    lines = [f"customer-{digits.getrandbits(32):x}.example" for _ in range(100_000)]
    (tmp_path / "many.txt").write_text("\n".join(lines))
    (found,) = read_lists([ListSource(tmp_path / "many.txt")])
    assert len(pickle.dumps(found, pickle.HIGHEST_PROTOCOL)) < 5_000_000
    assert all(line in found.domains for line in lines[::1000])


def test_the_domains_of_each_provider_are_counted(providers: list[Path], tmp_path: Path) -> None:
    first, second = tmp_path / "first.txt", tmp_path / "second.txt"
    first.write_text("a.example\nb.example\n")
    second.write_text("c.example\n")
    hosted = load(*providers, lists={first: "example.com", second: "another.example"}).assigned.hosted
    assert [hosted.count(number) for number in range(3)] == [2, 1, 0]


def test_without_lists_there_are_no_listed_domains() -> None:
    assert assign([], []).hosted.owner("customer.example") is None
    assert assign([], []) == (ANY, ())
