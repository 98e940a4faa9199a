"""UpdateJobs: what a Primary Storage sends goes into the tables, once, however often it is sent (jp.md 3.5).

A row of a value is found by (job, digest). The digest covers type, time, origin, content and a running
number among equal values of the same record: a repeated call changes nothing, and a value that a record really holds
twice is kept twice.
"""

import hashlib
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from itertools import groupby
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Dialect, Engine, Insert, Table, delete, select
from sqlalchemy.dialects import mysql, sqlite

import sql
from jpis import feeds
from jpis.attributes import key_of
from jpis.errors import InvalidRequest, UnknownFeed
from jpis.schema import Schema, jobs, users
from jpis.values import ORIGIN_NUMBERS, Value, encode

log = logging.getLogger(__name__)
Key = TypeVar("Key", str, int)

#: Longest job id and DN in bytes: the columns jobs.dg_jobid and users.cert_subj.
JOBID_LIMIT = 255
DN_LIMIT = 1024
#: Keys in one SELECT or DELETE; SQLite allows 32,766 bound values.
_KEYS_PER_STATEMENT = 1000


class StringOrBlob(Protocol):
    """stringOrBlob of the contract."""

    string: str | None
    blob: bytes | None


class AttrValue(Protocol):
    """attrValue of the contract."""

    name: str | None
    value: StringOrBlob | None
    timestamp: datetime | None
    origin: str | None
    originDetail: str | None  # noqa: N815  the name on the wire


class JobRecord(Protocol):
    """jobRecord of the contract."""

    jobid: str | None
    owner: str | None
    attributes: Sequence[AttrValue]
    remove: bool | None


#: A row of the table of an attribute without its first column: digest, value, full_value, origin.
_StoredValue = tuple[bytes, bytes, bytes, int]


@dataclass
class _Job:
    """A record, checked and encoded."""

    key: str
    jobid: str
    owner: str
    remove: bool
    values: list[tuple[str, _StoredValue]] = field(default_factory=list)
    """(attribute id, value) for each value of a configured attribute."""


class Updater:
    """Writes the contents of UpdateJobs calls."""

    def __init__(self, engine: Engine, schema: Schema) -> None:
        self._engine = engine
        self._schema = schema
        self._ignored: set[str] = set()

    def update(self, feed_id: str, done: bool, records: Iterable[JobRecord]) -> None:
        """Store `records` of feed `feed_id` in one durable transaction; `done` marks its history as complete.

        Raises UnknownFeed, InvalidRequest: then nothing of the call is stored.
        """
        encoded = [self._encode(record) for record in records]
        sql.transact(self._engine, lambda conn: self._store(conn, feed_id, done, encoded))

    def load(self, records: Iterable[JobRecord], source: str) -> None:
        """Store `records` that come from no feed, in one durable transaction; `source` becomes their storage."""
        encoded = [self._encode(record) for record in records]
        sql.transact(self._engine, lambda conn: self._insert(conn, encoded, source))

    def _store(self, conn: Connection, feed_id: str, done: bool, encoded: Sequence[_Job]) -> None:
        feed = feeds.by_feed_id(conn, feed_id)
        if feed is None:
            raise UnknownFeed(f"no feed {feed_id!r} is known here")
        for remove, run in groupby(encoded, key=lambda job: job.remove):
            if remove:
                self._remove(conn, list(run))
            else:
                self._insert(conn, list(run), feed.source)
        if done and not feed.state & feeds.State.DONE:
            feeds.mark_done(conn, feed)

    def _insert(self, conn: Connection, run: Sequence[_Job], source: str) -> None:
        known = _number(conn, run, source)
        accepted = [(known[job.key][0], job) for job in run if self._same_owner(job, known[job.key][1])]
        for identity, rows in _by_attribute(accepted).items():
            # positions instead of names: SQLAlchemy takes as long for names as the database for the work
            conn.exec_driver_sql(_insert_text(self._schema.values[identity], conn.dialect), rows)

    def _remove(self, conn: Connection, run: Sequence[_Job]) -> None:
        """Forget jobs that left the feed. Users stay: other jobs may be theirs."""
        numbers = [number for number, _ in _known(conn, sorted({job.key for job in run})).values()]
        for batch in _batches(sorted(numbers)):
            for table in self._schema.values.values():
                conn.execute(delete(table).where(table.c.job.in_(batch)))
            conn.execute(delete(jobs).where(jobs.c.number.in_(batch)))

    @staticmethod
    def _same_owner(job: _Job, ownerid: str) -> bool:
        """A job belongs to one user. What another storage says about another user's job must not reach the first."""
        if key_of(job.owner) == ownerid:
            return True
        log.error("job %s is indexed with another owner: the values sent for %s are left out", job.jobid, job.owner)
        return False

    def _encode(self, record: JobRecord) -> _Job:
        jobid = _required(record.jobid, "jobid", JOBID_LIMIT)
        if record.remove:
            return _Job(key_of(jobid), jobid, record.owner or "", True)
        job = _Job(key_of(jobid), jobid, _required(record.owner, f"owner of job {jobid}", DN_LIMIT), False)
        seen: Counter[tuple[str, bytes]] = Counter()
        for attribute in record.attributes:
            configured = self._schema.configuration.find(attribute.name or "")
            if configured is None:
                self._note_ignored(attribute.name or "")
                continue
            job.values.append((configured.id, _stored(_value(attribute, jobid), seen, configured.id)))
        return job

    def _note_ignored(self, name: str) -> None:
        if name not in self._ignored and len(self._ignored) < 1000:
            self._ignored.add(name)
            log.info("attribute %s is not configured: its values are ignored", name)


