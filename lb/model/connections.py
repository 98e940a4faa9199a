"""Jobs that are connected to each other, as a job with the virtual machine that it runs in (lb.md 3.8).

A connection has two ends, and each job keeps its own: whom it is connected to, what kind of job that is, and whether
the connection is alive. What the server does, event by event:

    other = other_job(event)                                ConnectJob, DisconnectJob; ConnectionsError: refused
    mine = mine.change(event)
    back = reverse_event(event, jobtype=status.jobtype, now=…, host=…, server_dn=…)
                                                            to be stored for the other job like any event: when that
                                                            is refused ("job not registered"), so is the first one
    if the state has changed and the new one is in ENDS:    mine = mine.ended()
                                                            and for each connected job theirs = theirs.ended(jobid)
    at a purge of the job:                                  for each connected job theirs = theirs.forget(jobid)

The reverse event is an event of its own with the server's time: it makes the other job's latest update where the rules
of that kind of job take any event (a virtual machine); to a job of the workload manager it is a bad event. The server
answers only to others: an event from the source LBServer has no reverse.

``RegJob`` and ``ConnectJob`` name the kind of a job by the same words, and so do the statuses.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType
from typing import Final

from lb.model.errors import ModelError
from lb.model.events import EVENTS, Event
from lb.model.frozen import with_item
from lb.model.jobid import JOBID_FORMAT, JobId, JobIdError
from lb.model.seqcode import NULL
from lb.model.times import Timestamp
from lb.model.vocabulary import INTERNAL, SERVER

EVENT_NAMES: Final = frozenset({"ConnectJob", "DisconnectJob"})
ENDS: Final = frozenset({"Done", "Aborted", "Cancelled"})
"""States that a job enters when it will not use its connections any more; Cleared follows one of them."""


class ConnectionsError(ModelError):
    """The other job of an event is no job (1409). The text is what stood there, as the original answers."""


class Kind(IntEnum):
    """What a connection is worth, by the numbers of the database."""

    ACTIVE = 1
    INACTIVE = 2
    CANCELLED = 3


@dataclass(frozen=True, slots=True)
class Connection:
    """One end of a connection: the kind of the other job, as ``RegJob.jobtype`` says it, and whether it is alive."""

    jobtype: str
    kind: Kind = Kind.ACTIVE


_NONE: Final[Mapping[JobId, Connection]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Connections:
    """The connections of one job by the other job, oldest first. They never change; what changes them gives others."""

    by_job: Mapping[JobId, Connection] = field(default_factory=lambda: _NONE)

    def change(self, event: Event) -> "Connections":
        """The connections after a ConnectJob or DisconnectJob of the job. Raises ``ConnectionsError``."""
        other = other_job(event)
        return self.connect(other, event.fields["jobtype"]) if event.name == "ConnectJob" else self.disconnect(other)

    def connect(self, jobid: JobId, jobtype: str) -> "Connections":
        """With a new connection to that job, in place of an older one."""
        before = self.forget(jobid).by_job
        return Connections(with_item(before, jobid, Connection(jobtype)))

    def disconnect(self, jobid: JobId) -> "Connections":
        """With the connection cancelled; it stays known. Nothing changes when there is none."""
        return self._turned([jobid] if jobid in self.by_job else [], Kind.CANCELLED)

    def ended(self, jobid: JobId | None = None) -> "Connections":
        """After this job (None) or the other one entered a state of ``ENDS``: what was active is inactive."""
        about = self.by_job if jobid is None else {jobid}
        return self._turned([each for each in self.active if each in about], Kind.INACTIVE)

    def forget(self, jobid: JobId) -> "Connections":
        """Without the connection to a job that was purged."""
        if jobid not in self.by_job:
            return self
        return _made_of({each: connection for each, connection in self.by_job.items() if each != jobid})

    @property
    def active(self) -> frozenset[JobId]:
        """The jobs to which there is a connection alive."""
        return frozenset(job for job, connection in self.by_job.items() if connection.kind is Kind.ACTIVE)

    def _turned(self, jobids: list[JobId], kind: Kind) -> "Connections":
        turned = {jobid: Connection(self.by_job[jobid].jobtype, kind) for jobid in jobids}
        return _made_of({**self.by_job, **turned}) if turned else self


def _made_of(rows: dict[JobId, Connection]) -> Connections:
    return Connections(MappingProxyType(rows))


def other_job(event: Event) -> JobId:
    """The job that a ConnectJob or DisconnectJob names. Raises ``ConnectionsError``."""
    text = event.get("dest_jobid") or ""
    try:
        return JobId.parse(text)
    except JobIdError:
        raise ConnectionsError(text[:200], code=JOBID_FORMAT, field="dest_jobid") from None


def reverse_event(event: Event, *, jobtype: str | None, now: Timestamp, host: str, server_dn: str) -> Event | None:
    """What the server itself logs for the other job; None when there is nothing to log.

    ``jobtype``: the kind of the event's own job by its status; one that nobody registered yet counts as simple.
    Raises ``ConnectionsError``.
    """
    if event.name not in EVENT_NAMES or event.source == SERVER:
        return None
    fields = {"dest_jobid": str(event.jobid)}
    if event.name == "ConnectJob":
        fields["jobtype"] = jobtype or "SIMPLE"
    return Event(
        EVENTS[event.name],
        now,
        host,
        "SYSTEM",
        INTERNAL,
        other_job(event),
        str(NULL),
        server_dn,
        SERVER,
        "",
        fields,
    )
