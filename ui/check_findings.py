"""Findings of glite-check-credentials: what was looked at, how it is, what to do."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

#: Columns of the table when standard output is no terminal, so that pipes get whole sentences.
_PLAIN_WIDTH = 160


class State(IntEnum):
    """How bad it is; the worst one is the exit code."""

    OK = 0
    WARN = 1
    FAIL = 2


_STYLE = {State.OK: "green", State.WARN: "yellow", State.FAIL: "bold red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """area: `host`, `user`, `CA directory`, …; subject: the file or thing; text: how it is; remedy: what to do, one
    sentence, empty when there is nothing to do.
    """

    state: State
    area: str
    subject: str
    text: str
    remedy: str = ""

    def as_json(self) -> dict[str, Any]:
        """The finding as values."""
        return {"state": self.state.name, "area": self.area, "subject": self.subject, "text": self.text,
                "remedy": self.remedy}


@dataclass(frozen=True, slots=True)
class Reporter:
    """Makes the findings of one area."""

    area: str

    def ok(self, subject: object, text: str) -> Finding:
        """All is well."""
        return Finding(State.OK, self.area, str(subject), text)

    def warn(self, subject: object, text: str, remedy: str) -> Finding:
        """It works, but not for long, or not for all, or less safely than it could."""
        return Finding(State.WARN, self.area, str(subject), text, remedy)

    def fail(self, subject: object, text: str, remedy: str) -> Finding:
        """Something does not work, or is not safe."""
        return Finding(State.FAIL, self.area, str(subject), text, remedy)


def worst(findings: Iterable[Finding]) -> State:
    """The state of the whole."""
    return max((finding.state for finding in findings), default=State.OK)


def print_table(findings: Iterable[Finding]) -> None:
    """Print the table on standard output."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("", "area", "what", "how it is", "what to do"):
        table.add_column(column, overflow="fold")
    for each in findings:
        table.add_row(Text(each.state.name, style=_STYLE[each.state]),
                      *map(Text, (each.area, each.subject, each.text, each.remedy)))
    console = Console()
    if not console.is_terminal:
        console = Console(width=_PLAIN_WIDTH)
    console.print(table)


def span(time: timedelta) -> str:
    """A duration for people: `3 days`, `5 hours`, `12 minutes`."""
    seconds = abs(int(time.total_seconds()))
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "less than a minute"
