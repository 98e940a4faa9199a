"""Engines, transactions, bulk writes and migrations on SQLite and MySQL/MariaDB.

One way in for every service::

    engine = sql.engine("sqlite:////var/lib/glite/jpps.db")   # after fork, once per process
    sql.await_server(engine)                                   # a database server that is not up yet
    sql.migrate(engine, "jpps")
    with sql.write(engine) as conn:                            # durable when the block has ended
        conn.execute(...)
"""

from sql.bulk import insert_new, upsert
from sql.engines import DatabaseUrlError, check, engine
from sql.migrations import migrate
from sql.patience import await_server
from sql.transactions import read, transact, write
from sql.types import Blob, Key32, LongText, Text255, UtcDateTime

__all__ = [
    "Blob",
    "DatabaseUrlError",
    "Key32",
    "LongText",
    "Text255",
    "UtcDateTime",
    "await_server",
    "check",
    "engine",
    "insert_new",
    "migrate",
    "read",
    "transact",
    "upsert",
    "write",
]
