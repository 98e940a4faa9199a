"""Bad requests, by name: each a clear fault of the client's or an HTTP 4xx, nothing reaches the handler."""

import re
from dataclasses import dataclass, field
from typing import Any

import pytest

from guarded import xml
from soap import contract, leniency
from soap.faultreader import fault as read_fault
from soap.frame import body_of
from soap.service import application
from soapcalls import Answer, Recorder, Rule, envelope, request

PS = contract.load("JobProvenancePS")
GOOD = "<jpe:RegisterJob><job>j</job><owner>o</owner></jpe:RegisterJob>"
FEED = ("<jpe:FeedIndex><destination>d</destination><attributes>a</attributes><conditions><attr>x</attr><op>{}</op>"
        "</conditions><history>{}</history><continuous>0</continuous></jpe:FeedIndex>")
UPLOAD = ("<jpe:StartUpload><job>j</job><class>c</class><commitBefore>{}</commitBefore>"
          "<contentType>t</contentType></jpe:StartUpload>")
LIMIT = 100_000
UNSAID: dict[str, Any] = {"CONTENT_TYPE": "text/xml"}
BOMB = '<!DOCTYPE b [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>'


@dataclass(frozen=True)
class Bad:
    """A request, the status and fault code it gets, and words that the answer must hold."""

    body: bytes
    words: str
    code: str = "Client"
    environ: dict[str, Any] = field(default_factory=dict)


