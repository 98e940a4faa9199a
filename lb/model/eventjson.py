r"""The JSON form of an event and of the ``history`` of a job, both ways (lb.md 2.1, 4.6).

As the original writes it, one member per line::

    {
      "type" : "Done",
      "timestamp" : "20260313114125.327248",
      "arrived" : null,
      ...
      "jobId" : "https:\/\/lb.example.org:9000\/abc",
      ...
      "status_code" : "OK",
      "reason" : null,
      "exit_code" : 0
    }

with ``\/`` for every slash; or with ``compact`` in one line and without that. Every field of the type is there: an
unset number as its null (0 or -1), everything else that is unset as ``null``. Times are ULM dates in text, enumerations
names, a list of tags one text ``name=value,name=value``. Read back, members may come in any order, and optional ones
may be absent.

Octets that are no UTF-8 (``lb.model.ulm``) stand as ``\udc80`` to ``\udcff``, which is valid JSON everywhere and what
Python makes of it without ado; of the surrogates only these are let in.

In two places we keep what the original loses: it writes real numbers with six decimals, we with more where these do
not say all; and it writes the beginning of 1970 as null.
"""

import json
import re
from collections.abc import Callable, Iterable
from functools import partial
from json.encoder import encode_basestring as quote
from math import isfinite
from typing import Any, Final

from lb.model.atoi import INT_MAX, INT_MIN
from lb.model.catalogue import COMMON, EventType, Field, Kind
from lb.model.errors import ModelError
from lb.model.eventforms import Tags, absent, assemble, read_tags, write_real, write_tags
from lb.model.events import EVENTS, Event, find_type
from lb.model.jobid import MAX_PORT, JobId, JobIdError
from lb.model.times import DateError, format_date, parse_date
from lb.model.ulm import (
    MAX_LINE,
    PARSE_BROKEN_ULM,
    PARSE_EVENT_UNDEF,
    PARSE_KEY_DUPLICITY,
    PARSE_KEY_MISUSE,
    PARSE_MSG_INCOMPLETE,
    decode,
    joined,
)
from lb.model.vocabulary import LEVEL_CODES, SOURCE_CODES

_LIMIT: Final = 6 * MAX_LINE
"""Characters of one event: a character of a line takes six at most."""
_DIGITS: Final = 20
_STRAY: Final = re.compile("[\ud800-\udfff]")


class EventJsonError(ModelError):
    """A text that is no event in JSON.

    ``code``: 1401 to 1405 as for lines (lb.md 15), 1401 also for a value that cannot be; ``field``: the member;
    ``position``: where the text is no JSON.
    """

    def __init__(self, code: int, text: str, field: str = "", position: int = -1) -> None:
        super().__init__(text, code=code, field=field, position=position)


# ---- writing --------------------------------------------------------------------------------------------------------


def to_json(event: Event, *, compact: bool = False) -> str:
    """The event as a JSON object without a line end; what an incomplete event misses is null."""
    layout, fields = _LAYOUTS[event.type.name]
    get = event.fields.get
    arrived, instance, level = event.arrived, event.src_instance, event.level
    common = [
        f'"{format_date(event.timestamp)}"',
        "null" if arrived is None else f'"{format_date(arrived)}"',
        quote(event.host),
        "null" if level is None else f'"{level}"',
        str(event.priority),
        quote(str(event.jobid)),
        quote(event.seqcode),
        quote(event.user),
        f'"{event.source}"',
        "null" if instance is None else quote(instance),
    ]
    if event.missing:
        common = ["null" if row.ulm in event.missing else text for row, text in zip(COMMON, common, strict=True)]
    for name, write, null in fields:
        value = get(name)
        common.append(null if value is None else write(value))
    text = layout[compact] % tuple(common)
    if not compact:
        text = text.replace("/", "\\/")
    return text if text.isascii() else _STRAY.sub(_escape, text)


def history(events: Iterable[Event]) -> str:
    """All events of a job as a JSON array, the attribute ``history`` of its status (lb.md 4.6)."""
    inner = ",\n".join(map(to_json, events))
    return f"[\n{inner}\n]" if inner else "[]"


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


