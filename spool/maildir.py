"""The maildir by which LB hands registrations and dumps to the Job Provenance importer (jp.md 4.2, lb.md 9.1).

    writer: tmp/x written, fsynced ─► hard link new/x
    reader: new/x ─rename─► work/x ─► done: both names go │ later: work/x goes, post/x is linked from tmp/x

The name in `tmp` stays until the message is done: it is what a retry is linked from. Whoever wins the rename into
`work` owns the message; after a crash `recover` gives the owner's messages back.
"""

import os
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from spool.files import sync_directory, write_new

DIRECTORIES = ("tmp", "new", "work", "post", "undeliverable")
#: A name is `<seconds>_<microseconds>.<server>`; two writers may meet in one microsecond.
NAME_ATTEMPTS = 10


@dataclass(frozen=True)
class Message:
    """A message taken from the maildir: `name` is its file name, `data` what the writer stored."""

    name: str
    data: bytes


class Maildir:
    """The maildir below `root`; its five directories are made with mode 0700 when they are missing."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lock = threading.Lock()
        self._listed: deque[str] = deque()
        for name in DIRECTORIES:
            (root / name).mkdir(mode=0o700, parents=True, exist_ok=True)

    def store(self, data: bytes, server: str) -> str:
        """Store a message and return its name; it is on disk when the call returns."""
        for _ in range(NAME_ATTEMPTS):
            now = time.time_ns() // 1000
            name = f"{now // 1_000_000}_{now % 1_000_000:06}.{server}"
            try:
                write_new(self._path("tmp", name), data)
            except FileExistsError:
                time.sleep(0.001)
                continue
            sync_directory(self.root / "tmp")
            os.link(self._path("tmp", name), self._path("new", name))
            sync_directory(self.root / "new")
            return name
        raise FileExistsError(f"no free message name in {self.root} after {NAME_ATTEMPTS} attempts")

    def take_new(self) -> Message | None:
        """Take the oldest new message, or None when there is none."""
        while (name := self._next_new()) is not None:
            if (message := self._take("new", name)) is not None:
                return message
        return None

    def _next_new(self) -> str | None:
        """The oldest name not given out yet; the directory is read again only when all names of the last time are."""
        with self._lock:
            if not self._listed:
                self._listed = deque(sorted(os.listdir(self.root / "new")))
            return self._listed.popleft() if self._listed else None

    def take_retry(self, retry_after_s: float, give_up_s: float) -> Message | None:
        """Take a message whose last try is `retry_after_s` ago; those older than `give_up_s` become undeliverable."""
        now = time.time()
        for name in sorted(os.listdir(self.root / "post")):
            try:
                stat = self._path("post", name).stat()
            except FileNotFoundError:
                continue
            if now - stat.st_mtime > give_up_s:
                self._give_up(name)
            elif now - stat.st_ctime >= retry_after_s and (message := self._take("post", name)) is not None:
                return message
        return None

    def done(self, message: Message) -> None:
        """The message has been handled: forget it."""
        self._path("work", message.name).unlink(missing_ok=True)
        self._path("tmp", message.name).unlink(missing_ok=True)

    def failed(self, message: Message) -> None:
        """The message can never be handled: keep it among the undeliverable ones."""
        os.rename(self._path("work", message.name), self._path("undeliverable", message.name))
        self._path("tmp", message.name).unlink(missing_ok=True)

    def retry_later(self, message: Message) -> None:
        """The message could not be handled now: `take_retry` will give it again."""
        os.rename(self._path("work", message.name), self._path("post", message.name))
        os.chmod(self._path("post", message.name), 0o600)  # moves ctime, from which the next try is counted

    def recover(self) -> int:
        """Give back what a reader took and did not finish; call it before the first reader starts. Returns how many."""
        names = os.listdir(self.root / "work")
        for name in names:
            os.rename(self._path("work", name), self._path("new", name))
        for name in os.listdir(self.root / "tmp"):
            self._finish_store(name)
        return len(names)

    def pending(self) -> int:
        """How many messages wait, are being handled or wait for another try."""
        return sum(len(os.listdir(self.root / name)) for name in ("new", "work", "post"))

    def _finish_store(self, name: str) -> None:
        """A name in tmp alone is a message whose writer died before it was stored, or after it was done: drop it."""
        elsewhere = (self._path(directory, name) for directory in DIRECTORIES[1:])
        age_s = time.time() - self._path("tmp", name).stat().st_mtime
        if not any(path.exists() for path in elsewhere) and age_s > 3600:
            self._path("tmp", name).unlink(missing_ok=True)

    def _take(self, directory: str, name: str) -> Message | None:
        try:
            os.rename(self._path(directory, name), self._path("work", name))
        except FileNotFoundError:  # another reader was faster
            return None
        return Message(name, self._path("work", name).read_bytes())

    def _give_up(self, name: str) -> None:
        try:
            os.rename(self._path("post", name), self._path("undeliverable", name))
        except FileNotFoundError:
            return
        self._path("tmp", name).unlink(missing_ok=True)

    def _path(self, directory: str, name: str) -> Path:
        return self.root / directory / name
