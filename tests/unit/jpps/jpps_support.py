"""What the tests of the Primary Storage share: a storage in this process, clients of it, an index server that notes."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import requests
from requests.adapters import BaseAdapter
from sqlalchemy import Engine

import soap.contract
import sql
from gsi.peer import Peer, ProxyKind
from gsi.peers import PeerList
from jpps.attributes import Value
from jpps.collect import Sources
from jpps.delivery import FeedRun, Record
from jpps.plugins import registry
from jpps.rights import Rights
from jpps.service import PrimaryStorage
from jpps.storage import Storage
from jpps.transfer import Transfer
from jpps.uploads import Uploads
from shared import SHARED
from soap.client import Client
from soap.service import application

#: The callers of the recorded requests (jp-oracle/wire).
LB_SERVER = "/DC=ref/CN=LB Server"
USER = "/DC=ref/CN=Test User"
OTHER = "/DC=ref/CN=Other User"
PREFIX = "https://jpps.test:8901/jpps"
LB_URI = "urn:org.glite.jp.primary:lb"
LB = "http://egee.cesnet.cz/en/Schema/LB/Attributes"
SYSTEM = "http://egee.cesnet.cz/en/Schema/JP/System"
JOB = "https://lb.example.org:9000/w1"
JOB2 = "https://lb.example.org:9000/w2"
TRACES = SHARED / "data" / "lb-traces"

#: A job that was registered and aborted, in the form of a dump; the user tag has a name with a colon.
SMALL_DUMP = b"".join(
    b"DATE=20260313114125.%06d HOST=\"ui.example.org\" PROG=edg-wms LVL=SYSTEM DG.PRIORITY=0 DG.SOURCE=\"%b\" "
    b"DG.SRC_INSTANCE=\"\" DG.EVNT=\"%b\" DG.JOBID=\"https://lb.example.org:9000/w1\" DG.SEQCODE=\"UI=%06d:"
    b"NS=0000000000:WM=%06d:BH=0000000000:JSS=000000:LM=000000:LRMS=000000:APP=000000\" "
    b"DG.USER=\"/DC=ref/CN=Test User\" %b\n" % (number, source, event, ui, wm, fields)
    for number, (source, event, ui, wm, fields) in enumerate([
        (b"UserInterface", b"RegJob", 1, 0, b'DG.REGJOB.JDL="[ Executable = \\"/bin/true\\"; VirtualOrganisation = '
         b'\\"voce\\" ]" DG.REGJOB.NS="ns" DG.REGJOB.PARENT="" DG.REGJOB.JOBTYPE="SIMPLE" DG.REGJOB.NSUBJOBS="0" '
         b'DG.REGJOB.SEED=""'),
        (b"UserInterface", b"UserTag", 2, 0, b'DG.USERTAG.NAME="http://my/ns:size" DG.USERTAG.VALUE="17"'),
        (b"UserInterface", b"UserTag", 3, 0, b'DG.USERTAG.NAME="color" DG.USERTAG.VALUE="green"'),
        (b"WorkloadManager", b"Abort", 3, 1, b'DG.ABORT.REASON="no match"'),
    ])
)  # fmt: skip


def peer(dn: str) -> Peer:
    """A verified identity."""
    return Peer(dn, dn, ProxyKind.NONE, False, (), datetime.now(UTC) + timedelta(days=1))


@dataclass
class World:
    """A Primary Storage on a database, without network."""

    engine: Engine
    sources: Sources
    uploads: Uploads
    app: Transfer

    @property
    def storage(self) -> Storage:
        return self.sources.storage

    def http(self, dn: str | None) -> requests.Session:
        """A session whose every request goes to this storage, from `dn`."""
        made = requests.Session()
        made.mount("https://", _WsgiAdapter(self.app, dn))
        return made

    def client(self, dn: str | None = LB_SERVER) -> Client:
        """A client of the service that is `dn`."""
        return Client(soap.contract.load("JobProvenancePS"), PREFIX, self.http(dn))

    def register(self, *jobids: str, owner: str = USER) -> None:
        for jobid in jobids or (JOB,):
            self.client().call("RegisterJob", job=jobid, owner=owner)

    def start(self, jobid: str = JOB, dn: str = LB_SERVER, *, uri: str = LB_URI, name: str | None = None,
              before: datetime | None = None) -> Any:
        """Open an upload; its StartUploadResponse."""
        before = before or datetime.now(UTC) + timedelta(minutes=10)
        return self.client(dn).call(
            "StartUpload", job=jobid, class_=uri, name=name, commitBefore=before, contentType="text/lb"
        )

    def upload(self, data: bytes, jobid: str = JOB, *, uri: str = LB_URI, name: str | None = None) -> str:
        """Store a file; its URL."""
        url: str = self.start(jobid, uri=uri, name=name).destination
        assert self.http(LB_SERVER).put(url, data=data).status_code == 201
        self.client().call("CommitUpload", destination=url)
        return url

    def tag(self, name: str, content: str | bytes, jobid: str = JOB, dn: str = USER) -> None:
        client = self.client(dn)
        client.call("RecordTag", jobid=jobid, tag=client.contract.types.tagValue(name=name, value=value(content)))

    def values(self, *names: str, jobid: str = JOB, dn: str = USER) -> list[tuple[str, str | bytes]]:
        """Names and values that GetJobAttributes answers."""
        answer = self.client(dn).call("GetJobAttributes", jobid=jobid, attributes=list(names))
        return [(each.name, held(each.value)) for each in answer.attrValues]

    def feed(self, attributes: Sequence[str], conditions: Sequence[tuple[Any, ...]] = (), *, history: bool = False,
             continuous: bool = False, destination: str = "https://index.test:8902") -> str:
        """Subscribe; the feed's id. A condition is (attribute, operator[, value[, value2]])."""
        client = self.client()
        wanted = [condition(*each) for each in conditions or [(f"{SYSTEM}:owner", "EXISTS")]]
        feedid: str = client.call(
            "FeedIndex", destination=destination, attributes=list(attributes), conditions=wanted, history=history,
            continuous=continuous,
        ).feedId
        return feedid


