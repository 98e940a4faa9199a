"""The table of the workload management system: what a usable event does in jobs SIMPLE, DAG and COLLECTION (lb.md 3.5).

A job is registered by the user interface (Submitted), is accepted by the network server and stays with the workload
manager while that looks for a resource (Waiting). With a match it is on its way, through the job controller and the log
monitor (Ready), until the batch system has it (Scheduled) and starts it (Running). Whoever sees the end says Done; the
user then fetches the output (Cleared). The middleware may give the job up (Aborted), the user may (Cancelled).

Each hand-over is told by both sides, and each side knows the job to be in its own hands: a Transfer that failed leaves
it with the sender. So many events lead to the same state, and one state may be entered again and again.

Rows worth ``LATE`` are news of the way to the worker node. The log monitor reads them from a log file and may be slow;
the worker node itself is heard first, and then they say nothing new. Two rows of the log monitor hide their counter
(``hide_lm``), so that what the batch system says next, which does not know that counter, still counts.

The state of a collection comes from its subjobs: CollectionState names it (``lb.model.rules.parents``). Events of the
CREAM computing element, in the last rows, mean what they mean to CREAM's own jobs, but for the purge of CREAM's memory
of the job.
"""

from typing import Final

from lb.model.events import Event
from lb.model.rules import cream
from lb.model.rules.places import destination, helper, manager, node, nowhere, own, queue, sender
from lb.model.rules.rows import ANY, COUNTS, JC, LM, LRMS, NS, REASON, UI, WMS, Key, Read, Row, Worth, field, rows, to
from lb.model.status import STATES, find_state

_IGNORED: Final = Row(worth=Worth.IGNORED)
_RUNNING: Final = frozenset({"Running"})
_WRAPPER_DONE: Final = Row(sets=to(jw_status="DONE", payload_running=False))
_DONE: Final = to(jw_status="DONE")


def _cleared(why: str) -> Row:
    return Row("Cleared", nowhere, sets=to(reason=why, remove_from_proxy=True))


def _suspended(now: bool) -> Row:
    return Row(reason=("suspend_reason",), sets=to(suspended=now), only=("state", _RUNNING))


_ABORTED: Final = to(remove_from_proxy=True)

