"""The state machine: the ways into each state, order, resubmission, ownership, parents, restarts."""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lb.model import machine, ulm
from lb.model.events import EVENTS, Event
from lb.model.jobid import JobId, subjobs
from lb.model.jobstate import JobState
from lb.model.machine import Outcome
from lb.model.rules import parents
from lb.model.seqcode import SeqCode
from lbrecorded import cases
from shared import needs_shared

JOB = JobId.parse("https://localhost:9000/abc")
OWNER = "/CN=Test User"
SHORT = {"UI": "UserInterface", "NS": "NetworkServer", "WM": "WorkloadManager", "JC": "JobController"}
SHORT |= {"LM": "LogMonitor", "APP": "Application", "LBS": "LBServer"}
NEEDED: dict[str, dict[str, Any]] = {
    "RegJob": {"ns": "NS", "jobtype": "SIMPLE"},
    "Transfer": {"destination": "LRMS", "dest_host": "dh", "job": "j", "result": "OK"},
    "Accepted": {"from": "UserInterface", "from_host": "fh"},
    "EnQueued": {"queue": "q", "result": "OK"},
    "DeQueued": {"queue": "q"},
    "HelperCall": {"helper_name": "b", "src_role": "CALLING"},
    "HelperReturn": {"helper_name": "b", "src_role": "CALLING"},
    "Match": {"dest_id": "ce1/q"},
    "Running": {"node": "wn1"},
    "Done": {"status_code": "OK", "exit_code": 0},
    "Clear": {"reason": "USER"},
    "Abort": {"reason": "no way"},
}


class Story:
    """Makes events with growing codes and times, as a chain of components would, and applies them."""

    def __init__(self, owner: str | None = None) -> None:
        self.job = machine.new_status(JOB, owner)
        self.code = SeqCode()
        self.clock = 1_767_225_600
        self.events: list[Event] = []

    def make(self, what: str, user: str = OWNER, code: SeqCode | None = None, **fields: Any) -> Event:
        short, _, name = what.partition(":")
        source = SHORT.get(short, short)
        self.code = self.code.increment(source) if code is None else self.code
        self.clock += 1
        values = {**NEEDED.get(name, {}), **fields}
        text = str(self.code if code is None else code)
        event = Event(EVENTS[name], (self.clock, 0), "h", "SYSTEM", 4, JOB, text, user, source, "", values)
        self.events.append(event)
        return event

    def log(self, what: str, **fields: Any) -> "Story":
        self.job = machine.apply(self.job, self.make(what, **fields))
        return self

    def all(self, *whats: str) -> "Story":
        for what in whats:
            self.log(what)
        return self

    @property
    def state(self) -> str:
        return self.job.status.state


WAITING = ("UI:RegJob", "NS:Accepted")
READY = (*WAITING, "NS:EnQueued", "WM:DeQueued", "WM:HelperCall", "WM:Match", "WM:HelperReturn", "WM:EnQueued")
SCHEDULED = (*READY, "JC:DeQueued", "JC:Transfer", "LM:Accepted", "LM:Transfer")
RUNNING = (*SCHEDULED, "LM:Running")
DONE = (*RUNNING, "LM:Done")


@pytest.mark.parametrize(
    ("way", "state"),
    [
        (("UI:RegJob",), "Submitted"),
        (WAITING, "Waiting"),
        (READY, "Ready"),
        (SCHEDULED, "Scheduled"),
        (RUNNING, "Running"),
        (DONE, "Done"),
        ((*DONE, "LM:Clear"), "Cleared"),
        ((*READY, "JC:Abort"), "Aborted"),
    ],
)
def test_the_ways_into_the_states(way: tuple[str, ...], state: str) -> None:
    story = Story().all(*way)
    assert story.state == state
    assert story.job.status.entered[state] == story.job.status.stateEnterTime[0]  # type: ignore[index]
    assert story.job.outcome is Outcome.USED


def test_what_a_job_gathers_on_its_way() -> None:
    story = Story().all(*RUNNING)
    story.log("LM:Done", exit_code=3, reason="it is over")
    status = story.job.status
    assert (status.owner, status.network_server, status.destination, status.ce_node) == (OWNER, "NS", "ce1/q", "wn1")
    assert (status.done_code, status.exit_code, status.reason, status.location) == ("OK", 3, "it is over", "none")
    assert (status.possible_destinations, status.possible_ce_nodes, status.jw_status) == (("ce1/q",), ("wn1",), "DONE")
    assert status.lastUpdateTime == story.events[-1].timestamp


def test_cancelled_by_done_and_by_cancel() -> None:
    story = Story().all(*RUNNING).log("LM:Done", status_code="CANCELLED")
    assert (story.state, story.job.status.remove_from_proxy) == ("Cancelled", False)
    story = Story().all(*RUNNING).log("UI:Cancel", status_code="REQ", reason="enough")
    assert (story.state, story.job.status.cancelling, story.job.status.cancelReason) == ("Running", True, "enough")
    story.log("WM:Cancel", status_code="DONE")
    assert (story.state, story.job.status.cancelling, story.job.status.remove_from_proxy) == ("Cancelled", False, True)