_WRITERS: Final[dict[Kind, Callable[[Any], str]]] = {
    Kind.TEXT: quote,
    Kind.INT: str,
    Kind.PORT: str,
    Kind.DOUBLE: write_real,
    Kind.ENUM: quote,
    Kind.SOURCE: quote,
    Kind.JOBID: lambda value: quote(str(value)),
    Kind.TIME: lambda value: f'"{format_date(value)}"',
    Kind.TAGS: lambda value: quote(write_tags(value)),
}


def _null(field: Field) -> str:
    if field.kind is Kind.DOUBLE:
        return f"{field.null:f}"
    return str(field.null) if field.kind is Kind.INT else "null"


def _layout(kind: EventType) -> tuple[tuple[str, str], list[tuple[str, Callable[[Any], str], str]]]:
    """The text of all members with %s for the values, broad and compact; the specific fields with their writers."""
    keys = [*(row.xml for row in COMMON), *(field.name for field in kind.fields)]
    broad = ",\n".join([f'  "type" : "{kind.name}"', *(f'  "{key}" : %s' for key in keys)])
    narrow = ", ".join([f'"type": "{kind.name}"', *(f'"{key}": %s' for key in keys)])
    fields = [(field.name, _WRITERS[field.kind], _null(field)) for field in kind.fields]
    return (f"{{\n{broad}\n}}", f"{{{narrow}}}"), fields


_LAYOUTS: Final = {name: _layout(kind) for name, kind in EVENTS.items()}

# ---- reading --------------------------------------------------------------------------------------------------------


def from_json(text: str | bytes, *, complete: bool = True) -> Event:
    """The event of a JSON object; with ``complete=False`` required fields may be unset, as in ``ulm.parse``.

    Raises ``EventJsonError``.
    """
    return _event(_decoded(text, _LIMIT), complete)


def from_history(text: str | bytes) -> list[Event]:
    """The events of a ``history``. Raises ``EventJsonError``; the text says which event it is, from 1."""
    rows = _decoded(text, _LIMIT)
    if not isinstance(rows, list):
        raise EventJsonError(PARSE_BROKEN_ULM, "not a JSON array of events")
    return [_numbered(number, row) for number, row in enumerate(rows, 1)]


def _numbered(number: int, row: Any) -> Event:
    try:
        return _event(row, complete=True)
    except EventJsonError as error:
        raise EventJsonError(error.code, f"event {number}: {error}", error.field) from None


def _decoded(text: str | bytes, limit: int) -> Any:
    if isinstance(text, bytes):
        text = decode(text)
    if len(text) > limit:
        raise EventJsonError(PARSE_BROKEN_ULM, f"over {limit} characters", position=limit)
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise EventJsonError(PARSE_BROKEN_ULM, f"not JSON: {error.msg}", position=error.pos) from None
    except RecursionError:
        raise EventJsonError(PARSE_BROKEN_ULM, "not an event: nested too deep") from None


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise EventJsonError(PARSE_KEY_DUPLICITY, f"{_shown(key)} is there twice", key)
            seen.add(key)
    return members


def _integer(text: str) -> int:
    """Also keeps Python from digits without end."""
    if len(text) > _DIGITS:
        raise EventJsonError(PARSE_BROKEN_ULM, f"a number of {len(text)} digits")
    return int(text)


def _no_constant(name: str) -> None:
    raise EventJsonError(PARSE_BROKEN_ULM, f"not JSON: {name}")


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_members, parse_int=_integer, parse_constant=_no_constant)


def _shown(value: object) -> str:
    return ascii(value)[:80]


def _event(members: Any, complete: bool) -> Event:
    if not isinstance(members, dict):
        raise EventJsonError(PARSE_BROKEN_ULM, "not a JSON object")
    kind = _type(members)
    known = _READERS[kind.name]
    values: dict[str, Any] = {}
    fields: dict[str, Any] = {}
    for key, value in members.items():
        row = known.get(key)
        if row is None:
            if key == "type":
                continue
            raise EventJsonError(PARSE_KEY_MISUSE, f"an event {kind.name} has no {_shown(key)}", key)
        name, read, null, specific = row
        if value is None or (result := read(key, value)) == null:
            continue
        (fields if specific else values)[name] = result
    missing = absent(kind, values, fields)
    if missing and complete:
        key = missing[0][0]
        raise EventJsonError(PARSE_MSG_INCOMPLETE, f"the event has no {key}", key)
    return assemble(kind, values, fields, missing)


