"""Statuses and events from records of the web service (lb.md 6): the way back from ``lb.model.ws``.

A record is anything with members of those names, such as the answers that ``lb.client`` gives. It is taken as the
answer of some server, not as our own: every value is checked.

What the web service does not tell stays unset: whether a list is empty or not there at all, the number that a list by
state has for Undefined. A number equal to its null is unset, as everywhere.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache, partial
from math import isfinite
from typing import Any, Final

from lb.model.atoi import INT_MAX, INT_MIN
from lb.model.catalogue import COMMON, EventType, Field
from lb.model.catalogue import Kind as EventKind
from lb.model.errors import ModelError
from lb.model.eventforms import assemble
from lb.model.events import EVENTS, Event
from lb.model.jobid import MAX_PORT, JobId, JobIdError
from lb.model.status import ATTRIBUTES, MAX_LEVELS, SLOTS, STATE_CODES, STATES, Attribute, Kind, Status
from lb.model.times import FIRST, LAST, Timestamp, from_datetime
from lb.model.vocabulary import LEVEL_CODES, SOURCE_ON_WS, SOURCES
from lb.model.ws import member_name

_INT: Final = (INT_MIN, INT_MAX)
_PORT: Final = (0, MAX_PORT)
_SECONDS: Final = (FIRST, LAST)
"""What a date can be."""
_MICROSECONDS: Final = (0, 999_999)


class WsError(ModelError):
    """A record that is no status or event. ``field``: the member, empty for the record itself."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(f"{field}: {text}" if field else text, field=field)


Read = Callable[[str, Any], Any]
"""Reads the value of a member, whose name is for the error."""

# ---- status ---------------------------------------------------------------------------------------------------------


def status_from_ws(record: Any) -> Status:
    """The status that a ``jobStatus`` record shows. Raises ``WsError``."""
    return _status(record, 1)


def _status(record: Any, level: int) -> Status:
    if level > MAX_LEVELS:
        raise WsError("childrenStates", f"more than {MAX_LEVELS} levels of subjobs")
    values: dict[str, Any] = {"state": _state("state", getattr(record, "state", None))}
    for name, member, read in _STATUS_READERS:
        value = getattr(record, member, None)
        if value is not None:
            values[name] = read(member, value)
    subjobs = getattr(record, "childrenStates", None)
    if subjobs:
        subjobs = _list("childrenStates", subjobs)
        values["children_states"] = tuple(_status(subjob, level + 1) for subjob in subjobs)
    return Status(**values)


def _status_reader(attribute: Attribute) -> Read:
    if attribute.kind is Kind.ENUM:
        return partial(_named, names=dict(zip(attribute.ws_values, attribute.values, strict=True)))
    if attribute.kind is Kind.COUNTS:
        return _histogram if attribute.name == "children_hist" else _enter_times
    return _STATUS_KINDS[attribute.kind]


def _texts(member: str, value: Any) -> tuple[str, ...] | None:
    return tuple(_text(member, item) for item in _list(member, value)) or None


def _tag_list(member: str, value: Any) -> dict[str, str] | None:
    pairs = _tags(member, value)
    tags = dict(pairs)
    if len(tags) < len(pairs):
        raise WsError(member, "a tag is there twice")
    return tags or None


def _histogram(member: str, value: Any) -> tuple[int, ...] | None:
    return _by_state(member, value, "count", partial(_whole, limits=_INT))


def _enter_times(member: str, value: Any) -> tuple[int, ...] | None:
    return _by_state(member, value, "time", _seconds)


def _by_state(member: str, value: Any, part: str, read: Read) -> tuple[int, ...] | None:
    """A list of items of a state and something, as one number for each state code."""
    numbers: list[int | None] = [None] * SLOTS
    for item in _list(member, value):
        code = STATE_CODES[_state(member, getattr(item, "state", None))]
        if numbers[code] is not None:
            raise WsError(member, f"{STATES[code]} is there twice")
        numbers[code] = read(member, getattr(item, part, None))
    return tuple(number or 0 for number in numbers) if value else None


# ---- event ----------------------------------------------------------------------------------------------------------


def event_from_ws(record: Any) -> Event:
    """The event that an ``event`` record (a choice by event type) holds. Raises ``WsError``."""
    kind = event_type(record)
    body = getattr(record, kind.name)
    common, specific = _event_readers(kind)
    return assemble(kind, _members(kind, body, common), _members(kind, body, specific), ())


def event_type(record: Any) -> EventType:
    """Which type an ``event`` record holds: the one that is set. Raises ``WsError``."""
    found = [kind for name, kind in EVENTS.items() if getattr(record, name, None) is not None]
    if len(found) != 1:
        names = " and ".join(kind.name for kind in found) or "no event of a known type"
        raise WsError("", f"a record of one event holds {names}")
    return found[0]


_Row = tuple[str, str, Read, Any, bool]
"""Name in the event, member, how it is read, the value that means "unset", whether it must be set."""


def _members(kind: EventType, body: Any, rows: Sequence[_Row]) -> dict[str, Any]:
    result = {}
    for name, member, read, null, required in rows:
        value = getattr(body, member, None)
        if value is not None:
            value = read(member, value)
        if value is not None and value != null:
            result[name] = value
        elif required:
            raise WsError(member, f"must be in an event {kind.name}")
    return result


