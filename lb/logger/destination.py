"""Delivery to one LB server: a thread, a kept connection, and a window of events on their way (lb.md 5.2, 5.3).

What the server's reply means: stored, or refused for good: the event is done with. Trouble in the server's database or
memory: the file waits and is tried again, other files go on. No answer: everything to this server waits. A repeated
delivery does no harm, the server notices it.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from gsi.errors import GsiError
from lb.logger.eventqueue import Backoff, CorruptFile, EventFile, Pending, commit, read
from lb.storeclient import StoreError
from lb.storeproto import Reply
from spool.eventfile import EventFiles

log = logging.getLogger(__name__)

#: Events, and bytes of events, that are on their way at once.
WINDOW_EVENTS: Final = 100
WINDOW_BYTES: Final = 1 << 20
#: A connection without traffic is closed after this time, in seconds (original: idle exit 60 s).
IDLE_S: Final = 60.0
#: How long a stop waits for the window that is on its way, in seconds; it is delivered again after the next start.
STOP_S: Final = 5.0


class Sender(Protocol):
    """A connection to a store port; lb.storeclient.StoreConnection."""

    def deliver_all(self, lines: Sequence[bytes]) -> list[Reply]:
        """Send event lines; the replies in order. Raises StoreError."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class Destination:
    """The way to one server. connect: makes a Sender, anew for each connection, since credentials are renewed."""

    def __init__(self, server: str, files: EventFiles, connect: Callable[[str], Sender], backoff: Backoff) -> None:
        self.server = server
        self._files = files
        self._connect = connect
        self._backoff = backoff
        self._waiting: dict[EventFile, None] = {}
        self._condition = threading.Condition()
        self._stop = False
        self._sender: Sender | None = None
        self._thread = threading.Thread(target=self._run, name=f"to {server}", daemon=True)
        self._thread.start()

    def offer(self, file: EventFile) -> None:
        """There are undelivered events in the file."""
        with self._condition:
            file.busy = True
            self._waiting[file] = None
            self._condition.notify()

    def stop(self) -> None:
        """Stop after the window that is on its way."""
        with self._condition:
            self._stop = True
            self._condition.notify()
        self._thread.join(STOP_S)

    @property
    def alive(self) -> bool:
        """False when the thread ended through an error that it could not handle; its files are free again."""
        return self._thread.is_alive()

    def _run(self) -> None:
        try:
            while (window := self._next_window()) is not None:
                if window:
                    self._deliver(window)
        finally:
            self._disconnect()
            with self._condition:
                for file in self._waiting:
                    file.busy = False

    # ---- what to send -----------------------------------------------------------------------------------------------

    def _next_window(self) -> list[Pending] | None:
        """The next events; None when it is time to stop."""
        with self._condition:
            while not self._stop and not (self._waiting and time.monotonic() >= self._backoff.not_before):
                self._wait()
            if self._stop:
                return None
            taken = list(self._waiting)
        return self._fill(taken)

    def _wait(self) -> None:
        pause = max(self._backoff.not_before - time.monotonic(), 0.0) if self._waiting else IDLE_S
        if not self._condition.wait(pause) and not self._waiting:
            self._disconnect()

    def _fill(self, taken: Sequence[EventFile]) -> list[Pending]:
        window: list[Pending] = []
        size = WINDOW_BYTES
        for file in taken:
            try:
                found = read(self._files, file, WINDOW_EVENTS - len(window), size)
            except CorruptFile as error:
                self._quarantine(file, error)
                continue
            except FileNotFoundError:
                self._drop(file)
                continue
            if not found:
                self._drop(file)
            window += found
            size -= sum(len(pending.line) for pending in found)
            if len(window) >= WINDOW_EVENTS or size <= 0:
                break
        return window

    def _quarantine(self, file: EventFile, error: CorruptFile) -> None:
        """What stands before the corrupt line has been delivered by now; the rest is put aside and reported."""
        log.error("%s is corrupt (%s), kept as %s", file.path.name, error, self._files.quarantine(file.path).name)
        self._drop(file)

    def _drop(self, file: EventFile) -> None:
        """Nothing more to do for this file now."""
        with self._condition:
            self._waiting.pop(file, None)
            file.busy = False

    # ---- sending ----------------------------------------------------------------------------------------------------

    def _deliver(self, window: Sequence[Pending]) -> None:
        kept = self._sender is not None
        try:
            replies = self._send(window)
        except (StoreError, GsiError) as error:
            self._disconnect()
            if kept:
                return  # the server closes what is idle: a new connection, at once
            pause = self._backoff.failed(time.monotonic())
            log.warning("%s does not answer, next try in %.1f s: %s", self.server, pause, error)
            return
        self._backoff.succeeded()
        self._settle(window, replies)

    def _send(self, window: Sequence[Pending]) -> list[Reply]:
        if self._sender is None:
            self._sender = self._connect(self.server)
        return self._sender.deliver_all([pending.line for pending in window])

    def _settle(self, window: Sequence[Pending], replies: Sequence[Reply]) -> None:
        done: dict[EventFile, int] = {}
        stuck: dict[EventFile, Reply] = {}
        for pending, reply in zip(window, replies, strict=True):
            if pending.file in stuck:
                continue
            if not reply.final:
                stuck[pending.file] = reply
                continue
            if not reply.ok:
                log.warning("%s refuses an event of %s: %s", self.server, pending.file.jobid, reply.text)
            done[pending.file] = pending.end
        for file, offset in done.items():
            file.backoff.succeeded()
            commit(self._files, file, offset)
            self._to_the_end(file)
        for file, reply in stuck.items():
            pause = file.backoff.failed(time.monotonic())
            log.warning("%s cannot take the events of %s now, next try in %.1f s: %s", self.server, file.jobid, pause,
                        reply.text)
            self._drop(file)

    def _to_the_end(self, file: EventFile) -> None:
        """Let the other files have their turn."""
        with self._condition:
            del self._waiting[file]
            self._waiting[file] = None

    def _disconnect(self) -> None:
        if self._sender is not None:
            self._sender.close()
            self._sender = None
