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


def test_only_a_hosted_domain_needs_no_hosts_of_its_own(hosting: Path) -> None:
    done = checked({(CUSTOMER, "MX"): ["10 mx.example.net."]}, hosting, "example.com", "--format", "json")
    subjects = {line["subject"]: line["verdict"] for line in done.of("DNS")}
    assert subjects[f"MX of {CUSTOMER}"] == "ok"
    assert f"autoconfig.{CUSTOMER}" not in subjects
    assert subjects["autoconfig.example.com"] == "error"
    assert "MX of example.com" not in subjects


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
    assert (done.status, done.stdout) == (3, "")
    assert done.stderr.startswith(f"--url: {CUSTOMER} is in no definition")


def test_a_domain_without_a_definition_is_checked_on_its_own_and_reported_to_prometheus(hosting: Path) -> None:
    done = checked({}, hosting, "--format", "prometheus")
    assert done.status == 1
    check = f'bt_autoconfig_check_status{{area="clients",check="settings of {CUSTOMER}",domain="{CUSTOMER}"}} 3.0'
    assert check in done.stdout.splitlines()
    assert done.stdout.endswith("\n")
    assert not done.stdout.endswith("\n\n")


@pytest.mark.parametrize("format_", ["text", "json", "prometheus", "html"])
def test_a_report_can_replace_a_file(hosting: Path, tmp_path: Path, format_: str) -> None:
    file = tmp_path / "report"
    file.write_text("old")
    printed = checked({}, hosting, "--format", format_)
    written = checked({}, hosting, "--format", format_, "--output", str(file))
    assert (written.status, written.stdout, written.stderr) == (1, "", "")
    assert {one.name for one in tmp_path.iterdir()} == {"provider.xml", "report"}
    assert len(file.read_text().splitlines()) == len(printed.stdout.splitlines())


def check_with_output(file: Path, *arguments: object) -> CommandResult:
    file.write_text("good")
    return check(*arguments, "--format", "prometheus", "--output", file)


@pytest.mark.parametrize(
    "arguments", [["--timeout", "x"], ["--definition", "/nothing"], ["localhost"], ["--no-such-option"]]
)
def test_without_a_report_the_status_is_3_and_the_file_is_kept(tmp_path: Path, arguments: list[str]) -> None:
    done = check_with_output(tmp_path / "check.prom", *arguments)
    assert (done.status, done.stdout) == (3, "")
    assert (tmp_path / "check.prom").read_text() == "good"


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (RuntimeError("a \x1b[2Jfault"), 3, "RuntimeError: a \\x1b[2Jfault\n"),
        (BrokenPipeError(), 3, ""),
        (KeyboardInterrupt(), 130, "Aborted!\n"),
    ],
)
def test_a_check_that_crashes_or_is_interrupted_exits_with_a_status_that_is_not_a_result(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: BaseException, status: int, text: str
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("autoconfig.cli.check.as_prometheus", fail)
    done = check_with_output(tmp_path / "check.prom", "--url", NOTHING_LISTENS)
    assert (done.status, done.stdout) == (status, "")
    assert done.stderr.endswith(text)
    assert (tmp_path / "check.prom").read_text() == "good"


@pytest.mark.parametrize(
    ("name", "suggestion"), [("fred@example.org", "; did you mean example.org?"), ("localhost", ""), ("a b", "")]
)
def test_an_address_instead_of_a_domain_gets_a_suggestion(name: str, suggestion: str) -> None:
    done = check("--url", NOTHING_LISTENS, name)
    assert (done.status, done.stdout) == (3, "")
    assert done.stderr == f"{name} is not a domain name such as example.org{suggestion}\n"


def test_a_report_for_a_folder_that_does_not_exist_is_refused_before_the_check(tmp_path: Path) -> None:
    done = check("--output", tmp_path / "no" / "check.prom")
    assert (done.status, done.stderr) == (3, f"{tmp_path / 'no'}: is not a folder; create it first\n")
