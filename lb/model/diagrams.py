"""State diagrams made from the tables of rules. ``lb.model.dot`` writes them for Graphviz, into ``docs/diagrams``.

What can be drawn follows from the rows: the state that an event leads to does not depend on the state that the job is
in, only whether the event counts does. So there are few sets of states that arrows lead from, the *boxes*:

* for jobs with a final state (lb.md 3.4) the states of a job that is not over, and within them those on the way to the
  worker node, which alone are left by rows that are ``Worth.LATE``;
* for all others one box with every state.

An arrow leads from every state of a box. What an event does to a final state outside of the box is an arrow from that
state: these are the exceptions.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from lb.model.rules import condor, cream, glite, parents, pbs, transfer, virtual
from lb.model.rules.order import FINAL, REVIVED
from lb.model.rules.rows import ANY, RUNS_OR_DONE, Row, Rules, Worth
from lb.model.status import STATES

COLLECTION_STATE: Final = "CollectionState"
REGISTRATION: Final = "RegJob"


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a state is entered: an event by its key.

    ``source`` ANY stands for all sources but those in ``but``. ``remark``: what else is entered or to be known.
    """

    event: str
    outcome: str | None = None
    source: str = ANY
    but: tuple[str, ...] = ()
    remark: str = ""

    @property
    def what(self) -> str:
        """The cause in words; of CollectionState what made the server log it, the state being that of the arrow."""
        if self.event == COLLECTION_STATE:
            return self.remark
        words = self.event if self.outcome is None else f"{self.event} {self.outcome}"
        return f"{words} [{self.remark}]" if self.remark else words

    @property
    def who(self) -> str:
        if self.source != ANY:
            return self.source
        return f"any but {', '.join(self.but)}" if self.but else "any"


@dataclass(frozen=True, slots=True)
class Arrow:
    """From each of the states ``tails`` a cause leads to ``head``; ``perhaps``: only under further conditions."""

    tails: frozenset[str]
    cause: Cause
    head: str
    perhaps: bool = False


@dataclass(frozen=True, slots=True)
class Box:
    """States that arrows lead from together; a box may lie in another one."""

    label: str
    states: frozenset[str]


@dataclass(frozen=True, slots=True)
class Diagram:
    """The states of one kind of job. ``boxes``: the outer one first, each inside the one before."""

    title: str
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    note: str = ""

    @property
    def states(self) -> list[str]:
        """All states, in the order of their codes."""
        known = {arrow.head for arrow in self.arrows}.union(*(box.states for box in self.boxes))
        return sorted(known, key=STATES.index)

    @property
    def inside(self) -> list[str]:
        """The states in the outer box."""
        return [state for state in self.states if state in self.boxes[0].states]

    @property
    def outside(self) -> list[str]:
        """The other states."""
        return [state for state in self.states if state not in self.boxes[0].states]

    def leads(self, state: str, event: str, outcome: str | None, source: str) -> list[Arrow]:
        """The arrows that an event takes from a state."""
        return [
            arrow
            for arrow in self.arrows
            if state in arrow.tails
            and (arrow.cause.event, arrow.cause.outcome) == (event, outcome)
            and (arrow.cause.source == source or (arrow.cause.source == ANY and source not in arrow.cause.but))
        ]


# ---- from rules to arrows -------------------------------------------------------------------------------------------


def _target(row: Row) -> str | None:
    return row.state or row.may


def _remark(row: Row, attributes: tuple[str, ...]) -> str:
    values = dict(row.sets)
    said = [str(values[name]) for name in attributes if name in values]
    if row.only is not None and said:
        said[-1] += f" {row.condition}"
    if row.worth is Worth.BAD:
        said.append("a bad event")
    return ", ".join(said)


def _causes(rules: Rules, shown: tuple[str, ...]) -> Iterator[tuple[Cause, Row]]:
    """The rows that lead to a state; of ``sets``, ``shown`` are told."""
    for (event, outcome, source), row in rules.rows.items():
        if _target(row) is None or row.worth is Worth.IGNORED:
            continue
        own = [other for name, result, other in rules.rows if (name, result) == (event, outcome) and other != ANY]
        yield Cause(event, outcome, source, tuple(own) if source == ANY else (), _remark(row, shown)), row


def _tails(event: str, row: Row, states: frozenset[str]) -> frozenset[str]:
    """The states that a row leads from where there are final states."""
    if row.worth is Worth.ALWAYS:
        return states
    alive = (states - FINAL) | (REVIVED.get(event, frozenset()) & states)
    return alive - RUNS_OR_DONE if row.worth is Worth.LATE else alive


