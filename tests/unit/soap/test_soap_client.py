"""The client over real TLS: calls, streams, faults, answers that break off; zeep against the same server."""

import errno
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
import zeep.exceptions
from zeep.transports import Transport

import pki
from gsi.authz import Access, requires
from httpg.client import session
from httpg.server import Listener
from httpg.wsgi import HttpProtocol
from soap import contract
from soap.client import Client, TransportError, zeep_client
from soap.faults import Fault, PosixFault, TypedFault
from soap.service import Call, application, combine, not_yet
from soapcalls import Recorder, Rule, envelope
from testbed import ca
from tlsserver import Running, running

PS = contract.load("JobProvenancePS")
IS = contract.load("JobProvenanceIS")
WMPROXY = contract.load("WMProxy")
STAMP = datetime(2006, 5, 12, 20, 20, 7, tzinfo=UTC)
DELEGATION = "WMProxyDelegation2_PortType"


class Storage(Recorder):
    """Answers by the job's name."""

    @requires(Access.AUTHENTICATED)
    def get_job_files(self, call: Call, *, jobid: str) -> Mapping[str, Any]:  # type: ignore[override]
        if jobid == "refused":
            raise PosixFault(errno.EPERM, "not yours", reason=PosixFault(errno.ENOENT, "no owner", source="owner"))
        if jobid == "broken":
            raise RuntimeError("secret")
        return {"files": self._files(jobid)}

    def _files(self, jobid: str) -> Iterator[Any]:
        for number in range({"none": 0, "two": 2}.get(jobid, 20_000)):
            yield PS.types.jppsFile(class_="urn:c", name=f"žluť <{number}>", url=f"https://x/{number}")
        if jobid == "cut":
            raise RuntimeError("the disk is gone")

    @requires(Access.AUTHENTICATED)
    def start_upload(self, call: Call, **arguments: Any) -> Mapping[str, Any]:
        return {"destination": f"{arguments['class_']} {arguments['name']}", "commitBefore": arguments["commitBefore"]}


class WmProxy:
    """jobCancel fails with a typed fault, getVersion answers."""

    @requires(Access.AUTHENTICATED)
    def get_version(self, call: Call) -> Mapping[str, Any]:
        return {"version": "3.4.0"}

    @requires(Access.AUTHENTICATED)
    def job_cancel(self, call: Call, *, jobId: str) -> None:  # noqa: N803
        record = WMPROXY.types.JobUnknownFault(methodName="jobCancel", Timestamp=STAMP, Description=f"no job {jobId}")
        raise TypedFault("JobUnknownFault", record)


class Delegation:
    """getNewProxyReq answers a structure, destroy fails."""

    @requires(Access.AUTHENTICATED)
    def get_new_proxy_req(self, call: Call) -> Mapping[str, Any]:
        types = WMPROXY.ports[DELEGATION].types
        return {"getNewProxyReqReturn": types.NewProxyReq(proxyRequest="pem", delegationID=None)}

    @requires(Access.AUTHENTICATED)
    def destroy(self, call: Call, *, delegationID: str) -> None:  # noqa: N803
        types = WMPROXY.ports[DELEGATION].types
        raise TypedFault("DelegationException", types.DelegationException(msg="no such delegation"))


for _port, _class in ((None, WmProxy), (DELEGATION, Delegation)):
    for _operation in WMPROXY.port(_port).operations.values():
        if not hasattr(_class, _operation.method):
            setattr(_class, _operation.method, not_yet(Access.AUTHENTICATED))