FAULTS = {
    "empty POST": Bad(b"", "the document is empty"),
    "blank POST": Bad(b" \r\n ", "the document is empty"),
    "not XML": Bad(b"hello", "not XML"),
    "truncated": Bad(envelope(GOOD)[:-9], "not well-formed XML"),
    "mismatched tags": Bad(envelope("<a></b>"), "not well-formed XML"),
    "two roots": Bad(envelope(GOOD) + b"<a/>", "not well-formed XML"),
    "NUL byte": Bad(envelope(GOOD.replace("j<", "\0<")), "not well-formed XML"),
    "bad UTF-8": Bad(envelope(GOOD).replace(b">j<", b">\xff\xfe<"), "not well-formed XML"),
    "bad UTF-16": Bad(b"\xff\xfe<\x00a\x00/", "bad UTF-16", environ=UNSAID),
    "unknown charset in the document": Bad(
        envelope(GOOD).replace(b"UTF-8", b"klingon"), "unknown charset 'klingon'", environ=UNSAID),
    "unknown charset in the header": Bad(
        envelope(GOOD), "unknown charset 'utf-7'", environ={"CONTENT_TYPE": "text/xml; charset=utf-7"}),
    "charset that hides a DOCTYPE": Bad(
        b'<?xml version="1.0" encoding="UTF-7"?>+ADwAIQ-DOCTYPE a+AD4-<a/>', "unknown charset 'UTF-7'", environ=UNSAID),
    "DOCTYPE": Bad(b"<!DOCTYPE a>" + envelope(GOOD).partition(b"?>")[2], "DOCTYPE is not allowed"),
    "DOCTYPE after a comment": Bad(b"<!-- x --><!DOCTYPE a><a/>", "DOCTYPE is not allowed"),
    "DOCTYPE in UTF-16": Bad(
        "\ufeff<!DOCTYPE a><a/>".encode("utf-16-le"), "DOCTYPE is not allowed", environ=UNSAID),
    "UTF-16 called UTF-8": Bad("\ufeff<a/>".encode("utf-16-le"), "the bytes are UTF-16, the charset given is 'utf-8'"),
    "entity bomb": Bad(f"{BOMB}<a>&c;</a>".encode(), "DOCTYPE is not allowed"),
    "entity bomb in an attribute": Bad(f'{BOMB}<a b="&c;"/>'.encode(), "DOCTYPE is not allowed"),
    "external entity": Bad(
        b'<!DOCTYPE a [<!ENTITY f SYSTEM "file:///etc/passwd">]><a>&f;</a>', "DOCTYPE is not allowed"),
    "undeclared entity": Bad(envelope(GOOD.replace(">j<", ">&x;<")), "not well-formed XML"),
    "300 levels deep": Bad(envelope("<a>" * 300 + "</a>" * 300), "not well-formed XML: Excessive depth"),
    "no SOAP": Bad(b"<a/>", "not a SOAP envelope"),
    "SOAP 1.2": Bad(
        envelope(GOOD).replace(b"http://schemas.xmlsoap.org/soap/envelope/", b"http://www.w3.org/2003/05/soap-envelope"),
        "only SOAP 1.1", "VersionMismatch"),
    "no Body": Bad(envelope(GOOD).replace(b"env:Body", b"env:Bdy"), "no Body"),
    "empty Body": Bad(envelope(""), "must hold one element, not 0"),
    "two requests": Bad(envelope(GOOD + GOOD), "must hold one element, not 2"),
    "mustUnderstand": Bad(
        envelope(GOOD, '<env:Header><h:x xmlns:h="urn:h" env:mustUnderstand="1">1</h:x></env:Header>'),
        "The data in element 'h:x' must be understood but cannot be processed", "MustUnderstand"),
    "mustUnderstand in the next actor": Bad(
        envelope(GOOD, '<env:Header><x xmlns="urn:h" env:mustUnderstand="1"'
                       ' env:actor="http://schemas.xmlsoap.org/soap/actor/next"/></env:Header>'),
        "{urn:h}x", "MustUnderstand"),
    "unknown operation": Bad(envelope("<jpe:NoSuchOp/>"), "Method 'NoSuchOp'"),
    "operation of another service": Bad(
        envelope('<x:RegisterJob xmlns:x="urn:other"><job>j</job></x:RegisterJob>'), "in namespace 'urn:other'"),
    "response instead of request": Bad(envelope("<jpe:RegisterJobResponse/>"), "Method 'RegisterJobResponse'"),
    "missing mandatory child": Bad(
        envelope("<jpe:RegisterJob><job>j</job></jpe:RegisterJob>"), "Missing child element(s). Expected is ( owner )"),
    "missing mandatory grandchild": Bad(
        envelope("<jpe:RecordTag><jobid>j</jobid><tag/></jpe:RecordTag>"), "'tag': Missing child element(s)"),
    "child twice": Bad(
        envelope("<jpe:RegisterJob><job>j</job><job>k</job><owner>o</owner></jpe:RegisterJob>"), "'job'"),
    "child where text belongs": Bad(
        envelope("<jpe:RegisterJob><job><b/></job><owner>o</owner></jpe:RegisterJob>"), "'job'"),
    "text where children belong": Bad(
        envelope("<jpe:RecordTag><jobid>j</jobid><tag>x</tag></jpe:RecordTag>"), "'tag'"),
    "wrong enumerator": Bad(envelope(FEED.format("LIKE", "1")), "'LIKE' is not an element of the set"),
    "wrong boolean": Bad(envelope(FEED.format("EQUAL", "yes")), "'yes' is not a valid value"),
    "wrong dateTime": Bad(envelope(UPLOAD.format("tomorrow")), "'tomorrow' is not a valid value"),
    "dateTime that Python cannot hold": Bad(envelope(UPLOAD.format("12026-01-01T00:00:00Z")), "StartUpload: "),
    "both of a choice": Bad(
        envelope("<jpe:RecordTag><jobid>j</jobid><tag><name>n</name><value><string>s</string><blob>AA==</blob></value>"
                 "</tag></jpe:RecordTag>"), "'blob'"),
    "bad base64": Bad(
        envelope("<jpe:RecordTag><jobid>j</jobid><tag><name>n</name><value><blob>%%</blob></value></tag>"
                 "</jpe:RecordTag>"), "RecordTag: "),
}  # fmt: skip

@pytest.mark.parametrize("body", [
    envelope(FEED.format("X" * 50_000, "1")), envelope(f"<jpe:{'x' * 50_000}/>"), envelope("</" + "a" * 50_000 + ">"),
    envelope(UPLOAD.format("x" * 50_000)),
])  # fmt: skip
def test_complaint_is_short_whatever_it_quotes(body: bytes) -> None:
    answer, _ = send("POST", body, {})
    assert answer.status == 500
    assert len(answer.body) < 2000


