"""What the tests of the index server share: an index in a database, its service in this process, messages."""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import requests
from lxml import etree
from requests.adapters import BaseAdapter
from sqlalchemy import Engine

import soap.contract
import sql
from gsi.peer import Peer, ProxyKind
from gsi.peers import PeerList
from jpis import feeds, schema, service
from jpis.config import Configuration
from jpis.policy import IndexPolicy
from soap.client import Client
from soap.service import application

SERVER_DN = "/DC=org/DC=example/CN=localhost"
FEED_ID = "jwQEKKgSvX0LZkhz0J5HgA"
ENVELOPE = (
    '<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/" xmlns:e="http://glite.org/wsdl/elements/jp">'
    "<S:Body>%s</S:Body></S:Envelope>"
)


def peer(dn: str) -> Peer:
    """A verified identity."""
    return Peer(dn, dn, ProxyKind.NONE, False, (), datetime.now(UTC) + timedelta(days=1))


@dataclass
class Index:
    """An index server on a database, without network."""

    engine: Engine
    schema: schema.Schema
    restricted: Any
    """WSGI application with the own-jobs rule."""
    open: Any
    """The same with option -n."""

    def client(self, dn: str = SERVER_DN, *, open_to_all: bool = False) -> Client:
        """A client of the service that is `dn`."""
        return Client(
            soap.contract.load(service.CONTRACT), "https://jpis.test/",
            wsgi_session(self.open if open_to_all else self.restricted, dn),
        )

    def feed_ids(self) -> list[str | None]:
        with sql.read(self.engine) as conn:
            return [row.feedid for row in feeds.everything(conn)]


def start(
    db_url: str, configuration: Configuration, *, feed_id: str | None = None, force: bool = False, wipe: bool = False
) -> Index:
    """Start an index server as glite-jp-indexd does; `feed_id`: pretend that the first feed was granted this id."""
    engine = sql.engine(db_url)
    if wipe:
        schema.wipe(engine)
    tables = schema.prepare(engine, configuration)
    with sql.write(engine) as conn:
        feeds.load(conn, configuration, force=force)
        if feed_id is not None:
            feeds.change(conn, feeds.everything(conn)[0].uniqueid, feedid=feed_id)
    policy = IndexPolicy(PeerList(names=[SERVER_DN]), PeerList(names=[SERVER_DN]))
    contract = soap.contract.load(service.CONTRACT)
    apps = [
        application(contract, service.IndexServer(engine, tables, policy, open_to_all=everyone), policy=policy)
        for everyone in (False, True)
    ]
    return Index(engine, tables, *apps)


def post(app: Any, body: bytes, dn: str | None) -> tuple[int, bytes]:
    """Send a SOAP message; return HTTP status and the answer."""
    seen: list[str] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> None:
        seen.append(status)

    environ = {
        "REQUEST_METHOD": "POST", "PATH_INFO": "/", "QUERY_STRING": "", "CONTENT_TYPE": "text/xml; charset=utf-8",
        "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body), "wsgi.url_scheme": "https",
        "SERVER_NAME": "jpis.test", "SERVER_PORT": "443", "gsi.peer": None if dn is None else peer(dn),
        "wsgi.errors": io.StringIO(), "wsgi.input_terminated": True, "SCRIPT_NAME": "", "SERVER_PROTOCOL": "HTTP/1.1",
    }
    answer = b"".join(app(environ, start_response))
    return int(seen[0].split()[0]), answer


class _WsgiAdapter(BaseAdapter):
    """Carries requests to an application of this process: the client is the real one, only the wire is missing."""

    def __init__(self, app: Any, dn: str) -> None:
        super().__init__()
        self._app, self._dn = app, dn

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        body = request.body or b""
        data = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else b"".join(body)
        answer = requests.Response()
        answer.status_code, content = post(self._app, data, self._dn)
        answer.raw, answer.request, answer.url = io.BytesIO(content), request, request.url or ""
        answer.headers["Content-Type"] = "text/xml; charset=utf-8"
        return answer

    def close(self) -> None:
        pass


