"""Event files: what a logger accepted and the interlogger has to deliver (lb.md 5.2).

One file per job, `<prefix>.<UNIQUE>`, one event per line, appended under an fcntl lock and fsynced. Beside it
`<file>.ctl` says how far delivery has come: job id, committed log offset, committed bookkeeping offset, a line each.
"""

import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from spool.files import sync, sync_directory, write_durably

CONTROL_SUFFIX = ".ctl"
QUARANTINE_MARK = ".quarantine."
#: Bytes read at once from an event file.
READ_SIZE = 1 << 20


@dataclass(frozen=True)
class Progress:
    """Delivery of one file: its job id and the offset, in bytes, up to which every event has been delivered."""

    jobid: str
    offset: int


class EventFiles:
    """The event files that begin with `prefix` (a path such as `/var/spool/glite/lb-locallogger/dglogd.log`)."""

    def __init__(self, prefix: Path) -> None:
        self.prefix = prefix
        prefix.parent.mkdir(mode=0o700, parents=True, exist_ok=True)

    def append(self, unique: str, line: bytes) -> None:
        """Append one event (a line without its LF) of the job; it is on disk when the call returns."""
        if b"\n" in line or "/" in unique:
            raise ValueError("an event is one line, and the unique part of a job id has no slash")
        path = self.path(unique)
        while True:
            created = not path.exists()
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            with open(descriptor, "r+b", buffering=0) as file:
                fcntl.lockf(file, fcntl.LOCK_EX)
                if not _same_file(descriptor, path):  # removed as delivered while we waited for the lock
                    continue
                _add(descriptor, line + b"\n")
                if created:  # under the lock: the next writer's event hangs on the same name
                    sync_directory(path.parent)
            return

    def files(self) -> list[Path]:
        """The event files, without control and quarantined ones, sorted by name."""
        start = f"{self.prefix.name}."
        found = [
            name for name in os.listdir(self.prefix.parent)
            if name.startswith(start) and not name.endswith(CONTROL_SUFFIX) and QUARANTINE_MARK not in name
            and not name.startswith(".")
        ]
        return [self.prefix.parent / name for name in sorted(found)]

    def path(self, unique: str) -> Path:
        """The event file of the job with this unique part."""
        return self.prefix.with_name(f"{self.prefix.name}.{unique}")

    def lines(self, path: Path, offset: int) -> Iterator[tuple[bytes, int]]:
        """Yield (line without LF, offset behind it) from `offset` on; a last line without LF is still being written."""
        with path.open("rb") as file:
            file.seek(offset)
            rest = b""
            while block := file.read(READ_SIZE):
                *whole, rest = (rest + block).split(b"\n")
                for line in whole:
                    offset += len(line) + 1
                    yield line, offset

    def progress(self, path: Path) -> Progress | None:
        """How far delivery of the file has come, or None when nothing was committed or the control file is damaged."""
        try:
            jobid, _log, bookkeeping = _control(path).read_text().splitlines()[:3]
            return Progress(jobid, int(bookkeeping))
        except (FileNotFoundError, ValueError):
            return None

    def commit(self, path: Path, progress: Progress) -> None:
        """Note that everything up to the offset has been delivered."""
        write_durably(_control(path), f"{progress.jobid}\n{progress.offset}\n{progress.offset}\n".encode())

    def remove_delivered(self, path: Path) -> bool:
        """Remove the file if everything in it has been delivered; False when an event has come in meanwhile."""
        done = self.progress(path)
        if done is None:
            return False
        with path.open("ab") as file:
            fcntl.lockf(file, fcntl.LOCK_EX)
            if file.tell() != done.offset:
                return False
            # The control file goes first: without it events are sent again, which LB notices; a stale one would make
            # the next file of the same job skip events.
            _control(path).unlink(missing_ok=True)
            path.unlink()
        return True

    def quarantine(self, path: Path) -> Path:
        """Put a file aside that cannot be read; it may be repaired and renamed back. Returns its new name."""
        for number in range(1, 1000):
            aside = path.with_name(f"{path.name}{QUARANTINE_MARK}{number}")
            if not aside.exists():
                os.rename(path, aside)
                _control(path).unlink(missing_ok=True)
                return aside
        raise FileExistsError(f"too many quarantined files of {path.name}")


def _add(descriptor: int, data: bytes) -> None:
    """Put `data` behind the last whole line, all of it or nothing, on disk."""
    end = _end_of_lines(descriptor)
    try:
        written = 0
        while written < len(data):  # a disk that is nearly full takes a part and refuses the rest
            written += os.pwrite(descriptor, data[written:], end + written)
        sync(descriptor)
    except OSError:
        os.ftruncate(descriptor, end)
        raise


def _end_of_lines(descriptor: int) -> int:
    """The offset behind the last LF. What a writer that died left behind it was never acknowledged; it is cut off, lest
    it spoil the next event."""
    size = end = os.fstat(descriptor).st_size
    block = 1  # nearly always the last byte is the LF
    while end > 0:
        begin = max(0, end - block)
        found = os.pread(descriptor, end - begin, begin).rfind(b"\n")
        if found >= 0:
            end = begin + found + 1
            break
        end, block = begin, READ_SIZE
    if end < size:
        os.ftruncate(descriptor, end)
    return end


def _control(path: Path) -> Path:
    return path.with_name(path.name + CONTROL_SUFFIX)


def _same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
