"""Rules of the CREAM computing element (lb.md 3.6).

A job of type CREAM is known to the computing element alone. Its events come from one place, and their codes say nothing
about an order; so every event is in time, whatever the state: even Cleared, Cancelled and Aborted may be left again.

CREAM tells the same life twice. First by commands: they are stored (CREAMStore), then carried out towards the batch
system (CREAMCall). What counts is the OK: a start stored makes the job Waiting, a start that the executor got through
to the batch system makes it Scheduled. Then by its own states (CREAMStatus): each of them, once the change is done, has
a state of ours; only REGISTERED and HELD leave that as it is.

An end of a cancellation and an abort both leave CREAM's state at ABORTED, as the original has it.

In other jobs the events of CREAM leave their data behind in any case (``data``), and the rows are subject to the order
of that job. A purge of CREAM's memory ends a job that lives there only; to others it means nothing (``ITS_OWN``).
"""

from typing import Final

from lb.model.atoi import atoi
from lb.model.events import Event
from lb.model.jobstate import JobDraft
from lb.model.rules.order import Verdict
from lb.model.rules.rows import ANY, LRMS, Change, Key, Read, Row, Rules, follow, rows, to
from lb.model.rules.tags import user_tag

LOCATION: Final = "this is CREAM"
EXECUTOR: Final = "CREAMExecutor"
NOT_AVAILABLE: Final = "N/A"
"""Exit code that says nothing."""

_REASONS: Final = ("reason", "cream_reason")
_IF_GIVEN: Final = Row(reason=_REASONS, given=True)
_REGISTERED = Row("Submitted", sets=to(cream_state="REGISTERED"))
_CANCELLING = to(cancelling=True, cream_cancelling=True)


def _status(own: str, state: str | None, **more: object) -> tuple[Key, Row]:
    """One of CREAM's own states."""
    return ("CREAMStatus", own.lower(), ANY), Row(state, sets=to(cream_state=own, **more))


ROWS: Final[dict[Key, Row]] = dict(
    (
        *rows("CREAMStore", None, (ANY, _IF_GIVEN)),
        *rows(
            "CREAMStore",
            "CMDSTART OK",
            (ANY, Row("Waiting", None, _REASONS, given=True, sets=to(cream_state="PENDING"))),
        ),
        *rows("CREAMStore", "CMDSUSPEND OK", (ANY, Row(None, None, _REASONS, given=True, sets=to(suspended=True)))),
        *rows("CREAMStore", "CMDRESUME OK", (ANY, Row(None, None, _REASONS, given=True, sets=to(suspended=False)))),
        *rows(
            "CREAMCall",
            "CMDSTART OK, LRMS called",
            (EXECUTOR, Row("Scheduled", None, _REASONS, sets=to(cream_state="IDLE"))),
        ),
        *rows("CREAMCall", "CMDCANCEL OK", (ANY, Row(sets=_CANCELLING))),
        *rows(
            "CREAMCall",
            "CMDPURGE OK",
            (ANY, Row("Cleared", None, _REASONS, given=True, sets=to(cream_state="PURGED"))),
        ),
        *rows("CREAMCancel", None, (ANY, Row(None, None, _REASONS))),
        *rows("CREAMCancel", "DONE", (ANY, Row("Cancelled", None, _REASONS, sets=to(cream_state="ABORTED")))),
        *rows("CREAMAbort", None, (ANY, Row("Aborted", None, _REASONS, given=True, sets=to(cream_state="ABORTED")))),
        _status("REGISTERED", None),
        _status("PENDING", "Waiting"),
        _status("IDLE", "Scheduled"),
        _status("RUNNING", "Running", jw_status="WRAPPER_RUNNING"),
        _status("REALLY-RUNNING", "Running", jw_status="PAYLOAD_RUNNING"),
        _status("HELD", None),
        _status("DONE-OK", "Done", done_code="OK", cream_done_code=0),
        _status("DONE-FAILED", "Done", done_code="FAILED", cream_done_code=1),
        _status("ABORTED", "Aborted"),
        _status("CANCELLED", "Cancelled"),
        _status("PURGED", "Cleared"),
    )
)

ITS_OWN: Final = frozenset({("CREAMCall", "CMDPURGE OK", ANY)})
"""Rows for jobs of type CREAM only."""


def _stored(event: Event) -> str | None:
    command, result = event.fields.get("command"), event.fields.get("result")
    outcome = f"{command} {result}"
    return outcome if ("CREAMStore", outcome, ANY) in ROWS else None


def _called(event: Event) -> str | None:
    get = event.fields.get
    command = get("command")
    to_batch_system = ", LRMS called" if command == "CMDSTART" and get("callee") == LRMS else ""
    return f"{command} {get('result')}{to_batch_system}"


def _cancelled(event: Event) -> str | None:
    return "DONE" if event.fields.get("status_code") == "DONE" else None


def _changed(event: Event) -> str | None:
    """CREAM's own state, in lower case as CREAM writes it, once the change is done."""
    state: str = event.fields["new_state"]
    return state.lower() if event.fields.get("result") == "DONE" else None


OUTCOME: Final[dict[str, Read]] = {
    "CREAMStore": _stored,
    "CREAMCall": _called,
    "CREAMCancel": _cancelled,
    "CREAMStatus": _changed,
}


# ---- data -----------------------------------------------------------------------------------------------------------


def data(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """What an event of CREAM's own components leaves behind in jobs of the workload manager, in time or late."""
    change = _FACTS.get(event.type.name)
    if change is not None:
        change(job, event, verdict)
    if job.status.location is None:
        job.status.location = LOCATION


def _accepted(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """identifier in CREAM"""
    job.status.cream_id = job.status.globusId = event.fields.get("local_jobid")


def _facts_of_status(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """once the change is done: exit code unless `N/A`, worker node, identifier in the batch system, failure reason"""
    status, get = job.status, event.fields.get
    if get("result") != "DONE":
        return
    _exit_code(job, get("exit_code"))
    node, batch_id, failure = get("worker_node"), get("LRMS_jobid"), get("failure_reason")
    if node is not None:
        status.cream_node = status.ce_node = node
    if batch_id is not None:
        status.cream_lrms_id = status.localId = batch_id
    if failure is not None:
        status.cream_failure_reason = failure
        status.failure_reasons = failure if status.failure_reasons is None else failure + "\n"


def _exit_code(job: JobDraft, text: str | None) -> None:
    if text is not None and text != NOT_AVAILABLE:
        job.status.exit_code = job.status.cream_exit_code = atoi(text)


def _register(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """owner, description, address of the computing element"""
    status, fields = job.status, event.fields
    if status.owner is None:
        status.owner = event.user
    status.cream_owner = status.owner
    status.jdl = status.cream_jdl = fields.get("jdl")
    status.cream_endpoint = status.destination = status.network_server = fields["ns"]


_FACTS: Final[dict[str, Change]] = {"CREAMAccepted": _accepted, "CREAMStatus": _facts_of_status}

RULES: Final = Rules(
    rows={("RegJob", None, ANY): _REGISTERED, **ROWS},
    outcome=OUTCOME,
    extra={},
    data={"RegJob": _register, "UserTag": user_tag, **_FACTS},
    location=LOCATION,
)


def process(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """One event of a job of type CREAM."""
    follow(RULES, job, event, verdict)