def _of_workload(rules: Rules) -> tuple[Arrow, ...]:
    rows = [(cause, row) for cause, row in _causes(rules, ()) if cause.event != COLLECTION_STATE]
    states = frozenset(target for _, row in rows if (target := _target(row)))
    return tuple(_arrow(_tails(cause.event, row, states), cause, row) for cause, row in rows)


def _of_unordered(rules: Rules, shown: tuple[str, ...]) -> tuple[Arrow, ...]:
    rows = list(_causes(rules, shown))
    states = frozenset(target for _, row in rows if (target := _target(row)))
    return tuple(_arrow(states, cause, row) for cause, row in rows)


def _arrow(tails: frozenset[str], cause: Cause, row: Row) -> Arrow:
    return Arrow(tails, cause, _target(row) or "", perhaps=row.may is not None)


_CLASS_NAMES: Final = {
    parents.DONE: "DONE",
    parents.CLEARED: "CLEARED",
    parents.ABORTED: "ABORTED",
}


def _conditions(kind: str) -> Iterator[tuple[str, str]]:
    """State of a collection, and what its subjobs must be for that, in the order in which it is asked."""
    yield parents.WHEN_ONE_RUNS, "1. some subjob is RUNNING"
    number = 2
    for number, (state, classes) in enumerate(parents.ENDS[kind], 2):
        *names, last = (_CLASS_NAMES[slot] for slot in classes)
        yield state, f"{number}. all are {', '.join(names)} or {last}" if names else f"{number}. all are {last}"
    yield parents.ELSE, f"{number + 1}. else"


def _of_collection(kind: str, tails: frozenset[str]) -> tuple[Arrow, ...]:
    return tuple(Arrow(tails, Cause(COLLECTION_STATE, state, remark=why), state) for state, why in _conditions(kind))


# ---- the diagrams ---------------------------------------------------------------------------------------------------

_FIRST: Final = "The first of the numbered conditions that holds decides.\n"
_EVERY: Final = "every event counts in every state"
_BY_CODE: Final = "every event in time counts in every state"


def _diagrams() -> Iterator[tuple[str, Diagram]]:
    workload = _of_workload(glite.RULES)
    alive = frozenset(arrow.head for arrow in workload) - FINAL
    boxes = (
        Box("not over: every event in time counts", alive),
        Box("not running yet: news of the way counts, too", alive - RUNS_OR_DONE),
    )
    yield "simple", Diagram("SIMPLE and DAG", boxes, workload)
    revived = alive | REVIVED[COLLECTION_STATE]
    yield "collection", Diagram(
        "COLLECTION: what its subjobs make of it",
        (Box("CollectionState counts, even when Aborted", revived),),
        _of_collection("COLLECTION", revived),
        f"{_FIRST}Events of the collection itself: as SIMPLE.\n",
    )
    for name, title, rules, shown, label in (
        ("cream", "CREAM [cream_state]", cream.RULES, ("cream_state",), _EVERY),
        ("pbs", "PBS", pbs.RULES, ("done_code",), _BY_CODE),
        ("condor", "CONDOR [condor_status]", condor.RULES, ("condor_status",), _BY_CODE),
        ("file-transfer", "FILE_TRANSFER", transfer.RULES, ("done_code",), _EVERY),
        ("virtual-machine", "VIRTUAL_MACHINE [vm_state]", virtual.RULES, ("done_code", "vm_state"), _EVERY),
    ):
        arrows = _of_unordered(rules, shown)
        yield name, Diagram(title, (Box(label, frozenset(arrow.head for arrow in arrows)),), arrows)
    registration = [cause for cause, _ in _causes(transfer.COLLECTION_RULES, ()) if cause.event == REGISTRATION]
    heads = frozenset(state for state, _ in _conditions("FILE_TRANSFER_COLLECTION")) | {"Submitted"}
    yield "file-transfer-collection", Diagram(
        "FILE_TRANSFER_COLLECTION: what its transfers make of it",
        (Box(_EVERY, heads),),
        (
            *(Arrow(heads, cause, "Submitted") for cause in registration),
            *_of_collection("FILE_TRANSFER_COLLECTION", heads),
        ),
        _FIRST,
    )


DIAGRAMS: Final[Mapping[str, Diagram]] = dict(_diagrams())
"""By name of their files."""
