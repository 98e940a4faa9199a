"""The events of one step of a job, with their sequence codes (wms.md 4.1, 4.7)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lb.model import ulm
from lb.model.events import Event
from lb.model.jobid import JobId
from lb.model.seqcode import NULL, SeqCode, SeqCodeError
from lb.model.vocabulary import ASYNC, FILE
from lb.producer import make_event
from wms.manager.record import Record
from wms.wrapper import Fact

WM, JSS, LM, LRMS = "WorkloadManager", "JobController", "LogMonitor", "LRMS"
#: What LB shows where nothing is known (wms.md 4.1).
UNAVAILABLE = "unavailable"


@dataclass
class Journal:
    """Writes events of one job into the outbox of its record; nothing leaves before the record has been saved."""

    record: Record
    host: str

    def log(self, source: str, event: str, **fields: Any) -> None:
        """An event on the job's normal way."""
        self.record.seqcode = self._next(self.record.seqcode, source)
        self._put(source, event, self.record.seqcode, fields)

    def log_cancel(self, source: str, event: str, **fields: Any) -> None:
        """An event of the cancellation, which has a sequence code of its own (wms.md 4.7)."""
        self.record.cancel_seqcode = self._next(self.record.cancel_seqcode, source)
        self._put(source, event, self.record.cancel_seqcode, fields)

    def forward(self, fact: Fact) -> None:
        """An event that the wrapper logged, as it is; one that LB would refuse is left out."""
        event = self._event(LRMS, fact.event, fact.seqcode, fact.fields, host=fact.host)
        event.timestamp = fact.timestamp
        line = ulm.write(event)
        if not ulm.parse(line, complete=False).missing:
            self.record.outbox.append(line)

    def _put(self, source: str, name: str, seqcode: str, fields: Mapping[str, Any]) -> None:
        instance = str(os.getpid()) if source == WM else ""
        event = self._event(source, name, seqcode, fields, host=self.host, instance=instance)
        self.record.outbox.append(ulm.write(event))

    def _event(
        self, source: str, name: str, seqcode: str, fields: Mapping[str, Any], *, host: str, instance: str = ""
    ) -> Event:
        jobid = JobId.parse(self.record.jobid)
        return make_event(
            name, jobid, source, self.record.owner, seqcode, fields, host=host, src_instance=instance,
            priority=FILE | ASYNC,
        )

    @staticmethod
    def _next(code: str, source: str) -> str:
        return str(parse_code(code).increment(source))


def parse_code(text: str) -> SeqCode:
    """The code, or the null code for a text that is none: events must go on somehow."""
    try:
        return SeqCode.parse(text)
    except SeqCodeError:
        return NULL


def wrapper_code(text: str) -> str:
    """What a wrapper begins with: the job's code with nothing counted behind the batch system's own hand-over."""
    return str(parse_code(text)._replace(lm=0, lrms=0, app=0))


def follows(code: str, given: str) -> bool:
    """Is it a code that a wrapper can have made of the one it was given? A job could write any."""
    try:
        return SeqCode.parse(code)._replace(lrms=0) == SeqCode.parse(given)._replace(lrms=0)
    except SeqCodeError:
        return False
