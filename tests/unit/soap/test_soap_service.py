"""A service made from a contract and a handler: binding, policy, answers, streams, faults, documents."""

import errno
import io
import logging
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from lxml import etree

import wsdl
from gsi.authz import Access, Outlook, ServicePolicy, requires, yes
from gsi.peer import Peer
from guarded import xml
from soap import contract
from soap.binding import BindingError
from soap.contract import Contract
from soap.envelope import Writer
from soap.faultreader import fault as read_fault
from soap.faults import Fault, PosixFault, TypedFault
from soap.frame import body_of
from soap.service import Call, application, combine, not_yet
from soapcalls import PEER, Answer, Recorder, Rule, envelope, request

PS = contract.load("JobProvenancePS")
IS = contract.load("JobProvenanceIS")
LB = contract.load("LB")
WMPROXY = contract.load("WMProxy")
REGISTER = envelope("<jpe:RegisterJob><job>https://lb:9000/a</job><owner>/CN=x</owner></jpe:RegisterJob>")
FILES = envelope("<jpe:GetJobFiles><jobid>https://lb:9000/a</jobid></jpe:GetJobFiles>")


def content(answer: Answer) -> etree._Element:
    return body_of(xml.parse(answer.body))


def fault_of(answer: Answer, known: Contract = PS) -> Fault:
    assert answer.status == 500
    return read_fault(known, content(answer))


def storage(behaviour: Any = lambda operation, arguments: None, **options: Any) -> tuple[Any, Recorder]:
    handler = Recorder(behaviour)
    return application(PS, handler, policy=options.pop("policy", Rule()), **options), handler


# binding


class Complete:
    """Everything declared, nothing built."""

    update_jobs = not_yet(Access.TRUSTED_PEER)
    query_jobs = not_yet(Access.AUTHENTICATED)
    add_feed = not_yet(Access.ADMIN)
    get_feed_ids = not_yet(Access.ADMIN)
    delete_feed = not_yet(Access.ADMIN)
    server_configuration = not_yet(Access.ADMIN)


def test_missing_operation_stops_the_start_and_is_named() -> None:
    class Incomplete(Complete):
        query_jobs = None
        add_feed = None

    with pytest.raises(BindingError, match=r"(?s)Incomplete.*QueryJobs has no method query_jobs.*AddFeed"):
        application(IS, Incomplete(), policy=Rule())


def test_surplus_operation_stops_the_start_and_is_named() -> None:
    class Surplus(Complete):
        @requires(Access.ADMIN)
        def frobnicate(self, call: Call) -> None: ...

    with pytest.raises(BindingError, match="frobnicate: port JobProvenanceIS has no such operation"):
        application(IS, Surplus(), policy=Rule())


def test_operation_without_requires_stops_the_start() -> None:
    class Open(Complete):
        def delete_feed(self, call: Call, *, feedId: str) -> None: ...  # noqa: N803

    with pytest.raises(BindingError, match="method delete_feed does not say who may call it"):
        application(IS, Open(), policy=Rule())


def test_wrong_parameters_stop_the_start() -> None:
    class Wrong(Complete):
        @requires(Access.ADMIN)
        def delete_feed(self, call: Call, *, feed: str) -> None: ...

    with pytest.raises(BindingError, match=r"delete_feed must take \['feedId'\] by keyword, not \['feed'\]"):
        application(IS, Wrong(), policy=Rule())


def test_helpers_of_a_handler_are_no_operations() -> None:
    class Helped(Complete):
        def help(self) -> None: ...

    application(IS, Helped(), policy=Rule())


# calls


def test_call_carries_peer_operation_and_environment() -> None:
    seen: list[Call] = []

    class Index(Complete):
        @requires(Access.ADMIN)
        def delete_feed(self, call: Call, *, feedId: str) -> None:  # noqa: N803
            seen.append(call)

    app = application(IS, Index(), policy=Rule())
    answer = request(app, body=envelope("<jpe:DeleteFeed><feedId>f</feedId></jpe:DeleteFeed>"), PATH_INFO="/any/path")
    assert answer.status == 200
    assert (seen[0].peer, seen[0].operation, seen[0].environ["PATH_INFO"]) == (PEER, "DeleteFeed", "/any/path")


