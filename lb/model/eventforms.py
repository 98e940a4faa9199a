"""What the forms of events and statuses have in common: unset fields, real numbers, lists of tags as one text."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from lb.model.catalogue import COMMON, EventType
from lb.model.events import NO_JOB, Event

Tags = tuple[tuple[str, str], ...]


_UNSET: Final[Mapping[str, Any]] = {
    "timestamp": (0, 0),
    "host": "",
    "level": None,
    "priority": -1,
    "jobid": NO_JOB,
    "seqcode": "",
    "user": "",
    "source": "",
    "src_instance": None,
}
"""What stands for the common fields that are unset, as ``ulm.parse`` gives it."""


def absent(kind: EventType, common: Mapping[str, Any], fields: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The required fields that are not there, each as its key and its ULM name."""
    missing = [(row.xml, row.ulm) for row in COMMON if row.required and row.name not in common]
    return missing + [(item.name, item.ulm) for item in kind.fields if item.required and item.name not in fields]


def assemble(
    kind: EventType, common: Mapping[str, Any], fields: Mapping[str, Any], missing: Iterable[tuple[str, str]]
) -> Event:
    """The event of the values that are set; ``missing`` as ``absent`` tells."""
    ordered = {field.name: fields[field.name] for field in kind.fields if field.name in fields}
    return Event(kind, **{**_UNSET, **common}, fields=ordered, missing=tuple(ulm for _, ulm in missing))


def write_real(value: float) -> str:
    """Six decimals, as the original; in the shortest form that says all where these do not."""
    text = f"{value:f}"
    return text if float(text) == value else repr(value)


def write_tags(tags: Iterable[tuple[str, str]]) -> str:
    """``name=value,name=value``."""
    return ",".join(f"{name}={text}" for name, text in tags)


def read_tags(text: str) -> Tags | None:
    """The list of such a text, empty of an empty one, None when it is none."""
    pairs = [item.partition("=") for item in text.split(",")] if text else []
    return tuple((name, value) for name, _, value in pairs) if all(equals for _, equals, _ in pairs) else None