def test_before_registration_nothing_is_computed() -> None:
    story = Story().all("NS:Accepted")
    assert (story.state, story.job.outcome) == ("Undefined", Outcome.UNREGISTERED)


def test_late_events_leave_data_only() -> None:
    story = Story()
    late = None
    for what in RUNNING:
        event = story.make(what)
        if what == "WM:Match":
            late = event
        else:
            story.job = machine.apply(story.job, event)
    assert late is not None
    before = story.job.status.lastUpdateTime
    story.job = machine.apply(story.job, late)
    assert story.job.outcome is Outcome.LATE
    assert (story.state, story.job.status.destination) == ("Running", "ce1/q")
    assert story.job.status.lastUpdateTime == before


def test_bad_events_leave_nothing() -> None:
    story = Story().all(*WAITING)
    stored = story.job.dump()
    for what in ("APP:Accepted", "LRMS:Transfer", "UI:VMRunning"):
        story.log(what)
        assert story.job.outcome is Outcome.BAD
    assert story.job.dump() == stored


def test_a_second_registration_fills_in_the_description() -> None:
    story = Story().log("UI:RegJob").log("UI:RegJob", jdl="[x=1]")
    assert (story.state, story.job.status.jdl, story.job.outcome) == ("Submitted", "[x=1]", Outcome.USED)
    story = Story().all(*RUNNING)
    story.job = machine.apply(story.job, story.make("UI:RegJob", code=SeqCode(ui=1), jdl="[x=2]"))
    assert (story.state, story.job.status.jdl) == ("Running", "[x=2]")


def resubmission(round_number: int, verdict: str) -> tuple[tuple[str, dict[str, Any]], ...]:
    return (
        ("LM:Done", {"status_code": "FAILED", "reason": f"failure {round_number}"}),
        ("LM:Resubmission", {"result": "WILLRESUB"}),
        ("LM:EnQueued", {}),
        ("WM:DeQueued", {}),
        ("WM:Resubmission", {"result": verdict}),
        *try_number(round_number + 1),
    )


def try_number(number: int) -> tuple[tuple[str, dict[str, Any]], ...]:
    rows: Iterable[str] = ("WM:EnQueued", "JC:DeQueued", "JC:Transfer", "LM:Accepted", "LM:Transfer")
    return (
        ("WM:Match", {"dest_id": f"ce{number}"}),
        *((row, {}) for row in rows),
        ("LM:Running", {"node": f"wn{number}"}),
    )


@pytest.mark.parametrize("winner", [1, 2, 3])
def test_shallow_resubmission_keeps_the_branch_that_really_runs(winner: int) -> None:
    story = Story().all(*WAITING, "NS:EnQueued", "WM:DeQueued")
    codes = {}
    rounds = [try_number(1), resubmission(1, "SHALLOW"), resubmission(2, "SHALLOW")]
    for number, rows in enumerate(rounds, 1):
        for what, fields in rows:
            story.log(what, **fields)
        codes[number] = story.code.increment("LRMS")
    story.job = machine.apply(story.job, story.make("LRMS:ReallyRunning", code=codes[winner]))
    status = story.job.status
    assert status.payload_running
    assert (status.destination, status.ce_node) == (f"ce{winner}", f"wn{winner}")
    assert status.possible_destinations == ("ce1", "ce2", "ce3")
    assert status.failure_reasons == "failure 1 [ce1]\nfailure 2 [ce2]"
    assert status.resubmitted


def test_deep_resubmission_forgets_the_tries_before() -> None:
    story = Story().all(*WAITING, "NS:EnQueued", "WM:DeQueued")
    for what, fields in (*try_number(1), *resubmission(1, "WILLRESUB")):
        story.log(what, **fields)
    late = SeqCode.parse(story.events[5].seqcode)
    story.job = machine.apply(story.job, story.make("LRMS:ReallyRunning", code=late.increment("LRMS")))
    status = story.job.status
    assert story.job.outcome is Outcome.LATE
    assert (status.destination, status.payload_running, status.possible_destinations) == ("ce2", False, ("ce2",))


def test_payload_owner_in_either_order() -> None:
    other = "/CN=Other User"
    for whats in (("UI:GrantPayloadOwnership", "LRMS:TakePayloadOwnership"),) * 2:
        story = Story().all(*WAITING)
        for what in whats if whats[0].startswith("UI") else reversed(whats):
            if what.endswith("GrantPayloadOwnership"):
                story.log(what, payload_owner=other)
            else:
                story.log(what, user=other)
        assert story.job.status.payload_owner == other
    story = Story().all(*WAITING).log("UI:GrantPayloadOwnership", payload_owner=other)
    story.log("LRMS:TakePayloadOwnership", user="/CN=Nobody")
    assert story.job.status.payload_owner is None


