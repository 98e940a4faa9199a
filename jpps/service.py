"""The operations of the Primary Storage (jp.md 1.3, 2.5).

An answer is given when what it promises is on disk, its announcement to the feeds included. Where the original had a
defect, it is mended: what callers may rely on is in the docstrings of the methods.
"""

import errno
import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

import soap.contract
import sql
from gsi.authz import Access, Resource, requires
from jpps import attributes, collect, feeds, files, jobs, recording, wire
from jpps.attributes import Value
from jpps.collect import JobView, Sources
from jpps.errors import JppsError, NotFound
from jpps.feeds import Change, Subscription
from jpps.jobs import Job
from jpps.rights import Rights
from jpps.tags import Tag
from jpps.uploads import NewUpload, Uploads
from soap.faults import PosixFault
from soap.service import Call

log = logging.getLogger(__name__)

Operation = TypeVar("Operation", bound=Callable[..., Any])
Answer = Mapping[str, Any]
#: The attributes of the storage itself that are given out; the job id is no attribute (jp.md 2.5).
_METADATA = (attributes.OWNER, attributes.REGTIME)


def _fault(error: JppsError) -> PosixFault:
    reason = None if error.reason is None else _fault(error.reason)
    return PosixFault(error.code, error.description, source=error.source, reason=reason)


def _faults(operation: Operation) -> Operation:
    """Turn what goes wrong in an operation into the fault that says so; causes that concern only us go to the log."""

    @functools.wraps(operation)
    def guarded(*arguments: Any, **named: Any) -> Any:
        try:
            return operation(*arguments, **named)
        except JppsError as error:
            raise _fault(error) from None
        except SQLAlchemyError as error:
            log.exception("the database failed")
            raise PosixFault(errno.EIO, "the database does not answer") from error
        except OSError as error:
            log.exception("the storage failed")
            raise PosixFault(error.errno or errno.EIO, "the storage failed") from error

    return guarded  # type: ignore[return-value]


