"""Statuses and events as records of the web service, both ways (lb.md 6).

The record classes come from outside (``types.jobStatus`` and so on, as ``soap.contract`` makes them, or anything that
takes members by their wire names), so nothing here knows SOAP.

XML cannot hold every character that a line can: a byte that was no UTF-8 is shown as the Latin-1 character of the same
number, as in the native protocol; other characters that XML forbids become U+FFFD. Apart from this, from an empty
list that is the same as none, and from how many subjobs are Undefined, a record read back gives what it was made from.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from keyword import iskeyword
from math import isfinite
from typing import Any, Final

from lb.model.catalogue import COMMON, LEVEL_CODES, SOURCE_CODES, SOURCE_ON_WS, EventType, Field, ws_name
from lb.model.catalogue import Kind as EventKind
from lb.model.eventforms import absent, assemble
from lb.model.events import EVENTS, Event
from lb.model.jobid import JobId, JobIdError
from lb.model.status import ATTRIBUTES, SLOTS, STATE_CODES, STATES, Attribute, Kind, Status, find_state
from lb.model.times import Timestamp, from_datetime

_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def xml_text(text: str) -> str:
    """The text without characters that XML 1.0 forbids."""
    return text if _UNFIT.search(text) is None else _UNFIT.sub(_fit, text)


def _fit(match: re.Match[str]) -> str:
    number = ord(match[0])
    return chr(number - 0xDC00) if 0xDC80 <= number <= 0xDCFF else "\ufffd"


# ---- status ---------------------------------------------------------------------------------------------------------

_SHOWN: Final = tuple((attribute, attribute.ws_name) for attribute in ATTRIBUTES if attribute.kind is not Kind.OPAQUE)


def status_to_ws(status: Status, types: Any) -> Any:
    """The ``jobStatus`` record of a status. Unset optional attributes are None, lists are empty."""
    members: dict[str, Any] = {"state": status.state.upper()}
    for attribute, name in _SHOWN:
        value = getattr(status, attribute.name)
        if value is not None:
            members[name] = _status_value(attribute, value, types)
    return types.jobStatus(**members)


def _status_value(attribute: Attribute, value: Any, types: Any) -> Any:
    kind = attribute.kind
    if kind is Kind.TEXT or kind is Kind.JOBID:
        return xml_text(value)
    if kind is Kind.INT:
        return None if attribute.null and value == attribute.null else value
    if kind is Kind.ENUM:
        return attribute.prefix + value
    if kind is Kind.BOOL:
        return value
    if kind is Kind.TIME:
        return _timeval(value, types)
    if kind is Kind.TEXTS:
        return [xml_text(text) for text in value]
    if kind is Kind.TAGS:
        return [types.tagValue(tag=xml_text(name), value=xml_text(text)) for name, text in value.items()]
    if kind is Kind.COUNTS:
        return _by_state(attribute, value, types)
    return [status_to_ws(child, types) for child in value]


def _by_state(attribute: Attribute, numbers: list[int], types: Any) -> list[Any]:
    """One item per state from Submitted on; Undefined is no state on the web service."""
    pairs = zip((name.upper() for name in STATES[1:]), numbers[1:], strict=True)
    if attribute.name == "children_hist":
        return [types.childrenHistItem(state=state, count=count) for state, count in pairs]
    return [types.stateEnterTimesItem(state=state, time=datetime.fromtimestamp(at, UTC)) for state, at in pairs]


def _timeval(moment: Timestamp, types: Any) -> Any:
    return types.timeval(tvSec=moment[0], tvUsec=moment[1])


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
def _event_members(kind: EventType) -> tuple[tuple[str, str, EventKind, int | None], ...]:
    """(member, field, kind, value when unset); an unset number is sent unless its null is -1, as the original does."""
    rows = []
    for field in kind.fields:
        numeric = field.kind in (EventKind.INT, EventKind.PORT, EventKind.DOUBLE)
        null = field.null if numeric and field.null == 0 else None
        rows.append((_member(field), field.name, field.kind, null))
    return tuple(rows)


def _member(field: Field) -> str:
    """Name of the member of a record; Python's own words get an underscore."""
    name = ws_name(field.name)
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
        return [types.tagValue(tag=xml_text(name), value=xml_text(text)) for name, text in value]
    return value


# ---- reading --------------------------------------------------------------------------------------------------------


class WsError(ValueError):
    """A record that is no status or no event. ``member``: the one at fault."""

    def __init__(self, member: str, text: str) -> None:
        super().__init__(f"{member}: {text}")
        self.member = member


def _wrong(member: str, value: object, wanted: str) -> WsError:
    return WsError(member, f"{wanted}, not {ascii(value)[:80]}")


def _text(member: str, value: object) -> str:
    if not isinstance(value, str):
        raise _wrong(member, value, "a text")
    return value


def _whole(member: str, value: object, least: int = -(1 << 31), most: int = (1 << 31) - 1) -> int:
    if type(value) is not int or not least <= value <= most:
        raise _wrong(member, value, f"a number from {least} to {most}")
    return value


def _moment(member: str, value: object) -> Timestamp:
    seconds, micros = getattr(value, "tvSec", None), getattr(value, "tvUsec", None)
    return _whole(member, seconds, -(1 << 62), 1 << 62), _whole(member, micros, 0, 999_999)


def _pair(member: str, item: object) -> tuple[str, str]:
    """Tag and value; one that is empty may be left out."""
    return _text(member, getattr(item, "tag", None)), _text(member, getattr(item, "value", None) or "")


