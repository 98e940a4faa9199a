"""The answer of QueryJobs, in pieces: memory does not grow with the number of jobs, nor is the database held.

The numbers of the matching jobs are read in pages, the jobs and their values in chunks, each in a short transaction of
its own: a client that reads slowly holds no connection and no snapshot. A job that arrives or leaves meanwhile is in
the answer or not; what is told of one job is always of one moment.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, Engine, Table, select

import sql
from jpis.errors import DamagedIndex
from jpis.query import Query
from jpis.schema import Schema, jobs, users
from jpis.values import Value, ValueEncodingError, from_full

#: Numbers of jobs held at once (about 2 MB).
NUMBERS_PER_PAGE = 50_000
#: Jobs held at once with all their values.
JOBS_PER_CHUNK = 200


class Job(NamedTuple):
    """One job of the answer."""

    jobid: str
    owner: str
    primary_storage: str
    values: list[tuple[str, Value]]
    """(name as requested, value), in the order of the request; of one attribute the oldest first."""


def answer(engine: Engine, schema: Schema, query: Query) -> Iterator[Job]:
    """Return the jobs that match, in the order in which they came. The search has begun when this function returns.

    The iterator raises DamagedIndex.
    """
    first = _page(engine, query, 0)
    return _jobs(engine, schema, query, first)


def _jobs(engine: Engine, schema: Schema, query: Query, numbers: list[int]) -> Iterator[Job]:
    while numbers:
        for start in range(0, len(numbers), JOBS_PER_CHUNK):
            with sql.read(engine) as conn:
                chunk = _chunk(conn, schema, query, numbers[start : start + JOBS_PER_CHUNK])
            yield from chunk
        numbers = _page(engine, query, numbers[-1]) if len(numbers) == NUMBERS_PER_PAGE else []


def _page(engine: Engine, query: Query, after: int) -> list[int]:
    with sql.read(engine) as conn:
        return query.numbers(conn, after, NUMBERS_PER_PAGE)


def _chunk(conn: Connection, schema: Schema, query: Query, numbers: Sequence[int]) -> Iterator[Job]:
    """Read the jobs now; decode the values of each when it is its turn, so that few objects live at once."""
    stored = {
        identity: _stored(conn, schema.values[identity], numbers)
        for identity in dict.fromkeys(identity for _, identity in query.requested if identity is not None)
    }
    parts = [(name, stored[identity]) for name, identity in query.requested if identity is not None]
    rows = conn.execute(
        select(jobs.c.number, jobs.c.dg_jobid, users.c.cert_subj, jobs.c.ps)
        .join(users, users.c.userid == jobs.c.ownerid)
        .where(jobs.c.number.in_(numbers))
        .order_by(jobs.c.number)
    ).all()
    return (
        Job(dg_jobid.decode(), owner.decode(), ps, _values(parts, number)) for number, dg_jobid, owner, ps in rows
    )


def _stored(conn: Connection, table: Table, numbers: Sequence[int]) -> dict[int, list[bytes]]:
    """Return job number → full values of one attribute.

    The statement is made by hand: SQLAlchemy takes longer for so long a list than the database for the answer.
    """
    mark = "?" if conn.dialect.paramstyle == "qmark" else "%s"
    statement = f"SELECT job, full_value FROM {table.name} WHERE job IN ({','.join([mark] * len(numbers))})"
    found: dict[int, list[bytes]] = {}
    for number, full in conn.exec_driver_sql(statement, tuple(numbers)).cursor.fetchall():
        found.setdefault(number, []).append(full)
    return found


def _values(parts: Sequence[tuple[str, dict[int, list[bytes]]]], number: int) -> list[tuple[str, Value]]:
    """Return the (name, value) pairs of one job."""
    found: list[tuple[str, Value]] = []
    try:
        for name, stored in parts:
            full_values = stored.get(number, ())
            if len(full_values) > 1:
                values = sorted(map(from_full, full_values), key=lambda value: value.epoch)
                found += [(name, value) for value in values]
            elif full_values:
                found.append((name, from_full(full_values[0])))
    except ValueEncodingError as error:
        raise DamagedIndex(str(error)) from error
    return found
