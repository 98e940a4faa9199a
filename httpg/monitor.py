"""The process that knows how a server is: supervisor and workers report to it, and it answers who asks.

It holds the sums of all workers, those of dead ones too: a counter never goes back when a worker dies, and nothing is
lost but what that worker counted in its last half second. When the monitor itself dies all counters begin anew at 0,
as Prometheus expects of a restart.
"""

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry

from httpg.accounts import Tally
from httpg.metrics import DaemonMetrics, ServerMetrics
from httpg.reports import MAX_DATAGRAM
from httpg.status import Check, Health, Status, StatusServer

log = logging.getLogger(__name__)

#: Silence after which supervisor or worker count as hanging, s; both report every half second.
SILENCE_S = 10.0


class Picture:
    """What is known of a server. Take `lock` for whatever belongs together."""

    def __init__(self, workers: Sequence[str]) -> None:
        self.lock = threading.RLock()
        self.totals = Tally()
        self.restarts = 0
        self.reloads: Mapping[str, int] = {}
        self.processes: Mapping[str, int] = {}
        self._workers = workers
        self._supervisor_heard = time.monotonic()
        self._heard: dict[str, tuple[int, float]] = {}
        self._states: dict[str, Mapping[str, float]] = {}

    def take(self, message: Mapping[str, Any]) -> None:
        """Add one report."""
        with self.lock:
            if "worker" in message:
                self._heard[message["worker"]] = message["pid"], time.monotonic()
                self._states[message["worker"]] = message["state"]
                self.totals.add(Tally.of(message))
            else:
                self._supervisor_heard = time.monotonic()
                self.processes = message["processes"]
                self.restarts = message["restarts"]
                self.reloads = message["reloads"]

    def accepting(self) -> list[str]:
        """The workers that accept connections: alive, heard of a moment ago, with room for more."""
        with self.lock:
            return [name for name in self._workers if self._lives(name) and not self._states[name]["full"]]

    def sum_of(self, key: str) -> float:
        """A number of the workers' states, added up over those that live."""
        with self.lock:
            return sum(self._states[name][key] for name in self._workers if self._lives(name))

    def not_after(self) -> float | None:
        """When the first certificate of any worker expires, as Unix time; None before they have reported."""
        return self.earliest("not_after")

    def earliest(self, key: str) -> float | None:
        """The least of a number of the workers' states; None when no worker that lives has it."""
        with self.lock:
            states = [self._states[name] for name in self._workers if self._lives(name)]
            return min((state[key] for state in states if key in state), default=None)

    def health(self) -> Health:
        """How the server is, without the service's own check."""
        with self.lock:
            dead = time.monotonic() > self._supervisor_heard + SILENCE_S
            ready = self.accepting()
            unfit = [f"{name} does not accept connections" for name in self._workers if name not in ready]
            not_after = self.not_after()
        if not_after is not None and not_after < time.time():
            unfit.append("the server's certificate has expired")
        return Health(("the supervisor does not react",) if dead else (), tuple(unfit))

    def _lives(self, name: str) -> bool:
        pid, heard = self._heard.get(name, (0, 0.0))
        return bool(pid) and pid == self.processes.get(name) and time.monotonic() < heard + SILENCE_S


class Monitor:
    """The life of the process."""

    def __init__(self, status: Status, workers: Sequence[str], sock: socket.socket, reports: socket.socket) -> None:
        """sock: from Status.bind; reports: the monitor's end of reports.pair()."""
        self._picture = Picture(workers)
        self._check = Check(status.ready)
        self._sock = sock
        self._reports = reports
        self._registry = CollectorRegistry()
        self._registry.register(DaemonMetrics(status.service, self._processes, self._picture.not_after))
        self._registry.register(ServerMetrics(self._picture))

    def run(self, stop: threading.Event) -> None:
        """Answer until `stop` is set."""
        threading.Thread(target=self._listen, name="reports", daemon=True).start()
        StatusServer(self._sock, self._registry, self._health).start()
        stop.wait()

    def _listen(self) -> None:
        while True:
            self._picture.take(json.loads(self._reports.recv(MAX_DATAGRAM)))

    def _processes(self) -> Mapping[str, int]:
        return {"supervisor": os.getppid(), **self._picture.processes}

    def _health(self) -> Health:
        health = self._picture.health()
        failure = self._check.failure()
        return Health(health.dead, (*health.unfit, failure)) if failure else health
