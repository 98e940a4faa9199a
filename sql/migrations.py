"""Schema versions with alembic: every service brings its scripts, every start brings its database up to date.

The scripts of the room `jpps` are `jpps/migrations/NNNN_what.py` (alembic revision files with `revision`,
`down_revision`, `upgrade`). Several servers may start at once: the migration runs under a lock of the database.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

import sql.transactions

_LOCK_WAIT_S = 120


def migrate(engine: Engine, room: str, scripts: str | None = None) -> None:
    """Bring the schema of `room` up to date; a database newer than the program is left as it is.

    `scripts`: package of the revision files, by default `<room>.migrations`. Several rooms may share a database:
    each keeps its version in a table of its own, `alembic_<room>`.
    """
    folder = str(files(scripts or f"{room}.migrations"))
    directory = ScriptDirectory(folder, version_locations=[folder])
    with sql.transactions.write(engine) as conn, _lock(conn, room):
        _upgrade(conn, directory, f"alembic_{room}")


def _upgrade(conn: Connection, directory: ScriptDirectory, version_table: str) -> None:
    def steps(current: Any, _context: MigrationContext) -> Any:
        known = {script.revision for script in directory.walk_revisions()}
        if current and not set(current if isinstance(current, tuple) else [current]) <= known:
            return []
        return directory._upgrade_revs("head", current)

    context = MigrationContext.configure(
        conn, opts={"version_table": version_table, "fn": steps, "transactional_ddl": True, "script": directory}
    )
    with Operations.context(context):
        context.run_migrations()


@contextmanager
def _lock(conn: Connection, room: str) -> Iterator[None]:
    if conn.dialect.name == "sqlite":  # BEGIN IMMEDIATE already is one
        yield
        return
    name = f"glite-migrate-{room}"
    conn.execute(text("SELECT GET_LOCK(:name, :wait)"), {"name": name, "wait": _LOCK_WAIT_S})
    try:
        yield
    finally:
        conn.execute(text("SELECT RELEASE_LOCK(:name)"), {"name": name})
