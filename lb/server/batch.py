"""A batch of events in one transaction: each is stored or refused on its own, all are on disk together (lb.md 5.3, 7).

The rules of registration:

====================================  ===============================================================================
job unknown                           registered; a zombie of the same owner lives again, unless exclusive
job known, same owner                 one more RegJob event, the state machine takes what is new in it
job known, other owner                EPERM
job known or zombie, exclusive        EEXIST
came through a logger                 only for a job that is known: a new one has to be registered by its owner himself
parent named, and known here          the parent must have the same owner
====================================  ===============================================================================
"""

import errno
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, insert, select, tuple_

import sql
from lb.model import machine, ulm
from lb.model.catalogue import LEVEL_CODES, SOURCE_CODES
from lb.model.events import Event
from lb.model.jobid import JobId
from lb.model.rules import parents
from lb.model.seqcode import NULL
from lb.model.times import Timestamp
from lb.server import family, record, schema, zombies
from lb.server.admission import Admitted, must_be_direct, not_registered
from lb.server.authority import same_person
from lb.server.errors import LbError, not_allowed
from lb.server.record import Record
from lb.server.schema import events, events_flesh, jpreg

#: Sources whose events only the owner of the job may log (lb.md 7).
_OWNERS_SOURCES: Final = frozenset({"UserInterface", "LRMS", "Application"})
#: Events about rights: the original let anybody log them from another source (a trap of lb.md 7).
_OWNERS_EVENTS: Final = frozenset({"ChangeACL", "GrantPayloadOwnership"})
#: What is said in the owner's name, and goes into Job Provenance so. The original took it from anybody (lb.md 7).
_OWNERS_WORDS: Final = frozenset({"UserTag", "CurDescr"})
#: Levels of parents above a job: a limit of ours.
_DEPTH: Final = 16


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """How a server stores.

    host, own_dn: who it is in the events that it logs itself; export: remember new jobs for the registration export;
    exclusive_zombies: an exclusive registration of a purged job is refused (option -E switches that off).
    """

    host: str = "localhost"
    own_dn: str = "LBServer"
    export: bool = False
    exclusive_zombies: bool = True


