"""Text forms of structured values, byte for byte as the original's (jp.md 2.9.1, 2.9.2)."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from jpps.attributes import LB_NAMESPACE, at
from jpps.plugins.lb.digest import Entry
from lb.model.status import STATE_CODES, STATES
from lb.model.times import Timestamp

_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;", '"': "&quot;", "'": "&apos;"}
_SPECIAL = re.compile("[<>&\"'%\x00-\x1f\x7f]")
_DONE_CODES = ("OK", "FAILED", "CANCELLED")
#: States of which the full history tells the destination.
_PLACED = range(STATE_CODES["Ready"], STATE_CODES["Done"] + 1)


def escape(text: str) -> str:
    """Escape in the manner of LB: entities, control characters and % as %hh."""
    return _SPECIAL.sub(lambda match: _ENTITIES.get(match[0]) or f"%{ord(match[0]):02x}", text)


def moment(time: Timestamp) -> str:
    """`YYYY-MM-DDThh:mm:ss.uuuuuu`."""
    return f"{seconds(time[0])}.{time[1]:06d}"


@lru_cache(maxsize=1024)
def seconds(epoch: int) -> str:
    """`YYYY-MM-DDThh:mm:ss`."""
    return f"{at(epoch):%Y-%m-%dT%H:%M:%S}"


def lines(element: str, texts: Iterable[str]) -> str:
    """One element per line."""
    return "".join(f"<{element}>{escape(text)}</{element}>\n" for text in texts)


def by_state(values: Mapping[str, str]) -> str:
    """A line break, then one item per state."""
    return "\n" + "".join(f'<item name="{state}">{values[state]}</item>\n' for state in STATES if state in values)


def tags(pairs: Mapping[str, str]) -> str:
    """A line break, then the tags, an element per line."""
    shown = (f"<tag>\n{lines('name', [name])}{lines('value', [value])}</tag>\n" for name, value in pairs.items())
    return "\n" + "".join(shown)


def pairs(values: Mapping[str, str]) -> str:
    """`name=value`, joined by commas."""
    return ",".join(f"{name}={value}" for name, value in values.items())


def history(entries: Sequence[Entry], *, full: bool) -> str:
    """A line break, then a line per state entered; `full`: with destination and done code."""
    return "\n" + "".join(_line(entry, full) for entry in entries)


def _line(entry: Entry, full: bool) -> str:
    text = f'<status xmlns="{LB_NAMESPACE}" name="{entry.state.upper()}" timestamp="{moment(entry.time)}" '
    if entry.reason:
        text += f'reason="{escape(entry.reason)}" '
    if full and entry.destination and STATE_CODES[entry.state] in _PLACED:
        text += f' destination="{escape(entry.destination)}"'
    if full and entry.state == "Done" and entry.done_code is not None:
        text += f' doneCode="{_DONE_CODES.index(entry.done_code)}"'
    return text + "/>\n"
