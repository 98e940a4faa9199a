"""The JSON form of events: the original's layout, every event there and back, and what is refused."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import lbevents
from lb.model import ulm
from lb.model.eventjson import EventJsonError, from_history, from_json, history, to_json
from lb.model.events import EVENTS, Event

LINE = (
    'DATE=20260313114125.327248 HOST="ui.example.org" PROG=edg-wms LVL=SYSTEM DG.PRIORITY=4 DG.SOURCE="LogMonitor"'
    ' DG.SRC_INSTANCE="" DG.EVNT="Done" DG.JOBID="https://lb.example.org:9000/abc" DG.SEQCODE="UI=000003"'
    ' DG.USER="/CN=Test User" DG.DONE.STATUS_CODE="OK" DG.DONE.REASON="" DG.DONE.EXIT_CODE="0"'
)
DONE = """{
  "type" : "Done",
  "timestamp" : "20260313114125.327248",
  "arrived" : null,
  "host" : "ui.example.org",
  "level" : "SYSTEM",
  "priority" : 4,
  "jobId" : "https://lb.example.org:9000/abc",
  "seqcode" : "UI=000003",
  "user" : "/CN=Test User",
  "source" : "LogMonitor",
  "src_instance" : "",
  "status_code" : "OK",
  "reason" : null,
  "exit_code" : 0
}"""
WRITTEN = DONE.replace("/", r"\/")


def test_the_layout_of_the_original() -> None:
    event = ulm.parse(LINE)
    assert to_json(event) == WRITTEN
    assert from_json(WRITTEN) == from_json(DONE) == from_json(DONE.encode()) == event
    compact = to_json(event, compact=True)
    assert compact == json.dumps(json.loads(DONE))
    assert from_json(compact) == event


def test_nulls() -> None:
    """A number that is unset is its null; a port, as all the rest, is null."""
    bare = LINE[: LINE.index(" DG.DONE")]
    given_at_least = ' DG.REGJOB.JDL="[]" DG.REGJOB.JOBTYPE="DAG" DG.REGJOB.NS="n"'
    registered = ulm.parse(bare.replace('"Done"', '"RegJob"') + given_at_least)
    members = json.loads(to_json(registered))
    assert (members["nsubjobs"], members["parent"], members["seed"]) == (0, None, None)
    state = ulm.parse(bare.replace('"Done"', '"CollectionState"') + ' DG.COLLECTIONSTATE.STATE="Ready"', complete=False)
    state.missing, state.fields["histogram"], state.fields["child_event"] = (), "h", "Done"
    state.fields["child"] = state.jobid
    assert json.loads(to_json(state))["done_code"] == -1
    for event in (registered, state):
        assert from_json(to_json(event)) == event


def test_history() -> None:
    event = ulm.parse(LINE)
    assert history([]) == "[]"
    assert history([event, event]) == f"[\n{WRITTEN},\n{WRITTEN}\n]"
    assert from_history(history([event] * 3)) == [event] * 3
    assert from_history("[]") == []


def test_octets_that_are_no_text() -> None:
    raw = LINE.encode().replace(b'REASON=""', b'REASON="\xff\xc4\\n\xc5\xbe\x01"')
    event = ulm.parse(raw)
    text = to_json(event)
    assert r'"reason" : "\udcff\udcc4\nž\u0001"' in text
    assert from_json(text.encode()) == event
    assert from_json(text.replace(r"\udcff", "\udcff")) == event, "as the original writes it"
    assert from_json(text.replace(r"\udcff", r"\udcc5\udcbe")).get("reason") == "ž\udcc4\nž\x01"


@pytest.mark.parametrize("name", sorted(EVENTS))
@settings(max_examples=20)
@given(data=st.data())
def test_every_event_there_and_back(name: str, data: st.DataObject) -> None:
    event = data.draw(lbevents.events_of(EVENTS[name]))
    for compact in (False, True):
        text = to_json(event, compact=compact)
        assert from_json(text.encode("utf-8")) == event
        assert list(json.loads(text))[0] == "type"
    assert "\n" not in to_json(event, compact=True)


@settings(max_examples=50)
@given(lbevents.incomplete_events())
def test_incomplete_events_there_and_back(event: Event) -> None:
    text = to_json(event)
    assert from_json(text, complete=False) == event
    if event.missing:
        with pytest.raises(EventJsonError) as caught:
            from_json(text)
        assert caught.value.code == ulm.PARSE_MSG_INCOMPLETE


@pytest.mark.parametrize(
    ("old", "new", "code", "key"),
    [
        ('"Done"', '"Gone"', 1402, "type"),
        ('"Done"', "7", 1402, "type"),
        ('  "type" : "Done",\n', "", 1402, "type"),
        ('  "host" : "ui.example.org",\n', "", 1403, "host"),
        ('"OK"', "null", 1403, "status_code"),
        ('"exit_code" : 0', '"exit_code" : -1', 1403, "exit_code"),
        ('"priority" : 4', '"priority" : -1', 1403, "priority"),
        ('"reason" : null', '"host" : "b"', 1404, "host"),
        ('"reason" : null', '"dest_id" : "b"', 1405, "dest_id"),
        ('"reason" : null', '"Reason" : "b"', 1405, "Reason"),
        ('"reason" : null', '"reason" : 7', 1401, "reason"),
        ('"reason" : null', r'"reason" : "\ud800"', 1401, "reason"),
        ('"reason" : null', r'"reason" : "\udc7f"', 1401, "reason"),
        ('"reason" : null', '"reason" : ["b"]', 1401, "reason"),
        ('"OK"', '"ok"', 1401, "status_code"),
        ('"OK"', "1", 1401, "status_code"),
        ('"LogMonitor"', '"Nobody"', 1401, "source"),
        ('"SYSTEM"', "8", 1401, "level"),
        ('"priority" : 4', '"priority" : true', 1401, "priority"),
        ('"priority" : 4', '"priority" : 4.5', 1401, "priority"),
        ('"exit_code" : 0', '"exit_code" : 2147483648', 1401, "exit_code"),
        ('"exit_code" : 0', '"exit_code" : "0"', 1401, "exit_code"),
        ('"https://lb.example.org:9000/abc"', '"abc"', 1401, "jobId"),
        ('"20260313114125.327248"', '"yesterday"', 1401, "timestamp"),
        ('"20260313114125.327248"', "20260313114125", 1401, "timestamp"),
        ('"exit_code" : 0', '"exit_code" : ' + "9" * 5000, 1401, ""),
        ('"exit_code" : 0', '"exit_code" : NaN', 1401, ""),
    ],
)  # fmt: skip
def test_refused(old: str, new: str, code: int, key: str) -> None:
    assert old in DONE
    with pytest.raises(EventJsonError) as caught:
        from_json(DONE.replace(old, new))
    assert (caught.value.code, caught.value.field) == (code, key)
    assert key in str(caught.value)


@pytest.mark.parametrize(("text", "position"), [("", 0), ("{", 1), (DONE + "x", len(DONE)), ('{"a":\n}', 6)])
def test_positions_of_what_is_no_json(text: str, position: int) -> None:
    with pytest.raises(EventJsonError) as caught:
        from_json(text)
    assert (caught.value.code, caught.value.position) == (1401, position)


@pytest.mark.parametrize("text", ["[]", "7", "null", '"x"', "[" * 100_000, '{"a":' * 100_000, "1e999", "9" * 5000])
def test_other_json_is_refused(text: str) -> None:
    with pytest.raises(EventJsonError):
        from_json(text)


@pytest.mark.parametrize("text", ["{}", "7", "[7]", f"[{DONE}, null]", "[" * 100_000])
def test_other_histories_are_refused(text: str) -> None:
    with pytest.raises(EventJsonError):
        from_history(text)


def test_the_event_of_a_history_that_is_wrong() -> None:
    with pytest.raises(EventJsonError, match="event 2: .*host") as caught:
        from_history(f"[{DONE}, {DONE.replace('ui.example.org', '').replace(chr(34) * 2, 'null', 1)}]")
    assert (caught.value.code, caught.value.field) == (1403, "host")


def test_real_numbers() -> None:
    members = {**json.loads(DONE), "type": "ResourceUsage", "resource": "r", "unit": "s"}
    for key in ("status_code", "reason", "exit_code"):
        del members[key]
    for written, number, again in (("7", 7.0, "7.000000"), ("1e-9", 1e-9, "1e-09"), ("0.1", 0.1, "0.100000")):
        event = from_json(json.dumps(members)[:-1] + f', "quantity": {written}}}')
        assert event.get("quantity") == number
        assert f'"quantity" : {again}' in to_json(event)
    for refused in ("1e999", "true", '"7"', "0.0", "-0.0", "null"):
        with pytest.raises(EventJsonError):
            from_json(json.dumps(members)[:-1] + f', "quantity": {refused}}}')


@settings(max_examples=300)
@given(st.binary(max_size=60))
@example(b"\xff")
def test_any_octets_are_an_event_or_our_error(raw: bytes) -> None:
    with pytest.raises(EventJsonError):
        from_json(raw)


JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=300)
@given(st.sampled_from(sorted(json.loads(DONE))), JSON_VALUES)
def test_any_value_of_a_member_is_read_or_our_error(key: str, value: Any) -> None:
    try:
        event = from_json(json.dumps({**json.loads(DONE), key: value}))
    except EventJsonError as error:
        assert error.field in (key, "") or error.code == ulm.PARSE_MSG_INCOMPLETE or key == "type"
    else:
        assert from_json(to_json(event)) == event
