"""The tables of rules: they speak of events, sources and attributes that there are, and rows mean what they say."""

from collections.abc import Iterator
from typing import Any

import pytest

from lb.model import machine
from lb.model.events import EVENTS, Event
from lb.model.jobid import JobId
from lb.model.jobstate import JobState
from lb.model.machine import Outcome
from lb.model.rules import condor, cream, glite, pbs, transfer, virtual
from lb.model.rules.rows import ANY, RUNS_OR_DONE, Key, Row, Rules, Worth
from lb.model.seqcode import CondorCode, PbsCode, SeqCode
from lb.model.status import ATTRIBUTE, STATES, Kind
from lb.model.vocabulary import SOURCES

JOB = JobId.parse("https://localhost:9000/abc")
TABLES: dict[str, Rules] = {
    "SIMPLE": glite.RULES,
    "CREAM": cream.RULES,
    "PBS": pbs.RULES,
    "CONDOR": condor.RULES,
    "FILE_TRANSFER": transfer.RULES,
    "FILE_TRANSFER_COLLECTION": transfer.COLLECTION_RULES,
    "VIRTUAL_MACHINE": virtual.RULES,
}
ROWS = [(kind, key, row) for kind, rules in TABLES.items() for key, row in rules.rows.items()]


def is_legal(name: str, value: Any) -> bool:
    """Whether an attribute of the status may have a value."""
    attribute = ATTRIBUTE[name]
    if attribute.kind is Kind.ENUM:
        return value in attribute.values
    return isinstance(value, {Kind.BOOL: bool, Kind.INT: int, Kind.TEXT: str}[attribute.kind])


@pytest.mark.parametrize(("kind", "key", "row"), ROWS)
def test_rows_speak_of_what_there_is(kind: str, key: Key, row: Row) -> None:
    event, outcome, source = key
    rules = TABLES[kind]
    assert source in (ANY, *SOURCES) if rules.speaker is None else source in (ANY, *condor.DAEMONS.values())
    assert outcome is None or event in rules.outcome
    assert {row.state, row.may} - {None} <= set(STATES)
    assert all(ATTRIBUTE[name].kind is Kind.TEXT for name in row.reason)
    assert not row.reason or "reason" in EVENTS[event].by_name
    assert all(is_legal(name, value) for name, value in row.sets)


@pytest.mark.parametrize("rules", TABLES.values(), ids=TABLES)
def test_functions_are_for_events_that_there_are(rules: Rules) -> None:
    assert {*rules.outcome, *rules.extra, *rules.data, *(rules.free or ())} <= EVENTS.keys()
    assert all(function.__doc__ for function in (*rules.extra.values(), *rules.data.values()))
    assert all(row.where.__doc__ for row in rules.rows.values() if row.where is not None)


# ---- what rows mean -------------------------------------------------------------------------------------------------


class Told:
    """A job of some kind that was told events in order."""

    def __init__(self, kind: str) -> None:
        self.kind, self.count = kind, 0
        self.job: JobState = machine.new_status(JOB)
        self.log("UserInterface", "RegJob", ns="ns", jobtype=kind)

    def log(self, source: str, name: str, /, **fields: Any) -> "Told":
        self.count += 1
        event = Event(EVENTS[name], (self.count, 0), "h", "SYSTEM", 0, JOB, self.code(), "/CN=u", source, "", fields)
        self.job = machine.apply(self.job, event)
        return self

    def code(self) -> str:
        if self.kind == "PBS":
            return str(PbsCode(mom=self.count))
        if self.kind == "CONDOR":
            return str(CondorCode(f"{20260101000000 + self.count}", "0000000001", "001", "S"))
        return str(SeqCode(ui=1, wm=1, lbs=self.count))


def worth(kind: Worth) -> Iterator[Key]:
    return (key for key, row in glite.RULES.rows.items() if row.worth is kind)


