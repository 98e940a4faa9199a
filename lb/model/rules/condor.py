"""Rules for jobs of Condor on its own (lb.md 3.7).

The order is that of the codes, and the SRC letter of the code tells which daemon wrote the event (lb.md 2.3). The
original reads beyond the end of the code there: it takes every event for in time and no letter for what it is. We read
the code, so these states follow the rules and not the original's answers.
"""

from typing import Final

from lb.model.events import Event
from lb.model.jobstate import JobDraft
from lb.model.rules.order import Branch, Verdict
from lb.model.rules.steps import Step, follow
from lb.model.rules.tags import user_tag
from lb.model.seqcode import CondorCode, SeqCodeError, compare, is_condor

LOCATION: Final = "this is CONDOR"
NO_MATCH: Final = "No match found."
SCHEDULER, SHADOW, STARTER, START = "C", "H", "s", "S"


def judge(job: JobDraft, event: Event) -> Verdict:
    """In time unless the code is lower than the latest; codes of another form, as of a registration, do not compare."""
    last, code = job.last_seqcode, event.seqcode
    comparable = last is not None and is_condor(last) and is_condor(code)
    return Verdict(not (comparable and compare(last or "", code) > 0), Branch.NONE)


def process(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """One event of a job of type CONDOR."""
    follow(STEPS, LOCATION, job, event, verdict)


def daemon(event: Event) -> str:
    """Letter of the daemon that wrote the event, empty when the code does not tell."""
    try:
        return CondorCode.parse(event.seqcode).source
    except SeqCodeError:
        return ""


def _enter(job: JobDraft, verdict: Verdict, state: str, condor: str) -> None:
    if verdict.usable:
        job.status.state, job.status.condor_status = state, condor


def _register(job: JobDraft, event: Event, verdict: Verdict) -> None:
    if job.status.owner is None:
        job.status.owner = event.user
    job.status.jdl = event.fields.get("jdl")
    _enter(job, verdict, "Submitted", "Idle")


def _match(job: JobDraft, event: Event, verdict: Verdict) -> None:
    job.status.condor_dest_host = event.fields["dest_host"]
    _enter(job, verdict, "Ready", "Idle")


def _reject(job: JobDraft, event: Event, verdict: Verdict) -> None:
    job.status.condor_reason = NO_MATCH
    _enter(job, verdict, "Aborted", "Unexpanded")


def _shadow_started(job: JobDraft, event: Event, verdict: Verdict) -> None:
    if daemon(event) == SCHEDULER:
        job.status.condor_shadow_pid = event.fields["shadow_pid"]
    _enter(job, verdict, "Ready", "Idle")


def _shadow_exited(job: JobDraft, event: Event, verdict: Verdict) -> None:
    if daemon(event) == SHADOW:
        job.status.condor_shadow_exit_status = event.fields["shadow_exit_status"]
    _enter(job, verdict, "Done", "Completed")


def _starter_started(job: JobDraft, event: Event, verdict: Verdict) -> None:
    status, letter, get = job.status, daemon(event), event.fields.get
    if letter == START:
        status.condor_starter_pid = get("starter_pid", 0)
        _enter(job, verdict, "Scheduled", "Idle")
    elif letter == STARTER:
        status.condor_universe = get("universe")
        _enter(job, verdict, "Running", "Running")


def _starter_exited(job: JobDraft, event: Event, verdict: Verdict) -> None:
    status, get = job.status, event.fields.get
    if daemon(event) == START:
        status.condor_starter_pid = get("starter_pid", 0)
        status.condor_starter_exit_status = get("starter_exit_status", 0)
        status.condor_job_pid = get("job_pid", 0)
        status.condor_job_exit_status = get("job_exit_status", 0)
    _enter(job, verdict, "Done", "Completed")


def _tag(job: JobDraft, event: Event, verdict: Verdict) -> None:
    user_tag(job, event)


STEPS: Final[dict[str, Step]] = {
    "RegJob": _register,
    "CondorMatch": _match,
    "CondorReject": _reject,
    "CondorShadowStarted": _shadow_started,
    "CondorShadowExited": _shadow_exited,
    "CondorStarterStarted": _starter_started,
    "CondorStarterExited": _starter_exited,
    "UserTag": _tag,
}
