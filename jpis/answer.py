"""The answer of QueryJobs, in pieces: memory does not grow with the number of jobs, nor is the database held.

The keys of the matching jobs are read in pages, the jobs and their values in chunks, each in a short transaction of
its own: a client that reads slowly holds no connection and no snapshot. A job that arrives or leaves meanwhile is in
the answer or not; what is told of one job is always of one moment.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, Engine, select

import sql
from jpis.errors import DamagedIndex
from jpis.query import Query
from jpis.schema import Schema, jobs, users
from jpis.values import Value, ValueEncodingError, from_full

#: Job keys held at once (about 4 MB).
KEYS_PER_PAGE = 50_000
#: Jobs held at once with all their values.
JOBS_PER_CHUNK = 500


class Job(NamedTuple):
    """One job of the answer."""

    jobid: str
    owner: str
    primary_storage: str
    values: list[tuple[str, Value]]
    """(name as requested, value), in the order of the request; of one attribute the oldest first."""


def answer(engine: Engine, schema: Schema, query: Query) -> Iterator[Job]:
    """Return the jobs that match, in the order of their keys. The search has begun when this function returns.

    The iterator raises DamagedIndex.
    """
    first = _page(engine, query, "")
    return _jobs(engine, schema, query, first)


def _jobs(engine: Engine, schema: Schema, query: Query, keys: list[str]) -> Iterator[Job]:
    while keys:
        for start in range(0, len(keys), JOBS_PER_CHUNK):
            with sql.read(engine) as conn:
                chunk = _chunk(conn, schema, query, keys[start : start + JOBS_PER_CHUNK])
            yield from chunk
        keys = _page(engine, query, keys[-1]) if len(keys) == KEYS_PER_PAGE else []


def _page(engine: Engine, query: Query, after: str) -> list[str]:
    with sql.read(engine) as conn:
        return query.keys(conn, after, KEYS_PER_PAGE)


def _chunk(conn: Connection, schema: Schema, query: Query, keys: Sequence[str]) -> list[Job]:
    values: dict[str, dict[str, list[Value]]] = {
        identity: _values(conn, schema, identity, keys)
        for identity in dict.fromkeys(identity for _, identity in query.requested if identity is not None)
    }
    parts = [(name, values[identity]) for name, identity in query.requested if identity is not None]
    rows = conn.execute(
        select(jobs.c.jobid, jobs.c.dg_jobid, users.c.cert_subj, jobs.c.ps)
        .join(users, users.c.userid == jobs.c.ownerid)
        .where(jobs.c.jobid.in_(keys))
        .order_by(jobs.c.jobid)
    )
    return [
        Job(dg_jobid.decode(), owner.decode(), ps, [(name, v) for name, of in parts for v in of.get(key, ())])
        for key, dg_jobid, owner, ps in rows
    ]


def _values(conn: Connection, schema: Schema, identity: str, keys: Sequence[str]) -> dict[str, list[Value]]:
    """Return job key → values of one attribute."""
    table = schema.values[identity]
    found: dict[str, list[Value]] = {}
    try:
        rows = conn.execute(select(table.c.jobid, table.c.full_value).where(table.c.jobid.in_(keys))).all()
        for key, full in rows:
            found.setdefault(key, []).append(from_full(full))
    except ValueEncodingError as error:
        raise DamagedIndex(str(error)) from error
    for values in found.values():
        if len(values) > 1:
            values.sort(key=lambda value: value.epoch)
    return found
