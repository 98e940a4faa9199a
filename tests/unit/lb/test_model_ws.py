"""Web service records read back: every event and every status, through the contract's own XML, and what is refused."""

import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

import captures
import lbevents
import soap.contract
from lb.model import eventxml, native, nativexml, wsdl
from lb.model.catalogue import Kind as EventKind
from lb.model.events import EVENTS, Event
from lb.model.jobid import JobId
from lb.model.status import ATTRIBUTE, Kind, Status
from lb.model.view import DESCRIPTIONS
from lb.model.ws import WsError, event_from_ws, event_to_ws, status_from_ws, status_to_ws, xml_text
from lbstatuses import statuses
from shared import needs_shared

CONTRACT = soap.contract.load("LB")


def over_the_wire(operation: str, member: str, record: Any) -> Any:
    """The record as a client has it: written as XML and read."""
    message = CONTRACT.operations[operation].output
    body = CONTRACT.encoder(message.type_name)(message.record(**{member: [record]}))
    text = f'<lbe:{operation}Response xmlns:lbe="{wsdl.ELEMENTS}">{body}</lbe:{operation}Response>'
    return getattr(CONTRACT.decoder(message.type_name)(etree.fromstring(text)), member)[0]


def fit_event(event: Event) -> Event:
    """The event with texts that XML can hold."""
    fields = dict(event.fields)
    for field in event.type.fields:
        if field.name in fields:
            fields[field.name] = _fit(field.kind, fields[field.name])
    own: dict[str, Any] = {name: xml_text(getattr(event, name)) for name in ("host", "seqcode", "user")}
    instance = None if event.src_instance is None else xml_text(event.src_instance)
    return replace(event, jobid=_fit(EventKind.JOBID, event.jobid), src_instance=instance, fields=fields, **own)


def _fit(kind: EventKind, value: Any) -> Any:
    if kind is EventKind.TEXT:
        return xml_text(value)
    if kind is EventKind.TAGS:
        return tuple((xml_text(name), xml_text(text)) for name, text in value)
    return JobId.parse(xml_text(str(value))) if kind is EventKind.JOBID else value


def fit_status(status: Status) -> Status:
    """The status with texts that XML can hold, without empty lists, and without a number for Undefined."""
    return Status(**{name: _fit_attribute(name, value) for name, value in status.values().items()})


def _fit_attribute(name: str, value: Any) -> Any:
    kind = None if name == "state" else ATTRIBUTE[name].kind
    if kind in (Kind.TEXT, Kind.JOBID):
        return xml_text(value)
    if kind is Kind.COUNTS:
        return (0, *value[1:])
    if kind is Kind.TEXTS:
        return tuple(map(xml_text, value)) or None
    if kind is Kind.TAGS:
        return {xml_text(tag): xml_text(text) for tag, text in value.items()} or None
    return (tuple(map(fit_status, value)) or None) if kind is Kind.STATUSES else value


@pytest.mark.parametrize("name", sorted(EVENTS))
@lbevents.examples(15)
@given(data=st.data())
def test_every_event_there_and_back(name: str, data: st.DataObject) -> None:
    spaced = lbevents.events_of(EVENTS[name]).filter(lambda event: not lbevents.NO_ID.search(fit_event_id(event)))
    event = data.draw(spaced)
    record = event_to_ws(event, CONTRACT.types)
    assert event_from_ws(record) == fit_event(event)
    assert event_from_ws(over_the_wire("QueryEvents", "events", record)) == fit_event(event)


def fit_event_id(event: Event) -> str:
    """All job ids in it as on the wire: an octet may have become a blank there, and then they are ids no more."""
    jobs = [event.jobid, *(event.get(field.name) for field in event.type.fields if field.kind is EventKind.JOBID)]
    return "".join(xml_text(str(job)) for job in jobs)


@lbevents.examples(150)
@given(statuses())
def test_every_status_there_and_back(status: Status) -> None:
    record = status_to_ws(status, CONTRACT.types)
    assert status_from_ws(record) == fit_status(status)
    if "Undefined" not in (status.state, *(child.state for child in status.children_states or ())):
        assert status_from_ws(over_the_wire("UserJobs", "states", record)) == fit_status(status)


