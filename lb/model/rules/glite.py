"""Rules for jobs of the workload management system: SIMPLE, DAG, COLLECTION (lb.md 3.5).

A usable event follows its row (``glite_rows``), then does what is particular to it (``extra``). Any event, in time or
late, leaves its data (``leftovers``).
"""

from typing import Final

from lb.model.events import Event
from lb.model.jobstate import JobDraft
from lb.model.rules import cream
from lb.model.rules.branches import reset_branches
from lb.model.rules.glite_rows import FREE, OUTCOME, ROWS
from lb.model.rules.leftovers import DATA, glue_failure
from lb.model.rules.order import Branch, Verdict, without_lm
from lb.model.rules.rows import LRMS, NS, Rules, follow
from lb.model.seqcode import compare

CREAM_SOURCES: Final = frozenset({"CREAMInterface", "CREAMExecutor"})


def process(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """Apply one event that was classified. Afterwards ``verdict`` tells whether times and codes are to be updated."""
    if event.source in CREAM_SOURCES:
        cream.data(job, event, verdict)
    if event.type.name == "Cancel":
        _cancel_order(job, event, verdict)
    follow(RULES, job, event, verdict)
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


def _cancel_order(job: JobDraft, event: Event, verdict: Verdict) -> None:
    last = job.last_cancel_seqcode
    if verdict.branch is Branch.BAD or (last is not None and compare(last, event.seqcode) > 0):
        verdict.usable = False


# ---- what usable events do beyond their row -------------------------------------------------------------------------


def _done(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """`payload_running` off on the branch that counts; of a failure the reason and where"""
    if event.source == LRMS:
        return
    status = job.status
    if verdict.branch is Branch.GOOD:
        status.payload_running = False
    if event.fields["status_code"] == "FAILED":
        where = status.destination
        glue_failure(job, event, "(null)" if where is None else where)


def _cancel(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """DONE: later events are measured by its code"""
    if event.fields["status_code"] == "DONE":
        job.last_seqcode = event.seqcode


def _abort(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """all branches are void"""
    reset_branches(job, event)


def _collection_state(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """Done: the done code"""
    if job.status.state == "Done":
        job.status.done_code = _done_code(event.fields.get("done_code"))


def _done_code(number: int | None) -> str | None:
    return ("OK", "FAILED", "CANCELLED")[number] if number in (0, 1, 2) else None


RULES: Final = Rules(
    rows=ROWS,
    outcome=OUTCOME,
    extra={"Done": _done, "Cancel": _cancel, "Abort": _abort, "CollectionState": _collection_state},
    data=DATA,
    location=None,
    free=FREE,
)
