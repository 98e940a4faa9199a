"""Logging events: registration straight at the server, everything else through event files (lb.md 2.3, 5.2, 7).

    seqcode = Producer(credential, ca_dir).register(jobid, jdl=..., ns=..., source="NetworkServer")
    logger = JobLogger(EventSpool(prefix), jobid, "NetworkServer", user_dn, seqcode)
    logger.log("Accepted", from_="UserInterface", from_host="ui.example.org")

A sequence code travels with the job. Who takes it over increments the component of its own source, and again after each
event: that is what puts events of several components in order, whatever way they take.
"""

import errno
import os
import socket
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from gsi.credential import Credential
from lb.model import ulm
from lb.model.events import Event, find_type
from lb.model.jobid import JobId
from lb.model.seqcode import taken_over
from lb.model.vocabulary import ASYNC, DIRECT, EXCLUSIVE, FILE
from lb.storeclient import TIMEOUT_S, StoreConnection, StoreError
from spool.eventfile import EventFiles

LEVEL = "SYSTEM"


class ProducerError(Exception):
    """The event was not stored. `code`: errno or LB code (lb.md 15); `transient`: the same call may succeed later."""

    def __init__(self, text: str, code: int, *, transient: bool) -> None:
        super().__init__(text)
        self.code = code
        self.transient = transient


class EventSpool:
    """Event files below `prefix`; `glite-lb-interlogd` delivers them."""

    def __init__(self, prefix: Path) -> None:
        self._files = EventFiles(prefix)

    def append(self, event: Event) -> None:
        """Store an event for delivery; it is on disk when the call returns."""
        self._files.append(event.jobid.unique, ulm.encode(ulm.write(event)))


class Producer:
    """Registers jobs at their LB servers as the owner of `credential`."""

    def __init__(self, credential: Credential, ca_dir: Path, timeout_s: float = TIMEOUT_S) -> None:
        self.credential = credential
        self._ca_dir = ca_dir
        self._timeout_s = timeout_s

    def register(
        self, jobid: JobId, *, jdl: str, ns: str, source: str, jobtype: str = "SIMPLE", seqcode: str | None = None,
        src_instance: str = "", exclusive: bool = False, **fields: Any,
    ) -> str:
        """Register a job, stored at its server when the call returns; gives the sequence code that follows.

        `ns`: the endpoint that will process the job. `exclusive`: refuse when the id is known already (EEXIST).
        Raises ProducerError.
        """
        code = taken_over(seqcode, source)
        values = {"jdl": jdl, "ns": ns, "jobtype": jobtype} | fields
        priority = DIRECT | (EXCLUSIVE if exclusive else 0)
        event = make_event("RegJob", jobid, source, self.credential.dn, str(code), values,
                           src_instance=src_instance, priority=priority)
        self.send(event)
        return str(code.increment(source))

    def send(self, event: Event) -> None:
        """Deliver one event straight to the server of its job. Raises ProducerError."""
        connection = StoreConnection(event.jobid.server, self.credential, self._ca_dir, self._timeout_s)
        try:
            reply = connection.deliver(ulm.encode(ulm.write(event)))
        except StoreError as error:
            raise ProducerError(str(error), errno.EAGAIN, transient=True) from error
        finally:
            connection.close()
        if not reply.ok:
            raise ProducerError(f"{os.strerror(reply.code)} ({reply.text})", reply.code, transient=not reply.final)


class JobLogger:
    """Logs the events of one job as one source; keeps the sequence code."""

    def __init__(
        self, spool: EventSpool, jobid: JobId, source: str, user: str, seqcode: str | None = None, *,
        host: str | None = None, src_instance: str = "",
    ) -> None:
        self._spool = spool
        self.jobid = jobid
        self.source = source
        self.user = user
        self._host = host or host_name()
        self._src_instance = src_instance
        self._code = taken_over(seqcode, source)

    @property
    def seqcode(self) -> str:
        """The code of the next event: what is handed on with the job."""
        return str(self._code)

    def log(self, name: str, /, **fields: Any) -> str:
        """Log an event, on disk when the call returns; gives the new sequence code.

        A field that is a Python keyword gets `_` after it (`from_`).
        """
        values = {key.rstrip("_"): value for key, value in fields.items()}
        self._spool.append(make_event(name, self.jobid, self.source, self.user, self.seqcode, values,
                                      host=self._host, src_instance=self._src_instance, priority=FILE | ASYNC))
        self._code = self._code.increment(self.source)
        return self.seqcode


def make_event(
    name: str, jobid: JobId, source: str, user: str, seqcode: str, fields: Mapping[str, Any], *,
    host: str | None = None, src_instance: str = "", priority: int = ASYNC,
) -> Event:
    """An event that happens now. Raises ValueError for an unknown type or field."""
    kind = find_type(name)
    if kind is None:
        raise ValueError(f"there is no event type {name}")
    known = {field.name for field in kind.fields}
    if unknown := set(fields) - known:
        raise ValueError(f"{name} has no field {', '.join(sorted(unknown))}")
    now = time.time_ns() // 1000
    return Event(
        type=kind, timestamp=(now // 1_000_000, now % 1_000_000), host=host or host_name(), level=LEVEL,
        priority=priority, jobid=jobid, seqcode=seqcode, user=user, source=source, src_instance=src_instance,
        fields={key: value for key, value in fields.items() if value not in (None, "")},
    )


@cache
def host_name() -> str:
    """HOST of events: GLOBUS_HOSTNAME, else this machine's full name (lb.md 13.1)."""
    return os.environ.get("GLOBUS_HOSTNAME") or socket.getfqdn()
