"""The feed loop: asks Primary Storages for the configured feeds and keeps them alive (jp.md 3.4).

It runs in a process of its own, one feed at a time, and all it knows is in the table of feeds: what it did before a
crash it does not do again, what it did not finish it repeats.

    a feed without id    FeedIndex with this server as destination; the answer's id goes into the table
    a feed with id       FeedIndexRefresh at a quarter of what is left of its life, so that three more tries fit in
    ENOENT, or expired   the Primary Storage has forgotten the feed: ask anew; what comes twice is stored once
    no answer, a fault   later again, each time after twice the pause
"""

import errno
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

import soap.contract
import sql
from gsi.errors import GsiError
from jpis import feeds
from jpis.config import Condition, Configuration
from jpis.feeds import FEED_ID_LIMIT, FeedRow, State
from soap.client import Client, TransportError
from soap.faults import Fault, PosixFault

log = logging.getLogger(__name__)

CONTRACT = "JobProvenancePS"
#: A refresh is due after this part of the time that the Primary Storage grants (jp.md 3.4).
REFRESH_PART = 4
#: Shortest pause before a refresh, in seconds, whatever was granted.
REFRESH_MINIMUM_S = 1
#: Pause after failure n is 2^n s, up to this: a storage that is down comes back, ...
UNREACHABLE_PAUSE_S = 30
#: ... one that refuses needs its administrator (the original waits 600 to 1200 s).
REFUSED_PAUSE_S = 600
#: How long a feed is reserved while it is asked for: longer than the client waits for an answer.
LOCK_S = 150
#: How often the table is looked at when nothing is due.
POLL_S = 1.0
#: Pause when the database fails, in seconds.
DATABASE_PAUSE_S = 10.0

Connect = Callable[[str], Client]


class FeedLoop:
    """Works through the table of feeds. `connect` makes the client for the URL of a Primary Storage."""

    def __init__(
        self, engine: Engine, configuration: Configuration, endpoint: str, connect: Connect,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._engine = engine
        self._configuration = configuration
        self._endpoint = endpoint
        self._connect = connect
        self._now = now

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set."""
        while not stop.is_set():
            try:
                busy = self.step()
            except SQLAlchemyError as error:
                log.error("the database does not answer, feeds wait: %s", error)
                stop.wait(DATABASE_PAUSE_S)
                continue
            if not busy:
                stop.wait(POLL_S)

    def step(self) -> bool:
        """Handle the one feed that has waited longest; False when none is due."""
        feed = sql.transact(self._engine, self._reserve)
        if feed is None:
            return False
        try:
            if feed.feedid is None:
                self._ask(feed)
            elif feed.expires is not None and feed.expires <= self._now():
                log.warning("feed %s at %s has expired: it is asked anew", feed.feedid, feed.source)
                self._forget(feed)
            else:
                self._refresh(feed, feed.feedid)
        except GsiError as error:
            self._later(feed, f"cannot be asked: {error}", UNREACHABLE_PAUSE_S)
        except TransportError as error:
            self._later(feed, f"cannot be reached: {error}", UNREACHABLE_PAUSE_S)
        except Fault as fault:
            self._later(feed, f"refuses: {fault}", REFUSED_PAUSE_S)
        return True

    def _reserve(self, conn: Any) -> FeedRow | None:
        now = self._now()
        feed = feeds.next_due(conn, now)
        return feed if feed is not None and feeds.lock(conn, feed, now, LOCK_S) else None

    def _ask(self, feed: FeedRow) -> None:
        definition = feed.definition
        types = soap.contract.load(CONTRACT).types
        answer = self._connect(feed.source).call(
            "FeedIndex",
            destination=self._endpoint,
            attributes=[attribute.name for attribute in self._configuration.attributes],
            conditions=[_primary_query(types, condition) for condition in definition.conditions],
            history=definition.history,
            continuous=definition.continuous,
        )
        if not answer.feedId or len(answer.feedId) > FEED_ID_LIMIT or not answer.feedId.isascii():
            self._later(feed, f"answers an unusable feed id {answer.feedId!r}", REFUSED_PAUSE_S)
            return
        try:
            self._granted(feed, answer.feedExpires, feedid=answer.feedId)
        except IntegrityError:
            self._later(feed, f"answers feed id {answer.feedId}, which is that of another feed", REFUSED_PAUSE_S)
            return
        log.info("feed %s granted by %s", answer.feedId, feed.source)

    def _refresh(self, feed: FeedRow, feed_id: str) -> None:
        try:
            answer = self._connect(feed.source).call("FeedIndexRefresh", feedId=feed_id)
        except PosixFault as fault:
            if fault.code != errno.ENOENT:
                raise
            log.warning("feed %s is not known at %s any more: it is asked anew", feed_id, feed.source)
            self._forget(feed)
            return
        self._granted(feed, answer.feedExpires)

    def _granted(self, feed: FeedRow, expires: datetime | None, **columns: Any) -> None:
        """Note until when a feed lives. One without changes to come needs no refresh, and has no time (jp.md 2.5)."""
        if feed.failures:
            log.info("Primary Storage %s answers again", feed.source)
        now = self._now()
        due = None
        if feed.state & State.CONTINUOUS:
            left = (expires - now) / REFRESH_PART if expires is not None else timedelta(0)
            due = now + max(left, timedelta(seconds=REFRESH_MINIMUM_S))
        else:
            expires = None
        self._change(feed, expires=expires, due=due, failures=0, error=False, **columns)

    def _forget(self, feed: FeedRow) -> None:
        sql.transact(self._engine, lambda conn: feeds.ask_again(conn, feed.uniqueid, self._now()))

    def _later(self, feed: FeedRow, reason: str, longest: int) -> None:
        pause = min(2**min(feed.failures, 20), longest)
        log.warning("Primary Storage %s %s; next try in %d s", feed.source, reason, pause)
        due = self._now() + timedelta(seconds=pause)
        self._change(feed, due=due, failures=feed.failures + 1, error=True)

    def _change(self, feed: FeedRow, **columns: Any) -> None:
        sql.transact(self._engine, lambda conn: feeds.change(conn, feed.uniqueid, **columns))


def _primary_query(types: Any, condition: Condition) -> Any:
    return types.primaryQuery(
        attr=condition.attr,
        op=condition.op,
        origin=condition.origin,
        value=string_or_blob(types, condition.value),
        value2=string_or_blob(types, condition.value2),
    )


def string_or_blob(types: Any, value: str | bytes | None) -> Any:
    """Return the stringOrBlob of the contract that holds `value`."""
    if value is None:
        return None
    return types.stringOrBlob(blob=value) if isinstance(value, bytes) else types.stringOrBlob(string=value)
