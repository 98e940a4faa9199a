"""Real messages of the original services: we read them, and write the same."""

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from guarded import xml
from shared import SHARED, needs_shared
from soap import contract, envelope
from soap.contract import Contract, Message
from soap.envelope import Writer
from soap.faultreader import fault as read_fault
from soap.faults import Fault, PosixFault
from soap.frame import body_of
from soap.validation import Invalid, Validator

WIRE = SHARED / "data" / "jp-oracle" / "wire"
CAPTURES = SHARED / "captures" / "lb-native"
PS = contract.load("JobProvenancePS")
IS = contract.load("JobProvenanceIS")
LB = contract.load("LB")
NOT_OURS = {"is-RegisterJob-on-IS"}
"""The original Index Server answers the operations of the other service too (jp.md 1.4)."""
REFUSED = {
    "is-fault-empty-body", "is-fault-mustunderstand", "is-fault-soap12", "ps-fault-empty-body", "ps-fault-not-xml",
    "ps-fault-missing-jobid",  # the original server died of it
    "ps-fault-unknown-operation",
}  # fmt: skip


def manifest() -> list[dict[str, Any]]:
    path = WIRE / "manifest.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def entries(direction: str) -> list[Any]:
    return [pytest.param(each, id=each["name"]) for each in manifest()
            if each["direction"] == direction and each["name"] not in NOT_OURS]


def payload(path: Path) -> bytes:
    """The XML of a raw HTTP message, empty when there is none."""
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return data.partition(b"\r\n\r\n")[2] or data.partition(b"\n\n")[2]


def is_answered(entry: Any) -> bool:
    """A SOAP 1.1 answer that is no fault: the original answered SOAP 1.2 in kind, and died of one request."""
    return not entry["fault"] and entry["name"] != "is-fault-soap12" and payload(WIRE / f"{entry['name']}.http") != b""


def tree(element: etree._Element) -> Any:
    """What an element says: its name, its text or its children, xsi:type; prefixes do not matter."""
    children = [tree(child) for child in element]
    return element.tag, children or (element.text or "")


def contract_of(entry: dict[str, Any]) -> Contract:
    return PS if entry["service"] == "PS" else IS


def message_of(known: Contract, element: etree._Element) -> Message:
    for operation in known.operations.values():
        for message in (operation.input, operation.output):
            if message.wrapper == element.tag:
                return message
    raise AssertionError(f"{element.tag} is in no operation of {known.name}")


def validated(known: Contract, raw: bytes) -> etree._Element:
    """The content of an envelope, which the contract allows."""
    element = body_of(xml.parse(raw))
    message_of(known, element)
    Validator(known).check(element)
    return element


def again(known: Contract, element: etree._Element) -> etree._Element:
    """Read a message and write it."""
    message = message_of(known, element)
    record = known.decoder(message.type_name)(element)
    return body_of(xml.parse(b"".join(Writer(known, message).chunks(record))))


@needs_shared
@pytest.mark.parametrize("entry", entries("answer"))
def test_request_to_the_original(entry: dict[str, Any]) -> None:
    known = contract_of(entry)
    raw = (WIRE / f"{entry['name']}.request.xml").read_bytes()
    if entry["name"] in REFUSED:
        with pytest.raises((xml.XmlRefused, Fault, Invalid, AssertionError)):
            validated(known, raw)
        return
    request = validated(known, raw)
    written = again(known, request)
    if request.tag.endswith("StartUpload") and request.find("name") is None:
        written.remove(written.find("name"))  # type: ignore[arg-type]
    assert tree(written) == tree(request)


@needs_shared
@pytest.mark.parametrize("entry", [each for each in entries("answer") if is_answered(each.values[0])])
def test_answer_of_the_original(entry: dict[str, Any]) -> None:
    known = contract_of(entry)
    raw = payload(WIRE / f"{entry['name']}.http")
    answer = body_of(xml.parse(raw))
    Validator(known).check(answer)
    assert tree(again(known, answer)) == tree(answer)


@needs_shared
@pytest.mark.parametrize("entry", [each for each in entries("answer") if each.values[0]["fault"]])
def test_fault_of_the_original(entry: dict[str, Any]) -> None:
    known = contract_of(entry)
    element = body_of(xml.parse(payload(WIRE / f"{entry['name']}.http")))
    fault = read_fault(known, element)
    told = entry["fault"]
    assert fault.faultcode == told["faultcode"].removeprefix("SOAP-ENV:")
    assert fault.faultstring == told["faultstring"]
    if "detail" not in told:
        assert type(fault).__name__ == "Fault"
        return
    assert isinstance(fault, PosixFault)
    assert links(fault) == list(told_links(told["detail"]))
    ours = body_of(xml.parse(envelope.fault(known, fault)))
    assert ours.findtext("faultcode") == element.findtext("faultcode")
    original, written = element.find("detail/fault"), ours.find("detail/fault")
    assert original is not None
    assert written is not None
    assert tree(written) == tree(original)
    assert written.attrib == original.attrib


