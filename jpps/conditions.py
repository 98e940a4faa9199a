"""Conditions of feeds: which jobs an index server wants to hear of (primaryQuery, jp.md 1.5, 2.10).

A condition holds when at least one value of its attribute meets it, as in the original's history feeds; its
incremental feeds looked at one arbitrary value only. Values are written once and never change, so a job that matches
goes on matching: nothing ever has to be taken back.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from jpps.attributes import REGTIME, Origin, Value
from jpps.errors import Invalid

#: As in the original (jp.md 2.10).
MAX_CONDITIONS = 100

_LEADING_INTEGER = re.compile(r"\s*([+-]?[0-9]+)")


class Operator(StrEnum):
    """queryOp of the wire."""

    EQUAL = "EQUAL"
    UNEQUAL = "UNEQUAL"
    LESS = "LESS"
    GREATER = "GREATER"
    WITHIN = "WITHIN"
    EXISTS = "EXISTS"


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition; `check` says whether it can be met at all."""

    attr: str
    op: Operator
    origin: Origin | None = None
    value: str | bytes | None = None
    value2: str | bytes | None = None

    def check(self) -> None:
        """Raise Invalid for a condition that nothing could ever match."""
        if not self.attr:
            raise Invalid("a condition names no attribute")
        if self.op is not Operator.EXISTS and self.value is None:
            raise Invalid(f"condition {self.op} on {self.attr} needs a value")
        if self.op is Operator.WITHIN:
            if self.value2 is None:
                raise Invalid(f"condition WITHIN on {self.attr} needs value and value2")
            if type(self.value) is not type(self.value2):
                raise Invalid(f"condition WITHIN on {self.attr}: one value is text, the other binary")
        for value in (self.value, self.value2):
            if self.attr == REGTIME and value is not None and not isinstance(_comparable(self.attr, value), int):
                raise Invalid(f"condition on {REGTIME}: write the time as seconds since 1970")

    def holds(self, values: Sequence[Value]) -> bool:
        """Say whether some of `values`, all of this condition's attribute, meets it."""
        return any(self._meets(value) for value in values if self.origin in (None, value.origin))

    def _meets(self, value: Value) -> bool:
        if self.op is Operator.EXISTS:
            return True
        left, right = _comparable(self.attr, value.content), _comparable(self.attr, self.value)
        order = _compare(left, right)
        if order is None:
            return False
        match self.op:
            case Operator.EQUAL:
                return order == 0
            case Operator.UNEQUAL:
                return order != 0
            case Operator.LESS:
                return order < 0
            case Operator.GREATER:
                return order > 0
        upper = _compare(left, _comparable(self.attr, self.value2))
        return order >= 0 and upper is not None and upper <= 0


def _comparable(attr: str, content: str | bytes | None) -> str | bytes | int | None:
    """Text compares by its UTF-8 bytes; the registration time as a number, whatever follows it (jp.md 2.8)."""
    if attr == REGTIME and isinstance(content, str) and (match := _LEADING_INTEGER.match(content)):
        return int(match[1])
    return content


def _compare(left: str | bytes | int | None, right: str | bytes | int | None) -> int | None:
    """Return the sign of left - right, None when the two cannot be compared (text with binary)."""
    if isinstance(left, str) and isinstance(right, str):
        left, right = left.encode(), right.encode()
    if isinstance(left, bytes) and isinstance(right, bytes):
        return (left > right) - (left < right)
    if isinstance(left, int) and isinstance(right, int):
        return (left > right) - (left < right)
    return None
