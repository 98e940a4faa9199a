"""Many rows in one statement: insert what is new, or insert and replace."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import mysql, sqlite

#: Rows per statement: SQLite allows 32,766 bound values, so 1,000 rows of up to 32 columns.
ROWS_PER_STATEMENT = 1000

#: "Duplicate entry … for key …"
_MYSQL_DUPLICATE = 1062

Row = Mapping[str, Any]


def insert_new(conn: Connection, table: Table, rows: Row | Sequence[Row]) -> int:
    """Insert the rows whose keys are not there yet; return how many were really inserted."""
    inserted = 0
    for batch in _batches(rows):
        if conn.dialect.name == "sqlite":
            inserted += conn.execute(sqlite.insert(table).values(batch).on_conflict_do_nothing()).rowcount
        else:
            inserted += conn.execute(mysql.insert(table).values(batch).prefix_with("IGNORE")).rowcount
            _refuse_other_warnings(conn)
    return inserted


def _refuse_other_warnings(conn: Connection) -> None:
    """INSERT IGNORE also cuts values and drops broken references: only a duplicate may be ignored."""
    for _level, code, message in conn.exec_driver_sql("SHOW WARNINGS"):
        if code != _MYSQL_DUPLICATE:
            raise ValueError(f"the database would alter a value: {message}")


def upsert(conn: Connection, table: Table, rows: Row | Sequence[Row], key: Sequence[str]) -> None:
    """Insert the rows, replacing the other columns of those that exist; `key` names the unique columns."""
    for batch in _batches(rows):
        changed = [name for name in batch[0] if name not in key]
        if conn.dialect.name == "sqlite":
            lite = sqlite.insert(table).values(batch)
            conn.execute(lite.on_conflict_do_update(index_elements=key, set_={n: lite.excluded[n] for n in changed}))
        else:
            my = mysql.insert(table).values(batch)
            conn.execute(my.on_duplicate_key_update({n: my.inserted[n] for n in changed}))


def _batches(rows: Row | Sequence[Row]) -> list[list[dict[str, Any]]]:
    listed = [dict(rows)] if isinstance(rows, Mapping) else [dict(row) for row in rows]
    return [listed[i : i + ROWS_PER_STATEMENT] for i in range(0, len(listed), ROWS_PER_STATEMENT)]