def odd(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answers that no SOAP server should give, by path."""
    environ["wsgi.input"].read()
    path = environ["PATH_INFO"]
    start_response("503 Service Unavailable" if path == "/busy" else "200 OK", [("Content-Type", "text/xml")])
    answers = {
        "/html": b"<html><body>Welcome</body></html>", "/empty": b"", "/other": envelope("<jpe:RegisterJobResponse/>"),
        "/dtd": b"<!DOCTYPE a><a/>", "/half": envelope("<jpe:GetJobFilesResponse/>")[:-20],
        "/code": envelope("<env:Fault><faultcode>env:Client</faultcode><faultstring>no</faultstring></env:Fault>"),
        "/date": envelope("<jpe:StartUploadResponse><destination>d</destination><commitBefore>soon</commitBefore>"
                          "</jpe:StartUploadResponse>"),
        "/pi": b"<?xml version='1.0'?><?php x?>" + envelope("<jpe:GetJobFilesResponse/>").partition(b"?>")[2],
    }  # fmt: skip
    return [answers.get(path, b"")]


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    def storage() -> HttpProtocol:
        return HttpProtocol(application(PS, Storage(), policy=Rule()))

    def wmproxy() -> HttpProtocol:
        ports = [application(WMPROXY, WmProxy(), policy=Rule()),
                 application(WMPROXY, Delegation(), policy=Rule(), port=DELEGATION)]
        return HttpProtocol(combine(ports))

    listeners = [Listener("127.0.0.1", 0, protocol) for protocol in (storage, wmproxy, lambda: HttpProtocol(odd))]
    with running(listeners, pki.host(), pki.ca_dir(), workers=1) as process:
        yield process


@pytest.fixture
def http() -> Iterator[requests.Session]:
    with session(pki.proxy(), pki.ca_dir()) as made:
        yield made


@pytest.fixture
def client(server: Running, http: requests.Session) -> Client:
    return Client(PS, server.url("/any/path"), http)


def test_call_answers_the_record_of_the_response(client: Client) -> None:
    answer = client.call("StartUpload", job="j", class_="urn:x", name="n", commitBefore=STAMP, contentType="t")
    assert answer == PS.types.StartUploadResponse(destination="urn:x n", commitBefore=STAMP)
    assert client.call("GetJobFiles", jobid="two").files[1].name == "žluť <1>"
    assert client.call("RegisterJob", job="j", owner="o") == PS.types.RegisterJobResponse()


def test_stream_yields_one_by_one(client: Client) -> None:
    files = client.stream("GetJobFiles", "files", jobid="many")
    assert next(files) == PS.types.jppsFile(class_="urn:c", name="žluť <0>", url="https://x/0")
    rest = list(files)
    assert len(rest) == 19_999
    assert rest[-1].url == "https://x/19999"
    assert list(client.stream("GetJobFiles", "files", jobid="none")) == []
    assert len(list(client.stream("GetJobFiles", "files", jobid="two"))) == 2


def test_stream_that_is_left_alone_does_not_spoil_the_session(client: Client) -> None:
    for _ in range(3):
        assert next(client.stream("GetJobFiles", "files", jobid="many")).url == "https://x/0"
    assert len(client.call("GetJobFiles", jobid="two").files) == 2


@pytest.mark.parametrize("way", ["call", "stream"])
def test_posix_fault_comes_back_with_its_chain(client: Client, way: str) -> None:
    with pytest.raises(PosixFault) as caught:
        if way == "call":
            client.call("GetJobFiles", jobid="refused")
        else:
            list(client.stream("GetJobFiles", "files", jobid="refused"))
    assert [(link.code, link.source, link.description) for link in caught.value.chain()] == [
        (errno.EPERM, "GetJobFiles", "not yours"), (errno.ENOENT, "owner", "no owner"),
    ]  # fmt: skip
    assert str(caught.value) == "Operation not permitted (not yours)"


def test_internal_error_of_the_server(client: Client) -> None:
    with pytest.raises(PosixFault, match="internal error, reference") as caught:
        client.call("GetJobFiles", jobid="broken")
    assert caught.value.code == errno.EIO


def test_answer_that_breaks_off_is_no_end(client: Client) -> None:
    got = 0
    with pytest.raises(TransportError):
        for _ in client.stream("GetJobFiles", "files", jobid="cut"):
            got += 1
    assert 0 < got < 20_000
    with pytest.raises(TransportError):
        client.call("GetJobFiles", jobid="cut")


def test_rpc_calls_and_typed_faults(server: Running, http: requests.Session) -> None:
    wmproxy = Client(WMPROXY, server.url(index=1), http)
    assert wmproxy.call("getVersion").version == "3.4.0"
    with pytest.raises(TypedFault) as caught:
        wmproxy.call("jobCancel", jobId="j1")
    assert (caught.value.name, caught.value.faultstring) == ("JobUnknownFault", "no job j1")
    assert caught.value.record.Timestamp == STAMP
    delegation = Client(WMPROXY, server.url(index=1), http, port=DELEGATION)
    answer = delegation.call("getNewProxyReq").getNewProxyReqReturn
    assert (answer.proxyRequest, answer.delegationID) == ("pem", None)
    with pytest.raises(TypedFault, match="no such delegation") as caught:
        delegation.call("destroy", delegationID="x")
    assert caught.value.record.msg == "no such delegation"


@pytest.mark.parametrize(("path", "operation", "complaint"), [
    ("/busy", "GetJobFiles", "HTTP 503"), ("/html", "GetJobFiles", "something else|not SOAP"),
    ("/empty", "GetJobFiles", "cannot be read|not SOAP"), ("/other", "GetJobFiles", "something else"),
    ("/dtd", "GetJobFiles", "cannot be read|not SOAP"), ("/half", "GetJobFiles", "cannot be read|not SOAP"),
])  # fmt: skip
def test_answers_that_are_no_soap(
    server: Running, http: requests.Session, path: str, operation: str, complaint: str
) -> None:
    client = Client(PS, server.url(path, index=2), http)
    with pytest.raises(TransportError, match=complaint):
        client.call(operation, jobid="x")
    with pytest.raises(TransportError, match=complaint):
        list(client.stream(operation, "files", jobid="x"))


def test_bad_values_processing_instructions_and_faults_with_status_200(server: Running, http: requests.Session) -> None:
    with pytest.raises(TransportError, match="cannot be read"):
        Client(PS, server.url("/date", index=2), http).call(
            "StartUpload", job="j", class_="c", name="n", commitBefore=STAMP, contentType="t")
    with pytest.raises(TransportError, match="processing instructions"):
        list(Client(PS, server.url("/pi", index=2), http).stream("GetJobFiles", "files", jobid="x"))
    for way in (lambda client: client.call("GetJobFiles", jobid="x"),
                lambda client: list(client.stream("GetJobFiles", "files", jobid="x"))):
        with pytest.raises(Fault, match="^no$") as caught:
            way(Client(PS, server.url("/code", index=2), http))
        assert caught.value.faultcode == "Client"


def test_no_server_and_no_trust_are_transport_errors(server: Running, http: requests.Session) -> None:
    with pytest.raises(TransportError) as caught:
        Client(PS, "https://localhost:1/", http).call("GetJobFiles", jobid="x")
    assert caught.value.transient and not caught.value.broken_off
    assert str(caught.value) == "no answer from https://localhost:1/: Connection refused"
    with session(None, pki.ca_dir()) as anonymous, pytest.raises(TransportError) as caught:
        Client(PS, server.url(), anonymous).call("GetJobFiles", jobid="x")
    assert isinstance(caught.value.__cause__, requests.RequestException) and caught.value.broken_off
    assert "Pool" not in str(caught.value)


def test_a_server_that_our_rules_refuse_is_named_with_the_reason(server: Running, tmp_path: Path) -> None:
    """The certificate is revoked: OpenSSL would let it pass here, gsi.context does not."""
    known = ca.write_ca_directory(tmp_path / "certificates", [pki.authority()])
    revocations = known / f"{ca.subject_hash(pki.authority().certificate)}.r0"
    revocations.write_bytes(ca.revocation_list(pki.authority(), [pki.host().certificate]))
    with session(pki.proxy(), known) as http, pytest.raises(TransportError) as caught:
        Client(PS, server.url(), http).call("GetJobFiles", jobid="x")
    text = str(caught.value)
    assert "the server's certificate is not accepted: " in text and "revoked (check 22)" in text
    assert not caught.value.broken_off


def test_unknown_operation_and_child_are_errors_of_the_caller(client: Client) -> None:
    with pytest.raises(ValueError, match="has no operation 'Frobnicate'"):
        client.call("Frobnicate")
    with pytest.raises(KeyError):
        list(client.stream("GetJobFiles", "nonsense", jobid="x"))


def test_zeep_calls_our_server(server: Running, http: requests.Session) -> None:
    storage = zeep_client(PS, server.url(), http)
    assert storage.RegisterJob(job="https://lb:9000/x", owner="/CN=x") is None
    files = storage.GetJobFiles(jobid="two")
    assert [file["class"] for file in files] == ["urn:c", "urn:c"]
    assert files[0]["name"] == "žluť <0>"
    upload = storage.StartUpload(**{"job": "j", "class": "c", "name": "n", "commitBefore": STAMP, "contentType": "t"})
    assert upload["commitBefore"] == STAMP
    with pytest.raises(zeep.exceptions.Fault, match="An error occurred") as caught:
        storage.GetJobFiles(jobid="refused")
    assert caught.value.detail.findtext("fault/code") == "1"
    storage.RecordTag(jobid="j", tag={"name": "urn:x:t", "value": {"string": "v"}})


def test_zeep_calls_rpc_ports(server: Running, http: requests.Session) -> None:
    assert zeep_client(WMPROXY, server.url(index=1), http).getVersion() == "3.4.0"
    delegation = zeep_client(WMPROXY, server.url(index=1), http, port=DELEGATION)
    assert delegation.getNewProxyReq()["proxyRequest"] == "pem"
    with pytest.raises(zeep.exceptions.Fault, match="no such delegation"):
        delegation.destroy(delegationID="x")


def test_zeep_reads_the_wsdl_that_we_serve(server: Running, http: requests.Session) -> None:
    make_transport: Any = Transport
    make_client: Any = zeep.Client
    served = make_client(server.url("/jpps?wsdl"), transport=make_transport(session=http))
    assert served.service.GetJobFiles(jobid="two")[1]["url"] == "https://x/1"
