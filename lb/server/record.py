"""One job as it stands in the tables, while a batch works on it; and how such records are read and written.

A batch reads the records of all its jobs at once, changes them in memory and writes everything at the end, table by
table: the number of statements does not grow with the number of events.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, insert, select, update

import sql
from lb.model import machine, ulm
from lb.model.events import EVENTS, Event
from lb.model.jobid import JobId
from lb.model.jobstate import VERSION, JobState, StateVersionError
from lb.model.people import same_person
from lb.model.rules import parents, tags
from lb.model.rules.store import REGISTRATION, has_subjobs, is_key
from lb.model.seqcode import in_order
from lb.model.status import STATE_CODES, ZEROS, Status, with_slot
from lb.server import schema
from lb.server.schema import events, events_flesh, indexed, jobs, states, status_tags, users

#: Keys in one `IN (…)`.
CHUNK: Final = 500
#: Subject names kept in memory.
_SUBJECTS: Final = 10_000
_subjects: Final[dict[str, str]] = {}


class Record:
    """A job in work. `new`: not in the tables yet; `changed`: its state is to be written; `tags`: name → (event number,
    value) of the user tags that changed."""

    __slots__ = ("changed", "jobid", "nevents", "new", "owner", "state", "tags")

    def __init__(self, jobid: JobId, owner: str, nevents: int, state: JobState, *, new: bool) -> None:
        self.jobid = jobid
        self.owner = owner
        self.nevents = nevents
        self.state = state
        self.new = new
        self.changed = new
        self.tags: dict[str, tuple[int, str]] = {}

    @property
    def key(self) -> str:
        return self.jobid.unique

    @property
    def parent(self) -> JobId | None:
        """The job that this one is part of."""
        parent = self.state.status.parent_job
        return None if parent is None else JobId.parse(parent)

    def apply(self, event: Event) -> None:
        """Feed the event, whose number is `nevents` by now, to the state machine."""
        before = self.state.status.user_tags
        if event.name not in machine.NOT_FED:
            self.state = machine.apply(self.state, event)
        if self.state.status.owner is None:
            self.state = self.state.show(owner=self.owner)
        after = self.state.status.user_tags
        if after is not None and after is not before:  # by a UserTag, and of that tag only
            name = tags.lowered(event.fields["name"])
            self.tags[name] = (self.nevents, after[name])
        self.changed = True


def new_record(jobid: JobId, owner: str) -> Record:
    """A job that is about to be registered."""
    return Record(jobid, owner, 0, machine.new_status(jobid, owner), new=True)


# ---- reading --------------------------------------------------------------------------------------------------------


def load(conn: Connection, keys: Iterable[str]) -> dict[str, Record]:
    """Read and lock the jobs with these keys; those that do not exist are left out."""
    wanted = sorted(set(keys))
    found: dict[str, Record] = {}
    for start in range(0, len(wanted), CHUNK):
        # In the order of keys, so that two writers do not lock each other out.
        rows = conn.execute(
            select(jobs, states.c.int_status, states.c.seq).join(states, states.c.jobid == jobs.c.jobid)
            .where(jobs.c.jobid.in_(wanted[start : start + CHUNK])).order_by(jobs.c.jobid).with_for_update()
        ).all()
        owners = subjects(conn, {row.userid for row in rows})
        for row in rows:
            jobid, owner = JobId.parse(row.dg_jobid), owners[row.userid]
            found[row.jobid] = Record(jobid, owner, row.seq, decode(conn, jobid, owner, row.int_status), new=False)
    return found


def subjects(conn: Connection, userids: Iterable[str]) -> dict[str, str]:
    """The subject names of users by database key; a key is made of the name, so what was read once stays true."""
    unknown = sorted(key for key in userids if key not in _subjects)
    if unknown:
        if len(_subjects) > _SUBJECTS:
            _subjects.clear()
        rows = conn.execute(select(users).where(users.c.userid.in_(unknown)))
        _subjects.update((row.userid, ulm.decode(row.cert_subj)) for row in rows)
    return {key: _subjects[key] for key in userids}


def decode(conn: Connection, jobid: JobId, owner: str, stored: bytes | None) -> JobState:
    """A stored state; one made by other rules is computed anew from the job's events (lb.md 3.1)."""
    if stored is not None:
        try:
            return JobState.load(stored.decode("latin-1"))
        except StateVersionError:
            pass
    return recompute(conn, jobid, owner)


def recompute(conn: Connection, jobid: JobId, owner: str) -> JobState:
    """The state of a job from its events alone; what only other jobs know of it is taken from them."""
    told = read_events(conn, jobid.unique)
    above = conn.execute(
        select(jobs.c.dg_jobid).join(states, states.c.parent_job == jobs.c.jobid).where(states.c.jobid == jobid.unique)
    ).scalar_one_or_none()
    birth = None if above is None else birth_of_subjobs(conn, JobId.parse(above).unique)
    job = _from_events(jobid, owner, told, birth)
    if job.status.owner is None:
        job = job.show(owner=owner)
    if above is not None and job.status.parent_job is None:
        job = job.show(parent_job=above)
    return _count_children(conn, job, jobid, owner) if job.status.children_num else job


def _from_events(jobid: JobId, owner: str, told: Sequence[Event], birth: Event | None) -> JobState:
    """The state of a job that other jobs do not matter to but for its birth, if it was not registered for itself."""
    if birth is not None and (not told or told[0].name != REGISTRATION):
        parent = machine.recompute([birth], owner).status
        return machine.run(machine.new_subjob(jobid, parent, birth.timestamp), in_order(told))
    return machine.recompute(told, owner) if told else machine.new_status(jobid, owner)


