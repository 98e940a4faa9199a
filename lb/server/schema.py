"""The tables of the LB server (lb.md 12.2).

They have the original's names and meaning. Where they differ:

* times are whole seconds since 1970, with the microseconds beside them;
* an event's host, user and sequence code stand only in its line (`events_flesh.ulm`); the number of a job's events is
  `states.seq` alone;
* `events.digest` makes a repeated delivery recognisable;
* the columns `STD_*` are always there;
* `zombie_jobs.userid` is the owner of the purged job;
* `jpreg` lists the registrations that are still to be exported to Job Provenance.

Texts from outside are kept as bytes: event lines hold bytes that are no UTF-8.
"""

import hashlib
from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    UniqueConstraint,
)
from sqlalchemy.dialects.mysql import BINARY, VARBINARY

import sql
from lb.model import ulm

#: Bytes of a text that its index column keeps; longer ones are compared again in full (lb.md 16.3: index limit 255).
INDEXED_BYTES: Final = 255

IndexedText = LargeBinary(INDEXED_BYTES).with_variant(VARBINARY(INDEXED_BYTES), "mysql", "mariadb")
Digest = LargeBinary(16).with_variant(BINARY(16), "mysql", "mariadb")

metadata = MetaData()

users = Table(
    "users",
    metadata,
    Column("userid", sql.Key32, primary_key=True),
    Column("cert_subj", sql.Blob, nullable=False),
)

jobs = Table(
    "jobs",
    metadata,
    Column("jobid", sql.Text255, primary_key=True),
    Column("dg_jobid", sql.LongText, nullable=False),
    Column("userid", sql.Key32, nullable=False, index=True),
)

events = Table(
    "events",
    metadata,
    Column("jobid", sql.Text255, primary_key=True),
    Column("event", Integer, primary_key=True, autoincrement=False),
    Column("code", SmallInteger, nullable=False),
    Column("prog", SmallInteger, nullable=False),
    Column("time_stamp", BigInteger, nullable=False, index=True),
    Column("usec", Integer, nullable=False),
    Column("level", SmallInteger, nullable=False),
    Column("arrived", BigInteger, nullable=False),
    Column("digest", Digest, nullable=False),
    UniqueConstraint("jobid", "digest", name="events_digest"),
)

events_flesh = Table(
    "events_flesh",
    metadata,
    Column("jobid", sql.Text255, primary_key=True),
    Column("event", Integer, primary_key=True, autoincrement=False),
    Column("ulm", sql.Blob, nullable=False),
)

states = Table(
    "states",
    metadata,
    Column("jobid", sql.Text255, primary_key=True),
    Column("status", SmallInteger, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("int_status", sql.Blob, nullable=False),
    Column("version", sql.Text255, nullable=False),
    Column("parent_job", sql.Text255, index=True),
    Column("payload_userid", sql.Key32),
    Column("STD_destination", IndexedText, index=True),
    Column("STD_location", IndexedText, index=True),
    Column("STD_network_server", IndexedText),
    Column("STD_stateEnterTime", BigInteger, nullable=False),
    Column("STD_lastUpdateTime", BigInteger, nullable=False, index=True),
)

status_tags = Table(
    "status_tags",
    metadata,
    Column("jobid", sql.Text255, primary_key=True),
    Column("name", IndexedText, primary_key=True),
    Column("seq", Integer, nullable=False),
    Column("value", IndexedText, nullable=False),
)

zombie_prefixes = Table(
    "zombie_prefixes",
    metadata,
    Column("prefix_id", Integer, primary_key=True, autoincrement=True),
    Column("prefix", sql.Text255, nullable=False, unique=True),
)

zombie_suffixes = Table(
    "zombie_suffixes",
    metadata,
    Column("suffix_id", Integer, primary_key=True, autoincrement=True),
    Column("suffix", sql.Text255, nullable=False, unique=True),
)

zombie_jobs = Table(
    "zombie_jobs",
    metadata,
    Column("jobid", sql.Text255, primary_key=True),
    Column("prefix_id", Integer, primary_key=True, autoincrement=False),
    Column("suffix_id", Integer, primary_key=True, autoincrement=False),
    Column("userid", sql.Key32),
)

jpreg = Table(
    "jpreg",
    metadata,
    Column("jobid", sql.Text255, primary_key=True),
)


def userid(dn: str) -> str:
    """Database key of a user: hex MD5 of the subject (lb.md 1). An identifier, not a protection."""
    return hashlib.md5(ulm.encode(dn), usedforsecurity=False).hexdigest()


def indexed(value: str | None) -> bytes | None:
    """What the index column of a text holds: at most INDEXED_BYTES bytes of it."""
    return None if value is None else ulm.encode(value)[:INDEXED_BYTES]