def _type(members: dict[str, Any]) -> EventType:
    name = members.get("type")
    kind = find_type(name) if isinstance(name, str) else None
    if kind is None:
        said = "no type" if name is None else f"an unknown type, {_shown(name)}"
        raise EventJsonError(PARSE_EVENT_UNDEF, f"the event has {said}", "type")
    return kind


Read = Callable[[str, Any], Any]
"""Reads the value of a member; the key is for the error."""


def _wrong(key: str, value: Any, wanted: str) -> EventJsonError:
    return EventJsonError(PARSE_BROKEN_ULM, f"{key} is {wanted}, not {_shown(value)}", key)


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _wrong(key, value, "a text")
    try:
        return joined(value)
    except UnicodeEncodeError:
        raise _wrong(key, value, "a text of characters") from None


def _whole(key: str, value: Any, *, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise _wrong(key, value, f"a whole number from {least} to {most}")
    return value


def _real(key: str, value: Any) -> float:
    if type(value) not in (int, float) or not isfinite(value):
        raise _wrong(key, value, "a number")
    return float(value)


def _name(key: str, value: Any, *, names: frozenset[str]) -> str:
    if not isinstance(value, str) or value not in names:
        raise _wrong(key, value, "the name of a value")
    return value


def _job(key: str, value: Any) -> JobId:
    try:
        return JobId.parse(_text(key, value))
    except JobIdError:
        raise _wrong(key, value, "a job id") from None


def _moment(key: str, value: Any) -> tuple[int, int]:
    try:
        return parse_date(_text(key, value))
    except DateError:
        raise _wrong(key, value, "a date, YYYYMMDDHHMMSS.uuuuuu") from None


def _tags(key: str, value: Any) -> Tags:
    tags = read_tags(_text(key, value))
    if tags is None:
        raise _wrong(key, value, "a list name=value,name=value")
    return tags


_INT: Final = partial(_whole, least=INT_MIN, most=INT_MAX)
_SOURCE: Final = partial(_name, names=frozenset(SOURCE_CODES))
_PLAIN: Final[dict[Kind, tuple[Read, Any]]] = {
    Kind.TEXT: (_text, ""),
    Kind.INT: (_INT, None),
    Kind.PORT: (partial(_whole, least=0, most=MAX_PORT), None),
    Kind.DOUBLE: (_real, None),
    Kind.SOURCE: (_SOURCE, None),
    Kind.JOBID: (_job, None),
    Kind.TIME: (_moment, None),
    Kind.TAGS: (_tags, ()),
}
_COMMON: Final[dict[str, tuple[Read, Any]]] = {
    "timeval": (_moment, None),
    "string": (_text, None),
    "level": (partial(_name, names=frozenset(LEVEL_CODES)), None),
    "int": (_INT, -1),
    "jobid": (_job, None),
    "logsrc": (_SOURCE, None),
}
"""By kind: how a member is read, and the value that means "unset" beside null."""


def _readers(kind: EventType) -> dict[str, tuple[str, Read, Any, bool]]:
    """Key -> (field, how it is read, what means "unset", whether it is a specific field)."""
    rows = {row.xml: (row.name, *_COMMON[row.kind], False) for row in COMMON}
    for field in kind.fields:
        rows[field.name] = (field.name, *_reader(field), True)
    return rows


def _reader(field: Field) -> tuple[Read, Any]:
    if field.kind is Kind.ENUM:
        return partial(_name, names=frozenset(field.values)), None
    read, null = _PLAIN[field.kind]
    return read, field.null if field.kind in (Kind.INT, Kind.PORT, Kind.DOUBLE) else null


_READERS: Final = {name: _readers(kind) for name, kind in EVENTS.items()}
