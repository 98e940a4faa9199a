"""Parents and their subjobs: what a registration creates, and how a parent follows its children (lb.md 3.8, 7).

A parent keeps a histogram of its children in five classes. A collection's state follows from the histogram; a DAG's
does not, it follows its own events. When a collection changes its state, the server logs it an event CollectionState.
"""

import errno
from typing import Final

from lb.model import machine
from lb.model.events import EVENTS, INTERNAL, Event
from lb.model.jobid import JobId, subjobs
from lb.model.jobstate import JobState
from lb.model.seqcode import NULL, SeqCode, SeqCodeError
from lb.model.status import STATE_CODES, STATES, Status
from lb.model.times import Timestamp
from lb.server.errors import LbError

#: Most subjobs that one registration may create: a limit of ours, ten times the largest DAG of the test plan.
MAX_SUBJOBS: Final = 100_000
_PARENTS: Final = frozenset({"DAG", "COLLECTION", "PARTITIONED", "FILE_TRANSFER_COLLECTION"})
_REST: Final = "Unknown"


def born(event: Event) -> list[JobId]:
    """The subjobs that a registration creates; raises LbError for a number that cannot be meant."""
    count = event.get("nsubjobs") or 0
    if event.get("jobtype") not in _PARENTS or count <= 0:
        return []
    if count > MAX_SUBJOBS:
        raise LbError(errno.E2BIG, f"a job may have {MAX_SUBJOBS} subjobs, not {count}")
    return subjobs(event.jobid, event.get("seed"), count)


def embryo(jobid: JobId, owner: str, parent: JobId, parent_type: str | None, moment: Timestamp) -> JobState:
    """The state of a subjob that its parent's registration created: submitted, and nothing else is known."""
    job = machine.new_status(jobid, owner)
    status = job.status
    status.state = "Submitted"
    status.jobtype = "FILE_TRANSFER" if parent_type == "FILE_TRANSFER_COLLECTION" else "SIMPLE"
    status.parent_job = str(parent)
    status.stateEnterTime = status.lastUpdateTime = moment
    status.stateEnterTimes = [moment[0] if name == status.state else 0 for name in STATES]
    return job


def kind(status: Status) -> str:
    """The class of a child: the name of the slot that counts it."""
    if status.state == "Done":
        return "Done" if status.done_code == "OK" else _REST
    if status.state == "Cancelled":
        return "Cleared"
    return status.state if status.state in ("Running", "Cleared", "Aborted") else _REST


def move(parent: Status, before: str, after: str) -> None:
    """Count a child in its new class."""
    counts = parent.children_hist or [0] * len(STATES)
    counts[STATE_CODES[before]] = max(counts[STATE_CODES[before]] - 1, 0)
    counts[STATE_CODES[after]] += 1
    parent.children_hist = counts


def collection_state(parent: Status) -> str | None:
    """The state that follows from the children; None for a parent whose state does not."""
    if parent.jobtype not in ("COLLECTION", "FILE_TRANSFER_COLLECTION") or parent.children_hist is None:
        return None
    running, done, cleared, aborted = (parent.children_hist[STATE_CODES[name]]
                                       for name in ("Running", "Done", "Cleared", "Aborted"))
    total = parent.children_num
    if running > 0:
        return "Running"
    if cleared == total:
        return "Cleared"
    if done + cleared == total:
        return "Done"
    if aborted + done + cleared == total:
        return "Aborted"
    return "Waiting"


def collection_event(parent: JobState, state: str, cause: Event, host: str, user: str, moment: Timestamp) -> Event:
    """The event that tells a collection its new state; `cause`: what happened to the child."""
    status = parent.status
    fields = {"state": state, "histogram": _histogram(status), "child": cause.jobid, "child_event": cause.name}
    if state == "Done":
        fields["done_code"] = 0  # OK, as a number (lb.md 2.4.1)
    code = _next_code(parent.last_seqcode)
    return Event(
        EVENTS["CollectionState"], moment, host, "SYSTEM", INTERNAL, JobId.parse(status.jobId or ""), code, user,
        "LBServer", "", fields, (moment[0], 0),
    )


def _next_code(last: str | None) -> str:
    try:
        code = SeqCode.parse(last or str(NULL))
    except SeqCodeError:
        code = NULL
    return str(code.increment("LBServer"))


def _histogram(status: Status) -> str:
    counts = status.children_hist or []
    return ", ".join(f"{name}={count}" for name, count in zip(STATES, counts, strict=False) if count)
