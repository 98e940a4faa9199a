"""What the rules of all jobs have in common: rows, the tables made of them, and how they are applied.

The rules of a kind of job are a table. Its key is what an event is: its type, its outcome (a result, a command with its
result, the name of a state) and who says so. Its value, a ``Row``, is what such an event does when it is usable. The
state that the job is in is no part of the key: an event in time tells where the job is, wherever the server believed it
to be, because the events between may be late or lost. What does depend on the state is written in the row: ``worth``
and ``only``.

Beside the table a kind of job has functions: ``extra`` for what usable events do that no constant can say, ``data``
for the facts that every event leaves behind, in time or late. The texts of these functions, and of those that
read locations, stand in the documentation (``docs/states.md``).

An event without a row is a bad event, or one that is free to come and does nothing but count, see ``Rules.free``.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from lb.model.events import Event
from lb.model.jobstate import JobDraft
from lb.model.rules.order import Verdict
from lb.model.status import ATTRIBUTE, STATE_CODES, STATES, StatusDraft, with_slot

UI, NS, WMS, JC, LM = "UserInterface", "NetworkServer", "WorkloadManager", "JobController", "LogMonitor"
LRMS = "LRMS"
ANY: Final = ""
"""Stands for every source that has no row of its own."""

Read = Callable[[Event], str | None]
"""Reads one word from an event: its outcome, a location."""
Change = Callable[[JobDraft, Event, Verdict], None]
Sets = tuple[tuple[str, Any], ...]

REASON: Final = ("reason",)


class Worth(Enum):
    """What an event is worth that is not judged by its code alone."""

    LATE = "late once the job runs or is done"
    """News of how the job got where it is; the batch system knows better (lb.md 3.4)."""
    ALWAYS = "in time whatever its code, even when the job is over"
    IGNORED = "never in time, only its data are taken"
    BAD = "in time a bad event: no times, no codes, no data"
    """What the row says is done all the same."""


@dataclass(frozen=True, slots=True)
class Row:
    """What a usable event does; a row that says nothing makes the event count, no more.

    * ``state``: the job is in this state now. None: unchanged;
    * ``where``: reads the location of the job from the event;
    * ``reason``: attributes that take the reason of the event, and lose their value when it has none; with ``given``
      they keep it then;
    * ``sets``: attributes that get a fixed value, made by ``to``;
    * ``only``: (attribute, values): ``reason`` and ``sets`` hold only where the attribute has one of these values;
    * ``may``: a state that ``extra`` or ``data`` enter under conditions told there;
    * ``worth``: None: as its code says;
    * ``hide_lm``: its code is remembered with LM set to 0.
    """

    state: str | None = None
    where: Read | None = None
    reason: tuple[str, ...] = ()
    given: bool = False
    sets: Sets = ()
    only: tuple[str, frozenset[Any]] | None = None
    may: str | None = None
    worth: Worth | None = None
    hide_lm: bool = False


    @property
    def condition(self) -> str:
        """``only`` in words, empty without one: ``unless vm_state is REALLY-RUNNING``."""
        if self.only is None:
            return ""
        name, values = self.only
        known = {None, *(STATES if name == "state" else ATTRIBUTE[name].values)}
        word, told = min(("while", values), ("unless", known - values), key=lambda choice: len(choice[1]))
        return f"{word} {name} is {' or '.join(sorted(map(str, told)))}"


Key = tuple[str, str | None, str]
"""Event type, outcome (None where the event has none), source."""

COUNTS: Final = Row()
"""Nothing but the time of the event."""


def to(**values: Any) -> Sets:
    """Attributes of the status and the values that a row gives them."""
    return tuple(values.items())


def rows(event: str, outcome: str | None, *entries: tuple[str, Row]) -> Iterable[tuple[Key, Row]]:
    """The rows of one type and outcome of event, by source."""
    return (((event, outcome, source), row) for source, row in entries)


def field(name: str) -> Read:
    """Reads one field, None when it is unset."""

    def read(event: Event) -> str | None:
        value: str | None = event.fields.get(name)
        return value

    return read


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one kind of job.

    ``outcome``: how to read the outcome of the event types that have one. ``speaker``: how to read who says so, if
    it is not the source.
    ``location``: of a job that is nowhere yet, after any event. ``free``: event types that are welcome without a row;
    None: all are.
    """

    rows: Mapping[Key, Row]
    outcome: Mapping[str, Read]
    extra: Mapping[str, Change]
    data: Mapping[str, Change]
    location: str | None
    free: frozenset[str] | None = None
    speaker: Callable[[Event], str] | None = None

    def find(self, event: Event) -> Row | None:
        """The row of an event; None makes it a bad event."""
        name, find = event.type.name, self.rows.get
        read = self.outcome.get(name)
        outcome = None if read is None else read(event)
        source = event.source if self.speaker is None else self.speaker(event)
        row = find((name, outcome, source)) or find((name, outcome, ANY))
        return COUNTS if row is None and (self.free is None or name in self.free) else row


def follow(rules: Rules, job: JobDraft, event: Event, verdict: Verdict) -> None:
    """Apply one event by the rules. Afterwards ``verdict`` tells whether times and codes are to be updated."""
    name = event.type.name
    row = rules.find(event)
    if row is None:
        verdict.bad = True
        return
    if row.worth is not None:
        _judge(row, job.status, event, verdict)
    if verdict.usable:
        _use(row, job.status, event)
        verdict.hide_lm = row.hide_lm
        extra = rules.extra.get(name)
        if extra is not None:
            extra(job, event, verdict)
    data = rules.data.get(name)
    if data is not None and not verdict.bad:
        data(job, event, verdict)
    if job.status.location is None:
        job.status.location = rules.location


RUNS_OR_DONE: Final = frozenset({"Running", "Done"})
"""States in which a row with ``Worth.LATE`` is late (lb.md 3.4)."""
_SCHEDULED_SLOT = STATE_CODES["Scheduled"]


def _judge(row: Row, status: StatusDraft, event: Event, verdict: Verdict) -> None:
    if row.worth is Worth.LATE:
        if status.state in RUNS_OR_DONE:
            verdict.usable = False
            if row.state == "Scheduled":
                _scheduled_at(status, event.timestamp[0])
    elif row.worth is Worth.BAD:
        verdict.bad = verdict.usable
    else:
        verdict.usable = row.worth is Worth.ALWAYS


def _scheduled_at(status: StatusDraft, seconds: int) -> None:
    """When the job was scheduled is worth knowing even late."""
    times = status.stateEnterTimes
    if times is not None:
        status.stateEnterTimes = with_slot(times, _SCHEDULED_SLOT, seconds)


def _use(row: Row, status: StatusDraft, event: Event) -> None:
    if row.state is not None:
        status.state = row.state
    if row.where is not None:
        status.location = row.where(event)
    if row.only is not None and getattr(status, row.only[0]) not in row.only[1]:
        return
    if row.reason:
        reason = event.fields.get("reason")
        if reason is not None or not row.given:
            for name in row.reason:
                setattr(status, name, reason)
    for name, value in row.sets:
        setattr(status, name, value)