def test_what_only_the_web_service_shows() -> None:
    status = Status(state="Done", user_fqans=("/vo", "/vo/Role=x"))
    assert status_from_ws(status_to_ws(status, CONTRACT.types)) == status


def captured(name: str, operation: str) -> Any:
    """The answer of the original's web service in a recorded conversation, as our client has it."""
    raw = re.sub(rb"\n##### [^\n]*\n", b"", (captures.NATIVE / name).read_bytes())
    envelope = re.findall(rb"<SOAP-ENV:Envelope.*?</SOAP-ENV:Envelope>", raw, re.DOTALL)[-1]
    return CONTRACT.decoder(CONTRACT.operations[operation].output.type_name)(etree.fromstring(envelope)[0][0])


@needs_shared
def test_the_original_says_the_same_in_both_protocols() -> None:
    """It was asked for one job by the web service and by the native protocol."""
    found = [event_from_ws(record) for record in captured("21-ws-joblog-9003.txt", "QueryEvents").events]
    listed = [eventxml.from_xml(element) for element in nativexml.parse(captures.body("05-joblog-query-events.txt"))]
    assert [event for event in found if event in listed] == listed
    assert [event.get("jdl") for event in found if event not in listed] == ["blabla"], "registered again in between"
    status = status_from_ws(captured("20-ws-jobstat-9003.txt", "JobStatus").stat)
    [element] = nativexml.parse(captures.body("04-status-cleared.txt")).iter("jobStat")
    assert status == native.from_xml(element).replace(**dict.fromkeys(DESCRIPTIONS)), "these were not asked for"


def record_of(**members: Any) -> Any:
    return SimpleNamespace(**members)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("state", None),
        ("state", "GONE"),
        ("owner", 7),
        ("exitCode", "7"),
        ("exitCode", True),
        ("exitCode", 1 << 31),
        ("resubmitted", 1),
        ("doneCode", "GOOD"),
        ("creamState", "CREAM_GONE"),
        ("stateEnterTime", 7),
        ("stateEnterTime", record_of(tvSec=1, tvUsec=1_000_000)),
        ("possibleDestinations", "abc"),
        ("possibleDestinations", [None]),
        ("userTags", [record_of(value="a")]),
        ("childrenHist", [record_of(state="DONE", count=None)]),
        ("childrenHist", [record_of(state="GONE", count=1)]),
        ("stateEnterTimes", [record_of(state="DONE", time=7)]),
    ],
)
def test_refused_statuses(member: str, value: Any) -> None:
    with pytest.raises(WsError) as caught:
        status_from_ws(record_of(**{"state": "DONE", member: value}))
    assert caught.value.member == member


def done(**changes: Any) -> Any:
    members = {
        "timestamp": record_of(tvSec=1, tvUsec=2), "host": "h", "priority": 4, "jobId": "https://lb.example.org/a",
        "seqcode": "s", "user": "u", "source": "JobSubmission", "statusCode": "OK", "exitCode": 0,
    }  # fmt: skip
    return record_of(Done=record_of(**(members | changes)))


def test_a_bare_event() -> None:
    event = event_from_ws(done())
    assert (event.source, event.level, event.src_instance) == ("JobController", None, None)
    assert event.fields == {"status_code": "OK", "exit_code": 0}


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("host", None),
        ("host", b"h"),
        ("priority", "4"),
        ("priority", -1),
        ("jobId", "a"),
        ("source", "JobController"),
        ("level", "GOOD"),
        ("level", ["SYSTEM"]),
        ("timestamp", record_of(tvSec=1)),
        ("statusCode", "GOOD"),
        ("exitCode", 1.5),
    ],
)
def test_refused_events(member: str, value: Any) -> None:
    with pytest.raises(WsError) as caught:
        event_from_ws(done(**{member: value}))
    assert caught.value.member == member


def test_a_required_number_that_is_null() -> None:
    with pytest.raises(WsError, match="exitCode: an event Done needs it"):
        event_from_ws(done(exitCode=-1))


@pytest.mark.parametrize("record", [record_of(), record_of(Done=done().Done, Clear=done().Done), None])
def test_no_event_or_two(record: Any) -> None:
    with pytest.raises(WsError, match="one event is wanted"):
        event_from_ws(record)