def links(fault: PosixFault) -> list[tuple[Any, ...]]:
    return [(link.source, link.code, link.text, link.description) for link in fault.chain()]


def told_links(detail: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    yield detail["source"], detail["code"], detail["text"], detail.get("description")
    if "reason" in detail:
        yield from told_links(detail["reason"])


@needs_shared
@pytest.mark.parametrize("path", sorted([*WIRE.glob("update-*.http"), *WIRE.glob("dataset-*.http.gz")]),
                         ids=lambda path: str(path.name))
def test_updates_sent_by_the_original_storage(path: Path) -> None:
    raw = payload(path)
    if not raw:
        pytest.skip("nothing was sent in that situation")
    request = body_of(xml.parse(raw))
    Validator(IS).check(request)
    assert tree(again(IS, request)) == tree(request)


def conversation(name: str) -> list[bytes]:
    """The SOAP envelopes of a capture: what the client sent, what it got."""
    text = (CAPTURES / f"{name}.txt").read_bytes()
    pieces = re.split(rb"\n##### \S+ pid=\d+ (WRITE|READ) [^\n]*\n", text)
    joined = {b"WRITE": b"", b"READ": b""}
    for kind, piece in zip(pieces[1::2], pieces[2::2], strict=True):
        joined[kind] += piece
    return [xml_part(joined[kind]) for kind in (b"WRITE", b"READ")]


def xml_part(data: bytes) -> bytes:
    return data[data.index(b"<?xml") : data.index(b"</SOAP-ENV:Envelope>") + len(b"</SOAP-ENV:Envelope>")]


@needs_shared
@pytest.mark.parametrize("name", ["20-ws-jobstat-9003", "21-ws-joblog-9003", "22-ws-getversion-9003"])
def test_lb_web_service_conversation(name: str) -> None:
    for raw in conversation(name):
        element = body_of(xml.parse(raw))
        Validator(LB).check(element)
        assert tree(again(LB, element)) == tree(element)


@needs_shared
def test_lb_fault_of_a_purged_job() -> None:
    element = body_of(xml.parse(conversation("57-ws-status-zombie")[1]))
    fault = read_fault(LB, element)
    assert isinstance(fault, PosixFault)
    assert links(fault) == [(None, 43, "Identifier removed", "matching job already purged")]
    ours = body_of(xml.parse(envelope.fault(LB, PosixFault(43, "matching job already purged"))))
    assert ours.findtext("faultstring") == element.findtext("faultstring")
    assert tree(ours.find("detail/fault")) == tree(element.find("detail/fault"))  # type: ignore[arg-type]
    assert ours.find("detail/{http://glite.org/wsdl/elements/lb}genericFault") is not None


OLD = """<e:Fault xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><faultcode>e:Server</faultcode>
<faultstring>s</faultstring><detail>{}</detail></e:Fault>"""
LINK = "<source>f</source><code>2</code><text>t</text>"


@pytest.mark.parametrize("detail", [
    f'<p:genericFault xmlns:p="http://glite.org/wsdl/elements/jp">{LINK}</p:genericFault>',
    f'<x><p:genericFault xmlns:p="http://glite.org/wsdl/elements/jp">{LINK}</p:genericFault></x>',
    f"<fault>{LINK}</fault>",
    '<p:genericFault xmlns:p="urn:p" xmlns="urn:q"><source>f</source><code> 2 </code><text>t</text></p:genericFault>',
])  # fmt: skip
def test_forms_of_detail_that_older_servers_write(detail: str) -> None:
    fault = read_fault(PS, etree.fromstring(OLD.format(detail)))
    assert isinstance(fault, PosixFault)
    assert links(fault) == [("f", 2, "t", None)]
    assert (fault.faultcode, fault.faultstring) == ("Server", "s")


def test_detail_that_nobody_knows_is_kept_as_text() -> None:
    fault = read_fault(PS, etree.fromstring(OLD.format("<odd>x</odd>")))
    assert not isinstance(fault, PosixFault)
    assert "<odd>x</odd>" in (fault.detail or "")
    unread = read_fault(PS, etree.fromstring(OLD.format("<fault><code>zwei</code></fault>")))
    assert isinstance(unread, PosixFault)
    assert unread.code == -2
