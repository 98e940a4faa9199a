"""The XML form of events: the answer of the original octet for octet, every event there and back, what is refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lbevents
from captures import body
from lb.model import nativexml
from lb.model.events import EVENTS, Event
from lb.model.eventxml import from_xml, to_xml
from lb.model.nativexml import NativeError
from shared import needs_shared

DONE = """      <edg_wll_Event name="Done">
			<timestamp>1773402085.327248</timestamp>
			<host>ui.example.org</host>
			<level>8</level>
			<priority>4</priority>
			<jobId>https://lb.example.org:9000/abc</jobId>
			<seqcode>UI=000003</seqcode>
			<user>/CN=Test User</user>
			<source>LogMonitor</source>
			<src_instance></src_instance>
			<status_code>1</status_code>
			<exit_code>0</exit_code>
      </edg_wll_Event>
""".replace("\n", "\r\n")


@needs_shared
def test_the_answer_of_the_original() -> None:
    whole = body("05-joblog-query-events.txt")
    events = [from_xml(element) for element in nativexml.parse(whole)]
    lines = ["<edg_wll_QueryEventsResult>\r\n", *map(to_xml, events), "</edg_wll_QueryEventsResult>\r\n"]
    assert "".join(lines).encode("latin-1") == whole
    assert len(events) == 16


def test_an_event() -> None:
    event = from_xml(DONE)
    assert event == from_xml(DONE.encode())
    assert (event.timestamp, event.arrived) == ((1773402085, 327248), None)
    assert (event.level, event.src_instance) == ("SYSTEM", "")
    assert event.fields == {"status_code": "OK", "exit_code": 0}
    assert to_xml(event) == DONE


def test_empty_elements_and_nulls_are_unset() -> None:
    event = from_xml(DONE)
    assert from_xml(DONE.replace("<status_code>", "<reason/><status_code>")) == event
    silent = from_xml(DONE.replace("<level>8", "<level>0").replace("<src_instance></src_instance>", ""))
    assert (silent.level, silent.src_instance) == (None, None)
    assert "level" not in to_xml(silent) and "src_instance" not in to_xml(silent)


@pytest.mark.parametrize("name", sorted(EVENTS))
@settings(max_examples=20)
@given(data=st.data())
def test_every_event_there_and_back(name: str, data: st.DataObject) -> None:
    event = data.draw(lbevents.events_of(EVENTS[name]))
    xml = to_xml(event)
    assert from_xml(xml) == from_xml(xml.encode("latin-1")) == event


@settings(max_examples=50)
@given(lbevents.incomplete_events())
def test_incomplete_events_there_and_back(event: Event) -> None:
    xml = to_xml(event)
    assert from_xml(xml, complete=False) == event
    if event.missing:
        with pytest.raises(NativeError, match="needs it"):
            from_xml(xml)


@pytest.mark.parametrize(
    ("old", "new", "element"),
    [
        (DONE, "", ""),
        (DONE, "<edg_wll_Job/>", "edg_wll_Job"),
        ('name="Done"', "", "edg_wll_Event"),
        ('name="Done"', 'name="Gone"', "edg_wll_Event"),
        ("<status_code>1</status_code>", "", "status_code"),
        ("<host>ui.example.org</host>", "", "host"),
        ("<exit_code>0", "<exit_code>-1", "exit_code"),
        ("<exit_code>0", "<exit_code>x", "exit_code"),
        ("<exit_code>0", "<exit_code>", "exit_code"),
        ("<exit_code>0", "<exit_code>4294967296", "exit_code"),
        ("<exit_code>0", "<exit_code><a/>", "exit_code"),
        ("<status_code>1", "<status_code>9", "status_code"),
        ("<status_code>1", "<status_code>OK", "status_code"),
        ("<level>8", "<level>11", "level"),
        ("<priority>4", "<priority>-1", "priority"),
        ("<source>LogMonitor", "<source>Nobody", "source"),
        ("<jobId>https", "<jobId>", "jobId"),
        ("<timestamp>1773402085.327248", "<timestamp>20260313114125", "timestamp"),
        ("<timestamp>1773402085.327248", "<timestamp>253402300800.000000", "timestamp"),
        ("<status_code>", "<host>b</host><status_code>", "host"),
        ("<status_code>", "<dest_id>b</dest_id><status_code>", "dest_id"),
    ],
)  # fmt: skip
def test_refused(old: str, new: str, element: str) -> None:
    assert old in DONE
    with pytest.raises(NativeError) as caught:
        from_xml(DONE.replace(old, new))
    assert caught.value.field == element


@settings(max_examples=100)
@given(st.binary(max_size=80))
def test_any_octets_are_an_event_or_our_error(raw: bytes) -> None:
    with pytest.raises(NativeError):
        from_xml(raw)
    with pytest.raises(NativeError):
        from_xml(b'<edg_wll_Event name="Done">' + raw + b"</edg_wll_Event>")
