"""The native forms of a status: the ordered object that XML and JSON show (lb.md 4.3, 4.6)."""

from collections.abc import Sequence
from typing import Any, Final

from lb.model.status import ATTRIBUTE, ATTRIBUTES, STATES, Attribute, Kind, Status
from lb.model.times import format_seconds

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


def scalar(attribute: Attribute, value: Any) -> str | None:
    """Text of a plain attribute, None when it is unset or equal to its null and so not written."""
    kind = attribute.kind
    if value is None:
        return None
    if kind is Kind.ENUM:
        number = attribute.values.index(value)
    elif kind in (Kind.INT, Kind.BOOL):
        number = int(value)
    elif kind is Kind.TIME:
        return format_seconds(value)
    elif kind is Kind.TAGS:
        return ",".join(f"{name}={text}" for name, text in value.items()) or None
    else:
        return str(value)
    return None if number == attribute.null else str(number)


def to_object(status: Status) -> dict[str, Any]:
    """The status as an ordered object: ``@name`` is the state, plain values are texts, unset ones are left out."""
    result: dict[str, Any] = {"@name": status.state}
    for attribute in _SCALARS:
        text = scalar(attribute, getattr(status, attribute.name))
        if text is not None:
            result[attribute.name] = text
    for name in _STRUCTURED:
        value = getattr(status, name)
        if value is not None:
            result[name] = _structured(ATTRIBUTE[name], value)
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
