"""What the interlogger knows of one event file: whose job, how far delivered, when to try again."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lb.model import ulm
from lb.model.jobid import JobId
from spool.eventfile import EventFiles, Progress

#: Pauses between tries, in seconds: doubled each time, up to the original's retry sleep (lb.md 5.2).
FIRST_RETRY_S: Final = 0.5
LAST_RETRY_S: Final = 60.0


class CorruptFile(ValueError):
    """A line of the file is no event; the text says where and why."""


@dataclass
class Backoff:
    """When to try again after failures; `now` is on the clock of time.monotonic()."""

    first_s: float = FIRST_RETRY_S
    last_s: float = LAST_RETRY_S
    not_before: float = 0.0
    _pause_s: float = 0.0

    def failed(self, now: float) -> float:
        """Note a failure; return the pause in seconds."""
        self._pause_s = min(self._pause_s * 2 or self.first_s, self.last_s)
        self.not_before = now + self._pause_s
        return self._pause_s

    def succeeded(self) -> None:
        """Note that it works again."""
        self._pause_s = self.not_before = 0.0


@dataclass(eq=False)
class EventFile:
    """One file. `offset`: up to where its events are delivered; `busy`: a delivery works on it."""

    path: Path
    jobid: JobId
    offset: int
    backoff: Backoff
    busy: bool = False

    @property
    def server(self) -> str:
        return self.jobid.server


@dataclass(frozen=True, slots=True)
class Pending:
    """An undelivered event: its line and the offset behind it."""

    file: EventFile
    line: bytes
    end: int


def open_file(files: EventFiles, path: Path, backoff: Backoff) -> EventFile | None:
    """Look at a file for the first time; None while its first line is not complete. Raises CorruptFile, OSError."""
    progress = files.progress(path)
    if progress is not None and progress.offset <= path.stat().st_size:
        return EventFile(path, JobId.parse(progress.jobid), progress.offset, backoff)
    for line, _end in files.lines(path, 0):
        return EventFile(path, _jobid(line), 0, backoff)
    return None


def read(files: EventFiles, file: EventFile, events: int, size: int) -> list[Pending]:
    """The next undelivered events, at most `events` of them and about `size` bytes.

    Raises OSError, and CorruptFile when the very next line is corrupt: what stands before it goes first.
    """
    found: list[Pending] = []
    for line, end in files.lines(file.path, file.offset):
        if len(found) >= events or size <= 0:
            break
        try:
            _check(line, file)
        except CorruptFile:
            if not found:
                raise
            break
        found.append(Pending(file, line, end))
        size -= len(line)
    return found


def _check(line: bytes, file: EventFile) -> None:
    if _jobid(line) != file.jobid:
        raise CorruptFile("an event of another job")


def commit(files: EventFiles, file: EventFile, offset: int) -> None:
    """Note, on disk, that everything up to the offset is delivered."""
    if offset > file.offset:
        files.commit(file.path, Progress(str(file.jobid), offset))
        file.offset = offset


def _jobid(line: bytes) -> JobId:
    try:
        return ulm.parse(line).jobid
    except ulm.UlmError as error:
        raise CorruptFile(error.explain()) from None
