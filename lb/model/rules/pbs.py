"""Rules for jobs of PBS on its own (lb.md 3.7).

The order is that of the codes: an event with a lower code than the latest one that counted is late.
"""

from types import MappingProxyType
from typing import Final

from lb.model.events import Event
from lb.model.jobstate import JobDraft
from lb.model.rules.order import Verdict
from lb.model.rules.steps import Step, follow
from lb.model.rules.tags import user_tag

LOCATION: Final = "this is PBS"
LETTERS: Final = "TQHWREC"
"""Letter of PBS's own states 0 to 6."""
MOMS: Final = frozenset({"PBSMom", "PBSMomSuperior"})


def process(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """One event of a job of type PBS."""
    follow(STEPS, LOCATION, job, event, verdict)


def _register(job: JobDraft, event: Event, verdict: Verdict) -> None:
    if job.status.owner is None:
        job.status.owner = event.user
    if verdict.usable:
        job.status.state = "Submitted"
    job.status.network_server = event.fields["ns"]


def _tag(job: JobDraft, event: Event, verdict: Verdict) -> None:
    user_tag(job, event)


def _transfer(job: JobDraft, event: Event, verdict: Verdict) -> None:
    if event.fields["result"] != "OK":
        return
    if event.source == "PBSClient":
        job.status.location = event.fields.get("dest_instance")
    elif event.source == "PBSServer":
        job.status.ce_node = event.fields.get("dest_instance")


def _accepted(job: JobDraft, event: Event, verdict: Verdict) -> None:
    status = job.status
    if event.source == "PBSServer":
        if verdict.usable:
            status.state = "Submitted"
            status.location = event.src_instance
    elif event.source in MOMS:
        if verdict.usable:
            status.state = "Scheduled"
            status.ce_node = event.src_instance
    else:
        verdict.bad = True


def _queued(job: JobDraft, event: Event, verdict: Verdict) -> None:
    status, fields = job.status, event.fields
    if verdict.usable:
        status.state = "Waiting"
    if event.source == "PBSServer":
        status.pbs_queue = fields["queue"]
        status.pbs_owner = status.pbs_owner or fields["owner"]
        status.pbs_name = status.pbs_name or fields["name"]


def _match(job: JobDraft, event: Event, verdict: Verdict) -> None:
    if verdict.usable:
        job.status.state = "Ready"
    job.status.pbs_dest_host = event.fields["dest_host"]


def _pending(job: JobDraft, event: Event, verdict: Verdict) -> None:
    if verdict.usable:
        job.status.state = "Waiting"
    job.status.pbs_reason = event.fields["reason"]


def _run(job: JobDraft, event: Event, verdict: Verdict) -> None:
    status, get = job.status, event.fields.get
    if verdict.usable:
        status.state = "Running" if event.source in MOMS else "Scheduled"
    status.pbs_scheduler = get("scheduler") or status.pbs_scheduler
    status.pbs_dest_host = get("dest_host") or status.pbs_dest_host
    status.pbs_pid = get("pid", 0)


def _rerun(job: JobDraft, event: Event, verdict: Verdict) -> None:
    if verdict.usable:
        job.status.state = "Waiting"


def _done(job: JobDraft, event: Event, verdict: Verdict) -> None:
    if event.source == "PBSServer" and verdict.usable:
        job.status.state = "Done"
        job.status.done_code = "OK"
    job.status.pbs_exit_status = event.fields.get("exit_status", 0)


def _usage(job: JobDraft, event: Event, verdict: Verdict) -> None:
    tags = MappingProxyType(dict(event.fields["resources"]))
    if event.fields["usage"] == "REQUESTED":
        job.status.pbs_resource_requested = tags
    else:
        job.status.pbs_resource_usage = tags


def _error(job: JobDraft, event: Event, verdict: Verdict) -> None:
    status, text = job.status, event.fields["error_desc"]
    if verdict.usable:
        status.state = "Done"
        status.done_code = "FAILED"
        status.pbs_state = "C"
    before = status.pbs_error_desc
    status.pbs_error_desc = f"\t{text}" if before is None else f"{before}\n\t{text}"


def _internal(job: JobDraft, event: Event, verdict: Verdict) -> None:
    number = event.fields["newstate"]
    if verdict.usable and 0 <= number < len(LETTERS):
        job.status.pbs_state = LETTERS[number]


STEPS: Final[dict[str, Step]] = {
    "RegJob": _register,
    "PBSTransfer": _transfer,
    "PBSAccepted": _accepted,
    "PBSQueued": _queued,
    "PBSMatch": _match,
    "PBSPending": _pending,
    "PBSRun": _run,
    "PBSRerun": _rerun,
    "PBSDone": _done,
    "PBSResourceUsage": _usage,
    "PBSError": _error,
    "PBSInternalStateChange": _internal,
    "UserTag": _tag,
}
