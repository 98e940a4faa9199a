"""Feeds: who wants to hear of which jobs, and the changes that are still to be told (jp.md 2.10).

A change and the outbox rows that announce it are one transaction: what a client was told is done reaches every index
server that was subscribed at that moment. Delivery is the work of jpps.delivery.
"""

import base64
import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, Row, and_, delete, exists, insert, or_, select, update

from jpps import schema
from jpps.attributes import Origin, Value
from jpps.conditions import MAX_CONDITIONS, Condition, Operator
from jpps.errors import Denied, Invalid, NotFound
from jpps.jobs import MAX_LENGTH, userid
from jpps.plugins.registry import Registry

#: Seconds that a feed lives without being refreshed (jp.md 2.10).
DEFAULT_TTL_S = 360
_T = schema.feeds.c


@dataclass(frozen=True, slots=True)
class Subscription:
    """What an index server asks for."""

    destination: str
    attributes: tuple[str, ...]
    conditions: tuple[Condition, ...]
    history: bool
    continuous: bool

    def check(self) -> None:
        """Raise Invalid for what cannot be delivered or could never match."""
        if not self.history and not self.continuous:
            raise Invalid("at least one of <history> and <continuous> must be true")
        target = urlsplit(self.destination)
        if target.scheme not in ("http", "https") or not target.hostname or len(self.destination) > MAX_LENGTH:
            raise Invalid("destination must be the URL of an index server, https://host:port")
        if not self.attributes or not all(self.attributes):
            raise Invalid("at least one attribute is needed, and none without a name")
        if len(self.conditions) > MAX_CONDITIONS:
            raise Invalid(f"more than {MAX_CONDITIONS} conditions")
        for condition in self.conditions:
            condition.check()


@dataclass(frozen=True, slots=True)
class Feed:
    """A live feed. `history`: its run over all jobs is not finished; `history_after`: how far it has come."""

    id: str
    subscription: Subscription
    expires: datetime
    history: bool
    history_after: str

    @property
    def concerns(self) -> set[str]:
        """The attributes whose change may make a job known to this feed."""
        return {*self.subscription.attributes, *(condition.attr for condition in self.subscription.conditions)}


@dataclass(frozen=True, slots=True)
class Change:
    """What is new of a job: values recorded, and perhaps a file committed."""

    values: tuple[Value, ...] = ()
    filename: str | None = None

    def dumps(self) -> str:
        """Return the text for column `change`."""
        return json.dumps({"values": [_value_out(value) for value in self.values], "file": self.filename})

    @classmethod
    def loads(cls, text: str) -> "Change":
        """Read column `change`."""
        read = json.loads(text)
        return cls(tuple(_value_in(item) for item in read["values"]), read["file"])


def subscribe(conn: Connection, subscription: Subscription, subscriber: str, expires: datetime) -> str:
    """Store a (checked) subscription and return the feed's id, 22 characters."""
    feedid = secrets.token_urlsafe(16)
    conn.execute(
        insert(schema.feeds).values(
            feedid=feedid, destination=subscription.destination, expires=expires,
            cols=json.dumps(subscription.attributes),
            query=json.dumps([_condition_out(condition) for condition in subscription.conditions]),
            subscriber=userid(subscriber), continuous=subscription.continuous, history=subscription.history,
            history_after="",
        )
    )
    return feedid


def refresh(conn: Connection, feedid: str, subscriber: str | None, moment: datetime, expires: datetime) -> None:
    """Prolong a feed; `subscriber`: the caller who must have made it, None for anyone. Raises NotFound, Denied."""
    row = conn.execute(select(_T.subscriber).where(_T.feedid == feedid, _T.expires > moment)).one_or_none()
    if row is None:
        raise NotFound("no such feed, or it has expired")
    if subscriber is not None and row.subscriber != userid(subscriber):
        raise Denied("you are not the subscriber of this feed")
    prolong(conn, feedid, expires)


def prolong(conn: Connection, feedid: str, expires: datetime) -> None:
    """Let a feed live at least until `expires`."""
    conn.execute(update(schema.feeds).where(_T.feedid == feedid, _T.expires < expires).values(expires=expires))


