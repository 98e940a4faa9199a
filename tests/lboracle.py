"""The recorded sequences of the original L&B server (../shared/data/lb-oracle), delivered to our ledger.

``compare`` runs one case event by event, takes no reply from the recording, and returns what is different. ``Original``
is a ledger that does on purpose what ``lb.model.corrections`` lists, as the original does it: with all of that the
recordings agree entirely, and with one of it left out they show what that one correction touches.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from errno import EINVAL
from functools import cache
from typing import Any, Final, NamedTuple

from lb.model import machine, native, ulm
from lb.model.catalogue import EventType, Kind
from lb.model.events import Event, find_type
from lb.model.jobid import JobId, JobIdError
from lb.model.ledger import Ledger, _Job
from lb.model.rules import parents, store
from lb.model.rules.store import Refusal, Sender
from lb.model.seqcode import in_order
from lb.model.status import Status
from lb.model.times import format_seconds
from lb.model.view import Flag
from lb.storeproto import failure

READER: Final = "/DC=org/DC=example/CN=Test User"
SERVER: Final = "localhost:9000"
#: Who delivered everything; by the policy of the recordings he may log all that he likes.
SENDER: Final = Sender(READER, trusted=True)
#: Stands for the clock of the server; the oracle has the word SERVER-TIME there.
SERVER_TIME: Final = (1 << 34, 0)
FLAGS: Final = Flag.CLASSADD | Flag.CHILDREN | Flag.CHILDSTAT
HISTOGRAMS: Final = {
    "children_hist_fast": Flag.CHILDHIST_FAST,
    "children_hist_thorough": Flag.CHILDHIST_THOROUGH,
}
OK: Final = [0, 0, "OK"]

_CLOCK_WORDS: Final = (SERVER_TIME[0], format_seconds(SERVER_TIME))
_JOBID: Final = re.compile(r'DG\.JOBID="([^"]*)"')


# ---- as the original does it ----------------------------------------------------------------------------------------


class Original(Ledger):
    """A ledger that makes the mistakes of the original whose corrections are named in ``imitated``.

    Those of the parser and of the process itself, ``Comparison`` makes.
    """

    def __init__(self, imitated: frozenset[str]) -> None:
        super().__init__(SERVER, lambda event: SERVER_TIME)
        self._imitated = imitated
        self._stale: set[JobId] = set()
        self._spelling: dict[JobId, dict[str, str]] = {}

    def _refusals(self, event: Event, job: _Job | None, sender: Sender | None) -> Iterator[Refusal | None]:
        for refusal in super()._refusals(event, job, sender):
            if refusal is not store.NOT_OWNER or not self._may_change_rights(event):
                yield refusal
        if job is not None and "unregistered-parent" in self._imitated:
            yield self._orphan(event, job)

    def _may_change_rights(self, event: Event) -> bool:
        """Anybody may, if only he does not name one of the owner's sources."""
        changes_rights = event.name in store.OWNERS_EVENTS and event.source not in store.OWNERS_SOURCES
        return changes_rights and "rights-of-the-owner" in self._imitated

    def _orphan(self, event: Event, job: _Job) -> Refusal | None:
        """A parent that is not registered cannot be told that a subjob has changed its class."""
        if job.parent is None or job.parent in self._jobs or store.identity(event) in job.seen:
            return None
        moved = parents.class_of(machine.apply(job.state, event).status) != parents.class_of(job.state.status)
        return Refusal(EINVAL, "update_parent_status()") if moved else None

    def _apply(self, job: _Job, event: Event) -> tuple[_Job, Event] | None:
        """After a ChangeACL the next event makes the job be computed anew, and nobody tells the parent."""
        if job.state.status.jobtype == "CONDOR" and "condor-code" in self._imitated:
            event = replace(event, seqcode="")  # beyond the end of the code there is none
        stale = job.jobid in self._stale
        self._stale.discard(job.jobid)
        if event.name in machine.NOT_FED:
            self._stale.add(job.jobid)
        elif stale and "recomputation" in self._imitated:
            job.events.append(event)
            job.state = machine.recompute(job.events, job.owner)
            self._link(job)
            self._spelling[job.jobid] = _spelling(job.events)
            return None
        return super()._apply(job, event)

    def seen(self, jobid: JobId, flags: Flag = FLAGS) -> Status | None:
        """The status as the reader of the recordings sees it."""
        status = self.status(jobid, flags)
        if status is None:
            return None
        if status.owner != READER and "virtual-machine-owner" in self._imitated:
            return None
        spelling = self._spelling.get(jobid)
        if spelling and status.user_tags:
            tags = {spelling.get(name, name): value for name, value in status.user_tags.items()}
            return status.replace(user_tags=tags)
        return status


def _spelling(events: list[Event]) -> dict[str, str]:
    """A computation from the events keeps the names of user tags as they were spelt first."""
    names: dict[str, str] = {}
    for event in in_order(events):
        if event.name == "UserTag":
            names.setdefault(event.fields["name"].lower(), event.fields["name"])
    return names


