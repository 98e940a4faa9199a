"""Which jobs may be purged: families old enough, or asked for by name (lb.md 8.1).

A family is a job without a living parent and everything below it. It goes as a whole or not at all: by age only when
every member is old enough, and never a subjob alone.
"""

import errno
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from lb.model.jobid import JobId
from lb.model.status import STATES
from lb.server import zombies
from lb.server.errors import LbError
from lb.server.record import CHUNK
from lb.server.schema import jobs, states

SERVER_DEFAULT: Final = -1
NEVER: Final = -2
DAY_S: Final = 86400
#: Seconds since the last update after which a job of the state may go, when the request does not say (lb.md 8.1).
DEFAULT_AGES: Final[Mapping[str, int]] = {
    **dict.fromkeys(STATES, 31 * DAY_S), "Cleared": 3 * DAY_S, "Aborted": 7 * DAY_S, "Cancelled": 7 * DAY_S,
}


@dataclass(frozen=True, slots=True)
class Member:
    """A job that is to go, as it was when it was chosen; an event that comes later keeps the family."""

    jobid: JobId
    nevents: int

    @property
    def key(self) -> str:
        return self.jobid.unique


#: A job and all its subjobs, parents before children.
Family = tuple[Member, ...]


@dataclass
class Choice:
    """families: what may go; refused: why jobs that were asked for may not, by job id."""

    families: list[Family] = field(default_factory=list)
    refused: dict[str, LbError] = field(default_factory=dict)


def by_age(conn: Connection, ages: Mapping[str, int], now: int) -> Choice:
    """The families whose members are all older than the age of their state; `ages` in seconds, or the two specials."""
    limits = {
        code: now - (DEFAULT_AGES[name] if ages.get(name, SERVER_DEFAULT) == SERVER_DEFAULT else ages[name])
        for code, name in enumerate(STATES) if ages.get(name) != NEVER
    }
    if not limits:
        return Choice()
    rows = conn.execute(_members().where(states.c.STD_lastUpdateTime < max(limits.values()))).all()
    old = {row.jobid for row in rows if _is_old(row, limits)}
    with_parent = _with_parent(conn, rows)
    heads = [row for row in rows if row.jobid in old and row.jobid not in with_parent]
    return Choice([
        family for family in _families(conn, heads) if all(member.key in old for member in family)
    ])


def by_name(conn: Connection, jobids: Sequence[JobId]) -> Choice:
    """The families of the jobs asked for, whatever their age."""
    found: dict[str, Row[Any]] = {}
    keys = [jobid.unique for jobid in jobids]
    for chunk in _chunks(keys):
        found |= {row.jobid: row for row in conn.execute(_members().where(jobs.c.jobid.in_(chunk)))}
    choice = Choice()
    missing = [jobid for jobid in jobids if jobid.unique not in found]
    buried = zombies.among(conn, missing)
    for jobid in missing:
        choice.refused[str(jobid)] = (
            LbError(errno.EIDRM, "matching job already purged") if jobid in buried
            else LbError(errno.ENOENT, "no matching jobs found")
        )
    with_parent = _with_parent(conn, list(found.values()))
    heads = []
    for row in found.values():
        if row.jobid in with_parent:
            if row.parent_job not in found:
                choice.refused[row.dg_jobid] = LbError(errno.EINVAL, "a subjob is purged with its parent, not alone")
        else:
            heads.append(row)
    choice.families = list(_families(conn, heads))
    return choice


def _members() -> Any:
    return select(
        jobs.c.jobid, jobs.c.dg_jobid, jobs.c.userid, states.c.seq, states.c.parent_job, states.c.status,
        states.c.STD_lastUpdateTime,
    ).join(states, states.c.jobid == jobs.c.jobid)


def _is_old(row: Row[Any], limits: Mapping[int, int]) -> bool:
    return row.status in limits and row.STD_lastUpdateTime < limits[row.status]


def _with_parent(conn: Connection, rows: Sequence[Row[Any]]) -> set[str]:
    """Keys of the jobs whose parent lives here; a job whose parent does not, or is a stranger's, is on its own."""
    named = sorted({row.parent_job for row in rows if row.parent_job is not None})
    owners: dict[str, str] = {}
    for chunk in _chunks(named):
        found = conn.execute(select(jobs.c.jobid, jobs.c.userid).where(jobs.c.jobid.in_(chunk)))
        owners.update((key, userid) for key, userid in found)
    return {row.jobid for row in rows if owners.get(row.parent_job) == row.userid}


def _families(conn: Connection, heads: Sequence[Row[Any]]) -> Iterator[Family]:
    for head in heads:
        yield family_of(conn, _member(head))


def family_of(conn: Connection, head: Member) -> Family:
    """The job and everything below it, as it is now, all of the same owner.

    Somebody else may have named it as a parent before it was registered: his job neither keeps it nor goes with it.
    """
    owner = select(jobs.c.userid).where(jobs.c.jobid == head.key).scalar_subquery()
    family: dict[str, Member] = {head.key: head}
    generation = [head.key]
    while generation:
        below: list[str] = []
        for chunk in _chunks(generation):
            named = _members().where(states.c.parent_job.in_(chunk), jobs.c.userid == owner)
            for row in conn.execute(named.order_by(jobs.c.jobid)):
                if row.jobid not in family:
                    family[row.jobid] = _member(row)
                    below.append(row.jobid)
        generation = below
    return tuple(family.values())


def _member(row: Row[Any]) -> Member:
    return Member(JobId.parse(row.dg_jobid), row.seq)


def _chunks(keys: Sequence[str]) -> Iterable[Sequence[str]]:
    return (keys[start : start + CHUNK] for start in range(0, len(keys), CHUNK))
