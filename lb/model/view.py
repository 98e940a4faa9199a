"""What of a status a query shows (lb.md 3.8, 4.5)."""

from collections.abc import Iterable, Sequence
from enum import IntFlag
from typing import Final

from lb.model.status import STATE_CODES, STATES, Status


class Flag(IntFlag):
    """Flags of a query by their native numbers."""

    CLASSADD = 1
    CHILDREN = 2
    CHILDSTAT = 4
    CHILDHIST_FAST = 8
    CHILDHIST_THOROUGH = 16
    ANONYMIZED = 32
    TERMINAL_STATES = 64
    HISTORY = 128
    BOOTSTRAP = 256
    VOLATILE = 512
    NO_JOBS = 1024
    NO_STATES = 2048


WS_FLAGS: Final = {
    "CLASSADS": Flag.CLASSADD,
    "CHILDREN": Flag.CHILDREN,
    "CHILDSTAT": Flag.CHILDSTAT,
    "CHILDHIST_FAST": Flag.CHILDHIST_FAST,
    "CHILDHIST_THOROUGH": Flag.CHILDHIST_THOROUGH,
}
"""Flags of the web service; the first is spelt differently in the native protocol, ``classadd``."""

ALL_WS: Final = Flag.CLASSADD | Flag.CHILDREN | Flag.CHILDSTAT | Flag.CHILDHIST_FAST | Flag.CHILDHIST_THOROUGH
"""What UserJobs uses (lb.md 6)."""

DESCRIPTIONS: Final = ("jdl", "matched_jdl", "condor_jdl", "rsl")


def view(
    status: Status,
    flags: Flag,
    children: Sequence[str] = (),
    children_states: Iterable[Status] = (),
) -> Status:
    """A copy of a stored status as a query with these flags shows it.

    For a parent the caller gives the ids of the subjobs (for CHILDREN) and their statuses, already viewed with the same
    flags (for CHILDSTAT and CHILDHIST_THOROUGH).
    """
    changes: dict[str, object] = {}
    if not flags & Flag.CLASSADD:
        changes.update(dict.fromkeys(DESCRIPTIONS))
    if status.children_num > 0:
        states = list(children_states) if flags & (Flag.CHILDSTAT | Flag.CHILDHIST_THOROUGH) else []
        changes["children"] = tuple(children) if flags & Flag.CHILDREN else None
        changes["children_states"] = states if flags & Flag.CHILDSTAT else None
        if flags & Flag.CHILDHIST_THOROUGH:
            changes["children_hist"] = count(states)
        elif not flags & Flag.CHILDHIST_FAST:
            changes["children_hist"] = None
    return status.replace(**changes)


def count(states: Iterable[Status]) -> tuple[int, ...]:
    """How many of the statuses are in which state, by state code."""
    numbers = [0] * len(STATES)
    for status in states:
        numbers[STATE_CODES[status.state]] += 1
    return tuple(numbers)
