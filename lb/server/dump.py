"""Dump files: event lines as they were stored, each with the time of its arrival (lb.md 8.2)."""

import os
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from sqlalchemy import Connection, select

from lb.model import ulm
from lb.model.events import EVENTS
from lb.model.jobid import JobId
from lb.model.seqcode import NULL
from lb.model.times import Timestamp, format_date
from lb.model.vocabulary import INTERNAL
from lb.server.record import birth_of_subjobs, decode, subjects
from lb.server.schema import events, events_flesh, jobs, states
from spool.files import sync, sync_directory

_FILE_MODE: Final = 0o600
_ATTEMPTS: Final = 100
_REGISTRATION: Final = EVENTS["RegJob"].code


def read(conn: Connection, key: str) -> list[bytes]:
    """The dump lines of a job's events, by event number.

    A subjob that never got a registration of its own has one all the same, made from its parent's, before its other
    events: without it the job would not survive a dump and load, and Job Provenance could not tell what it was.
    """
    rows = conn.execute(
        select(events.c.code, events.c.arrived, events_flesh.c.ulm)
        .join(events_flesh, (events_flesh.c.jobid == events.c.jobid) & (events_flesh.c.event == events.c.event))
        .where(events.c.jobid == key).order_by(events.c.event)
    ).all()
    lines = [line(row.ulm, row.arrived) for row in rows]
    registered = any(row.code == _REGISTRATION for row in rows)
    return lines if registered else [*_registration(conn, key), *lines]


def _registration(conn: Connection, key: str) -> list[bytes]:
    row = conn.execute(
        select(jobs.c.dg_jobid, jobs.c.userid, states.c.parent_job, states.c.int_status)
        .join(states, states.c.jobid == jobs.c.jobid).where(jobs.c.jobid == key)
    ).one_or_none()
    birth = None if row is None else birth_of_subjobs(conn, row.parent_job or "")
    if row is None or birth is None:
        return []
    jobid, owner = JobId.parse(row.dg_jobid), subjects(conn, [row.userid])[row.userid]
    status = decode(conn, jobid, owner, row.int_status).status
    fields = {"ns": birth.get("ns"), "jobtype": status.jobtype, "parent": birth.jobid}
    event = replace(birth, jobid=jobid, seqcode=str(NULL), priority=INTERNAL, fields=fields)
    return [line(ulm.encode(ulm.write(event)), event.timestamp[0])]


def line(event: bytes, arrived: int) -> bytes:
    """A line of a dump, from the line of an event."""
    return b"DG.ARRIVED=%b %b" % (format_date((arrived, 0)).encode(), event)


class DumpFile:
    """A purge dump in the making: `<directory>/<sec>_<usec>`, mode 0600, renamed to `purge_<date>` when it is whole.

    with DumpFile(directory) as dump:
        dump.write(lines)
    dump.path
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory = directory
        self.path = directory

    def __enter__(self) -> Self:
        now = time.time_ns() // 1000
        for number in range(now, now + _ATTEMPTS):
            moment = divmod(number, 1_000_000)
            self.path = self._directory / f"purge_{format_date(moment)}"
            if not self.path.exists() and (file := _create(self._directory, moment)) is not None:
                self._temporary, self._file = self._directory / _temporary_name(moment), file
                return self
        raise FileExistsError(f"no free name for a dump in {self._directory}")

    def write(self, lines: Iterable[bytes]) -> None:
        """Append lines, given without line ends."""
        self._file.writelines(text + b"\n" for text in lines)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._file:
            if kind is not None:
                self._temporary.unlink(missing_ok=True)
                return
            self._file.flush()
            sync(self._file.fileno())
        os.rename(self._temporary, self.path)
        sync_directory(self._directory)


def _temporary_name(moment: Timestamp) -> str:
    return f"{moment[0]}_{moment[1]:06}"


def _create(directory: Path, moment: Timestamp) -> IO[bytes] | None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    try:
        return open(os.open(directory / _temporary_name(moment), flags, _FILE_MODE), "wb")
    except FileExistsError:
        return None
