"""From the events of a dump to what its attributes are made of (jp.md 2.9)."""

from collections.abc import Sequence
from dataclasses import dataclass

from jpps.plugins.interface import UnreadableFile
from lb.model import machine
from lb.model.events import Event
from lb.model.jobid import JobId, subjobs
from lb.model.status import Status
from lb.model.times import Timestamp

#: The number of subjobs is a claim of the user who registered the job, and each costs memory.
MAX_CHILDREN = 100_000


@dataclass(frozen=True, slots=True)
class Entry:
    """The job entered a state. `done_code`: OK, FAILED or CANCELLED."""

    state: str
    time: Timestamp
    reason: str | None
    destination: str | None
    done_code: str | None


@dataclass(frozen=True, slots=True)
class Digest:
    """A dump, digested. `registrations`: the RegJob events."""

    events: Sequence[Event]
    registrations: Sequence[Event]
    status: Status
    updated: Timestamp
    history: Sequence[Entry]

    @property
    def children(self) -> list[JobId]:
        """The ids of the subjobs; none when there are more than anybody can have meant."""
        count = self.status.children_num
        return subjobs(self.registrations[0].jobid, self.status.seed, count) if 0 < count <= MAX_CHILDREN else []

    @property
    def final(self) -> Entry:
        """The state that counts as the last: the one before Cleared, if it was cleared."""
        for before, entry in zip(self.history, self.history[1:], strict=False):
            if entry.state == "Cleared":
                return before
        return self.history[-1]

    @property
    def last_history(self) -> list[Entry]:
        """The registration, then from the last time of waiting on."""
        waits = [number for number, entry in enumerate(self.history) if entry.state == "Waiting"]
        first = [entry for entry in self.history if entry.state == "Submitted"][:1]
        return first + list(self.history[waits[-1] :] if waits else [])


def digest(events: Sequence[Event]) -> Digest:
    """Run the state machine over events in order. Raises UnreadableFile when no status comes of them."""
    registrations = [event for event in events if event.name == "RegJob"]
    if not registrations:
        raise UnreadableFile("the registration is not in the dump")
    first = registrations[0]
    status, history = _run(first.jobid, first.user, events)
    if not history or status.lastUpdateTime is None:
        raise UnreadableFile("the events yield no status")
    return Digest(events, registrations, status, status.lastUpdateTime, history)


def _run(jobid: JobId, owner: str, events: Sequence[Event]) -> tuple[Status, list[Entry]]:
    state = machine.new_status(jobid, owner)
    history: list[Entry] = []
    known = state.status.state
    for event in events:
        state = machine.apply(state, event)
        status = state.status
        if status.state != known and status.stateEnterTime is not None:
            known = status.state
            entry = Entry(known, status.stateEnterTime, status.reason, status.destination, status.done_code)
            history.append(entry)
    return state.status, history
