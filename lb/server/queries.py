"""Questions about jobs and events, answered from the tables (lb.md 4.4, 4.7, 8.3, 11.2).

The database finds candidates by what it has indexed, a superset of the answer; whether a candidate really is one is
decided on its status. Jobs that the caller may not read are passed over: when nothing else was found, the answer is
EPERM. Zombies are found only by their id.
"""

import errno
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Connection, Engine, Row, Select, and_, or_, select, true

import sql
from gsi.peer import Peer
from lb.model import ulm
from lb.model.events import Event
from lb.model.jobid import JobId
from lb.model.jobstate import JobState
from lb.model.people import same_person
from lb.model.rules.store import MAX_DEPTH
from lb.model.status import Status
from lb.model.view import Flag, view
from lb.server import schema, zombies
from lb.server.authority import Authority
from lb.server.conditions import Comparison, Group, event_matches, job_matches
from lb.server.errors import NOINDEX, LbError, not_allowed
from lb.server.record import CHUNK, decode
from lb.server.schema import events, events_flesh, indexed, jobs, states, users

#: Attributes of which some condition must name one: the database has an index on them (lb.md 4.4, 12.3).
INDEXED: Final = ("JOBID", "OWNER", "LOCATION", "DESTINATION", "PARENT", "LASTUPDATETIME")
#: Comparisons of one query: what databases take (SQLite: expressions 1,000 deep, 32,766 values).
MOST_EQUAL: Final = 30_000
MOST_OTHERS: Final = 300
#: Jobs whose statuses are read at once while an answer is being sent.
_PIECE: Final = 100


