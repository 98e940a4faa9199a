"""All jobs of one server, in memory: what a store of events makes of them, without tables, network or clock.

    ledger = Ledger()
    for line in lines:
        refusal = ledger.take(ulm.parse(line))
    for jobid, job in ledger.jobs.items():
        print(jobid, job.status.state)

An event that the rules of ``lb.model.rules.store`` let in is kept and fed to the state machine, unless it came before.
What follows from it, the ledger does too, as the original server:

* a registration with subjobs bears them (Submitted, of the same owner, without events of their own);
* when a subjob changes its class, the histogram of its parent follows, and a collection whose state changes by that is
  told so by a CollectionState event of the ledger's own, which its own parent hears in turn;
* ChangeACL is kept from the machine and changes the access list, which a registration and a change of the payload
  owner do as well;
* ConnectJob and DisconnectJob tie and untie both jobs: the other one gets the reverse event from the ledger.

``recompute`` computes all jobs anew, as if every event had come in the order of its sequence code.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple

from lb.model import connections, eventjson, machine
from lb.model.acl import Acl, AclError
from lb.model.connections import Connections
from lb.model.events import Event
from lb.model.jobid import JobId, parse_server
from lb.model.jobstate import JobState
from lb.model.people import person, same_person
from lb.model.rules import parents, store
from lb.model.rules.store import Refusal, Relative, Sender
from lb.model.seqcode import NULL, in_order
from lb.model.status import Status
from lb.model.times import Timestamp
from lb.model.view import Flag, view

_OWNERSHIP: Final = frozenset({"GrantPayloadOwnership", "TakePayloadOwnership"})

_BEGINNING: Final = (-(1 << 62), 0)

Clock = Callable[[Event], Timestamp]
"""The moment of what the ledger does because of an event."""


class Step(NamedTuple):
    """A state that a job passed through: its name, when it was entered, the event that led there."""

    state: str
    entered: Timestamp
    cause: Event


class _Job:
    """What the ledger keeps of one job.

    ``first``: the state that it began with; ``parent``: the job that counts it among its subjobs; ``given``: what came,
    in the order of arrival, and ``seen``: what it is recognised by; ``events``: what was applied, with what the ledger
    made itself.
    """

    __slots__ = ("acl", "connections", "events", "first", "given", "jobid", "owner", "parent", "seen", "state", "steps")

    def __init__(self, jobid: JobId, owner: str, first: JobState) -> None:
        self.jobid = jobid
        self.owner = owner
        self.first = self.state = first
        self.parent: JobId | None = None
        self.acl = Acl()
        self.connections = Connections()
        self.events: list[Event] = []
        self.given: list[Event] = []
        self.seen: set[tuple[Any, ...]] = set()
        self.steps: list[Step] = []

    def begin_anew(self) -> None:
        """Back to the state that the job began with, without events."""
        self.state = self.first
        self.connections = Connections()
        self.events = []
        del self.steps[1 if self.first.status.jobtype else 0 :]


def when_known(event: Event) -> Timestamp:
    """When an event arrived, as far as that is known, else when it was made."""
    return event.arrived or event.timestamp


class Ledger:
    """The jobs of ``server`` (host or host:port); of every server when it is None.

    ``clock``: the time of the events that the ledger makes; ``host``, ``dn``: who it is in them; ``repeated``: how many
    events came that were there already. Without ``keep`` it forgets the events as soon as they have counted, to save
    memory: it has no events and no history to show, and nothing to compute anew from.
    """

    def __init__(
        self, server: str | None = None, clock: Clock = when_known, *, host: str = "localhost", dn: str = "LBServer",
        keep: bool = True,
    ) -> None:
        self._server = None if server is None else parse_server(server)
        self._clock = clock
        self._host = host
        self._dn = dn
        self._keep = keep
        self.repeated = 0
        self._jobs: dict[JobId, _Job] = {}
        self._children: dict[JobId, dict[JobId, None]] = {}

    # ---- looking ----------------------------------------------------------------------------------------------------

    @property
    def jobs(self) -> Mapping[JobId, JobState]:
        """The state of every job, in the order of their appearance."""
        return _States(self._jobs)

    def events(self, jobid: JobId) -> Sequence[Event]:
        """The events of a job in the order in which they counted, those that the ledger made included."""
        job = self._find(jobid)
        return () if job is None else tuple(job.events)

    def history(self, jobid: JobId) -> list[Step]:
        """The states that a job passed through."""
        job = self._find(jobid)
        return [] if job is None else list(job.steps)

    def acl(self, jobid: JobId) -> Acl:
        """The access list of a job."""
        job = self._find(jobid)
        return Acl() if job is None else job.acl

    def connections(self, jobid: JobId) -> Connections:
        """The jobs that a job is connected to."""
        job = self._find(jobid)
        return Connections() if job is None else job.connections

    def children(self, jobid: JobId) -> list[JobId]:
        """The jobs that are part of this one, in the order of their ids."""
        return sorted(self._children.get(_key(jobid), {}), key=str)

    def status(self, jobid: JobId, flags: Flag = Flag(0)) -> Status | None:
        """The status of a job as a query with these flags shows it; None when it is not here."""
        job = self._find(jobid)
        if job is None:
            return None
        more = job.acl.attributes()
        if flags & Flag.HISTORY and self._keep:
            more["history"] = eventjson.history(job.events)
        return self._shown(job, flags).replace(**more)

    def _find(self, jobid: JobId) -> _Job | None:
        return self._jobs.get(_key(jobid))

    def _shown(self, job: _Job, flags: Flag, depth: int = 0) -> Status:
        """Without what only the job asked for shows: its access list (lb-oracle: subjobs have none) and its history."""
        status = job.state.status
        if not status.children_num or depth > store.MAX_DEPTH:
            return view(status, flags)
        children = self.children(job.jobid)
        wanted = flags & (Flag.CHILDSTAT | Flag.CHILDHIST_THOROUGH)
        states = [self._shown(self._jobs[child], flags, depth + 1) for child in children] if wanted else []
        return view(status, flags, [str(child) for child in children], states)

    # ---- letting in -------------------------------------------------------------------------------------------------

    def take(self, event: Event, sender: Sender | None = None) -> Refusal | None:
        """Store an event; None when it is stored, or was before.

        Without a sender nobody asks who may do what: events are taken as they stand in a file.
        """
        job = self._find(event.jobid)
        refusal = next(filter(None, self._refusals(event, job, sender)), None)
        if refusal is not None:
            return refusal
        if job is None:
            owner = person(event.user) if sender is None else sender.dn
            job = self._add(event.jobid, owner, machine.new_status(event.jobid, owner))
        key = store.identity(event)
        if key in job.seen:
            self.repeated += 1
            return None
        if event.type.name == "ChangeACL":
            try:
                job.acl = job.acl.change(event)
            except AclError as error:
                return Refusal(error.code, str(error))
        job.seen.add(key)
        if self._keep:
            job.given.append(event)
        self._feed(job, event)
        return None

    def _refusals(self, event: Event, job: _Job | None, sender: Sender | None) -> Iterator[Refusal | None]:
        """What the rules say, one after the other."""
        if self._server is not None:
            yield store.check_place(event.jobid, self._server)
        if sender is not None:
            yield store.check_sender(event, sender)
        if event.type.name == store.REGISTRATION:
            yield store.check_family(event)
            if sender is not None:
                yield from self._registration_refusals(event, job, sender)
        elif job is None:
            yield store.NOT_REGISTERED
        else:
            if sender is not None:
                may_tag = event.type.name == "UserTag" and job.acl.permits("TAG", person(event.user))
                yield store.check_author(event, job.owner, trusted=sender.trusted, may_tag=may_tag)
            yield store.check_connection(event, lambda other: self._find(other) is not None)
        yield from self._parent_refusals(event, job, sender)

    def _registration_refusals(self, event: Event, job: _Job | None, sender: Sender) -> Iterator[Refusal | None]:
        if job is None:
            yield store.check_new(event, direct=same_person(event.user, sender.dn))
        else:
            yield store.check_again(event, job.owner)

    def _parent_refusals(self, event: Event, job: _Job | None, sender: Sender | None) -> Iterator[Refusal | None]:
        def find(jobid: JobId) -> Relative | None:
            found = self._find(jobid)
            return None if found is None else (event.user if sender is None else found.owner, found.parent)

        parent = store.named_parent(event, None if job is None else job.state.status.jobtype)
        if parent is not None:
            yield store.check_parent(event, parent, find)

    def _add(self, jobid: JobId, owner: str, first: JobState) -> _Job:
        job = self._jobs[_key(jobid)] = _Job(jobid, owner, first)
        self._link(job)
        return job

    # ---- what follows -----------------------------------------------------------------------------------------------

    def _feed(self, job: _Job, event: Event) -> None:
        """Keep an event and do all that follows from it, up to the highest parent."""
        told = self._apply(job, event)
        for _ in range(store.MAX_DEPTH):
            if told is None:
                return
            told = self._apply(*told)

    def _apply(self, job: _Job, event: Event) -> tuple[_Job, Event] | None:
        """Keep and apply one event; what it makes the ledger tell the parent."""
        if self._keep:
            job.events.append(event)
        if event.type.name in machine.NOT_FED:
            return None
        before = job.state.status
        job.state = machine.apply(job.state, event)
        self._follow(job, before, event)
        return self._tell_parent(job, parents.class_of(before), event)

    def _follow(self, job: _Job, before: Status, event: Event) -> None:
        """What an event changes besides the state of its job."""
        status = job.state.status
        if status.state != before.state:
            self._step(job, event)
            if status.state in connections.ENDS:
                self._end_connections(job)
        self._link(job)
        if event.type.name == store.REGISTRATION:
            if before.jobtype is None:
                job.acl = job.acl.for_services(event.get("wms_dn"))
            if not before.children_num:
                self._bear(job, event)
        elif status.payload_owner is not None and event.type.name in _OWNERSHIP:
            job.acl = job.acl.for_payload_owner(status.payload_owner)
        elif event.type.name in connections.EVENT_NAMES:
            self._connect(job, event)

    def _step(self, job: _Job, cause: Event) -> None:
        """A job has entered the state that it is in."""
        if self._keep:
            job.steps.append(Step(job.state.status.state, cause.timestamp, cause))

    def _link(self, job: _Job) -> None:
        """Count the job among the subjobs of the one that it names as its parent now."""
        text = job.state.status.parent_job
        parent = None if text is None else _key(JobId.parse(text))
        if parent == job.parent:
            return
        if job.parent is not None:
            del self._children[job.parent][_key(job.jobid)]
        if parent is not None:
            self._children.setdefault(parent, {})[_key(job.jobid)] = None
        job.parent = parent

    def _bear(self, parent: _Job, event: Event) -> None:
        """Create the subjobs that do not exist yet; they have a state and no events."""
        for jobid in store.born(event):
            if self._find(jobid) is None:
                child = self._add(jobid, parent.owner, machine.new_subjob(jobid, parent.state.status, event.timestamp))
                self._step(child, event)

    def _tell_parent(self, job: _Job, before: int, event: Event) -> tuple[_Job, Event] | None:
        """Count the subjob anew; the parent and what it is to be told, when it is a collection whose state changes."""
        after = parents.class_of(job.state.status)
        parent = self._jobs.get(job.parent) if job.parent is not None and after != before else None
        if parent is None or not parent.state.status.children_num:
            return None
        parent.state = parents.moved(parent.state, before, after)
        told = parents.collection_event(
            parent.state.status, event, now=self._clock(event), host=self._host, server_dn=self._dn,
            seqcode=parent.state.last_seqcode or str(NULL),
        )
        return None if told is None else (parent, told)

    def _connect(self, job: _Job, event: Event) -> None:
        """Tie the job to another one, or untie it; the other one hears of it by an event of the ledger's own."""
        job.connections = job.connections.change(event)
        back = connections.reverse_event(
            event, jobtype=job.state.status.jobtype, now=self._clock(event), host=self._host, server_dn=self._dn
        )
        if back is not None:
            self._feed(self._jobs[_key(back.jobid)], back)

    def _end_connections(self, job: _Job) -> None:
        for jobid in job.connections.active:
            other = self._find(jobid)
            if other is not None:
                other.connections = other.connections.ended(job.jobid)
        job.connections = job.connections.ended()

    # ---- from scratch -----------------------------------------------------------------------------------------------

    def recompute(self) -> None:
        """All jobs anew, as if the events of each had come sorted by their codes; access lists stay as they are.

        Which of two events of different jobs is the earlier, their times decide: parents need to know. What the ledger
        told them before, it forgets and tells them anew. Afterwards ``events`` has the order of this computation.
        """
        if not self._keep:
            raise ValueError("this ledger has kept no events to compute anew from")
        ordered = {key: in_order(job.given) for key, job in self._jobs.items()}
        above = {key: _origin(self._jobs[key].first, events) for key, events in ordered.items()}
        queue: list[tuple[Timestamp, int, _Job, Event]] = []
        registered: dict[JobId | None, Timestamp] = {}
        for key in sorted(ordered, key=lambda key: _depth(key, above)):
            moment = registered.get(above[key], _BEGINNING)
            for event in ordered[key]:
                moment = max(moment, event.timestamp)
                if event.type.name == store.REGISTRATION:
                    registered.setdefault(key, moment)
                queue.append((moment, len(queue), self._jobs[key], event))
        lists = [(job, job.acl) for job in self._jobs.values()]
        for job, _ in lists:
            job.begin_anew()
            self._link(job)
        for _, _, job, event in sorted(queue, key=itemgetter(0, 1)):
            self._feed(job, event)
        for job, acl in lists:
            job.acl = acl


