"""The native forms of a status: the ordered object of XML and JSON, and the ``jobStat`` element (lb.md 4.3, 4.6).

Both are read back: what ``to_object`` and ``to_xml`` write, ``from_object`` and ``from_xml`` make the same status of.
Only ``user_fqans`` and ``jdl_classad`` are on no wire, and an empty list of PBS resources is the same as none.

Errors are ``NativeError`` with the name of the element.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final

from lb.model.atoi import INT_MAX
from lb.model.eventforms import read_tags, write_tags
from lb.model.nativexml import CRLF, NativeError, escape, moment, number, only_text, parse, unescape, wrong
from lb.model.status import ATTRIBUTE, ATTRIBUTES, MAX_LEVELS, SLOTS, STATE_CODES, STATES, Attribute, Kind, Status
from lb.model.times import FIRST, LAST, format_seconds
from lb.model.ulm import joined

_STRUCTURED: Final = (
    "possible_destinations",
    "possible_ce_nodes",
    "children",
    "children_hist",
    "children_states",
    "user_tags",
    "stateEnterTimes",
)
"""Attributes with inner elements, which follow all others."""
_HIDDEN: Final = frozenset({"user_fqans", "jdl_classad", *_STRUCTURED})
_SCALARS: Final = tuple(attribute for attribute in ATTRIBUTES if attribute.name not in _HIDDEN)
_INDENT: Final = 3
"""Tabs before the elements in a ``jobStat``, however deep it stands."""
_ITEM: Final = {"children": "jobId", "possible_destinations": "name", "possible_ce_nodes": "name"}
"""Name of the inner elements of a list of texts."""

_LIMITS: Final = {"children_hist": (0, INT_MAX), "stateEnterTimes": (FIRST, LAST)}
"""Least and greatest number of a list by state: subjobs, seconds."""

Trouble = tuple[int, str]
"""Code and description of what went wrong with one job of many, attributes of its ``jobStat``."""

# ---- plain values ---------------------------------------------------------------------------------------------------

Write = Callable[[Any], str | None]


def _writer(attribute: Attribute) -> Write:
    """Text of a plain attribute, None when it is equal to its null and so not written."""
    kind, null = attribute.kind, attribute.null
    if kind is Kind.ENUM:
        numbers = {name: None if code == null else str(code) for code, name in enumerate(attribute.values)}
        return numbers.__getitem__
    if kind is Kind.INT:
        return lambda value: None if value == null else str(value)
    if kind is Kind.BOOL:
        return lambda value: "1" if value else None
    if kind is Kind.TIME:
        return format_seconds
    if kind is Kind.TAGS:
        return lambda value: write_tags(value.items()) or None
    return str


_WRITERS: Final[Mapping[str, Write]] = {attribute.name: _writer(attribute) for attribute in _SCALARS}
_BARE: Final = frozenset(item.name for item in _SCALARS if item.kind in (Kind.ENUM, Kind.INT, Kind.BOOL, Kind.TIME))
"""Attributes whose texts have nothing to escape."""
_PLACE: Final = {name: place for place, name in enumerate((*_WRITERS, *_STRUCTURED))}


def _held(status: Status) -> Iterator[tuple[str, Any]]:
    """The attributes that are set, in the order of the wire."""
    held = status.__dict__
    for name in sorted(filter(_PLACE.__contains__, held), key=_PLACE.__getitem__):
        if held[name] is not None:
            yield name, held[name]


def _read_text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise wrong(name, value, "a text")
    try:
        return joined(value)
    except UnicodeEncodeError:
        raise wrong(name, value, "a text of characters") from None


def _read_scalar(attribute: Attribute, value: object) -> Any:
    name, kind = attribute.name, attribute.kind
    if kind is Kind.INT:
        return number(name, value)
    if kind is Kind.BOOL:
        return number(name, value) != 0
    if kind is Kind.TIME:
        return moment(name, value)
    if kind is Kind.ENUM:
        code = number(name, value, min(attribute.null, 0), len(attribute.values) - 1)
        return attribute.values[code] if code >= 0 else None
    text = _read_text(name, value)
    if kind is not Kind.TAGS:
        return text
    tags = read_tags(text)
    if tags is None:
        raise wrong(name, text, "a list name=value,name=value")
    return dict(tags) or None


# ---- object ---------------------------------------------------------------------------------------------------------


def to_object(status: Status) -> dict[str, Any]:
    """The status as an ordered object: ``@name`` is the state, plain values are texts, unset ones are left out."""
    result: dict[str, Any] = {"@name": status.state}
    for name, value in _held(status):
        write = _WRITERS.get(name)
        shown = _structured(ATTRIBUTE[name], value) if write is None else write(value)
        if shown is not None:
            result[name] = shown
    return result


def by_state(numbers: Sequence[int]) -> dict[str, int]:
    """State name -> number, from a list indexed by state code."""
    return dict(zip(STATES, numbers, strict=True))


def _structured(attribute: Attribute, value: Any) -> Any:
    if attribute.kind is Kind.COUNTS:
        return by_state(value)
    if attribute.kind is Kind.TAGS:
        return [[name, text] for name, text in value.items()]
    if attribute.kind is Kind.STATUSES:
        return [to_object(child) for child in value]
    return list(value)


def from_object(shown: Mapping[str, Any]) -> Status:
    """The status of which ``to_object`` made this. Raises ``NativeError``."""
    return _from_object(shown, 1)


def _from_object(shown: object, depth: int) -> Status:
    if not isinstance(shown, Mapping):
        raise wrong("", shown, "the object of a status")
    if depth > MAX_LEVELS:
        raise NativeError("children_states", f"more than {MAX_LEVELS} levels")
    values: dict[str, Any] = {}
    for name, value in shown.items():
        if name == "@name":
            continue
        if name not in _PLACE:
            raise NativeError(str(name), "no attribute of a status that is sent")
        attribute = ATTRIBUTE[name]
        is_plain = name in _WRITERS
        values[name] = _read_scalar(attribute, value) if is_plain else _read_structured(attribute, value, depth)
    state = shown.get("@name")
    if not isinstance(state, str) or state not in STATE_CODES:
        raise wrong("jobStat", state, "the name of a state")
    return Status(state=state, **values)


def _read_structured(attribute: Attribute, value: object, depth: int) -> Any:
    name, kind = attribute.name, attribute.kind
    if kind is Kind.COUNTS:
        return _read_counts(name, value)
    if not isinstance(value, (list, tuple)):
        raise wrong(name, value, "a list")
    if kind is Kind.STATUSES:
        return tuple(_from_object(child, depth + 1) for child in value)
    if kind is Kind.TAGS:
        return _read_tags(name, value)
    return tuple(_read_text(name, text) for text in value)


def _read_counts(name: str, value: object) -> tuple[int, ...]:
    if not isinstance(value, Mapping):
        raise wrong(name, value, "numbers by state")
    numbers = [0] * SLOTS
    least, most = _LIMITS[name]
    for state, count in value.items():
        if state not in STATE_CODES:
            raise NativeError(name, f"there is no state {ascii(state)[:40]}")
        if type(count) is not int or not least <= count <= most:
            raise wrong(name, count, f"a number from {least} to {most}")
        numbers[STATE_CODES[state]] = count
    return tuple(numbers)


def _read_tags(name: str, pairs: Sequence[object]) -> dict[str, str]:
    tags: dict[str, str] = {}
    for pair in pairs:
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise wrong(name, pair, "a name and a value")
        tag, value = _read_text(name, pair[0]), _read_text(name, pair[1])
        if tag in tags:
            raise NativeError(name, f"tag {ascii(tag)[:40]} is there twice")
        tags[tag] = value
    return tags


# ---- XML ------------------------------------------------------------------------------------------------------------


def to_xml(status: Status, *, indent: int = _INDENT, trouble: Trouble | None = None) -> str:
    """The ``jobStat`` element, one character for each octet, without anything before or after it.

    ``indent``: tabs before the inner elements; those of subjobs have the same.
    """
    pad = "\t" * indent
    about = "" if trouble is None else f' code="{trouble[0]}" desc="{escape(trouble[1])}"'
    lines = [f'<jobStat name="{status.state}"{about}>']
    for name, value in _held(status):
        write = _WRITERS.get(name)
        if write is None:
            lines.append(_inner(ATTRIBUTE[name], value, indent))
            continue
        text = write(value)
        if text is not None:
            lines.append(f"{pad}<{name}>{text if name in _BARE else escape(text)}</{name}>")
    return CRLF.join(lines) + f"{CRLF}</jobStat>"


def _inner(attribute: Attribute, value: Any, indent: int) -> str:
    """An element with inner elements, without its line end."""
    name, pad = attribute.name, "\t" * indent
    if attribute.kind is Kind.COUNTS:
        return _counts(name, indent) % tuple(value)
    if attribute.kind is Kind.STATUSES:  # lines are not broken between subjobs, nor after the last one
        return f"{pad}<{name}>{CRLF}{''.join(to_xml(child, indent=indent) for child in value)}{pad}</{name}>"
    if attribute.kind is Kind.TAGS:
        items = [f'{pad}\t<tag name="{escape(tag)}">{escape(text)}</tag>' for tag, text in value.items()]
    else:
        item = _ITEM[name]
        items = [f"{pad}\t<{item}>{escape(text)}</{item}>" for text in value]
    return CRLF.join([f"{pad}<{name}>", *items, f"{pad}</{name}>"])


@cache
def _counts(name: str, indent: int) -> str:
    """The text of a list by state, with %d for the numbers."""
    pad = "\t" * indent
    items = (f"{pad}\t<{state}>%d</{state}>" for state in STATES)
    return CRLF.join([f"{pad}<{name}>", *items, f"{pad}</{name}>"])


def from_xml(source: bytes | str | Any) -> Status:
    """The status of a ``jobStat``: of its text (as octets, or a character for each) or of the parsed element.

    Elements may come in any order; an empty one with nothing but a state is a status, too. Raises ``NativeError``.
    """
    element = parse(source) if isinstance(source, (bytes, str)) else source
    return from_object(_shown(element))


def trouble_of(element: Any) -> Trouble | None:
    """What a parsed ``jobStat`` says went wrong with the job, None when nothing did. Raises ``NativeError``."""
    code = number("jobStat", element.get("code", "0"))
    return (code, unescape(element.get("desc"))) if code else None


def _shown(element: Any) -> dict[str, Any]:
    """The object of a ``jobStat`` element."""
    if element.tag != "jobStat":
        raise NativeError(str(element.tag), "not the status of a job")
    result: dict[str, Any] = {"@name": element.get("name")}
    for inner in element:
        name = inner.tag
        if name in result:
            raise NativeError(name, "is there twice")
        result[name] = _shown_inner(ATTRIBUTE[name], inner) if name in _STRUCTURED else only_text(inner)
    return result


def _shown_inner(attribute: Attribute, element: Any) -> Any:
    if attribute.kind is Kind.COUNTS:
        return _shown_counts(attribute.name, element)
    if attribute.kind is Kind.STATUSES:
        return [_shown(item) for item in element]
    wanted = "tag" if attribute.kind is Kind.TAGS else _ITEM[attribute.name]
    for item in element:
        if item.tag != wanted:
            raise NativeError(item.tag, f"has no place in {attribute.name}")
    if attribute.kind is Kind.TAGS:
        return [[unescape(item.get("name")), only_text(item)] for item in element]
    return [only_text(item) for item in element]


def _shown_counts(name: str, element: Any) -> dict[str, int]:
    result: dict[str, int] = {}
    for item in element:
        if item.tag in result:
            raise NativeError(item.tag, f"is twice in {name}")
        result[item.tag] = number(item.tag, only_text(item), *_LIMITS[name])
    return result
