"""The requests recorded with the original server (jp-oracle/wire), and what this one answers to them."""

import errno
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from lxml import etree
from requests.adapters import BaseAdapter
from sqlalchemy import update

import sql
from jpps import schema
from jpps.attributes import OWNER, REGTIME, Origin, Value
from jpps.courier import SoapSender
from jpps.delivery import Record, Refused, Unreachable
from jpps.jobs import Job
from jpps.storage import Storage
from shared import SHARED, needs_shared
from unit.jpps import jpps_support
from unit.jpps.jpps_support import LB_SERVER, LB_URI, TRACES, USER, World

pytestmark = needs_shared

WIRE = SHARED / "data" / "jp-oracle" / "wire"
#: When the job of the recordings was registered, and the URLs of their server.
REGISTERED = datetime(2026, 11, 20, 12, 34, 56, tzinfo=UTC)
PREFIX = "gsiftp://localhost:8911/home/glite/jpps"
W1 = "https://lb.example.org:9000/w1"

#: Name of the recording → what this server does otherwise, always a defect of the original (README there, jp.md 8).
MENDED: dict[str, int | str | None] = {
    "ps-FeedIndexRefresh-unknown": errno.ENOENT,
    "ps-fault-missing-jobid": "Client",
}
#: What has to be there before: the job registered, uploaded to, uploaded and committed, tagged.
NEEDS = {
    "ps-RegisterJob": "nothing",
    "ps-StartUpload": "job",
    "ps-CommitUpload": "upload",
    "ps-fault-StartUpload-ENOENT-job": "nothing",
    "ps-fault-GetJobAttributes-ENOENT-job": "nothing",
}


def manifest() -> dict[str, dict[str, Any]]:
    if not WIRE.is_dir():
        return {}
    lines = (WIRE / "manifest.jsonl").read_text().splitlines()
    return {each["name"]: each for each in map(json.loads, lines) if each["name"].startswith("ps-")}


@pytest.fixture
def world(db_url: str, tmp_path: Path) -> World:
    return jpps_support.start(db_url, tmp_path / "storage")


def prepare(world: World, needs: str) -> None:
    """Bring the storage into the state in which the request was recorded."""
    world.storage.prefix = PREFIX
    if needs == "nothing":
        return
    world.register(W1)
    with sql.write(world.engine) as conn:
        conn.execute(update(schema.jobs).values(reg_time=REGISTERED))
    if needs == "job":
        return
    url = world.start(W1).destination
    place = world.storage.split_url(url)
    assert place is not None
    world.uploads.receive(*place, LB_SERVER, [(TRACES / "sample_job_tagged_done.log").read_bytes()])
    if needs == "upload":
        return
    world.uploads.commit(url, LB_SERVER)
    for content in ('va<l>&"ue', "second"):
        world.tag("http://my/ns:t1", content, W1)
    world.tag("http://my/ns:b1", b"\0\1\2\xff", W1)
    world.tag("http://my/ns:e1", "", W1)