class PrimaryStorage:
    """Handler of the port JobProvenancePS; one per worker process, thread-safe."""

    def __init__(self, engine: Engine, sources: Sources, uploads: Uploads, rights: Rights,
                 feed_ttl_s: float = feeds.DEFAULT_TTL_S) -> None:
        self._engine = engine
        self._sources = sources
        self._storage = sources.storage
        self._uploads = uploads
        self._rights = rights
        self._feed_ttl_s = feed_ttl_s
        self._contract = soap.contract.load("JobProvenancePS")

    @requires(Access.TRUSTED_PEER, protects=Resource.JOB)
    @_faults
    def register_job(self, call: Call, *, job: str, owner: str) -> None:
        """Register a job for its owner. EEXIST: it is registered already, whoever is its owner."""
        when = attributes.now()

        def work(conn: Connection) -> Job:
            registered = jobs.register(conn, job, owner, when)
            values = tuple(collect.metadata(registered, name) for name in collect.METADATA)
            self._announce(conn, [(registered, Change(values))])
            return registered

        self._storage.make_directory(sql.transact(self._engine, work))

    @requires(Access.TRUSTED_PEER, protects=Resource.JOB)
    @_faults
    def start_upload(self, call: Call, *, job: str, class_: str, name: str | None, commitBefore: datetime,
                     contentType: str | None) -> Answer:
        """Open an upload; the answer says where to PUT it and until when to commit it.

        commitBefore is honoured up to a day. EEXIST: the file is there, or on its way; when it is the caller's own, the
        fault has a reason with source `destination` whose description is its URL.
        """
        assert call.peer is not None
        wanted = NewUpload(job, class_, name or "", commitBefore, contentType or "")
        destination, deadline = self._uploads.start(wanted, call.peer.dn)
        return {"destination": destination, "commitBefore": deadline}

    @requires(Access.TRUSTED_PEER, protects=Resource.JOB)
    @_faults
    def commit_upload(self, call: Call, *, destination: str) -> None:
        """Make an upload permanent. ENOENT: no such upload, its time is over, or the file has not arrived."""
        assert call.peer is not None
        self._uploads.commit(destination, call.peer.dn)

    @requires(Access.JOB_OWNER, protects=Resource.JOB)
    @_faults
    def record_tag(self, call: Call, *, jobid: str, tag: Any) -> None:
        """Record a tag of a job."""
        self._record(call, [(jobid, [self._tag(tag, attributes.now())])])

    @requires(Access.JOB_OWNER, protects=Resource.JOB)
    @_faults
    def record_multi_tags(self, call: Call, *, jobs: Sequence[Any]) -> None:  # the wire's name
        """Record tags of several jobs; origin and time of the caller count for nothing.

        Everything is checked before anything is recorded.
        """
        when = attributes.now()
        self._record(call, [(each.jobid, [self._tag(item, when) for item in each.attributes]) for each in jobs])

    def _tag(self, record: Any, when: datetime) -> Tag:
        return Tag(record.name, recording.check(record.name, wire.content(record.value)), when)

    def _record(self, call: Call, wanted: Sequence[tuple[str, Sequence[Tag]]]) -> None:
        with sql.read(self._engine) as conn:
            owned = [(self._own(conn, call, jobid), new) for jobid, new in wanted]
        changes = [(job, recording.record(self._storage, job, new)) for job, new in owned if new]
        sql.transact(self._engine, lambda conn: self._announce(conn, changes))

    @requires(Access.JOB_OWNER, protects=Resource.JOB)
    @_faults
    def get_job_attributes(self, call: Call, *, jobid: str, attributes: Sequence[str]) -> Answer:  # the wire's name
        """Return the values of attributes: per name tags before files, at the end owner and registration time.

        Names without a value are left out. ENOENT: no value at all.
        """
        view = self._view(call, jobid)
        values = [value for name in dict.fromkeys(attributes) for value in self._values(view, name)]
        values.sort(key=lambda value: value.name in _METADATA)
        if not values:
            raise NotFound("no attributes found")
        return {"attrValues": (wire.attr_value(self._contract, value) for value in values)}

    def _values(self, view: JobView, name: str) -> Sequence[Value]:
        return view.values(name) if name in _METADATA else view.tagged(name) + view.filed(name)

    @requires(Access.JOB_OWNER, protects=Resource.JOB)
    @_faults
    def get_job_files(self, call: Call, *, jobid: str) -> Answer:
        """Return the files that were committed. ENOENT: there is none."""
        with sql.read(self._engine) as conn:
            job = self._own(conn, call, jobid)
            stored = files.committed_of(conn, [job.key])[job.key]
        found = []
        for row in stored:
            if known := self._sources.registry.of_class(row.file_class):
                url = self._storage.url(job, row.filename)
                found.append(self._contract.types.jppsFile(class_=known[1], name=row.name, url=url))
        if not found:
            raise NotFound("no file")
        return {"files": found}

    @requires(Access.SUBSCRIBER, protects=Resource.FEED)
    @_faults
    def feed_index(self, call: Call, *, destination: str, attributes: Sequence[str], conditions: Sequence[Any],
                   history: bool, continuous: bool) -> Answer:
        """Subscribe an index server. What is granted here is delivered; what cannot be is refused here (EINVAL)."""
        assert call.peer is not None
        subscriber = call.peer.dn
        wanted = tuple(map(wire.condition, conditions))
        subscription = Subscription(destination, tuple(attributes), wanted, history, continuous)
        subscription.check()
        expires = feeds.expiry(self._feed_ttl_s)
        subscribe = functools.partial(
            feeds.subscribe, subscription=subscription, subscriber=subscriber, expires=expires
        )
        return {"feedId": sql.transact(self._engine, subscribe), "feedExpires": expires}

    @requires(Access.FEED_OWNER, protects=Resource.FEED)
    @_faults
    def feed_index_refresh(self, call: Call, *, feedId: str) -> Answer:
        """Prolong a feed of the caller's. ENOENT: it has expired or never was, and is to be subscribed anew."""
        assert call.peer is not None
        subscriber = None if self._rights.open_to_all else call.peer.dn
        now, expires = datetime.now(UTC), feeds.expiry(self._feed_ttl_s)
        sql.transact(self._engine, lambda conn: feeds.refresh(conn, feedId, subscriber, now, expires))
        return {"feedExpires": expires}

    def _announce(self, conn: Connection, changes: Sequence[tuple[Job, Change]]) -> None:
        by_key = [(job.key, change) for job, change in changes]
        feeds.announce(conn, self._sources.registry, by_key, datetime.now(UTC))

    def _view(self, call: Call, jobid: str) -> JobView:
        with sql.read(self._engine) as conn:
            job = self._own(conn, call, jobid)
            stored = files.committed_of(conn, [job.key])[job.key]
        return self._sources.view(job, stored)

    def _own(self, conn: Connection, call: Call, jobid: str) -> Job:
        """Return a job of the caller's. An unknown one is ENOENT before it is EPERM (jp.md 2.2)."""
        job = jobs.find(conn, jobid)
        self._rights.check_owner(call.peer, job)
        return job