def birth_of_subjobs(conn: Connection, key: str) -> Event | None:
    """The registration that made a job a parent, None when there is none."""
    rows = conn.execute(
        select(events_flesh.c.ulm)
        .join(events, (events.c.jobid == events_flesh.c.jobid) & (events.c.event == events_flesh.c.event))
        .where(events.c.jobid == key, events.c.code == EVENTS[REGISTRATION].code).order_by(events.c.event)
    )
    return next((event for event in map(ulm.parse, rows.scalars()) if has_subjobs(event)), None)


def _count_children(conn: Connection, parent: JobState, jobid: JobId, owner: str) -> JobState:
    """The parent with its histogram: those that will be asked what they were before they change must count as that."""
    rows = conn.execute(
        select(states.c.jobid, states.c.int_status, jobs.c.userid).join(jobs, jobs.c.jobid == states.c.jobid)
        .where(states.c.parent_job == jobid.unique)
    ).all()
    owners = subjects(conn, {row.userid for row in rows})
    mine = {row.jobid: row.int_status for row in rows if same_person(owners[row.userid], owner)}
    histogram = list(with_slot(ZEROS, parents.REST, parent.status.children_num))
    for status in _statuses(conn, mine, owner, birth_of_subjobs(conn, jobid.unique)):
        histogram[parents.REST] -= 1
        histogram[parents.class_of(status)] += 1
    return parent.show(children_hist=histogram)


def _statuses(conn: Connection, stored: Mapping[str, bytes], owner: str, birth: Event | None) -> Iterator[Status]:
    """The statuses of subjobs by their stored states, those of other rules computed anew; none without events."""
    outdated = []
    for key, state in stored.items():
        try:
            yield JobState.load(state.decode("latin-1")).status
        except StateVersionError:
            outdated.append(key)
    for start in range(0, len(outdated), CHUNK):
        rows = conn.execute(
            select(events_flesh.c.jobid, events_flesh.c.ulm)
            .where(events_flesh.c.jobid.in_(outdated[start : start + CHUNK]))
            .order_by(events_flesh.c.jobid, events_flesh.c.event)
        ).all()
        for _, found in groupby(rows, key=itemgetter(0)):
            told = [ulm.parse(row.ulm) for row in found]
            yield _from_events(told[0].jobid, owner, told, birth).status


def read_events(conn: Connection, key: str) -> list[Event]:
    """The events of a job in the order of their arrival."""
    return [ulm.parse(line) for line in read_lines(conn, key)]


def read_lines(conn: Connection, key: str) -> list[bytes]:
    """The event lines of a job in the order of their arrival."""
    rows = conn.execute(select(events_flesh.c.ulm).where(events_flesh.c.jobid == key).order_by(events_flesh.c.event))
    return list(rows.scalars())


# ---- writing --------------------------------------------------------------------------------------------------------


def save(conn: Connection, records: Sequence[Record]) -> None:
    """Write what has changed of the jobs."""
    new = [record for record in records if record.new]
    if new:
        _save_owners(conn, new)
        conn.execute(insert(jobs), [_job_row(record) for record in new])
        conn.execute(insert(states), [_state_row(record) for record in new])
    old = [record for record in records if record.changed and not record.new]
    if old:
        conn.execute(_UPDATE_STATE, [{"key": record.key, **_state_row(record)} for record in old])
    tagged = [record for record in records if record.tags]
    if tagged:
        _save_tags(conn, tagged)


def _save_owners(conn: Connection, records: Sequence[Record]) -> None:
    owners = sorted({record.owner for record in records})
    sql.insert_new(conn, users, [{"userid": schema.userid(dn), "cert_subj": ulm.encode(dn)} for dn in owners])


def _save_tags(conn: Connection, records: Sequence[Record]) -> None:
    rows = {
        (job.key, indexed(name)): {"jobid": job.key, "name": indexed(name), "seq": number, "value": indexed(value)}
        for job in records for name, (number, value) in job.tags.items()
    }
    conn.execute(_DELETE_TAG, [{"key": key, "tag": name} for key, name in rows])
    conn.execute(insert(status_tags), list(rows.values()))


def _job_row(record: Record) -> dict[str, Any]:
    return {"jobid": record.key, "dg_jobid": str(record.jobid), "userid": schema.userid(record.owner)}


def _state_row(record: Record) -> dict[str, Any]:
    status = record.state.status
    parent = record.parent
    return {
        "jobid": record.key,
        "status": STATE_CODES[status.state],
        "seq": record.nevents,
        "int_status": record.state.dump().encode("ascii"),
        "version": VERSION,
        "parent_job": None if parent is None or not is_key(parent.unique) else parent.unique,
        "payload_userid": None if status.payload_owner is None else schema.userid(status.payload_owner),
        "STD_destination": indexed(status.destination),
        "STD_location": indexed(status.location),
        "STD_network_server": indexed(status.network_server),
        "STD_stateEnterTime": status.stateEnterTime[0] if status.stateEnterTime else 0,
        "STD_lastUpdateTime": status.lastUpdateTime[0] if status.lastUpdateTime else 0,
    }


_UPDATE_STATE: Final = (
    update(states).where(states.c.jobid == bindparam("key"))
    .values({column.name: bindparam(column.name) for column in states.columns if column.name != "jobid"})
)
_DELETE_TAG: Final = delete(status_tags).where(
    status_tags.c.jobid == bindparam("key"), status_tags.c.name == bindparam("tag")
)
