"""Resubmission: several tries of one job, told apart by the WM counter of the code (lb.md 3.4, 3.5)."""

from types import MappingProxyType

from lb.model.events import Event
from lb.model.frozen import with_item
from lb.model.jobstate import JobDraft
from lb.model.rules.order import WM, Branch, Verdict, counter
from lb.model.rules.rows import LM, LRMS
from lb.model.seqcode import components


def note_branch(job: JobDraft, event: Event, column: int, value: str | None) -> None:
    """Remember what became of the branch that the event belongs to."""
    if value is not None:
        number = counter(event.seqcode, WM)
        where, worker, text = job.branches.get(number, (None, None, None))
        row = (value, worker, text) if column == 0 else (where, value, text) if column == 1 else (where, worker, value)
        job.branches = with_item(job.branches, number, row)


def reset_branches(job: JobDraft, event: Event) -> None:
    """A deep resubmission or Abort: all branches before it are void, and whatever comes late from them is too old."""
    status = job.status
    status.possible_destinations = status.possible_ce_nodes = None
    status.payload_running = False
    job.branches = MappingProxyType({})
    job.branch_tag_seqcode = None
    job.deep_resubmit_seqcode = event.seqcode


def really_running(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """the user's program runs: this branch counts from now on, destination, node and description are taken from it"""
    if verdict.branch in (Branch.BAD, Branch.OLD):
        return
    if event.source == LRMS:
        job.branch_tag_seqcode = event.seqcode
        if verdict.usable:
            job.last_branch_seqcode = event.seqcode
    elif event.source == LM:
        if not _tagged_by_worker_node(job, event, verdict):
            verdict.bad = True
            return
    elif job.branch_tag_seqcode is None and not verdict.usable:
        verdict.bad = True  # The original dies here.
        return
    tag, last = job.branch_tag_seqcode, job.last_seqcode
    if not verdict.usable and job.last_branch_seqcode is None and last is not None and tag is not None:
        job.last_branch_seqcode = last if counter(last, WM) == counter(tag, WM) else None
    job.status.jw_status = "PAYLOAD_RUNNING"
    job.status.payload_running = True
    _reload_branch(job)


def _tagged_by_worker_node(job: JobDraft, event: Event, verdict: Verdict) -> bool:
    """LogMonitor tells the code that the worker node knew; False when that is needed and unreadable."""
    code = event.fields.get("wn_seq")
    if job.branch_tag_seqcode is None:
        if code is None or components(code) is None:
            return False
        job.branch_tag_seqcode = code
    if job.last_branch_seqcode is None and verdict.usable:
        job.last_branch_seqcode = code
        job.status.state = "Running"
    return True


def _reload_branch(job: JobDraft) -> None:
    """Take destination, worker node and description from the branch that runs and the two before it."""
    status, tag = job.status, job.branch_tag_seqcode
    if tag is None:
        return
    number, numbers = counter(tag, WM), sorted(job.branches)
    last = numbers.index(number) if number in job.branches else len(numbers)
    for where, worker, text in (job.branches[key] for key in numbers[max(0, last - 2) : last + 1]):
        status.destination = where or status.destination
        status.ce_node = worker or status.ce_node
        status.matched_jdl = text or status.matched_jdl
