"""The output and options of `check`. Its findings are tested in test_served_check and test_foreign_check."""

import json
from collections.abc import Iterator
from typing import Protocol

import dns.message
import dns.rcode
import pytest

from tests.operations.hosts import CommandResult, resolver
from tests.operations.hosts import check as run
from tests.support import Served, Write, serving


def fail(_: dns.message.Message, response: dns.message.Message) -> None:
    response.set_rcode(dns.rcode.SERVFAIL)


class Check(Protocol):
    def __call__(self, server: Served, *arguments: str) -> CommandResult: ...


@pytest.fixture(scope="module")
def check() -> Iterator[Check]:
    """Check a server with a resolver that cannot find the mail servers."""
    with resolver({}, fail) as address:
        yield lambda server, *arguments: run("--url", server.url, "--resolver", address, *arguments)


def test_a_server_passes_the_https_checks_at_any_url(check: Check, server: Served) -> None:
    report = json.loads(check(server, "--format", "json").stdout)
    certificates = [line for line in report["lines"] if line["text"] == "not checked: --url is http"]
    assert [line["verdict"] for line in certificates] == ["skipped"] * 3 * 3
    verdicts = {line["verdict"] for line in report["lines"] if line["area"] == "HTTPS" and line not in certificates}
    assert verdicts == {"ok"}
    assert len([line for line in report["lines"] if line["area"] == "HTTPS"]) >= 3 * 11


def test_protocols_that_a_definition_cannot_serve_are_not_checked(check: Check, write: Write) -> None:
    """A provider with only OAuth2 has no settings for Outlook and no Apple profile."""
    definition = write({"password-cleartext": "OAuth2", "password-encrypted": "OAuth2"})
    with serving("--definition", definition) as served:
        report = json.loads(check(served, "--json", "--definition", str(definition)).stdout)
    lines = [line for line in report["lines"] if line["area"] == "HTTPS"]
    assert {line["verdict"] for line in lines} == {"ok", "skipped"}
    assert not [line for line in lines if "(POST)" in line["subject"] or "mobileconfig" in line["subject"]]
    (outlook,) = [line for line in report["lines"] if line["subject"] == "Outlook, classic, example.com"]
    assert outlook["text"] == "cannot use any server in the definition"


def test_what_cannot_be_checked_is_unknown(check: Check, server: Served) -> None:
    done = check(server)
    assert done.status == 2
    assert done.stdout.splitlines()[-1] == "3 domains: 5 unknown"


def test_the_table_has_areas_signs_and_remedies(check: Check, server: Served) -> None:
    printed = " ".join(check(server, "talk21.com").stdout.split())
    assert "· autoconfig.talk21.com not checked: --url is http" in printed
    assert "✓ https://autoconfig.talk21.com" in printed
    assert "? imap mail.btinternet.com:993" in printed
    assert "→ use another resolver (--resolver), or check the zone's name servers" in printed


def test_the_problems_option_shows_only_problems(check: Check, server: Served) -> None:
    done = check(server, "talk21.com", "--problems")
    assert "✓" not in done.stdout
    assert "? imap mail.btinternet.com:993" in " ".join(done.stdout.split())
    lines = check(server, "talk21.com", "--problems", "--format", "json").lines
    assert {line["verdict"] for line in lines} == {"unknown"}
    page = check(server, "talk21.com", "--problems", "--format", "html").stdout
    assert "✓" not in page
    assert "imap mail.btinternet.com:993" in page


def test_domains_given_as_arguments_and_options_are_normalised_and_checked_once(check: Check, server: Served) -> None:
    done = check(server, "Talk21.com.", "--domain", "talk21.COM", "--domain", "btinternet.com")
    assert done.stdout.splitlines()[-1].startswith("2 domains:")


def test_json_is_the_same_as_format_json(check: Check, server: Served) -> None:
    assert check(server, "talk21.com", "--json").lines == check(server, "talk21.com", "--format", "json").lines
    assert "--json" not in run("--help").stdout


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--resolver", "nonsense"], "nonsense is not an IP address such as 192.0.2.1"),
        (["--url", "nonsense"], "is not the URL of a server"),
        (["--timeout", "0"], "0.0 is not in the range"),
        (["--format", "pdf"], "'pdf' is not one of"),
        (["fred@talk21.com"], "fred@talk21.com is not a domain name such as example.org; did you mean talk21.com?\n"),
        (["localhost"], "localhost is not a domain name such as example.org\n"),
        (["192.0.2.1"], "192.0.2.1 is not a domain name such as example.org\n"),
        (["https://example.org/"], "is not a domain name"),
        (["a b"], "is not a domain name"),
        (["\x1b[2J.example"], "\\x1b[2J.example is not a domain name"),
        (
            ["example.org", "--url", "http://127.0.0.1:1", "--resolver", "127.0.0.1:1", "--timeout", "0.1"],
            "--url: example.org is in no definition, so the expected responses are unknown; add --definition",
        ),
    ],
)
def test_invalid_arguments_are_rejected(arguments: list[str], text: str) -> None:
    done = run(*arguments)
    assert done.status == 3
    assert text in done.stderr
    assert done.stdout == ""