def start(db_url: str, root: Path, *, open_to_all: bool = False, plugins: Sequence[str] = ("lb", "sandbox"),
          max_file: int = 1 << 20) -> World:
    """A Primary Storage as glite-jp-primarystoraged makes it; restarting is calling this again."""
    engine = sql.engine(db_url)
    sql.migrate(engine, "jpps")
    sources = Sources(Storage(root, PREFIX), registry.load(plugins))
    uploads = Uploads(engine, sources, max_file)
    peers = PeerList(names=[LB_SERVER])
    rights = Rights(peers, peers, open_to_all)
    handler = PrimaryStorage(engine, sources, uploads, rights)
    operations = application(soap.contract.load("JobProvenancePS"), handler, policy=rights)
    return World(engine, sources, uploads, Transfer(engine, sources.storage, uploads, rights, operations))


def value(content: str | bytes) -> Any:
    """A stringOrBlob."""
    kind = "blob" if isinstance(content, bytes) else "string"
    return soap.contract.load("JobProvenancePS").types.stringOrBlob(**{kind: content})


def held(record: Any) -> str | bytes:
    """What a stringOrBlob holds."""
    content: str | bytes = record.string if record.string is not None else record.blob
    return content


def condition(attr: str, op: str, *values: str | bytes, origin: str | None = None) -> Any:
    """A primaryQuery."""
    types = soap.contract.load("JobProvenancePS").types
    given = dict(zip(("value", "value2"), map(value, values), strict=False))
    return types.primaryQuery(attr=attr, op=op, origin=origin, **given)


@dataclass
class Told:
    """One UpdateJobs."""

    feedid: str
    done: bool
    records: list[Record]

    @property
    def jobs(self) -> list[str]:
        return [record.job.jobid for record in self.records]

    @property
    def contents(self) -> list[tuple[str, str | bytes]]:
        return [(each.name, each.content) for record in self.records for each in record.values]


@dataclass
class Index:
    """An index server that notes what it is told. `trouble`: what to raise instead, call by call."""

    told: list[Told] = field(default_factory=list)
    trouble: list[Exception | None] = field(default_factory=list)
    poison: set[str] = field(default_factory=set)

    def send(self, destination: str, feedid: str, records: Sequence[Record], done: bool) -> None:
        from jpps.delivery import Refused

        if self.trouble and (error := self.trouble.pop(0)) is not None:
            raise error
        if any(record.job.jobid in self.poison for record in records):
            raise Refused("I do not like it")
        self.told.append(Told(feedid, done, list(records)))

    def values(self) -> list[Value]:
        return [each for told in self.told for record in told.records for each in record.values]


def deliver(world: World, index: Index, feedid: str) -> list[Told]:
    """Deliver all that can be delivered now; what is told by that."""
    before = len(index.told)
    run = FeedRun(world.engine, world.sources, index, 360)
    while run.step(feedid):
        pass
    return index.told[before:]


class _WsgiAdapter(BaseAdapter):
    """Carries requests to an application of this process: the client is the real one, only the wire is missing."""

    def __init__(self, app: Any, dn: str | None) -> None:
        super().__init__()
        self._app, self._dn = app, dn

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        seen: list[Any] = []
        answer = requests.Response()
        content = b"".join(self._app(_environ(request, self._dn), lambda *started: seen.append(started)))
        status, headers = seen[-1][:2]
        answer.status_code, answer.reason = int(status.split()[0]), status
        answer.raw, answer.request, answer.url = io.BytesIO(content), request, request.url or ""
        answer.headers.update(dict(headers))
        return answer

    def close(self) -> None:
        pass


def _environ(request: requests.PreparedRequest, dn: str | None) -> dict[str, Any]:
    body: Any = request.body or b""
    data = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else b"".join(body)
    path, _, query = (request.path_url or "/").partition("?")
    environ = {
        "REQUEST_METHOD": request.method, "PATH_INFO": unquote(path).encode().decode("latin-1"),
        "QUERY_STRING": query, "wsgi.input": io.BytesIO(data), "wsgi.url_scheme": "https", "SERVER_NAME": "jpps.test",
        "SERVER_PORT": "8901", "gsi.peer": None if dn is None else peer(dn), "wsgi.errors": io.StringIO(),
        "wsgi.input_terminated": True, "SCRIPT_NAME": "", "SERVER_PROTOCOL": "HTTP/1.1",
    }
    for name, text in request.headers.items():
        variable = name.upper().replace("-", "_")
        environ[variable if variable in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{variable}"] = text
    return environ