def test_keyword_arguments_have_wire_names_and_python_types() -> None:
    app, handler = storage(lambda operation, arguments: {"destination": "d", "commitBefore": arguments["commitBefore"]})
    body = envelope("<jpe:StartUpload><job>j</job><class>urn:x</class><name>n</name>"
                    "<commitBefore>2027-01-01T00:00:00Z</commitBefore><contentType>text/lb</contentType>"
                    "</jpe:StartUpload>")
    answer = request(app, body=body)
    assert handler.calls[0][1].keys() == {"job", "class_", "name", "commitBefore", "contentType"}
    assert handler.calls[0][1]["commitBefore"].isoformat() == "2027-01-01T00:00:00+00:00"
    assert content(answer).findtext("commitBefore") == "2027-01-01T00:00:00Z"
    assert answer.headers["Content-Type"] == "text/xml; charset=utf-8"
    assert int(answer.headers["Content-Length"]) == len(answer.body)


def test_operation_without_children_is_called() -> None:
    class Index(Complete):
        @requires(Access.ADMIN)
        def server_configuration(self, call: Call) -> Mapping[str, Any]:
            return {"attrs": [IS.types.attrType(name="a", multival="YES", queriable="NO")], "indexedAttrs": ["a"]}

    answer = request(application(IS, Index(), policy=Rule()), body=envelope("<jpe:ServerConfiguration/>"))
    assert [child.tag for child in content(answer)] == ["attrs", "indexedAttrs"]


def test_rpc_call_with_parameters_in_any_order() -> None:
    class Proxy:
        pass

    for operation in WMPROXY.operations.values():
        setattr(Proxy, operation.method, not_yet(Access.AUTHENTICATED))
    seen: list[str] = []

    @requires(Access.AUTHENTICATED)
    def job_submit(self: Any, call: Call, *, jdl: str, delegationId: str) -> Mapping[str, Any]:  # noqa: N803
        seen.append(jdl + delegationId)
        return {"jobIdStruct": WMPROXY.types.JobIdStructType(id="i", name="", path="p")}

    Proxy.job_submit = job_submit  # type: ignore[attr-defined]
    app = application(WMPROXY, Proxy(), policy=Rule())
    for children in ("<jdl>j</jdl><delegationId>d</delegationId>", "<delegationId>d</delegationId><jdl>j</jdl>"):
        answer = request(app, body=envelope(f"<wmp:jobSubmit>{children}</wmp:jobSubmit>"))
        assert content(answer).tag == "{http://glite.org/wms/wmproxy}jobSubmitResponse"
    assert seen == ["jd", "jd"]
    assert content(answer).findtext("jobIdStruct/name") == ""


# policy


def test_policy_is_asked_before_the_handler_and_any_access_suffices() -> None:
    rule = Rule(frozenset({Access.JOB_OWNER}))
    app, handler = storage(policy=rule)
    tag = envelope("<jpe:RecordTag><jobid>j</jobid><tag><name>n</name></tag></jpe:RecordTag>")
    assert request(app, body=tag).status == 200
    assert [access for access, _ in rule.asked] == [Access.TRUSTED_PEER, Access.JOB_OWNER]
    assert rule.asked[0][1]["jobid"] == "j"
    refused = fault_of(request(app, body=REGISTER))
    assert isinstance(refused, PosixFault)
    assert (refused.code, refused.text, refused.source) == (errno.EPERM, "Operation not permitted", "RegisterJob")
    assert [operation for operation, _ in handler.calls] == ["RecordTag"]


