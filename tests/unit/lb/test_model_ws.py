"""Statuses and events from records of the web service: whatever is sent comes back, and anything else is refused."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from lxml import etree

import captures
import soap.contract
from lb.model import eventxml, native, nativexml, ulm
from lb.model.catalogue import Kind as EventKind
from lb.model.events import EVENTS, Event
from lb.model.jobid import JobId, JobIdError
from lb.model.status import ATTRIBUTE, STATES, Kind, Status
from lb.model.view import DESCRIPTIONS
from lb.model.ws import event_to_ws, status_to_ws, xml_text
from lb.model.wsread import WsError, event_from_ws, event_type, status_from_ws
from lbevents import events
from lbstatuses import statuses
from shared import needs_shared

CONTRACT = soap.contract.load("LB")
TYPES = CONTRACT.types
LB = "{http://glite.org/wsdl/types/lb}"


def over_the_wire(name: str, record: Any) -> Any:
    """The record as it arrives: written by our encoder, read by our decoder."""
    text = CONTRACT.encoder(LB + name)(record)
    return CONTRACT.decoder(LB + name)(etree.fromstring(f"<r>{text}</r>"))


# ---- what XML can hold of a value -----------------------------------------------------------------------------------


def seen_job(jobid: JobId) -> JobId:
    """The id as it is read; ids that XML makes unreadable are left aside."""
    try:
        return JobId.parse(xml_text(str(jobid)))
    except JobIdError:
        assume(False)
        raise


def seen_event(event: Event) -> Event:
    """The event with its texts as XML holds them."""

    def seen(name: str, value: Any) -> Any:
        kind = event.type.by_name[name].kind
        if kind is EventKind.TEXT:
            return xml_text(value)
        if kind is EventKind.JOBID:
            return seen_job(value)
        return tuple((xml_text(tag), xml_text(text)) for tag, text in value) if kind is EventKind.TAGS else value

    return replace(
        event,
        jobid=seen_job(event.jobid),
        host=xml_text(event.host),
        seqcode=xml_text(event.seqcode),
        user=xml_text(event.user),
        src_instance=None if event.src_instance is None else xml_text(event.src_instance),
        fields={name: seen(name, value) for name, value in event.fields.items()},
    )


def seen_status(status: Status) -> Status:
    """The status with its texts as XML holds them, without empty lists and what is counted for Undefined."""
    values: dict[str, Any] = {"state": status.state}
    for name, value in status.values().items():
        if name != "state" and value not in ((), {}):
            values[name] = _seen(ATTRIBUTE[name].kind, value)
    return Status(**values)


def _seen(kind: Kind, value: Any) -> Any:
    if kind in (Kind.TEXT, Kind.JOBID):
        return xml_text(value)
    if kind is Kind.TEXTS:
        return tuple(map(xml_text, value))
    if kind is Kind.COUNTS:
        return (0, *value[1:])
    if kind is Kind.STATUSES:
        return tuple(map(seen_status, value))
    if kind is Kind.TAGS:
        shown = {xml_text(name): xml_text(text) for name, text in value.items()}
        assume(len(shown) == len(value))
        return shown
    return value


def sendable(status: Status) -> Status:
    """The status in some state, as are those of its subjobs; Undefined is none of the web service."""
    return status.replace(
        state="Unknown" if status.state == "Undefined" else status.state,
        children_states=status.children_states and tuple(map(sendable, status.children_states)),
    )


SENT_STATUSES = statuses().map(sendable)


# ---- round trips ----------------------------------------------------------------------------------------------------


@settings(max_examples=100)
@given(events())
def test_an_event_comes_back_as_xml_holds_it(event: Event) -> None:
    record = event_to_ws(event, TYPES)
    shown = seen_event(event)
    assert event_type(record) is event.type
    assert event_from_ws(record) == shown
    assert event_from_ws(over_the_wire("event", record)) == shown
    assert event_to_ws(shown, TYPES) == record


@settings(max_examples=100)
@given(SENT_STATUSES)
def test_a_status_comes_back_as_xml_holds_it(status: Status) -> None:
    record = status_to_ws(status, TYPES)
    shown = seen_status(status)
    assert status_from_ws(record) == shown
    assert status_from_ws(over_the_wire("jobStatus", record)) == shown
    assert status_to_ws(status_from_ws(record), TYPES) == record


@pytest.mark.parametrize("name", EVENTS)
def test_every_type_of_event_comes_back(name: str) -> None:
    """All fields set, so none is forgotten; the values are the simplest of their kinds."""
    kind = EVENTS[name]
    job = JobId.parse("https://localhost:9000/a")
    simplest: dict[EventKind, Any] = {
        EventKind.TEXT: "é",
        EventKind.INT: 7,
        EventKind.PORT: 9000,
        EventKind.DOUBLE: 0.1,
        EventKind.SOURCE: "PBSMomSuperior",
        EventKind.JOBID: job,
        EventKind.TIME: (-1, 5),
        EventKind.TAGS: (("a", "1"), ("a", "")),
    }
    fields = {field.name: simplest.get(field.kind) or field.values[-1] for field in kind.fields}
    event = Event(kind, (1, 2), "h", "DEBUG", 0, job, "", "", "JobController", None, fields, (3, 4))
    assert event_from_ws(over_the_wire("event", event_to_ws(event, TYPES))) == event


# ---- what the original server sent ----------------------------------------------------------------------------------


def sent(name: str, operation: str) -> Any:
    """The original's answer in a recorded conversation, as our client has it."""
    message = CONTRACT.operations[operation].output
    return CONTRACT.decoder(message.type_name)(etree.fromstring(captures.envelopes(name)[1])[0][0])