ROWS: Final[dict[Key, Row]] = dict(
    (
        *rows("RegJob", None, (ANY, Row("Submitted"))),
        *rows(
            "Transfer",
            "OK",
            (UI, Row("Waiting", destination, REASON)),
            (JC, Row("Ready", destination, REASON)),
            (LM, Row("Scheduled", destination, REASON, worth=Worth.LATE, hide_lm=True)),
        ),
        *rows(
            "Transfer",
            "FAIL",
            (UI, Row("Submitted", own, REASON)),
            (JC, Row("Ready", own, REASON)),
            (LM, Row("Ready", own, REASON, worth=Worth.LATE)),
        ),
        *rows("Transfer", "START", (UI, _IGNORED), (JC, _IGNORED), (LM, _IGNORED)),
        *rows("Transfer", "REFUSED", (UI, _IGNORED), (JC, _IGNORED), (LM, _IGNORED)),
        *rows(
            "Accepted",
            None,
            (NS, Row("Waiting", own)),
            (LM, Row("Ready", own, worth=Worth.LATE, hide_lm=True)),
            (LRMS, Row("Scheduled", own)),
        ),
        *rows(
            "Refused",
            None,
            (NS, Row("Submitted", sender, REASON)),
            (LM, Row("Ready", sender, REASON)),
            (LRMS, Row("Ready", sender, REASON)),
        ),
        *rows(
            "EnQueued",
            "OK",
            (NS, Row("Waiting", queue, REASON)),
            (WMS, Row("Ready", queue, REASON, worth=Worth.LATE)),
            (LM, Row("Waiting", queue, REASON, sets=to(resubmitted=True))),
        ),
        *rows(
            "EnQueued",
            "FAIL",
            (NS, Row("Waiting", own, REASON)),
            (WMS, Row("Waiting", own, REASON)),
            (LM, Row(None, own, REASON)),
        ),
        *rows("EnQueued", "START", (NS, _IGNORED), (WMS, _IGNORED), (LM, _IGNORED)),
        *rows("EnQueued", "REFUSED", (NS, _IGNORED), (WMS, _IGNORED), (LM, _IGNORED)),
        *rows("DeQueued", None, (WMS, Row("Waiting", own)), (JC, Row("Ready", own, worth=Worth.LATE))),
        *rows("HelperCall", None, (ANY, Row("Waiting", helper))),
        *rows("HelperReturn", None, (ANY, Row("Waiting", manager))),
        *rows("Match", None, (ANY, Row("Waiting", manager))),
        *rows("Pending", None, (ANY, Row("Waiting", manager, REASON))),
        *rows("Running", None, (ANY, Row("Running", node, sets=to(jw_status="WRAPPER_RUNNING")))),
        *rows("ReallyRunning", None, (ANY, COUNTS), (LRMS, Row("Running")), (LM, Row(may="Running"))),
        *rows("Suspend", None, (ANY, _suspended(True))),
        *rows("Resume", None, (ANY, _suspended(False))),
        *rows("Resubmission", "WONTRESUB", (ANY, Row(reason=REASON))),
        *rows("Done", "OK", (ANY, Row("Done", nowhere, REASON, sets=_DONE)), (LRMS, _WRAPPER_DONE)),
        *rows("Done", "FAILED", (ANY, Row("Done", own, REASON, sets=_DONE)), (LRMS, _WRAPPER_DONE)),
        *rows("Done", "CANCELLED", (ANY, Row("Cancelled", nowhere, REASON, sets=_DONE)), (LRMS, _WRAPPER_DONE)),
        *rows("Done", "KILLED", (ANY, Row("Done", own, sets=_DONE, worth=Worth.BAD)), (LRMS, _WRAPPER_DONE)),
        *rows("Cancel", "REQ", (ANY, Row(sets=to(cancelling=True)))),
        *rows("Cancel", "REFUSE", (ANY, COUNTS)),
        *rows("Cancel", "ABORT", (ANY, Row(sets=to(cancelling=False)))),
        *rows(
            "Cancel",
            "DONE",
            (ANY, Row("Cancelled", nowhere, REASON, sets=to(cancelling=False, remove_from_proxy=True))),
        ),
        *rows(
            "Abort",
            None,
            (ANY, Row("Aborted", nowhere, REASON, sets=_ABORTED)),
            (WMS, Row("Aborted", nowhere, REASON, sets=_ABORTED, worth=Worth.ALWAYS)),
        ),
        *rows("Clear", "USER", (ANY, _cleared("user retrieved output sandbox"))),
        *rows("Clear", "TIMEOUT", (ANY, _cleared("timed out, resource purge forced"))),
        *rows("Clear", "NOOUTPUT", (ANY, _cleared("no output was generated"))),
        *((("CollectionState", state, ANY), Row(state)) for state in STATES),
        *rows("CollectionState", None, (ANY, Row(worth=Worth.BAD))),
        *((key, row) for key, row in cream.ROWS.items() if key not in cream.ITS_OWN),
    )
)
"""The texts of Clear are fixed, as are the places; both are the original's."""


def _named_state(event: Event) -> str | None:
    return find_state(event.fields["state"])


OUTCOME: Final[dict[str, Read]] = {
    "Transfer": field("result"),
    "EnQueued": field("result"),
    "Resubmission": field("result"),
    "Done": field("status_code"),
    "Cancel": field("status_code"),
    "Clear": field("reason"),
    "CollectionState": _named_state,
    **cream.OUTCOME,
}

FREE: Final = frozenset(
    {
        "Resubmission",
        "UserTag",
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
