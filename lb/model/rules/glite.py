"""Rules for jobs of the workload management system: SIMPLE, DAG, COLLECTION (lb.md 3.5).

``ROWS`` says for each event, outcome and source what a usable event does to state, location and reason. ``EXTRA`` holds
what a usable event does beyond its row, ``DATA`` what any event leaves behind, in time or late. An event without a row
for its outcome and source is a bad event, unless it is in ``FREE``.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from lb.model.events import Event
from lb.model.jobid import JobId, JobIdError
from lb.model.jobstate import JobState
from lb.model.rules import cream
from lb.model.rules.order import WM, Branch, Verdict, counter, without_lm
from lb.model.rules.tags import user_tag
from lb.model.seqcode import compare, components
from lb.model.status import STATE_CODES, find_state

UI, NS, WMS, JC, LM = "UserInterface", "NetworkServer", "WorkloadManager", "JobController", "LogMonitor"
LRMS = "LRMS"
ANY: Final = ""
"""Stands for every source."""

Place = Callable[[Event], str]
Change = Callable[[JobState, Event, Verdict], None]


# ---- locations ------------------------------------------------------------------------------------------------------


def place(name: str | None, host: str | None, instance: str | None) -> str:
    """A location; what is unset is printed as ``(null)``, as the original does."""
    return "/".join("(null)" if part is None else part for part in (name, host, instance))


def own(event: Event) -> str:
    return place(event.source, event.host, event.src_instance)


def destination(event: Event) -> str:
    get = event.fields.get
    return place(get("destination"), get("dest_host"), get("dest_instance"))


def sender(event: Event) -> str:
    get = event.fields.get
    return place(get("from"), get("from_host"), get("from_instance"))


def queue(event: Event) -> str:
    return place(event.fields["queue"], event.host, event.src_instance)


def helper(event: Event) -> str:
    return place(event.fields["helper_name"], event.host, event.src_instance)


def manager(event: Event) -> str:
    return place(WMS, event.host, event.src_instance)


def node(event: Event) -> str:
    return f"{LRMS}/worknode/{event.fields['node']}"


def nowhere(_: Event) -> str:
    return "none"


# ---- rows -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """What a usable event does. ``state`` None: none of it. ``late``: not when the job runs or is done already.

    ``hide_lm``: the code is remembered with LM set to 0.
    """

    state: str | None = None
    where: Place | None = None
    reason: bool = False
    late: bool = False
    hide_lm: bool = False


Key = tuple[str, str | None, str]
"""Event type, outcome (None where the event has none), source."""

OUTCOME_FIELD: Final = {
    "Transfer": "result",
    "EnQueued": "result",
    "Resubmission": "result",
    "Done": "status_code",
    "Cancel": "status_code",
    "Clear": "reason",
    "Sandbox": "sandbox_type",
}


def _rows(event: str, outcome: str | None, *entries: tuple[str, Row]) -> Iterable[tuple[Key, Row]]:
    return (((event, outcome, source), row) for source, row in entries)


_NOTHING = Row()

ROWS: Final[dict[Key, Row]] = dict(
    (
        *_rows("RegJob", None, (ANY, Row("Submitted"))),
        *_rows(
            "Transfer",
            "OK",
            (UI, Row("Waiting", destination, reason=True)),
            (JC, Row("Ready", destination, reason=True)),
            (LM, Row("Scheduled", destination, reason=True, late=True, hide_lm=True)),
        ),
        *_rows(
            "Transfer",
            "FAIL",
            (UI, Row("Submitted", own, reason=True)),
            (JC, Row("Ready", own, reason=True)),
            (LM, Row("Ready", own, reason=True, late=True)),
        ),
        *_rows(
            "Accepted",
            None,
            (NS, Row("Waiting", own)),
            (LM, Row("Ready", own, late=True, hide_lm=True)),
            (LRMS, Row("Scheduled", own)),
        ),
        *_rows(
            "Refused",
            None,
            (NS, Row("Submitted", sender, reason=True)),
            (LM, Row("Ready", sender, reason=True)),
            (LRMS, Row("Ready", sender, reason=True)),
        ),
        *_rows(
            "EnQueued",
            "OK",
            (NS, Row("Waiting", queue, reason=True)),
            (WMS, Row("Ready", queue, reason=True, late=True)),
            (LM, Row("Waiting", queue, reason=True)),
        ),
        *_rows(
            "EnQueued",
            "FAIL",
            (NS, Row("Waiting", own, reason=True)),
            (WMS, Row("Waiting", own, reason=True)),
            (LM, Row(None, own, reason=True)),
        ),
        *_rows("DeQueued", None, (WMS, Row("Waiting", own)), (JC, Row("Ready", own, late=True))),
        *_rows("HelperCall", None, (ANY, Row("Waiting", helper))),
        *_rows("HelperReturn", None, (ANY, Row("Waiting", manager))),
        *_rows("Match", None, (ANY, Row("Waiting", manager))),
        *_rows("Pending", None, (ANY, Row("Waiting", manager, reason=True))),
        *_rows("Running", None, (ANY, Row("Running", node))),
        *_rows("Resubmission", "WONTRESUB", (ANY, Row(reason=True))),
        *_rows("Done", "OK", (ANY, Row("Done", nowhere, reason=True))),
        *_rows("Done", "FAILED", (ANY, Row("Done", own, reason=True))),
        *_rows("Done", "CANCELLED", (ANY, Row("Cancelled", nowhere, reason=True))),
        *_rows("Done", "KILLED", (ANY, Row("Done", own))),
        *(((("Done", code, LRMS)), _NOTHING) for code in ("OK", "FAILED", "CANCELLED", "KILLED")),
        *_rows("Cancel", "REQ", (ANY, _NOTHING)),
        *_rows("Cancel", "DONE", (ANY, Row("Cancelled", nowhere, reason=True))),
        *_rows("Cancel", "ABORT", (ANY, _NOTHING)),
        *_rows("Cancel", "REFUSE", (ANY, _NOTHING)),
        *_rows("Abort", None, (ANY, Row("Aborted", nowhere, reason=True))),
        *_rows("Clear", "USER", (ANY, Row("Cleared", nowhere))),
        *_rows("Clear", "TIMEOUT", (ANY, Row("Cleared", nowhere))),
        *_rows("Clear", "NOOUTPUT", (ANY, Row("Cleared", nowhere))),
    )
)

IGNORED: Final = frozenset({"START", "REFUSED"})
"""Outcomes of Transfer and EnQueued that announce or report nothing that lasts: only their texts are taken."""

FREE: Final = frozenset(
    {
        "ReallyRunning",
        "Suspend",
        "Resume",
        "Resubmission",
        "UserTag",
        "CollectionState",
        "Sandbox",
        "GrantPayloadOwnership",
        "TakePayloadOwnership",
        "Purge",
        "Listener",
        "CurDescr",
        "Chkpt",
        "ResourceUsage",
        "CREAMStart",
        "CREAMPurge",
        "CREAMAccepted",
        "CREAMStore",
        "CREAMCall",
        "CREAMCancel",
        "CREAMAbort",
        "CREAMStatus",
        "ChangeACL",
    }
)
"""Events that are welcome from every source without a row."""

HAS_SOURCES: Final = frozenset({"Transfer", "Accepted", "Refused", "EnQueued", "DeQueued"})
"""Events that only certain sources may log."""

CLEAR_TEXT: Final = {
    "USER": "user retrieved output sandbox",
    "TIMEOUT": "timed out, resource purge forced",
    "NOOUTPUT": "no output was generated",
}
"""Reasons of Clear, fixed texts of the original (lb.md 3.5)."""

_RUNS_OR_DONE: Final = frozenset({"Running", "Done"})
UNKNOWN_SLOT = STATE_CODES["Unknown"]
_SCHEDULED_SLOT = STATE_CODES["Scheduled"]


CREAM_SOURCES: Final = frozenset({"CREAMInterface", "CREAMExecutor"})


def find_row(event: Event) -> Row | None:
    """The row of an event; an ignored outcome has the empty row of its source; None makes it a bad event."""
    name = event.type.name
    field = OUTCOME_FIELD.get(name)
    outcome = event.fields.get(field) if field is not None else None
    row = ROWS.get((name, outcome, event.source)) or ROWS.get((name, outcome, ANY))
    if row is None and outcome in IGNORED and (name, "OK", event.source) in ROWS:
        return _NOTHING
    return _NOTHING if row is None and name in FREE else row


def process(job: JobState, event: Event, verdict: Verdict) -> None:
    """Apply one event that was classified. Afterwards ``verdict`` tells whether times and codes are to be updated."""
    name = event.type.name
    if event.source in CREAM_SOURCES:
        cream.data(job, event)
    row = find_row(event)
    if row is None:
        verdict.bad = True
        return
    before = BEFORE.get(name)
    if before is not None:
        before(job, event, verdict)
    _late(job, event, row, verdict)
    if verdict.usable:
        _use(job, event, row, verdict)
        extra = EXTRA.get(name)
        if extra is not None:
            extra(job, event, verdict)
    data = DATA.get(name)
    if data is not None:
        data(job, event, verdict)
    if event.source == NS and job.status.network_server is None and not verdict.bad:
        instance = event.src_instance
        job.status.network_server = f"{event.host} " if instance is None else f"{event.host}:{instance}"


_NO_CODE: Final = frozenset({"ChangeACL", "GrantPayloadOwnership", "TakePayloadOwnership"})
"""Events whose codes say nothing about the order of others."""
_ON_THE_WAY: Final = frozenset({"Waiting", "Ready", "Scheduled"})
"""Entering one of these, the wrapper of an earlier try is forgotten."""


def settle(job: JobState, event: Event, verdict: Verdict, entered: bool) -> None:
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


def _late(job: JobState, event: Event, row: Row, verdict: Verdict) -> None:
    if event.fields.get("result") in IGNORED and event.type.name in ("Transfer", "EnQueued"):
        verdict.usable = False
    if row.late and job.status.state in _RUNS_OR_DONE:
        verdict.usable = False
        times = job.status.stateEnterTimes
        if row.state == "Scheduled" and times is not None:
            times[_SCHEDULED_SLOT] = event.timestamp[0]


def _use(job: JobState, event: Event, row: Row, verdict: Verdict) -> None:
    status = job.status
    if row.state is not None:
        status.state = row.state
    if row.reason:
        status.reason = event.fields.get("reason")
    if row.where is not None:
        status.location = row.where(event)
    verdict.hide_lm = row.hide_lm


# ---- what some events do before they are judged ---------------------------------------------------------------------


def _cancel_order(job: JobState, event: Event, verdict: Verdict) -> None:
    last = job.last_cancel_seqcode
    if verdict.branch is Branch.BAD or (last is not None and compare(last, event.seqcode) > 0):
        verdict.usable = False


def _abort_order(job: JobState, event: Event, verdict: Verdict) -> None:
    if event.source == WMS:
        verdict.usable = True


BEFORE: Final[dict[str, Change]] = {"Cancel": _cancel_order, "Abort": _abort_order}

# ---- what usable events do beyond their row -------------------------------------------------------------------------


def _enqueued(job: JobState, event: Event, verdict: Verdict) -> None:
    if event.source == LM and event.fields["result"] == "OK":
        job.status.resubmitted = True


def _running(job: JobState, event: Event, verdict: Verdict) -> None:
    job.status.jw_status = "WRAPPER_RUNNING"


def _suspend(job: JobState, event: Event, verdict: Verdict) -> None:
    if job.status.state == "Running":
        job.status.suspended = event.type.name == "Suspend"
        job.status.suspend_reason = event.fields.get("reason")


def _done(job: JobState, event: Event, verdict: Verdict) -> None:
    status, code = job.status, event.fields["status_code"]
    status.jw_status = "DONE"
    if event.source == LRMS or verdict.branch is Branch.GOOD:
        status.payload_running = False
    if event.source == LRMS:
        return
    if code == "FAILED":
        where = status.destination
        _glue_failure(job, event, "(null)" if where is None else where)
    elif code == "KILLED":
        verdict.bad = True


def _cancel(job: JobState, event: Event, verdict: Verdict) -> None:
    status, code = job.status, event.fields["status_code"]
    if code == "REQ":
        status.cancelling = True
    elif code == "DONE":
        status.remove_from_proxy = True
        status.cancelling = False
        job.last_seqcode = event.seqcode
    elif code == "ABORT":
        status.cancelling = False


def _abort(job: JobState, event: Event, verdict: Verdict) -> None:
    job.status.remove_from_proxy = True
    reset_branches(job, event)


def _clear(job: JobState, event: Event, verdict: Verdict) -> None:
    job.status.remove_from_proxy = True
    job.status.reason = CLEAR_TEXT[event.fields["reason"]]


def _collection_state(job: JobState, event: Event, verdict: Verdict) -> None:
    state = find_state(event.fields["state"])
    if state is None:
        verdict.bad = True
        return
    job.status.state = state
    if state == "Done":
        job.status.done_code = _done_code(event.fields.get("done_code"))


def _done_code(number: int | None) -> str | None:
    return ("OK", "FAILED", "CANCELLED")[number] if number in (0, 1, 2) else None


def _cream(job: JobState, event: Event, verdict: Verdict) -> None:
    cream.use(job, event)


EXTRA: Final[dict[str, Change]] = {
    "EnQueued": _enqueued,
    "Running": _running,
    "Suspend": _suspend,
    "Resume": _suspend,
    "Done": _done,
    "Cancel": _cancel,
    "Abort": _abort,
    "Clear": _clear,
    "CollectionState": _collection_state,
    "CREAMStore": _cream,
    "CREAMCall": _cream,
    "CREAMCancel": _cream,
    "CREAMAbort": _cream,
    "CREAMStatus": _cream,
}

# ---- data that events leave behind, in time or late -----------------------------------------------------------------

PARENT_TYPES: Final = frozenset({"DAG", "COLLECTION", "FILE_TRANSFER_COLLECTION"})


def register(job: JobState, event: Event, verdict: Verdict) -> None:
    """RegJob: what a registration says of the job."""
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
    if status.jobtype in PARENT_TYPES and status.children_hist is not None:
        status.children_hist[UNKNOWN_SLOT] = status.children_num
    status.seed = fields.get("seed")


def _transfer_data(job: JobState, event: Event, verdict: Verdict) -> None:
    status, text = job.status, event.fields["job"]
    if event.source == UI:
        status.jdl = status.jdl or text
    elif event.source == JC:
        status.condor_jdl = text
    else:
        status.rsl = text


def _accepted_data(job: JobState, event: Event, verdict: Verdict) -> None:
    status, local = job.status, event.fields.get("local_jobid")
    if event.source == NS:
        status.ui_host = event.fields["from_host"]
    elif event.source == LM:
        status.condorId = local
    else:
        status.globusId = local


def _enqueued_data(job: JobState, event: Event, verdict: Verdict) -> None:
    status, text = job.status, event.fields.get("job")
    if event.source == NS:
        if event.fields["result"] == "OK" or status.jdl is None:
            status.jdl = text
    elif event.source == WMS:
        status.matched_jdl = text
        if event.fields["result"] == "OK":
            _branch(job, event, 2, text)


def _match_data(job: JobState, event: Event, verdict: Verdict) -> None:
    status, where = job.status, event.fields["dest_id"]
    if verdict.branch_usable:
        status.destination = where
    _branch(job, event, 0, where)
    status.possible_destinations = [*(status.possible_destinations or ()), where]


def _running_data(job: JobState, event: Event, verdict: Verdict) -> None:
    status, where = job.status, event.fields["node"]
    if verdict.branch_usable:
        status.ce_node = where
    _branch(job, event, 1, where)
    status.possible_ce_nodes = [*(status.possible_ce_nodes or ()), where]


def _branch(job: JobState, event: Event, column: int, value: str | None) -> None:
    """Remember what became of the branch that the event belongs to."""
    if value is not None:
        row = job.branches.setdefault(counter(event.seqcode, WM), [None, None, None])
        row[column] = value


def reset_branches(job: JobState, event: Event) -> None:
    """A deep resubmission or Abort: all branches before it are void, and whatever comes late from them is too old."""
    status = job.status
    status.possible_destinations = status.possible_ce_nodes = None
    status.payload_running = False
    job.branches = {}
    job.branch_tag_seqcode = None
    job.deep_resubmit_seqcode = event.seqcode


def _resubmission_data(job: JobState, event: Event, verdict: Verdict) -> None:
    result = event.fields["result"]
    if result != "WILLRESUB":
        job.resubmit_type = result
    elif event.source == WMS:
        job.resubmit_type = result
        reset_branches(job, event)


def _done_data(job: JobState, event: Event, verdict: Verdict) -> None:
    status, code = job.status, event.fields["status_code"]
    if event.source == LRMS:
        return
    if code == "FAILED" and not verdict.usable:
        _glue_failure(job, event, "delayed event, destination unreliable")
    if code != "KILLED":
        status.done_code = code
        status.exit_code = event.fields["exit_code"] if code == "OK" else 0


def _glue_failure(job: JobState, event: Event, where: str) -> None:
    reason = event.fields.get("reason")
    line = f"{'(null)' if reason is None else reason} [{where}]"
    before = job.status.failure_reasons
    job.status.failure_reasons = line if before is None else f"{before}\n{line}"


def _cancel_data(job: JobState, event: Event, verdict: Verdict) -> None:
    job.status.cancelReason = event.fields.get("reason")


def _clear_data(job: JobState, event: Event, verdict: Verdict) -> None:
    job.status.sandbox_retrieved = event.fields["reason"]


def _user_tag(job: JobState, event: Event, verdict: Verdict) -> None:
    user_tag(job, event)


def _sandbox_data(job: JobState, event: Event, verdict: Verdict) -> None:
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


def _grant(job: JobState, event: Event, verdict: Verdict) -> None:
    named = event.fields["payload_owner"]
    if job.payload_owner_pending is None:
        job.payload_owner_unconfirmed = named
        return
    if job.payload_owner_pending == named:
        job.status.payload_owner = named
    job.payload_owner_pending = None


def _take(job: JobState, event: Event, verdict: Verdict) -> None:
    if job.payload_owner_unconfirmed == event.user:
        job.status.payload_owner = event.user
        job.payload_owner_unconfirmed = None
    else:
        job.payload_owner_pending = event.user


def _really_running(job: JobState, event: Event, verdict: Verdict) -> None:
    """The user's program runs: the branch of this event is the one that counts."""
    if verdict.branch in (Branch.BAD, Branch.OLD):
        return
    if event.source == LRMS:
        job.branch_tag_seqcode = event.seqcode
        if verdict.usable:
            job.last_branch_seqcode = event.seqcode
            job.status.state = "Running"
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


def _tagged_by_worker_node(job: JobState, event: Event, verdict: Verdict) -> bool:
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


def _reload_branch(job: JobState) -> None:
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


DATA: Final[dict[str, Change]] = {
    "RegJob": register,
    "Transfer": _transfer_data,
    "Accepted": _accepted_data,
    "EnQueued": _enqueued_data,
    "Match": _match_data,
    "Running": _running_data,
    "ReallyRunning": _really_running,
    "Resubmission": _resubmission_data,
    "Done": _done_data,
    "Cancel": _cancel_data,
    "Clear": _clear_data,
    "UserTag": _user_tag,
    "Sandbox": _sandbox_data,
    "GrantPayloadOwnership": _grant,
    "TakePayloadOwnership": _take,
}
