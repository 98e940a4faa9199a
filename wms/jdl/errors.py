"""What is wrong with a job description, and where."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum


class JdlKind(Enum):
    """Outcome classes of the checker, by their code names (wms.md 2.3)."""

    MANDATORY = "JDLMANDATORY"  # a mandatory attribute, or the file an attribute speaks of, is missing
    MISMATCH = "JDLMISMATCH"  # wrong type or wrong format
    SYNTAX = "JDLSYN"  # value out of its range, list not allowed
    GROUP = "JDLGROUP"  # incomplete or exclusive group of attributes
    DUPLICATE = "JDLDUPLICATE"  # attribute or file named twice
    PARSE = "JDLPARSE"  # not a ClassAd
    UNAVAILABLE = "JDLUNAVAILABLE"  # legal, but not built in this release


class JdlError(Exception):
    """One mistake in a job description.

    ``line`` and ``column`` count from 1 in the text as the user wrote it; 0 means that the place is not in that text
    (an attribute set later by a program). ``more`` holds further mistakes found in the same description.
    """

    def __init__(self, kind: JdlKind, message: str, *, attribute: str = "", line: int = 0, column: int = 0) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.attribute = attribute
        self.line = line
        self.column = column
        self.more: tuple[JdlError, ...] = ()

    @property
    def where(self) -> str:
        """'line 3, column 5, attribute RetryCount' as far as it is known."""
        parts = [f"line {self.line}", f"column {self.column}"] if self.line else []
        return ", ".join(parts + ([f"attribute {self.attribute}"] if self.attribute else []))

    def __str__(self) -> str:
        first = f"{self.where}: {self.message}" if self.where else self.message
        return "; ".join([first, *map(str, self.more)])


def together(errors: Sequence[JdlError]) -> JdlError:
    """The first error in reading order, carrying the others."""
    first, *rest = sorted(errors, key=lambda error: (error.line, error.column))
    first.more = tuple(rest)
    return first
