"""The table behind the rules of ``lb.model.rules.glite``: what a usable event does to state, location and reason.

One row per event type, outcome and source (lb.md 3.5). An event without a row is a bad event, unless it is in ``FREE``.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from lb.model.events import Event

UI, NS, WMS, JC, LM = "UserInterface", "NetworkServer", "WorkloadManager", "JobController", "LogMonitor"
LRMS = "LRMS"
ANY: Final = ""
"""Stands for every source."""


Place = Callable[[Event], str]

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


def find_row(event: Event) -> Row | None:
    """The row of an event; an ignored outcome has the empty row of its source; None makes it a bad event."""
    name = event.type.name
    field = OUTCOME_FIELD.get(name)
    outcome = event.fields.get(field) if field is not None else None
    row = ROWS.get((name, outcome, event.source)) or ROWS.get((name, outcome, ANY))
    if row is None and outcome in IGNORED and (name, "OK", event.source) in ROWS:
        return _NOTHING
    return _NOTHING if row is None and name in FREE else row
