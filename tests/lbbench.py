"""What the tests of the LB server share: events as a producer writes them, a store without a network, a real server."""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, func, select

import pki
import sql
from gsi.peer import Peer, ProxyKind
from lb.model import ulm
from lb.model.jobid import JobId
from lb.model.status import Status
from lb.model.view import Flag
from lb.model.vocabulary import DIRECT, EXCLUSIVE
from lb.producer import make_event
from lb.server import schema
from lb.server.admission import Admission
from lb.server.authority import Authority
from lb.server.batch import StoreOptions
from lb.server.node import SCRIPTS, Node, Settings
from lb.server.policy import PolicyFile
from lb.server.queries import Queries
from lb.server.store import Store
from lb.storeproto import Reply
from testbed import ca
from tlsserver import free_port, serving

SERVER = "localhost:9000"
HOST_DN = "/DC=org/DC=example/CN=localhost"
USER_DN = pki.USER_DN
OTHER_DN = pki.OTHER_DN
#: Sources log with codes that count up, so that no event is late.


def peer(dn: str = USER_DN, *fqans: str) -> Peer:
    """A verified peer."""
    return Peer(dn, "", ProxyKind.NONE, False, (), datetime.now(UTC) + timedelta(hours=1), fqans)


def code(number: int) -> str:
    """A sequence code; a larger number is later."""
    return f"UI=000003:NS={number:010}:WM=000000:BH=0000000000:JSS=000000:LM=000000:LRMS=000000:APP=000000:LBS=000000"


def line(
    name: str, jobid: JobId, number: int = 1, user: str = USER_DN, /, *, priority: int = 0, **fields: Any
) -> bytes:
    """An event line; source: of the event, UserInterface by default; at: its time in seconds."""
    source = fields.pop("source", "UserInterface")
    at = fields.pop("at", 1_770_000_000 + number)
    values = {key.rstrip("_"): value for key, value in fields.items()}
    event = make_event(name, jobid, source, user, code(number), values, host="ui.example.org", priority=priority)
    return ulm.encode(ulm.write(replace(event, timestamp=(at, number))))


def registration(
    jobid: JobId, user: str = USER_DN, *, number: int = 0, exclusive: bool = False, **fields: Any
) -> bytes:
    """A RegJob line."""
    values = {"jdl": "[ Executable = \"x\" ]", "ns": "https://wms.example.org:7443/", "jobtype": "SIMPLE"} | fields
    return line("RegJob", jobid, number, user, priority=DIRECT | (EXCLUSIVE if exclusive else 0), **values)


def life(jobid: JobId, user: str = USER_DN, *, exit_code: int = 0) -> list[bytes]:
    """The events of a job that ran: registration, transfer, match, running, a tag, done."""
    return [
        registration(jobid, user),
        line("Accepted", jobid, 1, user, source="NetworkServer", from_="UserInterface", from_host="ui.example.org"),
        line("Match", jobid, 2, user, source="WorkloadManager", dest_id="ce.example.org:8443/local-short"),
        line("Running", jobid, 3, user, source="LogMonitor", node="wn1.example.org"),
        line("UserTag", jobid, 4, user, source="Application", name="Axis", value="x\ny"),
        line("Done", jobid, 5, user, source="LogMonitor", status_code="OK", exit_code=exit_code),
    ]


class Bench:
    """A server without network: its store, its questions and its database."""

    def __init__(
        self, db_url: str, policy: str | None = None, *, options: StoreOptions = StoreOptions("localhost", HOST_DN),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.engine: Engine = sql.engine(db_url)
        sql.migrate(self.engine, "lb", SCRIPTS)
        self.authority = Authority(HOST_DN, None if policy is None else PolicyFile.parse(policy))
        self.admission = Admission(SERVER, self.authority)
        self.store = Store(self.engine, self.admission, options, clock)
        self.queries = Queries(self.engine, self.authority, self.admission.is_ours)

    def log(self, *lines: bytes, by: str = USER_DN) -> list[Reply]:
        """Deliver lines as this peer, all at once."""
        return self.store.store(lines, peer(by))

    def must_log(self, lines: Iterable[bytes], by: str = USER_DN) -> None:
        """Deliver lines that have to be stored."""
        lines = list(lines)
        assert [reply for reply in self.log(*lines, by=by) if not reply.ok] == []

    def status(self, jobid: JobId, by: str = USER_DN, flags: Flag = Flag(0)) -> Status:
        """The status of a job as this peer sees it."""
        return self.queries.job_status(jobid, peer(by), flags)

    def count(self, table: str) -> int:
        """Rows of a table."""
        with sql.read(self.engine) as conn:
            return conn.execute(select(func.count()).select_from(schema.metadata.tables[table])).scalar_one()


# ---- a real server --------------------------------------------------------------------------------------------------


def settings(root: Path, db_url: str, **more: Any) -> Settings:
    """Settings of a server below `root` that exports to Job Provenance."""
    port = more.pop("port", None) or free_port(1, 3)
    certificate, key = root / "hostcert.pem", root / "hostkey.pem"
    if not certificate.exists():
        ca.save_pair(pki.host(), certificate, key)
    defaults = Settings(
        address="localhost", database=db_url, ca_dir=pki.ca_dir(), cert=certificate, key=key, port=port,
        ws_port=port + 3, listen="127.0.0.1", workers=1, purge=root / "purge", jpreg=root / "jpreg",
        jpdump=root / "jpdump", export=root / "lbexport",
    )
    return replace(defaults, **more)


@contextmanager
def running(chosen: Settings) -> Iterator[int]:
    """Run the server in a process of its own; yields its process id, stops it at the end."""
    node = Node(chosen)
    node.prepare()
    with serving(node.server()) as process:
        yield process.pid


def field(text: bytes, name: str) -> str:
    """A field of an event line, as it stands there."""
    found = re.search(rb"\b" + name.encode() + rb'="((?:[^"\\]|\\.)*)"', text)
    assert found, f"{name} is not in the line"
    return found[1].decode()


def by_job(lines: Sequence[bytes]) -> dict[str, list[bytes]]:
    """Lines by their job id, in order."""
    found: dict[str, list[bytes]] = {}
    for text in lines:
        found.setdefault(field(text, "DG.JOBID"), []).append(text)
    return found