def test_a_refusal_is_one_line_of_the_log_whoever_refuses(caplog: pytest.LogCaptureFixture) -> None:
    def not_yours(operation: str, arguments: dict[str, Any]) -> None:
        raise PosixFault(errno.EPERM, "you are not a job owner")

    app, _ = storage(policy=Rule(frozenset()))
    request(app, body=REGISTER)
    app, _ = storage(not_yours)
    refused = fault_of(request(app, body=FILES))
    assert isinstance(refused, PosixFault) and refused.description == "you are not a job owner"
    assert [record.getMessage() for record in caplog.records] == [
        f"refused: {PEER.dn} may not call RegisterJob: it is forbidden",
        f"refused: {PEER.dn} may not call GetJobFiles: you are not a job owner",
    ]


def test_what_a_peer_may_do_is_told_without_a_call() -> None:
    app, handler = storage(policy=ServicePolicy())
    told = app.outlook(PEER)
    assert set(told) == set(PS.port().operations)
    assert told["FeedIndex"].granted and not told["RegisterJob"].granted
    assert not any(outlook.granted for outlook in app.outlook(None).values())
    assert not handler.calls


def test_operation_not_built_answers_enosys_to_those_who_may() -> None:
    app, _ = storage()
    body = envelope("<jpe:FeedIndexRefresh><feedId>f</feedId></jpe:FeedIndexRefresh>")
    missing = fault_of(request(app, body=body))
    assert isinstance(missing, PosixFault)
    assert missing.code == errno.ENOSYS
    assert missing.description == "FeedIndexRefresh is not available in this release"
    app, _ = storage(policy=Rule(frozenset()))
    refused = fault_of(request(app, body=body))
    assert isinstance(refused, PosixFault)
    assert refused.code == errno.EPERM


# faults


def test_fault_of_job_provenance_has_both_forms_of_detail() -> None:
    def fail(operation: str, arguments: dict[str, Any]) -> None:
        inner = PosixFault(errno.EIO, "disk", source="write")
        raise PosixFault(errno.EEXIST, "job already registered", reason=inner)

    app, _ = storage(fail)
    answer = request(app, body=REGISTER)
    element = content(answer)
    assert element.findtext("faultcode") == "SOAP-ENV:Server"
    detail = element.find("detail")
    assert detail is not None
    first, second = detail
    assert first.tag == "fault"
    assert first.get("{http://www.w3.org/2001/XMLSchema-instance}type") == "jptype:genericFault"
    assert second.tag == "{http://glite.org/wsdl/elements/jp}genericFault"
    children = [(child.tag, child.text) for child in second]
    assert children[:4] == [("source", "RegisterJob"), ("code", "17"), ("text", "File exists"),
                            ("description", "job already registered")]
    assert [child.text for child in second.iterfind("reason/*")] == ["write", "5", "Input/output error", "disk"]
    assert [etree.tostring(child) for child in first] == [etree.tostring(child) for child in second]


def test_fault_of_lb_leaves_source_out() -> None:
    class Books:
        pass

    for operation in LB.operations.values():
        setattr(Books, operation.method, not_yet(Access.AUTHENTICATED))

    @requires(Access.AUTHENTICATED)
    def job_status(self: Any, call: Call, *, jobid: str, flags: Any) -> None:
        raise PosixFault(errno.EIDRM, "matching job already purged")

    Books.job_status = job_status  # type: ignore[attr-defined]
    app = application(LB, Books(), policy=Rule())
    body = envelope("<lbe:JobStatus><jobid>https://localhost:9000/x</jobid><flags/></lbe:JobStatus>")
    element = content(request(app, body=body))
    assert element.findtext("faultstring") == "An error occurred, see detail"
    first = element.find("detail/fault")
    assert first is not None
    assert [(child.tag, child.text) for child in first] == [
        ("code", "43"), ("text", "Identifier removed"), ("description", "matching job already purged"),
    ]  # fmt: skip


