"""Cut a dump into the events of each job."""

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, Final

from lb.export.jobfiles import MESSAGE_SERVER, JobFiles, message
from lb.model import ulm
from lb.model.jobid import JobId
from spool.maildir import Maildir

#: Dump larger than this that comes through a pipe waits on disk, in bytes.
_IN_MEMORY: Final = 1 << 24


class DumpError(ValueError):
    """A line of the dump is no event; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Exported:
    """A job of the dump and the file that now holds its events."""

    jobid: JobId
    path: Path


def split(dump: BinaryIO, files: JobFiles, maildir: Maildir, jpps: str | None = None) -> list[Exported]:
    """Write one file per job and, when all are on disk, one message per job.

    The events of a job may be anywhere in the dump: where they are is noted first, which takes memory per job, not per
    event of a grouped dump. Raises DumpError before anything is written when a line cannot be read.
    """
    if dump.seekable():
        exported = _write(dump, files)
    else:
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as copy:
            shutil.copyfileobj(dump, copy)
            exported = _write(copy, files)
    for job in exported:
        maildir.store(message(job.jobid, job.path, jpps), MESSAGE_SERVER)
    return exported


def _write(source: IO[bytes], files: JobFiles) -> list[Exported]:
    return [Exported(jobid, files.write(jobid, _read(source, places))) for jobid, places in _index(source).items()]


Places = list[tuple[int, int]]


def _index(source: IO[bytes]) -> dict[JobId, Places]:
    """Where the lines of each job are: (begin, end) offsets of its runs, in order."""
    found: dict[JobId, Places] = {}
    source.seek(0)
    offset = 0
    for number, line in enumerate(source, 1):
        end = offset + len(line)
        if line.strip():
            places = found.setdefault(_jobid(line, number), [])
            if places and places[-1][1] == offset:
                places[-1] = (places[-1][0], end)
            else:
                places.append((offset, end))
        offset = end
    return found


def _jobid(line: bytes, number: int) -> JobId:
    try:
        return ulm.parse(line).jobid
    except ulm.UlmError as error:
        raise DumpError(f"line {number} of the dump is no event: {error.explain()}") from None


def _read(source: IO[bytes], places: Places) -> Iterator[bytes]:
    for begin, end in places:
        source.seek(begin)
        yield from (line for line in source.read(end - begin).split(b"\n") if line.strip())  # a CR is no line end

