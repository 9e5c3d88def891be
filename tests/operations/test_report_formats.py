"""A report as JSON, Prometheus metrics and HTML."""

import asyncio
import json
import re

import pytest
from lxml import html
from prometheus_client.parser import text_string_to_metric_families

from autoconfig.operations.report import Finding, Report, Verdict
from autoconfig.operations.report_formats import as_html, as_json, as_prometheus

EVIL = '<script>alert(1)</script>"\x1b[2J\u202e&amp;'


def report() -> Report:
    """Return a report with every verdict, and text from a server."""

    async def run() -> Report:
        made = Report()
        made.domains = ["a.example", "b.example"]
        made.note("DNS", "autoconfig.a.example", Finding(Verdict.OK, "192.0.2.1"), "a.example")
        made.note("HTTPS", "autoconfig.a.example", Finding(Verdict.ERROR, f"says {EVIL}", "mend it"), "a.example")
        made.note("HTTPS", "https://autoconfig.a.example/x", Finding(Verdict.SKIPPED, "skipped"), "a.example")
        made.note("mail", "imap mail.a.example:993", Finding(Verdict.WARNING, "soon", "renew"))
        made.note("mail", "imap mail.a.example:993", Finding(Verdict.OK, "fine"))
        made.note("clients", "KMail, b.example", Finding(Verdict.UNKNOWN, "no route"), "b.example")
        await made.finish()
        return made

    return asyncio.run(run())


def test_the_summary_counts_the_problems() -> None:
    assert report().summary() == "2 domains: 1 error, 1 warning, 1 unknown"
    assert Report().summary() == "0 domains: no problems"


def test_json_has_every_line_or_only_the_problems() -> None:
    found = json.loads(as_json(report()))
    assert (found["exit_status"], found["summary"]) == (1, report().summary())
    assert [line["verdict"] for line in found["lines"]] == ["ok", "error", "skipped", "warning", "ok", "unknown"]
    assert found["lines"][0] == {
        "domain": "a.example", "area": "DNS", "subject": "autoconfig.a.example", "verdict": "ok",
        "text": "192.0.2.1", "remedy": "",
    }  # fmt: skip
    problems = json.loads(as_json(report(), problems=True))["lines"]
    assert [line["verdict"] for line in problems] == ["error", "warning", "unknown"]


def test_prometheus_gets_a_gauge_for_each_check_without_text_from_servers() -> None:
    exposition = as_prometheus(report())
    families = {one.name: one for one in text_string_to_metric_families(exposition)}
    assert {one.type for one in families.values()} == {"gauge"}
    samples = families["bt_autoconfig_check_status"].samples
    found = {tuple(one.labels[name] for name in ("domain", "area", "check")): one.value for one in samples}
    assert found == {
        ("a.example", "DNS", "autoconfig.a.example"): 0,
        ("a.example", "HTTPS", "autoconfig.a.example"): 3,
        ("a.example", "HTTPS", "https://autoconfig.a.example/x"): 0,
        ("", "mail", "imap mail.a.example:993"): 1,
        ("b.example", "clients", "KMail, b.example"): 2,
    }
    counts = {one.labels["verdict"]: one.value for one in families["bt_autoconfig_check_problems"].samples}
    assert counts == {"error": 1, "warning": 1, "unknown": 1}
    assert families["bt_autoconfig_check_domains"].samples[0].value == 2
    assert families["bt_autoconfig_check_timestamp_seconds"].samples[0].value > 1.7e9
    assert {name: one.documentation for name, one in families.items()} == {
        "bt_autoconfig_check_status": "Result of a check: 0 = OK or skipped, 1 = warning, 2 = unknown, 3 = error.",
        "bt_autoconfig_check_problems": "Number of checks with this verdict.",
        "bt_autoconfig_check_domains": "Number of domains checked.",
        "bt_autoconfig_check_timestamp_seconds": "When the check finished.",
    }
    assert "script" not in exposition
    assert "192.0.2.1" not in exposition
    assert "@" not in exposition


@pytest.mark.parametrize("problems", [False, True])
def test_html_is_one_page_that_loads_and_runs_nothing(problems: bool) -> None:
    page = as_html(report(), problems=problems)
    tree = html.document_fromstring(page)
    assert not tree.xpath("//script | //link | //img | //iframe | //@src | //@href | //@*[starts-with(name(), 'on')]")
    assert not re.search(r"url\(|@import", page)
    (policy,) = tree.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"
    assert tree.xpath("string(//title)") == "Mail setup check: a.example and 1 more"
    assert report().summary() in tree.text_content()
    assert r"says <script>alert(1)</script>" in tree.text_content()
    assert "mend it" in tree.text_content()
    subjects = ["autoconfig.a.example", "imap mail.a.example:993", "KMail, b.example"]
    assert all(subject in tree.text_content() for subject in subjects)
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", tree.text_content())
    assert "\x1b" not in page
    assert "\u202e" not in page
    areas = ["HTTPS", "mail", "clients"] if problems else ["DNS", "HTTPS", "mail", "clients"]
    assert [one.text for one in tree.xpath("//h2")] == areas
    assert ("✓ OK" in page) is not problems


def test_each_line_of_the_page_has_its_verdict_and_remedy() -> None:
    rows = html.document_fromstring(as_html(report())).xpath("//tr")
    assert [row.xpath("string(td[1]/@class)") for row in rows] == [
        f"verdict {one}" for one in ("ok", "error", "skipped", "warning", "ok", "unknown")
    ]
    cells = [[" ".join(cell.text_content().split()) for cell in row] for row in rows]
    assert [cells[0], *cells[2:]] == [
        ["✓ OK", "autoconfig.a.example", "192.0.2.1"],
        ["· skipped", "https://autoconfig.a.example/x", "skipped"],
        ["! warning", "imap mail.a.example:993", "soon→ renew"],
        ["✓ OK", "imap mail.a.example:993", "fine"],
        ["? unknown", "KMail, b.example", "no route"],
    ]
    assert (cells[1][0], cells[1][2][-9:]) == ("✗ error", "→ mend it")


def test_a_page_about_one_domain_is_called_by_its_name() -> None:
    one = Report()
    one.domains = ["a.example"]
    assert html.document_fromstring(as_html(one)).xpath("string(//h1)") == "Mail setup check: a.example"
