"""Jobs of Condor: the answers of the original, which cannot read the codes of Condor, against ours.

The original reads the codes beyond their end. So it takes every event for in time, and never sees which daemon spoke.
Both can be imitated by handing our rules codes that say no more than it sees: then every state and every attribute of
all recorded sequences must agree. With the real codes, only what depends on one of the two may differ, and how far is
written down here (``LATE``, ``UNHEARD``).
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from lb.model import machine, native, ulm
from lb.model.events import EVENTS, Event
from lb.model.jobid import JobId
from lb.model.jobstate import JobState
from lb.model.rules import condor
from lb.model.seqcode import CondorCode, SeqCodeError, compare
from lb.model.view import Flag, view
from lbrecorded import cases_of
from shared import needs_shared

FLAGS = Flag.CLASSADD | Flag.CHILDREN | Flag.CHILDSTAT

# ---- readings of a code ---------------------------------------------------------------------------------------

Reading = Callable[[Event, int], Event]
"""The event as it is taken, given its place in the order of arrival."""


def nothing_read(event: Event, place: int) -> Event:
    """A code of no form: no order, no daemon. What the original makes of all codes."""
    return replace(event, seqcode="")


def order_read(event: Event, place: int) -> Event:
    """The order is read; the letter becomes one that the rules have nothing for."""
    code = parsed(event)
    return event if code is None else replace(event, seqcode=str(code._replace(source="j")))


def daemon_read(event: Event, place: int) -> Event:
    """The daemon is read; every code is higher than those before."""
    code = parsed(event)
    return event if code is None else replace(event, seqcode=str(code._replace(timestamp=f"{place:014d}")))


def all_read(event: Event, place: int) -> Event:
    return event


def parsed(event: Event) -> CondorCode | None:
    """The code of an event, None for the registrations that have one of the usual form."""
    try:
        return CondorCode.parse(event.seqcode)
    except SeqCodeError:
        return None


LATE = frozenset({"state", "@name", "stateEnterTime", "stateEnterTimes", "lastUpdateTime", "condor_status"})
"""What differs when late events are taken as in time."""
UNHEARD = frozenset(
    {
        *("state", "@name", "stateEnterTime", "stateEnterTimes", "condor_status"),
        *("condor_shadow_pid", "condor_shadow_exit_status", "condor_starter_pid", "condor_starter_exit_status"),
        *("condor_universe", "condor_job_pid", "condor_job_exit_status"),
    }
)
"""What differs when nobody knows which daemon spoke."""


# ---- the oracle -----------------------------------------------------------------------------------------------------


def differences(case: dict[str, Any], reading: Reading, count: Counter[str]) -> Iterator[str]:
    """Names of what differs: ``state`` for the state after an event, else an attribute of the status."""
    job: JobState | None = None
    seen = set()
    for place, row in enumerate(case["events"]):
        event = ulm.parse(row["ulm"])
        key = (event.type.code, event.host, event.timestamp, event.level, event.user, event.seqcode)
        if key not in seen:
            seen.add(key)
            job = machine.apply(job or machine.new_status(event.jobid, event.user), reading(event, place))
        count["events"] += 1
        if job is None or job.status.state != row["state"]:
            yield "state"
    assert job is not None
    theirs, ours = case["status"], native.to_object(view(job.status, FLAGS))
    count["attributes"] += len(theirs)
    yield from (name for name in {**theirs, **ours} if theirs.get(name) != ours.get(name))


def all_differences(reading: Reading) -> Counter[str]:
    count: Counter[str] = Counter()
    found: Counter[str] = Counter()
    recorded, different = cases_of("CONDOR"), 0
    for case in recorded:
        names = list(differences(case, reading, count))
        different += bool(names)
        found.update(names)
    label = f"CONDOR, {reading.__name__.replace('_', ' ')}"
    print(f"\n{label}: {len(recorded)} cases, {dict(count)}, different {different}: {dict(found)}")
    return found


@needs_shared
def test_with_the_eyes_of_the_original() -> None:
    assert len(cases_of("CONDOR")) == 57
    assert all_differences(nothing_read) == {}


@needs_shared
@pytest.mark.parametrize(
    ("reading", "expected"), [(daemon_read, UNHEARD), (order_read, LATE), (all_read, LATE | UNHEARD)]
)
def test_what_differs_when_codes_are_read(reading: Reading, expected: frozenset[str]) -> None:
    """Exactly these attributes: nothing else depends on the code, and all of them do in some case."""
    assert set(all_differences(reading)) == expected


@needs_shared
def test_a_difference_means_a_late_event_or_a_daemon() -> None:
    """Cases that arrived in order and in which no daemon matters agree as they are."""
    agree = 0
    for case in cases_of("CONDOR"):
        events = [ulm.parse(row["ulm"]) for row in case["events"]]
        codes = [event.seqcode for event in events if parsed(event) is not None]
        in_order = all(compare(left, right) <= 0 for left, right in zip(codes, codes[1:], strict=False))
        if in_order and not any(condor.daemon(event) and event.name in SPOKEN for event in events):
            assert list(differences(case, all_read, Counter())) == [], case["name"]
            agree += 1
    assert agree >= 3


SPOKEN = frozenset({"CondorShadowStarted", "CondorShadowExited", "CondorStarterStarted", "CondorStarterExited"})


# ---- what the original's answers cannot show ------------------------------------------------------------------------

JOB = JobId("h", 9000, "job")


def event(name: str, daemon: str, second: int = 0, **fields: Any) -> Event:
    code = f"TIMESTAMP=202601010000{second:02d}:POS=0000000100:EV.CODE={EVENTS[name].code}:SRC={daemon}"
    return Event(EVENTS[name], (second, 0), "h", None, 0, JOB, code, "/CN=u", "LRMS", "", fields)


REGISTRATION = Event(
    EVENTS["RegJob"], (0, 0), "h", None, 0, JOB, "", "/CN=u", "LRMS", "", {"jobtype": "CONDOR", "ns": "NS"}
)


def after(*events: Event) -> JobState:
    job = machine.new_status(JOB, "/CN=u")
    for each in (REGISTRATION, *events):
        job = machine.apply(job, each)
    return job


def test_starter_started_as_two_daemons_tell_it() -> None:
    fields: dict[str, Any] = {"starter_pid": 7, "universe": "Vanilla"}
    job = after(event("CondorStarterStarted", "S", **fields)).status
    assert (job.state, job.condor_status, job.condor_starter_pid, job.condor_universe) == ("Scheduled", "Idle", 0, None)
    job = after(event("CondorStarterStarted", "s", **fields)).status
    assert (job.state, job.condor_status) == ("Running", "Running")
    assert (job.condor_starter_pid, job.condor_universe) == (7, "Vanilla")


def test_starter_exited_as_two_daemons_tell_it() -> None:
    fields = {"starter_pid": 7, "starter_exit_status": 1, "job_pid": 8, "job_exit_status": 2}
    job = after(event("CondorStarterExited", "S", **fields)).status
    assert (job.state, job.condor_starter_pid, job.condor_starter_exit_status) == ("Done", 7, 1)
    assert (job.condor_job_pid, job.condor_job_exit_status) == (0, 0)
    job = after(event("CondorStarterExited", "s", **fields)).status
    assert (job.state, job.condor_starter_pid, job.condor_starter_exit_status) == ("Done", 7, 0)
    assert (job.condor_job_pid, job.condor_job_exit_status) == (8, 2)


def test_an_exit_status_that_was_not_told_is_no_success() -> None:
    job = after(event("CondorStarterExited", "S"), event("CondorStarterExited", "s")).status
    assert (job.condor_starter_exit_status, job.condor_job_exit_status) == (-1, -1)


def test_shadow_as_schedd_and_shadow_tell_it() -> None:
    started: dict[str, Any] = {"shadow_host": "h", "shadow_port": 1, "shadow_pid": 7}
    assert after(event("CondorShadowStarted", "C", **started)).status.condor_shadow_pid == 7
    assert after(event("CondorShadowStarted", "H", **started)).status.condor_shadow_pid == 0
    exited = {"shadow_pid": 7, "shadow_exit_status": 3}
    assert after(event("CondorShadowExited", "H", **exited)).status.condor_shadow_exit_status == 3
    assert after(event("CondorShadowExited", "C", **exited)).status.condor_shadow_exit_status == 0


def test_a_late_event_leaves_data_only() -> None:
    job = after(
        event("CondorStarterExited", "s", 9, job_pid=8, job_exit_status=2),
        event("CondorMatch", "N", 1, owner="o", dest_host="slot1@m1"),
    )
    assert job.outcome is machine.Outcome.LATE
    assert (job.status.state, job.status.lastUpdateTime) == ("Done", (9, 0))
    assert job.status.condor_dest_host == "slot1@m1"


# ---- the order of the codes (lb.md 2.3) -----------------------------------------------------------------------------


def code(second: int = 0, position: int = 100, event_code: int = 203, daemon: str = "C") -> str:
    return f"TIMESTAMP=202601010000{second:02d}:POS={position:010d}:EV.CODE={event_code:03d}:SRC={daemon}"


@pytest.mark.parametrize(
    ("lower", "higher"),
    [
        (code(9, event_code=17), code(1)),
        (code(1, 900), code(2, 100)),
        (code(1, 100), code(1, 200)),
        (code(daemon="C"), code(daemon="m")),
        (code(daemon="C"), code(daemon="s")),
        (code(daemon="s"), code(daemon="m")),
        (code(position=900, daemon="H"), code(position=100, daemon="s")),
    ],
    ids=["registration", "time", "position", "match", "starter", "starter and match", "no position of other daemons"],
)
def test_order_of_codes(lower: str, higher: str) -> None:
    assert (compare(lower, higher), compare(higher, lower)) == (-1, 1)


@pytest.mark.parametrize(
    ("one", "other"), [(code(), code()), (code(position=100, daemon="C"), code(position=900, daemon="H"))]
)
def test_codes_without_an_order(one: str, other: str) -> None:
    assert compare(one, other) == compare(other, one) == 0
