"""Transactions: a read sees one snapshot, a write is durable when its block has ended."""

import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError

T = TypeVar("T")
log = logging.getLogger(__name__)

#: How often a transaction is repeated when the database chose it as the victim of a deadlock.
ATTEMPTS = 8
#: MySQL: deadlock found 1213, lock wait timeout 1205; server gone 2006, lost connection 2013.
_TRANSIENT_MYSQL = frozenset({1205, 1213, 2006, 2013})


@contextmanager
def read(engine: Engine) -> Iterator[Connection]:
    """One consistent view for reading; takes no write lock."""
    with engine.connect().execution_options(reads_only=True) as conn, conn.begin():
        yield conn


@contextmanager
def write(engine: Engine) -> Iterator[Connection]:
    """One transaction that is on disk when the block has ended, or has left no trace when it raised."""
    with engine.connect() as conn, conn.begin():
        yield conn


def transact(engine: Engine, work: Callable[[Connection], T]) -> T:
    """Run `work(conn)` in one durable transaction, again when the database asks for a repeat (deadlock, lost link).

    `work` must be repeatable: it may only change the database. Raises the last error after ATTEMPTS tries.
    """
    for attempt in range(1, ATTEMPTS):
        try:
            with write(engine) as conn:
                return work(conn)
        except DBAPIError as error:
            if not is_transient(error):
                raise
            log.info("transaction repeated (%d of %d): %s", attempt, ATTEMPTS, error.orig)
            time.sleep(random.uniform(0, 0.01 * 2**attempt))
    with write(engine) as conn:
        return work(conn)


def is_transient(error: DBAPIError) -> bool:
    """True when the same transaction may succeed if it is simply run again."""
    code = error.orig.args[0] if error.orig is not None and error.orig.args else None
    if isinstance(code, int):
        return code in _TRANSIENT_MYSQL
    return isinstance(error, OperationalError) and "locked" in str(error.orig)
