"""A gSOAP C program, generated and compiled here, calls our server over TLS with a proxy and reads a typed fault."""

import errno
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import pki
from gsi.authz import Access, requires
from gsoap import JpClient, build_jp_client, needs_gsoap
from httpg.server import Listener
from httpg.wsgi import HttpProtocol
from soap import contract
from soap.faults import PosixFault
from soap.service import Call, application, not_yet
from soapcalls import Recorder, Rule
from tlsserver import Running, running

pytestmark = [pytest.mark.real, needs_gsoap]

PS = contract.load("JobProvenancePS")
IS = contract.load("JobProvenanceIS")
JOB = "https://lb.example.org:9000/gsoap-1"
STAMP = datetime(2006, 5, 12, 20, 20, 7, tzinfo=UTC)


class Storage(Recorder):
    """Registers each job once; answers the caller's name, a blob and a tag without value."""

    @requires(Access.TRUSTED_PEER)
    def register_job(self, call: Call, *, job: str, owner: str) -> None:  # type: ignore[override]
        if ("RegisterJob", {"job": job}) in self.calls:
            inner = PosixFault(errno.EEXIST, "the row is there", source="insert")
            raise PosixFault(errno.EEXIST, "job <already> registered & kept", reason=inner)
        self.calls.append(("RegisterJob", {"job": job}))

    @requires(Access.JOB_OWNER)
    def get_job_attributes(self, call: Call, *, jobid: str, attributes: list[str]) -> Mapping[str, Any]:  # type: ignore[override]
        assert call.peer is not None
        types = PS.types
        values = [types.stringOrBlob(string=call.peer.dn), types.stringOrBlob(blob=b"\x00\xff"), None]
        return {"attrValues": [
            types.attrValue(name=name, value=value, timestamp=STAMP, origin="USER", originDetail=None)
            for name, value in zip(attributes, values, strict=True)
        ]}  # fmt: skip


class Index:
    """Answers the query itself, and many jobs when asked for them."""

    @requires(Access.AUTHENTICATED)
    def query_jobs(self, call: Call, *, conditions: list[Any], attributes: list[str]) -> Mapping[str, Any]:
        return {"jobs": self._jobs(conditions[0], attributes)}

    def _jobs(self, condition: Any, attributes: list[str]) -> Iterator[Any]:
        types = IS.types
        value = condition.record[0].value
        for number in range(2000 if value.string == "many" else 2):
            yield types.jobRecord(
                jobid=f"{JOB}-{number}", owner="/CN=Someone", primaryStorage=["https://localhost:8901"],
                attributes=[types.attrValue(name=name, value=value, timestamp=STAMP, origin="FILE",
                                            originDetail="urn:org.glite.jp.primary:lb ") for name in attributes],
            )

    update_jobs = not_yet(Access.TRUSTED_PEER)
    add_feed = not_yet(Access.ADMIN)
    get_feed_ids = not_yet(Access.ADMIN)
    delete_feed = not_yet(Access.ADMIN)
    server_configuration = not_yet(Access.ADMIN)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> JpClient:
    program = build_jp_client(tmp_path_factory.mktemp("gsoap"))
    return JpClient(program, pki.proxy_file(), pki.ca_dir())


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    handlers = [(PS, Storage()), (IS, Index())]
    listeners = [
        Listener("127.0.0.1", 0, lambda known=known, handler=handler: HttpProtocol(  # type: ignore[misc]
            application(known, handler, policy=Rule())))
        for known, handler in handlers
    ]
    with running(listeners, pki.host(), pki.ca_dir(), workers=1) as process:
        yield process


def test_register_job_and_decode_the_fault(client: JpClient, server: Running, tmp_path: Path) -> None:
    job = f"{JOB}-{tmp_path.name}"
    assert client("register", server.url("/jpps"), job, pki.USER_DN).lines == ["registered"]
    again = client("register", server.url("/jpps"), job, pki.USER_DN)
    links = ["RegisterJob 17 File exists (job <already> registered & kept)", "insert 17 File exists (the row is there)"]
    assert again.status == 1
    assert again.lines == [
        "faultcode SOAP-ENV:Server faultstring An error occurred, see detail",
        *(f"fault: {link}" for link in links), *(f"genericFault: {link}" for link in links),
    ]  # fmt: skip


def test_get_job_attributes(client: JpClient, server: Running) -> None:
    done = client("attributes", server.url(), JOB, "urn:a:dn", "urn:a:blob", "urn:a:none")
    assert done.lines == [
        f"{JOB} urn:a:dn string={pki.USER_DN} 2006-05-12T20:20:07Z 1 -",
        f"{JOB} urn:a:blob blob=00ff 2006-05-12T20:20:07Z 1 -",
        f"{JOB} urn:a:none - 2006-05-12T20:20:07Z 1 -",
    ]  # fmt: skip


def test_query_jobs(client: JpClient, server: Running) -> None:
    done = client("query", server.url(index=1), "urn:a:status", "žluť <&>", "urn:a:status")
    assert done.lines == [line for number in (0, 1) for line in (
        f"{JOB}-{number} owner=/CN=Someone storage=https://localhost:8901",
        f"{JOB}-{number} urn:a:status string=žluť <&> 2006-05-12T20:20:07Z 2 urn:org.glite.jp.primary:lb ",
    )]  # fmt: skip


def test_query_jobs_streamed_in_chunks(client: JpClient, server: Running) -> None:
    done = client("query", server.url(index=1), "urn:a:status", "many", "urn:a:x", "urn:a:y")
    assert done.status == 0, done.errors
    assert len(done.lines) == 2000 * 3
    assert done.lines[-1].startswith(f"{JOB}-1999 urn:a:y string=many")
