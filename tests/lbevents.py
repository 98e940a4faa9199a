"""Any event that can exist, for property tests: every type, every kind of value in its whole range.

For sequences of events that mean something see ``lbsequences``.
"""

import re
from functools import cache
from typing import Any

from hypothesis import strategies as st

from lb.model import ulm
from lb.model.catalogue import EventType, Field, Kind
from lb.model.events import EVENTS, NO_JOB, Event
from lb.model.jobid import JobId
from lb.model.vocabulary import LEVELS, SOURCES

NO_ID = re.compile(r"[\s?]")
INTEGERS = st.integers(-(2**31), 2**31 - 1)
MOMENTS = st.tuples(st.integers(-60_000_000_000, 250_000_000_000), st.integers(0, 999_999))
"""Of the years 68 to 9892."""
TEXTS = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=30),
    st.sampled_from(("", "a\tb", 'q"\\', "two\nlines\r\n", "<&>'%25%", "\u017elu\u0165\xe1", "\x00\x7f\x85")),
    st.binary(max_size=20).map(ulm.decode),
)
"""Whatever octets can stand in a line, as the text that they are read as."""
JOBS = st.builds(
    JobId,
    st.sampled_from(("lb.example.org", "localhost", "[2001:db8::1]")),
    st.integers(1, 65535),
    st.one_of(st.just("JNSJwjuRw5XIDvjcabiWdA"), TEXTS).filter(lambda text: text and not NO_ID.search(text)),
)
_TAG = TEXTS.map(lambda text: re.sub("[,=]", ".", text))
_EMPTY = {"timestamp": (0, 0), "host": "", "priority": -1, "jobid": NO_JOB, "seqcode": "", "user": "", "source": ""}
"""What stands in an incomplete event for what it has not; by ULM name below."""
_ULM = {
    "DATE": "timestamp", "HOST": "host", "DG.PRIORITY": "priority", "DG.JOBID": "jobid", "DG.SEQCODE": "seqcode",
    "DG.USER": "user", "DG.SOURCE": "source",
}  # fmt: skip


def values(field: Field) -> st.SearchStrategy[Any]:
    """All that the field may hold; never its null, which is no value."""
    kinds: dict[Kind, st.SearchStrategy[Any]] = {
        Kind.TEXT: TEXTS.filter(bool),
        Kind.INT: INTEGERS.filter(lambda number: number != field.null),
        Kind.PORT: st.integers(1, 65535),
        Kind.DOUBLE: st.floats(allow_nan=False, allow_infinity=False).filter(bool),
        Kind.ENUM: st.sampled_from(field.values or ("",)),
        Kind.SOURCE: st.sampled_from(SOURCES),
        Kind.JOBID: JOBS,
        Kind.TIME: MOMENTS,
        Kind.TAGS: st.lists(st.tuples(_TAG, _TAG), min_size=1, max_size=3).map(tuple),
    }
    return kinds[field.kind]


@cache
def events_of(kind: EventType) -> st.SearchStrategy[Event]:
    """Complete events of a type."""
    fields = st.fixed_dictionaries(
        {field.name: values(field) for field in kind.fields if field.required},
        optional={field.name: values(field) for field in kind.fields if not field.required},
    )
    return st.builds(
        Event,
        st.just(kind),
        MOMENTS,
        TEXTS,
        st.none() | st.sampled_from(LEVELS),
        INTEGERS.filter(lambda number: number != -1),
        JOBS,
        TEXTS,
        TEXTS,
        st.sampled_from(SOURCES),
        st.none() | TEXTS,
        fields,
        st.none() | MOMENTS,
    )


def events() -> st.SearchStrategy[Event]:
    """Complete events of any type."""
    return st.sampled_from(sorted(EVENTS)).flatmap(lambda name: events_of(EVENTS[name]))


@st.composite
def incomplete_events(draw: st.DrawFn) -> Event:
    """Events as a line gives them that some required fields are not in."""
    event = draw(events())
    required = [*_ULM, *(field.ulm for field in event.type.fields if field.required)]
    event.missing = tuple(name for name in required if draw(st.booleans()))
    for name in event.missing:
        if name in _ULM:
            setattr(event, _ULM[name], _EMPTY[_ULM[name]])
    event.fields = {field.name: event.fields[field.name] for field in event.type.fields
                    if field.name in event.fields and field.ulm not in event.missing}
    return event
