"""Rules for file transfers and collections of them (lb.md 3.7).

There is no order: every event counts, even one without a rule.
"""

from collections.abc import Callable
from typing import Final

from lb.model.events import Event
from lb.model.jobstate import JobDraft
from lb.model.rules import glite, leftovers
from lb.model.rules.order import Verdict
from lb.model.status import with_slot

Step = Callable[[JobDraft, Event, Verdict], None]
LOCATION: Final = "this is FILE TRANSFER"


def process(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """One event of a job of type FILE_TRANSFER."""
    _run(STEPS, job, event, verdict)


def process_collection(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """One event of a job of type FILE_TRANSFER_COLLECTION."""
    _run(COLLECTION_STEPS, job, event, verdict)


def _run(steps: dict[str, Step], job: JobDraft, event: Event, verdict: Verdict) -> None:
    step = steps.get(event.type.name)
    if step is not None:
        step(job, event, verdict)
    if job.status.location is None:
        job.status.location = LOCATION


def _register(job: JobDraft, event: Event, verdict: Verdict) -> None:
    status, fields = job.status, event.fields
    if status.owner is None:
        status.owner = event.user
    status.state = "Submitted"
    parent = fields.get("parent")
    if parent is not None:
        status.parent_job = str(parent)


def _register_collection(job: JobDraft, event: Event, verdict: Verdict) -> None:
    _register(job, event, verdict)
    status = job.status
    status.children_num = event.fields.get("nsubjobs", 0)
    if status.children_hist is not None:
        status.children_hist = with_slot(status.children_hist, leftovers.UNKNOWN_SLOT, status.children_num)


def _addresses(job: JobDraft, event: Event, verdict: Verdict) -> None:
    job.status.ft_src, job.status.ft_dest = event.fields["src"], event.fields["dest"]


def _progress(job: JobDraft, event: Event, verdict: Verdict) -> None:
    status, result = job.status, event.fields["result"]
    if result == "START":
        status.state = "Running"
        return
    status.state = "Done"
    status.done_code = "OK" if result == "OK" else "FAILED"
    if result == "FAIL":
        reason = event.fields.get("reason")
        status.failure_reasons = "\n".join(filter(None, (status.failure_reasons, reason))) or None


def _abort(job: JobDraft, event: Event, verdict: Verdict) -> None:
    status = job.status
    status.state, status.location, status.reason = "Aborted", "none", event.fields["reason"]
    status.remove_from_proxy = True


def _sandbox(job: JobDraft, event: Event, verdict: Verdict) -> None:
    status = job.status
    status.ft_sandbox_type = event.fields["sandbox_type"]
    compute = leftovers.job_id(event.fields.get("compute_job"))
    parent = leftovers.job_id(event.fields.get("transfer_job"))
    if compute is not None:
        status.ft_compute_job = compute
    if parent is not None and compute is None and status.jobtype == "FILE_TRANSFER":
        status.parent_job = parent


STEPS: Final[dict[str, Step]] = {
    "RegJob": _register,
    "FileTransferRegister": _addresses,
    "FileTransfer": _progress,
    "Abort": _abort,
    "Sandbox": _sandbox,
}
COLLECTION_STEPS: Final[dict[str, Step]] = {
    "RegJob": _register_collection,
    "Sandbox": _sandbox,
    "CollectionState": glite.EXTRA["CollectionState"],
}
