"""What the manager remembers of a job, on disk before anything that follows from it is done.

Every step of a job is one new version of its record, written whole. The record carries the events of that step in
`outbox`; they go to the event files after it has been written. A manager that dies in between sends them again from
the record: the same lines with the same time and code, which LB takes for what they are (lb.md 5.3, duplicates). So no
event is lost, none counts twice, and sequence codes only grow.

    <state>/jobs/<encoded job id>.json          jobs on their way
    <state>/jobs/<encoded job id>.jdl           their descriptions
    <state>/done/<2>/<encoded job id>.json      jobs that are through, until their job directory is gone
"""

from __future__ import annotations

import copy
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Self

from spool.files import sync_directory, write_durably
from wms.jobdirectory import JobDirectory, decode, encode

log = logging.getLogger(__name__)


class RecordExists(Exception):
    """The job of a request has a record that was not loaded: to start it anew could run it twice."""


class Stage(Enum):
    WAITING = "waiting"  # no computing element yet
    DELIVERING = "delivering"  # matched; the submission may or may not have happened
    AT_CE = "at_ce"  # the batch system has it
    FINISHED = "finished"  # nothing is left to do


@dataclass
class Attempt:
    """One try at one computing element. seqcode: what the wrapper begins with; facts: how many of its events are
    logged already; running, really_running, cancelled: whether that was logged, and passed on, already; proxy_version:
    of the proxy that the element has (wms.manager.proxies), perhaps of an earlier one."""

    number: int
    ceid: str
    host: str
    seqcode: str
    lrms_id: str = ""
    facts: int = 0
    running: bool = False
    really_running: bool = False
    cancelled: bool = False
    proxy_version: str = ""


@dataclass
class Record:
    """The state of one job. Times are epoch seconds.

    seqcode, cancel_seqcode: codes of the last event logged on the normal way and for a cancellation (empty: nobody
    cancelled); deep, shallow: resubmissions so far, the latter since the last deep one (wms.md 4.4); outbox: event
    lines of the last step; leftovers: (CE id, LRMS id) of attempts that can be cleaned up; entry: name of the request
    in the queue; outcome: how a finished job ended.
    """

    jobid: str
    owner: str
    proxy: str
    entry: str
    seqcode: str
    first_seen: float
    expires: float
    stage: Stage = Stage.WAITING
    next_try: float = 0.0
    attempts: int = 0
    attempt: Attempt | None = None
    deep: int = 0
    shallow: int = 0
    previous_hosts: list[str] = field(default_factory=list)
    cancel_seqcode: str = ""
    outcome: str = ""
    outbox: list[str] = field(default_factory=list)
    leftovers: list[tuple[str, str]] = field(default_factory=list)

    def draft(self) -> Self:
        """A copy to be changed. Outbox and leftovers are empty: the record is changed only after both were seen to."""
        made = copy.deepcopy(self)
        made.outbox, made.leftovers = [], []
        return made

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self) | {"stage": self.stage.value}).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        values: dict[str, Any] = json.loads(data)
        attempt = values.pop("attempt")
        stage = Stage(values.pop("stage"))
        leftovers = [(ceid, lrms_id) for ceid, lrms_id in values.pop("leftovers")]
        return cls(**values, stage=stage, attempt=Attempt(**attempt) if attempt else None, leftovers=leftovers)


class Store:
    """The records below a directory. One manager uses it; `lock` in wms.manager.main sees to that."""

    def __init__(self, root: Path) -> None:
        self.active = root / "jobs"
        self.done = root / "done"
        for directory in (self.active, self.done):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def add(self, record: Record, jdl: str) -> None:
        """Remember a new job. The description goes first: a record without one would be of no use.

        Raises RecordExists: there is a record, so this job was taken before and its record could not be read.
        """
        if self._record(record.jobid).exists():
            raise RecordExists(self._record(record.jobid))
        write_durably(self._jdl(record.jobid), jdl.encode())
        self.save(record)

    def save(self, record: Record) -> None:
        """Replace a job's record; on disk when this returns."""
        write_durably(self._record(record.jobid), record.to_bytes())

    def jdl(self, jobid: str) -> str:
        return self._jdl(jobid).read_text(encoding="utf-8")

    def load(self) -> Iterator[Record]:
        """The jobs on their way; unreadable records are reported and left where they are."""
        for path in sorted(self.active.glob("*.json")):
            try:
                yield Record.from_bytes(path.read_bytes())
            except (ValueError, TypeError, KeyError) as error:
                log.error("%s cannot be read and is left alone: %s", path, error)

    def retire(self, record: Record) -> None:
        """The job is through: out of the way, but not forgotten, so that a late command for it is understood. Harmless
        when it has been done already."""
        place = self._retired(record.jobid)
        place.parent.mkdir(mode=0o700, exist_ok=True)
        if not place.exists():
            os.rename(self._record(record.jobid), place)
        sync_directory(place.parent)
        self._jdl(record.jobid).unlink(missing_ok=True)

    def retired(self, jobid: str) -> Record | None:
        try:
            return Record.from_bytes(self._retired(jobid).read_bytes())
        except FileNotFoundError:
            return None

    def update_retired(self, record: Record) -> None:
        write_durably(self._retired(record.jobid), record.to_bytes())

    def sweep(self, sandboxes: Path) -> int:
        """Forget the jobs that are through and whose job directory is gone; returns how many."""
        forgotten = 0
        for path in self.done.glob("*/*.json"):
            if not JobDirectory(sandboxes, decode(path.stem)).exists:
                path.unlink()
                forgotten += 1
        return forgotten

    def _record(self, jobid: str) -> Path:
        return self.active / f"{encode(jobid)}.json"

    def _jdl(self, jobid: str) -> Path:
        return self.active / f"{encode(jobid)}.jdl"

    def _retired(self, jobid: str) -> Path:
        return self.done / JobDirectory(self.done, jobid).reduced / f"{encode(jobid)}.json"
