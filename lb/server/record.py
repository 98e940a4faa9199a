"""One job as it stands in the tables, while a batch works on it; and how such records are read and written.

A batch reads the records of all its jobs at once, changes them in memory and writes everything at the end, table by
table: the number of statements does not grow with the number of events.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, insert, select, update

import sql
from lb.model import machine, ulm
from lb.model.events import Event
from lb.model.jobid import JobId
from lb.model.jobstate import VERSION, JobState, StateVersionError
from lb.model.rules import parents
from lb.model.status import STATE_CODES, ZEROS, with_slot
from lb.server import schema
from lb.server.schema import events_flesh, indexed, jobs, states, status_tags, users

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
        before = self.state.status.user_tags or {}
        if event.name not in machine.NOT_FED:
            self.state = machine.apply(self.state, event)
        if self.state.status.owner is None:
            self.state = self.state.show(owner=self.owner)
        tags = self.state.status.user_tags or {}
        if tags is not before:
            self.tags |= {name: (self.nevents, value) for name, value in tags.items() if before.get(name) != value}
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
    row = conn.execute(
        select(jobs.c.dg_jobid, jobs.c.userid).join(states, states.c.parent_job == jobs.c.jobid)
        .where(states.c.jobid == jobid.unique)
    ).one_or_none()
    if not told:
        return _subjob(conn, jobid, owner, JobId.parse(row.dg_jobid)) if row else machine.new_status(jobid, owner)
    job = machine.recompute(told, owner)
    if job.status.owner is None:
        job = job.show(owner=owner)
    if row is not None and job.status.parent_job is None:
        job = job.show(parent_job=row.dg_jobid)
    return _count_children(conn, job, jobid, owner) if job.status.children_num else job


def _subjob(conn: Connection, jobid: JobId, owner: str, parent: JobId) -> JobState:
    """A subjob without events: born again from its parent's registration."""
    registration = read_events(conn, parent.unique)
    status = machine.recompute(registration, owner).status
    return machine.new_subjob(jobid, status, registration[0].timestamp)


def _count_children(conn: Connection, parent: JobState, jobid: JobId, owner: str) -> JobState:
    stored = conn.execute(
        select(states.c.int_status).join(jobs, jobs.c.jobid == states.c.jobid)
        .where(states.c.parent_job == jobid.unique, jobs.c.userid == schema.userid(owner))
    ).scalars()
    parent = parent.show(children_hist=with_slot(ZEROS, parents.REST, parent.status.children_num))
    for state in stored:
        try:
            child = JobState.load(state.decode("latin-1"))
        except StateVersionError:  # not computed anew yet; it is counted when it changes
            continue
        parent = parents.moved(parent, parents.REST, parents.class_of(child.status))
    return parent


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
        "parent_job": None if parent is None else parent.unique,
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
