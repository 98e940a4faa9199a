"""What the codec writes is valid by the XSD of wsdl/, and reads back the same: all messages of all contracts."""

import pickle
import threading
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

import soapsamples
from guarded import xml
from soap import contract
from soap.contract import Contract, Message, Operation, Port
from soap.envelope import CHUNK, Writer
from soap.frame import body_of
from soap.scalars import EncodeError, double, escape, instant, read_boolean, read_instant
from soap.validation import Validator

PS = contract.load("JobProvenancePS")
IS = contract.load("JobProvenanceIS")
LB = contract.load("LB")
WMPROXY = contract.load("WMProxy")
NOW = datetime(2026, 11, 21, 9, 0, 0, tzinfo=UTC)
MESSAGES = [
    pytest.param(contract.load(name), message, id=f"{name}-{port.name}-{message.record.__name__}")
    for name in soapsamples.CONTRACTS
    for port, _, message in soapsamples.messages(contract.load(name))
]


def nothing(schema: etree._Element) -> None:
    """No leniency."""


@cache
def strict(known: Contract) -> Validator:
    return Validator(known, nothing)


def written(known: Contract, message: Message, values: dict[str, Any]) -> bytes:
    return b"".join(Writer(known, message).chunks(values))


@pytest.mark.parametrize(("known", "message"), MESSAGES)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_message_is_valid_and_comes_back(known: Contract, message: Message, data: st.DataObject) -> None:
    values = data.draw(soapsamples.arguments(known, message))
    element = body_of(xml.parse(written(known, message, values)))
    strict(known).check(element)
    got = known.decoder(message.type_name)(element)
    if message.members:
        assert got == message.record(**{member.attribute: values[member.name] for member in message.members})
    else:
        assert got == message.record()


@pytest.mark.parametrize(("known", "name"), [
    (PS, "genericFault"), (LB, "genericFault"), (IS, "feedSession"), (IS, "attrType"), (LB, "event"), (LB, "jobStatus"),
    (WMPROXY, "ProxyInfoStructType"), (WMPROXY, "InvalidArgumentFault"),
])  # fmt: skip
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_record_comes_back(known: Contract, name: str, data: st.DataObject) -> None:
    type_name = getattr(known.types, name)._type_
    record = data.draw(soapsamples.record(known, type_name))
    text = known.encoder(type_name)(record)
    element = etree.fromstring(f'<x xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">{text}</x>')
    assert known.decoder(type_name)(element) == record


def test_large_list_goes_out_in_pieces_while_it_is_made() -> None:
    made = 0

    def jobs() -> Any:
        nonlocal made
        for made in range(1, 5001):  # noqa: B007
            yield IS.types.jobRecord(jobid=f"https://lb.example.org:9000/{made:022}")

    pieces = Writer(IS, IS.operations["QueryJobs"].output).chunks({"jobs": jobs()})
    first = next(pieces)
    assert CHUNK <= len(first) < 2 * CHUNK
    assert made < 2000
    answer = body_of(xml.parse(first + b"".join(pieces)))
    assert len(answer) == 5000


@pytest.mark.parametrize(("values", "complaint"), [
    ({"destination": "x"}, "StartUploadResponse.commitBefore is not set"),
    ({"destination": "x", "commitBefore": NOW.replace(tzinfo=None)}, "no time zone"),
    ({"destination": "x", "commitBefore": NOW, "odd": 1}, "StartUploadResponse has no odd"),
])  # fmt: skip
def test_wrong_value_is_an_error_of_this_side(values: dict[str, Any], complaint: str) -> None:
    with pytest.raises(EncodeError, match=complaint):
        written(PS, PS.operations["StartUpload"].output, values)


def test_list_where_one_value_belongs_and_the_other_way_round() -> None:
    with pytest.raises(EncodeError, match="wants a list"):
        written(IS, IS.operations["QueryJobs"].input, {"attributes": "status"})
    with pytest.raises((AttributeError, TypeError)):
        written(PS, PS.operations["RegisterJob"].input, {"job": ["a"], "owner": "b"})


def test_value_without_choice_and_unknown_enumerator() -> None:
    types = PS.types
    with pytest.raises(EncodeError, match="none of the members"):
        PS.encoder(types.tagValue._type_)(types.tagValue(name="x", value=types.stringOrBlob()))
    with pytest.raises(KeyError):
        PS.encoder(types.primaryQuery._type_)(types.primaryQuery(attr="x", op="LIKE"))


def test_missing_string_is_written_empty_as_gsoap_does() -> None:
    values = {"job": "j", "class_": "c", "commitBefore": NOW}
    element = body_of(xml.parse(written(PS, PS.operations["StartUpload"].input, values)))
    assert [(child.tag, child.text) for child in element] == [
        ("job", "j"), ("class", "c"), ("name", None), ("commitBefore", "2026-11-21T09:00:00Z"), ("contentType", None),
    ]  # fmt: skip
    strict(PS).check(element)
    types = PS.types
    text = PS.encoder(types.genericFault._type_)(types.genericFault(code=2, text="x"))
    assert text == "<source/><code>2</code><text>x</text>"


