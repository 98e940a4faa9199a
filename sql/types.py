"""Column types that compare, order and store alike on SQLite and MySQL/MariaDB.

Strings compare byte by byte (the original's `utf8_bin`), times are UTC with microseconds.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import CHAR, DateTime, Dialect, LargeBinary, String, Text, TypeDecorator
from sqlalchemy.dialects.mysql import DATETIME, LONGBLOB, LONGTEXT, VARCHAR

_BINARY = "utf8mb4_bin"

#: Up to 255 characters, compared by bytes (longer values raise on MySQL, so callers cut or refuse).
Text255 = String(255).with_variant(VARCHAR(255, charset="utf8mb4", collation=_BINARY), "mysql", "mariadb")
#: A 32-character key such as an MD5 in hex or the unique part of a job id.
Key32 = CHAR(32).with_variant(VARCHAR(32, charset="ascii", collation="ascii_bin"), "mysql", "mariadb")
#: Text of any length, compared by bytes.
LongText = Text().with_variant(LONGTEXT(charset="utf8mb4", collation=_BINARY), "mysql", "mariadb")
#: Bytes of any length.
Blob = LargeBinary().with_variant(LONGBLOB(), "mysql", "mariadb")


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime, stored as UTC with microseconds. A naive value is refused: its zone would be a guess."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(DATETIME(fsp=6))
        return dialect.type_descriptor(DateTime())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a datetime without time zone cannot be stored")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)