def status_from_ws(record: Any) -> Status:
    """The status of a ``jobStatus`` record. Raises ``WsError``."""
    state = find_state(_text("state", getattr(record, "state", None)))
    if state is None:
        raise _wrong("state", record.state, "the name of a state")
    values: dict[str, Any] = {"state": state}
    for attribute, name in _SHOWN:
        value = getattr(record, name, None)
        if value is not None and value != []:
            values[attribute.name] = _status_of(attribute, name, value)
    return Status(**values)


def _status_of(attribute: Attribute, name: str, value: Any) -> Any:
    kind = attribute.kind
    if kind is Kind.TEXT or kind is Kind.JOBID:
        return _text(name, value)
    if kind is Kind.INT:
        return _whole(name, value)
    if kind is Kind.BOOL:
        if not isinstance(value, bool):
            raise _wrong(name, value, "true or false")
        return value
    if kind is Kind.ENUM:
        bare = _text(name, value).removeprefix(attribute.prefix)
        if bare not in attribute.values:
            raise _wrong(name, value, "the name of a value")
        return bare
    if kind is Kind.TIME:
        return _moment(name, value)
    if not isinstance(value, (list, tuple)):
        raise _wrong(name, value, "a list")
    if kind is Kind.TEXTS:
        return tuple(_text(name, text) for text in value)
    if kind is Kind.TAGS:
        return dict(_pair(name, item) for item in value)
    if kind is Kind.COUNTS:
        return _numbers(name, value)
    return tuple(status_from_ws(child) for child in value)


def _numbers(name: str, items: Sequence[Any]) -> tuple[int, ...]:
    """The list by state; a state that is not mentioned counts nothing."""
    numbers = [0] * SLOTS
    for item in items:
        state = find_state(_text(name, getattr(item, "state", None)))
        if state is None:
            raise _wrong(name, item.state, "the name of a state")
        numbers[STATE_CODES[state]] = _number_of(name, item)
    return tuple(numbers)


def _number_of(name: str, item: Any) -> int:
    if name == "childrenHist":
        return _whole(name, getattr(item, "count", None))
    moment = getattr(item, "time", None)
    if not isinstance(moment, datetime):
        raise _wrong(name, moment, "a time")
    return from_datetime(moment if moment.tzinfo else moment.replace(tzinfo=UTC))[0]


def event_from_ws(record: Any) -> Event:
    """The event of an ``event`` record, the choice by type. Raises ``WsError``."""
    named = [(name, inner) for name in EVENTS if (inner := getattr(record, name, None)) is not None]
    if len(named) != 1:
        raise WsError("event", f"one event is wanted, not {len(named)}")
    kind, inner = EVENTS[named[0][0]], named[0][1]
    common, fields = {}, {}
    for name, member, read in _COMMON_READERS:
        value = getattr(inner, member, None)
        if value is not None:
            common[name] = read(member, value)
    for field, member in _fields(kind):
        value = getattr(inner, member, None)
        if value is not None and (result := _value_of(field, member, value)) is not None:
            fields[field.name] = result
    if common.get("priority") == -1:
        del common["priority"]
    missing = absent(kind, common, fields)
    if missing:
        raise WsError(ws_name(missing[0][0]), f"an event {kind.name} needs it")
    return assemble(kind, common, fields, ())


@cache
def _fields(kind: EventType) -> tuple[tuple[Field, str], ...]:
    return tuple((field, _member(field)) for field in kind.fields)


_SOURCE_OF_WS: Final = {SOURCE_ON_WS.get(name, name): name for name in SOURCE_CODES}


def _source(member: str, value: object) -> str:
    source = _SOURCE_OF_WS.get(_text(member, value))
    if source is None:
        raise _wrong(member, value, "the name of a source")
    return source


def _level(member: str, value: object) -> str:
    level = _text(member, value)
    if level not in LEVEL_CODES:
        raise _wrong(member, value, "the name of a level")
    return level


def _job(member: str, value: object) -> JobId:
    try:
        return JobId.parse(_text(member, value))
    except JobIdError:
        raise _wrong(member, value, "a job id") from None


_READERS: Final[dict[str, Callable[[str, object], Any]]] = {
    "timeval": _moment,
    "string": _text,
    "level": _level,
    "int": _whole,
    "jobid": _job,
    "logsrc": _source,
}
_COMMON_READERS: Final = tuple((row.name, row.ws, _READERS[row.kind]) for row in COMMON)


def _value_of(field: Field, member: str, value: Any) -> Any:
    """The value of a specific field, None for one that is its null."""
    kind = field.kind
    if kind is EventKind.TEXT:
        return _text(member, value) or None
    if kind is EventKind.INT or kind is EventKind.PORT:
        number = _whole(member, value) if kind is EventKind.INT else _whole(member, value, 0, 65535)
        return None if number == field.null else number
    if kind is EventKind.DOUBLE:
        if type(value) not in (int, float) or not isfinite(value):
            raise _wrong(member, value, "a number")
        return float(value) or None
    if kind is EventKind.ENUM:
        if value not in field.values:
            raise _wrong(member, value, "the name of a value")
        return value
    if kind is EventKind.SOURCE:
        return _source(member, value)
    if kind is EventKind.JOBID:
        return _job(member, value)
    if kind is EventKind.TIME:
        return _moment(member, value)
    if not isinstance(value, (list, tuple)):
        raise _wrong(member, value, "a list")
    return tuple(_pair(member, item) for item in value) or None
