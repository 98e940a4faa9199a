"""The LB server as its clients meet it: store port, web service, query port, over TLS (lb.md 4, 5.3, 6)."""

import errno
import os
import re
import signal
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import requests
from lxml import etree

import pki
from gsi.context import client_ssl_context
from gsi.credential import Credential
from httpg.client import session
from lb import storeproto
from lb.client import LbClient
from lb.model import jobid as ids
from lb.model.jobid import JobId
from lb.producer import Producer, ProducerError
from lb.server import nativexml
from lb.server.errors import LbError
from lb.server.node import Settings
from lb.server.storeport import MAX_MESSAGE
from lb.storeclient import StoreConnection
from lb.storeproto import Reply
from lbbench import OTHER_DN, USER_DN, life, line, registration, running, settings
from shared import SHARED, needs_shared
from soap.contract import load
from soap.faults import PosixFault
from spool.maildir import Maildir
from tlsserver import free_port, is_free, wait_for

HEADERS = {
    "Content-Type": "application/x-dglb", "Accept": "application/x-dglb", "Cache-Control": "no-cache",
    "User-Agent": "edg_wll_Api/3.0/3.0",
}


@dataclass
class Lb:
    """A server that runs."""

    chosen: Settings

    def new(self) -> JobId:
        return ids.new(self.chosen.server)

    def sender(self, who: Credential) -> StoreConnection:
        return StoreConnection(self.chosen.server, who, pki.ca_dir())

    def log(self, *lines: bytes, by: Credential | None = None) -> list[Reply]:
        sender = self.sender(by or pki.user())
        try:
            return sender.deliver_all(lines)
        finally:
            sender.close()

    def client(self, who: Credential | None = None, *, query_port: bool = False) -> LbClient:
        port = self.chosen.port if query_port else self.chosen.ws_port
        return LbClient(f"https://localhost:{port}/", session(who or pki.proxy(), pki.ca_dir()))

    def post(self, path: str, body: str, who: Credential | None = None, **headers: str) -> requests.Response:
        with session(who or pki.host(), pki.ca_dir()) as connection:
            return connection.post(
                f"https://localhost:{self.chosen.port}{path}", data=body.encode(), headers=HEADERS | headers
            )

    def get(self, path: str) -> requests.Response:
        with session(pki.user(), pki.ca_dir()) as connection:
            return connection.get(f"https://localhost:{self.chosen.port}{path}")


@pytest.fixture(scope="module")
def lb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lb]:
    root = tmp_path_factory.mktemp("lb")
    chosen = settings(root, f"sqlite:///{root / 'lb.db'}", workers=2)
    with running(chosen):
        yield Lb(chosen)


# ---- store port -----------------------------------------------------------------------------------------------------


def test_a_job_is_registered_with_a_proxy_and_followed(lb: Lb) -> None:
    job = lb.new()
    code = Producer(pki.proxy(), pki.ca_dir()).register(
        job, jdl="[ Executable = \"/bin/date\" ]", ns="https://wms:7443/", source="UserInterface"
    )
    assert code.startswith("UI=000002:")
    client = lb.client()
    status = client.job_status(str(job), ["CLASSADS"])
    assert (status.state, status.owner, status.jdl) == ("SUBMITTED", USER_DN, "[ Executable = \"/bin/date\" ]")
    assert status.doneCode is None
    assert lb.log(*life(job)[1:], by=pki.host()) == [storeproto.OK] * 5
    status = client.job_status(str(job))
    assert (status.state, status.doneCode, status.exitCode, status.jdl) == ("DONE", "OK", 0, None)
    assert [(tag.tag, tag.value) for tag in status.userTags] == [("axis", "x\ny")]


def test_registration_trouble_is_told(lb: Lb) -> None:
    job = lb.new()
    assert lb.log(registration(job, OTHER_DN), by=pki.other()) == [storeproto.OK]
    with pytest.raises(ProducerError, match="different owner") as refused:
        Producer(pki.user(), pki.ca_dir()).register(job, jdl="[]", ns="NS", source="UserInterface")
    assert (refused.value.code, refused.value.transient) == (errno.EPERM, False)


