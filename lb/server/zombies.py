"""Zombies: what the server remembers of a purged job, only that it was here (lb.md 8.3).

A job id is cut in three: the prefix `https://host:port/`, the middle, and the suffix from the first dot on (PBS ids
have one). Prefixes and suffixes are few and numbered; a zombie is a middle and two small numbers.

Unlike the original, an id whose prefix or suffix is not known is simply no zombie, every type of job is remembered,
two jobs that differ only in their suffix are two zombies, and whose they were is remembered: a purged job is still its
owner's, here and in Job Provenance.
"""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from sqlalchemy import Column, Connection, Table, delete, select, tuple_

import sql
from lb.model.jobid import JobId
from lb.server.schema import zombie_jobs, zombie_prefixes, zombie_suffixes

#: Ids looked up in one statement.
_CHUNK = 500

Key = tuple[str, int, int]


def bury(conn: Connection, jobids: Iterable[JobId], owners: Mapping[str, str] = MappingProxyType({})) -> None:
    """Remember the jobs as purged; harmless for those that are remembered already.

    owners: database keys of their users, by the unique part of the id, as far as they are known.
    """
    parts = {jobid: _cut(jobid) for jobid in jobids}
    prefixes = _numbers(conn, zombie_prefixes, {prefix for prefix, _, _ in parts.values()}, insert=True)
    suffixes = _numbers(conn, zombie_suffixes, {suffix for _, _, suffix in parts.values()}, insert=True)
    rows = [
        {
            "jobid": middle, "prefix_id": prefixes[prefix], "suffix_id": suffixes[suffix],
            "userid": owners.get(jobid.unique),
        }
        for jobid, (prefix, middle, suffix) in parts.items()
    ]
    if rows:
        sql.insert_new(conn, zombie_jobs, rows)


def among(conn: Connection, jobids: Sequence[JobId]) -> set[JobId]:
    """Which of the ids are zombies."""
    keys = _keys(conn, jobids)
    by_key = {key: jobid for jobid, key in keys.items()}
    return {by_key[key] for key in _existing(conn, list(by_key))}


def owner_of(conn: Connection, jobid: JobId) -> str | None:
    """Database key of the user whose job the zombie was; None when it is not known, or no zombie."""
    keys = list(_keys(conn, [jobid]).values())
    return conn.execute(select(zombie_jobs.c.userid).where(_key().in_(keys))).scalar_one_or_none()


def revive(conn: Connection, jobids: Sequence[JobId]) -> None:
    """Forget that the jobs were purged: they have been registered again."""
    keys = list(_keys(conn, jobids).values())
    for start in range(0, len(keys), _CHUNK):
        conn.execute(delete(zombie_jobs).where(_key().in_(keys[start : start + _CHUNK])))


def _cut(jobid: JobId) -> tuple[str, str, str]:
    middle, dot, tail = jobid.unique.partition(".")
    return f"https://{jobid.server}/", middle, dot + tail


def _keys(conn: Connection, jobids: Iterable[JobId]) -> dict[JobId, Key]:
    parts = {jobid: _cut(jobid) for jobid in jobids}
    prefixes = _numbers(conn, zombie_prefixes, {prefix for prefix, _, _ in parts.values()})
    suffixes = _numbers(conn, zombie_suffixes, {suffix for _, _, suffix in parts.values()})
    return {
        jobid: (middle, prefixes[prefix], suffixes[suffix])
        for jobid, (prefix, middle, suffix) in parts.items() if prefix in prefixes and suffix in suffixes
    }


def _numbers(conn: Connection, table: Table, values: set[str], *, insert: bool = False) -> dict[str, int]:
    """The numbers of prefixes or suffixes; with `insert` all of them have one afterwards."""
    number, text = table.columns
    found = _read_numbers(conn, number, text, values)
    if insert and (new := values - set(found)):
        sql.insert_new(conn, table, [{text.name: value} for value in sorted(new)])
        found = _read_numbers(conn, number, text, values)
    return found


def _read_numbers(conn: Connection, number: Column[Any], text: Column[Any], values: set[str]) -> dict[str, int]:
    wanted = sorted(values)
    found: dict[str, int] = {}
    for start in range(0, len(wanted), _CHUNK):
        rows = conn.execute(select(text, number).where(text.in_(wanted[start : start + _CHUNK])))
        found.update((value, identifier) for value, identifier in rows)
    return found


def _existing(conn: Connection, keys: list[Key]) -> set[Key]:
    found: set[Key] = set()
    for start in range(0, len(keys), _CHUNK):
        rows = conn.execute(select(zombie_jobs).where(_key().in_(keys[start : start + _CHUNK])))
        found |= {(row.jobid, row.prefix_id, row.suffix_id) for row in rows}
    return found


def _key() -> Any:
    return tuple_(zombie_jobs.c.jobid, zombie_jobs.c.prefix_id, zombie_jobs.c.suffix_id)
