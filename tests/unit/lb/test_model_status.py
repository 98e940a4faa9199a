"""The table of status attributes against the facts, and the forms of a status: native, web service, stored, viewed."""

import json
import re
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from lb.model import machine, native, ulm
from lb.model.jobid import JobId
from lb.model.jobstate import VERSION, JobState, StateVersionError
from lb.model.status import ATTRIBUTES, DEFAULTS, NAMES, STATE_CODES, STATES, TERMINAL, Kind, Status, find_state
from lb.model.view import ALL_WS, Flag, count, view
from lb.model.ws import event_to_ws, status_to_ws, xml_text
from shared import SHARED, needs_shared


class Types:
    """Stands for the record classes of a contract: every type takes any members."""

    def __getattr__(self, name: str) -> Any:
        return lambda **members: SimpleNamespace(**members)


@needs_shared
def test_the_table_is_that_of_the_facts() -> None:
    text = (SHARED / "facts" / "lb.md").read_text(encoding="utf-8")
    section = text[text.index("### 3.3") : text.index("### 3.4")]
    rows = re.findall(r"^\| \d+ \| (\w+) \| ([^|]+) \| ([^|]+) \| ([^|]*) \| ([^|]+) \|", section, re.MULTILINE)
    assert [row[0] for row in rows] == [attribute.name for attribute in ATTRIBUTES]
    for attribute, (_, kind, null, index, wire) in zip(ATTRIBUTES, rows, strict=True):
        assert attribute.kind.value in kind, attribute.name
        assert null.strip() in ("absent", "-", str(attribute.null)), attribute.name
        assert (index.strip() == "i") == attribute.indexable, attribute.name
        if attribute.kind is not Kind.OPAQUE:
            assert attribute.ws_name + ("" if attribute.required else "?") == wire.strip()


@needs_shared
def test_states_are_those_of_the_facts() -> None:
    text = (SHARED / "facts" / "lb.md").read_text(encoding="utf-8")
    section = text[text.index("### 3.1") : text.index("### 3.2")]
    rows = re.findall(r"^\| (\d+) \| (\w+) \| [^|]* \| (yes)? *\|", section, re.MULTILINE)
    assert [(int(code), name) for code, name, _ in rows] == list(enumerate(STATES))
    assert {name for _, name, terminal in rows if terminal} == TERMINAL


def test_look_up_of_states() -> None:
    assert find_state("rUNNING") == "Running"
    assert find_state("Nowhere") is None


def cleared() -> JobState:
    """A job after the whole way, made from lines."""
    job = machine.new_status(JobId.parse("https://localhost:9000/abc"))
    code = "UI=000002:NS=00000000{:02d}:WM=000001:BH=0000000000:JSS=000000:LM=000000:LRMS=000000:APP=000000:LBS=000000"
    rows = (
        ("UserInterface", "RegJob", 'DG.REGJOB.JDL="[]" DG.REGJOB.NS="NS" DG.REGJOB.JOBTYPE="SIMPLE"'),
        ("NetworkServer", "Accepted", 'DG.ACCEPTED.FROM="UserInterface" DG.ACCEPTED.FROM_HOST="ui"'),
        ("WorkloadManager", "Match", 'DG.MATCH.DEST_ID="ce/queue"'),
        ("LogMonitor", "Running", 'DG.RUNNING.NODE="wn"'),
        ("UserInterface", "UserTag", 'DG.USERTAG.NAME="Color" DG.USERTAG.VALUE="a\x01b"'),
        ("LogMonitor", "Done", 'DG.DONE.STATUS_CODE="OK" DG.DONE.EXIT_CODE="7"'),
        ("LogMonitor", "Clear", 'DG.CLEAR.REASON="USER"'),
    )
    for number, (source, name, fields) in enumerate(rows, 1):
        line = (
            f'DATE=202601010000{number:02d}.5 HOST="h" LVL=SYSTEM DG.PRIORITY=4 DG.SOURCE="{source}"'
            f' DG.SRC_INSTANCE="" DG.EVNT="{name}" DG.JOBID="https://localhost:9000/abc"'
            f' DG.SEQCODE="{code.format(number)}" DG.USER="/CN=Test User" {fields}'
        )
        job = machine.apply(job, ulm.parse(line))
    return job