@cache
def _event_readers(kind: EventType) -> tuple[tuple[_Row, ...], tuple[_Row, ...]]:
    """The common members, the specific ones."""
    common = [
        (row.name, row.ws, _COMMON_KINDS[row.kind], -1 if row.name == "priority" else None, row.required)
        for row in COMMON
    ]
    specific = [(field.name, member_name(field), *_event_reader(field), field.required) for field in kind.fields]
    return tuple(common), tuple(specific)


def _event_reader(field: Field) -> tuple[Read, Any]:
    """How the value of a field is read, and what means "unset"."""
    if field.kind is EventKind.ENUM:
        return partial(_named, names={value: value for value in field.values}), None
    read, null = _EVENT_KINDS[field.kind]
    return read, field.null if field.kind in (EventKind.INT, EventKind.PORT, EventKind.DOUBLE) else null


# ---- values ---------------------------------------------------------------------------------------------------------


def _wrong(member: str, value: Any, wanted: str) -> WsError:
    if isinstance(value, str):
        shown = ascii(value[:60])
    else:
        is_short = isinstance(value, (int, float)) and abs(value) < 1e30
        shown = str(value) if is_short else f"a value of type {type(value).__name__}"
    return WsError(member, f"{shown} where {wanted} should be")


def _text(member: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _wrong(member, value, "a text")
    return value


def _whole(member: str, value: Any, *, limits: tuple[int, int]) -> int:
    if type(value) is not int or not limits[0] <= value <= limits[1]:
        raise _wrong(member, value, f"a whole number from {limits[0]} to {limits[1]}")
    return value


def _real(member: str, value: Any) -> float:
    if type(value) is not float or not isfinite(value):
        raise _wrong(member, value, "a number")
    return value


def _bool(member: str, value: Any) -> bool:
    if type(value) is not bool:
        raise _wrong(member, value, "true or false")
    return value


def _named(member: str, value: Any, *, names: Mapping[str, str]) -> str:
    found = names.get(value) if isinstance(value, str) else None
    if found is None:
        raise _wrong(member, value, "one of " + ", ".join(names))
    return found


def _job(member: str, value: Any) -> JobId:
    try:
        return JobId.parse(_text(member, value))
    except JobIdError:
        raise _wrong(member, value, "a job id") from None


def _moment(member: str, value: Any) -> Timestamp:
    seconds, fraction = getattr(value, "tvSec", None), getattr(value, "tvUsec", None)
    return _whole(member, seconds, limits=_SECONDS), _whole(member, fraction, limits=_MICROSECONDS)


def _seconds(member: str, value: Any) -> int:
    wanted = "a time with its zone"
    if not isinstance(value, datetime):
        raise _wrong(member, value, wanted)
    try:
        return from_datetime(value)[0]
    except (ValueError, OverflowError):  # without a zone; before the year 1 or after 9999 in UTC
        raise _wrong(member, value, wanted) from None


def _list(member: str, value: Any) -> Sequence[Any]:
    if not isinstance(value, (list, tuple)):
        raise _wrong(member, value, "a list")
    return value


def _tags(member: str, value: Any) -> tuple[tuple[str, str], ...]:
    """Pairs; a tag without a value has an empty one."""
    pairs = ((getattr(item, "tag", None), getattr(item, "value", None)) for item in _list(member, value))
    return tuple((_text(member, tag), "" if text is None else _text(member, text)) for tag, text in pairs)


_int: Final = partial(_whole, limits=_INT)
_state: Final = partial(_named, names={name.upper(): name for name in STATES[1:]})
_source: Final = partial(_named, names={SOURCE_ON_WS.get(name, name): name for name in SOURCES})
_level: Final = partial(_named, names={name: name for name in LEVEL_CODES})

_STATUS_KINDS: Final[Mapping[Kind, Read]] = {
    Kind.JOBID: _text,
    Kind.TEXT: _text,
    Kind.INT: _int,
    Kind.BOOL: _bool,
    Kind.TIME: _moment,
    Kind.TEXTS: _texts,
    Kind.TAGS: _tag_list,
}
_STATUS_READERS: Final = tuple(
    (item.name, item.ws_name, _status_reader(item))
    for item in ATTRIBUTES
    if item.kind not in (Kind.STATUSES, Kind.OPAQUE)
)
_COMMON_KINDS: Final[Mapping[str, Read]] = {
    "timeval": _moment,
    "string": _text,
    "level": _level,
    "int": _int,
    "jobid": _job,
    "logsrc": _source,
}
_EVENT_KINDS: Final[Mapping[EventKind, tuple[Read, Any]]] = {
    EventKind.TEXT: (_text, ""),
    EventKind.INT: (_int, None),
    EventKind.PORT: (partial(_whole, limits=_PORT), None),
    EventKind.DOUBLE: (_real, None),
    EventKind.SOURCE: (_source, None),
    EventKind.JOBID: (_job, None),
    EventKind.TIME: (_moment, None),
    EventKind.TAGS: (_tags, ()),
}
"""By kind: how a member is read, and the value that means "unset" beside None."""
