"""What the tables of events are made of: kinds of values, fields, event types; and the fields common to all events.

The tables themselves are in ``lb.model.families``, one module per family, put together in ``lb.model.events``.
Everything that must know a field (the ULM parser and writer, the web service types, the documentation) reads it from
there.

Positions matter: the code of a type is the base of its family plus its place in the table, the number of an enumeration
value is its place from the field's ``base`` (lb.md 2.4).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from types import MappingProxyType
from typing import Final


class Kind(Enum):
    """How the value of a field is written, and its Python type in ``Event.fields``."""

    TEXT = "string"
    """``str``, never empty: an empty text counts as unset."""
    INT = "int"
    """``int`` of 32 bits."""
    PORT = "port"
    """``int`` of 16 bits without sign."""
    DOUBLE = "double"
    """``float``, six decimals in text."""
    ENUM = "enum"
    """``str``: one of ``Field.values``, always in upper case."""
    SOURCE = "logsrc"
    """``str``: one of ``vocabulary.SOURCES``, in its exact spelling."""
    JOBID = "jobid"
    """``lb.model.jobid.JobId``."""
    TIME = "timeval"
    """``(seconds, microseconds)``, a ULM date in text."""
    TAGS = "taglist"
    """``tuple`` of (name, value), ``name=value,name=value`` in text."""


_NONE_LATER: Final[Mapping[str, str]] = MappingProxyType({})


def ws_name(name: str) -> str:
    """Name on the web service: each ``_x`` becomes ``X`` (lb.md 6), so parent_job is parentJob."""
    head, *tail = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in tail)


@dataclass(frozen=True, slots=True)
class Field:
    """One specific field of an event type.

    ``name`` is also its name in XML and JSON. ``null`` is the number that means "unset" for INT, PORT and DOUBLE (0, or
    -1 where lb.md 2.4 says so). ``values`` are those of an enumeration, ``base`` is the number of the first.
    ``later``: values that came after the field itself, with the line each came with. ``since``: see ``lb.model.since``;
    left empty it is that of the event. ``ulm`` is the whole name in a line, filled in by ``event``.
    """

    name: str
    kind: Kind
    doc: str
    required: bool = True
    values: tuple[str, ...] = ()
    base: int = 1
    null: int = 0
    since: str = ""
    later: tuple[tuple[str, str], ...] = ()
    ulm: str = ""

    @property
    def xml(self) -> str:
        """Name in the native XML and in JSON."""
        return self.name

    @property
    def ws(self) -> str:
        """Name on the web service."""
        return ws_name(self.name)

    def number(self, value: str | None) -> int:
        """Code of an enumeration value; of None the code of "undefined"."""
        return self.base - 1 if value is None else self.base + self.values.index(value)

    def named(self, number: int) -> str | None:
        """Enumeration value of a code, None for a code that names none."""
        index = number - self.base
        return self.values[index] if 0 <= index < len(self.values) else None

    def value_since(self, value: str) -> str:
        """Since when there is that value of the enumeration."""
        return dict(self.later).get(value, self.since)


@dataclass(frozen=True, slots=True)
class EventType:
    """One event type: name as written in a line, code, family, what it means, and its fields in wire order."""

    name: str
    code: int
    family: str
    doc: str
    fields: tuple[Field, ...]
    since: str

    @property
    def by_name(self) -> dict[str, Field]:
        return {field.name: field for field in self.fields}


@dataclass(frozen=True, slots=True)
class Common:
    """One field that every event has: name in ``Event``, in a line, in XML and JSON; its type as text."""

    name: str
    ulm: str
    xml: str
    kind: str
    required: bool
    doc: str

    @property
    def ws(self) -> str:
        """Name on the web service."""
        return ws_name(self.xml)


COMMON: Final = (
    Common("timestamp", "DATE", "timestamp", "timeval", True, "when the event happened, by the clock of its producer"),
    Common("arrived", "ARR_DATE", "arrived", "timeval", False, "when the LB server stored it"),
    Common("host", "HOST", "host", "string", True, "machine of the producer"),
    Common("level", "LVL", "level", "level", False, "severity, SYSTEM for all events of the middleware"),
    Common("priority", "DG.PRIORITY", "priority", "int", True, "way of delivery, a sum of flags"),
    Common("jobid", "DG.JOBID", "jobId", "jobid", True, "job that the event belongs to"),
    Common("seqcode", "DG.SEQCODE", "seqcode", "string", True, "sequence code, the causal order of events"),
    Common("user", "DG.USER", "user", "string", True, "subject name of the one who sent it"),
    Common("source", "DG.SOURCE", "source", "logsrc", True, "component that logged it"),
    Common("src_instance", "DG.SRC_INSTANCE", "src_instance", "string", False, "which instance of that component"),
)
"""The common fields in the order of XML and JSON (lb.md 2.1). All of them are as old as the events themselves."""


def text(name: str, doc: str, *, opt: bool = False, since: str = "") -> Field:
    return Field(name, Kind.TEXT, doc, not opt, since=since)


def number(name: str, doc: str, *, opt: bool = False, null: int = 0, since: str = "") -> Field:
    return Field(name, Kind.INT, doc, not opt, null=null, since=since)


def port(name: str, doc: str) -> Field:
    return Field(name, Kind.PORT, doc)


def double(name: str, doc: str, *, opt: bool = False) -> Field:
    return Field(name, Kind.DOUBLE, doc, not opt)


def choice(name: str, doc: str, values: str, *, base: int = 1, later: Mapping[str, str] = _NONE_LATER) -> Field:
    """An enumeration; ``values`` separated by blanks."""
    return Field(
        name, Kind.ENUM, doc, values=tuple(values.split()), base=base, null=base - 1, later=tuple(later.items())
    )


def source(name: str, doc: str) -> Field:
    return Field(name, Kind.SOURCE, doc)


def job(name: str, doc: str, *, opt: bool = False) -> Field:
    return Field(name, Kind.JOBID, doc, not opt)


def moment(name: str, doc: str, *, opt: bool = False) -> Field:
    return Field(name, Kind.TIME, doc, not opt)


def tags(name: str, doc: str, *, since: str = "") -> Field:
    return Field(name, Kind.TAGS, doc, since=since)


def event(name: str, doc: str, *fields: Field, since: str = "") -> EventType:
    """A type that has no code and no family yet, ``family`` gives it both; ``since`` empty: as old as the family."""
    full = (replace(field, ulm=f"DG.{name}.{field.name}".upper()) for field in fields)
    return EventType(name, 0, "", doc, tuple(full), since)


def family(name: str, base: int, since: str, *types: EventType) -> tuple[EventType, ...]:
    """The types of a family in the order of their codes, which begin after ``base``."""
    return tuple(_member(replace(kind, code=base + place, family=name), since) for place, kind in enumerate(types, 1))


def _member(kind: EventType, since: str) -> EventType:
    born = kind.since or since
    return replace(kind, since=born, fields=tuple(replace(field, since=field.since or born) for field in kind.fields))
