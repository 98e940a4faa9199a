"""The table of feeds: what is asked from which Primary Storage, and under which id it is served (jp.md 3.3, 3.4)."""

import base64
import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntFlag
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, or_, select, update

from jpis.config import Condition, Configuration, Feed
from jpis.schema import feeds as table

log = logging.getLogger(__name__)

#: Longest feed id (jp.md 10, item 5).
FEED_ID_LIMIT = 32


class State(IntFlag):
    """Bits of column `state` (jp.md 3.3)."""

    HISTORY = 1
    CONTINUOUS = 2
    DONE = 4
    ERROR = 8


@dataclass(frozen=True)
class FeedRow:
    """One feed as the database has it."""

    uniqueid: int
    feedid: str | None
    state: State
    source: str
    condition: str
    expires: datetime | None
    due: datetime | None
    failures: int
    fingerprint: str

    @property
    def definition(self) -> Feed:
        """What is asked from the Primary Storage."""
        return Feed(
            self.source,
            tuple(map(_condition_of, json.loads(self.condition))),
            bool(self.state & State.HISTORY),
            bool(self.state & State.CONTINUOUS),
        )


_COLUMNS = [
    table.c[name]
    for name in ("uniqueid", "feedid", "state", "source", "condition", "expires", "due", "failures", "fingerprint")
]


def by_feed_id(conn: Connection, feed_id: str) -> FeedRow | None:
    """Return the feed that the Primary Storage knows as `feed_id`."""
    if len(feed_id) > FEED_ID_LIMIT or not feed_id.isascii():
        return None
    row = conn.execute(select(*_COLUMNS).where(table.c.feedid == feed_id)).one_or_none()
    return None if row is None else _feed_row(row)


def everything(conn: Connection) -> list[FeedRow]:
    """Return all feeds, oldest first."""
    return [_feed_row(row) for row in conn.execute(select(*_COLUMNS).order_by(table.c.uniqueid))]


def being_asked(conn: Connection, now: datetime) -> bool:
    """True while some feed is being asked for: its id may be in use before it is in the table."""
    locked = select(table.c.uniqueid).where(table.c.locked > int(now.timestamp())).limit(1)
    return conn.execute(locked).first() is not None


def load(conn: Connection, configuration: Configuration, *, force: bool = False) -> None:
    """Bring the table in line with the configuration at a start of the server.

    Unchanged feeds keep their ids; new ones and changed ones, also when the list of attributes has changed, are asked
    anew; configured ones that are gone are forgotten; those of AddFeed stay. `force` forgets everything first (-F).
    """
    if force:
        conn.execute(delete(table))
    wanted = {fingerprint(feed, configuration): feed for feed in configuration.feeds}
    for row in conn.execute(select(table.c.uniqueid, table.c.fingerprint, table.c.configured)).all():
        if row.configured and wanted.pop(row.fingerprint, None) is None:
            log.info("feed %d is no longer configured, or not in this form: it is forgotten", row.uniqueid)
            conn.execute(delete(table).where(table.c.uniqueid == row.uniqueid))
    for feed in wanted.values():
        add(conn, feed, configuration, configured=True)
    for added in everything(conn):
        current = fingerprint(added.definition, configuration)
        if current != added.fingerprint:
            ask_again(conn, added.uniqueid, datetime.now(UTC), fingerprint=current)
    conn.execute(update(table).values(locked=0))


def add(conn: Connection, feed: Feed, configuration: Configuration, *, configured: bool) -> None:
    """Note a feed; the feed loop asks for it."""
    state = (State.HISTORY if feed.history else State(0)) | (State.CONTINUOUS if feed.continuous else State(0))
    conn.execute(
        insert(table).values(
            state=int(state), locked=0, source=feed.primary_server, failures=0, configured=configured,
            condition=json.dumps([_condition_json(condition) for condition in feed.conditions]),
            fingerprint=fingerprint(feed, configuration), due=datetime.now(UTC),
        )
    )


def remove(conn: Connection, feed_id: str) -> bool:
    """Forget the feed; False when it is not known."""
    return conn.execute(delete(table).where(table.c.feedid == feed_id)).rowcount > 0


def next_due(conn: Connection, now: datetime) -> FeedRow | None:
    """Return the feed that has waited longest for the feed loop, or None."""
    free = or_(table.c.locked == 0, table.c.locked <= int(now.timestamp()))
    row = conn.execute(
        select(*_COLUMNS).where(table.c.due <= now, free).order_by(table.c.due, table.c.uniqueid).limit(1)
    ).one_or_none()
    return None if row is None else _feed_row(row)


def lock(conn: Connection, feed: FeedRow, now: datetime, seconds: int) -> bool:
    """Reserve the feed for this process for a while; False when another one was faster."""
    free = or_(table.c.locked == 0, table.c.locked <= int(now.timestamp()))
    until = int((now + timedelta(seconds=seconds)).timestamp())
    return conn.execute(update(table).where(table.c.uniqueid == feed.uniqueid, free).values(locked=until)).rowcount > 0


def ask_again(conn: Connection, uniqueid: int, due: datetime, **columns: Any) -> None:
    """Forget the feed's id, so that the feed loop asks for a new one when `due`."""
    flags = table.c.state.bitwise_and(int(State.HISTORY | State.CONTINUOUS))
    change(conn, uniqueid, feedid=None, state=flags, expires=None, due=due, **columns)


def change(conn: Connection, uniqueid: int, *, error: bool | None = None, **columns: Any) -> bool:
    """Set columns of a feed and give it free; False when it is gone. `error` sets or clears that bit of the state."""
    columns.setdefault("locked", 0)
    if error is not None:
        state = table.c.state
        bit = int(State.ERROR)
        columns["state"] = state.bitwise_or(bit) if error else state.bitwise_and(~bit & 0xFF)
    return conn.execute(update(table).where(table.c.uniqueid == uniqueid).values(**columns)).rowcount > 0


def mark_done(conn: Connection, feed: FeedRow) -> None:
    """Note that the history of the feed has arrived completely."""
    done = table.c.state.bitwise_or(int(State.DONE))
    conn.execute(update(table).where(table.c.uniqueid == feed.uniqueid).values(state=done))


def fingerprint(feed: Feed, configuration: Configuration) -> str:
    """Return what tells two requests to a Primary Storage apart: server, conditions, flags and attributes."""
    content = [
        feed.primary_server, [_condition_json(condition) for condition in feed.conditions], feed.history,
        feed.continuous, sorted(attribute.id for attribute in configuration.attributes),
    ]
    return hashlib.md5(json.dumps(content).encode(), usedforsecurity=False).hexdigest()


def _feed_row(row: Row[Any]) -> FeedRow:
    return FeedRow(
        row.uniqueid, row.feedid, State(row.state), row.source, row.condition, row.expires, row.due, row.failures,
        row.fingerprint,
    )


def _condition_json(condition: Condition) -> list[Any]:
    return [
        condition.attr, condition.op, condition.origin, _value_json(condition.value), _value_json(condition.value2)
    ]


def _condition_of(stored: Sequence[Any]) -> Condition:
    attr, op, origin, value, value2 = stored
    return Condition(attr, op, origin, _value_of(value), _value_of(value2))


def _value_json(value: str | bytes | None) -> str | dict[str, str] | None:
    return {"blob": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def _value_of(stored: str | dict[str, str] | None) -> str | bytes | None:
    return base64.b64decode(stored["blob"]) if isinstance(stored, dict) else stored