def _origin(first: JobState, events: Iterable[Event]) -> JobId | None:
    """The job that a job was born with, or that its registrations name first."""
    if first.status.parent_job is not None:
        return _key(JobId.parse(first.status.parent_job))
    named = (event.get("parent") for event in events if event.type.name == store.REGISTRATION)
    return next((_key(parent) for parent in named if parent is not None), None)


def _depth(key: JobId, above: Mapping[JobId, JobId | None]) -> int:
    """How many jobs are above one, as far as that matters."""
    for depth in range(store.MAX_DEPTH):
        parent = above.get(key)
        if parent is None:
            return depth
        key = parent
    return store.MAX_DEPTH


class _States(Mapping[JobId, JobState]):
    """The jobs of a ledger as others see them."""

    def __init__(self, jobs: Mapping[JobId, _Job]) -> None:
        self._jobs = jobs

    def __getitem__(self, jobid: JobId) -> JobState:
        return self._jobs[_key(jobid)].state

    def __iter__(self) -> Iterator[JobId]:
        return (job.jobid for job in self._jobs.values())

    def __len__(self) -> int:
        return len(self._jobs)


def _key(jobid: JobId) -> JobId:
    """The id by which a job is kept: hosts are the same whatever their case."""
    host = jobid.host.lower()
    return jobid if host == jobid.host else JobId(host, jobid.port, jobid.unique)
