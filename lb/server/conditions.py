"""Conditions of a query: what may be asked, and how a job or an event is held against it (lb.md 4.4, 4.7).

A query is a list of groups. All groups must hold (AND); a group is about one attribute and holds when any of its
comparisons does (OR). LESS and GREATER are strict, whatever the WSDL of the original says; WITHIN includes both ends.
"""

import errno
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lb.model.events import Event
from lb.model.rules.tags import lowered
from lb.model.status import ATTRIBUTE, STATE_CODES, Status
from lb.model.vocabulary import SOURCE_CODES, level_code
from lb.server.errors import LbError

Value = int | str


@dataclass(frozen=True, slots=True)
class Comparison:
    """One comparison: operator name, and one value, or two for WITHIN."""

    op: str
    value: Value
    upper: Value | None = None

    def holds(self, actual: Value | None) -> bool:
        """Whether the actual value fulfils it; a value that is not there fulfils only UNEQUAL."""
        if actual is None:
            return self.op == "UNEQUAL"
        if self.op == "WITHIN":
            return bool(self.value <= actual <= self.upper)  # type: ignore[operator]
        return bool(_OPERATORS[self.op](actual, self.value))


@dataclass(frozen=True, slots=True)
class Group:
    """Comparisons of one attribute, any of which suffices. name: of the tag; state: that TIME is about."""

    attribute: str
    comparisons: tuple[Comparison, ...]
    name: str | None = None
    state: str | None = None

    def holds(self, actual: Value | None) -> bool:
        return any(comparison.holds(actual) for comparison in self.comparisons)

    @property
    def only_equal(self) -> bool:
        """Whether it names exactly what it wants."""
        return all(comparison.op == "EQUAL" for comparison in self.comparisons)


_OPERATORS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "EQUAL": operator.eq, "UNEQUAL": operator.ne, "LESS": operator.lt, "GREATER": operator.gt,
}
_SAME: Final = frozenset({"EQUAL", "UNEQUAL"})
_ORDER: Final = _SAME | {"LESS", "GREATER", "WITHIN"}


def _code(attribute: str) -> Callable[[Status, Group], Value | None]:
    declared = ATTRIBUTE[attribute]

    def number(status: Status, _group: Group) -> Value | None:
        value = getattr(status, attribute)
        return declared.null if value is None else declared.values.index(value)

    return number


def _plain(attribute: str) -> Callable[[Status, Group], Value | None]:
    return lambda status, _group: getattr(status, attribute)


def _seconds(attribute: str) -> Callable[[Status, Group], Value | None]:
    def seconds(status: Status, _group: Group) -> Value | None:
        moment = getattr(status, attribute)
        return None if moment is None else int(moment[0])

    return seconds


def _entered(status: Status, group: Group) -> Value | None:
    return status.entered.get(group.state or "")


#: Attributes of jobs: operators that they know, and the value that is compared.
JOB_ATTRIBUTES: Final[Mapping[str, tuple[frozenset[str], Callable[[Status, Group], Value | None]]]] = {
    "JOBID": (_SAME | {"GREATER"}, _plain("jobId")),
    "OWNER": (_SAME, _plain("owner")),
    "STATUS": (_ORDER, lambda status, _group: STATE_CODES[status.state]),
    "LOCATION": (_SAME, _plain("location")),
    "DESTINATION": (_SAME, _plain("destination")),
    "DONECODE": (_ORDER, _code("done_code")),
    "USERTAG": (_ORDER, lambda status, group: (status.user_tags or {}).get(lowered(group.name or ""))),
    "TIME": (_ORDER, _entered),
    "RESUBMITTED": (_SAME, lambda status, _group: int(status.resubmitted)),
    "PARENT": (_SAME, _plain("parent_job")),
    "EXITCODE": (_ORDER, _plain("exit_code")),
    "STATEENTERTIME": (_ORDER, _seconds("stateEnterTime")),
    "LASTUPDATETIME": (_ORDER, _seconds("lastUpdateTime")),
    "NETWORKSERVER": (_SAME, _plain("network_server")),
    "JOBTYPE": (_SAME, _code("jobtype")),
    "VM_STATUS": (_SAME, _code("vm_state")),
}


def _tag(event: Event, group: Group) -> Value | None:
    matches = event.name == "UserTag" and str(event.get("name")).lower() == (group.name or "").lower()
    return event.get("value") if matches else None


#: Attributes of events, likewise.
EVENT_ATTRIBUTES: Final[Mapping[str, tuple[frozenset[str], Callable[[Event, Group], Value | None]]]] = {
    "TIME": (_ORDER, lambda event, _group: event.timestamp[0]),
    "LEVEL": (_ORDER, lambda event, _group: level_code(event.level)),
    "HOST": (_SAME, lambda event, _group: event.host),
    "SOURCE": (_SAME, lambda event, _group: SOURCE_CODES[event.source]),
    "INSTANCE": (_SAME, lambda event, _group: event.src_instance),
    "EVENTTYPE": (_ORDER, lambda event, _group: event.type.code),
    "CHKPTTAG": (_ORDER, lambda event, _group: event.get("tag") if event.name == "Chkpt" else None),
    "USERTAG": (_ORDER, _tag),
}
NOT_BUILT: Final = frozenset({"JDLATTR"})
#: Attributes that need a name, and what it names.
_NAMED: Final = frozenset({"USERTAG"})


def check_job_group(group: Group) -> Group:
    """The group, if jobs can be asked so. Raises LbError EINVAL, or ENOSYS for what is not built."""
    if group.attribute == "TIME" and group.state not in STATE_CODES:
        raise LbError(errno.EINVAL, "a condition on TIME needs the name of a state")
    return _check(group, JOB_ATTRIBUTES, "jobs")


def check_event_group(group: Group) -> Group:
    """The group, if events can be asked so. Raises LbError EINVAL, or ENOSYS for what is not built."""
    return _check(group, EVENT_ATTRIBUTES, "events")


def _check(group: Group, known: Mapping[str, tuple[frozenset[str], Any]], what: str) -> Group:
    if group.attribute in NOT_BUILT:
        raise LbError(errno.ENOSYS, f"conditions on {group.attribute} are not available in this release")
    if group.attribute not in known:
        raise LbError(errno.EINVAL, f"{group.attribute} is no attribute of {what}")
    if group.attribute in _NAMED and not group.name:
        raise LbError(errno.EINVAL, f"a condition on {group.attribute} needs the name of a tag")
    if not group.comparisons:
        raise LbError(errno.EINVAL, f"the condition on {group.attribute} compares with nothing")
    for comparison in group.comparisons:
        if comparison.op not in known[group.attribute][0]:
            raise LbError(errno.EINVAL, f"{group.attribute} cannot be compared with {comparison.op}")
        if (comparison.op == "WITHIN") != (comparison.upper is not None):
            raise LbError(errno.EINVAL, "WITHIN takes two values, every other operator one")
    return group


def job_matches(status: Status, groups: Sequence[Group]) -> bool:
    """Whether all groups hold for the job."""
    return all(group.holds(JOB_ATTRIBUTES[group.attribute][1](status, group)) for group in groups)


def event_matches(event: Event, groups: Sequence[Group]) -> bool:
    """Whether all groups hold for the event."""
    return all(group.holds(EVENT_ATTRIBUTES[group.attribute][1](event, group)) for group in groups)
