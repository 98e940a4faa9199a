"""What the state machine knows of one job: its status and the bookkeeping behind it (lb.md 3.4), and how it is stored.

A ``JobState`` does not change: ``machine.apply`` makes the next one from it, by way of a ``JobDraft``.

A stored state is a JSON text with the version of the rules that made it. One of another version cannot be continued:
``load`` raises ``StateVersionError`` and the caller computes the job anew from its events (``machine.recompute``).
"""

import json
from collections.abc import Mapping
from sys import intern
from types import MappingProxyType
from typing import Any, Final

from lb.model.frozen import Frozen
from lb.model.status import ATTRIBUTES, NAMES, SLOTS, ZEROS, Kind, Status, StatusDraft, settled

__all__ = ["SLOTS", "VERSION", "Branches", "JobDraft", "JobState", "StateVersionError"]

VERSION: Final = "2.11-1"
"""Original's number of its rules (2.11, payload owner) and ours of the stored form."""

Branches = Mapping[int, tuple[str | None, str | None, str | None]]
"""By WM component of the code: destination, worker node, job description."""
_NONE: Final[Mapping[Any, Any]] = MappingProxyType({})


class StateVersionError(ValueError):
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
        book = {name: value for name, value in self.__dict__.items() if (value or value == "") and name in _BOOK}
        stored = {"v": VERSION, "s": self.status.values(), "b": book}
        return json.dumps(stored, separators=(",", ":"), default=_plain)

    @classmethod
    def load(cls, text: str) -> "JobState":
        """Read the stored form; ``StateVersionError`` when it is of another version, or not what ``dump`` writes."""
        try:
            stored = json.loads(text)
            if stored["v"] != VERSION:
                raise StateVersionError(f"stored state is not of version {VERSION}")
            values = {_NAMES[name]: _status_value(name, value) for name, value in stored["s"].items()}
            known = {values.get(name): values.get(name) for name in _BRANCH_COLUMNS}
            attributes = {_BOOK[name]: _book_value(name, value, known) for name, value in stored["b"].items()}
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


_BOOK: Final = {name: name for name in JobDraft.__annotations__ if name not in ("status", "outcome")}
_NAMES: Final = {name: name for name in NAMES}
_BRANCH_COLUMNS: Final = ("destination", "ce_node", "matched_jdl")
"""Attributes of the status that a branch remembers, in the order of ``Branches``."""
_MAPPINGS: Final = frozenset({"branches", "tag_codes"})
_LISTS: Final = frozenset(
    attribute.name for attribute in ATTRIBUTES
    if attribute.kind in (Kind.TIME, Kind.TEXTS, Kind.TAGS, Kind.COUNTS, Kind.STATUSES)
)
_COUNTS: Final = frozenset(attribute.name for attribute in ATTRIBUTES if attribute.kind is Kind.COUNTS)
_PLACES: Final = frozenset({"possible_destinations", "possible_ce_nodes"})
_COMMON: Final = frozenset(
    {
        "state", "jobtype", "owner", "parent_job", "destination", "network_server", "ui_host", "reason", "location",
        "ce_node", "done_code", "sandbox_retrieved", "jw_status",
    }
)
"""Attributes whose texts many jobs have in common: one text for all of them saves memory."""


def _plain(value: Any) -> Any:
    """Subjob states inside a status, which only a query puts there, are no part of what is computed."""
    if type(value) is MappingProxyType:
        return dict(value)
    raise TypeError(f"a stored state cannot hold {type(value).__name__}")


def _status_value(name: str, value: Any) -> Any:
    """A stored value of the status as a status keeps it."""
    if name in _COMMON:
        return intern(value)
    if name not in _LISTS:
        return value
    if name in _COUNTS:
        return ZEROS if not any(value) else tuple(value)
    if name in _PLACES:
        return tuple(map(intern, value))
    return settled(name, value)


def _book_value(name: str, value: Any, known: Mapping[Any, Any]) -> Any:
    """A stored value of the bookkeeping; what became of a branch often stands in the status too: one text for both."""
    if name == "branches":
        return MappingProxyType(
            {int(key): tuple([known.get(text, text) for text in row]) for key, row in value.items()}
        )
    return MappingProxyType(dict(value)) if name in _MAPPINGS else known.get(value, value)
