"""What the operator sees of requests: counters and log lines, without any text of a request.

A request is described by its route, the family of its client, and its outcome, each from a fixed list. So no email
address, query string, header or IP address can appear.
"""

import logging
import re
import time
from typing import NamedTuple

from autoconfig.requests import Request
from autoconfig.responses import Response

_FAMILIES = (
    ("Thunderbird for Android", re.compile(rb"Thunderbird.*Android|K-9|com\.fsck\.k9|Android.*Thunderbird")),
    ("Thunderbird", re.compile(rb"Thunderbird|Betterbird")),
    ("Outlook", re.compile(rb"Outlook|Microsoft Office|MSOffice|MacOutlook")),
    ("Apple", re.compile(rb"dataaccessd|accountsd|AppleExchangeWebServices|profiled|iOS/|iPhoneOS")),
    ("Evolution", re.compile(rb"Evolution")),
    ("KMail", re.compile(rb"KMail|Kontact|KIO")),
    ("Delta Chat", re.compile(rb"[Dd]elta ?[Cc]hat")),
    ("eM Client", re.compile(rb"eM ?Client")),
    ("check", re.compile(rb"bt-autoconfig")),
    ("browser", re.compile(rb"Mozilla/5\.0")),
)
"""Families of clients by their User-Agent header, specific before general."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})

logger = logging.getLogger("autoconfig.access")


class RequestRecord(NamedTuple):
    """A request with its response: `outcome` is ok, refused or failed; `seconds` is the time to respond."""

    method: str
    route: str
    client: str
    status: int
    outcome: str
    seconds: float


def record(request: Request, route: str, response: Response, start: float) -> RequestRecord:
    """Describe a request and its response; `start` is when it arrived, by time.perf_counter."""
    status = response.status
    return RequestRecord(
        request.method if request.method in _METHODS else "other",
        route,
        _family(request.user_agent),
        status,
        "failed" if status >= 500 else "refused" if response.refused else "ok",
        time.perf_counter() - start,
    )


def _family(agent: bytes) -> str:
    if not agent:
        return "none"
    return next((name for name, pattern in _FAMILIES if pattern.search(agent[:512])), "other")


def log(record: RequestRecord) -> None:
    """Write a log line."""
    milliseconds = round(record.seconds * 1000, 3)
    logger.info(
        "%s %s %s %s %s ms",
        *(record.method, record.route, record.status, record.client, milliseconds),
        extra={
            "fields": {
                "method": record.method,
                "route": record.route,
                "status": record.status,
                "client": record.client,
                "ms": milliseconds,
            }
        },
    )