def test_native_object() -> None:
    shown = native.to_object(cleared().status)
    assert shown["@name"] == "Cleared"
    assert list(shown)[:4] == ["@name", "jobId", "owner", "jobtype"]
    assert shown["jobtype"] == "0"
    assert shown["done_code"] == "0"
    assert shown["exit_code"] == "7"
    assert shown["sandbox_retrieved"] == "1"
    assert shown["stateEnterTime"] == "1767225607.000005"
    assert shown["user_tags"] == [["color", "a\x01b"]]
    assert shown["stateEnterTimes"]["Running"] == 1767225604
    assert not {"resubmitted", "cpuTime", "pbs_pid", "reason_"} & set(shown)


def test_web_service_record() -> None:
    record = status_to_ws(cleared().status, Types())
    assert record.state == "CLEARED"
    assert record.jobtype == "SIMPLE"
    assert (record.doneCode, record.exitCode, record.sandboxRetrieved, record.jwStatus) == ("OK", 7, "USER", "DONE")
    assert (record.childrenNum, record.resubmitted, record.removeFromProxy, record.pbsPid) == (0, False, True, 0)
    assert (record.stateEnterTime.tvSec, record.stateEnterTime.tvUsec) == (1767225607, 5)
    assert [item.state for item in record.stateEnterTimes] == [name.upper() for name in STATES[1:]]
    assert record.stateEnterTimes[0].time == datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert record.stateEnterTimes[2].time == datetime(1970, 1, 1, tzinfo=UTC)
    assert [item.count for item in record.childrenHist] == [0] * 11
    assert [(item.tag, item.value) for item in record.userTags] == [("color", "a\ufffdb")]
    assert record.possibleDestinations == ["ce/queue"]
    assert getattr(record, "cpuTime", None) is None
    assert not hasattr(record, "creamState")


def test_prefixes_of_web_service_enumerations() -> None:
    status = Status(state="Running", cream_state="REALLY-RUNNING", vm_state="PENDING")
    record = status_to_ws(status, Types())
    assert (record.creamState, record.vmState) == ("CREAM_REALLY-RUNNING", "VM_PENDING")
    assert native.to_object(status)["cream_state"] == "4"


def test_web_service_event() -> None:
    line = (
        'DATE=20260101000000.000001 HOST="h" LVL=SYSTEM DG.PRIORITY=16 DG.SOURCE="JobController" DG.SRC_INSTANCE=""'
        ' DG.EVNT="RegJob" DG.JOBID="https://localhost/a" DG.SEQCODE="s" DG.USER="u" DG.REGJOB.NS="NS"'
        ' DG.REGJOB.JOBTYPE="SIMPLE"'
    )
    record = event_to_ws(ulm.parse(line), Types()).RegJob
    assert (record.source, record.level, record.priority) == ("JobSubmission", "SYSTEM", 16)
    assert record.jobId == "https://localhost:9000/a"
    assert (record.jobtype, record.nsubjobs, record.parent, record.arrived) == ("SIMPLE", 0, None, None)
    accepted = line.replace("RegJob", "Accepted") + ' DG.ACCEPTED.FROM=LRMS DG.ACCEPTED.FROM_HOST="f"'
    accepted = re.sub(r" DG\.REGJOB\.\S+", "", accepted)
    assert event_to_ws(ulm.parse(accepted), Types()).Accepted.from_ == "LRMS"


@pytest.mark.parametrize(
    ("text", "fit"),
    [("ok\n\t\r", "ok\n\t\r"), ("\x00\x1f", "\ufffd\ufffd"), ("\udce9\udcff", "éÿ"), ("\ud800", "\ufffd")],
)
def test_text_that_xml_can_hold(text: str, fit: str) -> None:
    assert xml_text(text) == fit


