"""The operations of JobProvenanceIS (jp.md 1.4): from the wire to the index and back."""

import errno
import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

import soap.contract
import sql
from gsi.authz import Access, Policy, Resource, requires
from jpis import feeds
from jpis.answer import Job, answer
from jpis.config import OPERATORS, Condition, Feed
from jpis.errors import FeedNotReady, IndexServerError, InvalidRequest, UnknownFeed
from jpis.feedloop import string_or_blob
from jpis.query import compile_query
from jpis.schema import Schema
from jpis.update import Updater, content_of
from soap.faults import PosixFault
from soap.service import Call

log = logging.getLogger(__name__)

CONTRACT = "JobProvenanceIS"
#: How long an UpdateJobs waits for a feed id that is being granted just now, in seconds, and how often it looks.
FEED_WAIT_S = 10.0
FEED_POLL_S = 0.1


class IndexServer:
    """Handler of the contract. One object per process, used by many threads.

    `open_to_all`: answers are not restricted to the caller's own jobs (option -n).
    """

    def __init__(self, engine: Engine, schema: Schema, policy: Policy, *, open_to_all: bool = False) -> None:
        self._engine = engine
        self._schema = schema
        self._policy = policy
        self._open_to_all = open_to_all
        self._updater = Updater(engine, schema)
        self._types = soap.contract.load(CONTRACT).types

    @requires(Access.TRUSTED_PEER, protects=Resource.FEED)
    def update_jobs(
        self, call: Call, *, feedId: str | None, feedDone: bool | None, jobAttributes: list[Any]  # noqa: N803
    ) -> None:
        """Store what a Primary Storage has to say; it is on disk when the answer leaves."""
        with _faults("UpdateJobs"):
            self._await_feed(feedId or "")
            self._updater.update(feedId or "", bool(feedDone), jobAttributes)

    @requires(Access.AUTHENTICATED, protects=Resource.JOB)
    def query_jobs(self, call: Call, *, conditions: list[Any], attributes: list[str]) -> Mapping[str, Iterable[Any]]:
        """Answer with the jobs that match: those of the caller, or of all users when the server is open."""
        with _faults("QueryJobs"):
            owner = None if self._open_to_all else call.peer.dn if call.peer is not None else ""
            query = compile_query(self._schema, conditions, attributes, owner)
            found = answer(self._engine, self._schema, query)
        return {"jobs": self._records(found)}

    @requires(Access.ADMIN, protects=Resource.FEED)
    def add_feed(self, call: Call, *, feed: Any) -> None:
        """Ask for another feed, in addition to the configured ones, until DeleteFeed or a start with -F or -D."""
        with _faults("AddFeed"):
            definition = _definition(feed)
            configuration = self._schema.configuration
            sql.transact(self._engine, lambda conn: feeds.add(conn, definition, configuration, configured=False))

    @requires(Access.ADMIN, protects=Resource.FEED)
    def get_feed_ids(self, call: Call, *, feeds: list[Any]) -> None:
        """Refused: the contract has no place for an answer (its list is an input by mistake, jp.md 1.4)."""
        raise PosixFault(
            errno.ENOSYS, "the contract gives GetFeedIDs no answer; ServerConfiguration tells the feeds with their ids"
        )

    @requires(Access.ADMIN, protects=Resource.FEED)
    def delete_feed(self, call: Call, *, feedId: str | None) -> None:  # noqa: N803
        """Forget a feed: what comes for it is refused, and the Primary Storage lets it expire."""
        with _faults("DeleteFeed"):
            if not sql.transact(self._engine, lambda conn: feeds.remove(conn, feedId or "")):
                raise UnknownFeed(f"no feed {feedId!r} is known here")

    @requires(Access.AUTHENTICATED, protects=Resource.SERVICE)
    def server_configuration(self, call: Call) -> Mapping[str, Iterable[Any]]:
        """Tell what is indexed and which feeds run; their ids are told to administrators only."""
        configuration = self._schema.configuration
        admin = self._policy.outlook(call.peer, Access.ADMIN).granted
        with _faults("ServerConfiguration"), sql.read(self._engine) as conn:
            rows = feeds.everything(conn)
        return {
            "attrs": [
                self._types.attrType(name=a.name, multival=_yes_no(a.multival), queriable=_yes_no(a.queriable))
                for a in configuration.attributes
            ],
            "indexedAttrs": list(configuration.indexed),
            # the contract wants one at least (jp.md 3.2)
            "plugins": list(configuration.plugins) or [""],
            "feeds": [self._session(row.definition, row.feedid if admin else None) for row in rows],
        }

    def _await_feed(self, feed_id: str) -> None:
        """Wait while the id may still come: a Primary Storage may begin to send before its FeedIndex was answered."""
        deadline = time.monotonic() + FEED_WAIT_S
        while True:
            with sql.read(self._engine) as conn:
                if feeds.by_feed_id(conn, feed_id) is not None or not feeds.being_asked(conn, datetime.now(UTC)):
                    return
            if time.monotonic() > deadline:
                raise FeedNotReady(f"feed {feed_id!r} is not known here yet")
            time.sleep(FEED_POLL_S)

    def _records(self, found: Iterator[Job]) -> Iterator[Any]:
        job_record, attr_value = self._types.jobRecord, self._types.attrValue
        string_or_blob = self._types.stringOrBlob
        for job in found:
            values = []
            for name, (content, epoch, origin, detail) in job.values:
                held = string_or_blob(content) if isinstance(content, str) else string_or_blob(None, content)
                values.append(attr_value(name, held, _time(epoch), origin, detail))
            yield job_record(job.jobid, job.owner, values, [job.primary_storage])

    def _session(self, feed: Feed, feed_id: str | None) -> Any:
        types = self._types
        return types.feedSession(
            primaryServer=feed.primary_server,
            condition=[
                types.primaryQuery(
                    attr=condition.attr, op=condition.op, origin=condition.origin,
                    value=string_or_blob(types, condition.value), value2=string_or_blob(types, condition.value2),
                )
                for condition in feed.conditions
            ],
            history=int(feed.history),
            continuous=int(feed.continuous),
            feedId=feed_id,
        )