def test_unexpected_exception_tells_a_reference_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    def break_down(operation: str, arguments: dict[str, Any]) -> None:
        raise RuntimeError("password=swordfish in /etc/secret.conf")

    app, _ = storage(break_down)
    with caplog.at_level(logging.ERROR):
        answer = request(app, body=REGISTER)
    fault = fault_of(answer)
    assert isinstance(fault, PosixFault)
    assert fault.code == errno.EIO
    reference = re.fullmatch("internal error, reference ([0-9a-f]{8})", fault.description or "")
    assert reference is not None
    assert reference[1] in caplog.text
    assert "swordfish" in caplog.text
    assert b"swordfish" not in answer.body
    assert b"Traceback" not in answer.body


def test_answer_that_does_not_fit_the_contract_is_an_internal_error() -> None:
    app, _ = storage(lambda operation, arguments: {"files": [PS.types.jppsFile(class_=5)]})
    fault = fault_of(request(app, body=FILES))
    assert isinstance(fault, PosixFault)
    assert fault.code == errno.EIO
    app, _ = storage(lambda operation, arguments: {"nonsense": 1})
    assert fault_of(request(app, body=FILES)).faultcode == "Server"


def wmproxy(behaviour: Any, **options: Any) -> Any:
    class Proxy:
        pass

    for operation in WMPROXY.operations.values():
        setattr(Proxy, operation.method, not_yet(Access.AUTHENTICATED))

    @requires(Access.AUTHENTICATED)
    def job_cancel(self: Any, call: Call, *, jobId: str) -> None:  # noqa: N803
        behaviour()

    Proxy.job_cancel = job_cancel  # type: ignore[attr-defined]
    return application(WMPROXY, Proxy(), policy=options.pop("policy", Rule()), **options)


CANCEL = envelope("<wmp:jobCancel><jobId>j</jobId></wmp:jobCancel>")


def typed(name: str, text: str) -> TypedFault:
    record = getattr(WMPROXY.types, name)(
        methodName="jobCancel", Timestamp=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), ErrorCode="1218", Description=text,
        FaultCause=["a", "b"],
    )
    return TypedFault(name, record)


def test_typed_fault_has_the_element_of_the_contract() -> None:
    def fail() -> None:
        raise typed("JobUnknownFault", "no such job")

    answer = request(wmproxy(fail), body=CANCEL)
    element = content(answer)
    assert element.findtext("faultstring") == "no such job"
    detail = element.find("detail/{http://glite.org/wms/wmproxy}JobUnknownFault")
    assert detail is not None
    assert [child.tag for child in detail] == ["methodName", "Timestamp", "ErrorCode", "Description", "FaultCause",
                                               "FaultCause"]
    back = fault_of(answer, WMPROXY)
    assert isinstance(back, TypedFault)
    assert back.name == "JobUnknownFault"
    assert back.record == typed("JobUnknownFault", "no such job").record


@pytest.mark.parametrize(("behaviour", "rule", "number"), [
    (lambda: None, Rule(frozenset()), errno.EPERM), (lambda: 1 / 0, Rule(), errno.EIO),
])  # fmt: skip
def test_service_translates_refusals_and_internal_errors(behaviour: Any, rule: Rule, number: int) -> None:
    seen: list[tuple[int, str]] = []

    def translate(fault: PosixFault, operation: str) -> Fault:
        seen.append((fault.code, operation))
        return typed("GenericFault", str(fault))

    back = fault_of(request(wmproxy(behaviour, policy=rule, translate=translate), body=CANCEL), WMPROXY)
    assert isinstance(back, TypedFault)
    assert seen == [(number, "jobCancel")]


def test_translation_that_fails_is_an_internal_error_too() -> None:
    def translate(fault: PosixFault, operation: str) -> Fault:
        raise KeyError("secret")

    answer = request(wmproxy(lambda: 1 / 0, translate=translate), body=CANCEL)
    back = fault_of(answer, WMPROXY)
    assert back.faultcode == "Server"
    assert "reference" in back.faultstring
    assert b"secret" not in answer.body


def test_posix_fault_in_a_contract_without_it_is_told_in_words() -> None:
    def fail() -> None:
        raise PosixFault(errno.ENOENT, "no such job")

    back = fault_of(request(wmproxy(fail), body=CANCEL), WMPROXY)
    assert back.faultstring == "No such file or directory (no such job)"


