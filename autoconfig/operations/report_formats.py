"""A finished report as JSON, Prometheus metrics or HTML."""

import datetime
import json
from collections.abc import Iterable

from lxml import etree
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from autoconfig.operations.report import Finding, Line, Report, Verdict
from autoconfig.operations.report_table import shown
from autoconfig.templates import Template

_LEVELS = {Verdict.OK: 0, Verdict.SKIPPED: 0, Verdict.WARNING: 1, Verdict.UNKNOWN: 2, Verdict.ERROR: 3}
"""The value of each check's gauge. A skipped check is 0: the line that it depends on has the problem."""


def as_json(report: Report, *, problems: bool = False) -> str:
    """Return a report as JSON."""
    lines = [
        {
            "domain": line.domain,
            "area": line.area,
            "subject": line.subject,
            "verdict": finding.verdict.value,
            "text": finding.text,
            "remedy": finding.remedy,
        }
        for line, finding in _found(shown(report, problems=problems))
    ]
    return json.dumps({"exit_status": report.exit_status, "summary": report.summary(), "lines": lines}, indent=2)


def as_prometheus(report: Report) -> str:
    """Return a report as Prometheus metrics, for node_exporter's textfile collector.

    There is a gauge for each check and one for each kind of problem. No label contains text from a server, an email
    address or an IP address.
    """
    registry = CollectorRegistry()
    status = Gauge(
        "bt_autoconfig_check_status",
        "Result of a check: 0 = OK or skipped, 1 = warning, 2 = unknown, 3 = error.",
        ("domain", "area", "check"),
        registry=registry,
    )
    worst: dict[tuple[str, str, str], int] = {}
    for line, finding in _found(report.lines):
        key = (line.domain, line.area, line.subject)
        worst[key] = max(worst.get(key, 0), _LEVELS[finding.verdict])
    for key, level in worst.items():
        status.labels(*key).set(level)
    problems = Gauge(
        "bt_autoconfig_check_problems", "Number of checks with this verdict.", ("verdict",), registry=registry
    )
    for verdict in (Verdict.ERROR, Verdict.WARNING, Verdict.UNKNOWN):
        problems.labels(verdict.value).set(report.count(verdict))
    Gauge("bt_autoconfig_check_domains", "Number of domains checked.", registry=registry).set(len(report.domains))
    Gauge("bt_autoconfig_check_timestamp_seconds", "When the check finished.", registry=registry).set_to_current_time()
    return generate_latest(registry).decode()


def as_html(report: Report, *, problems: bool = False) -> str:
    """Return a report as a self-contained HTML page without scripts."""
    now = datetime.datetime.now(datetime.UTC)
    root = etree.Element("report", summary=report.summary(), time=f"{now:%Y-%m-%d %H:%M} UTC")
    for domain in report.domains:
        etree.SubElement(root, "domain", name=domain)
    area: etree._Element | None = None
    for line, finding in _found(shown(report, problems=problems)):
        if area is None or area.get("name") != line.area:
            area = etree.SubElement(root, "area", name=line.area)
        element = etree.SubElement(area, "line", verdict=finding.verdict.value, subject=line.subject)
        etree.SubElement(element, "found").text = finding.text
        if finding.remedy:
            etree.SubElement(element, "remedy").text = finding.remedy
    return Template.named("check.xsl").page(root).decode()


def _found(lines: Iterable[Line]) -> list[tuple[Line, Finding]]:
    """Return the lines that have a finding, all lines of a finished report, with it."""
    return [(line, line.finding) for line in lines if line.finding]
