"""Data that events leave behind, in time or late: the facts of lb.md 3.5's last column."""

from typing import Final

from lb.model.events import Event
from lb.model.jobid import JobId, JobIdError
from lb.model.jobstate import JobDraft
from lb.model.rules.branches import note_branch, really_running, reset_branches
from lb.model.rules.order import Verdict
from lb.model.rules.parents import PARENTS, REST
from lb.model.rules.rows import JC, LM, LRMS, NS, UI, WMS, Change
from lb.model.rules.tags import user_tag
from lb.model.status import with_slot


def register(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """owner, description, parent, service that takes the job in, number and seed of the subjobs"""
    status, fields = job.status, event.fields
    if status.owner is None:
        status.owner = event.user
    if fields.get("jdl") is not None:
        status.jdl = fields["jdl"]
    parent = fields.get("parent")
    status.parent_job = None if parent is None else str(parent)
    status.network_server = fields["ns"]
    status.children_num = fields.get("nsubjobs", 0)
    kind = fields["jobtype"]
    if kind in ("DAG", "PARTITIONED"):
        status.jobtype = "DAG"
    elif kind in ("COLLECTION", "FILE_TRANSFER_COLLECTION"):
        status.jobtype = kind
    if status.jobtype in PARENTS and status.children_hist is not None:
        status.children_hist = with_slot(status.children_hist, REST, status.children_num)
    status.seed = fields.get("seed")


def _transfer_data(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """the job description: of the user interface `jdl`, unless known; of the job controller `condor_jdl`; else `rsl`"""
    status, text = job.status, event.fields["job"]
    if event.source == UI:
        status.jdl = status.jdl or text
    elif event.source == JC:
        status.condor_jdl = text
    else:
        status.rsl = text


def _accepted_data(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """of the network server the host of the user; of the log monitor and the batch system their identifiers"""
    status, local = job.status, event.fields.get("local_jobid")
    if event.source == NS:
        status.ui_host = event.fields["from_host"]
    elif event.source == LM:
        status.condorId = local
    else:
        status.globusId = local


def _enqueued_data(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """of the network server `jdl`, when it went well or none is known; of the workload manager `matched_jdl`"""
    status, text = job.status, event.fields.get("job")
    if event.source == NS:
        if event.fields["result"] == "OK" or status.jdl is None:
            status.jdl = text
    elif event.source == WMS:
        status.matched_jdl = text
        if event.fields["result"] == "OK":
            note_branch(job, event, 2, text)


def _match_data(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """the computing element: as `destination` unless of another branch or too old, and among all those tried"""
    status, where = job.status, event.fields["dest_id"]
    if verdict.branch_usable:
        status.destination = where
    note_branch(job, event, 0, where)
    status.possible_destinations = (*(status.possible_destinations or ()), where)


def _running_data(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """the worker node: as `ce_node` unless of another branch or too old, and among all those tried"""
    status, where = job.status, event.fields["node"]
    if verdict.branch_usable:
        status.ce_node = where
    note_branch(job, event, 1, where)
    status.possible_ce_nodes = (*(status.possible_ce_nodes or ()), where)


def _resubmission_data(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """the decision; WILLRESUB by the workload manager is deep: all branches are void"""
    result = event.fields["result"]
    if result != "WILLRESUB":
        job.resubmit_type = result
    elif event.source == WMS:
        job.resubmit_type = result
        reset_branches(job, event)


def _done_data(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """`done_code`, `exit_code`; of a late failure the reason; nothing of the batch system's, which knows the wrapper"""
    status, code = job.status, event.fields["status_code"]
    if event.source == LRMS:
        return
    if code == "FAILED" and not verdict.usable:
        glue_failure(job, event, "delayed event, destination unreliable")
    if code != "KILLED":
        status.done_code = code
        status.exit_code = event.fields["exit_code"] if code == "OK" else 0


def glue_failure(job: JobDraft, event: Event, where: str) -> None:
    reason = event.fields.get("reason")
    line = f"{'(null)' if reason is None else reason} [{where}]"
    before = job.status.failure_reasons
    job.status.failure_reasons = line if before is None else f"{before}\n{line}"


def _cancel_data(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """the reason of the cancellation"""
    job.status.cancelReason = event.fields.get("reason")


def _clear_data(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """what became of the output sandbox"""
    job.status.sandbox_retrieved = event.fields["reason"]


def _sandbox_data(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """the job that transfers the sandbox, if given"""
    transfer = job_id(event.fields.get("transfer_job"))
    if transfer is None:
        return
    if event.fields["sandbox_type"] == "INPUT":
        job.status.isb_transfer = transfer
    else:
        job.status.osb_transfer = transfer


def job_id(text: str | None) -> str | None:
    """A job id given as plain text, in canonical form; None when it is none."""
    if text is None:
        return None
    try:
        return str(JobId.parse(text))
    except JobIdError:
        return None


def _grant(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """the payload owner, if he has taken it already; else whom the owner named"""
    named = event.fields["payload_owner"]
    if job.payload_owner_pending is None:
        job.payload_owner_unconfirmed = named
        return
    if job.payload_owner_pending == named:
        job.status.payload_owner = named
    job.payload_owner_pending = None


def _take(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """the payload owner, if the owner has named him; else who took it"""
    if job.payload_owner_unconfirmed == event.user:
        job.status.payload_owner = event.user
        job.payload_owner_unconfirmed = None
    else:
        job.payload_owner_pending = event.user


DATA: Final[dict[str, Change]] = {
    "RegJob": register,
    "Transfer": _transfer_data,
    "Accepted": _accepted_data,
    "EnQueued": _enqueued_data,
    "Match": _match_data,
    "Running": _running_data,
    "ReallyRunning": really_running,
    "Resubmission": _resubmission_data,
    "Done": _done_data,
    "Cancel": _cancel_data,
    "Clear": _clear_data,
    "UserTag": user_tag,
    "Sandbox": _sandbox_data,
    "GrantPayloadOwnership": _grant,
    "TakePayloadOwnership": _take,
}