def wsgi_session(app: Any, dn: str) -> requests.Session:
    """A session whose every request goes to `app`, from `dn`."""
    made = requests.Session()
    made.mount("https://", _WsgiAdapter(app, dn))
    return made


def jobs_of(answer: bytes) -> list[dict[str, Any]]:
    """The jobs of a QueryJobsResponse in the form of the recorded answers (jp-oracle/README.md)."""
    return [_job(element) for element in etree.fromstring(answer).iter("jobs")]


def _job(element: Any) -> dict[str, Any]:
    return {
        "jobid": element.findtext("jobid"), "owner": element.findtext("owner"),
        "attributes": [_value(value) for value in element.findall("attributes")],
        "primaryStorage": [storage.text for storage in element.findall("primaryStorage")],
    }


def _value(element: Any) -> dict[str, str]:
    value = {"name": element.findtext("name")}
    for held in element.find("value"):
        value[held.tag] = held.text or ""
    for name in ("timestamp", "origin", "originDetail"):
        if (text := element.findtext(name)) is not None:
            value[name] = text
    return value


def comparable(jobs: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Jobs as a set, the values of each as a multiset."""
    return {
        job["jobid"]: (job["owner"], job["primaryStorage"], sorted(sorted(v.items()) for v in job["attributes"]))
        for job in jobs
    }


def fault_of(answer: bytes) -> tuple[str, int | None, str]:
    """(faultcode without prefix, errno, description) of a fault."""
    root = etree.fromstring(answer)
    (code,) = root.iter("faultcode")
    detail = next(root.iter("fault"), None)
    number = None if detail is None else int(detail.findtext("code") or 0)
    return (code.text or "").rpartition(":")[2], number, "" if detail is None else detail.findtext("description") or ""


def record(client: Client, jobid: str, owner: str | None, *values: tuple[Any, ...], **members: Any) -> Any:
    """A jobRecord; each of `values` is (name, content[, epoch[, origin[, detail]]])."""
    types = client.contract.types
    return types.jobRecord(
        jobid=jobid, owner=owner, attributes=[attribute(types, *value) for value in values], **members
    )


def attribute(
    types: Any, name: str, content: str | bytes | None, epoch: int | None = 7201, origin: str | None = "USER",
    detail: str | None = None,
) -> Any:
    """An attrValue."""
    value = None
    if content is not None:
        value = types.stringOrBlob(**{"blob" if isinstance(content, bytes) else "string": content})
    time = None if epoch is None else datetime.fromtimestamp(epoch, UTC)
    return types.attrValue(name=name, value=value, timestamp=time, origin=origin, originDetail=detail)


def condition(client: Client, attr: str, *records: tuple[Any, ...], origin: str | None = None) -> Any:
    """An indexQuery; each of `records` is (operator[, value[, value2]])."""
    types = client.contract.types
    made = []
    for op, *values in records:
        held = [types.stringOrBlob(**{"blob" if isinstance(v, bytes) else "string": v}) for v in values]
        made.append(types.indexQueryRecord(op, *held))
    return types.indexQuery(attr=attr, origin=origin, record=made)


def ask(client: Client, conditions: list[Any], attributes: list[str]) -> list[Any]:
    """The jobRecords that answer a query."""
    return list(client.stream("QueryJobs", child="jobs", conditions=conditions, attributes=attributes))


def told(job: Any) -> list[tuple[str, str | bytes, int, str, str | None]]:
    """The values of a jobRecord: (name, content, epoch, origin, detail)."""
    return [
        (
            v.name, v.value.string if v.value.string is not None else v.value.blob, int(v.timestamp.timestamp()),
            v.origin, v.originDetail,
        )
        for v in job.attributes
    ]
