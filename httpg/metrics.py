"""The metrics of a daemon, by name; docs/operating.md lists them."""

import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from OpenSSL import SSL
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from httpg.accounts import BOUNDS_S, BUCKETS, COUNT, RECEIVED, SECONDS, SENT

if TYPE_CHECKING:
    from httpg.monitor import Picture

_DISTRIBUTION = "glite-py"
_EDGES = (*(f"{bound:g}" for bound in BOUNDS_S), "+Inf")


class DaemonMetrics(Collector):
    """What every daemon shows.

    processes: name → process id at present; not_after: when its credential expires, as Unix time, None when unknown.
    """

    def __init__(self, service: str, processes: Callable[[], Mapping[str, int]],
                 not_after: Callable[[], float | None]) -> None:
        self._service = service
        self._processes = processes
        self._not_after = not_after

    def collect(self) -> Iterator[Metric]:
        """Called for each request of /metrics."""
        yield _build_info(self._service)
        memory = GaugeMetricFamily("glite_process_resident_memory_bytes", "Memory of a process.", labels=["process"])
        descriptors = GaugeMetricFamily("glite_process_open_descriptors", "Open files and sockets.", labels=["process"])
        for name, pid in self._processes().items():
            try:
                pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
                memory.add_metric([name], pages * os.sysconf("SC_PAGE_SIZE"))
                descriptors.add_metric([name], len(os.listdir(f"/proc/{pid}/fd")))
            except (OSError, IndexError):
                continue  # it has ended since we heard of it
        yield memory
        yield descriptors
        if (not_after := self._not_after()) is not None:
            yield GaugeMetricFamily("glite_certificate_expiry_seconds", "Until the server's certificate expires.",
                                    not_after - time.time())


class ServerMetrics(Collector):
    """What the daemons of httpg.server show beyond that."""

    def __init__(self, picture: "Picture") -> None:
        self._picture = picture

    def collect(self) -> Iterator[Metric]:
        """Called for each request of /metrics."""
        with self._picture.lock:
            yield from self._workers()
            yield from self._connections()
            yield from self._requests()

    def _workers(self) -> Iterator[Metric]:
        picture = self._picture
        yield GaugeMetricFamily("glite_workers", "Worker processes that accept connections.", len(picture.accepting()))
        yield CounterMetricFamily("glite_restarts", "Processes started anew after their death.", picture.restarts)
        reloads = CounterMetricFamily("glite_reloads", "Readings of credentials after SIGHUP.", labels=["outcome"])
        for outcome in ("new", "kept"):
            reloads.add_metric([outcome], picture.reloads.get(outcome, 0))
        yield reloads
        if (issued := picture.earliest("crl_issued")) is not None:
            yield GaugeMetricFamily("glite_crl_age_seconds", "Since the oldest CRL was issued.", time.time() - issued)
        if (until := picture.earliest("crl_not_after")) is not None:
            yield GaugeMetricFamily("glite_crl_expiry_seconds", "Until the first CRL expires.", until - time.time())

    def _connections(self) -> Iterator[Metric]:
        picture = self._picture
        for name, key, text in (
            ("glite_connections_open", "connections", "Connections at present."),
            ("glite_handshakes_in_progress", "handshakes", "Connections that are not through with the handshake."),
            ("glite_requests_in_flight", "in_work", "Requests that are worked on."),
        ):
            yield GaugeMetricFamily(name, text, picture.sum_of(key))
        events = picture.totals.events
        accepted = events.get(("accepted", ""), 0)
        yield CounterMetricFamily("glite_connections_accepted", "Connections accepted.", accepted)
        for what, name, text in (
            ("refused", "glite_refused", "Connections and requests over a limit, by the limit."),
            ("handshake failed", "glite_handshakes_failed", "Handshakes that failed, by the reason."),
        ):
            family = CounterMetricFamily(name, text, labels=["reason"])
            for (event, reason), number in events.items():
                if event == what:
                    family.add_metric([reason], number)
            yield family

    def _requests(self) -> Iterator[Metric]:
        requests = self._picture.totals.requests
        labels = ["operation", "status"]
        number = CounterMetricFamily("glite_requests", "Requests answered.", labels=labels)
        received = CounterMetricFamily("glite_received_bytes", "Bytes of requests, inside TLS.", labels=labels)
        sent = CounterMetricFamily("glite_sent_bytes", "Bytes of answers, inside TLS.", labels=labels)
        duration = HistogramMetricFamily("glite_request_duration_seconds",
                                         "From the header of a request to the end of its answer.", labels=labels)
        for (operation, status), sums in requests.items():
            key = [operation, status or "none"]
            number.add_metric(key, sums[COUNT])
            received.add_metric(key, sums[RECEIVED])
            sent.add_metric(key, sums[SENT])
            buckets = list(zip(_EDGES, accumulate(sums[BUCKETS:]), strict=True))
            duration.add_metric(key, buckets, sums[SECONDS])
        yield from (number, received, sent, duration)


def _build_info(service: str) -> Metric:
    family = GaugeMetricFamily("glite_build_info", "What this is made of.",
                               labels=["service", "version", "python", "openssl"])
    openssl = SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode().split()[1]
    family.add_metric([service, _version(), platform.python_version(), openssl], 1)
    return family


def _version() -> str:
    try:
        return metadata.version(_DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "unknown"  # run from a directory where nothing was installed
