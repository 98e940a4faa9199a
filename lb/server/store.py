"""The way in: lines of a connection become replies, and what was answered OK is on disk.

    line ─► admission (form, sender, rights) ─► group commit ─► batch (job, owner, duplicate, state) ─► reply
"""

import errno
import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, IntegrityError

import sql
from gsi.authz import log_refusal
from gsi.peer import Peer
from lb.model.ulm import UlmError
from lb.server.admission import Admission, Admitted
from lb.server.batch import Batch, StoreOptions
from lb.server.errors import LbError
from lb.server.groupcommit import GroupCommit
from lb.storeproto import OK, Reply, failure

log = logging.getLogger(__name__)

#: Two servers on one database may register the same job at once: the loser looks again.
_RACES: Final = 5
_DEFAULTS: Final = StoreOptions()


class Store:
    """Stores events. One per process, for all threads."""

    def __init__(
        self, engine: Engine, admission: Admission, options: StoreOptions = _DEFAULTS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._engine = engine
        self._admission = admission
        self._options = options
        self._clock = clock
        self._commits = GroupCommit[Admitted, Reply](self._commit)

    def store(self, lines: Sequence[bytes], peer: Peer | None) -> list[Reply]:
        """Store event lines of one peer; answer each, in order, when all that is answered OK is on disk."""
        judged = [self._judge(line, peer) for line in lines]
        admitted = [item for item in judged if isinstance(item, Admitted)]
        try:
            answers = iter(self._commits.submit(admitted))
        except DBAPIError as error:
            log.error("the database refuses %d events: %s", len(admitted), error.orig)
            answers = iter([failure(errno.EIO, "database trouble, try again later")] * len(admitted))
        replies = [next(answers) if isinstance(item, Admitted) else item for item in judged]
        for reply in replies:
            if reply.code == errno.EPERM:
                log_refusal(peer, "the store of events", reply.text)
        return replies

    def _judge(self, line: bytes, peer: Peer | None) -> Admitted | Reply:
        try:
            return self._admission.admit(line, peer, int(self._clock()))
        except UlmError as error:
            return failure(error.code, str(error))
        except LbError as error:
            return failure(error.code, error.description)

    def _commit(self, items: Sequence[Admitted]) -> list[Reply]:
        for _ in range(_RACES):
            try:
                return sql.transact(self._engine, lambda conn: self._work(conn, items))
            except IntegrityError as error:
                log.info("another server wrote the same job, trying again: %s", error.orig)
        return sql.transact(self._engine, lambda conn: self._work(conn, items))

    def _work(self, conn: Connection, items: Sequence[Admitted]) -> list[Reply]:
        seconds = self._clock()
        batch = Batch(conn, self._options, (int(seconds), int(seconds % 1 * 1_000_000)))
        batch.read(items)
        replies = [_store_one(batch, item) for item in items]
        batch.write()
        return replies


def _store_one(batch: Batch, item: Admitted) -> Reply:
    try:
        batch.store(item)
    except LbError as error:
        return failure(error.code, error.description)
    return OK