def content_of(held: StringOrBlob | None) -> str | bytes | None:
    """Return the string or the bytes that a stringOrBlob holds, None when it holds nothing."""
    if held is None:
        return None
    return held.string if held.string is not None else held.blob


def _value(attribute: AttrValue, jobid: str) -> Value:
    content = content_of(attribute.value)
    if content is None:
        raise InvalidRequest(f"attribute {attribute.name} of job {jobid} has no value")
    # absent time: epoch 0, shown as unknown; absent origin: the first of the enumeration (jp.md 1.6)
    epoch = int(attribute.timestamp.timestamp()) if attribute.timestamp is not None else 0
    return Value(content, epoch, attribute.origin or "SYSTEM", attribute.originDetail)


def _stored(value: Value, seen: Counter[tuple[str, bytes]], identity: str) -> _StoredValue:
    index, full, same = encode(value)
    nth = seen[identity, same]
    seen[identity, same] = nth + 1
    digest = hashlib.md5(same if nth == 0 else b"%b\0%d" % (same, nth), usedforsecurity=False).digest()
    return digest, index, full, ORIGIN_NUMBERS[value.origin]


def _required(text: str | None, what: str, limit: int) -> str:
    if not text:
        raise InvalidRequest(f"{what} is missing")
    if len(text.encode()) > limit:
        raise InvalidRequest(f"{what} is longer than {limit} bytes")
    return text


def _number(conn: Connection, run: Sequence[_Job], source: str) -> dict[str, tuple[int, str]]:
    """Return job key → (number, owner key), for new jobs and for known ones, whoever was first to insert them."""
    by_key = {job.key: job for job in run}
    found = _known(conn, sorted(by_key))
    new = [by_key[key] for key in sorted(by_key.keys() - found.keys())]
    _insert_absent(conn, users, _user_rows(new))
    _insert_absent(
        conn,
        jobs,
        [
            {"jobid": job.key, "dg_jobid": job.jobid.encode(), "ownerid": key_of(job.owner), "ps": source}
            for job in new
        ],
    )
    return found | _known(conn, [job.key for job in new])


def _known(conn: Connection, keys: Sequence[str]) -> dict[str, tuple[int, str]]:
    """Return job key → (number, owner key) of indexed jobs."""
    found: dict[str, tuple[int, str]] = {}
    for batch in _batches(keys):
        rows = conn.execute(select(jobs.c.jobid, jobs.c.number, jobs.c.ownerid).where(jobs.c.jobid.in_(batch)))
        found.update({row.jobid: (row.number, row.ownerid) for row in rows})
    return found


def _user_rows(new: Sequence[_Job]) -> list[dict[str, Any]]:
    owners = {key_of(job.owner): job.owner for job in new}
    return [{"userid": key, "cert_subj": owner.encode()} for key, owner in sorted(owners.items())]


def _by_attribute(accepted: Sequence[tuple[int, _Job]]) -> dict[str, list[tuple[Any, ...]]]:
    """Sort the rows by table, and within it by key: writers that meet then wait instead of deadlocking."""
    tables: dict[str, list[tuple[Any, ...]]] = {}
    for number, job in accepted:
        for identity, value in job.values:
            tables.setdefault(identity, []).append((number, *value))
    for rows in tables.values():
        rows.sort()
    return dict(sorted(tables.items()))


def _insert_absent(conn: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    """Insert the rows whose key is not there. sql.insert_new counts, and costs more; here nobody asks how many."""
    if rows:
        conn.execute(_insert(table, conn.dialect), rows)


def _insert(table: Table, dialect: Dialect) -> Insert:
    if dialect.name == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    key = table.columns[0]
    return mysql.insert(table).on_duplicate_key_update({key.name: key})


@cache
def _insert_text(table: Table, dialect: Dialect) -> str:
    return str(_insert(table, dialect).compile(dialect=dialect))


def _batches(keys: Sequence[Key]) -> Iterator[Sequence[Key]]:
    for start in range(0, len(keys), _KEYS_PER_STATEMENT):
        yield keys[start : start + _KEYS_PER_STATEMENT]
