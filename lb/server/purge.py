"""Purge: dump, export, forget, in this order, so that a crash at any point loses nothing (lb.md 8, jp.md 4.1).

    1. choose     families that may go, and how many events each member has          (one snapshot)
    2. dump       all their events into purge_<date>, on disk under its final name
    3. per group of families, until all are gone:
       a. files   the events of each job into a file for Job Provenance, on disk
       b. remove  one transaction: lock and compare with 1, delete the rows, remember zombies, store the messages for
                  the importer, commit

Killed before 2 is done: nothing happened. After 2 or 3a: the jobs are all there, the next purge does it again. During
3b: either the group is gone and its messages are stored, or it is there and the messages come twice, which the importer
takes as one. A family that got an event after 1 is left for the next purge.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, delete, select
from sqlalchemy.exc import DBAPIError

import sql
from lb.export.jobfiles import MESSAGE_SERVER, JobFiles, message
from lb.model.jobid import JobId
from lb.server import dump, jpreg, purging, zombies
from lb.server.dump import DumpFile
from lb.server.errors import LbError
from lb.server.purging import Choice, Family
from lb.server.record import CHUNK
from lb.server.schema import events, events_flesh, jobs, states, status_tags
from spool.maildir import Maildir
from sql.transactions import is_transient

log = logging.getLogger(__name__)

#: Jobs removed in one transaction (a larger family goes alone): bounds how long others wait for it.
GROUP: Final = 50
#: How often a group is tried when the database asks for a repeat.
_ATTEMPTS: Final = 5
_TABLES: Final = (status_tags, states, events_flesh, events, jobs)


@dataclass(frozen=True)
class PurgeRequest:
    """What is asked: jobids or ages (seconds by state name, or the specials of lb.server.purging); really: else it is a
    dry run; dump: write a dump file; runtime_s: spread the work over this time."""

    jobids: Sequence[JobId] | None = None
    ages: Mapping[str, int] = field(default_factory=dict)
    really: bool = False
    dump: bool = False
    runtime_s: int = 0


@dataclass
class PurgeResult:
    """jobs: what was purged, or would be; server_file: the dump; refused: jobs asked for that stay, with the reason."""

    jobs: list[JobId] = field(default_factory=list)
    server_file: Path | None = None
    refused: dict[str, LbError] = field(default_factory=dict)


@dataclass(frozen=True)
class Exports:
    """The way to Job Provenance, as far as there is one.

    files, messages: where the events of purged jobs go and where the importer is told; registrations: the maildir for
    jobs that were not announced yet.
    """

    files: JobFiles | None = None
    messages: Maildir | None = None
    registrations: Maildir | None = None


_NOWHERE: Final = Exports()


class Purge:
    """Purges one server's jobs. directory: where dumps are written."""

    def __init__(
        self, engine: Engine, directory: Path, exports: Exports = _NOWHERE, clock: Callable[[], float] = time.time
    ) -> None:
        self._engine = engine
        self._directory = directory
        self._exports = exports
        self._clock = clock

    def run(self, request: PurgeRequest, stop: threading.Event | None = None) -> PurgeResult:
        """Do it; `stop` ends the work between two groups. Raises OSError when a file cannot be written."""
        choice = self._choose(request)
        result = PurgeResult(refused=choice.refused)
        if not request.really:
            result.jobs = [member.jobid for family in choice.families for member in family]
            return result
        if request.dump and choice.families:
            result.server_file = self._dump(choice.families)
        groups = list(_groups(choice.families))
        for group in groups:
            result.jobs += self._purge_group(group)
            if (stop or threading.Event()).wait(request.runtime_s / len(groups) if request.runtime_s else 0):
                break
        log.info("purged %d jobs of %d chosen", len(result.jobs), sum(map(len, choice.families)))
        return result

    def _choose(self, request: PurgeRequest) -> Choice:
        with sql.read(self._engine) as conn:
            if request.jobids is not None:
                return purging.by_name(conn, request.jobids)
            return purging.by_age(conn, request.ages, int(self._clock()))

    def _dump(self, families: Iterable[Family]) -> Path:
        with DumpFile(self._directory) as file:
            for family in families:
                with sql.read(self._engine) as conn:
                    for member in family:
                        file.write(dump.read(conn, member.key))
        return file.path

    def _purge_group(self, group: Sequence[Family]) -> list[JobId]:
        for _ in range(_ATTEMPTS):
            try:
                return self._try_group(group)
            except DBAPIError as error:
                if not is_transient(error):
                    raise
                log.info("purge of %d jobs repeated: %s", sum(map(len, group)), error.orig)
        return []  # they stay for the next purge

    def _try_group(self, group: Sequence[Family]) -> list[JobId]:
        files = self._write_files(group)
        announced: set[JobId] = set()
        try:
            with sql.write(self._engine) as conn:
                gone = [member.jobid for family in group if _unchanged(conn, family) for member in family]
                self._remove(conn, gone)
                announced.update(gone)
                self._announce(gone, files)
            return gone
        finally:
            for jobid in files.keys() - announced:
                files[jobid].unlink(missing_ok=True)

    def _write_files(self, group: Sequence[Family]) -> dict[JobId, Path]:
        if self._exports.files is None:
            return {}
        with sql.read(self._engine) as conn:
            return {
                member.jobid: self._exports.files.write(member.jobid, dump.read(conn, member.key))
                for family in group for member in family
            }

    def _remove(self, conn: Connection, jobids: Sequence[JobId]) -> None:
        keys = [jobid.unique for jobid in jobids]
        if self._exports.registrations is not None:
            jpreg.export_before_purge(conn, self._exports.registrations, keys)
        owners = _owners(conn, keys)
        for table in _TABLES:
            for start in range(0, len(keys), CHUNK):
                conn.execute(delete(table).where(table.c.jobid.in_(keys[start : start + CHUNK])))
        zombies.bury(conn, jobids, owners)

    def _announce(self, jobids: Sequence[JobId], files: Mapping[JobId, Path]) -> None:
        """The last thing before the commit: a message that is stored names a file that stays."""
        if self._exports.messages is not None:
            for jobid in jobids:
                if jobid in files:
                    self._exports.messages.store(message(jobid, files[jobid]), MESSAGE_SERVER)


def _owners(conn: Connection, keys: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for start in range(0, len(keys), CHUNK):
        rows = conn.execute(select(jobs.c.jobid, jobs.c.userid).where(jobs.c.jobid.in_(keys[start : start + CHUNK])))
        found.update((key, userid) for key, userid in rows)
    return found


def _unchanged(conn: Connection, family: Family) -> bool:
    """Lock the family and compare it with what was chosen and dumped."""
    keys = sorted(member.key for member in family)
    for start in range(0, len(keys), CHUNK):
        conn.execute(
            select(jobs.c.jobid).where(jobs.c.jobid.in_(keys[start : start + CHUNK])).order_by(jobs.c.jobid)
            .with_for_update()
        ).all()
    head = family[0]
    now = conn.execute(select(states.c.seq).where(states.c.jobid == head.key)).scalar_one_or_none()
    if now != head.nevents:
        return False
    return set(purging.family_of(conn, head)) == set(family)


def _groups(families: Iterable[Family]) -> Iterator[list[Family]]:
    group: list[Family] = []
    for family in families:
        if group and sum(map(len, group)) + len(family) > GROUP:
            yield group
            group = []
        group.append(family)
    if group:
        yield group
