"""What the state machine knows of one job: its status and the bookkeeping behind it (lb.md 3.4), and how it is stored.

A ``JobState`` does not change: ``machine.apply`` makes the next one from it, by way of a ``JobDraft``.

A stored state is a JSON text with the version of the rules that made it. One of another version cannot be continued:
``load`` raises ``StateVersionError`` and the caller computes the job anew from its events (``machine.recompute``).
"""

import json
from collections.abc import Callable, Mapping
from sys import intern
from types import MappingProxyType
from typing import Any, Final

from lb.model.atoi import INT_MAX, INT_MIN
from lb.model.errors import ModelError
from lb.model.frozen import Frozen
from lb.model.status import ATTRIBUTES, NAMES, SLOTS, STATES, ZEROS, Attribute, Kind, Status, StatusDraft
from lb.model.times import Timestamp

VERSION: Final = "2.11-2"
"""Original's number of its rules (2.11, payload owner) and ours of the stored form."""

Branches = Mapping[int, tuple[str | None, str | None, str | None]]
"""By WM component of the code: destination, worker node, job description."""
_NONE: Final[Mapping[Any, Any]] = MappingProxyType({})


class StateVersionError(ModelError):
    """The stored state was made by other rules, or is no stored state: compute the job from its events."""


class JobDraft:
    """One job in work: the rules assign attributes, and replace mappings instead of changing them.

    * ``status``: what others see when the draft is done;
    * ``last_seqcode``: code of the latest event that counted, ``last_cancel_seqcode`` the same for Cancel;
    * ``branch_tag_seqcode``: code of the ReallyRunning that decided which branch runs; ``last_branch_seqcode``: latest
      code on that branch; ``deep_resubmit_seqcode``: code of the deep resubmission below which all is too old;
    * ``resubmit_type``: latest verdict about resubmission;
    * ``branches``: what became of each try;
    * ``tag_codes``: by name of a user tag: code of the event that set it;
    * ``payload_owner_pending``, ``payload_owner_unconfirmed``: who took, who was granted, not yet matched;
    * ``outcome``: what the latest event was worth (``machine.Outcome``), not stored.
    """

    status: StatusDraft
    last_seqcode: str | None = None
    last_cancel_seqcode: str | None = None
    branch_tag_seqcode: str | None = None
    last_branch_seqcode: str | None = None
    deep_resubmit_seqcode: str | None = None
    resubmit_type: str | None = None
    payload_owner_pending: str | None = None
    payload_owner_unconfirmed: str | None = None
    branches: Branches = _NONE
    tag_codes: Mapping[str, str] = _NONE
    outcome: Any = None

    def done(self) -> "JobState":
        """The state that this draft has become; the draft is not to be used any more."""
        attributes = self.__dict__
        attributes["status"] = self.status.done()
        return JobState.made_of(attributes)


class JobState(Frozen, JobDraft):
    """What is known of one job: a value that does not change. The attributes are those of ``JobDraft``."""

    status: Status

    def __init__(self, status: Status) -> None:
        self.__dict__["status"] = status

    def draft(self) -> JobDraft:
        """A draft that begins with this state."""
        draft = JobDraft.__new__(JobDraft)
        attributes = draft.__dict__ = self.__dict__.copy()
        attributes["status"] = self.status.draft()
        return draft

    def show(self, **changes: Any) -> "JobState":
        """The same state with some attributes of its status changed."""
        return JobState.made_of({**self.__dict__, "status": self.status.replace(**changes)})

    def dump(self) -> str:
        """The stored form: JSON, ASCII only, unset values left out."""
        book = {name: value for name, value in self.__dict__.items() if name in _BOOK and value is not _BOOK[name]}
        stored = {"v": VERSION, "s": self.status.values(), "b": book}
        return json.dumps(stored, separators=(",", ":"), default=_plain)

    @classmethod
    def load(cls, text: str) -> "JobState":
        """Read the stored form; ``StateVersionError`` when it is of another version, or not what ``dump`` writes."""
        try:
            if not text.isascii():
                raise StateVersionError("a stored state is ASCII only")
            stored = json.loads(text)
            if stored["v"] != VERSION:
                raise StateVersionError(f"stored state is not of version {VERSION}")
            values = {_NAMES[name]: _READ[name](value) for name, value in stored["s"].items()}
            known = {values.get(name): values.get(name) for name in _BRANCH_COLUMNS}
            attributes = {_BOOK_NAMES[name]: _book_value(name, value, known) for name, value in stored["b"].items()}
            attributes["status"] = Status.made_of(values)
        except StateVersionError:
            raise
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            raise StateVersionError(f"not a stored state: {error!r}"[:200]) from None
        return cls.made_of(attributes)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, JobState):
            return NotImplemented
        return self.status == other.status and all(getattr(self, name) == getattr(other, name) for name in _BOOK)

    __hash__ = None  # type: ignore[assignment]


