"""Statuses and events as records of the web service (lb.md 6); the way back is ``lb.model.wsread``.

The record classes come from outside (``types.jobStatus`` and so on, as ``soap.contract`` makes them, or anything that
takes members by their wire names), so nothing here knows SOAP.

XML cannot hold every character that a line can: a byte that was no UTF-8 is shown as the Latin-1 character of the same
number, as in the native protocol; other characters that XML forbids become U+FFFD.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, lru_cache
from keyword import iskeyword
from typing import Any, Final

from lb.model.catalogue import EventType, Field
from lb.model.catalogue import Kind as EventKind
from lb.model.events import Event
from lb.model.status import ATTRIBUTES, DEFAULTS, STATES, Attribute, Kind, Status
from lb.model.times import Timestamp
from lb.model.vocabulary import SOURCE_ON_WS

_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def xml_text(text: str) -> str:
    """The text without characters that XML 1.0 forbids."""
    return text if _UNFIT.search(text) is None else _UNFIT.sub(_fit, text)


def _fit(match: re.Match[str]) -> str:
    number = ord(match[0])
    return chr(number - 0xDC00) if 0xDC80 <= number <= 0xDCFF else "\ufffd"


# ---- status ---------------------------------------------------------------------------------------------------------


def status_to_ws(status: Status, types: Any) -> Any:
    """The ``jobStatus`` record of a status. Unset optional attributes are None, lists are empty."""
    members = {"state": status.state.upper(), **_ALWAYS_THERE}
    for name, value in status.__dict__.items():
        row = _WRITERS.get(name)
        if row is not None and value is not None:
            member, write = row
            members[member] = write(value, types)
    return types.jobStatus(**members)


Write = Callable[[Any, Any], Any]
"""Takes a value and the record classes, gives the member of the record."""


def _status_writer(attribute: Attribute) -> Write:
    kind, null = attribute.kind, attribute.null
    if kind is Kind.ENUM:
        shown = dict(zip(attribute.values, attribute.ws_values, strict=True))
        return lambda value, _: shown[value]
    if kind is Kind.INT and null != 0:
        return lambda value, _: None if value == null else value
    if kind is Kind.COUNTS:
        return _histogram if attribute.name == "children_hist" else _enter_times
    return _STATUS_KINDS[kind]


def _same(value: Any, _types: Any) -> Any:
    return value


def _histogram(numbers: Sequence[int], types: Any) -> list[Any]:
    item = types.childrenHistItem
    return [item(state=state, count=count) for state, count in zip(_STATES, numbers[1:], strict=True)]


def _enter_times(seconds: Sequence[int], types: Any) -> list[Any]:
    item = types.stateEnterTimesItem
    return [item(state=state, time=_instant(at)) for state, at in zip(_STATES, seconds[1:], strict=True)]


@lru_cache(maxsize=4096)
def _instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _timeval(moment: Timestamp, types: Any) -> Any:
    return types.timeval(tvSec=moment[0], tvUsec=moment[1])


def _tags(pairs: Iterable[tuple[str, str]], types: Any) -> list[Any]:
    item = types.tagValue
    return [item(tag=xml_text(name), value=xml_text(text)) for name, text in pairs]


_STATES: Final = tuple(name.upper() for name in STATES[1:])
"""The states of a list by state; Undefined is no state on the web service."""
_STATUS_KINDS: Final[Mapping[Kind, Write]] = {
    Kind.JOBID: lambda value, _: xml_text(value),
    Kind.TEXT: lambda value, _: xml_text(value),
    Kind.INT: _same,
    Kind.BOOL: _same,
    Kind.TIME: _timeval,
    Kind.TEXTS: lambda value, _: [xml_text(text) for text in value],
    Kind.TAGS: lambda value, types: _tags(value.items(), types),
    Kind.STATUSES: lambda value, types: [status_to_ws(child, types) for child in value],
}
_WRITERS: Final = {
    item.name: (item.ws_name, _status_writer(item)) for item in ATTRIBUTES if item.kind is not Kind.OPAQUE
}
_ALWAYS_THERE: Final = {item.ws_name: _WRITERS[item.name][1](DEFAULTS[item.name], None)
                        for item in ATTRIBUTES if item.required}  # fmt: skip
"""Members that are sent even when they are unset (lb.md 3.3)."""

# ---- event ----------------------------------------------------------------------------------------------------------


def event_to_ws(event: Event, types: Any) -> Any:
    """The ``event`` record (a choice by event type) of an event."""
    members: dict[str, Any] = {
        "timestamp": _timeval(event.timestamp, types),
        "arrived": None if event.arrived is None else _timeval(event.arrived, types),
        "host": xml_text(event.host),
        "level": event.level,
        "priority": event.priority,
        "jobId": xml_text(str(event.jobid)),
        "seqcode": xml_text(event.seqcode),
        "user": xml_text(event.user),
        "source": SOURCE_ON_WS.get(event.source, event.source),
        "srcInstance": None if event.src_instance is None else xml_text(event.src_instance),
    }
    for name, native, kind, null in _event_members(event.type):
        members[name] = _event_value(kind, event.fields.get(native, null), types)
    record = getattr(types, f"event{event.type.name}")(**members)
    return types.event(**{event.type.name: record})


@cache
def _event_members(kind: EventType) -> tuple[tuple[str, str, EventKind, float | None], ...]:
    """(member, field, kind, value when unset); an unset number is sent unless its null is -1, as the original does."""
    return tuple((member_name(field), field.name, field.kind, _when_unset(field)) for field in kind.fields)


def _when_unset(field: Field) -> float | None:
    if field.kind is EventKind.DOUBLE:
        return float(field.null)
    return 0 if field.kind in (EventKind.INT, EventKind.PORT) and field.null == 0 else None


def member_name(field: Field) -> str:
    """Name of a field as a member of a record: that on the wire, with ``_`` behind it when it is a word of Python."""
    name = field.ws
    return name + "_" if iskeyword(name) else name


def _event_value(kind: EventKind, value: Any, types: Any) -> Any:
    if value is None:
        return [] if kind is EventKind.TAGS else None
    if kind is EventKind.TEXT:
        return xml_text(value)
    if kind is EventKind.SOURCE:
        return SOURCE_ON_WS.get(value, value)
    if kind is EventKind.JOBID:
        return xml_text(str(value))
    if kind is EventKind.TIME:
        return _timeval(value, types)
    if kind is EventKind.TAGS:
        return _tags(value, types)
    return value
