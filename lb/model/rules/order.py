"""Is an event in time? Classification before the rules of the single events (lb.md 3.4)."""

from enum import Enum
from typing import Final

from lb.model.events import Event
from lb.model.jobstate import JobDraft
from lb.model.seqcode import SeqCode, compare, components


class Branch(Enum):
    """Where an event stands with respect to resubmission."""

    NONE = "no branch is known"
    GOOD = "on the branch that really runs"
    BAD = "on another branch"
    OLD = "before the latest deep resubmission"


class Verdict:
    """What an event is worth; rules may lower it while they work.

    ``usable``: state and times may change. Otherwise the event is late or to be ignored, and only data are taken.
    ``bad``: the event has no business here (wrong type or source): no times, no codes.
    """

    __slots__ = ("bad", "branch", "hide_lm", "usable")

    def __init__(self, usable: bool, branch: Branch) -> None:
        self.usable = usable
        self.branch = branch
        self.bad = False
        self.hide_lm = False

    @property
    def branch_usable(self) -> bool:
        return self.branch is not Branch.BAD and self.branch is not Branch.OLD


NS: Final = 1
UI: Final = 0
WM: Final = 2
UNREADABLE: Final = -1
"""Counter that the original takes from a code it cannot read."""
FINAL: Final = frozenset({"Aborted", "Cancelled", "Cleared"})
"""States of a job that is over: every event is late."""
REVIVED: Final = {"CollectionState": frozenset({"Aborted"})}
"""Final states that an event may end all the same. Abort by the workload manager (``Worth.ALWAYS``) ends all."""
_NONE: Final[frozenset[str]] = frozenset()


def counter(code: str, index: int) -> int:
    """One counter of a code."""
    values = components(code)
    return UNREADABLE if values is None else values[index]


def without_lm(code: str) -> str:
    """The code with its LM counter set to 0, so that later events of the batch system still count."""
    values = components(code)
    return code if values is None else str(SeqCode(*values)._replace(lm=0))


def classify(job: JobDraft, event: Event) -> Verdict:
    """The steps 0 to 3 of lb.md 3.4."""
    code = event.seqcode
    usable = not _is_final(job, event)
    _forget_branches(job, event)
    deep, tag = job.deep_resubmit_seqcode, job.branch_tag_seqcode
    if deep is not None and counter(code, WM) < counter(deep, WM):
        return Verdict(False, Branch.OLD)
    if tag is not None:
        if counter(tag, WM) != counter(code, WM):
            return Verdict(False, Branch.BAD)
        last = job.last_branch_seqcode
        return Verdict(usable and not (last is not None and compare(last, code) > 0), Branch.GOOD)
    last = job.last_seqcode
    if last is not None and compare(last, code) > 0:
        return Verdict(False, Branch.NONE)
    return Verdict(usable, Branch.NONE)


def _is_final(job: JobDraft, event: Event) -> bool:
    state = job.status.state
    return state in FINAL and state not in REVIVED.get(event.type.name, _NONE)


def _forget_branches(job: JobDraft, event: Event) -> None:
    """A newer event of the user interface or network server makes all branches of the past meaningless."""
    last = job.last_seqcode
    if last is None or event.type.name == "Cancel":
        return
    code = event.seqcode
    if counter(code, NS) > counter(last, NS) or counter(code, UI) > counter(last, UI):
        job.branch_tag_seqcode = job.deep_resubmit_seqcode = job.last_branch_seqcode = None


def by_code(job: JobDraft, event: Event) -> Verdict:
    """Order of batch systems: late when the code is lower than that of the latest event that counted."""
    last = job.last_seqcode
    return Verdict(last is None or compare(last, event.seqcode) <= 0, Branch.NONE)


def remember(job: JobDraft, event: Event, verdict: Verdict, entered: bool) -> None:
    """After a usable event of a batch system."""
    job.last_seqcode = event.seqcode