_BOOK: Final = {name: getattr(JobDraft, name) for name in JobDraft.__annotations__ if name not in ("status", "outcome")}
"""Names of the bookkeeping, and what they are when nothing is known."""
_BOOK_NAMES: Final = {name: name for name in _BOOK}
_NAMES: Final = {name: name for name in NAMES}
_BRANCH_COLUMNS: Final = ("destination", "ce_node", "matched_jdl")
"""Attributes of the status that a branch remembers, in the order of ``Branches``."""
_PLACES: Final = frozenset({"possible_destinations", "possible_ce_nodes"})
_COMMON: Final = frozenset(
    {"owner", "parent_job", "destination", "network_server", "ui_host", "reason", "location", "ce_node"}
)
"""Attributes whose texts many jobs have in common: one text for all of them saves memory."""


def _plain(value: Any) -> Any:
    """Subjob states inside a status, which only a query puts there, are no part of what is computed."""
    if type(value) is MappingProxyType:
        return dict(value)
    raise TypeError(f"a stored state cannot hold {type(value).__name__}")


def _text(value: Any) -> str:
    if not value.isascii():
        value.encode("utf-8", "surrogateescape")  # half a character stands for a byte of a line, or cannot be written
    return value  # type: ignore[no-any-return]


def _common(value: Any) -> str:
    return intern(_text(value))


def _number(value: Any) -> int:
    if type(value) is not int or not INT_MIN <= value <= INT_MAX:
        raise TypeError(f"{value!r} is no number of 32 bits")
    return value


def _moment(value: Any) -> Timestamp:
    seconds, microseconds = value
    if type(seconds) is not int or type(microseconds) is not int:
        raise TypeError(f"{value!r} is no moment")
    return seconds, microseconds


def _counts(value: Any) -> tuple[int, ...]:
    if len(value) != SLOTS or not set(map(type, value)) <= _INTEGERS:
        raise TypeError(f"{value!r} is no list by state")
    return tuple(value) if any(value) else ZEROS


def _texts(value: list[Any]) -> tuple[str, ...]:
    return tuple(map(_text, value))


def _places(value: list[Any]) -> tuple[str, ...]:
    return tuple(map(_common, value))


def _tags(value: dict[str, Any]) -> Mapping[str, str]:
    return MappingProxyType({_text(name): _text(text) for name, text in value.items()})


_INTEGERS: Final = {int}
_READERS: Final[dict[Kind, Callable[[Any], Any]]] = {
    Kind.JOBID: _text,
    Kind.TEXT: _text,
    Kind.INT: _number,
    Kind.BOOL: {True: True, False: False}.__getitem__,
    Kind.TIME: _moment,
    Kind.TEXTS: _texts,
    Kind.TAGS: _tags,
    Kind.COUNTS: _counts,
}


def _reader(attribute: Attribute) -> Callable[[Any], Any] | None:
    """How to take a stored value of an attribute as a status keeps it; None for what is never stored."""
    if attribute.kind is Kind.ENUM:
        return {value: value for value in attribute.values if not value.startswith("_")}.__getitem__
    if attribute.name in _COMMON:
        return _common
    return _places if attribute.name in _PLACES else _READERS.get(attribute.kind)


_READ: Final = {
    "state": {state: state for state in STATES}.__getitem__,
    **{item.name: read for item in ATTRIBUTES if (read := _reader(item)) is not None},
}


def _book_value(name: str, value: Any, known: Mapping[Any, Any]) -> Any:
    """A stored value of the bookkeeping; what became of a branch often stands in the status too: one text for both."""
    if name == "branches":
        return MappingProxyType({int(key): _row(row, known) for key, row in value.items()})
    if name == "tag_codes":
        return _tags(value)
    return known.get(_text(value), value)


def _row(row: Any, known: Mapping[Any, Any]) -> tuple[str | None, str | None, str | None]:
    where, worker, text = [None if value is None else known.get(_text(value), value) for value in row]
    return where, worker, text
