"""What `serve` prints at its start."""

import json
from pathlib import Path

import pytest

from tests.support import Write, serving
from tests.test_advice import IMPLICIT

OTHER = {"example.com": "other.example", "example.net": "net.other.example", "Example Mail": "Other Mail"}


def with_warnings(write: Write, number: int) -> Path:
    """Write a definition with unknown elements."""
    return write(
        IMPLICIT | {"</emailProvider>": "\n".join(f"<unknown{one}/>" for one in range(number)) + "</emailProvider>"}
    )


def test_one_line_names_the_first_of_several_providers_and_the_number_of_the_others(write: Write) -> None:
    with serving("--definition", write(IMPLICIT), "--definition", write(IMPLICIT | OTHER, "other.xml")) as served:
        lines = served.printed().splitlines()
        address = "emailaddress=you@example.com"
        assert lines == [
            f"bt-autoconfig serves Example Mail and 1 more on {served.url} (Ctrl-C to stop). To try it:",
            f"  Thunderbird  {served.url}/mail/config-v1.1.xml?{address}",
            f"  Outlook      {served.url}/autodiscover/autodiscover.xml",
            f"  Apple        {served.url}/email.mobileconfig?{address}",
            f"  Browser      {served.url}/",
        ]


@pytest.mark.parametrize(
    ("number", "last"), [(20, "unknown19"), (25, "and 5 more; `bt-autoconfig validate` lists all")]
)
def test_at_most_twenty_warnings_are_printed(write: Write, number: int, last: str) -> None:
    with serving("--definition", with_warnings(write, number)) as served:
        warnings = [one for one in served.printed().splitlines() if one.startswith("warning: ")]
    assert [f"unknown{one} " in line for one, line in enumerate(warnings[:20])] == [True] * 20
    assert last in warnings[-1]
    assert len(warnings) == min(number, 21)


def test_json_lines_have_the_warnings_and_the_address_but_nothing_to_try(write: Write) -> None:
    with serving("--log-format", "json", "--definition", with_warnings(write, 1)) as served:
        warning, ready = [json.loads(line) for line in served.printed().splitlines()]
        assert (warning["level"], ready["level"]) == ("warning", "info")
        assert "unknown0 is not an element of the format" in warning["message"]
        assert ready["message"] == f"serving Example Mail on {served.url}"
