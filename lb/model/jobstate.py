"""What the state machine knows of one job: its status and the bookkeeping behind it (lb.md 3.4), and how it is stored.

A stored state is a JSON text with the version of the rules that made it. One of another version cannot be continued:
``load`` raises ``StateVersionError`` and the caller computes the job anew from its events (``machine.recompute``).
"""

import json
from typing import Any, Final

from lb.model.status import ATTRIBUTES, DEFAULTS, NAMES, STATES, Kind, Status

VERSION: Final = "2.11-1"
"""Original's number of its rules (2.11, payload owner) and ours of the stored form."""

SLOTS: Final = len(STATES)


class StateVersionError(ValueError):
    """The stored state was made by other rules, or is no stored state: compute the job from its events."""


class JobState:
    """One job under computation. ``machine.apply`` changes it in place.

    ``status``: what others may see, to be copied before it is given away for keeps. The rest is bookkeeping:

    * ``last_seqcode``: code of the latest event that counted, ``last_cancel_seqcode`` the same for Cancel;
    * ``branch_tag_seqcode``: code of the ReallyRunning that decided which branch runs; ``last_branch_seqcode``: latest
      code on that branch; ``deep_resubmit_seqcode``: code of the deep resubmission below which all is too old;
    * ``resubmit_type``: latest verdict about resubmission;
    * ``branches``: by WM component of the code: [destination, worker node, job description];
    * ``tag_codes``: by name of a user tag: code of the event that set it;
    * ``payload_owner_pending``, ``payload_owner_unconfirmed``: who took, who was granted, not yet matched;
    * ``outcome``: what the latest event was worth (``machine.Outcome``), not stored.
    """

    __slots__ = (
        "branch_tag_seqcode",
        "branches",
        "deep_resubmit_seqcode",
        "last_branch_seqcode",
        "last_cancel_seqcode",
        "last_seqcode",
        "outcome",
        "payload_owner_pending",
        "payload_owner_unconfirmed",
        "resubmit_type",
        "status",
        "tag_codes",
    )

    def __init__(self, status: Status) -> None:
        self.status = status
        self.last_seqcode: str | None = None
        self.last_cancel_seqcode: str | None = None
        self.branch_tag_seqcode: str | None = None
        self.last_branch_seqcode: str | None = None
        self.deep_resubmit_seqcode: str | None = None
        self.resubmit_type: str | None = None
        self.payload_owner_pending: str | None = None
        self.payload_owner_unconfirmed: str | None = None
        self.branches: dict[int, list[str | None]] = {}
        self.tag_codes: dict[str, str] = {}
        self.outcome: Any = None

    def dump(self) -> str:
        """The stored form: JSON, ASCII only, unset values left out."""
        status = self.status
        values = {name: value for name in NAMES if (value := getattr(status, name)) != DEFAULTS[name]}
        book = {name: value for name in _BOOK if (value := getattr(self, name))}
        return json.dumps({"v": VERSION, "s": values, "b": book}, separators=(",", ":"), default=_plain)

    @classmethod
    def load(cls, text: str) -> "JobState":
        """Read the stored form; ``StateVersionError`` when it is of another version."""
        try:
            stored = json.loads(text)
        except ValueError as error:
            raise StateVersionError(f"not a stored state: {error}") from None
        if not isinstance(stored, dict) or stored.get("v") != VERSION:
            raise StateVersionError(f"stored state is not of version {VERSION}")
        job = cls(_status(stored["s"]))
        for name, value in stored["b"].items():
            setattr(job, name, {int(key): row for key, row in value.items()} if name == "branches" else value)
        return job

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, JobState):
            return NotImplemented
        return self.status == other.status and all(getattr(self, name) == getattr(other, name) for name in _BOOK)

    __hash__ = None  # type: ignore[assignment]


_BOOK = tuple(name for name in JobState.__slots__ if name not in ("status", "outcome"))
_TIMES = tuple(attribute.name for attribute in ATTRIBUTES if attribute.kind is Kind.TIME)


def _plain(value: Any) -> Any:
    """Subjob states inside a status, which only a query puts there, are no part of what is computed."""
    raise TypeError(f"a stored state cannot hold {type(value).__name__}")


def _status(values: dict[str, Any]) -> Status:
    status = Status()
    for name, value in values.items():
        setattr(status, name, tuple(value) if name in _TIMES else value)
    return status
