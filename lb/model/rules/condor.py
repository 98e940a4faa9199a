"""Rules for jobs of Condor on its own (lb.md 3.7).

A job is in the queue of the schedd (Submitted). The negotiator finds a machine (Ready) or none, which ends the job
(Aborted). The schedd starts a shadow, which stands for the job on this side (Ready); the startd of the machine starts a
starter (Scheduled), and the starter starts the program (Running). When shadow or starter exit, the job is done. How it
went, their exit statuses say; there is no done code.

The events of shadow and starter are logged by more than one daemon, each in its own log, and mean different things
then: who speaks is told by the letter SRC of the code (lb.md 2.3), not by the source of the event. Each is believed
what it knows itself: the startd how the starter ended, the starter how the program did.

The order is that of the codes, by time first. The original reads beyond the end of the code: it takes every event for
in time and no letter for what it is. We read the code, so these states follow the rules and not the original's answers;
seen with its eyes they agree with all of them (``tests/unit/lb/test_oracle_condor.py``).

Beside our state stands Condor's own word (``condor_status``). Jobs of Condor have no user tags.
"""

from typing import Final

from lb.model.events import Event
from lb.model.jobstate import JobDraft
from lb.model.rules.order import Branch, Verdict
from lb.model.rules.rows import ANY, Change, Key, Row, Rules, follow, rows, to
from lb.model.seqcode import CondorCode, SeqCodeError, compare, is_condor

LOCATION: Final = "this is CONDOR"
NO_MATCH: Final = "No match found."
UNKNOWN: Final = -1
"""An exit status that the event does not tell; 0 would be a success."""
SCHEDD, SHADOW, STARTER, STARTD = "schedd", "shadow", "starter", "startd"
DAEMONS: Final = {"C": SCHEDD, "H": SHADOW, "s": STARTER, "S": STARTD}
"""Daemons by their letter in the code, as far as they matter here."""


def judge(job: JobDraft, event: Event) -> Verdict:
    """In time unless the code is lower than the latest; codes of another form, as of a registration, do not compare."""
    last, code = job.last_seqcode, event.seqcode
    comparable = last is not None and is_condor(last) and is_condor(code)
    return Verdict(not (comparable and compare(last or "", code) > 0), Branch.NONE)


def daemon(event: Event) -> str:
    """The daemon that wrote the event, empty when the code does not tell."""
    try:
        return DAEMONS.get(CondorCode.parse(event.seqcode).source, "")
    except SeqCodeError:
        return ""


def _state(state: str, own: str) -> Row:
    return Row(state, sets=to(condor_status=own))


ROWS: Final[dict[Key, Row]] = dict(
    (
        *rows("RegJob", None, (ANY, _state("Submitted", "Idle"))),
        *rows("CondorMatch", None, (ANY, _state("Ready", "Idle"))),
        *rows("CondorReject", None, (ANY, _state("Aborted", "Unexpanded"))),
        *rows("CondorShadowStarted", None, (ANY, _state("Ready", "Idle"))),
        *rows("CondorShadowExited", None, (ANY, _state("Done", "Completed"))),
        *rows(
            "CondorStarterStarted",
            None,
            (STARTD, _state("Scheduled", "Idle")),
            (STARTER, _state("Running", "Running")),
        ),
        *rows("CondorStarterExited", None, (ANY, _state("Done", "Completed"))),
    )
)


# ---- data -----------------------------------------------------------------------------------------------------------


def _register(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """owner, description"""
    if job.status.owner is None:
        job.status.owner = event.user
    job.status.jdl = event.fields.get("jdl")


def _match(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """machine"""
    job.status.condor_dest_host = event.fields["dest_host"]


def _reject(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """of NOMATCH: a fixed reason, `No match found.`"""
    if event.fields["status_code"] == "NOMATCH":
        job.status.condor_reason = NO_MATCH


def _shadow_started(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """said by the schedd: process identifier of the shadow"""
    if daemon(event) == SCHEDD:
        job.status.condor_shadow_pid = event.fields["shadow_pid"]


def _shadow_exited(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """said by the shadow: its exit status"""
    if daemon(event) == SHADOW:
        job.status.condor_shadow_exit_status = event.fields["shadow_exit_status"]


def _starter_started(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """said by the starter: its process identifier, universe"""
    status, get = job.status, event.fields.get
    if daemon(event) == STARTER:
        status.condor_starter_pid = get("starter_pid", 0)
        status.condor_universe = get("universe")


def _starter_exited(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """process identifier of the starter; said by the startd: its exit status; said by the starter: those of the job"""
    status, speaker, get = job.status, daemon(event), event.fields.get
    if speaker in (STARTD, STARTER):
        status.condor_starter_pid = get("starter_pid", 0)
    if speaker == STARTD:
        status.condor_starter_exit_status = get("starter_exit_status", UNKNOWN)
    elif speaker == STARTER:
        status.condor_job_pid = get("job_pid", 0)
        status.condor_job_exit_status = get("job_exit_status", UNKNOWN)


_DATA: Final[dict[str, Change]] = {
    "RegJob": _register,
    "CondorMatch": _match,
    "CondorReject": _reject,
    "CondorShadowStarted": _shadow_started,
    "CondorShadowExited": _shadow_exited,
    "CondorStarterStarted": _starter_started,
    "CondorStarterExited": _starter_exited,
}

RULES: Final = Rules(rows=ROWS, outcome={}, extra={}, data=_DATA, location=LOCATION, speaker=daemon)


def process(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """One event of a job of type CONDOR."""
    follow(RULES, job, event, verdict)