def test_many_messages_on_one_connection(lb: Lb) -> None:
    job = lb.new()
    sender = lb.sender(pki.user())
    try:
        assert sender.deliver(registration(job)).ok
        for number in range(1, 4):
            lines = [line("UserTag", job, 100 * number + n, source="Application", name=f"n{n}", value="v")
                     for n in range(100)]
            assert all(reply.ok for reply in sender.deliver_all(lines))
        assert sender.deliver(b"nonsense").minor == 1401
        assert sender.deliver(line("Cancel", job, 999, status_code="REQ")).ok
    finally:
        sender.close()
    assert len(lb.client().job_log(str(job))) == 302


@needs_shared
def test_the_captured_exchange_is_answered_with_the_captured_bytes(tmp_path: Path) -> None:
    """A registration as the original client sent it, to the server that its job id names: host and port included."""
    recorded = (SHARED / "captures/lb-native/01-register-direct-9001.txt").read_bytes()
    request, answer = (
        recorded[match.end():match.end() + int(match[1])]
        for match in re.finditer(rb"##### \S+ pid=\d+ \w+ len=(\d+) [^\n]*\n", recorded)
    )
    port = free_port(1, 3)
    old, new = b"localhost:9000", b"localhost:%d" % port
    assert len(old) <= len(new) <= len(old) + 1
    grown = len(new) - len(old)
    request = request.replace(old, new)
    if grown:
        request = request.replace(b"%16d\n" % 674, b"%16d\n" % 675).replace(b"\n660 DATE", b"\n661 DATE")
    chosen = settings(tmp_path, f"sqlite:///{tmp_path / 'lb.db'}", port=port)
    with running(chosen):
        assert _raw(chosen, request, len(answer)) == answer
        assert _raw(chosen, request * 3, 3 * len(answer)) == answer * 3


def _raw(chosen: Settings, request: bytes, size: int) -> bytes:
    context = client_ssl_context(pki.user(), pki.ca_dir())
    received = b""
    with socket.create_connection(("127.0.0.1", chosen.port + 1), 60) as plain, \
            context.wrap_socket(plain, server_hostname="localhost") as tls:
        tls.sendall(request)
        while len(received) < size and (piece := tls.recv(65536)):
            received += piece
    return received


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"%16d\n" % (1 << 40), b"\0" * 100])
def test_what_is_no_store_protocol_is_told_so_and_cut_off(lb: Lb, data: bytes) -> None:
    received = _raw(lb.chosen, data, 1 << 20)
    [body] = storeproto.Decoder().feed(received)
    assert isinstance(body, bytes)
    reply = storeproto.decode_reply(body)
    assert reply.major == 400 and "store protocol error" in reply.text


def test_a_message_over_the_limit_is_refused_and_the_next_one_read(lb: Lb) -> None:
    job = lb.new()
    replies = lb.log(b"x" * (MAX_MESSAGE + 1), registration(job))
    assert [reply.major for reply in replies] == [400, 0]


def test_nobody_gets_in_without_a_certificate(lb: Lb) -> None:
    context = ssl.create_default_context(capath=str(pki.ca_dir()))
    with socket.create_connection(("127.0.0.1", lb.chosen.port + 1), 60) as plain, pytest.raises(OSError), \
            context.wrap_socket(plain, server_hostname="localhost") as tls:
        tls.sendall(storeproto.encode_event(registration(lb.new())))
        assert not tls.recv(100)
        raise ConnectionResetError("closed without a word")


# ---- web service ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("query_port", [False, True], ids=["port 9003", "port 9000"])
def test_the_versions(lb: Lb, query_port: bool) -> None:
    client = lb.client(query_port=query_port)
    assert client.version() == "3.0.18"
    assert client._client.call("GetInterfaceVersion").version == "4.0.9"
    assert client._client.call("GetServerLimit").limit == 0
    attributes = [condition.attr for condition in client._client.call("GetIndexedAttrs").attrs]
    assert attributes == ["JOBID", "OWNER", "LOCATION", "DESTINATION", "PARENT", "LASTUPDATETIME"]


