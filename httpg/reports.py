"""What workers and their supervisor tell the monitor (httpg.monitor), as datagrams of JSON over a socket pair.

A sender never waits: what cannot be sent now is added to what is sent next.
"""

import json
import os
import socket
import time
from collections.abc import Mapping
from typing import Any

from httpg.accounts import Accounts

#: How often each worker and the supervisor report, s.
PERIOD_S = 0.5
#: Largest datagram that is read, bytes; what is sent is far smaller (accounts.py).
MAX_DATAGRAM = 256 * 1024


def pair() -> tuple[socket.socket, socket.socket]:
    """The monitor's end and that of all others."""
    monitor, others = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    others.setblocking(False)
    return monitor, others


class Reporter:
    """Of one worker, in the thread that accepts: who hears from it knows that it accepts."""

    period_s = PERIOD_S

    def __init__(self, sock: socket.socket, worker: str) -> None:
        self._sock = sock
        self._worker = worker
        self._next = 0.0

    def due(self) -> bool:
        """Whether it is time for a report."""
        return time.monotonic() >= self._next

    def send(self, accounts: Accounts, state: Mapping[str, float]) -> None:
        """Send what has been counted since the last time, and the state of things."""
        self._next = time.monotonic() + PERIOD_S
        tally = accounts.take()
        sender = {"worker": self._worker, "pid": os.getpid(), "state": state}
        for part in tally.parts():
            if not send(self._sock, {**sender, **part.message()}):
                accounts.give_back(part)
        if not tally:
            send(self._sock, sender)


def send(sock: socket.socket, message: Mapping[str, Any]) -> bool:
    """Send a message; False when nobody takes it at the moment."""
    try:
        sock.send(json.dumps(message).encode())
    except (BlockingIOError, ConnectionError):
        return False
    return True
