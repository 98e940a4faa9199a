"""How records of LB are put into words: attribute names and values as the original commands print them (wms.md 6.4)."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

#: Attributes that only jobs of these kinds have; a status holds them all, as zeros (lb.md 3.3).
OTHER_KINDS = ("pbs", "condor", "cream", "vm")

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def title(name: str) -> str:
    """`stateEnterTime` → `State enter time`: the LB attribute name with blanks, capitalised."""
    return _HUMP.sub(" ", name.rstrip("_")).replace("_", " ").capitalize()


def value_text(value: Any) -> str:
    """One value in words; lists are joined by commas, times are UTC."""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, datetime):
        return date_text(value)
    if isinstance(value, list | tuple):
        return ", ".join(value_text(item) for item in value)
    members = members_of(value)
    if not members:
        return str(value)
    if set(members) == {"tvSec", "tvUsec"}:
        return date_text(datetime.fromtimestamp(value.tvSec, UTC))
    return " ".join(value_text(getattr(value, name)) for name in members if getattr(value, name) is not None)


def date_text(moment: datetime) -> str:
    """A time as the original prints it (asctime), always UTC."""
    return moment.strftime("%a %b %e %H:%M:%S %Y UTC")


def members_of(record: Any) -> tuple[str, ...]:
    """The member names of a record in wire order; empty for a scalar."""
    return tuple(getattr(type(record), "__slots__", ()))


def attributes(record: Any, skip: tuple[str, ...] = ("state",)) -> Iterator[tuple[str, str]]:
    """(name, text) of every member that has a value; counters of other kinds of jobs count as values when not zero."""
    for name in members_of(record):
        value = getattr(record, name)
        if name in skip or value is None or value in ([], "") or (not value and name.startswith(OTHER_KINDS)):
            continue
        yield name, value_text(value)
