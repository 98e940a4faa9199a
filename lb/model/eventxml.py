"""The XML form of an event, the ``edg_wll_Event`` element of the answer to queryEvents, both ways (lb.md 4.3, 4.7).

Fields stand as plain elements, the common ones first; enumerations and the level are numbers, sources names, lists of
tags one text ``name=value,name=value``; what is unset is left out. ``src_instance`` may be there and empty.

Errors are ``NativeError`` with the name of the element.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from lb.model.atoi import INT_MAX, INT_MIN
from lb.model.catalogue import COMMON, EventType, Field, Kind
from lb.model.eventforms import Tags, absent, assemble, read_tags, write_real, write_tags
from lb.model.events import EVENTS, Event, find_type
from lb.model.jobid import MAX_PORT, JobId, JobIdError
from lb.model.nativexml import (
    CRLF,
    NativeError,
    escape,
    moment,
    number,
    only_text,
    parse,
    real,
    unescape,
    wrong,
)
from lb.model.times import format_seconds
from lb.model.vocabulary import LEVELS, SOURCE_CODES, level_code, level_named

_INDENT: Final = "\t\t\t"
_MARGIN: Final = "      "
"""The original puts blanks before an event, and tabs before its fields."""

# ---- writing --------------------------------------------------------------------------------------------------------

Write = Callable[[Any], str]


def to_xml(event: Event) -> str:
    """The element as whole lines, one character for each octet."""
    rows = _WRITERS[event.type.name]
    lines = [f'{_MARGIN}<edg_wll_Event name="{event.type.name}">']
    missing = event.missing
    for name, ulm, tag, write in _COMMON_WRITERS:
        value = getattr(event, name)
        if value is not None and ulm not in missing:
            lines.append(f"{_INDENT}<{tag}>{write(value)}</{tag}>")
    fields = event.fields
    for name, write in rows:
        value = fields.get(name)
        if value is not None:
            lines.append(f"{_INDENT}<{name}>{write(value)}</{name}>")
    lines.append(f"{_MARGIN}</edg_wll_Event>{CRLF}")
    return CRLF.join(lines)


_PLAIN_WRITERS: Final[dict[Kind, Write]] = {
    Kind.TEXT: escape,
    Kind.INT: str,
    Kind.PORT: str,
    Kind.DOUBLE: write_real,
    Kind.SOURCE: str,
    Kind.JOBID: lambda value: escape(str(value)),
    Kind.TIME: format_seconds,
    Kind.TAGS: lambda value: escape(write_tags(value)),
}
_COMMON_KINDS: Final[dict[str, Write]] = {
    "timeval": format_seconds,
    "string": escape,
    "level": lambda value: str(level_code(value)),
    "int": str,
    "jobid": _PLAIN_WRITERS[Kind.JOBID],
    "logsrc": str,
}
_COMMON_WRITERS: Final = tuple((row.name, row.ulm, row.xml, _COMMON_KINDS[row.kind]) for row in COMMON)


def _writer(field: Field) -> Write:
    if field.kind is Kind.ENUM:
        return {value: str(field.number(value)) for value in field.values}.__getitem__
    return _PLAIN_WRITERS[field.kind]


_WRITERS: Final = {
    name: tuple((field.name, _writer(field)) for field in kind.fields) for name, kind in EVENTS.items()
}

# ---- reading --------------------------------------------------------------------------------------------------------

Read = Callable[[str, str], Any]
"""Reads the text of an element, whose name is for the error; None is unset."""


def from_xml(source: bytes | str | Any, *, complete: bool = True) -> Event:
    """The event of an ``edg_wll_Event``: of its text (as octets, or a character for each) or of the parsed element.

    With ``complete=False`` required fields may be unset, as in ``ulm.parse``. Raises ``NativeError``.
    """
    element = parse(source) if isinstance(source, (bytes, str)) else source
    kind = _type(element)
    readers = _READERS[kind.name]
    values: dict[str, Any] = {}
    fields: dict[str, Any] = {}
    for inner in element:
        tag = inner.tag
        if tag not in readers:
            raise NativeError(tag, f"no field of an event {kind.name}")
        name, read, is_specific = readers[tag]
        target = fields if is_specific else values
        if name in target:
            raise NativeError(tag, "is there twice")
        target[name] = read(tag, only_text(inner))
    values, fields = _set(values), _set(fields)
    missing = absent(kind, values, fields)
    if missing and complete:
        raise NativeError(missing[0][0], f"an event {kind.name} needs it")
    return assemble(kind, values, fields, missing)


def _set(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _type(element: Any) -> EventType:
    if element.tag != "edg_wll_Event":
        raise NativeError(str(element.tag), "not an event")
    name = unescape(element.get("name"))
    kind = find_type(name)
    if kind is None:
        raise wrong("edg_wll_Event", name, "the name of a type of events")
    return kind


def _read_text(_name: str, text: str) -> str | None:
    return text or None


def _read_plain(_name: str, text: str) -> str:
    return text


def _read_number(name: str, text: str, *, null: int, least: int = INT_MIN, most: int = INT_MAX) -> int | None:
    value = number(name, text, least, most)
    return None if value == null else value


def _read_real(name: str, text: str) -> float | None:
    return real(name, text) or None


def _read_choice(name: str, text: str, *, field: Field) -> str | None:
    code = number(name, text)
    value = field.named(code)
    if value is None and code != field.number(None):
        raise wrong(name, text, "the number of a value")
    return value


def _read_level(name: str, text: str) -> str | None:
    return level_named(number(name, text, 0, len(LEVELS)))


def _read_source(name: str, text: str) -> str:
    if text not in SOURCE_CODES:
        raise wrong(name, text, "the name of a source")
    return text


def _read_job(name: str, text: str) -> JobId:
    try:
        return JobId.parse(text)
    except JobIdError:
        raise wrong(name, text, "a job id") from None


def _read_tags(name: str, text: str) -> Tags | None:
    tags = read_tags(text)
    if tags is None:
        raise wrong(name, text, "a list name=value,name=value")
    return tags or None


_PLAIN_READERS: Final[dict[Kind, Read]] = {
    Kind.TEXT: _read_text,
    Kind.PORT: partial(_read_number, null=0, least=0, most=MAX_PORT),
    Kind.DOUBLE: _read_real,
    Kind.SOURCE: _read_source,
    Kind.JOBID: _read_job,
    Kind.TIME: moment,
    Kind.TAGS: _read_tags,
}
_COMMON_READERS: Final[dict[str, Read]] = {
    "timeval": moment,
    "string": _read_plain,
    "level": _read_level,
    "int": partial(_read_number, null=-1),
    "jobid": _read_job,
    "logsrc": _read_source,
}


def _reader(field: Field) -> Read:
    if field.kind is Kind.ENUM:
        return partial(_read_choice, field=field)
    if field.kind is Kind.INT:
        return partial(_read_number, null=field.null)
    return _PLAIN_READERS[field.kind]


def _readers(kind: EventType) -> dict[str, tuple[str, Read, bool]]:
    """Element -> (field, how it is read, whether it is a specific one)."""
    common = {row.xml: (row.name, _COMMON_READERS[row.kind], False) for row in COMMON}
    return common | {field.name: (field.name, _reader(field), True) for field in kind.fields}


_READERS: Final = {name: _readers(kind) for name, kind in EVENTS.items()}
