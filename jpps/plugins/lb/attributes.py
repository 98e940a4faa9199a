"""The attributes of the LB namespace (jp.md 2.9.1): a table from name to what is told of a digested dump.

Names are compared without regard to case, those of the first schema (`user`, `CE`, …) before those of the second
(`owner`, `destination`, …), as the original did.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from jpps.plugins.lb import texts
from jpps.plugins.lb.digest import Digest
from jpps.plugins.lb.dump import tag
from lb.model.events import Event
from lb.model.status import ATTRIBUTES, STATES, Kind
from lb.model.times import Timestamp


@dataclass(frozen=True, slots=True)
class Told:
    """A value and its time."""

    content: str
    time: Timestamp


#: What an attribute has to say; None: no value.
Teller = Callable[[Digest], Told | None]

#: Known names that the original's plug-in never answered, nor do we; and those of the sandbox, CREAM, file transfer and
#: virtual machine families.
_UNTOLD_NAMES = frozenset(
    (
        "userFqans", "sandboxRetrieved", "jwStatus", "jdlClassad", "isbTransfer", "osbTransfer", "payloadOwner",
        "accessRights", "history", "pbsSubstate", "pbsResourceRequested",
    )
)
_UNTOLD_PREFIXES = ("cream", "ft", "vm")
#: Job types by name; all others are UNKNOWN.
_JOB_TYPES = frozenset({"SIMPLE", "DAG", "COLLECTION", "PBS", "CONDOR"})


def find(name: str) -> Teller | None:
    """Return what tells the attribute with this local name, None when it is not defined."""
    return _TELLERS.get(name.lower())


def _updated(content: str | None, digest: Digest) -> Told | None:
    return None if content is None else Told(content, digest.updated)


def _field(name: str, kind: Kind) -> Teller:
    """Tell an attribute of the status as it stands there."""

    def tell(digest: Digest) -> Told | None:
        return _updated(_text(kind, getattr(digest.status, name)), digest)

    return tell


def _text(kind: Kind, value: object) -> str | None:
    if value is None or value == "":
        return None
    if kind in (Kind.INT, Kind.BOOL):
        return str(int(value))  # type: ignore[call-overload]
    if isinstance(value, tuple):
        return texts.lines("item", value) or None
    if isinstance(value, Mapping):
        return texts.pairs(value) or None
    return str(value)


def _status(digest: Digest) -> Told | None:
    return _updated(digest.status.state, digest)


def _job_type(digest: Digest) -> Told | None:
    known = digest.status.jobtype
    return _updated(known if known in _JOB_TYPES else "UNKNOWN", digest)


def _children(digest: Digest) -> Told | None:
    children = digest.children
    return _updated("\n" + texts.lines("jobId", map(str, children)) if children else None, digest)


def _children_histogram(digest: Digest) -> Told | None:
    counts = digest.status.children_hist
    if not digest.status.children_num or counts is None:
        return None
    return _updated(texts.by_state({state: str(n) for state, n in zip(STATES, counts, strict=False)}), digest)


def _user_tags(digest: Digest) -> Told | None:
    tags = digest.status.user_tags
    if not tags:
        return None
    # The status has the names in lower case; here they are told as they were first written.
    written = {pair[0].lower(): pair[0] for pair in map(tag, reversed(digest.events)) if pair is not None}
    return _updated(texts.tags({written.get(name, name): value for name, value in tags.items()}), digest)


def _done_code(digest: Digest) -> Told | None:
    final = digest.final
    if final.state != "Done" or final.done_code is None:
        return None
    return Told(final.done_code, final.time)


def _final_status(digest: Digest) -> Told | None:
    return Told(digest.final.state, digest.final.time)


def _final_date(digest: Digest) -> Told | None:
    return Told(texts.moment(digest.final.time), digest.final.time)


def _final_reason(digest: Digest) -> Told | None:
    if digest.final.reason:
        return Told(digest.final.reason, digest.final.time)
    return _updated(digest.status.reason or None, digest)


def _last_update(digest: Digest) -> Told | None:
    return _updated(texts.moment(digest.updated), digest)


def _enter_times(digest: Digest) -> Told | None:
    entered = {state: texts.seconds(epoch) for state, epoch in digest.status.entered.items()}
    return _updated(texts.by_state(entered) if entered else None, digest)


def _lrms_done(digest: Digest) -> Event | None:
    done = [event for event in digest.events if event.name == "Done" and event.source == "LRMS"]
    return done[-1] if done else None


def _lrms_done_status(digest: Digest) -> Told | None:
    event = _lrms_done(digest)
    if event is None:
        return _updated(digest.status.done_code, digest)
    return Told(str(event.fields["status_code"]), event.timestamp)


def _lrms_reason(digest: Digest) -> Told | None:
    event = _lrms_done(digest)
    reason = None if event is None else event.get("reason")
    return None if event is None or not reason else Told(reason, event.timestamp)


def _last_history(digest: Digest) -> Told | None:
    entries = digest.last_history
    return _updated(texts.history(entries, full=False) if entries else None, digest)


def _full_history(digest: Digest) -> Told | None:
    return _updated(texts.history(digest.history, full=True), digest)


def _ui_host(digest: Digest) -> Told | None:
    registration = digest.registrations[0]
    return Told(registration.host, registration.timestamp) if registration.host else None


_SPECIAL: Final[Mapping[str, Teller]] = {
    "jobtype": _job_type,
    "children": _children,
    "childrenHist": _children_histogram,
    "doneCode": _done_code,
    "userTags": _user_tags,
    "stateEnterTime": _final_date,
    "lastUpdateTime": _last_update,
    "stateEnterTimes": _enter_times,
    "uiHost": _ui_host,
}
_ALIASES: Final[Mapping[str, str]] = {
    "user": "owner",
    "parent": "parentJob",
    "nsubjobs": "childrenNum",
    "subjobs": "children",
    "CE": "destination",
    "host": "ceNode",
    "RB": "networkServer",
    "finalDoneStatus": "doneCode",
    "retryCount": "resubmitted",
    "finalStatusDate": "stateEnterTime",
}


def _second_schema() -> dict[str, Teller]:
    table: dict[str, Teller] = {"status": _status}
    for attribute in ATTRIBUTES:
        name = attribute.ws_name
        if name not in _UNTOLD_NAMES and not name.startswith(_UNTOLD_PREFIXES) and attribute.kind is not Kind.STATUSES:
            table[name] = _SPECIAL.get(name) or _field(attribute.name, attribute.kind)
    return table


def _table(second: Mapping[str, Teller]) -> dict[str, Teller]:
    first: Sequence[tuple[str, Teller]] = [
        *((alias, second[name]) for alias, name in _ALIASES.items()),
        ("finalStatus", _final_status),
        ("finalStatusReason", _final_reason),
        ("LRMSDoneStatus", _lrms_done_status),
        ("LRMSStatusReason", _lrms_reason),
        ("lastStatusHistory", _last_history),
        ("fullStatusHistory", _full_history),
    ]
    return {name.lower(): teller for name, teller in (*second.items(), *first)}


_TELLERS: Final = _table(_second_schema())
