"""A batch of events in one transaction: each is stored or refused on its own, all are on disk together (lb.md 5.3, 7).

What is refused, and why, is in lb.model.rules.store.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, tuple_

import sql
from lb.model import machine, ulm
from lb.model.events import Event
from lb.model.jobid import JobId
from lb.model.people import same_person
from lb.model.rules import parents, store
from lb.model.rules.store import Relative, Zombie
from lb.model.seqcode import NULL
from lb.model.times import Timestamp
from lb.model.vocabulary import SOURCE_CODES, level_code
from lb.server import record, schema, zombies
from lb.server.admission import Admitted
from lb.server.errors import heed, refused
from lb.server.record import Record
from lb.server.schema import events, events_flesh, jobs, jpreg


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
        """The job with this key, None when it does not exist; what events name as another job may be no key at all."""
        if store.is_key(key):
            self.fetch((key,))
        return self._records.get(key)

    def store(self, item: Admitted) -> None:
        """Take one event in. Raises LbError when the job's state of affairs does not allow it."""
        event, job = item.event, self._records.get(item.key)
        if item.registers:
            job = self._register(item, job)
        elif job is None:
            raise refused(store.NOT_REGISTERED)
        else:
            heed(store.check_author(event, job.owner, trusted=item.trusted))
            heed(store.check_connection(event, self._is_here))
            heed(store.check_parent(event, store.named_parent(event, job.state.status.jobtype), self._relative))
        if (item.key, item.digest) in self._known:
            return  # delivered before: the sender did not get our answer
        has_children = job.state.status.children_num > 0
        self._add(job, event, item.line, item.digest)
        if item.registers and not has_children:
            self._bear(job, store.born(event), event)

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
        event = item.event
        heed(store.check_family(event))
        zombie = Zombie.NONE if job is not None else self._zombie(item)
        if job is not None:
            heed(store.check_again(event, job.owner))
        else:
            exclusive_zombies = self._options.exclusive_zombies
            heed(store.check_new(event, direct=item.direct, zombie=zombie, exclusive_zombies=exclusive_zombies))
        heed(store.check_parent(event, event.get("parent"), self._relative))
        if zombie is not Zombie.NONE:
            self._revived.append(event.jobid)
        if job is None:
            job = record.new_record(event.jobid, item.peer.dn)
            self._records[job.key] = job
        return job

    def _zombie(self, item: Admitted) -> Zombie:
        """What is remembered of a job that is not here."""
        jobid = item.event.jobid
        if not zombies.among(self._conn, [jobid]):
            return Zombie.NONE
        known = zombies.owner_of(self._conn, jobid)
        return Zombie.PURGED if known in (None, schema.userid(item.peer.dn)) else Zombie.FOREIGN

    def _relative(self, jobid: JobId) -> Relative | None:
        """Whose a job is, and of which it is part; None when it is not here."""
        job = self.get(jobid.unique)
        return None if job is None or job.jobid != jobid else (job.owner, job.parent)

    def _is_here(self, jobid: JobId) -> bool:
        """Whether a job is here. It may be anybody's: neither read nor locked for that."""
        job = self._records.get(jobid.unique)
        if job is not None or not store.is_key(jobid.unique):
            return job is not None and job.jobid == jobid
        named = select(jobs.c.dg_jobid).where(jobs.c.jobid == jobid.unique)
        found = self._conn.execute(named).scalar_one_or_none()
        return found is not None and JobId.parse(found) == jobid

    def _bear(self, parent: Record, children: Sequence[JobId], event: Event) -> None:
        """Create the subjobs that do not exist yet; they have a state and no events."""
        self.fetch(child.unique for child in children)
        fresh = [child for child in children if child.unique not in self._records]
        self._revived += zombies.among(self._conn, fresh)
        for child in fresh:
            state = machine.new_subjob(child, parent.state.status, event.timestamp)
            self._records[child.unique] = Record(child, parent.owner, 0, state, new=True)

    # ---- events -----------------------------------------------------------------------------------------------------

    def _add(self, job: Record, event: Event, line: bytes, digest: bytes) -> None:
        """Keep an event and do what follows from it, up to the highest parent."""
        told = self._apply(job, event, line, digest)
        for _ in range(store.MAX_DEPTH):
            if told is None:
                return
            parent, news = told
            text = ulm.encode(ulm.write(news))
            told = self._apply(parent, news, text, _digest_of_own(parent, text))

    def _apply(self, job: Record, event: Event, line: bytes, digest: bytes) -> tuple[Record, Event] | None:
        """Keep and apply one event; what its parent is to be told of it."""
        job.nevents += 1
        before = parents.class_of(job.state.status)
        job.apply(event)
        self._known.add((job.key, digest))
        self._events.append({
            "jobid": job.key, "event": job.nevents, "code": event.type.code, "prog": SOURCE_CODES[event.source],
            "time_stamp": event.timestamp[0], "usec": event.timestamp[1],
            "level": level_code(event.level),
            "arrived": event.arrived[0] if event.arrived else 0, "digest": digest,
        })
        self._flesh.append({"jobid": job.key, "event": job.nevents, "ulm": line})
        return self._tell_parent(job, before, event)

    def _tell_parent(self, job: Record, before: int, event: Event) -> tuple[Record, Event] | None:
        """Count the child anew; the parent and what it is to be told, when it is a collection whose state changes."""
        after = parents.class_of(job.state.status)
        parent = self.get(job.parent.unique) if job.parent is not None and before != after else None
        if parent is None or parent.jobid != job.parent or not parent.state.status.children_num:
            return None
        if not same_person(parent.owner, job.owner):
            return None  # named as a parent before it was registered, by somebody else
        parent.state = parents.moved(parent.state, before, after)
        parent.changed = True
        told = parents.collection_event(
            parent.state.status, event, now=self._moment, host=self._options.host, server_dn=self._options.own_dn,
            seqcode=parent.state.last_seqcode or str(NULL),
        )
        if told is None:
            return None
        told.arrived = (self._moment[0], 0)
        return parent, told


def _digest_of_own(job: Record, text: bytes) -> bytes:
    """Our own events come once; two of them may well be alike, all in the same moment."""
    return hashlib.md5(b"%d %b" % (job.nevents, text), usedforsecurity=False).digest()

