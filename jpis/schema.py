"""The tables of the index (jp.md 3.3) and how they follow the configuration.

The fixed tables are made by jpis/migrations; every configured attribute has a table of its own, `attr_<id>`. Where it
differs from the original:

* Jobs are numbered, and the rows of values refer to the number instead of the MD5 of the job id: new rows are then
  neighbours on disk, which makes feeding some eight times faster and keeps it so when the index grows.
* Each row of a value has a `digest`: what makes a repeated UpdateJobs harmless (see jpis.update).
* Strings that take part in comparisons are stored as bytes: they compare by bytes, without padding or collation, alike
  on every database.
* Only the tables of indexed attributes have an index over `value`; the single-value columns of table `jobs`, which the
  original wrote and never read, are not there.
"""

import hashlib
import logging
from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    delete,
    insert,
    inspect,
    select,
)
from sqlalchemy.dialects.mysql import BINARY, VARBINARY
from sqlalchemy.types import Boolean

import sql
from jpis.attributes import attribute_id
from jpis.config import Configuration

log = logging.getLogger(__name__)

_PREFIX = "attr_"
#: What the original's column attrs.type would say.
_VALUE_TYPE = "varchar(255)"

metadata = MetaData()


def binary(size: int) -> LargeBinary:
    """Return the type of up to `size` bytes, compared byte by byte."""
    return LargeBinary(size).with_variant(VARBINARY(size), "mysql", "mariadb")


#: MD5 of whatever makes a row unique.
Digest = LargeBinary(16).with_variant(BINARY(16), "mysql", "mariadb")

#: The number of a job within this index.
Number = BigInteger().with_variant(Integer(), "sqlite")

jobs = Table(
    "jobs",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("jobid", sql.Key32, nullable=False, unique=True),
    Column("dg_jobid", binary(255), nullable=False, unique=True),
    Column("ownerid", sql.Key32, nullable=False, index=True),
    Column("aclid", sql.Key32),
    Column("ps", sql.Text255, nullable=False),
)
attrs = Table(
    "attrs",
    metadata,
    Column("attrid", sql.Key32, primary_key=True),
    Column("name", sql.Text255, nullable=False, index=True),
    Column("indexed", Integer, nullable=False),
    Column("type", sql.Key32),
)
#: `state`: bits of jpis.feeds.State. `locked`: 0, or until when (epoch) the feed is being asked for.
#: `expires`: when the Primary Storage forgets the feed; `due`: when the feed loop has to act next.
feeds = Table(
    "feeds",
    metadata,
    Column("uniqueid", Integer, primary_key=True, autoincrement=True),
    Column("feedid", sql.Key32, unique=True),
    Column("state", Integer, nullable=False),
    Column("locked", BigInteger, nullable=False),
    Column("source", sql.Text255, nullable=False),
    Column("expires", sql.UtcDateTime),
    Column("condition", sql.LongText, nullable=False),
    Column("due", sql.UtcDateTime),
    Column("failures", Integer, nullable=False),
    Column("fingerprint", sql.Key32, nullable=False, index=True),
    Column("configured", Boolean, nullable=False),
)
users = Table(
    "users",
    metadata,
    Column("userid", sql.Key32, primary_key=True),
    Column("cert_subj", binary(1024), nullable=False),
)
acls = Table(
    "acls",
    metadata,
    Column("aclid", sql.Key32, primary_key=True),
    Column("value", sql.Blob, nullable=False),
    Column("refcnt", Integer, nullable=False),
)


def _value_table(identity: str) -> Table:
    return Table(
        _PREFIX + identity,
        MetaData(),
        Column("job", Number, primary_key=True, autoincrement=False),
        Column("digest", Digest, primary_key=True),
        Column("value", binary(255), nullable=False),
        Column("full_value", sql.Blob, nullable=False),
        Column("origin", SmallInteger, nullable=False),
        sqlite_with_rowid=False,
    )


def _value_index(table: Table) -> Index:
    return Index(f"{table.name}_value", table.c.value)


@dataclass(frozen=True)
class Schema:
    """The tables of one configuration."""

    configuration: Configuration
    values: dict[str, Table]
    """Attribute id → table of its values."""

    @classmethod
    def of(cls, configuration: Configuration) -> "Schema":
        """Name the tables that `configuration` needs; they exist after `prepare`."""
        return cls(configuration, {attribute.id: _value_table(attribute.id) for attribute in configuration.attributes})

    def table(self, name: str) -> Table | None:
        """Return the table with the values of attribute `name`, or None when it is not configured."""
        return self.values.get(attribute_id(name))


def prepare(engine: Engine, configuration: Configuration) -> Schema:
    """Make whatever is missing in the database, fresh or not, and return its tables.

    New attributes get tables. Attributes that left the configuration keep theirs, with all values, but cannot be asked
    or fed until they come back; only `wipe` drops them.
    """
    sql.migrate(engine, "jpis")
    schema = Schema.of(configuration)
    with sql.write(engine) as conn:
        _make_value_tables(conn, schema)
        _register_attributes(conn, schema)
    return schema


def _make_value_tables(conn: Connection, schema: Schema) -> None:
    inspector = inspect(conn)
    existing = set(inspector.get_table_names())
    for attribute in schema.configuration.attributes:
        table = schema.values[attribute.id]
        index = _value_index(table)
        if table.name not in existing:
            table.create(conn)
            continue
        has_index = any(found["name"] == index.name for found in inspector.get_indexes(table.name))
        if schema.configuration.is_indexed(attribute.name) and not has_index:
            index.create(conn)
        elif has_index and not schema.configuration.is_indexed(attribute.name):
            index.drop(conn)


def _register_attributes(conn: Connection, schema: Schema) -> None:
    configuration = schema.configuration
    known = {row.attrid: row.name for row in conn.execute(select(attrs.c.attrid, attrs.c.name))}
    for identity in known.keys() - schema.values.keys():
        log.warning(
            "attribute %s is no longer configured: its values stay in table %s%s but cannot be asked (-D drops them)",
            known[identity], _PREFIX, identity,
        )
    for attribute in configuration.attributes:
        if known and attribute.id not in known:
            log.info("attribute %s is new: the feeds are asked again for it", attribute.name)
    conn.execute(delete(attrs))
    conn.execute(
        insert(attrs),
        [
            {"attrid": a.id, "name": a.name, "indexed": int(configuration.is_indexed(a.name)), "type": _VALUE_TYPE}
            for a in configuration.attributes
        ],
    )


def wipe(engine: Engine) -> None:
    """Forget everything: all jobs, values, feeds and users (option -D)."""
    sql.migrate(engine, "jpis")
    with sql.write(engine) as conn:
        for name in inspect(conn).get_table_names():
            if name.startswith(_PREFIX) and len(name) == len(_PREFIX) + 2 * hashlib.md5().digest_size:
                Table(name, MetaData()).drop(conn)
        for table in (jobs, attrs, feeds, users, acls):
            conn.execute(delete(table))
