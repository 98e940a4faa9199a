"""Rules for jobs of PBS and of Condor on their own (lb.md 3.7).

The order is that of the codes: an event with a lower code than the latest one that counted is late.
"""

from collections.abc import Callable
from typing import Final

from lb.model.events import Event
from lb.model.jobstate import JobState
from lb.model.rules.order import Branch, Verdict
from lb.model.seqcode import compare

Step = Callable[[JobState, Event, Verdict], None]

PBS_LOCATION: Final = "this is PBS"
CONDOR_LOCATION: Final = "this is CONDOR"
PBS_LETTERS: Final = "TQHWREC"
"""Letter of PBS's own states 0 to 6."""
NO_MATCH: Final = "No match found."
MOMS: Final = frozenset({"PBSMom", "PBSMomSuperior"})


def classify(job: JobState, event: Event) -> Verdict:
    """Late when the code is lower than that of the latest event that counted."""
    last = job.last_seqcode
    return Verdict(last is None or compare(last, event.seqcode) <= 0, Branch.NONE)


def process_pbs(job: JobState, event: Event, verdict: Verdict) -> None:
    """One event of a job of type PBS."""
    _run(PBS_STEPS, job, event, verdict)
    if job.status.location is None:
        job.status.location = PBS_LOCATION


def process_condor(job: JobState, event: Event, verdict: Verdict) -> None:
    """One event of a job of type CONDOR."""
    _run(CONDOR_STEPS, job, event, verdict)
    if job.status.location is None:
        job.status.location = CONDOR_LOCATION


def _run(steps: dict[str, Step], job: JobState, event: Event, verdict: Verdict) -> None:
    step = steps.get(event.type.name)
    if step is None:
        verdict.bad = True
    else:
        step(job, event, verdict)


def _register(job: JobState, event: Event, verdict: Verdict) -> None:
    if job.status.owner is None:
        job.status.owner = event.user
    if verdict.usable:
        job.status.state = "Submitted"


# ---- PBS ------------------------------------------------------------------------------------------------------------


def _pbs_accepted(job: JobState, event: Event, verdict: Verdict) -> None:
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


def _pbs_queued(job: JobState, event: Event, verdict: Verdict) -> None:
    status, fields = job.status, event.fields
    if verdict.usable:
        status.state = "Waiting"
    status.pbs_queue, status.pbs_owner, status.pbs_name = fields["queue"], fields["owner"], fields["name"]


def _pbs_match(job: JobState, event: Event, verdict: Verdict) -> None:
    if verdict.usable:
        job.status.state = "Ready"
    job.status.pbs_dest_host = event.fields["dest_host"]


def _pbs_pending(job: JobState, event: Event, verdict: Verdict) -> None:
    if verdict.usable:
        job.status.state = "Waiting"
        job.status.pbs_reason = event.fields["reason"]


def _pbs_run(job: JobState, event: Event, verdict: Verdict) -> None:
    status, get = job.status, event.fields.get
    if verdict.usable:
        status.state = "Running" if event.source in MOMS else "Scheduled"
    status.pbs_scheduler = get("scheduler") or status.pbs_scheduler
    status.pbs_dest_host = get("dest_host") or status.pbs_dest_host
    status.pbs_pid = get("pid") or status.pbs_pid


def _pbs_rerun(job: JobState, event: Event, verdict: Verdict) -> None:
    if verdict.usable:
        job.status.state = "Waiting"


def _pbs_done(job: JobState, event: Event, verdict: Verdict) -> None:
    if event.source == "PBSServer" and verdict.usable:
        job.status.state = "Done"
        job.status.done_code = "OK"
    job.status.pbs_exit_status = event.fields.get("exit_status", 0)


def _pbs_usage(job: JobState, event: Event, verdict: Verdict) -> None:
    tags = dict(event.fields["resources"])
    if event.fields["usage"] == "REQUESTED":
        job.status.pbs_resource_requested = tags
    else:
        job.status.pbs_resource_usage = tags


def _pbs_error(job: JobState, event: Event, verdict: Verdict) -> None:
    status, text = job.status, event.fields["error_desc"]
    if verdict.usable:
        status.state = "Done"
        status.done_code = "FAILED"
        status.pbs_state = "C"
    status.pbs_error_desc = text if status.pbs_error_desc is None else f"{status.pbs_error_desc}\n{text}"


def _pbs_internal(job: JobState, event: Event, verdict: Verdict) -> None:
    number = event.fields["newstate"]
    if verdict.usable and 0 <= number < len(PBS_LETTERS):
        job.status.pbs_state = PBS_LETTERS[number]


def _nothing(job: JobState, event: Event, verdict: Verdict) -> None:
    """Times only."""


PBS_STEPS: Final[dict[str, Step]] = {
    "RegJob": _register,
    "PBSAccepted": _pbs_accepted,
    "PBSQueued": _pbs_queued,
    "PBSMatch": _pbs_match,
    "PBSPending": _pbs_pending,
    "PBSRun": _pbs_run,
    "PBSRerun": _pbs_rerun,
    "PBSDone": _pbs_done,
    "PBSResourceUsage": _pbs_usage,
    "PBSError": _pbs_error,
    "PBSInternalStateChange": _pbs_internal,
}

# ---- Condor ---------------------------------------------------------------------------------------------------------


def _condor_register(job: JobState, event: Event, verdict: Verdict) -> None:
    _register(job, event, verdict)
    if verdict.usable:
        job.status.condor_status = "Idle"


def _condor_match(job: JobState, event: Event, verdict: Verdict) -> None:
    if verdict.usable:
        job.status.state, job.status.condor_status = "Ready", "Idle"
    job.status.condor_dest_host = event.fields["dest_host"]


def _condor_reject(job: JobState, event: Event, verdict: Verdict) -> None:
    if verdict.usable:
        job.status.state, job.status.condor_status = "Aborted", "Unexpanded"
    job.status.condor_reason = NO_MATCH


def _shadow_started(job: JobState, event: Event, verdict: Verdict) -> None:
    if verdict.usable:
        job.status.state, job.status.condor_status = "Ready", "Idle"


def _shadow_exited(job: JobState, event: Event, verdict: Verdict) -> None:
    if verdict.usable:
        job.status.state, job.status.condor_status = "Done", "Completed"


def _starter_started(job: JobState, event: Event, verdict: Verdict) -> None:
    if verdict.usable:
        job.status.state, job.status.condor_status = "Scheduled", "Idle"


def _starter_exited(job: JobState, event: Event, verdict: Verdict) -> None:
    if verdict.usable:
        job.status.state, job.status.condor_status = "Done", "Completed"


CONDOR_STEPS: Final[dict[str, Step]] = {
    "RegJob": _condor_register,
    "CondorMatch": _condor_match,
    "CondorReject": _condor_reject,
    "CondorShadowStarted": _shadow_started,
    "CondorShadowExited": _shadow_exited,
    "CondorStarterStarted": _starter_started,
    "CondorStarterExited": _starter_exited,
    "CondorResourceUsage": _nothing,
    "CondorError": _nothing,
}
