"""What holds for the state machine whatever the events are; of the order of arrival see ``test_model_arrival``."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lbsequences as sequences
from lb.model import machine
from lb.model.events import Event
from lb.model.jobstate import JobState
from lb.model.machine import Outcome
from lb.model.seqcode import compare, in_order
from lb.model.status import NAMES, STATE_CODES
from lbsequences import ENDS, GLITE_TYPES, JOB_TYPES, LM, WM, differing, lived, numbered, run

properties = settings(max_examples=40)
each_type = pytest.mark.parametrize("jobtype", JOB_TYPES)

DONE: sequences.Step = (LM, "Done", {"status_code": "FAILED", "exit_code": 1, "reason": "why"})
RUNNING: sequences.Step = (LM, "Running", {"node": "n"})
TAG: sequences.Step = (sequences.APP, "UserTag", {"name": "a", "value": "b"})


def steps(events: Sequence[Event]) -> list[JobState]:
    """The states before the first event and after each."""
    found = [sequences.fresh()]
    for event in events:
        found.append(machine.apply(found[-1], event))
    return found


# ---- event by event, all at once, from scratch ----------------------------------------------------------------------


@each_type
@properties
@given(data=st.data())
def test_event_by_event_equals_all_at_once(jobtype: str, data: st.DataObject) -> None:
    unregistered = data.draw(st.lists(sequences.any_event(jobtype), max_size=3))
    events = [*unregistered, *data.draw(sequences.wild(jobtype))]
    states = steps(events)
    assert states[-1] == run(events)
    assert states[-1].outcome == run(events).outcome
    cut = data.draw(st.integers(0, len(events)))
    assert machine.run(states[cut], events[cut:]) == states[-1]


@each_type
@properties
@given(data=st.data())
def test_event_by_event_equals_from_scratch_when_they_came_in_order(jobtype: str, data: st.DataObject) -> None:
    ordered = numbered(data.draw(sequences.wild(jobtype)), jobtype)
    assert steps(ordered)[-1] == machine.recompute(ordered, sequences.OWNER)


@properties
@given(sequences.lives())
def test_a_life_as_it_happened_equals_from_scratch(events: list[Event]) -> None:
    assert in_order(events) == events
    assert run(events) == machine.recompute(events, sequences.OWNER)


def test_without_a_registration_a_job_is_unknown_only_from_scratch() -> None:
    events = lived([RUNNING, TAG])
    assert machine.recompute(events).status.state == "Unknown"
    assert run(events).status.state == "Undefined"
    assert run(events).outcome is Outcome.UNREGISTERED


# ---- the same event twice -------------------------------------------------------------------------------------------

GLUED = frozenset({"possible_destinations", "possible_ce_nodes", "failure_reasons", "pbs_error_desc"})
"""Attributes to which events add: the second time they add again. A store drops duplicates for that reason."""


@each_type
@properties
@given(data=st.data())
def test_the_same_event_again_changes_only_what_is_added_to(jobtype: str, data: st.DataObject) -> None:
    """Most events are idempotent; who keeps them must still keep duplicates from the machine."""
    events = data.draw(sequences.wild(jobtype))
    once = run(events)
    twice = machine.apply(once, events[-1])
    assert differing(once.status, twice.status) <= GLUED


@each_type
@properties
@given(data=st.data())
def test_only_some_events_add(jobtype: str, data: st.DataObject) -> None:
    events = data.draw(sequences.wild(jobtype))
    added = differing(run(events).status, machine.apply(run(events), events[-1]).status)
    adds = {"Match": "possible_destinations", "Running": "possible_ce_nodes", "PBSError": "pbs_error_desc"}
    name = events[-1].name
    assert added <= {adds.get(name, "failure_reasons" if name in ("Done", "FileTransfer", "CREAMStatus") else "")}


# ---- stored and loaded ----------------------------------------------------------------------------------------------


@each_type
@properties
@given(data=st.data())
def test_a_stored_state_reloads_equal_and_goes_on_the_same(jobtype: str, data: st.DataObject) -> None:
    stored = job = sequences.fresh()
    for event in data.draw(sequences.wild(jobtype)):
        job = machine.apply(job, event)
        stored = JobState.load(machine.apply(stored, event).dump())
        assert stored == job
        assert JobState.load(stored.dump()).dump() == stored.dump()


def test_an_empty_code_is_not_no_code() -> None:
    """An event with one counts as older than all others, and yet it came: what is newer begins afresh."""
    [register] = lived([(sequences.UI, "RegJob", {"ns": "n", "jobtype": "SIMPLE"})])
    job = run([replace(register, seqcode="")])
    assert JobState.load(job.dump()).last_seqcode == job.last_seqcode == ""


# ---- what is always so ----------------------------------------------------------------------------------------------


@each_type
@properties
@given(data=st.data())
def test_an_event_changes_neither_the_state_before_nor_itself(jobtype: str, data: st.DataObject) -> None:
    events = data.draw(sequences.wild(jobtype))
    job = sequences.fresh()
    for event in events:
        before, told = job.dump(), repr(event)
        after = machine.apply(job, event)
        assert (job.dump(), repr(event)) == (before, told)
        assert all(is_settled(getattr(after.status, name)) for name in NAMES)
        with pytest.raises(AttributeError):
            after.status.state = "Done"
        with pytest.raises(AttributeError):
            after.last_seqcode = "x"
        job = after


def is_settled(value: Any) -> bool:
    """Whether nobody can change it."""
    if isinstance(value, tuple):
        return all(map(is_settled, value))
    return not isinstance(value, (list, dict, set, bytearray))


@each_type
@properties
@given(data=st.data())
def test_times_follow_the_usable_events(jobtype: str, data: st.DataObject) -> None:
    """Done KILLED is the exception: it leads to Done, and then it is a bad event, without times (lb.md 3.5)."""
    events = data.draw(sequences.wild(jobtype))
    killed = any(event.name == "Done" and event.get("status_code") == "KILLED" for event in events)
    for before, after, event in zip(steps(events), steps(events)[1:], events, strict=False):
        status = after.status
        if after.outcome is Outcome.USED:
            assert status.lastUpdateTime == event.timestamp
        else:
            assert status.lastUpdateTime == before.status.lastUpdateTime
        assert (status.state == "Undefined") == (status.lastUpdateTime is None)
        if not killed:
            assert status.state == "Undefined" or (status.stateEnterTimes or ())[STATE_CODES[status.state]] > 0
            assert status.state == before.status.state or after.outcome is Outcome.USED
            changed = status.state != before.status.state
            assert status.stateEnterTime == (event.timestamp if changed else before.status.stateEnterTime)


FINAL = frozenset({"Aborted", "Cancelled", "Cleared"})


@pytest.mark.parametrize("jobtype", GLITE_TYPES)
@properties
@given(data=st.data())
def test_only_two_events_get_a_job_out_of_its_end(jobtype: str, data: st.DataObject) -> None:
    """Abort of the workload manager, and CollectionState of an aborted collection (lb.md 3.4, 3.5)."""
    ends = data.draw(sequences.named(jobtype, ENDS))
    events = [*data.draw(sequences.wild(jobtype, most=4)), ends, *data.draw(sequences.wild(jobtype))]
    states = steps(events)
    for before, after, event in zip(states, states[1:], events, strict=False):
        if before.status.state in FINAL and after.status.state != before.status.state:
            revived = before.status.state == "Aborted" and event.name == "CollectionState"
            assert revived or (event.name == "Abort" and event.source == WM and after.status.state == "Aborted")


@pytest.mark.parametrize("jobtype", GLITE_TYPES)
@properties
@given(data=st.data())
def test_the_latest_code_never_falls_but_for_cancellations(jobtype: str, data: st.DataObject) -> None:
    """Cancel DONE has the code of the cancellation, Abort by the workload manager always counts, a branch has its own
    order, and hand-overs by the log monitor hide its counter."""
    job = sequences.fresh()
    for event in data.draw(sequences.wild(jobtype)):
        after = machine.apply(job, event)
        plain = job.branch_tag_seqcode is None and after.branch_tag_seqcode is None
        hidden = event.name in ("Accepted", "Transfer") and event.source == LM
        if plain and not hidden and event.name not in ("Cancel", "Abort") and job.last_seqcode and after.last_seqcode:
            assert after.last_seqcode == job.last_seqcode or compare(job.last_seqcode, after.last_seqcode) <= 0
        job = after


@each_type
@properties
@given(data=st.data())
def test_the_type_and_the_id_never_change(jobtype: str, data: st.DataObject) -> None:
    for job in steps(data.draw(sequences.wild(jobtype)))[1:]:
        assert job.status.jobId == str(sequences.JOB)
        assert job.status.jobtype == jobtype
