"""The state machine: what an event does to the status of its job.

The rules in short (lb.md 3.4 to 3.8; the tables are in ``lb.model.rules``):

1. A job without a known type waits for its registration: ``RegJob`` decides which rules hold, whatever came before it
   is kept by others but changes nothing here. A subjob is born with its parent and has a type from the start
   (``new_subjob``).

2. Events arrive in any order. What makes an event *usable*, that is in time, is its sequence code: it must not be lower
   than that of the latest usable event. A late event changes no state and no times; but the data it carries (job
   descriptions, identifiers, destinations, user tags) are facts all the same and are taken. An event of a type or
   source that has no business with the job is *bad* and leaves no trace in times and codes.

3. A job that is Aborted, Cancelled or Cleared is over: everything is late. Two things break this. Abort by the
   workload manager always counts. CollectionState may revive an Aborted collection, because one of its subjobs was
   submitted again. The steps of a cancellation before the end follow an order of their own.

4. Resubmission makes several tries run one after the other, or, when it is *shallow*, beside each other. The WM counter
   of the code tells them apart: one value, one branch. As long as no try has really started, plain order decides. The
   first ReallyRunning names the branch that counts; from then on events of other branches are late, and destination,
   worker node and description are taken back from what that branch had. A *deep* resubmission (WILLRESUB by the
   workload manager) and Abort draw a line: what lies below it is too old to say anything about the future. A newer
   event of the user interface or the network server makes all this void and starts afresh.

5. The batch system knows better than the log monitor: once the job runs or is done, news about how it got there are
   late. Its Done ends the wrapper, not the job; the job is done when the log monitor says so. So that its events are
   not late to begin with, Accepted and Transfer by the log monitor are remembered with their own counter at 0.

6. A payload owner is someone whom the owner named and who said yes, in either order.

7. A parent does not compute its state from its own events alone: see ``lb.model.rules.parents``.

Incremental and from scratch: ``apply`` gives the ``JobState`` after one event; ``recompute`` starts anew and applies
the events sorted by their codes. The two agree for events that came in order. They need not agree otherwise: what a
late event left behind depends on what was known when it came. The original has the same two ways and the same
difference.

ChangeACL concerns the server's access rules, not the job. A server keeps it from the machine (``NOT_FED``); where it is
fed all the same, as when a dump is digested, it counts as an event without effect.

What depends on the order of arrival and what does not is in ``docs/states.md``; where we differ from the original on
purpose, in ``lb.model.corrections``.
"""

from collections.abc import Callable, Iterable
from enum import Enum
from typing import Final

from lb.model.events import Event
from lb.model.jobid import JobId
from lb.model.jobstate import JobDraft, JobState
from lb.model.rules import condor, cream, glite, pbs, transfer, virtual
from lb.model.rules.order import Branch, Verdict, by_code, classify, remember
from lb.model.seqcode import in_order
from lb.model.status import STATE_CODES, ZEROS, Status, StatusDraft, with_slot
from lb.model.times import Timestamp


class Outcome(Enum):
    """What an event was worth."""

    USED = "in time: state and times follow it"
    LATE = "late or without meaning for the state: only its data were taken"
    BAD = "of a type or source that has no business with this job"
    UNREGISTERED = "the kind of job is not known yet: nothing was computed"


def _always(job: JobDraft, event: Event) -> Verdict:
    return Verdict(True, Branch.NONE)


def _nothing(job: JobDraft, event: Event, verdict: Verdict, entered: bool) -> None:
    """Jobs without an order remember no codes."""


Classify = Callable[[JobDraft, Event], Verdict]
Process = Callable[[JobDraft, Event, Verdict], None]
Settle = Callable[[JobDraft, Event, Verdict, bool], None]

_GLITE: Final = (classify, glite.process, glite.settle)
KINDS: Final[dict[str, tuple[Classify, Process, Settle]]] = {
    "SIMPLE": _GLITE,
    "DAG": _GLITE,
    "COLLECTION": _GLITE,
    "CREAM": (_always, cream.process, _nothing),
    "PBS": (by_code, pbs.process, remember),
    "CONDOR": (condor.judge, condor.process, remember),
    "FILE_TRANSFER": (_always, transfer.process, _nothing),
    "FILE_TRANSFER_COLLECTION": (_always, transfer.process_collection, _nothing),
    "VIRTUAL_MACHINE": (_always, virtual.process, _nothing),
}
"""How the events of each kind of job are judged, applied, and remembered when they were usable."""

REGISTERED_AS: Final = {"PARTITIONED": "DAG", "PARTITIONABLE": "SIMPLE"}
"""Types of a registration that are computed as another type."""

NOT_FED: Final = frozenset({"ChangeACL"})
"""Events that a server stores but does not apply."""


def new_status(jobid: JobId, owner: str | None = None) -> JobState:
    """A job about which nothing is known. Without ``owner`` the user of the registration becomes the owner."""
    return JobState(Status(jobId=str(jobid), owner=owner, children_hist=ZEROS, stateEnterTimes=ZEROS))


def new_subjob(jobid: JobId, parent: Status, at: Timestamp) -> JobState:
    """A subjob at the registration of its parent: Submitted since then, owned by the same, no events (lb.md 3.8)."""
    return new_status(jobid, parent.owner).show(
        state="Submitted",
        jobtype="FILE_TRANSFER" if parent.jobtype == "FILE_TRANSFER_COLLECTION" else "SIMPLE",
        parent_job=parent.jobId,
        stateEnterTime=at,
        lastUpdateTime=at,
        stateEnterTimes=with_slot(ZEROS, STATE_CODES["Submitted"], at[0]),
    )


def apply(job: JobState, event: Event) -> JobState:
    """The job after one event of it; its ``outcome`` tells what the event was worth. ``job`` stays as it was."""
    draft = job.draft()
    draft.outcome = _apply(draft, event)
    return draft.done()


def run(job: JobState, events: Iterable[Event]) -> JobState:
    """The job after events of it in this order: ``apply`` for each, in one go."""
    draft = job.draft()
    for event in events:
        draft.outcome = _apply(draft, event)
    return draft.done()


def _apply(job: JobDraft, event: Event) -> Outcome:
    status = job.status
    if status.jobtype is None:
        if event.type.name != "RegJob":
            return Outcome.UNREGISTERED
        kind = event.fields["jobtype"]
        status.jobtype = REGISTERED_AS.get(kind, kind)
    judge, process, settle = KINDS[status.jobtype]
    verdict = judge(job, event)
    before = status.state
    process(job, event, verdict)
    if verdict.bad:
        return Outcome.BAD
    if not verdict.usable:
        return Outcome.LATE
    _used(status, event, before)
    settle(job, event, verdict, status.state != before)
    return Outcome.USED


def _used(status: StatusDraft, event: Event, before: str) -> None:
    """Times after a usable event."""
    status.lastUpdateTime = event.timestamp
    if status.state != before:
        status.stateEnterTime = event.timestamp
        if status.stateEnterTimes is not None:
            status.stateEnterTimes = with_slot(status.stateEnterTimes, STATE_CODES[status.state], event.timestamp[0])


def recompute(events: Iterable[Event], owner: str | None = None) -> JobState:
    """The state of one job from all its events, sorted by code; Unknown when no registration is among them.

    ``ValueError`` when there are no events at all.
    """
    ordered = in_order(events)
    if not ordered:
        raise ValueError("no events to compute a state from")
    job = run(new_status(ordered[0].jobid, owner), ordered)
    if job.status.jobtype is None:
        return job.show(state="Unknown", lastUpdateTime=ordered[-1].timestamp)
    return job
