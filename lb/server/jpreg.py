"""Registrations on their way to Job Provenance: one message per new job (lb.md 9.2, jp.md 4.3).

Storing a new job puts it on the list `jpreg` in the same transaction. Here the list is worked off: message first, then
off the list. Whatever happens in between, a message may come twice, never not at all; the importer knows it then.
"""

import logging
import threading
from typing import Final

from sqlalchemy import Connection, Engine, delete, select
from sqlalchemy.exc import SQLAlchemyError

import sql
from lb.model import ulm
from lb.model.jobid import JobId
from lb.server.errors import database_trouble
from lb.server.record import CHUNK
from lb.server.schema import jobs, jpreg, users
from spool.maildir import Maildir

#: How often the list is looked at when it was empty, in seconds.
POLL_S: Final = 0.3
#: Pause after the database or the disk has failed, in seconds.
TROUBLE_PAUSE_S: Final = 2.0

log = logging.getLogger(__name__)


def export_registrations(engine: Engine, maildir: Maildir) -> int:
    """Tell the importer of the next jobs on the list; return how many, 0 when the list is empty."""
    with sql.read(engine) as conn:
        keys = list(conn.execute(select(jpreg.c.jobid).limit(CHUNK)).scalars())
        messages = _messages(conn, keys)
    if not keys:
        return 0
    _store(maildir, messages)
    with sql.write(engine) as conn:
        conn.execute(delete(jpreg).where(jpreg.c.jobid.in_(keys)))
    return len(keys)


def export_before_purge(conn: Connection, maildir: Maildir, keys: list[str]) -> None:
    """Tell the importer of those of the jobs that are still on the list, and take them off it."""
    listed = list(conn.execute(select(jpreg.c.jobid).where(jpreg.c.jobid.in_(keys))).scalars())
    if listed:
        _store(maildir, _messages(conn, listed))
        conn.execute(delete(jpreg).where(jpreg.c.jobid.in_(listed)))


def run(engine: Engine, maildir: Maildir, stop: threading.Event) -> None:
    """Work the list off, for ever, until `stop` is set; when database or disk fail the list waits."""
    while not stop.is_set():
        try:
            if not export_registrations(engine, maildir):
                stop.wait(POLL_S)
        except SQLAlchemyError as error:
            database_trouble("registrations wait", error)
            stop.wait(TROUBLE_PAUSE_S)
        except OSError as error:
            log.error("registrations wait: a message cannot be written: %s", error)
            stop.wait(TROUBLE_PAUSE_S)


def _messages(conn: Connection, keys: list[str]) -> list[tuple[JobId, bytes]]:
    rows = conn.execute(
        select(jobs.c.dg_jobid, users.c.cert_subj).join(users, users.c.userid == jobs.c.userid)
        .where(jobs.c.jobid.in_(keys))
    )
    return [(JobId.parse(jobid), ulm.encode(jobid) + b"\n" + owner) for jobid, owner in rows]


def _store(maildir: Maildir, messages: list[tuple[JobId, bytes]]) -> None:
    for jobid, message in messages:
        maildir.store(message, jobid.host)