def test_the_newer_tag_stays() -> None:
    story = Story().all(*WAITING)
    old = story.code
    story.log("UI:UserTag", name="Color", value="green")
    story.job = machine.apply(story.job, story.make("UI:UserTag", code=old, name="color", value="red"))
    story.log("UI:UserTag", name="size", value="1")
    assert story.job.status.user_tags == {"color": "green", "size": "1"}


def test_abort_by_the_workload_manager_breaks_a_final_state() -> None:
    story = Story().all(*DONE, "LM:Clear")
    story.log("LM:Abort")
    assert story.state == "Cleared"
    story.log("WM:Abort")
    assert story.state == "Aborted"


@given(st.permutations(list(DONE[1:]) + ["LM:Clear"]))
def test_whatever_the_order_the_end_of_a_plain_job_is_known(order: list[str]) -> None:
    """A plain job's last event decides, unless LM: Done is overtaken by what says the job is cleared."""
    plan = Story()
    made = {what: plan.make(what) for what in (*DONE, "LM:Clear")}
    job = machine.new_status(JOB)
    for what in ("UI:RegJob", *order):
        job = machine.apply(job, made[what])
    assert job.status.state == "Cleared"
    assert machine.recompute(made.values()).status.state == "Cleared"


@given(st.lists(st.sampled_from(RUNNING[1:]), max_size=20))
def test_in_order_incremental_and_from_scratch_agree(whats: list[str]) -> None:
    story = Story().all("UI:RegJob", *whats)
    assert machine.recompute(story.events) == story.job


def test_recompute_needs_events_and_a_registration() -> None:
    with pytest.raises(ValueError, match="no events"):
        machine.recompute([])
    story = Story().all("NS:Accepted")
    job = machine.recompute(story.events)
    assert (job.status.state, job.status.lastUpdateTime) == ("Unknown", story.events[0].timestamp)


@needs_shared
def test_a_job_stored_after_every_event_ends_the_same() -> None:
    for case in cases("generated-simple")[:150]:
        kept, stored = machine.new_status(JOB), machine.new_status(JOB).dump()
        for row in case["events"]:
            if row.get("reply", [0, 0, "OK"]) == [0, 0, "OK"]:
                event = ulm.parse(row["ulm"])
                kept = machine.apply(kept, event)
                stored = machine.apply(JobState.load(stored), event).dump()
        assert JobState.load(stored) == kept, case["name"]


# ---- parents --------------------------------------------------------------------------------------------------------


def collection(count: int) -> tuple[JobState, list[JobState]]:
    story = Story()
    story.log("UI:RegJob", jobtype="COLLECTION", nsubjobs=count, seed="s")
    parent = story.job
    return parent, [machine.new_subjob(job, parent.status, (1, 0)) for job in subjobs(JOB, "s", count)]


def test_subjobs_are_born_submitted() -> None:
    parent, children = collection(2)
    assert parent.status.children_num == 2
    assert parents.histogram_text(parent.status) == "Unknown: 2"
    child = children[0].status
    assert (child.state, child.jobtype, child.parent_job, child.owner) == ("Submitted", "SIMPLE", str(JOB), OWNER)


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (["Running", "Aborted"], "Running"),
        (["Cleared", "Cancelled"], "Cleared"),
        (["Done", "Cleared"], "Done"),
        (["Done", "Aborted"], "Aborted"),
        (["Done", "Waiting"], "Waiting"),
        (["Failed", "Done"], "Waiting"),
    ],
)
def test_the_state_of_a_collection(states: list[str], expected: str) -> None:
    parent, children = collection(2)
    cause = Story().make("LM:Running")
    for child, state in zip(children, states, strict=True):
        before = parents.class_of(child.status)
        code = "FAILED" if state == "Failed" else "OK" if state == "Done" else None
        child = child.show(state="Done" if state == "Failed" else state, done_code=code)
        parent = parents.moved(parent, before, parents.class_of(child.status))
    assert parents.state_of(parent.status) == expected
    told = {"now": (5, 0), "host": "h", "server_dn": "/CN=lb", "seqcode": parent.last_seqcode}
    event = parents.collection_event(parent.status, cause, **told)  # type: ignore[arg-type]
    assert event is not None
    parent = machine.apply(parent, ulm.parse(ulm.write(event)))
    assert parent.status.state == expected
    assert parents.collection_event(parent.status, cause, **told) is None  # type: ignore[arg-type]


def test_a_dag_keeps_its_own_state() -> None:
    parent, _ = collection(1)
    parent = parents.moved(parent.show(jobtype="DAG"), parents.REST, parents.RUNNING)
    assert parents.state_of(parent.status) is None