@needs_shared
def test_the_status_that_the_original_sent() -> None:
    record = sent("20-ws-jobstat-9003.txt", "JobStatus").stat
    status = status_from_ws(record)
    assert status.entered["Done"] == 1795174370
    assert status.children_hist == (0,) * len(STATES)
    assert status_to_ws(status, TYPES) == record
    [element] = nativexml.parse(captures.body("04-status-cleared.txt")).iter("jobStat")
    assert status == native.from_xml(element).replace(**dict.fromkeys(DESCRIPTIONS)), "these were not asked for"


@needs_shared
def test_the_events_that_the_original_sent() -> None:
    records = sent("21-ws-joblog-9003.txt", "QueryEvents").events
    found = [event_from_ws(record) for record in records]
    assert [event_to_ws(event, TYPES) for event in found] == records
    assert [event.name for event in found[:4]] == ["RegJob", "RegJob", "Transfer", "Accepted"]
    assert [ulm.parse(ulm.write(event, arrived=True)) for event in found] == found
    listed = [eventxml.from_xml(element) for element in nativexml.parse(captures.body("05-joblog-query-events.txt"))]
    assert [event for event in found if event in listed] == listed, "the same job by the native protocol"
    assert [event.get("jdl") for event in found if event not in listed] == ["blabla"], "registered again in between"


# ---- records that are none ------------------------------------------------------------------------------------------


def status_record(**changes: Any) -> Any:
    return SimpleNamespace(**{"state": "DONE", **changes})


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("state", "Done"),
        ("state", "UNDEFINED"),
        ("state", None),
        ("owner", 5),
        ("jobtype", "simple"),
        ("creamState", "RUNNING"),
        ("exitCode", "7"),
        ("exitCode", True),
        ("exitCode", 1 << 31),
        pytest.param("exitCode", 10**5000, id="exitCode-long"),
        ("cancelling", 1),
        ("stateEnterTime", 5),
        ("stateEnterTime", SimpleNamespace(tvSec=5, tvUsec=1_000_000)),
        ("stateEnterTime", SimpleNamespace(tvSec=1 << 40, tvUsec=0)),
        ("children", "abc"),
        ("children", [None]),
        ("userTags", [SimpleNamespace(tag=None, value="x")]),
        ("userTags", [SimpleNamespace(tag="a", value="x"), SimpleNamespace(tag="a", value="y")]),
        ("childrenHist", [SimpleNamespace(state="DONE", count=None)]),
        ("childrenHist", [SimpleNamespace(state="DONE", count=1)] * 2),
        ("stateEnterTimes", [SimpleNamespace(state="DONE", time=datetime(2026, 1, 1))]),
        ("stateEnterTimes", [SimpleNamespace(state="DONE", time="2026-01-01T00:00:00Z")]),
        (
            "stateEnterTimes",
            [SimpleNamespace(state="DONE", time=datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))))],
        ),
        ("childrenStates", 7),
    ],
)
def test_a_record_that_is_no_status(member: str, value: Any) -> None:
    with pytest.raises(WsError) as caught:
        status_from_ws(status_record(**{member: value}))
    assert caught.value.field == member
    assert len(str(caught.value)) < 300