def test_nil_is_written_for_nillable_and_read_as_none() -> None:
    types = WMPROXY.types
    text = WMPROXY.encoder(types.JobIdStructType._type_)(types.JobIdStructType(id="x", name="n"))
    assert text == '<id>x</id><name>n</name><path xsi:nil="true"/>'
    element = etree.fromstring(f'<x xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">{text}</x>')
    assert WMPROXY.decoder(types.JobIdStructType._type_)(element).path is None


@pytest.mark.parametrize(("raw", "wire"), [
    ("plain", "plain"), ("a<b>&c", "a&lt;b&gt;&amp;c"), ('"quotes\'', '"quotes\''), ("cr\r\n", "cr&#13;\n"),
    ("bell\x07nul\x00", "bell\ufffdnul\ufffd"), ("lone\udcff", "lone\ufffd"), ("žluť 😀", "žluť 😀"),
])  # fmt: skip
def test_text_is_always_well_formed(raw: str, wire: str) -> None:
    assert escape(raw) == wire
    text = PS.encoder(PS.types.tagValue._type_)(PS.types.tagValue(name=raw))
    assert etree.fromstring(f"<x>{text}</x>".encode()).findtext("name") == wire.replace("&lt;", "<").replace(
        "&gt;", ">").replace("&#13;", "\r").replace("&amp;", "&")


def test_moments_are_written_in_utc_with_seconds() -> None:
    assert instant(datetime(2006, 5, 12, 20, 20, 7, 999999, UTC)) == "2006-05-12T20:20:07Z"
    assert instant(datetime(2006, 5, 12, 22, 20, 7, tzinfo=timezone(timedelta(hours=2)))) == "2006-05-12T20:20:07Z"
    assert instant(datetime(1, 1, 1, tzinfo=UTC)) == "0001-01-01T00:00:00Z"


@pytest.mark.parametrize("text", [
    "2006-05-12T20:20:07Z", "2006-05-12T22:20:07+02:00", " 2006-05-12T20:20:07 ", "2006-05-12T20:20:07.000Z",
])  # fmt: skip
def test_moments_are_read_with_or_without_zone(text: str) -> None:
    assert read_instant(text) == datetime(2006, 5, 12, 20, 20, 7, tzinfo=UTC)
    assert read_instant(text).tzinfo is UTC


def test_other_scalars() -> None:
    values = (1.5, float("inf"), float("-inf"), float("nan"))
    assert [double(value) for value in values] == ["1.5", "INF", "-INF", "NaN"]
    assert [read_boolean(text) for text in ("true", " 1 ", "false", "0")] == [True, True, False, False]
    with pytest.raises(ValueError, match="no boolean"):
        read_boolean("yes")


def test_records_compare_show_and_default() -> None:
    types = PS.types
    job = types.jobRecord(jobid="x")
    assert job.attributes == []
    assert job == types.jobRecord(jobid="x", attributes=[])
    assert job != types.jobRecord(jobid="y")
    assert job != "x"
    assert repr(job) == "jobRecord(jobid='x')"
    assert types.jppsFile(class_="urn:x").class_ == "urn:x"
    with pytest.raises(TypeError):
        types.jobRecord(nonsense=1)
    with pytest.raises(AttributeError):
        job.nonsense = 1
    with pytest.raises(TypeError):
        hash(job)
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(job)


def test_comments_within_text_do_not_cut_it() -> None:
    root = xml.parse(b"<e><name>a<!-- b -->c</name></e>")
    assert PS.decoder(PS.types.tagValue._type_)(root).name == "ac"


def test_threads_share_a_contract() -> None:
    """Writers, readers and validators are made while others use them."""
    known = Contract("LB")
    validator = Validator(known)
    problems: list[Exception] = []

    def work() -> None:
        try:
            message = known.operations["JobStatus"].input
            for number in range(50):
                values = {"jobid": f"j{number}", "flags": known.types.jobFlags(flag=["CHILDREN"])}
                element = body_of(xml.parse(written(known, message, values)))
                validator.check(element)
                assert known.decoder(message.type_name)(element).jobid == f"j{number}"
        except Exception as problem:
            problems.append(problem)
            raise

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems


def test_port_and_operation_types_are_plain() -> None:
    port = WMPROXY.port()
    assert isinstance(port, Port)
    assert isinstance(port.operations["getVersion"], Operation)
    assert port.operations["getVersion"].documentation
    with pytest.raises(KeyError):
        WMPROXY.port("nonsense")
