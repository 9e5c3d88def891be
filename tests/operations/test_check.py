"""What the command prints. Whether it finds what is wrong is shown in the lab (tests/clients/test_check.py)."""

import json
import subprocess

import pytest

from tests.support import Served, Write, run, serving


def check(server: Served, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run("check", "--url", server.url, "--resolver", "127.0.0.1", "--timeout", "3", *arguments)


def test_the_web_side_is_right_wherever_the_server_is_asked(server: Served) -> None:
    report = json.loads(check(server, "--json").stdout)
    verdicts = {line["verdict"] for line in report["lines"] if line["area"] == "HTTPS"}
    assert verdicts == {"right"}
    assert len([line for line in report["lines"] if line["area"] == "HTTPS"]) == 3 * 11


def test_what_a_definition_does_not_offer_is_not_missed(write: Write) -> None:
    """A provider with OAuth2 alone has nothing for Outlook or for Apple's profiles."""
    definition = write({"password-cleartext": "OAuth2", "password-encrypted": "OAuth2"})
    with serving("--definition", definition) as served:
        report = json.loads(check(served, "--json", "--definition", str(definition)).stdout)
    lines = [line for line in report["lines"] if line["area"] == "HTTPS"]
    assert {line["verdict"] for line in lines} == {"right"}
    assert not [line for line in lines if "(POST)" in line["subject"] or "mobileconfig" in line["subject"]]
    (outlook,) = [line for line in report["lines"] if line["subject"] == "Outlook, classic, example.com"]
    assert outlook["text"] == "can use nothing of what the definition says"


def test_what_cannot_be_checked_is_not_called_wrong(server: Served) -> None:
    done = check(server)  # there is no resolver to find the mail servers
    assert done.returncode == 2
    assert "unknown" in done.stdout.splitlines()[-1]
    assert "wrong" not in done.stdout.splitlines()[-1]


def test_the_table_has_areas_signs_and_remedies(server: Served) -> None:
    printed = " ".join(check(server, "--domain", "talk21.com").stdout.split())
    assert "✓ autoconfig.talk21.com" in printed
    assert "? imap mail.btinternet.com:993" in printed
    assert "→ ask another with --resolver, or look after the zone's name servers" in printed


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--domain", "example.org"], "--domain: example.org stands in no definition"),
        (["--resolver", "nonsense"], "--resolver: "),
        (["--url", "nonsense"], "is not the address of a server"),
        (["--timeout", "0"], "0.0 is not in the range"),
    ],
)
def test_options_that_make_no_sense_are_refused(arguments: list[str], text: str) -> None:
    done = run("check", *arguments)
    assert done.returncode in (1, 2)
    assert text in done.stderr
    assert "Traceback" not in done.stderr