# streams


def test_large_answer_is_streamed_and_small_one_has_a_length() -> None:
    def files(operation: str, arguments: dict[str, Any]) -> Mapping[str, Any]:
        return {"files": (PS.types.jppsFile(class_="c", url=f"https://x/{number}") for number in range(20_000))}

    app, _ = storage(files)
    started: list[Any] = []
    environ = {"REQUEST_METHOD": "POST", "CONTENT_LENGTH": str(len(FILES)), "wsgi.input": io.BytesIO(FILES),
               "gsi.peer": PEER}
    pieces = list(app(environ, lambda status, headers: started.append(dict(headers))))
    assert "Content-Length" not in started[0]
    assert len(pieces) > 5
    assert max(map(len, pieces)) < 100_000
    assert len(body_of(xml.parse(b"".join(pieces)))) == 20_000


def failing_after(count: int) -> Any:
    def files(operation: str, arguments: dict[str, Any]) -> Mapping[str, Any]:
        def make() -> Iterator[Any]:
            for number in range(count):
                yield PS.types.jppsFile(class_="c", url=f"https://x/{number}")
            raise PosixFault(errno.EIO, "disk")

        return {"files": make()}

    return files


def test_stream_that_fails_at_once_is_a_fault() -> None:
    app, _ = storage(failing_after(10))
    fault = fault_of(request(app, body=FILES))
    assert isinstance(fault, PosixFault)
    assert fault.description == "disk"


def test_stream_that_fails_later_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    app, _ = storage(failing_after(20_000))
    with pytest.raises(PosixFault):
        request(app, body=FILES)
    assert "was cut off" in caplog.text


def test_stream_that_nobody_reads_on_is_closed() -> None:
    closed: list[bool] = []

    def files(operation: str, arguments: dict[str, Any]) -> Mapping[str, Any]:
        def make() -> Iterator[Any]:
            try:
                for number in range(100_000):
                    yield PS.types.jppsFile(class_="c", url=f"https://x/{number}")
            finally:
                closed.append(True)

        return {"files": make()}

    app, _ = storage(files)
    environ = {"REQUEST_METHOD": "POST", "CONTENT_LENGTH": str(len(FILES)), "wsgi.input": io.BytesIO(FILES)}
    pieces: Any = app(environ, lambda status, headers: None)
    next(iter(pieces))
    pieces.close()
    assert closed == [True]


# documents


def test_wsdl_is_served_with_the_address_alone_replaced() -> None:
    app, _ = storage(address="https://jpps.example.org:8901/")
    answer = request(app, "GET", QUERY_STRING="wsdl")
    assert answer.status == 200
    assert answer.body == wsdl.read("JobProvenancePS.wsdl").replace(
        b"http://test.glite.org/jp:8080", b"https://jpps.example.org:8901/")
    types = request(app, "GET", PATH_INFO="/JobProvenanceTypes.wsdl")
    assert types.body == wsdl.read("JobProvenanceTypes.wsdl")
    assert request(app, "HEAD", QUERY_STRING="wsdl").headers["Content-Length"] == str(len(answer.body))


def test_address_is_where_the_client_reached_us() -> None:
    app, _ = storage()
    answer = request(app, "GET", QUERY_STRING="WSDL", PATH_INFO="/jpps", HTTP_HOST="jpps.example.org:8901")
    assert b'location="https://jpps.example.org:8901/jpps"' in answer.body
    forged = request(app, "GET", QUERY_STRING="wsdl", HTTP_HOST='x"/><evil/>')
    assert b"evil" not in forged.body
    assert b'location="https://localhost:8901/"' in forged.body


@pytest.mark.parametrize("path", ["/setup.cfg", "/../JobProvenanceTypes.wsdl.bak", "/LB.wsdl", "/"])
def test_other_documents_are_not_served(path: str) -> None:
    app, _ = storage()
    answer = request(app, "GET", PATH_INFO=path)
    assert answer.status == 405
    assert answer.headers["Allow"] == "POST"


