"""Conditions as the web service carries them, checked and turned into lb.server.conditions (lb.md 6)."""

import errno
from typing import Any, Final

from lb.model.jobid import JobId, JobIdError
from lb.model.status import ATTRIBUTE, STATE_CODES, find_state
from lb.server.conditions import Comparison, Group, Value, check_event_group, check_job_group
from lb.server.errors import LbError

_TIMES: Final = frozenset({"TIME", "STATEENTERTIME", "LASTUPDATETIME"})
_NUMBERS: Final = frozenset({"DONECODE", "RESUBMITTED", "EXITCODE", "LEVEL", "SOURCE", "EVENTTYPE"})
_IDS: Final = frozenset({"JOBID", "PARENT"})
#: Attributes whose values are numbers that also have names.
_NAMED: Final = {"JOBTYPE": "jobtype", "VM_STATUS": "vm_state"}
#: Instead of a subject: the one who asks (lb.md 4.4).
_MYSELF: Final = "NULL"


def job_groups(conditions: list[Any], myself: str) -> list[Group]:
    """Read queryConditions about jobs; `myself`: subject of the one who asks. Raises LbError."""
    return [check_job_group(_group(condition, myself, _state_of(condition))) for condition in conditions]


def event_groups(conditions: list[Any], myself: str) -> list[Group]:
    """Read queryConditions about events. Raises LbError."""
    return [check_event_group(_group(condition, myself, None)) for condition in conditions]


def _state_of(condition: Any) -> str | None:
    return None if condition.statName is None else find_state(condition.statName)


def _group(condition: Any, myself: str, state: str | None) -> Group:
    attribute = condition.attr
    comparisons = tuple(_comparison(attribute, record, myself) for record in condition.record)
    return Group(attribute, comparisons, condition.tagName, state)


def _comparison(attribute: str, record: Any, myself: str) -> Comparison:
    if record.op == "CHANGED":
        raise LbError(errno.EINVAL, "CHANGED makes sense in notifications only")
    first = _value(attribute, record.value1, myself)
    if first is None:
        raise LbError(errno.EINVAL, f"the condition on {attribute} has no value")
    return Comparison(record.op, first, _value(attribute, record.value2, myself))


def _value(attribute: str, value: Any, myself: str) -> Value | None:
    """The value in the form that is compared: a number or a text."""
    if value is None:
        return None
    given = value.i if value.i is not None else value.c if value.c is not None else value.t
    if attribute in _TIMES and value.t is not None:
        return int(value.t.tvSec)
    if attribute in _TIMES | _NUMBERS:
        return _number(attribute, given)
    if attribute == "STATUS":
        return _number(attribute, given) if value.c is None else _state_code(value.c)
    if attribute in _NAMED:
        return _number(attribute, given) if value.c is None else _named(attribute, value.c)
    if not isinstance(given, str):
        raise LbError(errno.EINVAL, f"{attribute} is compared with a text")
    if attribute in _IDS:
        return _jobid(given)
    return myself if attribute == "OWNER" and given == _MYSELF else given


def _number(attribute: str, given: Any) -> int:
    try:
        return int(given)
    except (TypeError, ValueError):
        raise LbError(errno.EINVAL, f"{attribute} is compared with a number") from None


def _jobid(given: str) -> str:
    try:
        return str(JobId.parse(given))
    except JobIdError as error:
        raise LbError(errno.EINVAL, str(error)) from None


def _state_code(name: str) -> int:
    state = find_state(name)
    if state is None:
        raise LbError(errno.EINVAL, f"there is no state {name!r}")
    return STATE_CODES[state]


def _named(attribute: str, name: str) -> int:
    declared = ATTRIBUTE[_NAMED[attribute]]
    plain = name.upper().removeprefix(declared.prefix)
    if plain not in declared.values:
        raise LbError(errno.EINVAL, f"{name!r} is no value of {attribute}")
    return declared.values.index(plain)