class Batch:
    """Works on one open transaction: `read`, then `store` for every event, then `write`."""

    def __init__(self, conn: Connection, options: StoreOptions, moment: Timestamp) -> None:
        self._conn = conn
        self._options = options
        self._moment = moment
        self._records: dict[str, Record] = {}
        self._absent: set[str] = set()
        self._known: set[tuple[str, bytes]] = set()
        self._revived: list[JobId] = []
        self._events: list[dict[str, Any]] = []
        self._flesh: list[dict[str, Any]] = []

    def read(self, items: Sequence[Admitted]) -> None:
        """Read and lock everything that the events are about."""
        self.fetch(item.key for item in items)
        identities = [(item.key, item.digest) for item in items if item.key in self._records]
        columns = tuple_(events.c.jobid, events.c.digest)
        for start in range(0, len(identities), record.CHUNK):
            rows = self._conn.execute(
                select(events.c.jobid, events.c.digest).where(columns.in_(identities[start : start + record.CHUNK]))
            )
            self._known.update((row.jobid, row.digest) for row in rows)

    def fetch(self, keys: Iterable[str]) -> None:
        """Read and lock further jobs."""
        wanted = {key for key in keys if key not in self._records and key not in self._absent}
        found = record.load(self._conn, wanted)
        self._records |= found
        self._absent |= wanted - set(found)

    def get(self, key: str) -> Record | None:
        """The job with this key, None when it does not exist."""
        self.fetch((key,))
        return self._records.get(key)

    def store(self, item: Admitted) -> None:
        """Take one event in. Raises LbError when the job's state of affairs does not allow it."""
        job = self._records.get(item.key)
        children: Sequence[JobId] = ()
        if item.registers:
            children = family.born(item.event)
            job = self._register(item, job)
        elif job is None:
            raise not_registered()
        else:
            _check_author(item, job)
        if (item.key, item.digest) in self._known:
            return  # delivered before: the sender did not get our answer
        has_children = job.state.status.children_num > 0
        self._add(job, item.event, item.line, item.digest)
        if children and not has_children:
            self._bear(job, children, item.event)

    def write(self) -> None:
        """Write everything, in a number of statements that does not depend on the number of events."""
        record.save(self._conn, list(self._records.values()))
        if self._events:
            self._conn.execute(insert(events), self._events)
            self._conn.execute(insert(events_flesh), self._flesh)
        if self._revived:
            zombies.revive(self._conn, self._revived)
        new = [{"jobid": job.key} for job in self._records.values() if job.new]
        if self._options.export and new:
            sql.insert_new(self._conn, jpreg, new)

    # ---- registration -----------------------------------------------------------------------------------------------

    def _register(self, item: Admitted, job: Record | None) -> Record:
        if job is None:
            return self._register_new(item)
        if item.exclusive:
            raise LbError(errno.EEXIST, "Job with given jobid already exists. Rejecting event.")
        if not same_person(job.owner, item.event.user):
            raise not_allowed("Job already registered with different owner. Rejecting event.")
        self._check_parent(item)
        return job

    def _register_new(self, item: Admitted) -> Record:
        if not item.direct:
            raise must_be_direct()
        jobid = item.event.jobid
        zombie = bool(zombies.among(self._conn, [jobid]))
        if zombie and item.exclusive and self._options.exclusive_zombies:
            raise LbError(errno.EEXIST, "Zombie job with given jobid already exists. Rejecting event.")
        if zombie and zombies.owner_of(self._conn, jobid) not in (None, schema.userid(item.peer.dn)):
            raise not_allowed("Job was registered with different owner and purged. Rejecting event.")
        self._check_parent(item)
        if zombie:
            self._revived.append(jobid)
        job = record.new_record(jobid, item.peer.dn)
        self._records[job.key] = job
        return job

    def _bear(self, parent: Record, children: Sequence[JobId], event: Event) -> None:
        """Create the subjobs that do not exist yet; they have a state and no events."""
        self.fetch(child.unique for child in children)
        fresh = [child for child in children if child.unique not in self._records]
        self._revived += zombies.among(self._conn, fresh)
        for child in fresh:
            state = machine.new_subjob(child, parent.state.status, event.timestamp)
            self._records[child.unique] = Record(child, parent.owner, 0, state, new=True)

    def _check_parent(self, item: Admitted) -> None:
        """Nobody may hang his job into another one's, or into itself."""
        parent = item.event.get("parent")
        for _ in range(_DEPTH):
            if parent == item.event.jobid:
                break
            if parent is None or (job := self.get(parent.unique)) is None or job.jobid != parent:
                return
            if not same_person(job.owner, item.event.user):
                raise not_allowed("the parent job belongs to somebody else")
            parent = job.parent
        raise LbError(errno.EINVAL, f"a job cannot be part of itself, nor nested deeper than {_DEPTH} levels")

    # ---- events -----------------------------------------------------------------------------------------------------

    def _add(self, job: Record, event: Event, line: bytes, digest: bytes) -> None:
        job.nevents += 1
        before = parents.class_of(job.state.status)
        job.apply(event)
        self._known.add((job.key, digest))
        self._events.append({
            "jobid": job.key, "event": job.nevents, "code": event.type.code, "prog": SOURCE_CODES[event.source],
            "time_stamp": event.timestamp[0], "usec": event.timestamp[1],
            "level": LEVEL_CODES.get(event.level or "", 0),
            "arrived": event.arrived[0] if event.arrived else 0, "digest": digest,
        })
        self._flesh.append({"jobid": job.key, "event": job.nevents, "ulm": line})
        self._tell_parent(job, before, event)

    def _tell_parent(self, job: Record, before: int, event: Event) -> None:
        """Count the child anew; a collection whose state changes gets an event of its own, which its parent hears."""
        after = parents.class_of(job.state.status)
        parent = self.get(job.parent.unique) if job.parent is not None and before != after else None
        if parent is None or parent.jobid != job.parent or not parent.state.status.children_num:
            return
        parent.state = parents.moved(parent.state, before, after)
        parent.changed = True
        told = parents.collection_event(
            parent.state.status, event, now=self._moment, host=self._options.host, server_dn=self._options.own_dn,
            seqcode=parent.state.last_seqcode or str(NULL),
        )
        if told is not None:
            told.arrived = (self._moment[0], 0)
            text = ulm.encode(ulm.write(told))
            self._add(parent, told, text, _digest_of_own(parent, text))


def _digest_of_own(job: Record, text: bytes) -> bytes:
    """Our own events come once; two of them may well be alike, all in the same moment."""
    return hashlib.md5(b"%d %b" % (job.nevents, text), usedforsecurity=False).digest()


def _check_author(item: Admitted, job: Record) -> None:
    """Who may log which event, whatever the policy file says (lb.md 7)."""
    event = item.event
    if event.name == "TakePayloadOwnership":
        return
    needs_owner = event.source in _OWNERS_SOURCES or event.name in _OWNERS_EVENTS
    needs_owner |= event.name in _OWNERS_WORDS and not item.trusted
    if needs_owner and not same_person(event.user, job.owner):
        raise not_allowed("check_auth(): only the owner of the job may log this event")

