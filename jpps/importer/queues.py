"""Taking messages out of a maildir until each is done, or given up (jp.md 4.2, 4.6)."""

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from httpg import daemon
from jpps.importer.primary import Unreachable
from jpps.importer.tasks import Outcome, Primaries
from spool.maildir import Maildir, Message

log = logging.getLogger(__name__)

Task = Callable[[Message, Primaries], Outcome]

#: Pauses while a Primary Storage does not answer, in seconds: doubled from the first to the last.
FIRST_PAUSE_S = 0.5
LAST_PAUSE_S = 5.0
#: Messages handled over one connection.
MESSAGES_PER_CONNECTION = 500
_LOCK = "importer.lock"


@dataclass(frozen=True)
class Times:
    """Seconds: between two looks into an empty maildir, until a failed message is tried again, until it is given up."""

    poll_s: float
    retry_s: float
    give_up_s: float


class Queue:
    """The messages of one maildir; `run` may be run by several threads, each with connections of its own."""

    def __init__(self, root: Path, task: Task, times: Times) -> None:
        self.name = str(root)
        self._maildir = Maildir(root)
        self._task = task
        self._times = times
        self._lock = _lock(root)
        if recovered := self._maildir.recover():
            log.info("%s: %d messages were being handled when the importer ended", root, recovered)

    def close(self) -> None:
        """Let another importer have the maildir; at the end of the process that happens by itself."""
        os.close(self._lock)

    def run(self, primaries: Primaries, stop: threading.Event) -> None:
        """Handle messages until `stop` is set."""
        handled = 0
        while not stop.is_set():
            found = self._once(primaries, stop)
            handled += found
            if not found or handled >= MESSAGES_PER_CONNECTION:
                primaries.hang_up()
                handled = 0
            if not found:
                stop.wait(self._times.poll_s)

    def once(self, primaries: Primaries, stop: threading.Event) -> int:
        """Handle one new message and one that is due again; return how many there were."""
        found = 0
        for take in (self._maildir.take_new, self._take_retry):
            if not stop.is_set() and (message := take()) is not None:
                self._handle(message, primaries, stop)
                found += 1
        return found

    def _once(self, primaries: Primaries, stop: threading.Event) -> int:
        try:
            return self.once(primaries, stop)
        except OSError as error:
            log.error("the maildir %s fails: %s", self.name, error)
            return 0

    def _take_retry(self) -> Message | None:
        return self._maildir.take_retry(self._times.retry_s, self._times.give_up_s)

    def _handle(self, message: Message, primaries: Primaries, stop: threading.Event) -> None:
        outcome = self._patiently(message, primaries, stop)
        if outcome is Outcome.DONE:
            self._maildir.done(message)
        elif outcome is Outcome.HOPELESS:
            self._maildir.failed(message)
        elif outcome is Outcome.LATER:
            self._maildir.retry_later(message)

    def _patiently(self, message: Message, primaries: Primaries, stop: threading.Event) -> Outcome | None:
        """Do what the message wants; a Primary Storage that is down is no fault of the message, and is waited for.

        None: we are to stop; the message stays in work and is recovered at the next start.
        """
        waited, pause = 0.0, FIRST_PAUSE_S
        while True:
            try:
                return self._task(message, primaries)
            except Unreachable as error:
                log.warning("%s; next attempt in %g s", error, pause)
            except Exception:  # noqa: BLE001  (the guard of this process: one message shall not stop all others)
                log.exception("message %s failed", message.name)
                return Outcome.LATER
            if waited >= self._times.retry_s:
                return Outcome.LATER
            if stop.wait(pause):
                return None
            waited, pause = waited + pause, min(2 * pause, LAST_PAUSE_S)


def _lock(root: Path) -> int:
    """Keep other importers out of the maildir: they would take what we have in work. Raises AlreadyRunning."""
    return daemon.hold(root / _LOCK, f"another importer works on {root}; stop it, or name another maildir")