@lru_cache(maxsize=4096)
def _time(epoch: int) -> datetime:
    """Return the time as the wire wants it; the values of a job mostly share theirs."""
    return datetime.fromtimestamp(epoch, UTC)


def _yes_no(flag: bool) -> str:
    return "YES" if flag else "NO"


def _definition(feed: Any) -> Feed:
    """Return the feed that an AddFeed describes. Raises InvalidRequest."""
    if feed is None or not feed.primaryServer or "://" not in feed.primaryServer:
        raise InvalidRequest("a feed needs the URL of its primaryServer")
    if not feed.condition:
        raise InvalidRequest("a feed needs at least one condition")
    if not feed.history and not feed.continuous:
        raise InvalidRequest("a feed without history and continuous would never bring a job")
    conditions = tuple(
        Condition(query.attr or "", query.op or "", query.origin, content_of(query.value), content_of(query.value2))
        for query in feed.condition
    )
    if any(condition.op not in OPERATORS or not condition.attr for condition in conditions):
        raise InvalidRequest("each condition of a feed needs an attribute and an operator")
    return Feed(feed.primaryServer, conditions, bool(feed.history), bool(feed.continuous))


@contextmanager
def _faults(operation: str) -> Iterator[None]:
    """Turn what goes wrong into the fault of the contract; what the database says stays in the log."""
    try:
        yield
    except IndexServerError as error:
        raise PosixFault(error.code, str(error), source=operation) from error
    except SQLAlchemyError as error:
        log.exception("%s: the database failed", operation)
        raise PosixFault(errno.EIO, "the index database does not answer; try again later", source=operation) from error