def test_subjobs_without_end_are_refused() -> None:
    record = status_record()
    record.childrenStates = [record]
    with pytest.raises(WsError, match="levels"):
        status_from_ws(record)


def done(**changes: Any) -> Any:
    moment = SimpleNamespace(tvSec=1, tvUsec=0)
    members: dict[str, Any] = {
        "timestamp": moment, "host": "h", "level": "SYSTEM", "priority": 4, "jobId": "https://localhost/a",
        "seqcode": "s", "user": "u", "source": "LRMS", "srcInstance": "", "statusCode": "OK", "exitCode": 0,
    }  # fmt: skip
    return SimpleNamespace(Done=SimpleNamespace(**(members | changes)))


def test_what_is_not_told_is_unset() -> None:
    event = event_from_ws(done(reason="", srcInstance=None, level=None))
    assert event.fields == {"status_code": "OK", "exit_code": 0}
    assert (event.arrived, event.level, event.src_instance) == (None, None, None)
    status = status_from_ws(status_record(userTags=[SimpleNamespace(tag="a", value=None)], children=[]))
    assert (status.user_tags, status.children, status.stateEnterTimes) == ({"a": ""}, None, None)
    assert native.to_object(status) == {"@name": "Done", "user_tags": [["a", ""]]}


def test_what_only_the_web_service_shows() -> None:
    status = Status(state="Done", user_fqans=("/vo", "/vo/Role=x"))
    assert status_from_ws(status_to_ws(status, TYPES)) == status


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("timestamp", None),
        ("timestamp", SimpleNamespace(tvSec=1 << 62, tvUsec=0)),
        ("arrived", "now"),
        ("host", b"h"),
        ("level", "system"),
        ("priority", -1),
        ("priority", 1 << 40),
        ("jobId", "abc"),
        ("jobId", None),
        ("seqcode", None),
        ("source", "JobController"),
        ("statusCode", None),
        ("statusCode", "FINE"),
        ("exitCode", -1),
    ],
)
def test_a_record_that_is_no_event(member: str, value: Any) -> None:
    with pytest.raises(WsError) as caught:
        event_from_ws(done(**{member: value}))
    assert caught.value.field == member


@pytest.mark.parametrize("record", [None, SimpleNamespace(), SimpleNamespace(Strange=1), TYPES.event()])
def test_a_record_without_a_type(record: Any) -> None:
    with pytest.raises(WsError, match="no event of a known type"):
        event_from_ws(record)
    with pytest.raises(WsError, match="Done and Clear"):
        event_from_ws(SimpleNamespace(Done=1, Clear=2))


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=5)
    | st.datetimes() | st.datetimes(timezones=st.just(UTC)),
    lambda inner: st.lists(inner, max_size=3) | st.builds(lambda a, b: SimpleNamespace(tvSec=a, tvUsec=b), inner, inner)
    | st.builds(lambda a, b: SimpleNamespace(state=a, count=b, time=b, tag=a, value=b), inner, inner),
)  # fmt: skip


@settings(max_examples=100)
@given(st.data())
def test_any_record_is_read_or_refused(data: st.DataObject) -> None:
    event = event_to_ws(data.draw(events()), TYPES)
    status = status_to_ws(data.draw(SENT_STATUSES), TYPES)
    for record in (getattr(event, event_type(event).name), status):
        member = data.draw(st.sampled_from(type(record).__slots__))
        setattr(record, member, data.draw(ANYTHING))
    for read, record in ((event_from_ws, event), (status_from_ws, status)):
        try:
            read(record)
        except WsError as error:
            assert error.field