HTTP: dict[str, tuple[int, str, bytes, dict[str, Any]]] = {
    "PUT": (405, "PUT", b"", {}),
    "GET without wsdl": (405, "GET", b"", {}),
    "over the limit by Content-Length": (413, "POST", b"", {"CONTENT_LENGTH": str(50 * 1024 * 1024)}),
    "over the limit, chunked": (413, "POST", b"x" * (LIMIT + 1), {"CONTENT_LENGTH": None}),
    "less than Content-Length": (400, "POST", envelope(GOOD), {"CONTENT_LENGTH": "5000"}),
    "Content-Length is no number": (400, "POST", envelope(GOOD), {"CONTENT_LENGTH": "-5"}),
    "attachments": (415, "POST", envelope(GOOD), {"CONTENT_TYPE": "multipart/related; boundary=x"}),
    "compressed": (415, "POST", envelope(GOOD), {"HTTP_CONTENT_ENCODING": "gzip"}),
}  # fmt: skip
GIVEN_AWAY = re.compile(rb'Traceback|File "|\.py|site-packages|/work|/home', re.IGNORECASE)


def send(method: str, body: bytes, environ: dict[str, Any]) -> tuple[Answer, Recorder]:
    handler = Recorder()
    return request(application(PS, handler, policy=Rule(), limit=LIMIT), method, body, **environ), handler


@pytest.mark.parametrize("name", FAULTS)
def test_bad_message_is_a_fault(name: str) -> None:
    bad = FAULTS[name]
    answer, handler = send("POST", bad.body, bad.environ)
    assert answer.status == 500
    fault = read_fault(PS, body_of(xml.parse(answer.body)))
    assert fault.faultcode == bad.code
    assert bad.words in fault.faultstring
    assert len(fault.faultstring) < 1000
    assert not GIVEN_AWAY.search(answer.body)
    assert not handler.calls


@pytest.mark.parametrize("name", HTTP)
def test_bad_http_is_refused_as_http(name: str) -> None:
    status, method, body, environ = HTTP[name]
    answer, handler = send(method, body, environ)
    assert answer.status == status
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert not handler.calls


ENVELOPE_NS = "http://schemas.xmlsoap.org/soap/envelope/"
LENIENT = {
    "other prefixes": (
        f'<S:Envelope xmlns:S="{ENVELOPE_NS}"><S:Body><z:RegisterJob xmlns:z="http://glite.org/wsdl/elements/jp">'
        "<job>j</job><owner>o</owner></z:RegisterJob></S:Body></S:Envelope>").encode(),
    "default namespace on the wrapper": envelope(
        '<RegisterJob xmlns="http://glite.org/wsdl/elements/jp"><job>j</job><owner>o</owner></RegisterJob>'),
    "xsi:type": envelope(
        '<jpe:RegisterJob><job xsi:type="xsd:string">j</job><owner xsi:type="xsd:int">o</owner></jpe:RegisterJob>'),
    "xsi:type of an unknown prefix": envelope(
        '<jpe:RegisterJob><job xsi:type="foo:string">j</job><owner>o</owner></jpe:RegisterJob>'),
    "encodingStyle": envelope(
        '<jpe:RegisterJob env:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><job>j</job><owner>o</owner>'
        "</jpe:RegisterJob>"),
    "another order": envelope("<jpe:RegisterJob><owner>o</owner><job>j</job></jpe:RegisterJob>"),
    "children that the type does not have": envelope(
        "<jpe:RegisterJob><job>j</job><urgent>1</urgent><owner>o</owner></jpe:RegisterJob>"),
    "comments and white space": envelope(
        "<!-- a --><jpe:RegisterJob>\n <job>j<!-- b --></job>\n <owner>o</owner><!-- c -->\n</jpe:RegisterJob>\n"),
    "header that need not be understood": envelope(
        GOOD, '<env:Header><h:x xmlns:h="urn:h" env:mustUnderstand="0"/></env:Header>'),
    "header for somebody else": envelope(
        GOOD, '<env:Header><h:x xmlns:h="urn:h" env:mustUnderstand="1" env:actor="urn:proxy"/></env:Header>'),
    "byte order mark": b"\xef\xbb\xbf" + envelope(GOOD),
    "UTF-16": ("\ufeff" + envelope(GOOD).decode().replace("UTF-8", "UTF-16")).encode("utf-16-le"),
    "ISO-8859-1": envelope(GOOD).replace(b"UTF-8", b"ISO-8859-1"),
    "no declaration": envelope(GOOD).partition(b"?>")[2],
    "CDATA": envelope("<jpe:RegisterJob><job><![CDATA[j]]></job><owner>o</owner></jpe:RegisterJob>"),
}  # fmt: skip