def test_user_jobs_are_those_of_the_caller(lb: Lb) -> None:
    mine, other = lb.new(), lb.new()
    assert lb.log(registration(mine))[0].ok
    assert lb.log(registration(other, OTHER_DN), by=pki.other())[0].ok
    found = lb.client(pki.other()).user_jobs()
    assert str(other) in found.jobs and str(mine) not in found.jobs
    assert len(found.jobs) == len(found.states)
    assert all(status.owner == OTHER_DN for status in found.states)
    assert [status.jobId for status in found.states] == found.jobs


def _fault(code: int, description: str, call: Any, *args: Any) -> None:
    with pytest.raises(PosixFault) as refused:
        call(*args)
    assert (refused.value.code, refused.value.description) == (code, description)


def test_refusals_of_the_web_service(lb: Lb) -> None:
    foreign = lb.new()
    assert lb.log(registration(foreign, OTHER_DN), by=pki.other())[0].ok
    client = lb.client()
    _fault(errno.ENOENT, "no matching jobs found", client.job_status, str(lb.new()))
    _fault(errno.EPERM, "not owner", client.job_status, str(foreign))
    _fault(errno.ENOENT, "no matching events found", client.job_log, str(lb.new()))
    _fault(errno.EPERM, "not owner", client.job_log, str(foreign))
    elsewhere = "https://elsewhere.org:9000/abc"
    _fault(errno.EINVAL, f"{elsewhere} does not match the address of this server", client.job_status, elsewhere)
    with pytest.raises(PosixFault) as refused:
        client.job_status("no job id")
    assert refused.value.code == errno.EINVAL
    with pytest.raises(PosixFault) as refused:
        client._client.call("NotifDrop", notifId="https://localhost:9000/NOTIF:x")
    assert refused.value.code == errno.ENOSYS
    assert lb.client(pki.host()).job_status(str(foreign)).state == "SUBMITTED"


def test_events_come_back_in_the_order_of_arrival(lb: Lb) -> None:
    job = lb.new()
    assert all(reply.ok for reply in lb.log(*life(job)))
    events = lb.client().job_log(str(job))
    names = [next(name for name in event.__slots__ if getattr(event, name) is not None) for event in events]
    assert names == ["RegJob", "Accepted", "Match", "Running", "UserTag", "Done"]
    done = events[-1].Done
    assert (done.statusCode, done.exitCode, done.source, done.user) == ("OK", 0, "LogMonitor", USER_DN)
    assert done.arrived.tvUsec == 0 and done.timestamp.tvUsec == 5


def test_queries_by_condition(lb: Lb) -> None:
    types = load("LB").types
    jobs = [lb.new() for _ in range(3)]
    for number, job in enumerate(jobs):
        assert all(reply.ok for reply in lb.log(*life(job, exit_code=number + 40)))
    value = types.queryRecValue

    def ask(*conditions: Any) -> set[str]:
        mine = types.queryConditions(attr="OWNER", record=[types.queryRecord(op="EQUAL", value1=value(c="NULL"))])
        found = lb.client().query_jobs([mine, *conditions])
        assert [status.jobId for status in found.states] == found.jobs
        return set(found.jobs) & set(map(str, jobs))

    def condition(attr: str, op: str, first: Any, second: Any = None, **more: str) -> Any:
        return types.queryConditions(attr=attr, record=[types.queryRecord(op=op, value1=first, value2=second)], **more)

    first, second, third = map(str, jobs)
    assert ask() == {first, second, third}
    assert ask(condition("EXITCODE", "GREATER", value(i=40))) == {second, third}
    assert ask(condition("EXITCODE", "WITHIN", value(i=40), value(i=41))) == {first, second}
    assert ask(condition("USERTAG", "EQUAL", value(c="x\ny"), tagName="Axis")) == {first, second, third}
    _fault(errno.ENOENT, "no matching jobs found", ask, condition("USERTAG", "EQUAL", value(c="z"), tagName="axis"))
    assert ask(condition("DESTINATION", "EQUAL", value(c="ce.example.org:8443/local-short"))) == {first, second, third}
    entered = types.timeval(tvSec=1_770_000_005, tvUsec=0)
    assert ask(condition("TIME", "EQUAL", value(t=entered), statName="DONE")) == {first, second, third}
    _fault(1416, "No indexed condition in query", lb.client().query_jobs, [condition("EXITCODE", "EQUAL", value(i=0))])
    _fault(errno.EINVAL, "CHANGED makes sense in notifications only", ask, condition("STATUS", "CHANGED", value(i=1)))


