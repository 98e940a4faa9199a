"""Feeding index servers: history runs and the outbox, told in UpdateJobs calls (jp.md 2.10).

Each feed is served by one thread at a time, so what an index server hears of a job comes in order. A record counts as
delivered when the index server has confirmed it; until then it is repeated, more and more slowly, as long as the feed
lives. An index server may therefore hear the same twice, never nothing.

* History: all jobs in the order of their keys, 200 records per call; the last call says `feedDone`, also when there is
  nothing else to say. How far it came is stored with each confirmed call.
* Changes: a job that the feed has not heard of is told in full once it meets the conditions; of a known one only what
  is new.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from sqlalchemy import Connection, Engine

import sql
from jpps import backlog, feeds, jobs
from jpps.attributes import OWNER, Origin, Value
from jpps.backlog import Pending, Snapshot
from jpps.collect import METADATA, JobView, Sources
from jpps.conditions import Operator
from jpps.feeds import Feed
from jpps.jobs import Job

log = logging.getLogger(__name__)

#: Records in one UpdateJobs (jp.md 2.10).
BATCH = 200
#: A call is closed when its values reach this many bytes: peers limit what they read (guarded.xml: 32 MB).
MAX_CALL_BYTES = 8 * 1024 * 1024
#: So many refusals and no success: the index server is in trouble, not the records.
_MAX_REFUSALS = 5


@dataclass(frozen=True, slots=True)
class Record:
    """What one UpdateJobs says of one job."""

    job: Job
    values: tuple[Value, ...]

    @property
    def weight(self) -> int:
        """Return about how many bytes the values are."""
        return sum(len(value.name) + len(value.content) for value in self.values)


class Unreachable(Exception):
    """The index server did not answer."""


class Refused(Exception):
    """The index server answered with a fault."""


class Sender(Protocol):
    """Makes the call UpdateJobs."""

    def send(self, destination: str, feedid: str, records: Sequence[Record], done: bool) -> None:
        """Return when the index server has confirmed. Raises Unreachable, Refused."""
        ...


@dataclass(frozen=True, slots=True)
class _Item:
    """A job to be told, and the outbox rows that are settled with it."""

    record: Record
    pending: list[Pending]


class FeedRun:
    """The work on feeds, one call at a time."""

    def __init__(self, engine: Engine, sources: Sources, sender: Sender, ttl_s: float) -> None:
        self._engine = engine
        self._sources = sources
        self._sender = sender
        self._ttl_s = ttl_s

    def step(self, feedid: str, *, healthy: bool = True) -> bool:
        """Make one call for the feed; False when there is nothing to do for now. Raises Unreachable, Refused.

        `healthy`: the last call did not fail. A long history run then keeps the feed alive until it makes a call.
        """
        now = datetime.now(UTC)
        with sql.read(self._engine) as conn:
            feed = feeds.get(conn, feedid, now)
        if feed is None:
            return False
        return self._history(feed, healthy) if feed.history else self._changes(feed, now)

    def _history(self, feed: Feed, healthy: bool) -> bool:
        items, more = next(_calls(self._matching(feed, healthy)), ([], False))
        done = not more
        self._tell(feed, items, done)
        last = items[-1].record.job.key if items else feed.history_after

        def store(conn: Connection) -> None:
            backlog.history_came_to(conn, feed.id, last, done)
            # An index server that takes its history is alive: it shall not lose the feed because that takes long.
            feeds.prolong(conn, feed.id, feeds.expiry(self._ttl_s))

        sql.transact(self._engine, store)
        return True

    def _matching(self, feed: Feed, healthy: bool) -> Iterator[_Item]:
        """Yield the jobs, from where the feed has come to, that it wants and has not heard of."""
        after, owner = feed.history_after, _owner(feed)
        while True:
            with sql.read(self._engine) as conn:
                batch = jobs.after(conn, after, owner, BATCH)
                snapshot = backlog.snapshot(conn, feed.id, [job.key for job in batch])
            if not batch:
                return
            for job in batch:
                if job.key not in snapshot.fed and (record := self._full(feed, job, snapshot, whole_seconds=True)):
                    yield _Item(record, snapshot.pending.get(job.key, []))
            after = batch[-1].key
            if healthy:
                sql.transact(self._engine, lambda conn: feeds.prolong(conn, feed.id, feeds.expiry(self._ttl_s / 2)))

    def _changes(self, feed: Feed, now: datetime) -> bool:
        with sql.read(self._engine) as conn:
            keys = backlog.due(conn, feed.id, now, BATCH)
            known = jobs.by_keys(conn, keys)
            snapshot = backlog.snapshot(conn, feed.id, keys)
        items, silent = [], []
        for key in keys:
            pending = snapshot.pending[key]
            record = self._record(feed, known[key], snapshot) if key in known else None
            if record is None:
                silent += pending
            else:
                items.append(_Item(record, pending))
        if silent:
            sql.transact(self._engine, lambda conn: backlog.settle(conn, feed.id, silent, ()))
        for call, _ in _calls(items):
            self._tell(feed, call, False)
        return bool(keys)

    def _record(self, feed: Feed, job: Job, snapshot: Snapshot) -> Record | None:
        if job.key not in snapshot.fed:
            return self._full(feed, job, snapshot)
        values = _news(feed, self._view(job, snapshot), snapshot.pending[job.key])
        return Record(job, tuple(values)) if values else None

    def _full(self, feed: Feed, job: Job, snapshot: Snapshot, *, whole_seconds: bool = False) -> Record | None:
        """Return all that the feed wants of the job; None when it does not match or has none of it."""
        view = self._view(job, snapshot)
        # What needs no file comes first: most jobs are told apart by owner and time.
        conditions = sorted(feed.subscription.conditions, key=lambda condition: condition.attr not in METADATA)
        if not all(condition.holds(view.values(condition.attr)) for condition in conditions):
            return None
        wanted = dict.fromkeys(feed.subscription.attributes)
        values = [value for name in wanted for value in view.values(name, whole_seconds=whole_seconds)]
        return Record(job, tuple(values)) if values else None

    def _view(self, job: Job, snapshot: Snapshot) -> JobView:
        return self._sources.view(job, snapshot.files[job.key])

    def _tell(self, feed: Feed, items: Sequence[_Item], done: bool) -> None:
        """Send the records in one call; when it is refused, find out which of them are to blame."""
        try:
            self._send(feed, items, done)
        except Refused as refusal:
            if not items:
                raise
            refused = list(items) if len(items) == 1 else self._tell_singly(feed, items)
            log.warning("feed %s: %s; %d of %d records are put off", feed.id, refusal, len(refused), len(items))
            sql.transact(self._engine, lambda conn: _put_off(conn, feed, refused))
            if done:
                self._send(feed, (), done)

    def _tell_singly(self, feed: Feed, items: Sequence[_Item]) -> list[_Item]:
        """Send the records one by one; return those that were refused. Raises Refused when it is not the records."""
        refused: list[_Item] = []
        for number, item in enumerate(items, 1):
            try:
                self._send(feed, (item,), False)
            except Refused:
                refused.append(item)
                if len(refused) == number >= min(_MAX_REFUSALS, len(items)):
                    raise
        return refused

    def _send(self, feed: Feed, items: Sequence[_Item], done: bool) -> None:
        self._sender.send(feed.subscription.destination, feed.id, [item.record for item in items], done)
        pending = [row for item in items for row in item.pending]
        fed = [item.record.job.key for item in items]
        sql.transact(self._engine, lambda conn: backlog.settle(conn, feed.id, pending, fed))


def _calls(items: Iterable[_Item]) -> Iterator[tuple[list[_Item], bool]]:
    """Split items into calls; with each, whether it is full, so that there may be more."""
    call: list[_Item] = []
    weight = 0
    for item in items:
        call.append(item)
        weight += item.record.weight
        if len(call) >= BATCH or weight >= MAX_CALL_BYTES:
            yield call, True
            call, weight = [], 0
    if call:
        yield call, False


def _put_off(conn: Connection, feed: Feed, items: Sequence[_Item]) -> None:
    for item in items:
        backlog.put_off(conn, feed.id, item.record.job.key, item.pending, datetime.now(UTC))


def _owner(feed: Feed) -> str | None:
    """Return the DN that owns every job the feed can want, if its conditions say so."""
    for condition in feed.subscription.conditions:
        by_storage = condition.origin in (None, Origin.SYSTEM)
        if condition.attr == OWNER and condition.op is Operator.EQUAL and by_storage:
            return condition.value if isinstance(condition.value, str) else None
    return None


def _news(feed: Feed, view: JobView, pending: Sequence[Pending]) -> list[Value]:
    """Return what is new of a known job, as far as the feed asked for it."""
    wanted = dict.fromkeys(feed.subscription.attributes)
    values = [value for row in pending for value in row.change.values if value.name in wanted]
    filenames = {row.change.filename for row in pending if row.change.filename is not None}
    if filenames:
        values += [value for name in wanted for value in view.filed(name, filenames)]
    return values