@dataclass(frozen=True, slots=True)
class Limits:
    """Most jobs or events of one answer, 0: no limit (option -L)."""

    jobs: int = 0
    events: int = 0


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks. `all`: he may read every job; `names`: all DNs of his."""

    peer: Peer | None
    all: bool
    names: tuple[str, ...]

    def may_read(self, row: Row[Any]) -> bool:
        """Owner, payload owner, or one who may read everything (lb.md 11.2)."""
        if self.all:
            return True
        if self.peer is None:
            return False
        owner = ulm.decode(row.cert_subj)
        mine = any(same_person(owner, name) for name in self.names)
        return mine or row.payload_userid == schema.userid(self.peer.dn)


class Queries:
    """Answers for one process. server: is the id one of ours? (lb.server.admission.Admission.is_ours)"""

    def __init__(
        self, engine: Engine, authority: Authority, is_ours: Callable[[JobId], bool], limits: Limits = Limits()
    ) -> None:
        self._engine = engine
        self._authority = authority
        self._is_ours = is_ours
        self.limits = limits

    # ---- jobs -------------------------------------------------------------------------------------------------------

    def job_status(self, jobid: JobId, peer: Peer | None, flags: Flag) -> Status:
        """The status of one job. Raises LbError: EINVAL (not our id), ENOENT, EIDRM (purged), EPERM."""
        self._check_id(jobid)
        with sql.read(self._engine) as conn:
            row = conn.execute(_rows(jobs.c.jobid == jobid.unique, states.c.int_status)).one_or_none()
            if row is None:
                raise _unknown(conn, [jobid])
            if not self._asker(peer).may_read(row):
                raise not_allowed("not owner")
            return _shown(conn, _state(conn, row), flags)

    def find_jobs(self, groups: Sequence[Group], peer: Peer | None) -> list[JobId]:
        """The jobs that match and may be read, by id. Raises LbError; one job at least is in the list."""
        _check_size(groups)
        self._check_ids(groups)
        _check_index(groups)
        with sql.read(self._engine) as conn:
            found, hidden = self._scan(conn, groups, peer)
            if not found:
                raise not_allowed("not owner") if hidden else _nothing(conn, groups)
        if self.limits.jobs and len(found) > self.limits.jobs:
            raise LbError(errno.E2BIG, f"more than {self.limits.jobs} jobs match")
        return found

    def statuses(self, jobids: Sequence[JobId], flags: Flag) -> Iterator[Status]:
        """The statuses of jobs, in order, a piece at a time; a job that was purged meanwhile is Purged."""
        for start in range(0, len(jobids), _PIECE):
            with sql.read(self._engine) as conn:
                piece = _statuses(conn, jobids[start : start + _PIECE], flags)
            yield from piece

    def _scan(self, conn: Connection, groups: Sequence[Group], peer: Peer | None) -> tuple[list[JobId], bool]:
        asker = self._asker(peer)
        exact = all(group.attribute in _EXACT for group in groups)
        found, hidden = [], False
        for row in conn.execute(_candidates(groups, with_state=not exact)):
            if not exact and not job_matches(_state(conn, row).status, groups):
                continue
            if asker.may_read(row):
                found.append(JobId.parse(row.dg_jobid))
            else:
                hidden = True
        return found, hidden

    def _check_ids(self, groups: Sequence[Group]) -> None:
        for group in groups:
            if group.attribute in ("JOBID", "PARENT"):
                for comparison in group.comparisons:
                    self._check_id(JobId.parse(str(comparison.value)))

    def _check_id(self, jobid: JobId) -> None:
        if not self._is_ours(jobid):
            raise LbError(errno.EINVAL, f"{jobid} does not match the address of this server")

    def _asker(self, peer: Peer | None) -> Asker:
        names = () if peer is None else self.identities(peer.dn)
        return Asker(peer, self._authority.may_read_all(peer), names)

    def identities(self, dn: str) -> tuple[str, ...]:
        """All names of one person, as far as this server knows."""
        return self._authority.identities(dn)

    # ---- events -----------------------------------------------------------------------------------------------------

    def find_events(
        self, job_groups: Sequence[Group], event_groups: Sequence[Group], peer: Peer | None
    ) -> Iterator[Event]:
        """The events that match, of jobs that may be read, by job, then by arrival.

        Raises LbError before the first event, ENOENT when there is none. There is no word of zombies here (lb.md 8.3).
        """
        _check_size([*job_groups, *event_groups])
        self._check_ids(job_groups)
        timed = [group for group in event_groups if group.attribute == "TIME"]
        if not timed:
            _check_index(job_groups)
        with sql.read(self._engine) as conn:
            if job_groups:
                found, hidden = self._scan(conn, job_groups, peer)
            else:
                found, hidden = self._scan_events(conn, timed, peer)
        matching = self._matching(found, event_groups)
        first = next(matching, None)
        if first is None:
            nothing = LbError(errno.ENOENT, "no matching events found")
            raise not_allowed("not owner") if hidden and not found else nothing
        return self._limited(first, matching)

    def _limited(self, first: Event, rest: Iterator[Event]) -> Iterator[Event]:
        if not self.limits.events:
            return _chain(first, rest)
        collected = [first]
        for event in rest:
            if len(collected) == self.limits.events:
                raise LbError(errno.E2BIG, f"more than {self.limits.events} events match")
            collected.append(event)
        return iter(collected)

    def _matching(self, jobids: Sequence[JobId], groups: Sequence[Group]) -> Iterator[Event]:
        for jobid in jobids:
            with sql.read(self._engine) as conn:
                found = [event for event in _events(conn, jobid) if event_matches(event, groups)]
            yield from found

    def _scan_events(
        self, conn: Connection, timed: Sequence[Group], peer: Peer | None
    ) -> tuple[list[JobId], bool]:
        within = and_(*(or_(*_clauses(group)) for group in timed))
        keys = list(conn.execute(select(events.c.jobid).where(within).distinct().order_by(events.c.jobid)).scalars())
        asker = self._asker(peer)
        found, hidden = [], False
        for start in range(0, len(keys), CHUNK):
            for row in conn.execute(_rows(jobs.c.jobid.in_(keys[start : start + CHUNK]))):
                if asker.may_read(row):
                    found.append(JobId.parse(row.dg_jobid))
                else:
                    hidden = True
        return found, hidden


def _chain(first: Event, rest: Iterator[Event]) -> Iterator[Event]:
    yield first
    yield from rest


# ---- reading --------------------------------------------------------------------------------------------------------


def _candidates(groups: Sequence[Group], *, with_state: bool) -> Select[Any]:
    wanted = [
        or_(*_clauses(group)) for group in groups if group.attribute in _SQL
    ]
    return _rows(and_(true(), *wanted), *([states.c.int_status] if with_state else []))


def _rows(where: ColumnElement[bool], *more: ColumnElement[Any]) -> Select[Any]:
    """Jobs with their owners, by id."""
    return (
        select(jobs.c.jobid, jobs.c.dg_jobid, users.c.cert_subj, states.c.payload_userid, *more)
        .join(states, states.c.jobid == jobs.c.jobid).join(users, users.c.userid == jobs.c.userid)
        .where(where).order_by(jobs.c.jobid)
    )


def _state(conn: Connection, row: Row[Any]) -> JobState:
    return decode(conn, JobId.parse(row.dg_jobid), ulm.decode(row.cert_subj), row.int_status)


def _statuses(conn: Connection, jobids: Sequence[JobId], flags: Flag) -> list[Status]:
    """What a query with these flags shows of the jobs."""
    wanted = jobs.c.jobid.in_([jobid.unique for jobid in jobids])
    found = {row.jobid: row for row in conn.execute(_rows(wanted, states.c.int_status))}
    return [
        _shown(conn, _state(conn, found[jobid.unique]), flags) if jobid.unique in found
        else Status(state="Purged", jobId=str(jobid))
        for jobid in jobids
    ]


def _shown(conn: Connection, job: JobState, flags: Flag, depth: int = 0) -> Status:
    """Subjobs are those of the same owner: others may have named the job as a parent before it was registered."""
    status = job.status
    wants_children = flags & (Flag.CHILDREN | Flag.CHILDSTAT | Flag.CHILDHIST_THOROUGH)
    if not status.children_num or not wants_children or depth > MAX_DEPTH:
        return view(status, flags)
    wants_states = flags & (Flag.CHILDSTAT | Flag.CHILDHIST_THOROUGH)
    named = states.c.parent_job == JobId.parse(status.jobId or "").unique
    mine = and_(named, jobs.c.userid == schema.userid(status.owner or ""))
    children = conn.execute(_rows(mine, *([states.c.int_status] if wants_states else []))).all()
    below = [_shown(conn, _state(conn, row), flags, depth + 1) for row in children] if wants_states else []
    return view(status, flags, [row.dg_jobid for row in children], below)


def _events(conn: Connection, jobid: JobId) -> Iterator[Event]:
    rows = conn.execute(
        select(events.c.arrived, events_flesh.c.ulm)
        .join(events_flesh, and_(events_flesh.c.jobid == events.c.jobid, events_flesh.c.event == events.c.event))
        .where(events.c.jobid == jobid.unique).order_by(events.c.event)
    )
    return (replace(ulm.parse(row.ulm), arrived=(row.arrived, 0)) for row in rows)


# ---- conditions in SQL ----------------------------------------------------------------------------------------------

def _clauses(group: Group) -> Iterator[ColumnElement[bool]]:
    """The comparisons, all that ask for equality as one: thousands of job ids may be asked for at once."""
    column, form = (events.c.time_stamp, int) if group.attribute == "TIME" else _EQUAL[group.attribute]
    equal = [form(one.value) for one in group.comparisons if one.op == "EQUAL"]
    if equal:
        yield column.in_(equal)
    for one in group.comparisons:
        if one.op != "EQUAL":
            yield _sql_number(column, one) if group.attribute == "TIME" else _SQL[group.attribute](one)


_OPERATORS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "EQUAL": operator.eq, "UNEQUAL": operator.ne, "LESS": operator.lt, "GREATER": operator.gt,
}


def _sql_number(column: Column[Any], comparison: Comparison) -> ColumnElement[bool]:
    if comparison.op == "WITHIN":
        return column.between(comparison.value, comparison.upper)
    return _compare(column, comparison.op, comparison.value)


def _compare(column: Column[Any], op: str, value: Any) -> ColumnElement[bool]:
    compared: ColumnElement[bool] = _OPERATORS[op](column, value)
    return compared


def _sql_id(column: Column[Any], comparison: Comparison) -> ColumnElement[bool]:
    unique = JobId.parse(str(comparison.value)).unique
    if comparison.op == "UNEQUAL":
        return or_(column != unique, column.is_(None))
    return _compare(column, comparison.op, unique)


def _sql_owner(comparison: Comparison) -> ColumnElement[bool]:
    return _compare(jobs.c.userid, comparison.op, schema.userid(str(comparison.value)))


def _sql_text(_comparison: Comparison) -> ColumnElement[bool]:
    """The column may hold only the beginning of the text: what is unequal there may be anything."""
    return true()


_SQL: Final[Mapping[str, Callable[[Comparison], ColumnElement[bool]]]] = {
    "JOBID": lambda comparison: _sql_id(jobs.c.jobid, comparison),
    "PARENT": lambda comparison: _sql_id(states.c.parent_job, comparison),
    "OWNER": _sql_owner,
    "STATUS": lambda comparison: _sql_number(states.c.status, comparison),
    "LOCATION": _sql_text,
    "DESTINATION": _sql_text,
    "NETWORKSERVER": _sql_text,
    "STATEENTERTIME": lambda comparison: _sql_number(states.c.STD_stateEnterTime, comparison),
    "LASTUPDATETIME": lambda comparison: _sql_number(states.c.STD_lastUpdateTime, comparison),
}
#: The column of an attribute, and a value as it stands there.
_EQUAL: Final[Mapping[str, tuple[Column[Any], Callable[[Any], Any]]]] = {
    "JOBID": (jobs.c.jobid, lambda value: JobId.parse(str(value)).unique),
    "PARENT": (states.c.parent_job, lambda value: JobId.parse(str(value)).unique),
    "OWNER": (jobs.c.userid, lambda value: schema.userid(str(value))),
    "STATUS": (states.c.status, int),
    "LOCATION": (states.c.STD_location, lambda value: indexed(str(value))),
    "DESTINATION": (states.c.STD_destination, lambda value: indexed(str(value))),
    "NETWORKSERVER": (states.c.STD_network_server, lambda value: indexed(str(value))),
    "STATEENTERTIME": (states.c.STD_stateEnterTime, int),
    "LASTUPDATETIME": (states.c.STD_lastUpdateTime, int),
}
#: Attributes whose SQL says it all: candidates need no second look.
_EXACT: Final = frozenset({"JOBID", "PARENT", "OWNER", "STATUS", "LASTUPDATETIME"})


def _check_size(groups: Sequence[Group]) -> None:
    equal = sum(one.op == "EQUAL" for group in groups for one in group.comparisons)
    others = sum(len(group.comparisons) for group in groups) - equal
    if equal > MOST_EQUAL or others > MOST_OTHERS or len(groups) > MOST_OTHERS:
        raise LbError(errno.E2BIG, f"a query may have {MOST_OTHERS} conditions, {MOST_EQUAL} comparisons with EQUAL "
                                   f"and {MOST_OTHERS} others; ask in several queries")


def _check_index(groups: Sequence[Group]) -> None:
    if not any(group.attribute in INDEXED for group in groups):
        raise LbError(NOINDEX, "No indexed condition in query")


def _nothing(conn: Connection, groups: Sequence[Group]) -> LbError:
    """Nothing matches. Zombies count only when every condition is about the id (lb.md 4.4)."""
    wanted = [comparison for group in groups if group.attribute == "JOBID" for comparison in group.comparisons]
    by_id = all(group.attribute == "JOBID" for group in groups)
    named = [JobId.parse(str(comparison.value)) for comparison in wanted if comparison.op == "EQUAL"]
    return _unknown(conn, named if by_id else [])


def _unknown(conn: Connection, jobids: Sequence[JobId]) -> LbError:
    """Purged, or never heard of (lb.md 8.3)."""
    if zombies.among(conn, jobids):
        return LbError(errno.EIDRM, "matching job already purged")
    return LbError(errno.ENOENT, "no matching jobs found")