def announce(conn: Connection, registry: Registry, changes: Sequence[tuple[str, Change]], moment: datetime) -> None:
    """Write the outbox rows of changes of jobs (by key), for every live continuous feed that they may concern."""
    live = select(schema.feeds).where(_T.continuous.is_(True), _T.expires > moment)
    concerned = [(feed, feed.concerns) for feed in map(_feed, conn.execute(live))]
    rows = [
        {"feedid": feed.id, "jobid": key, "change": change.dumps(), "attempts": 0}
        for key, change in changes
        for feed, names in concerned
        if _touches(change, names, registry)
    ]
    if rows:
        conn.execute(insert(schema.outbox), rows)


def get(conn: Connection, feedid: str, moment: datetime) -> Feed | None:
    """Return a feed that has not expired."""
    row = conn.execute(select(schema.feeds).where(_T.feedid == feedid, _T.expires > moment)).one_or_none()
    return None if row is None else _feed(row)


def with_work(conn: Connection, moment: datetime) -> list[str]:
    """Return the ids of live feeds that have something to deliver now."""
    outbox = schema.outbox.c
    due = or_(outbox.not_before.is_(None), outbox.not_before <= moment)
    waiting = exists().where(and_(outbox.feedid == _T.feedid, due))
    query = select(_T.feedid).where(_T.expires > moment, or_(_T.history.is_(True), waiting))
    return list(conn.scalars(query))


def drop_expired(conn: Connection, moment: datetime) -> int:
    """Forget feeds that nobody refreshed, and all that waits for them; return how many there were."""
    gone = list(conn.scalars(select(_T.feedid).where(_T.expires <= moment)))
    if gone:
        for table in (schema.outbox, schema.fed_jobs, schema.feeds):
            conn.execute(delete(table).where(table.c.feedid.in_(gone)))
    # A change may have been announced to a feed that was dropped in the same moment.
    conn.execute(delete(schema.outbox).where(schema.outbox.c.feedid.not_in(select(_T.feedid))))
    return len(gone)


def live(conn: Connection) -> list[str]:
    """Return the ids of all feeds."""
    return list(conn.scalars(select(_T.feedid)))


def expiry(ttl_s: float) -> datetime:
    """Return when a feed granted now expires; whole seconds, as on the wire."""
    return (datetime.now(UTC) + timedelta(seconds=ttl_s)).replace(microsecond=0)


def _touches(change: Change, names: set[str], registry: Registry) -> bool:
    if any(value.name in names for value in change.values):
        return True
    if change.filename is None:
        return False
    found = registry.of_class(change.filename.partition(".")[0])
    return found is not None and any(found[0] in registry.of_attribute(name) for name in names)


def _feed(row: Row) -> Feed:  # type: ignore[type-arg]
    conditions = tuple(_condition_in(item) for item in json.loads(row.query))
    attributes = tuple(json.loads(row.cols))
    subscription = Subscription(row.destination, attributes, conditions, row.history, row.continuous)
    return Feed(row.feedid, subscription, row.expires, row.history, row.history_after)


def _condition_out(condition: Condition) -> dict[str, Any]:
    return asdict(condition) | {"value": _pack(condition.value), "value2": _pack(condition.value2)}


def _condition_in(item: dict[str, Any]) -> Condition:
    origin = None if item["origin"] is None else Origin(item["origin"])
    return Condition(item["attr"], Operator(item["op"]), origin, _unpack(item["value"]), _unpack(item["value2"]))


def _value_out(value: Value) -> list[Any]:
    return [value.name, _pack(value.content), int(value.time.timestamp()), value.origin, value.detail]


def _value_in(item: list[Any]) -> Value:
    name, packed, epoch, origin, detail = item
    content = _unpack(packed)
    assert content is not None
    return Value(name, content, datetime.fromtimestamp(epoch, UTC), Origin(origin), detail)


def _pack(content: str | bytes | None) -> Any:
    """Text is itself, binary a list with its Base64."""
    return [base64.b64encode(content).decode()] if isinstance(content, bytes) else content


def _unpack(packed: Any) -> str | bytes | None:
    if isinstance(packed, list):
        return base64.b64decode(packed[0])
    return packed if isinstance(packed, str) else None
