"""The events of one step of a job, with their sequence codes (wms.md 4.1, 4.7)."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any

from lb.model import ulm
from lb.model.events import EVENTS, FILE, Event, Field, Kind
from lb.model.jobid import JobId
from lb.model.seqcode import NULL, SeqCode, SeqCodeError
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
        if all(_is_set(field, fact.fields.get(field.name)) for field in EVENTS[fact.event].fields if field.required):
            self._line(LRMS, fact.event, fact.seqcode, fact.fields, fact.timestamp, fact.host, "")

    def _put(self, source: str, event: str, seqcode: str, fields: dict[str, Any]) -> None:
        now = time.time_ns() // 1000
        instance = str(os.getpid()) if source == WM else ""
        self._line(source, event, seqcode, fields, (now // 1_000_000, now % 1_000_000), self.host, instance)

    def _line(
        self, source: str, event: str, seqcode: str, fields: dict[str, Any], timestamp: tuple[int, int], host: str,
        instance: str,
    ) -> None:
        made = Event(
            type=EVENTS[event], timestamp=timestamp, host=host, level="SYSTEM", priority=FILE,
            jobid=JobId.parse(self.record.jobid), seqcode=seqcode, user=self.record.owner, source=source,
            src_instance=instance, fields={name: value for name, value in fields.items() if value not in (None, "")},
        )
        self.record.outbox.append(ulm.write(made))

    @staticmethod
    def _next(code: str, source: str) -> str:
        return str(parse_code(code).increment(source))


def _is_set(field: Field, value: object) -> bool:
    """Would LB take the value for one? A number equal to the null of its field is none (lb.md 2.1)."""
    if value is None or value == "":
        return False
    if field.kind in (Kind.INT, Kind.DOUBLE):
        return value != field.null
    return field.kind is not Kind.ENUM or value in field.values


def parse_code(text: str) -> SeqCode:
    """The code, or the null code for a text that is none: events must go on somehow."""
    try:
        return SeqCode.parse(text)
    except SeqCodeError:
        return NULL


def wrapper_code(text: str) -> str:
    """What a wrapper begins with: the job's code with nothing counted behind the batch system's own hand-over."""
    return str(parse_code(text)._replace(lm=0, lrms=0, app=0))


def belongs_to(fact: Fact, seqcode: str) -> bool:
    """Is the code of a wrapper's event one that follows from the code it was given? A job could write any."""
    try:
        return SeqCode.parse(fact.seqcode)._replace(lrms=0) == SeqCode.parse(seqcode)._replace(lrms=0)
    except SeqCodeError:
        return False
