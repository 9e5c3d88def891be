"""Metrics for Prometheus, on a separate listener.

With several workers, each counts in its own file in a shared folder. The listener in the parent process adds them up,
so totals include all workers, even those that have exited.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from autoconfig.logs import LineWriter
from autoconfig.observe import RequestRecord
from autoconfig.sources import Settings

if TYPE_CHECKING:
    from autoconfig.signing import Signer

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1, 10)
"""Bounds of the latency histogram: most responses take a tenth of a millisecond."""


@dataclass
class State:
    """What is being served: a reload updates it, the listener reads it."""

    definitions: int = 0
    domains: int = 0
    hosted_domains: int = 0
    reloaded: float = field(default_factory=time.time)
    """When the sources were last read, valid or not: seconds since 1970."""
    failed: bool = False
    signer: "Signer | None" = None

    def applied(self, settings: Settings) -> None:
        """Note that settings have been applied."""
        self.definitions = len(settings.definitions)
        self.domains = sum(len(one.domains) for one in settings.definitions)
        self.hosted_domains = len(settings.assigned.hosted)
        self.signer = settings.signer
        self.reloaded, self.failed = time.time(), False

    def refused(self) -> None:
        """Note that the sources were invalid, and the previous settings stay in use."""
        self.reloaded, self.failed = time.time(), True


@contextmanager
def shared() -> Iterator[None]:
    """Let this process and those it starts count in a shared folder. Enter this context before anything counts."""
    parent = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - a private folder is made in it
    folder = tempfile.mkdtemp(prefix="bt-autoconfig-", dir=parent)
    os.environ[_FOLDER] = folder
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def counter() -> Callable[[RequestRecord], None]:
    """Return a function that counts a request."""
    from prometheus_client import Counter, Histogram  # reads _FOLDER on import

    requests = Counter(
        "bt_autoconfig_requests", "Requests by route, client family and outcome", ["route", "client", "outcome"]
    )
    latency = Histogram("bt_autoconfig_request_seconds", "Time to respond", ["route"], buckets=_SECONDS)

    def count(record: RequestRecord) -> None:
        requests.labels(record.route, record.client, record.outcome).inc()
        latency.labels(record.route).observe(record.seconds)

    return count


def count_dropped_lines(writer: LineWriter) -> None:
    """Count the log lines that a writer drops."""
    from prometheus_client import Counter  # reads _FOLDER on import

    dropped = Counter(
        "bt_autoconfig_log_lines_dropped", "Log lines that were dropped because they were not read fast enough"
    )
    writer.on_drop = dropped.inc


def listen(host: str, port: int, state: State) -> int:
    """Serve Prometheus at `/metrics`, in a thread; return the port. Raises OSError if the port is taken."""
    from prometheus_client import REGISTRY, CollectorRegistry, start_http_server
    from prometheus_client.core import GaugeMetricFamily, Metric
    from prometheus_client.multiprocess import MultiProcessCollector
    from prometheus_client.registry import Collector

    class Gauges(Collector):
        def collect(self) -> Iterator[Metric]:
            yield GaugeMetricFamily("bt_autoconfig_definitions", "Definitions in use", state.definitions)
            yield GaugeMetricFamily("bt_autoconfig_domains", "Domains in the definitions", state.domains)
            yield GaugeMetricFamily("bt_autoconfig_hosted_domains", "Hosted domains in lists", state.hosted_domains)
            yield GaugeMetricFamily(
                "bt_autoconfig_last_reload_timestamp_seconds", "When the files were last read", state.reloaded
            )
            yield GaugeMetricFamily(
                "bt_autoconfig_last_reload_failed",
                "Whether the last reload failed because of an invalid file",
                float(state.failed),
            )
            if state.signer:
                yield GaugeMetricFamily(
                    "bt_autoconfig_signing_certificate_days",
                    "Days until the signing certificate expires",
                    state.signer.days_left,
                )

    registry = CollectorRegistry() if _FOLDER in os.environ else REGISTRY
    if registry is not REGISTRY:
        MultiProcessCollector(registry, os.environ[_FOLDER])  # type: ignore[no-untyped-call]
    server, _ = start_http_server(port, host, registry)
    registry.register(Gauges())  # only now: a failed start leaves nothing behind
    return int(server.server_port)
