"""Any status that can exist, for property tests: every attribute in its whole range."""

from functools import cache
from typing import Any

from hypothesis import strategies as st

from lb.model.status import ATTRIBUTES, SLOTS, STATES, Attribute, Kind, Status
from lbevents import INTEGERS, MOMENTS, TEXTS

OFF_THE_WIRE = frozenset({"user_fqans", "jdl_classad"})
SHOWN = tuple(attribute for attribute in ATTRIBUTES if attribute.name not in OFF_THE_WIRE)
_PART = TEXTS.map(lambda text: text.replace(",", ".").replace("=", "."))


def values(attribute: Attribute, subjobs: st.SearchStrategy[Status]) -> st.SearchStrategy[Any]:
    """All that the attribute may hold but None."""
    resources = st.dictionaries(_PART, _PART, min_size=1, max_size=3)
    kinds: dict[Kind, st.SearchStrategy[Any]] = {
        Kind.JOBID: TEXTS,
        Kind.TEXT: TEXTS,
        Kind.INT: INTEGERS,
        Kind.BOOL: st.booleans(),
        Kind.ENUM: st.sampled_from(attribute.values or ("",)),
        Kind.TIME: MOMENTS,
        Kind.TEXTS: st.lists(TEXTS, max_size=3),
        Kind.TAGS: st.dictionaries(TEXTS, TEXTS, max_size=3) if attribute.name == "user_tags" else resources,
        Kind.COUNTS: st.just((0,) * SLOTS) | st.tuples(*[_seconds_or_jobs(attribute)] * SLOTS),
        Kind.STATUSES: st.just(()) if subjobs.is_empty else st.lists(subjobs, max_size=2),
    }
    return kinds[attribute.kind]


def _seconds_or_jobs(attribute: Attribute) -> st.SearchStrategy[int]:
    return st.integers(0, (1 << 31) - 1 if attribute.name == "children_hist" else 1 << 33)


@st.composite
def statuses(draw: st.DrawFn, *, levels: int = 2) -> Status:
    """A status with some attributes set, and subjobs down to as many levels."""
    names = draw(st.sets(st.sampled_from([attribute.name for attribute in SHOWN]), max_size=12))
    own = {attribute.name: draw(_values(attribute, levels)) for attribute in SHOWN if attribute.name in names}
    return Status(state=draw(st.sampled_from(STATES)), **own)


@cache
def _values(attribute: Attribute, levels: int) -> st.SearchStrategy[Any]:
    return values(attribute, statuses(levels=levels - 1) if levels else st.nothing())
