"""Rules of the CREAM computing element (lb.md 3.6).

For a job of type CREAM every event counts, there is no order. In other jobs the events of CREAM leave their data behind
in any case (``data``), and what they say of the state (``STATES``) is subject to the order of that job.
"""

from collections.abc import Callable
from typing import Final

from lb.model.events import Event
from lb.model.jobstate import JobDraft
from lb.model.rules.order import Verdict
from lb.model.rules.tags import user_tag

DEFAULT_LOCATION: Final = "this is CREAM"

CREAM_STATES: Final[dict[str, tuple[str | None, str | None]]] = {
    "registered": ("REGISTERED", None),
    "pending": ("PENDING", "Waiting"),
    "idle": ("IDLE", "Scheduled"),
    "running": ("RUNNING", "Running"),
    "really-running": ("REALLY-RUNNING", "Running"),
    "held": ("HELD", None),
    "done-ok": ("DONE-OK", "Done"),
    "done-failed": ("DONE-FAILED", "Done"),
    "aborted": ("ABORTED", "Aborted"),
    "cancelled": ("CANCELLED", "Cancelled"),
    "purged": ("PURGED", "Cleared"),
}
"""CREAM's own states: value of cream_state, state of the job (None: unchanged)."""

_WRAPPER: Final = {"running": "WRAPPER_RUNNING", "really-running": "PAYLOAD_RUNNING"}
_DONE: Final = {"done-ok": ("OK", 0), "done-failed": ("FAILED", 1)}
NOT_AVAILABLE: Final = "N/A"
"""Exit code that says nothing."""


def data(job: JobDraft, event: Event) -> None:
    """What an event of CREAM's own components leaves behind, in time or late."""
    status, fields, name = job.status, event.fields, event.type.name
    if name == "CREAMAccepted":
        status.cream_id = status.globusId = fields.get("local_jobid")
    elif name == "CREAMStatus" and fields["result"] == "DONE":
        _exit_code(job, fields.get("exit_code"))
        node, batch_id, failure = fields.get("worker_node"), fields.get("LRMS_jobid"), fields.get("failure_reason")
        if node is not None:
            status.cream_node = status.ce_node = node
        if batch_id is not None:
            status.cream_lrms_id = status.localId = batch_id
        if failure is not None:
            status.cream_failure_reason = failure
            status.failure_reasons = failure if status.failure_reasons is None else failure + "\n"
    if status.location is None:
        status.location = DEFAULT_LOCATION


def _exit_code(job: JobDraft, text: str | None) -> None:
    if text is None or text == NOT_AVAILABLE:
        return
    digits = text.strip()
    number = int(digits) if digits.lstrip("+-").isdecimal() and digits.isascii() else 0
    job.status.exit_code = job.status.cream_exit_code = number


def use(job: JobDraft, event: Event) -> None:
    """What an event of CREAM does when it is in time."""
    step = _USE.get(event.type.name)
    if step is not None:
        step(job, event)


def _reason(job: JobDraft, event: Event) -> None:
    reason = event.fields.get("reason")
    if reason is not None:
        job.status.cream_reason = job.status.reason = reason


def _store(job: JobDraft, event: Event) -> None:
    status, command = job.status, event.fields["command"]
    if event.fields["result"] == "OK":
        if command == "CMDSTART":
            status.state, status.cream_state = "Waiting", "PENDING"
        elif command in ("CMDSUSPEND", "CMDRESUME"):
            status.suspended = command == "CMDSUSPEND"
    _reason(job, event)


def _call(job: JobDraft, event: Event) -> None:
    status, command = job.status, event.fields["command"]
    if event.fields["result"] == "OK":
        if command == "CMDSTART" and event.source == "CREAMExecutor" and event.fields["callee"] == "LRMS":
            status.state, status.cream_state = "Scheduled", "IDLE"
            status.cream_reason = status.reason = event.fields.get("reason")
        elif command == "CMDCANCEL":
            status.cream_cancelling = status.cancelling = True
        elif command == "CMDPURGE" and status.jobtype == "CREAM":
            status.state, status.cream_state = "Cleared", "PURGED"
            _reason(job, event)


def _cancel(job: JobDraft, event: Event) -> None:
    if event.fields["status_code"] == "DONE":
        job.status.state, job.status.cream_state = "Cancelled", "ABORTED"
    job.status.cream_reason = job.status.reason = event.fields.get("reason")


def _abort(job: JobDraft, event: Event) -> None:
    job.status.state, job.status.cream_state = "Aborted", "ABORTED"
    _reason(job, event)


def _status(job: JobDraft, event: Event) -> None:
    status, name = job.status, event.fields["new_state"].lower()
    if event.fields["result"] != "DONE" or name not in CREAM_STATES:
        return
    status.cream_state, state = CREAM_STATES[name]
    status.state = state or status.state
    status.jw_status = _WRAPPER.get(name, status.jw_status)
    if name in _DONE:
        status.done_code, status.cream_done_code = _DONE[name]


_USE: Final[dict[str, Callable[[JobDraft, Event], None]]] = {
    "CREAMStore": _store,
    "CREAMCall": _call,
    "CREAMCancel": _cancel,
    "CREAMAbort": _abort,
    "CREAMStatus": _status,
}


def register(job: JobDraft, event: Event) -> None:
    """RegJob of a job that lives in CREAM only."""
    status, fields = job.status, event.fields
    if status.owner is None:
        status.owner = event.user
    status.state = "Submitted"
    status.cream_state = "REGISTERED"
    status.cream_owner = status.owner
    status.jdl = status.cream_jdl = fields.get("jdl")
    status.cream_endpoint = status.destination = status.network_server = fields["ns"]


def process(job: JobDraft, event: Event, verdict: Verdict) -> None:
    """One event of a job of type CREAM."""
    if event.type.name == "RegJob":
        register(job, event)
    elif event.type.name == "UserTag":
        user_tag(job, event)
    use(job, event)
    data(job, event)
