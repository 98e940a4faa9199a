"""What of a job does not depend on the order in which its events arrive.

Events arrive as they like; the registration is the first that counts. Let the events have different codes.

*Computed anew* (``recompute``), a job never depends on it: events are sorted before they are applied.

*Event by event*, these do not depend on it, whatever the kind of job:

* ``user_tags``: of each name the value with the highest code;
* ``possible_destinations`` and ``possible_ce_nodes``, but for their order, where nothing clears them (Abort, a deep
  resubmission);
* what only one event sets and any event of its kind sets in time or late: identifiers, descriptions, ``done_code``,
  ``cancelReason``, ``sandbox_retrieved``, ``isb_transfer``, ``ui_host``, ... (lb.md 3.5, last column);
* ``payload_owner``, where one was granted and the same one took, once.

Of jobs with an order (SIMPLE, DAG, COLLECTION, PBS, CONDOR) these neither: ``state``, ``location``, ``lastUpdateTime``
and the latest code, when the event with the highest code always leads to one state, and nothing else ends the job,
moves the limit of what is too late (a branch that really runs, a deep resubmission) or asks for a cancellation.

Everything else depends on it, as in the original: ``state``, where the event with the highest code says nothing about
the state, for then what came before it and arrives after it is late; ``stateEnterTime`` and ``stateEnterTimes``, which
know only the states that the job was seen to enter; ``reason`` and ``failure_reasons``, whose text tells whether the
failure was reported late; ``jw_status``, ``suspended``, ``resubmitted``, ``cancelling``; every attribute that several
events set (the last to arrive stays); the order of lists and tags. Where codes are equal, the later arrival counts as
the newer event; of two tags the first stays. Jobs without an order (CREAM, FILE_TRANSFER, FILE_TRANSFER_COLLECTION,
VIRTUAL_MACHINE) show what arrived last.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import lbsequences as sequences
from lb.model import machine
from lb.model.events import EVENTS, Event
from lb.model.jobstate import JobState
from lb.model.seqcode import SeqCode
from lb.model.status import Status
from lb.model.vocabulary import SOURCES
from lbsequences import ENDS, GLITE_TYPES, JOB_TYPES, LM, WM, differing, lived, numbered, run

ORDERED = (*GLITE_TYPES, "PBS", "CONDOR")
properties = settings(max_examples=40)
each_type = pytest.mark.parametrize("jobtype", JOB_TYPES)

DONE: sequences.Step = (LM, "Done", {"status_code": "FAILED", "exit_code": 1, "reason": "why"})
RUNNING: sequences.Step = (LM, "Running", {"node": "n"})
TAG: sequences.Step = (sequences.APP, "UserTag", {"name": "a", "value": "b"})
MATCH: sequences.Step = (WM, "Match", {"dest_id": "ce"})


def seen(job: JobState) -> str:
    """All there is, as text; equal texts are equal states."""
    return job.dump()


@st.composite
def arrivals(draw: st.DrawFn, jobtype: str) -> tuple[list[Event], list[Event]]:
    """Events with different codes in the order of these, and as they arrived, registration first."""
    events = draw(sequences.wild(jobtype))
    ordered = numbered(events, jobtype)
    return ordered, [ordered[0], *draw(st.permutations(ordered[1:]))]


@each_type
@properties
@given(data=st.data())
def test_a_job_computed_anew_does_not_depend_on_arrival(jobtype: str, data: st.DataObject) -> None:
    ordered, arrived = data.draw(arrivals(jobtype))
    assert seen(machine.recompute(arrived)) == seen(machine.recompute(ordered))


@each_type
@properties
@given(data=st.data())
def test_tags_do_not_depend_on_arrival(jobtype: str, data: st.DataObject) -> None:
    ordered, arrived = data.draw(arrivals(jobtype))
    assert dict(run(arrived).status.user_tags or {}) == dict(run(ordered).status.user_tags or {})


@pytest.mark.parametrize("jobtype", GLITE_TYPES)
@properties
@given(data=st.data())
def test_the_places_tried_do_not_depend_on_arrival(jobtype: str, data: st.DataObject) -> None:
    ordered, arrived = data.draw(arrivals(jobtype))
    assume(not any(_clears_places(event) for event in ordered))
    for name in ("possible_destinations", "possible_ce_nodes"):
        one, other = getattr(run(arrived).status, name), getattr(run(ordered).status, name)
        assert Counter(one or ()) == Counter(other or ())


def _clears_places(event: Event) -> bool:
    return event.name == "Abort" or (event.name == "Resubmission" and event.get("result") == "WILLRESUB")


SET_BY_ONE: Mapping[str, Callable[[Event], bool]] = {
    "condorId": lambda event: event.name == "Accepted" and event.source == LM,
    "globusId": lambda event: event.name in ("Accepted", "CREAMAccepted") and event.source not in (LM, sequences.NS),
    "ui_host": lambda event: event.name == "Accepted" and event.source == sequences.NS,
    "condor_jdl": lambda event: event.name == "Transfer" and event.source == sequences.JC,
    "rsl": lambda event: event.name == "Transfer",
    "matched_jdl": lambda event: event.name in ("EnQueued", "ReallyRunning"),
    "done_code": lambda event: event.name in ("Done", "CollectionState", "CREAMStatus"),
    "exit_code": lambda event: event.name in ("Done", "CREAMStatus"),
    "cancelReason": lambda event: event.name == "Cancel",
    "sandbox_retrieved": lambda event: event.name == "Clear",
    "isb_transfer": lambda event: event.name == "Sandbox" and event.get("sandbox_type") == "INPUT",
    "osb_transfer": lambda event: event.name == "Sandbox" and event.get("sandbox_type") == "OUTPUT",
    "seed": lambda event: event.name == "RegJob",
    "parent_job": lambda event: event.name == "RegJob",
    "children_num": lambda event: event.name == "RegJob",
    "owner": lambda event: False,
    "jobtype": lambda event: event.name == "RegJob",
}
"""Attributes of simple jobs and parents that events set in time or late: which ones."""


@pytest.mark.parametrize("jobtype", GLITE_TYPES)
@properties
@given(data=st.data())
def test_what_one_event_sets_does_not_depend_on_arrival(jobtype: str, data: st.DataObject) -> None:
    ordered, arrived = data.draw(arrivals(jobtype))
    differ = differing(run(arrived).status, run(ordered).status)
    for name, sets in SET_BY_ONE.items():
        if sum(map(sets, ordered)) <= 1:
            assert name not in differ


@properties
@given(st.permutations(range(5)), st.sampled_from(sequences.USERS))
def test_the_payload_owner_does_not_depend_on_arrival(order: list[int], user: str) -> None:
    """Granted once, taken once by the same."""
    events = lived([
        (sequences.UI, "RegJob", {"ns": "n", "jobtype": "SIMPLE"}), TAG,
        (sequences.UI, "GrantPayloadOwnership", {"payload_owner": user}), (sequences.UI, "TakePayloadOwnership", {}),
        RUNNING, (LM, "Done", {"status_code": "OK", "exit_code": 0}),
    ])
    events = [replace(event, user=user) if event.name == "TakePayloadOwnership" else event for event in events]
    assert run([events[0], *(events[1 + place] for place in order)]).status.payload_owner == user


MOVES = frozenset({"ReallyRunning", "Cancel", "CollectionState", "RegJob"})


_ANY = frozenset(SOURCES)
_UI, _NS, _WM, _JC = (frozenset({name}) for name in (sequences.UI, sequences.NS, WM, sequences.JC))
_LM, _LRMS = frozenset({LM}), frozenset({sequences.LRMS})
SETTLES: Mapping[tuple[str, str | None], frozenset[str]] = {
    ("Transfer", "OK"): _UI | _JC,
    ("Transfer", "FAIL"): _UI | _JC,
    ("Accepted", None): _NS | _LRMS,
    ("Refused", None): _NS | _LM | _LRMS,
    ("EnQueued", "OK"): _NS | _LM,
    ("EnQueued", "FAIL"): _NS | _WM,
    ("DeQueued", None): _WM,
    **{(name, None): _ANY for name in ("HelperCall", "HelperReturn", "Match", "Pending", "Running", "Abort", "Clear")},
    **{("Done", code): _ANY - _LRMS for code in ("OK", "FAILED", "CANCELLED")},
}
"""Events that, in time, always lead a simple job to one and the same state and place, and from whom (lb.md 3.5)."""


def settles(event: Event) -> bool:
    outcome = event.get("result") or event.get("status_code")
    return event.source in SETTLES.get((event.name, outcome), ()) and event.source != "CREAMExecutor"


def disturbs(event: Event) -> bool:
    """Whether it can end a job or move the limit of what is late."""
    if event.name in MOVES or event.name.startswith("CREAM") or event.source == "CREAMExecutor":
        return True
    return _clears_places(event) or event.name in ENDS and ENDS[event.name] in (None, event.get("status_code"))


_PBS = frozenset({"PBSServer", "PBSMom", "PBSMomSuperior"})
PBS_SETTLES: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("PBSQueued", "PBSMatch", "PBSPending", "PBSError"), _ANY),
    **dict.fromkeys(("PBSAccepted", "PBSRun"), _PBS),
    **{name: frozenset({"PBSServer"}) for name in ("PBSRerun", "PBSDone")},
}
"""The same of PBS and Condor (lb.md 3.7)."""
CONDOR_SETTLES = frozenset(
    {"CondorMatch", "CondorReject", "CondorShadowStarted", "CondorShadowExited", "CondorStarterExited"}
)


def says_the_state(jobtype: str, event: Event) -> bool:
    if jobtype == "PBS":
        return event.source in PBS_SETTLES.get(event.name, ())
    return event.name in CONDOR_SETTLES if jobtype == "CONDOR" else settles(event)


@pytest.mark.parametrize("jobtype", ORDERED)
@properties
@given(data=st.data())
def test_the_state_does_not_depend_on_arrival_when_the_latest_event_says_it(
    jobtype: str, data: st.DataObject
) -> None:
    events = data.draw(sequences.wild(jobtype))
    names = {"PBS": [*PBS_SETTLES], "CONDOR": sorted(CONDOR_SETTLES)}.get(jobtype, sorted({key[0] for key in SETTLES}))
    last = data.draw(sequences.named(jobtype, names).filter(lambda event: says_the_state(jobtype, event)))
    middle = [event for event in events[1:] if not disturbs(event)]
    ordered = numbered([events[0], *middle, last], jobtype)
    arrived = [ordered[0], *data.draw(st.permutations(ordered[1:]))]
    one, other = run(arrived), run(ordered)
    assert one.status.state == other.status.state
    assert one.status.lastUpdateTime == other.status.lastUpdateTime == last.timestamp
    assert one.last_seqcode == other.last_seqcode == ordered[-1].seqcode
    if jobtype in GLITE_TYPES:
        assert one.status.location == other.status.location


@properties
@given(sequences.lives(resubmitted=False), st.data())
def test_a_life_without_resubmission_ends_the_same(events: list[Event], data: st.DataObject) -> None:
    """Where its last event says how it ended."""
    assume(settles(events[-1]) and not any(map(disturbs, events[1:-1])))
    assert run([events[0], *data.draw(st.permutations(events[1:]))]).status.state == run(events).status.state


def counterexample(*rows: sequences.Step) -> tuple[Status, Status]:
    """The status after these steps as they happened, and with the last two the other way round."""
    events = lived([(sequences.UI, "RegJob", {"ns": "n", "jobtype": "SIMPLE"}), *rows])
    return run(events).status, run([*events[:-2], events[-1], events[-2]]).status


@pytest.mark.parametrize(
    ("rows", "names"),
    [
        ((RUNNING, TAG), {"state", "location", "stateEnterTime", "stateEnterTimes", "jw_status"}),
        ((MATCH, RUNNING), {"stateEnterTimes"}),
        ((RUNNING, DONE), {"stateEnterTimes"}),
        ((MATCH, DONE, (WM, "Match", {"dest_id": "ce2"})), {"failure_reasons", "stateEnterTime", "state"}),
        ((DONE, MATCH), {"failure_reasons", "reason", "exit_code"}),
        ((MATCH, (WM, "Match", {"dest_id": "ce2"})), {"destination", "possible_destinations"}),
        ((RUNNING, (LM, "Suspend", {"reason": "s"})), {"suspend_reason", "suspended"}),
        ((DONE, (LM, "EnQueued", {"queue": "q", "result": "OK"}), MATCH), {"stateEnterTimes"}),
        (((WM, "Cancel", {"status_code": "REQ"}), TAG), {"cancelling"}),
        ((RUNNING, (sequences.NS, "Clear", {"reason": "USER"})), {"stateEnterTimes"}),
    ],
)
def test_what_does_depend_on_arrival(rows: tuple[sequences.Step, ...], names: set[str]) -> None:
    """Two events the other way round, and what differs then: counterexamples, not rules."""
    happened, arrived = counterexample(*rows)
    assert names & differing(happened, arrived), differing(happened, arrived)


def test_equal_codes_count_as_they_arrive() -> None:
    events = lived([(sequences.UI, "RegJob", {"ns": "n", "jobtype": "SIMPLE"}), RUNNING, MATCH])
    tied = [replace(event, seqcode=str(SeqCode(ui=9))) for event in events[1:]]
    assert run([events[0], *tied]).status.state == "Waiting"
    assert run([events[0], *reversed(tied)]).status.state == "Running"
    red, blue = (replace(events[0], type=EVENTS["UserTag"], fields={"name": "a", "value": text}) for text in ("r", "b"))
    assert run([events[0], red, blue]).status.user_tags == {"a": "r"}
