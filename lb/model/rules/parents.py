"""How the states of subjobs make the state of their parent (lb.md 3.8).

Subjobs are counted in five classes, and the stored histogram of a parent has only their slots: Running, Done, Cleared,
Aborted, and Unknown for all the rest. When the class of a subjob changes, ``moved`` gives the parent with its
histogram up to date. A collection then gets the state that ``state_of`` reads from the histogram; the server tells it
so by a CollectionState event of its own (``collection_event``). A DAG keeps the histogram only: its state follows its
own events.
"""

from typing import Final

from lb.model.events import EVENTS, Event
from lb.model.jobid import JobId
from lb.model.jobstate import JobState
from lb.model.status import STATE_CODES, STATES, ZEROS, Status
from lb.model.times import Timestamp
from lb.model.vocabulary import INTERNAL, SERVER

RUNNING: Final = STATE_CODES["Running"]
DONE: Final = STATE_CODES["Done"]
CLEARED: Final = STATE_CODES["Cleared"]
ABORTED: Final = STATE_CODES["Aborted"]
REST: Final = STATE_CODES["Unknown"]

CLASSES: Final = {
    "Running": RUNNING,
    "Done": DONE,
    "Cleared": CLEARED,
    "Cancelled": CLEARED,
    "Aborted": ABORTED,
}
"""Class of a subjob by its state; all other states are REST, and so is Done unless it went well."""

ENDS: Final[dict[str, tuple[tuple[str, tuple[int, ...]], ...]]] = {
    "COLLECTION": (
        ("Cleared", (CLEARED,)),
        ("Done", (DONE, CLEARED)),
        ("Aborted", (ABORTED, DONE, CLEARED)),
    ),
    "FILE_TRANSFER_COLLECTION": (
        ("Done", (DONE,)),
        ("Aborted", (DONE, ABORTED)),
    ),
}
"""State of a collection none of whose subjobs runs: the first one whose classes hold all the subjobs."""
WHEN_ONE_RUNS: Final = "Running"
ELSE: Final = "Waiting"

COLLECTIONS: Final = frozenset(ENDS)
"""Parents whose state follows their subjobs."""
PARENTS: Final = COLLECTIONS | {"DAG"}


def class_of(child: Status) -> int:
    """The histogram slot that a subjob counts in; Done counts as such only when it went well."""
    if child.state == "Done" and child.done_code != "OK":
        return REST
    return CLASSES.get(child.state, REST)


def moved(parent: JobState, before: int, after: int) -> JobState:
    """The parent after a subjob went from one class to another."""
    histogram = parent.status.children_hist
    if histogram is None or before == after:
        return parent
    numbers = list(histogram)
    numbers[before] -= 1
    numbers[after] += 1
    return parent.show(children_hist=numbers)


def state_of(parent: Status) -> str | None:
    """The state that the histogram means for a collection, None for other jobs."""
    histogram, total = parent.children_hist, parent.children_num
    ends = ENDS.get(parent.jobtype or "")
    if histogram is None or ends is None:
        return None
    if histogram[RUNNING] > 0:
        return WHEN_ONE_RUNS
    for state, classes in ends:
        if sum(histogram[slot] for slot in classes) == total:
            return state
    return ELSE


def histogram_text(parent: Status) -> str:
    """The histogram in words, as it goes into the event."""
    numbers = parent.children_hist or ZEROS
    return ", ".join(f"{name}: {number}" for name, number in zip(STATES, numbers, strict=True) if number)


def collection_event(
    parent: Status, cause: Event, *, now: Timestamp, host: str, server_dn: str, seqcode: str
) -> Event | None:
    """The event by which a server tells a collection its new state, None when nothing changed.

    ``cause`` is the event of the subjob that changed its class; ``seqcode`` the code that the parent had last.
    """
    state = state_of(parent)
    if state is None or state == parent.state or parent.jobId is None:
        return None
    fields = {
        "state": state,
        "done_code": 0,
        "histogram": histogram_text(parent) or "none",
        "child": cause.jobid,
        "child_event": cause.type.name,
    }
    return Event(
        EVENTS["CollectionState"],
        now,
        host,
        "SYSTEM",
        INTERNAL,
        JobId.parse(parent.jobId),
        seqcode,
        server_dn,
        SERVER,
        "",
        fields,
    )