def test_a_stored_state_comes_back_equal() -> None:
    job = cleared()
    text = job.dump()
    again = JobState.load(text)
    assert again == job
    assert again.dump() == text
    assert text.isascii()


HOSTILE = (
    "", "[]", "{}", '{"v": "other"}', "no json", '"v"', "[" * 100_000, *(
        json.dumps({"v": VERSION, "s": status, "b": book})
        for status, book in (
            ({"no_such": 1}, {}), ({}, {"no_such": 1}), ([], {}), ({}, []), ({"state": 5}, {}), ({"children": 5}, {}),
            ({"user_tags": 5}, {}), ({"stateEnterTimes": 1}, {}), ({}, {"branches": {"x": []}}), ({}, {"branches": 7}),
            ({}, {"tag_codes": "x"}), ({"__class__": "x"}, {}),
        )
    ),
)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_stored_state_of_another_version_is_refused(text: str) -> None:
    with pytest.raises(StateVersionError):
        JobState.load(text)
    assert VERSION in cleared().dump()


def test_a_new_status_has_its_defaults() -> None:
    status = Status()
    assert {name: getattr(status, name) for name in NAMES} == DEFAULTS
    assert (status.cpuTime, status.cream_exit_code, status.sandbox_retrieved) == (-1, -1, "NOTYET")


def test_a_status_does_not_change() -> None:
    job = cleared()
    status = job.status
    twin = status.replace(state="Purged")
    assert (status.state, twin.state, twin.terminal) == ("Cleared", "Purged", True)
    assert twin != status == twin.replace(state="Cleared")
    assert status.entered["Done"] == 1767225606
    for value, name in ((status, "state"), (status, "no_such"), (job, "status"), (job, "last_seqcode")):
        with pytest.raises(AttributeError, match="does not change"):
            setattr(value, name, None)
        with pytest.raises(AttributeError, match="does not change"):
            delattr(value, name)
    with pytest.raises(TypeError):
        status.user_tags["color"] = "b"  # type: ignore[index]


def test_a_status_keeps_no_list_of_others() -> None:
    tags, hist = {"a": "1"}, [0] * 12
    status = Status(user_tags=tags, children_hist=hist, children=["x"])
    tags["a"], hist[3] = "2", 7
    assert (status.user_tags, status.children_hist, status.children) == ({"a": "1"}, (0,) * 12, ("x",))
    assert status == Status(user_tags={"a": "1"}, children_hist=(0,) * 12, children=("x",), reason=None, exit_code=0)
    assert status != Status(user_tags={"a": "1"})
    with pytest.raises(TypeError, match="no attribute no_such"):
        Status(no_such=1)
    assert repr(Status(state="Done", jobId="https://h:9000/a")) == "Status(state='Done', jobId='https://h:9000/a')"


def test_views() -> None:
    status = cleared().status
    assert view(status, Flag(0)).jdl is None
    assert view(status, Flag.CLASSADD).jdl == "[]"
    assert view(status, Flag(0)).children_hist == (0,) * 12, "a job without subjobs always shows an empty histogram"
    parent = status.replace(children_num=2, children_hist=[0] * 10 + [2, 0])
    children = [Status(state="Running"), Status(state="Done")]
    assert view(parent, Flag(0)).children_hist is None
    assert view(parent, Flag.CHILDHIST_FAST).children_hist == (*[0] * 10, 2, 0)
    thorough = view(parent, Flag.CHILDHIST_THOROUGH, ["a", "b"], children)
    assert (thorough.children_hist, thorough.children, thorough.children_states) == (count(children), None, None)
    everything = view(parent, ALL_WS, ["a", "b"], children)
    assert (everything.children, everything.children_states) == (("a", "b"), tuple(children))
    assert count(children)[STATE_CODES["Done"]] == 1
