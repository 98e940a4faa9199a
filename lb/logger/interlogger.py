"""The scanner: finds event files with undelivered events and hands them to the threads that deliver (lb.md 5.2).

The directory is the queue: whatever a producer has appended is found at the next look, also after a crash of ours.
"""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from lb.logger.destination import Destination, Sender
from lb.logger.eventqueue import FIRST_RETRY_S, LAST_RETRY_S, Backoff, CorruptFile, EventFile, open_file
from spool.eventfile import EventFiles

log = logging.getLogger(__name__)

#: Pause between two looks at the directory, in seconds.
POLL_S: Final = 0.3


class Interlogger:
    """Delivers the event files that begin with a prefix. connect: makes the connection to `host:port` of a job id."""

    def __init__(
        self, files: EventFiles, connect: Callable[[str], Sender], *, poll_s: float = POLL_S,
        first_retry_s: float = FIRST_RETRY_S, last_retry_s: float = LAST_RETRY_S,
    ) -> None:
        self._files = files
        self._connect = connect
        self._poll_s = poll_s
        self._retry = (first_retry_s, last_retry_s)
        self._known: dict[Path, EventFile] = {}
        self._destinations: dict[str, Destination] = {}

    def run(self, stop: threading.Event) -> None:
        """Deliver until `stop` is set."""
        while not stop.is_set():
            try:
                self.scan()
            except OSError:
                log.exception("the event files cannot be read, trying again")
            stop.wait(self._poll_s)
        for destination in self._destinations.values():
            destination.stop()

    def scan(self) -> None:
        """Look at the directory once."""
        present = self._files.files()
        for path in present:
            self._look_at(path)
        for gone in self._known.keys() - set(present):
            if not self._known[gone].busy:
                del self._known[gone]

    def _look_at(self, path: Path) -> None:
        file = self._known.get(path)
        try:
            size = path.stat().st_size
            if file is None or (size < file.offset and not file.busy):
                file = self._open(path)
            if file is None or file.busy or time.monotonic() < file.backoff.not_before:
                return
            if size > file.offset:
                self._destination(file.server).offer(file)
            elif self._files.remove_delivered(path):
                del self._known[path]
        except FileNotFoundError:  # removed between two calls: by us, or by an administrator
            self._known.pop(path, None)

    def _open(self, path: Path) -> EventFile | None:
        try:
            file = open_file(self._files, path, self._backoff())
        except CorruptFile as error:
            log.error("%s is corrupt (%s), kept as %s", path.name, error, self._files.quarantine(path).name)
            return None
        if file is not None:
            self._known[path] = file
        return file

    def _destination(self, server: str) -> Destination:
        found = self._destinations.get(server)
        if found is None or not found.alive:
            found = self._destinations[server] = Destination(server, self._files, self._connect, self._backoff())
        return found

    def _backoff(self) -> Backoff:
        return Backoff(*self._retry)
