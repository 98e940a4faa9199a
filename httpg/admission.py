"""Who is let in when many come: the connections of a worker, counted by address and by name.

What is over the limit of one client is refused at once; what is over the limit of all waits in the kernel's queue. In
both cases those make room who do nothing: handshakes that take long, then connections on which nothing has been asked
for a while.
"""

import ipaddress
import threading
import time
from collections import Counter
from collections.abc import Callable

from gsi.peer import Peer
from httpg.connection import Connection
from httpg.limits import Limits

#: How often room is looked for at most, s: it means a look at all connections.
_RELIEF_PERIOD_S = 0.1
#: Most idle connections that are ended at a time: their clients come again, and shake hands.
_MOST_ENDED = 50


class Admission:
    """One for a worker. Connections are added by one thread and removed by any."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._connections: dict[Connection, str] = {}
        self._handshakes: dict[Connection, float] = {}  # since when, oldest first
        self._names: dict[Connection, str] = {}
        self._by_origin: Counter[str] = Counter()
        self._handshakes_by_origin: Counter[str] = Counter()
        self._by_name: Counter[str] = Counter()
        self._relieved = 0.0

    def connections(self) -> tuple[Connection, ...]:
        """Those that are open."""
        return tuple(self._connections)

    @property
    def handshakes(self) -> int:
        """How many of them are not through with the handshake."""
        return len(self._handshakes)

    def full(self) -> bool:
        """Whether nobody can be accepted now; then room is made for the next time."""
        crowded = len(self._connections) >= self._limits.max_connections
        if not crowded and len(self._handshakes) < self._limits.max_handshakes:
            return False
        self._make_room(lambda origin: True, idle_too=crowded)
        return True

    def refusal(self, address: str) -> str:
        """Why this address may have no further connection: a word, "" when it may; then room is made as well."""
        origin = origin_of(address)
        crowded = self._by_origin[origin] >= self._limits.max_address_connections
        if not crowded and self._handshakes_by_origin[origin] < max(self._limits.max_handshakes // 2, 1):
            return ""
        self._make_room(lambda other: other == origin, idle_too=crowded)
        return "address" if crowded else "handshakes"

    def add(self, connection: Connection) -> None:
        """It has been accepted and will shake hands."""
        origin = origin_of(connection.peer_address[0])
        with self._lock:
            self._connections[connection] = origin
            self._handshakes[connection] = time.monotonic()
            self._by_origin[origin] += 1
            self._handshakes_by_origin[origin] += 1

    def identify(self, connection: Connection, peer: Peer | None) -> bool:
        """It has shaken hands. Return: may this peer have one more connection?"""
        with self._lock:
            self._end_handshake(connection)
            if peer is None:
                return True
            if self._by_name[peer.dn] >= self._limits.max_dn_connections:
                return False
            self._by_name[peer.dn] += 1
            self._names[connection] = peer.dn
        return True

    def remove(self, connection: Connection) -> None:
        """It has been closed."""
        with self._lock:
            self._end_handshake(connection)
            _less(self._by_origin, self._connections.pop(connection))
            if name := self._names.pop(connection, None):
                _less(self._by_name, name)

    def _end_handshake(self, connection: Connection) -> None:
        if self._handshakes.pop(connection, None) is not None:
            _less(self._handshakes_by_origin, self._connections[connection])

    def _make_room(self, concerns: Callable[[str], bool], *, idle_too: bool) -> None:
        now = time.monotonic()
        if now < self._relieved + _RELIEF_PERIOD_S:
            return
        self._relieved = now
        with self._lock:
            late = [each for each, since in self._handshakes.items()
                    if since < now - self._limits.pressed_handshake_s and concerns(self._connections[each])]
            idle = [each for each, origin in self._connections.items() if idle_too and each not in self._handshakes
                    and each.idle and each.idle_since < now - self._limits.pressed_idle_s and concerns(origin)]
        for connection in late:
            connection.expire()
        for connection in sorted(idle, key=lambda each: each.idle_since)[:_MOST_ENDED]:
            connection.interrupt()


def origin_of(address: str) -> str:
    """Whom an address stands for: itself; of IPv6 the network of 64 bits, within which a host chooses freely."""
    if ":" not in address:
        return address
    parsed = ipaddress.IPv6Address(address.partition("%")[0])
    return str(parsed.ipv4_mapped or ipaddress.IPv6Network((int(parsed) >> 64 << 64, 64)))


def _less(counter: Counter[str], key: str) -> None:
    counter[key] -= 1
    if not counter[key]:
        del counter[key]  # a counter holds no more names than there are connections