def test_news_of_the_way_is_late_once_the_job_runs() -> None:
    assert {key[:1] + key[2:] for key in worth(Worth.LATE)} == {
        ("Transfer", "LogMonitor"),
        ("Accepted", "LogMonitor"),
        ("EnQueued", "WorkloadManager"),
        ("DeQueued", "JobController"),
    }
    for way in (("Running",), ("Running", "Done")):
        told = Told("SIMPLE")
        for name in way:
            told.log("LogMonitor", name, node="wn", status_code="OK", exit_code=0)
        assert told.job.status.state in RUNS_OR_DONE
        told.log("LogMonitor", "Transfer", destination="LRMS", dest_host="ce", job="j", result="OK")
        assert (told.job.status.state, told.job.outcome) == (way[-1], Outcome.LATE)
        assert (told.job.status.stateEnterTimes or ())[STATES.index("Scheduled")] == told.count


def test_what_is_ignored_leaves_its_data() -> None:
    told = Told("SIMPLE").log("UserInterface", "Transfer", destination="LRMS", dest_host="h", job="[]", result="START")
    assert (told.job.status.state, told.job.status.jdl, told.job.outcome) == ("Submitted", "[]", Outcome.LATE)


def test_suspension_is_for_jobs_that_run() -> None:
    told = Told("SIMPLE").log("LRMS", "Suspend", reason="night")
    assert (told.job.status.suspended, told.job.outcome) == (False, Outcome.USED)
    told.log("LogMonitor", "Running", node="wn").log("LRMS", "Suspend", reason="night")
    assert (told.job.status.suspended, told.job.status.suspend_reason) == (True, "night")
    told.log("LRMS", "Resume")
    assert (told.job.status.suspended, told.job.status.suspend_reason) == (False, None)


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("PBSAccepted", {"from": "PBSServer"}),
        ("PBSRun", {"scheduler": "maui"}),
        ("PBSRerun", {}),
        ("PBSDone", {"exit_status": 3}),
    ],
)
def test_only_daemons_that_run_jobs_tell_that_they_run(name: str, fields: dict[str, Any]) -> None:
    told = Told("PBS").log("PBSServer", "PBSMatch", dest_host="wn")
    before = told.job.dump()
    told.log("PBSClient", name, **fields)
    assert told.job.outcome is Outcome.BAD
    assert told.job.dump() == before


@pytest.mark.parametrize("number", [-1, 7])
def test_a_state_that_pbs_has_none_of(number: int) -> None:
    told = Told("PBS").log("PBSServer", "PBSInternalStateChange", newstate=4)
    assert told.job.status.pbs_state == "R"
    told.log("PBSServer", "PBSInternalStateChange", newstate=number)
    assert (told.job.status.pbs_state, told.job.outcome) == ("R", Outcome.BAD)


def test_an_outsider_does_not_lower_what_the_machine_says_of_itself() -> None:
    told = Told("VIRTUAL_MACHINE").log("CloudManager", "VMRunning")
    assert (told.job.status.state, told.job.status.vm_state) == ("Running", "RUNNING")
    told.log("VMSystem", "VMRunning").log("VMManager", "VMRunning")
    assert told.job.status.vm_state == "REALLY-RUNNING"
    told.log("VMSystem", "VMShutdown")
    assert (told.job.status.state, told.job.status.vm_state) == ("Running", "RUNNING")
    told.log("CloudManager", "VMShutdown").log("VMSystem", "VMShutdown")
    assert (told.job.status.state, told.job.status.vm_state) == ("Waiting", "SHUTDOWN")


def test_a_purge_of_cream_ends_its_own_jobs_only() -> None:
    for kind, state in (("CREAM", "Cleared"), ("SIMPLE", "Submitted")):
        told = Told(kind).log("CREAMExecutor", "CREAMCall", callee="LRMS", command="CMDPURGE", result="OK")
        assert (told.job.status.state, told.job.outcome) == (state, Outcome.USED)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (Row(), ""),
        (Row(only=("state", frozenset({"Running"}))), "while state is Running"),
        (Row(only=("vm_state", frozenset({"BOOT", "DONE"}))), "while vm_state is BOOT or DONE"),
        (virtual.ROWS["VMRunning", None, "CloudManager"], "unless vm_state is REALLY-RUNNING"),
    ],
)
def test_conditions_in_words(row: Row, words: str) -> None:
    assert row.condition == words
