"""What is still to be delivered of a feed: the outbox, the jobs it knows, how far its history has come."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select, update

import sql
from jpps import files, schema
from jpps.feeds import Change
from jpps.files import FileRow

#: Outbox rows looked through for one call.
_ROWS = 1000
#: Pauses of a record that was refused, in seconds: doubled from the first to the last.
FIRST_PAUSE_S = 1.0
LAST_PAUSE_S = 60.0

_O = schema.outbox.c


@dataclass(frozen=True, slots=True)
class Pending:
    """One outbox row. `attempts`: how often it was refused."""

    id: int
    change: Change
    attempts: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Jobs as a feed sees them at one moment: committed files and outbox rows by job key, and who is known already."""

    files: dict[str, list[FileRow]]
    pending: dict[str, list[Pending]]
    fed: set[str]


def snapshot(conn: Connection, feedid: str, keys: Sequence[str]) -> Snapshot:
    """Return what the database knows of the jobs with those keys."""
    pending: dict[str, list[Pending]] = {}
    for row in conn.execute(select(schema.outbox).where(_O.feedid == feedid, _O.jobid.in_(keys)).order_by(_O.id)):
        pending.setdefault(row.jobid, []).append(Pending(row.id, Change.loads(row.change), row.attempts))
    known = schema.fed_jobs.c
    fed = set(conn.scalars(select(known.jobid).where(known.feedid == feedid, known.jobid.in_(keys))))
    return Snapshot(files.committed_of(conn, keys), pending, fed)


def due(conn: Connection, feedid: str, moment: datetime, limit: int) -> list[str]:
    """Return the keys of up to `limit` jobs with something to tell, longest waiting first.

    A job of which something was put off waits as a whole: what is told of it stays in order.
    """
    put_off_jobs = select(_O.jobid).where(_O.feedid == feedid, _O.not_before > moment)
    query = select(_O.jobid).where(_O.feedid == feedid, _O.jobid.not_in(put_off_jobs)).order_by(_O.id).limit(_ROWS)
    return list(dict.fromkeys(conn.scalars(query)))[:limit]


def settle(conn: Connection, feedid: str, pending: Iterable[Pending], fed: Collection[str]) -> None:
    """Delete what was delivered and remember the jobs that the feed knows from now on."""
    ids = [row.id for row in pending]
    conn.execute(delete(schema.outbox).where(_O.feedid == feedid, _O.id.in_(ids)))
    feed = select(schema.feeds.c.continuous).where(schema.feeds.c.feedid == feedid).with_for_update()
    if fed and conn.scalar(feed):  # not when it expired meanwhile: nobody would clean up
        sql.insert_new(conn, schema.fed_jobs, [{"feedid": feedid, "jobid": key} for key in fed])


def put_off(conn: Connection, feedid: str, key: str, pending: Sequence[Pending], moment: datetime) -> None:
    """Try the job again later, which is the longer away the more often it has been refused."""
    attempts = 1 + max((row.attempts for row in pending), default=0)
    pause = timedelta(seconds=min(FIRST_PAUSE_S * 2.0 ** min(attempts - 1, 10), LAST_PAUSE_S))
    values = {"attempts": attempts, "not_before": moment + pause}
    if pending:
        ids = [row.id for row in pending]
        conn.execute(update(schema.outbox).where(_O.feedid == feedid, _O.id.in_(ids)).values(**values))
    else:
        row = {"feedid": feedid, "jobid": key, "change": Change().dumps()}
        conn.execute(insert(schema.outbox).values(**row, **values))


def history_came_to(conn: Connection, feedid: str, key: str, done: bool) -> None:
    """Note the last job of the history run that was dealt with, or its end."""
    changed = {"history_after": key, "history": not done}
    conn.execute(update(schema.feeds).where(schema.feeds.c.feedid == feedid).values(**changed))
