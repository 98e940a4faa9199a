"""All event types, and the event itself.

``EVENTS`` maps the name of a type to its description; ``find_type`` ignores case as the original does. An ``Event`` is
a plain record: the common fields as attributes, the specific ones by name in ``fields``. A field that is unset is not
in ``fields``; a number equal to its null is unset (lb.md 2.1).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from lb.model.catalogue import EventType
from lb.model.families.batch import CONDOR, PBS
from lb.model.families.cream import CREAM
from lb.model.families.glite import GLITE
from lb.model.families.transfer import TRANSFER
from lb.model.families.virtual import VIRTUAL_MACHINE
from lb.model.jobid import JobId
from lb.model.times import Timestamp

FAMILIES: Final = (GLITE, PBS, CONDOR, CREAM, TRANSFER, VIRTUAL_MACHINE)
"""The families in the order of codes; their types know the name."""

EVENTS: Final[Mapping[str, EventType]] = MappingProxyType({kind.name: kind for family in FAMILIES for kind in family})
"""Every event type by name, in the order of codes."""

EVENTS_BY_CODE: Final[Mapping[int, EventType]] = MappingProxyType({kind.code: kind for kind in EVENTS.values()})

_BY_UPPER = {name.upper(): kind for name, kind in EVENTS.items()}


def find_type(name: str) -> EventType | None:
    """The type of that name in any case, or None."""
    return EVENTS.get(name) or (_BY_UPPER.get(name.upper()) if name.isascii() else None)


def find_code(code: int) -> EventType | None:
    """The type of that code, or None; 0 is no type."""
    return EVENTS_BY_CODE.get(code)


NO_JOB: Final = JobId("", 0, "")
"""Stands in ``Event.jobid`` when the line named none (incomplete lines only)."""


@dataclass(slots=True)
class Event:
    """One event. To be treated as immutable; it is not frozen only because so many of them are made.

    ``timestamp``, ``arrived``: (seconds, microseconds) UTC. ``level``: a name of ``vocabulary.LEVELS`` or None.
    ``source``: a name of ``vocabulary.SOURCES``. ``src_instance``: empty when there is none, None when not even the
    field was in the line. ``fields``: the specific fields that are set. ``missing``: ULM names of the required fields
    that an incomplete line did not hold (``ulm.parse`` with ``complete=False``); the attributes of those have no
    meaning.
    """

    type: EventType
    timestamp: Timestamp
    host: str
    level: str | None
    priority: int
    jobid: JobId
    seqcode: str
    user: str
    source: str
    src_instance: str | None = ""
    fields: dict[str, Any] = field(default_factory=dict)
    arrived: Timestamp | None = None
    missing: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Name of the event type."""
        return self.type.name

    def get(self, name: str) -> Any:
        """Value of a specific field, None when it is unset."""
        return self.fields.get(name)
