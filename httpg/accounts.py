"""What a worker counts: requests, connections, refusals. Added up in the worker, sent away in small sums.

A request costs one addition under a lock here; everything that metrics need beyond that (names, text, the HTTP of
`/metrics`) is the work of another process (httpg.monitor).
"""

import threading
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from typing import Any, Self

from httpg.limits import Limits

#: Upper bounds of the histogram of durations, s; what takes longer is in one more bucket.
BOUNDS_S = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
#: Sums of one operation and status: requests, seconds, bytes received, bytes sent, then a number for each bucket.
COUNT, SECONDS, RECEIVED, SENT, BUCKETS = range(5)
_WIDTH = BUCKETS + len(BOUNDS_S) + 1
#: Sums in one message: far below what the kernel takes as one datagram (net.core.wmem_default, 208 KiB).
_PER_MESSAGE = 200


class Tally:
    """Sums that can be added to others.

    requests: (operation, status) → sums as named above; events: (what, why) → number, for instance
    ("refused", "address").
    """

    __slots__ = ("events", "requests")

    def __init__(self) -> None:
        self.requests: dict[tuple[str, str], list[float]] = {}
        self.events: dict[tuple[str, str], int] = {}

    def add(self, other: "Tally") -> None:
        """Take over the sums of another one."""
        for key, sums in other.requests.items():
            known = self.requests.setdefault(key, [0] * _WIDTH)
            known[:] = [a + b for a, b in zip(known, sums, strict=True)]
        for event, number in other.events.items():
            self.events[event] = self.events.get(event, 0) + number

    def parts(self) -> Iterator["Tally"]:
        """The sums, in parts that fit into a message each; nothing when there are none."""
        requests, events = list(self.requests.items()), list(self.events.items())
        for start in range(0, max(len(requests), len(events)), _PER_MESSAGE):
            part = Tally()
            part.requests = dict(requests[start:start + _PER_MESSAGE])
            part.events = dict(events[start:start + _PER_MESSAGE])
            yield part

    def message(self) -> dict[str, Any]:
        """The sums as values for JSON."""
        return {
            "requests": [[*key, sums] for key, sums in self.requests.items()],
            "events": [[*key, number] for key, number in self.events.items()],
        }

    @classmethod
    def of(cls, message: Mapping[str, Any]) -> Self:
        """Read a message."""
        made = cls()
        made.requests = {(operation, status): sums for operation, status, sums in message.get("requests", ())}
        made.events = {(what, why): number for what, why, number in message.get("events", ())}
        return made

    def __bool__(self) -> bool:
        return bool(self.requests or self.events)


class Accounts:
    """Of one worker. Thread-safe.

    in_work: requests that an application works on; counting: whether anybody wants the sums.
    """

    __slots__ = ("_bodies", "_limits", "_lock", "_tally", "counting", "in_work")

    def __init__(self, limits: Limits, *, counting: bool = False) -> None:
        self._lock = threading.Lock()
        self._limits = limits
        self._tally = Tally()
        self._bodies = 0
        self.in_work = 0
        self.counting = counting

    def enter(self) -> bool:
        """A request wants to be worked on. Return: may it? leave() has to follow then."""
        with self._lock:
            if self.in_work >= self._limits.max_requests:
                return False
            self.in_work += 1
        return True

    def leave(self) -> None:
        """It is through."""
        with self._lock:
            self.in_work -= 1

    def hold(self, size: int) -> bool:
        """So many more bytes of a body want to be in memory. Return: may they? drop() has to follow then."""
        with self._lock:
            if self._bodies + size > self._limits.max_bodies:
                return False
            self._bodies += size
        return True

    def drop(self, size: int) -> None:
        """They are gone."""
        with self._lock:
            self._bodies -= size

    def request(self, operation: str, status: str, seconds: float, received: int, sent: int) -> None:
        """Count a request. operation: one of few names, not what clients make up; status: three digits, "" for none."""
        bucket = BUCKETS + bisect_left(BOUNDS_S, seconds)
        with self._lock:
            sums = self._tally.requests.get((operation, status))
            if sums is None:
                sums = self._tally.requests[operation, status] = [0] * _WIDTH
            sums[COUNT] += 1
            sums[SECONDS] += seconds
            sums[RECEIVED] += received
            sums[SENT] += sent
            sums[bucket] += 1

    def event(self, what: str, why: str = "") -> None:
        """Count something that happened to a connection. Both are of few words, not what clients make up."""
        if self.counting:
            with self._lock:
                self._tally.events[what, why] = self._tally.events.get((what, why), 0) + 1

    def take(self) -> Tally:
        """The sums since the last call."""
        with self._lock:
            taken, self._tally = self._tally, Tally()
        return taken

    def give_back(self, tally: Tally) -> None:
        """Sums that could not be sent: they are taken again later."""
        with self._lock:
            self._tally.add(tally)
