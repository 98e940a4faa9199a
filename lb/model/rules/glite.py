"""Rules for jobs of the workload management system: SIMPLE, DAG, COLLECTION (lb.md 3.5).

A usable event follows its row (``rows``), then does what is particular to it (``EXTRA``). Any event, in time or late,
leaves its data (``leftovers``).
"""

from collections.abc import Callable
from typing import Final

from lb.model.events import Event
from lb.model.jobstate import JobDraft
from lb.model.rules import cream
from lb.model.rules.branches import reset_branches
from lb.model.rules.leftovers import DATA, glue_failure
from lb.model.rules.order import Branch, Verdict, without_lm
from lb.model.rules.rows import IGNORED, LM, LRMS, NS, WMS, Row, find_row
from lb.model.seqcode import compare
from lb.model.status import STATE_CODES, find_state, with_slot

Change = Callable[[JobDraft, Event, Verdict], None]

CLEAR_TEXT: Final = {
    "USER": "user retrieved output sandbox",
    "TIMEOUT": "timed out, resource purge forced",
    "NOOUTPUT": "no output was generated",
}
"""Reasons of Clear, fixed texts of the original (lb.md 3.5)."""

CREAM_SOURCES: Final = frozenset({"CREAMInterface", "CREAMExecutor"})

_RUNS_OR_DONE: Final = frozenset({"Running", "Done"})
_SCHEDULED_SLOT = STATE_CODES["Scheduled"]


def process(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """Apply one event that was classified. Afterwards ``verdict`` tells whether times and codes are to be updated."""
    name = event.type.name
    if event.source in CREAM_SOURCES:
        cream.data(job, event)
    row = find_row(event)
    if row is None:
        verdict.bad = True
        return
    before = BEFORE.get(name)
    if before is not None:
        before(job, event, verdict)
    _late(job, event, row, verdict)
    if verdict.usable:
        _use(job, event, row, verdict)
        extra = EXTRA.get(name)
        if extra is not None:
            extra(job, event, verdict)
    data = DATA.get(name)
    if data is not None:
        data(job, event, verdict)
    if event.source == NS and job.status.network_server is None and not verdict.bad:
        instance = event.src_instance
        job.status.network_server = f"{event.host} " if instance is None else f"{event.host}:{instance}"


_NO_CODE: Final = frozenset({"ChangeACL", "GrantPayloadOwnership", "TakePayloadOwnership"})
"""Events whose codes say nothing about the order of others."""
_ON_THE_WAY: Final = frozenset({"Waiting", "Ready", "Scheduled"})
"""Entering one of these, the wrapper of an earlier try is forgotten."""


def settle(job: JobDraft, event: Event, verdict: Verdict, entered: bool) -> None:
    """After a usable event: remember its code. ``entered``: the state has changed."""
    status, name = job.status, event.type.name
    if entered and status.state in _ON_THE_WAY:
        status.jw_status = "UNKNOWN"
    if name == "Cancel":
        job.last_cancel_seqcode = event.seqcode
    elif name not in _NO_CODE:
        job.last_seqcode = without_lm(event.seqcode) if verdict.hide_lm else event.seqcode
    if status.state != "Running":
        status.suspended = False
        status.suspend_reason = None
    if verdict.branch is Branch.GOOD:
        job.last_branch_seqcode = event.seqcode


def _late(job: JobDraft, event: Event, row: Row, verdict: Verdict) -> None:
    if event.fields.get("result") in IGNORED and event.type.name in ("Transfer", "EnQueued"):
        verdict.usable = False
    if row.late and job.status.state in _RUNS_OR_DONE:
        verdict.usable = False
        times = job.status.stateEnterTimes
        if row.state == "Scheduled" and times is not None:
            job.status.stateEnterTimes = with_slot(times, _SCHEDULED_SLOT, event.timestamp[0])


def _use(job: JobDraft, event: Event, row: Row, verdict: Verdict) -> None:
    status = job.status
    if row.state is not None:
        status.state = row.state
    if row.reason:
        status.reason = event.fields.get("reason")
    if row.where is not None:
        status.location = row.where(event)
    verdict.hide_lm = row.hide_lm


# ---- what some events do before they are judged ---------------------------------------------------------------------


def _cancel_order(job: JobDraft, event: Event, verdict: Verdict) -> None:
    last = job.last_cancel_seqcode
    if verdict.branch is Branch.BAD or (last is not None and compare(last, event.seqcode) > 0):
        verdict.usable = False


def _abort_order(job: JobDraft, event: Event, verdict: Verdict) -> None:
    if event.source == WMS:
        verdict.usable = True


BEFORE: Final[dict[str, Change]] = {"Cancel": _cancel_order, "Abort": _abort_order}

# ---- what usable events do beyond their row -------------------------------------------------------------------------


def _enqueued(job: JobDraft, event: Event, verdict: Verdict) -> None:
    if event.source == LM and event.fields["result"] == "OK":
        job.status.resubmitted = True


def _running(job: JobDraft, event: Event, verdict: Verdict) -> None:
    job.status.jw_status = "WRAPPER_RUNNING"


def _suspend(job: JobDraft, event: Event, verdict: Verdict) -> None:
    if job.status.state == "Running":
        job.status.suspended = event.type.name == "Suspend"
        job.status.suspend_reason = event.fields.get("reason")


def _done(job: JobDraft, event: Event, verdict: Verdict) -> None:
    status, code = job.status, event.fields["status_code"]
    status.jw_status = "DONE"
    if event.source == LRMS or verdict.branch is Branch.GOOD:
        status.payload_running = False
    if event.source == LRMS:
        return
    if code == "FAILED":
        where = status.destination
        glue_failure(job, event, "(null)" if where is None else where)
    elif code == "KILLED":
        verdict.bad = True


def _cancel(job: JobDraft, event: Event, verdict: Verdict) -> None:
    status, code = job.status, event.fields["status_code"]
    if code == "REQ":
        status.cancelling = True
    elif code == "DONE":
        status.remove_from_proxy = True
        status.cancelling = False
        job.last_seqcode = event.seqcode
    elif code == "ABORT":
        status.cancelling = False


def _abort(job: JobDraft, event: Event, verdict: Verdict) -> None:
    job.status.remove_from_proxy = True
    reset_branches(job, event)


def _clear(job: JobDraft, event: Event, verdict: Verdict) -> None:
    job.status.remove_from_proxy = True
    job.status.reason = CLEAR_TEXT[event.fields["reason"]]


def _collection_state(job: JobDraft, event: Event, verdict: Verdict) -> None:
    state = find_state(event.fields["state"])
    if state is None:
        verdict.bad = True
        return
    job.status.state = state
    if state == "Done":
        job.status.done_code = _done_code(event.fields.get("done_code"))


def _done_code(number: int | None) -> str | None:
    return ("OK", "FAILED", "CANCELLED")[number] if number in (0, 1, 2) else None


def _cream(job: JobDraft, event: Event, verdict: Verdict) -> None:
    cream.use(job, event)


EXTRA: Final[dict[str, Change]] = {
    "EnQueued": _enqueued,
    "Running": _running,
    "Suspend": _suspend,
    "Resume": _suspend,
    "Done": _done,
    "Cancel": _cancel,
    "Abort": _abort,
    "Clear": _clear,
    "CollectionState": _collection_state,
    "CREAMStore": _cream,
    "CREAMCall": _cream,
    "CREAMCancel": _cream,
    "CREAMAbort": _cream,
    "CREAMStatus": _cream,
}