@cache
def _parse(line: str, *, misuse: bool) -> Event | Refusal:
    """The event; without `misuse` a misused key is taken for a double one where the original does so."""
    try:
        return ulm.parse(line)
    except ulm.UlmError as error:
        if error.code == ulm.PARSE_KEY_MISUSE and not misuse and _is_occupied(line, error):
            return Refusal(ulm.PARSE_KEY_DUPLICITY, f"Key {error.field} already exists.")
        return Refusal(error.code, str(error))


def _is_occupied(line: str, error: ulm.UlmError) -> bool:
    """Whether the field at fault lies in memory where one of the event lies that is set.

    The original keeps the fields of all types of events in the same memory, those of each type one after the other.
    """
    event = ulm.parse(line[: error.position], complete=False)
    _, other, _ = error.field.split(".")
    kind = find_type(other)
    wanted = {} if kind is None else _layout(kind)
    own = _layout(event.type)
    return any(wanted[error.field].start in own[field.ulm] for field in event.type.fields if field.name in event.fields)


def _layout(kind: EventType) -> dict[str, range]:
    """The bytes of each field on the machine of the recordings, counted from the first one."""
    found, place = {}, 0
    for field in kind.fields:
        size = _SIZES.get(field.kind, 8)
        place += -place % min(size, 8)
        found[field.ulm] = range(place, place + size)
        place += size
    return found


#: Bytes of a value; all other kinds are a pointer or a number of 8 bytes.
_SIZES: Final = {Kind.INT: 4, Kind.ENUM: 4, Kind.SOURCE: 4, Kind.PORT: 2, Kind.TIME: 16}


# ---- comparing ------------------------------------------------------------------------------------------------------


class Difference(NamedTuple):
    """``attribute``: of a status, or ``reply``; ``place``: where in the case."""

    attribute: str
    place: str
    theirs: Any
    ours: Any


class Comparison:
    """One case against one ledger: ``count`` of what was compared, ``differences``."""

    def __init__(self, case: Mapping[str, Any], imitated: frozenset[str] = frozenset()) -> None:
        self.count: Counter[str] = Counter(cases=1)
        self.differences: list[Difference] = []
        self._case = case
        self._main = JobId.parse(case["main"])
        self._ledger = Original(imitated)
        self._imitated = imitated
        for number, row in enumerate(case["events"]):
            self._event(f"event {number}", row)
        self._statuses()
        for name, flag in HISTOGRAMS.items():
            if name in case:
                status = self._ledger.seen(self._main, flag)
                ours = None if status is None or status.children_hist is None else native.by_state(status.children_hist)
                self._same("children_hist", name, case[name], ours)

    @property
    def attributes(self) -> frozenset[str]:
        """The attributes that differ."""
        return frozenset(difference.attribute for difference in self.differences)

    def _event(self, place: str, row: Mapping[str, Any]) -> None:
        line, theirs = row["ulm"], row.get("reply", OK)
        self.count["events"] += 1
        if theirs is not None or "server-death" not in self._imitated:
            self._same("reply", place, theirs, self._deliver(line))
        for key, jobid in (("state", self._subject(line)), ("main_state", self._main)):
            if key in row:
                status = self._ledger.seen(jobid)
                self.count["states"] += 1
                self._same("state", f"{place}, {key}", row[key], None if status is None else status.state)

    def _deliver(self, line: str) -> list[Any]:
        event = _parse(line, misuse="misused-key" not in self._imitated)
        refusal = event if isinstance(event, Refusal) else self._ledger.take(event, SENDER)
        if refusal is None:
            return OK
        reply = failure(refusal.code, refusal.text)
        return [reply.major, reply.minor, reply.text]

    def _subject(self, line: str) -> JobId:
        """The job whose state was recorded: the event's own, the main one when it names none of this server."""
        found = _JOBID.search(line)
        try:
            jobid = JobId.parse(found[1] if found else "")
        except JobIdError:
            return self._main
        return jobid if jobid.server == SERVER else self._main

    def _statuses(self) -> None:
        others = {name: other["status"] for name, other in self._case.get("others", {}).items()}
        for name, theirs in {self._case["main"]: self._case["status"], **others}.items():
            status = self._ledger.seen(JobId.parse(name))
            self._object(name, theirs, None if status is None else _with_words(native.to_object(status)))

    def _object(self, place: str, theirs: dict[str, Any] | None, ours: dict[str, Any] | None) -> None:
        """Two statuses, attribute by attribute; one that is missing differs as its state."""
        if theirs is None or ours is None:
            self._same("state", place, theirs, ours)
            return
        for key in {**theirs, **ours}:
            left, right = theirs.get(key), ours.get(key)
            if key == "children_states" and left is not None and right is not None and len(left) == len(right):
                for number, (one, other) in enumerate(zip(left, right, strict=True)):
                    self._object(f"{place}, child {number}", one, other)
            else:
                self.count["fields"] += 1
                self._same("state" if key == "@name" else key, place, left, right)

    def _same(self, attribute: str, place: str, theirs: Any, ours: Any) -> None:
        if theirs != ours:
            self.differences.append(Difference(attribute, place, theirs, ours))


def _with_words(value: Any) -> Any:
    """The object with the word of the oracle for what comes from the server's clock."""
    if isinstance(value, dict):
        return {name: _with_words(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_with_words(inner) for inner in value]
    return "SERVER-TIME" if value in _CLOCK_WORDS else value
