"""Jobs and their owners: registration and look-up (jp.md 2.3, 2.5).

A job's key is the unique part of its job id, as in the original, which took it to be unique in the world. Where it is
not, or where it cannot name a directory, the key is the MD5 of the whole id; look-up always goes by the whole id.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, Select, select

import sql
from jpps import schema
from jpps.errors import Exists, Invalid, NotFound

#: Columns dg_jobid and cert_subj.
MAX_LENGTH = 255
#: Column jobid.
_MAX_KEY = 32
#: Names a directory and stands in a URL as it is.
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9_~.,:=+@-]*")
_BLANK_OR_CONTROL = re.compile(r"[\s\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Job:
    """A registered job. `registered`: UTC, whole seconds."""

    key: str
    jobid: str
    owner: str
    registered: datetime

    @property
    def owner_hash(self) -> str:
        return userid(self.owner)


def userid(dn: str) -> str:
    """Return the MD5 of a DN in lower-case hex (jp.md 2.4): an identifier, not a protection."""
    return hashlib.md5(dn.encode(), usedforsecurity=False).hexdigest()


def register(conn: Connection, jobid: str, owner: str, when: datetime) -> Job:
    """Register a job for its owner. Raises Exists, or Invalid for ids and DNs that make no sense."""
    unique = _check_jobid(jobid)
    _check_owner(owner)
    owner_hash = userid(owner)
    sql.insert_new(conn, schema.users, {"userid": owner_hash, "cert_subj": owner})
    for key in _keys(jobid, unique):
        row = {"jobid": key, "dg_jobid": jobid, "owner": owner_hash, "reg_time": when}
        if sql.insert_new(conn, schema.jobs, row):
            return Job(key, jobid, owner, when)
        if conn.scalar(select(schema.jobs.c.jobid).where(schema.jobs.c.dg_jobid == jobid)) is not None:
            break
    raise Exists("Job already registered")


def find(conn: Connection, jobid: str) -> Job:
    """Return the job with that id. Raises NotFound, or Invalid when it is no job id at all."""
    _check_jobid(jobid)
    row = conn.execute(_jobs().where(schema.jobs.c.dg_jobid == jobid)).one_or_none()
    if row is None:
        raise NotFound("Cannot retrieve job info", NotFound("No records for this job"))
    return _job(row)


def by_key(conn: Connection, key: str) -> Job | None:
    """Return the job with that key."""
    row = conn.execute(_jobs().where(schema.jobs.c.jobid == key)).one_or_none()
    return None if row is None else _job(row)


def by_keys(conn: Connection, keys: Sequence[str]) -> dict[str, Job]:
    """Return the jobs with those keys, by key."""
    return {row.jobid: _job(row) for row in conn.execute(_jobs().where(schema.jobs.c.jobid.in_(keys)))}


def after(conn: Connection, key: str, owner: str | None, limit: int) -> list[Job]:
    """Return up to `limit` jobs whose key is greater than `key`, in the order of keys; `owner`: only of that DN."""
    query = _jobs().where(schema.jobs.c.jobid > key).order_by(schema.jobs.c.jobid).limit(limit)
    if owner is not None:
        query = query.where(schema.jobs.c.owner == userid(owner))
    return [_job(row) for row in conn.execute(query)]


def _jobs() -> Select[tuple[str, str, datetime, str]]:
    joined = schema.jobs.join(schema.users, schema.users.c.userid == schema.jobs.c.owner)
    columns = (schema.jobs.c.jobid, schema.jobs.c.dg_jobid, schema.jobs.c.reg_time, schema.users.c.cert_subj)
    return select(*columns).select_from(joined)


def _job(row: Row[tuple[str, str, datetime, str]]) -> Job:
    return Job(row.jobid, row.dg_jobid, row.cert_subj, row.reg_time)


def _keys(jobid: str, unique: str) -> list[str]:
    digest = hashlib.md5(jobid.encode(), usedforsecurity=False).hexdigest()
    plain = len(unique) <= _MAX_KEY and _PLAIN_KEY.fullmatch(unique)
    return [unique, digest] if plain else [digest]


def _check_jobid(jobid: str) -> str:
    before, slash, unique = jobid.rpartition("/")
    if not slash or not unique or not before:
        raise Invalid("malformed jobid: it must end in /<unique part>")
    if len(jobid) > MAX_LENGTH or _BLANK_OR_CONTROL.search(jobid):
        raise Invalid(f"malformed jobid: at most {MAX_LENGTH} characters, no blanks")
    return unique


def _check_owner(owner: str) -> None:
    if not owner or owner != owner.strip() or len(owner) > MAX_LENGTH or not owner.isprintable():
        raise Invalid(f"owner must be the DN of a user, at most {MAX_LENGTH} printable characters")
