"""Which domains `check` compares with a definition, and its report in Prometheus's format."""

from pathlib import Path

import pytest

from autoconfig.operations.names import MAX_RECORDS
from tests.operations.hosts import CommandResult, Records, check, resolver
from tests.support import Write

CUSTOMER = "customer.example"
NOTHING_LISTENS = "http://127.0.0.1:1"


@pytest.fixture
def hosting(write: Write) -> Path:
    """A definition of a provider that hosts its customers' domains."""
    return write({"<domain>example.net": '<domain purpose="mx">example.net'})


def checked(records: Records, definition: Path, *more: str) -> CommandResult:
    with resolver(records) as address:
        return check(CUSTOMER, "--definition", definition, "--resolver", address, "--timeout", 5, *more)


def test_a_domain_whose_mail_goes_to_the_provider_is_compared_with_its_definition(hosting: Path) -> None:
    done = checked({(CUSTOMER, "MX"): ["10 mx.example.net."]}, hosting, "--url", NOTHING_LISTENS, "--format", "json")
    (line,) = [line for line in done.of("mail") if line["subject"] == "imap imap.example.com:143"]
    assert line["text"] == "imap.example.com has no address"


@pytest.mark.parametrize(
    "exchangers",
    [[], ["10 mx.elsewhere.example."], [f"10 mx{number}.example.net." for number in range(MAX_RECORDS + 1)]],
)
def test_without_a_definition_a_server_that_is_not_in_the_dns_cannot_be_checked(
    hosting: Path, exchangers: list[str]
) -> None:
    """Neither if the MX record names another provider, nor if its lookup fails."""
    records: Records = {(CUSTOMER, "MX"): exchangers} if exchangers else {}
    done = checked(records, hosting, "--url", NOTHING_LISTENS)
    assert (done.status, done.stdout) == (1, "")
    assert done.stderr.startswith(f"--url: {CUSTOMER} is in no definition")


def test_a_domain_without_a_definition_is_checked_on_its_own_and_reported_to_prometheus(hosting: Path) -> None:
    done = checked({}, hosting, "--format", "prometheus")
    assert done.status == 1
    check = f'bt_autoconfig_check_status{{area="clients",check="settings of {CUSTOMER}",domain="{CUSTOMER}"}} 3.0'
    assert check in done.stdout.splitlines()
    assert done.stdout.endswith("\n")
    assert not done.stdout.endswith("\n\n")
