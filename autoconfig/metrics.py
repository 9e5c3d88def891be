"""Figures for Prometheus, on a listener of their own.

With several workers each counts in a file of its own in a folder that all share, and the listener, in the parent
process, adds them up: so totals are right whichever worker is asked, and outlive it.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from autoconfig.logs import LineWriter
from autoconfig.observe import RequestRecord
from autoconfig.signing import Signer
from autoconfig.sources import Settings

_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1, 10)
"""Bounds of the latency histogram: most answers take a tenth of a millisecond."""


@dataclass
class State:
    """What is being served: updated by who reloads, read by the listener."""

    definitions: int = 0
    domains: int = 0
    reloaded: float = field(default_factory=time.time)
    """When the sources were last read, right or wrong: seconds since 1970."""
    failed: bool = False
    signer: Signer | None = None

    def applied(self, settings: Settings) -> None:
        """Note that settings have been taken into use."""
        self.definitions = len(settings.definitions)
        self.domains = sum(len(one.domains) for one in settings.definitions)
        self.signer = settings.signer
        self.reloaded, self.failed = time.time(), False

    def refused(self) -> None:
        """Note that what was read is wrong, and what was served goes on."""
        self.reloaded, self.failed = time.time(), True


@contextmanager
def shared() -> Iterator[None]:
    """Have every process that is started meanwhile count into a folder that they share; before anything counts."""
    parent = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - a private folder is made in it
    folder = tempfile.mkdtemp(prefix="bt-autoconfig-", dir=parent)
    os.environ[_FOLDER] = folder
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def counter() -> Callable[[RequestRecord], None]:
    """Return what counts a request."""
    from prometheus_client import Counter, Histogram  # reads _FOLDER when it is imported

    requests = Counter(
        "bt_autoconfig_requests", "Requests by route, client family and outcome", ["route", "client", "outcome"]
    )
    latency = Histogram("bt_autoconfig_request_seconds", "Time to answer", ["route"], buckets=_SECONDS)

    def count(record: RequestRecord) -> None:
        requests.labels(record.route, record.client, record.outcome).inc()
        latency.labels(record.route).observe(record.seconds)

    return count


def count_dropped_lines(writer: LineWriter) -> None:
    """Have the log lines that a writer drops counted."""
    from prometheus_client import Counter  # reads _FOLDER when it is imported

    dropped = Counter("bt_autoconfig_log_lines_dropped", "Log lines that were dropped because nothing read them")
    writer.on_drop = dropped.inc


def listen(host: str, port: int, state: State) -> int:
    """Answer Prometheus at `/metrics`, in a thread; return the port. Raises OSError when the port is taken."""
    from prometheus_client import REGISTRY, CollectorRegistry, start_http_server
    from prometheus_client.core import GaugeMetricFamily, Metric
    from prometheus_client.multiprocess import MultiProcessCollector
    from prometheus_client.registry import Collector

    class Gauges(Collector):
        def collect(self) -> Iterator[Metric]:
            yield GaugeMetricFamily("bt_autoconfig_definitions", "Definitions that are served", state.definitions)
            yield GaugeMetricFamily("bt_autoconfig_domains", "Domains in them", state.domains)
            yield GaugeMetricFamily(
                "bt_autoconfig_last_reload_timestamp_seconds", "When the files were last read", state.reloaded
            )
            yield GaugeMetricFamily(
                "bt_autoconfig_last_reload_failed", "Whether what was read then was wrong", float(state.failed)
            )
            if state.signer:
                yield GaugeMetricFamily(
                    "bt_autoconfig_signing_certificate_days", "Days until it expires", state.signer.days_left
                )

    registry = CollectorRegistry() if _FOLDER in os.environ else REGISTRY
    if registry is not REGISTRY:
        MultiProcessCollector(registry, os.environ[_FOLDER])  # type: ignore[no-untyped-call]
    registry.register(Gauges())
    server, _ = start_http_server(port, host, registry)
    return int(server.server_port)