def test_wmproxy_serves_all_its_documents() -> None:
    app = wmproxy(lambda: None)
    for name in ("WMProxy-gridsite-delegation-1.0.0.wsdl", "jsdl.xsd", "jsdl-posix.xsd"):
        assert request(app, "GET", PATH_INFO="/glite_wms_wmproxy_server/" + name).status == 200


# several ports


def delegation(name: str) -> Any:
    known = contract.load("WMProxy")

    class Door:
        pass

    for operation in known.ports[name].operations.values():
        setattr(Door, operation.method, not_yet(Access.AUTHENTICATED))

    @requires(Access.AUTHENTICATED)
    def get_proxy_req(self: Any, call: Call, *, delegationID: str) -> Mapping[str, Any]:  # noqa: N803
        if delegationID == "bad":
            types = known.ports[name].types
            member = "message" if name == "WMProxyDelegation_PortType" else "msg"
            raise TypedFault("DelegationException", types.DelegationException(**{member: "bad id"}))
        return {"getProxyReqReturn": name}

    Door.get_proxy_req = get_proxy_req  # type: ignore[attr-defined]
    return application(known, Door(), policy=Rule(), port=name)


def test_ports_on_one_address_are_told_apart_by_namespace() -> None:
    ports = ("WMProxyDelegation_PortType", "WMProxyDelegation2_PortType")
    app = combine([wmproxy(lambda: None), *(delegation(name) for name in ports)])
    assert request(app, body=CANCEL).status == 200
    for name, space in zip(ports, ("delegation-1", "delegation-2"), strict=True):
        full = f"http://www.gridsite.org/namespaces/{space}"
        body = envelope(f'<d:getProxyReq xmlns:d="{full}"><delegationID>x</delegationID></d:getProxyReq>')
        answer = content(request(app, body=body))
        assert answer.tag == f"{{{full}}}getProxyReqResponse"
        assert answer.findtext("getProxyReqReturn") == name
        bad = fault_of(request(app, body=body.replace(b">x<", b">bad<")), WMPROXY)
        assert isinstance(bad, TypedFault)
        assert (bad.name, bad.faultstring) == ("DelegationException", "bad id")
    assert fault_of(request(app, body=envelope('<d:x xmlns:d="urn:nobody"/>'))).faultcode == "Client"
    assert fault_of(request(app, body=b"<a>")).faultcode == "Client"
    assert b"WMProxyDelegation2_PortType" in request(app, "GET", QUERY_STRING="wsdl").body


def test_chunked_request_without_length_is_read_to_its_end() -> None:
    app, handler = storage()
    assert request(app, body=REGISTER, CONTENT_LENGTH=None).status == 200
    assert handler.calls[0][1] == {"job": "https://lb:9000/a", "owner": "/CN=x"}


def test_anonymous_peer_reaches_the_policy_as_none() -> None:
    class Somebody(ServicePolicy):
        def decide(self, peer: Peer, access: Access, arguments: Mapping[str, Any] | None) -> Outlook:
            return yes("it is somebody")

    app, handler = storage(policy=Somebody())
    nobody: dict[str, Any] = {"gsi.peer": None}
    refused = fault_of(request(app, body=REGISTER, **nobody))
    assert isinstance(refused, PosixFault)
    assert refused.description == "you are not allowed to call RegisterJob: a certificate is needed"
    assert not handler.calls


def test_request_written_by_our_own_writer_is_taken() -> None:
    app, handler = storage()
    tag = PS.types.tagValue(name="urn:x:a", value=PS.types.stringOrBlob(blob=b"\x00\xff"))
    body = b"".join(Writer(PS, PS.operations["RecordTag"].input).chunks({"jobid": "j", "tag": tag}))
    assert request(app, body=body).status == 200
    assert handler.calls == [("RecordTag", {"jobid": "j", "tag": tag})]
