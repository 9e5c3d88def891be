"""What the operator sees of requests: counters and log lines, of which nothing is a request's own text.

A request is described by words of ours: its route, the family of its client, its outcome. Addresses, queries, headers
and IP addresses have no way in.
"""

import logging
import re
import time
from collections.abc import Callable
from typing import NamedTuple

from starlette.types import ASGIApp, Message, Receive, Scope, Send

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
"""Families of clients by their User-Agent header, the particular before the general."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})

logger = logging.getLogger("autoconfig.access")


class RequestRecord(NamedTuple):
    """A request that has been answered: `outcome` is ok, refused or failed, `seconds` what it took."""

    method: str
    route: str
    client: str
    status: int
    outcome: str
    seconds: float


class Observer:
    """ASGI application: another one, each of whose answers is reported to `report`.

    `route_of` names the route of a path; it knows a few names and makes none of what it is given.
    """

    def __init__(self, app: ASGIApp, route_of: Callable[[str], str], report: Callable[[RequestRecord], None]) -> None:
        self._app = app
        self._route_of = route_of
        self._report = report

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and report its answer."""
        start = time.perf_counter()
        status, refused = 0, False

        async def watching(message: Message) -> None:
            nonlocal status, refused
            if message["type"] == "http.response.start":
                status, refused = message["status"], message.get("refused", False)
            await send(message)

        try:
            await self._app(scope, receive, watching)
        finally:
            if status:
                self._report(
                    RequestRecord(
                        scope["method"] if scope["method"] in _METHODS else "other",
                        self._route_of(scope["path"]),
                        _family(next((value for name, value in scope["headers"] if name == b"user-agent"), b"")),
                        status,
                        "failed" if status >= 500 else "refused" if refused or status >= 400 else "ok",
                        time.perf_counter() - start,
                    )
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