# ---- query port: purge ----------------------------------------------------------------------------------------------

STATES = ("Undefined", "Submitted", "Waiting", "Ready", "Scheduled", "Running", "Done", "Cleared", "Aborted",
          "Cancelled", "Unknown", "Purged")


def purge_request(jobs: list[JobId], flags: str) -> str:
    """As the original client writes it (capture 50c)."""
    listed = "".join(f"\t\t<jobId>{job}</jobId>\r\n" for job in jobs)
    ages = "".join(f"\t\t<{state}>-1</{state}>\r\n" for state in STATES)
    return (f"<edg_wll_PurgeRequest>\r\n\t<jobs>\r\n{listed}\t</jobs>\r\n\t<timeout>\r\n{ages}\t</timeout>\r\n"
            f"\t<flags>{flags}</flags>\r\n</edg_wll_PurgeRequest>\r\n")


def test_a_purge_from_the_request_to_the_zombie(lb: Lb) -> None:
    job, kept = lb.new(), lb.new()
    assert all(reply.ok for reply in lb.log(*life(job), registration(kept)))
    dry = lb.post("/purgeRequest", purge_request([job], "list_jobs"))
    assert (dry.status_code, dry.headers["Content-Type"], dry.headers["Server"]) == (
        200, "application/x-dglb", "edg_wll_Server/3.0/3.0")
    assert dry.content == f"<edg_wll_PurgeResult>\r\n\t<jobs>\r\n\t\t<jobId>{job}</jobId>\r\n\t</jobs>\r\n" \
                          "</edg_wll_PurgeResult>\r\n".encode()
    client = lb.client()
    assert client.job_status(str(job)).state == "DONE"
    answer = lb.post("/purgeRequest", purge_request([job], "really_purge+list_jobs+server_dump"))
    assert answer.status_code == 200
    root = etree.fromstring(answer.content)
    dump = Path(root.findtext("server_file") or "")
    assert dump.parent == lb.chosen.purge and len(dump.read_bytes().splitlines()) == len(life(job))
    _fault(errno.EIDRM, "matching job already purged", client.job_status, str(job))
    _fault(errno.ENOENT, "no matching events found", client.job_log, str(job))
    mine = client.user_jobs().jobs
    assert str(kept) in mine and str(job) not in mine
    again = lb.post("/purgeRequest", purge_request([job], "really_purge+list_jobs"))
    assert again.status_code == 410
    assert b'<edg_wll_PurgeResult code="43" desc="matching job already purged">' in again.content
    assert lb.chosen.jpdump is not None
    told = Maildir(lb.chosen.jpdump)
    assert any(str(job).encode() in path.read_bytes() for path in (told.root / "new").iterdir())