def ask(world: World, name: str, caller: str) -> tuple[int, etree._Element]:
    """Send the recorded bytes; HTTP status and the child of the SOAP body."""
    answer = world.http(caller).post(
        "https://jpps.test/any/path", data=(WIRE / f"{name}.request.xml").read_bytes(),
        headers={"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '""'},
    )
    return answer.status_code, etree.fromstring(answer.content)[0][0]


def caller_of(entry: dict[str, Any]) -> str:
    dn: str = entry["note"].removeprefix("caller is ") if entry["note"].startswith("caller is") else entry["caller"]
    return dn


@pytest.mark.parametrize("name", list(manifest()))
def test_a_recorded_request_has_the_recorded_outcome(world: World, name: str) -> None:
    entry = manifest()[name]
    prepare(world, NEEDS.get(name, "all"))
    status, answer = ask(world, name, caller_of(entry))
    fault = entry["fault"]
    expected = MENDED.get(name, fault and (fault["detail"]["code"] if "detail" in fault else "Client"))
    assert status == (500 if expected else 200)
    if isinstance(expected, int):
        detail = answer.find("detail/fault")
        assert detail is not None
        assert detail.get("{http://www.w3.org/2001/XMLSchema-instance}type") == "jptype:genericFault"
        assert int(detail.findtext("code") or 0) == expected
        recorded = fault and fault["detail"].get("description")
        if expected in (errno.ENOENT, errno.EEXIST) and recorded:
            assert detail.findtext("description") == recorded
    elif expected:
        assert (answer.findtext("faultcode") or "").endswith(":Client")


def recorded_answer(name: str) -> etree._Element:
    raw = (WIRE / f"{name}.http").read_bytes()
    return etree.fromstring(raw[raw.index(b"\r\n\r\n") + 4 :])[0][0]


@pytest.mark.parametrize(
    "name", ["ps-StartUpload", "ps-GetJobAttributes-file", "ps-GetJobAttributes-string-blob", "ps-GetJobFiles"]
)
def test_answers_say_what_the_original_said(world: World, name: str) -> None:
    prepare(world, NEEDS.get(name, "all"))
    _, answer = ask(world, name, caller_of(manifest()[name]))
    assert lines(answer) == lines(mended(recorded_answer(name)))


def lines(element: etree._Element) -> list[tuple[str, str]]:
    """Every leaf with the path to it; what depends on the clock is left out."""
    found = []
    for leaf in element.iter():
        path = "/".join(str(each.tag).rpartition("}")[2] for each in reversed([leaf, *leaf.iterancestors()]))
        if len(leaf) == 0 and not (leaf.tag in ("timestamp", "commitBefore") and "FILE" not in siblings(leaf)):
            found.append((path.partition("Body/")[2], leaf.text or ""))
    return found


def siblings(leaf: etree._Element) -> set[str | None]:
    parent = leaf.getparent()
    return set() if parent is None else {each.text for each in parent}


def mended(answer: etree._Element) -> etree._Element:
    """The original lists a sandbox that nobody uploaded, and loses a blob that begins with a zero."""
    for element in answer.findall("files"):
        if element.findtext("class") == "urn:org.glite.jp.primary:isb":
            answer.remove(element)
    for element in answer.iter("blob"):
        element.text = "AAEC/w=="
    return answer


def test_a_blob_comes_back_as_it_was_recorded(world: World) -> None:
    prepare(world, "job")
    for name in ("ps-RecordTag-blob", "ps-RecordTag-emptystring"):
        assert ask(world, name, USER)[0] == 200
    assert world.values("http://my/ns:b1", "http://my/ns:e1", jobid=W1) == [
        ("http://my/ns:b1", b"\0\1\2\xff"), ("http://my/ns:e1", ""),
    ]


# ---- UpdateJobs as it goes out ----


class _Noting(BaseAdapter):
    """An index server that notes the request and gives the answer set."""

    def __init__(self, body: str = "<e:UpdateJobsResponse/>", status: int = 200) -> None:
        super().__init__()
        self.requests: list[requests.PreparedRequest] = []
        self._answer = (status, (
            '<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/" '
            f'xmlns:e="http://glite.org/wsdl/elements/jp"><S:Body>{body}</S:Body></S:Envelope>'
        ).encode())

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        self.requests.append(request)
        answer = requests.Response()
        answer.status_code, content = self._answer
        answer.raw, answer.request, answer.url = io.BytesIO(content), request, request.url or ""
        return answer

    def close(self) -> None:
        pass


def sender(noting: BaseAdapter) -> SoapSender:
    def connect() -> requests.Session:
        made = requests.Session()
        made.mount("https://", noting)
        return made

    return SoapSender(connect, "vm")


D1 = Job("d1", "https://lb.example.org:9000/d1", USER, datetime(2026, 11, 20, 12, 38, 40, tzinfo=UTC))


def test_update_jobs_is_the_call_that_the_original_made(tmp_path: Path) -> None:
    noting = _Noting()
    values = (
        Value(OWNER, USER, D1.registered, Origin.SYSTEM),
        Value(REGTIME, "1795178320.000000", D1.registered, Origin.SYSTEM),
    )
    sender(noting).send("https://localhost:8951", "bbWS1i99zzTNP2OxjOd8fg", [Record(D1, values)], False)
    [request] = noting.requests
    raw = (WIRE / "update-register.http").read_bytes()
    recorded = etree.fromstring(raw[raw.index(b"\r\n\r\n") + 4 :])[0][0]
    assert isinstance(request.body, bytes)
    sent = etree.fromstring(request.body)[0][0]
    assert canonical(sent) == canonical(recorded)


def canonical(element: etree._Element) -> bytes:
    return etree.tostring(element, method="c14n", exclusive=True)


def test_an_old_destination_means_tls_all_the_same() -> None:
    noting = _Noting()
    sender(noting).send("http://index.test:8902/x", "f", [], True)
    assert noting.requests[0].url == "https://index.test:8902/x"
    assert isinstance(noting.requests[0].body, bytes)
    assert b"<feedDone>true</feedDone>" in noting.requests[0].body


def test_blobs_and_origins_travel() -> None:
    noting = _Noting()
    value = Value("a:b", b"\0e", D1.registered, Origin.FILE, f"{LB_URI} ")
    sender(noting).send("https://x:1", "f", [Record(D1, (value,))], False)
    body = noting.requests[0].body
    assert isinstance(body, bytes)
    assert b"<blob>AGU=</blob>" in body
    assert f"<originDetail>{LB_URI} </originDetail>".encode() in body


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ("<S:Fault><faultcode>S:Server</faultcode><faultstring>no</faultstring></S:Fault>", 500, Refused),
        ("<S:Fault><faultcode>S:Client</faultcode><faultstring>no</faultstring></S:Fault>", 500, Refused),
        ("<e:SomethingElse/>", 200, Refused),
        ("", 413, Refused),
        ("", 503, Unreachable),
    ],
)
def test_only_the_right_answer_confirms(body: str, status: int, error: type[Exception]) -> None:
    with pytest.raises(error):
        sender(_Noting(body, status)).send("https://x:1", "f", [], True)


def test_storages_of_the_original_are_understood(tmp_path: Path) -> None:
    """The layout of the recordings: gsiftp URLs whose path is the path on disk (jp.md 2.4)."""
    storage = Storage(tmp_path, PREFIX)
    job = Job("w1", W1, USER, REGISTERED)
    assert storage.url(job, "lb") == recorded_answer("ps-StartUpload").findtext("destination")
