"""From a database URL to an engine with the guarantees that the services rely on.

What a service acknowledges must survive a power cut: SQLite runs in WAL with synchronous=FULL (NORMAL may lose
acknowledged commits), InnoDB with its default flush at every commit. Figures: docs/architecture.md.
"""

import functools
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import Engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

#: How long a writer waits for another one on SQLite, in seconds.
SQLITE_BUSY_TIMEOUT_S = 60

#: The original's connect string, `USER/PASSWORD@HOST:DBNAME` (jp.md 2.1, lb.md 12.1).
_LEGACY = re.compile(r"(?P<user>[^/@:]+)/(?P<password>[^@]*)@(?P<host>[^:/]*):(?P<database>[^/?]+)")


class DatabaseUrlError(ValueError):
    """The text names no database that can be used; the message says what to write instead."""


def parse_url(text: str) -> URL:
    """Return the URL of `text`: an SQLAlchemy URL (`sqlite:////path`, `mysql://…`) or the original's connect string.

    Raises DatabaseUrlError.
    """
    if match := _LEGACY.fullmatch(text):
        return URL.create(
            "mysql+mysqldb", match["user"], match["password"] or None, match["host"] or "localhost",
            database=match["database"],
        )
    try:
        url = make_url(text)
    except ArgumentError:
        raise DatabaseUrlError(
            "cannot read the database URL; write sqlite:////path/to/file.db, mysql://user:password@host/database "
            "or user/password@host:database"
        ) from None
    backend = url.get_backend_name()
    if backend == "sqlite":
        if not url.database or url.database == ":memory:":
            raise DatabaseUrlError("an SQLite database needs a file: sqlite:////path/to/file.db")
        return url.set(drivername="sqlite")
    if backend in ("mysql", "mariadb"):
        return url.set(drivername="mysql+mysqldb")
    raise DatabaseUrlError(f"no support for {backend} databases; use sqlite or mysql")


def engine(url: str | URL) -> Engine:
    """Make the engine for `url`. Call it after fork: connections must not be shared between processes.

    Raises DatabaseUrlError for a URL that cannot be used, or when its driver is not installed.
    """
    parsed = parse_url(url) if isinstance(url, str) else url
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed)
    return _mysql(parsed)


def check(url: str | URL) -> Callable[[], None]:
    """Return a check for monitors: it raises SQLAlchemyError or OSError when the database does not answer.

    Its engine is made on the first call: in the process that asks.
    """
    parsed = parse_url(url) if isinstance(url, str) else url
    known = functools.cache(lambda: engine(parsed))

    def ask() -> None:
        if parsed.get_backend_name() == "sqlite":
            Path(parsed.database or "").stat()  # connecting would make the file anew
        with known().connect() as connection:
            connection.exec_driver_sql("SELECT 1")

    return ask


def _sqlite(url: URL) -> Engine:
    made = sqlalchemy.create_engine(
        url, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_S, "check_same_thread": False}, pool_size=32, max_overflow=32
    )

    @event.listens_for(made, "connect")
    def configure(connection: sqlite3.Connection, _record: Any) -> None:
        # pysqlite's own transaction control is off: sql.transactions says BEGIN itself.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(made, "begin")
    def begin(connection: sqlalchemy.Connection) -> None:
        options = connection.get_execution_options()
        # A writer takes the lock at once: upgrading a read transaction later fails instead of waiting.
        connection.exec_driver_sql("BEGIN" if options.get("reads_only") else "BEGIN IMMEDIATE")

    return made


def _mysql(url: URL) -> Engine:
    try:
        import MySQLdb  # noqa: F401
    except ImportError:
        raise DatabaseUrlError("MySQL needs the extra: pip install glite-py[mysql]") from None
    query = {"charset": "utf8mb4", **url.query}
    return sqlalchemy.create_engine(
        url.set(query=query), isolation_level="READ COMMITTED", pool_pre_ping=True, pool_recycle=3600,
        pool_size=32, max_overflow=32,
    )