@pytest.mark.parametrize("name", LENIENT)
def test_what_legacy_clients_send_is_taken(name: str) -> None:
    environ = {"CONTENT_TYPE": "application/x-www-form-urlencoded", "HTTP_SOAPACTION": '"urn:x#y"', "PATH_INFO": "/z"}
    answer, handler = send("POST", LENIENT[name], environ)
    assert answer.status == 200, answer.body
    assert handler.calls == [("RegisterJob", {"job": "j", "owner": "o"})]


def test_charset_of_the_header_outranks_the_declaration() -> None:
    body = envelope(GOOD.replace(">j<", ">ž<"))
    answer, handler = send("POST", body.replace(b"UTF-8", b"ISO-8859-1"), {})
    assert answer.status == 200
    assert handler.calls[0][1]["job"] == "ž"
    body = envelope(GOOD.replace(">j<", ">é<")).decode().encode("latin-1")
    answer, handler = send("POST", body, {"CONTENT_TYPE": 'text/xml; charset="iso-8859-1"'})
    assert handler.calls[0][1]["job"] == "é"


@pytest.mark.parametrize(("name", "expected"), [
    ("", None), ("<name/>", None), ("<name></name>", None), ('<name xsi:nil="true"/>', None), ("<name>n</name>", "n"),
])  # fmt: skip
def test_name_of_an_upload_may_be_absent_empty_or_nil(name: str, expected: str | None) -> None:
    body = envelope(f"<jpe:StartUpload><job>j</job><class>c</class>{name}"
                    "<commitBefore>2027-01-01T00:00:00Z</commitBefore></jpe:StartUpload>")
    _, handler = send("POST", body, {})
    assert handler.calls[0][1]["name"] == expected
    assert handler.calls[0][1]["contentType"] is None


def test_tags_without_timestamp_and_origin() -> None:
    body = envelope("<jpe:RecordMultiTags><jobs><jobid>j</jobid><attributes><name>n</name><value><string>v</string>"
                    "</value></attributes></jobs></jpe:RecordMultiTags>")
    _, handler = send("POST", body, {})
    types = PS.types
    assert handler.calls[0][1]["jobs"] == [types.jobRecord(
        jobid="j", attributes=[types.attrValue(name="n", value=types.stringOrBlob(string="v"))])]


def test_booleans_as_numbers_and_lists_that_are_absent() -> None:
    body = envelope("<jpe:FeedIndex><destination>d</destination><history>1</history><continuous>false</continuous>"
                    "</jpe:FeedIndex>")
    _, handler = send("POST", body, {})
    assert handler.calls[0][1] == {
        "destination": "d", "attributes": [], "conditions": [], "history": True, "continuous": False,
    }  # fmt: skip


def test_nil_means_absent_anywhere() -> None:
    body = envelope('<jpe:RecordTag><jobid xsi:nil="1"/><tag><name>n</name><value xsi:nil="true"/></tag>'
                    "</jpe:RecordTag>")
    _, handler = send("POST", body, {})
    assert handler.calls[0][1] == {"jobid": None, "tag": PS.types.tagValue(name="n")}
    body = envelope('<jpe:RecordTag><jobid>j</jobid><tag><name>n</name><value><string xsi:nil="true"/></value></tag>'
                    "</jpe:RecordTag>")
    _, handler = send("POST", body, {})
    assert handler.calls[0][1]["tag"].value == PS.types.stringOrBlob()


def test_leniency_is_about_members_that_exist() -> None:
    known = contract.load("JobProvenanceIS").schemas.types | PS.schemas.types
    for type_name, member in leniency.ABSENT | leniency.EMPTY_IS_ABSENT:
        assert member in [each.name for each in known[type_name].members]  # type: ignore[union-attr]
