"""Reading a dump: one ULM event per line, all of one job (jp.md 2.9)."""

import re
from collections.abc import Iterator

from jpps.plugins.interface import UnreadableFile
from lb.model import seqcode, ulm
from lb.model.events import Event

#: A user tag whose name has a colon may be in there.
_COLON_TAG = re.compile(rb'DG\.USERTAG\.NAME="?[^"\s]*:', re.IGNORECASE)
_USER_TAG = "UserTag"


def read(data: bytes) -> list[Event]:
    """Return the events of a dump in the order of their sequence codes. Raises UnreadableFile."""
    events = list(_events(data))
    if not events:
        raise UnreadableFile("no event in the dump")
    if len({event.jobid.unique for event in events}) > 1:
        raise UnreadableFile("events of several jobs in one dump")
    return seqcode.in_order(events)


def colon_tags(data: bytes) -> list[tuple[str, str]]:
    """Return name and value of the user tags whose name has a colon; nothing is parsed when there is none."""
    if not _COLON_TAG.search(data):
        return []
    return [pair for pair in map(tag, read(data)) if pair is not None and ":" in pair[0]]


def tag(event: Event) -> tuple[str, str] | None:
    """Return name and value of a user tag, None for any other event."""
    if event.name != _USER_TAG:
        return None
    return event.fields["name"], event.fields["value"]


def _events(data: bytes) -> Iterator[Event]:
    for number, line in enumerate(data.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            yield ulm.parse(line)
        except ulm.UlmError as error:
            raise UnreadableFile(f"line {number} of the dump: {error}") from error
