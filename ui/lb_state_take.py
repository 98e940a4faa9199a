"""Lines become events, events become jobs; of what was not used, how much there is and where the first stands."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from lb.model import machine
from lb.model.eventjson import EventJsonError
from lb.model.events import Event
from lb.model.jobid import JobId
from lb.model.ledger import Ledger, when_known
from lb.model.machine import Outcome
from lb.model.rules.store import NOT_REGISTERED, REGISTRATION, Refusal
from lb.model.times import Timestamp
from lb.model.ulm import UlmError
from ui.frame import warn
from ui.lb_files import Line, lines
from ui.lb_lines import Complaints, Supply, is_nameless, moment_text, short_reason, shown

JOBS_TOLD: Final = 5
"""Jobs that a warning names; of the others it tells the number."""


@dataclass(slots=True)
class Some:
    """How many of a kind there were, and where the first stands."""

    count: int = 0
    first: str = ""

    def add(self, line: Line) -> None:
        """One more."""
        if not self.count:
            self.first = line.place
        self.count += 1

    def told(self, one: str, many: str) -> str:
        """``3 events, first at FILE:LINE``."""
        return f"{self.count} {one if self.count == 1 else many}, first at {self.first}"


class Order(Enum):
    """In which order the events are taken."""

    FILES = "as they stand in the files"
    ARRIVAL = "as they arrived at the server that dumped them, all jobs together"
    CODES = "by their sequence codes, so that an event may stand before the registration of its job"


@dataclass(slots=True)
class Taking:
    """What the files hold, and what of it was not used. ``first``, ``last``: the span of what was used."""

    order: Order
    ledger: Ledger
    complaints: Complaints
    used: int = 0
    first: Timestamp | None = None
    last: Timestamp | None = None
    unreadable: Some = field(default_factory=Some)
    repeated: Some = field(default_factory=Some)
    nameless: Some = field(default_factory=Some)
    nobodys: Some = field(default_factory=Some)
    senseless: Some = field(default_factory=Some)
    orphans: dict[JobId, Some] = field(default_factory=dict)
    homeless: dict[JobId, Some] = field(default_factory=dict)
    refused: dict[Refusal, Some] = field(default_factory=dict)
    _kept: list[tuple[Event, Line]] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether everything was used."""
        return not (self.complaints.count or self.homeless or self.refused)

    # ---- reading ----------------------------------------------------------------------------------------------------

    def read(self, files: Sequence[str], supply: Supply, quiet: bool) -> None:
        """Take all events of the files. Lines that are no event are told on standard error at once."""
        for line in lines(files, self._broken_file, quiet):
            if not line.octets.strip():
                continue
            try:
                event, supplied = supply.any_event(line)
            except (UlmError, EventJsonError) as error:
                self.complaints.tell(line, [f"{line.place}: {short_reason(error)}"])
                (self.nameless if is_nameless(error) else self.unreadable).add(line)
                continue
            if supplied and not event.user:
                self.nobodys.add(line)
            if self.order is Order.FILES:
                self._take(event, line)
            else:
                self._kept.append((event, Line(line.file, line.number, b"")))
        self.complaints.end()
        self._take_kept()

    def _take_kept(self) -> None:
        by_code = self.order is Order.CODES
        for event, line in sorted(self._kept, key=lambda kept: _rank(kept[0]) if by_code else when_known(kept[0])):
            self._take(event, line)
        self._kept.clear()
        if by_code:
            self.ledger.recompute()

    def _broken_file(self, line: Line, text: str) -> None:
        self.complaints.tell(line, [f"{line.place}: {text}"], always=True)

    def _take(self, event: Event, line: Line) -> None:
        """Have the ledger take an event, and note what came of it."""
        repeated = self.ledger.repeated
        refusal = self.ledger.take(event)
        if refusal == NOT_REGISTERED:
            self.homeless.setdefault(event.jobid, Some()).add(line)
        elif refusal is not None:
            self.refused.setdefault(refusal, Some()).add(line)
        elif self.ledger.repeated > repeated:
            self.repeated.add(line)
        else:
            self._used(event, line)

    def _used(self, event: Event, line: Line) -> None:
        self.used += 1
        if self.first is None or self.last is None:
            self.first = self.last = event.timestamp
        self.first, self.last = min(self.first, event.timestamp), max(self.last, event.timestamp)
        parent = event.get("parent") if event.name == REGISTRATION else None
        if parent is not None and parent not in self.ledger.jobs:
            self.orphans.setdefault(parent, Some()).add(line)
        if event.name not in machine.NOT_FED and self.ledger.jobs[event.jobid].outcome is Outcome.BAD:
            self.senseless.add(line)

    @property
    def summary(self) -> str:
        """How much there was."""
        jobs = len(self.ledger.jobs)
        if self.first is None:
            return "no jobs"
        return (f"{jobs} job{'s' * (jobs > 1)}, {self.used} event{'s' * (self.used > 1)}, "
                f"{moment_text(self.first)} to {moment_text(self.last)} UTC")

    # ---- telling ----------------------------------------------------------------------------------------------------

    def warn(self) -> None:
        """Tell what was not used, and what was only tolerated."""
        for text in self._warnings():
            warn(text)

    def _warnings(self) -> Iterator[str]:
        early = {jobid: some for jobid, some in self.homeless.items() if jobid in self.ledger.jobs}
        never = {jobid: some for jobid, some in self.homeless.items() if jobid not in early}
        if self.unreadable.count:
            yield (f"{self.unreadable.told('line', 'lines')}, not used: no event can be read there; glite-lb-event "
                   "with the same file tells what is wrong and what to do")
        if self.nameless.count:
            yield f"{self.nameless.told('line', 'lines')}, not used: no job is named; --assume-jobid says which"
        if never:
            yield (f"{_events(never)} not used: no RegJob of the job is there, and a server refuses them as well "
                   f"({NOT_REGISTERED.text}); give the file with the registration too, before this one: {_jobs(never)}")
        if early:
            yield (f"{_events(early)} not used: they come before the RegJob of their job, and a server refuses them "
                   f"({NOT_REGISTERED.text}); --sorted takes them: {_jobs(early)}")
        late = {jobid: some for jobid, some in self.orphans.items() if jobid in self.ledger.jobs}
        if late and self.order is Order.FILES:
            yield (f"{_events(late)} register subjobs of parents that come later, whose states do not count them; "
                   f"--by-arrival or --sorted sets that right: {_jobs(late)}")
        for refusal, some in self.refused.items():
            yield (f"{some.told('event', 'events')}, not used: a server refuses them with code {refusal.code}, "
                   f"{shown(str(refusal))}")
        if self.repeated.count:
            yield f"{self.repeated.told('event', 'events')}, of those that are there already; each counts once"
        if self.senseless.count:
            yield (f"{self.senseless.told('event', 'events')}, without effect: of a type or source that has no "
                   "business with its job")
        if self.nobodys.count:
            yield (f"{self.nobodys.told('line', 'lines')}, without DG.USER, taken as written by nobody; "
                   "--assume-user says by whom")


def _rank(event: Event) -> tuple[bool, bool, Timestamp]:
    """Parents before their subjobs, which are born with them; registrations before everything else, as it stands."""
    if event.name != REGISTRATION:
        return True, True, (0, 0)
    return False, not event.get("nsubjobs"), event.timestamp


def _events(jobs: dict[JobId, Some]) -> str:
    count = sum(some.count for some in jobs.values())
    return f"{count} event{'s' * (count > 1)} of {len(jobs)} job{'s' * (len(jobs) > 1)}"


def _jobs(jobs: dict[JobId, Some]) -> str:
    told = [f"{shown(str(jobid))} ({some.told('event', 'events')})" for jobid, some in list(jobs.items())[:JOBS_TOLD]]
    more = len(jobs) - len(told)
    return ", ".join(told) + (f" and {more} more" if more else "")