@pytest.mark.parametrize(("who", "body", "status", "code"), [
    ("user", purge_request([], "really_purge"), 401, errno.EPERM),
    ("host", purge_request([], "client_dump"), 501, errno.ENOSYS),
    ("host", purge_request([], "really_purge+everything"), 579, errno.EINVAL),
    ("host", purge_request([ids.new("elsewhere.org")], "list_jobs"), 579, errno.EINVAL),
    ("host", purge_request([ids.new("localhost")], "list_jobs"), 579, errno.EINVAL),
    ("host", "<edg_wll_PurgeRequest><timeout><Done>soon</Done></timeout></edg_wll_PurgeRequest>", 579, errno.EINVAL),
    ("host", "<edg_wll_PurgeRequest><timeout><Nap>1</Nap></timeout></edg_wll_PurgeRequest>", 579, errno.EINVAL),
    ("host", "<other/>", 579, errno.EINVAL),
    ("host", "no xml", 400, errno.EINVAL),
    ("host", "<!DOCTYPE x [<!ENTITY a 'b'>]><edg_wll_PurgeRequest>&a;</edg_wll_PurgeRequest>", 400, errno.EINVAL),
])
def test_a_bad_purge_request_is_refused(lb: Lb, who: str, body: str, status: int, code: int) -> None:
    answer = lb.post("/purgeRequest", body, {"user": pki.user, "host": pki.host}[who]())
    assert answer.status_code == status
    root = etree.fromstring(answer.content)
    assert root.tag == "edg_wll_PurgeResult" and root.get("code") == str(code) and root.get("desc")


def test_an_unknown_job_is_not_found(lb: Lb) -> None:
    answer = lb.post("/purgeRequest", purge_request([lb.new()], "really_purge"))
    assert (answer.status_code, etree.fromstring(answer.content).get("code")) == (404, "2")


def test_a_purge_in_the_background_is_accepted_and_done(lb: Lb) -> None:
    job = lb.new()
    assert all(reply.ok for reply in lb.log(*life(job)))
    answer = lb.post("/purgeRequest", purge_request([job], "really_purge+background"))
    assert answer.status_code == 202

    def gone() -> bool:
        try:
            return lb.client().job_status(str(job)) is None
        except PosixFault as fault:
            return fault.code == errno.EIDRM

    wait_for(gone)


def test_what_is_not_built_says_so(lb: Lb) -> None:
    answer = lb.post("/queryJobs", "<edg_wll_QueryJobsRequest/>")
    assert answer.status_code == 501
    assert answer.content.startswith(
        b'<edg_wll_QueryJobsResult code="38" desc="/queryJobs is not available in this release">'
    )
    assert lb.get("/").status_code == 501
    assert lb.get("/?version").text == "3.0.18"
    assert b"LoggingAndBookkeepingPortType" in lb.get("/?wsdl").content
    with session(pki.user(), pki.ca_dir()) as connection:
        assert connection.put(f"https://localhost:{lb.chosen.port}/x", data=b"x").status_code == 405


def test_words_of_the_native_protocol_are_sent_as_utf_8() -> None:
    answer = nativexml.refusal("edg_wll_DumpResult", LbError(errno.ENOSYS, "<\u010dekej>\n"))
    assert answer == b'<edg_wll_DumpResult code="38" desc="&lt;\xc4%8dekej&gt;%0a">\r\n</edg_wll_DumpResult>\r\n'


# ---- registration export, restarts ----------------------------------------------------------------------------------


def test_registrations_reach_the_maildir(lb: Lb) -> None:
    job = lb.new()
    assert lb.log(registration(job))[0].ok
    assert lb.chosen.jpreg is not None
    new = lb.chosen.jpreg / "new"
    wanted = f"{job}\n{USER_DN}".encode()
    wait_for(lambda: any(path.read_bytes() == wanted for path in new.iterdir()))


def test_what_was_answered_survives_kill_9(tmp_path: Path, db_url: str) -> None:
    chosen = settings(tmp_path, db_url)
    server = Lb(chosen)
    job = server.new()
    with running(replace(chosen, jpreg=None)) as pid:
        assert all(reply.ok for reply in server.log(*life(job)))
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: all(is_free(port) for port in (chosen.port, chosen.port + 1, chosen.ws_port)))
    with running(chosen):
        assert server.client().job_status(str(job)).state == "DONE"
        assert len(server.client().job_log(str(job))) == len(life(job))
        assert all(reply.ok for reply in server.log(*life(job)))  # sent again: nobody knows what was answered
        assert len(server.client().job_log(str(job))) == len(life(job))

