"""Real servers around the WMProxy for its tests: an LB server, the WMProxy itself, users with proxies."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import requests

import lbbench
import pki
import tlsserver
from gsi.credential import Credential
from gsi.proxy import create_proxy, sign_request
from httpg.client import session
from lb.client import LbClient
from lb.model import ulm
from lb.model.events import Event
from lb.model.jobid import JobId
from lb.producer import Producer, make_event
from lb.storeclient import StoreConnection
from shared import ROOT
from soap.client import Client
from soap.contract import load
from spool.eventfile import EventFiles
from testbed import ca
from wms.config import Common, Settings, WmProxy
from wms.jobdirectory import JobDirectory
from wms.queue import Command, Queue, read
from wms.wmproxy.delegation import DELEGATION_2
from wms.wmproxy.main import make_server, prepare

GLUE = ROOT / "etc" / "glue.ldif"
HELLO = 'Executable = "/bin/echo"; Arguments = "hello"; StdOutput = "out"; OutputSandbox = { "out" };'


def host_files(root: Path) -> tuple[Path, Path]:
    """The host credential of all servers in two files."""
    paths = root / "hostcert.pem", root / "hostkey.pem"
    if not paths[0].exists():
        ca.save_pair(pki.host(), *paths)
    return paths


@contextmanager
def lb_server(root: Path) -> Iterator[str]:
    """An LB server on SQLite; yields its name in job ids."""
    root.mkdir(parents=True, exist_ok=True)
    chosen = lbbench.settings(root, f"sqlite:///{root / 'lb.db'}", jpreg=None, jpdump=None, export=None)
    with lbbench.running(chosen):
        yield chosen.server


def settings(root: Path, *lb_servers: str, **wmproxy: Any) -> Settings:
    """Settings of a WMProxy with everything below *root*."""
    root.mkdir(parents=True, exist_ok=True)
    cert, key = host_files(root)
    common = Common(
        document_root=root / "wms",
        queue_directory=root / "queue",
        event_prefix=root / "events" / "dglogd.log",
        host_certificate=cert,
        host_key=key,
        ca_directory=pki.ca_dir(),
        glue_file=GLUE,
        host="localhost",
        lb_servers=lb_servers,
        default_vo="testvo",
    )
    given: dict[str, Any] = {"listen_address": "127.0.0.1", "port": tlsserver.free_port(), "workers": 1, "lb_tries": 2}
    given["lb_pause_s"] = 0.0
    return Settings(common, WmProxy(**(given | wmproxy)))


@contextmanager
def wmproxy_server(chosen: Settings) -> Iterator[tlsserver.Running]:
    """The WMProxy of these settings, as its program runs it."""
    prepare(chosen)
    with tlsserver.serving(make_server(chosen)) as running:
        yield running


@dataclass
class World:
    """A WMProxy and what is behind it."""

    settings: Settings

    def user(self, credential: Credential | None = None) -> "User":
        return User(self.settings, credential or pki.proxy())

    def directory(self, jobid: str) -> JobDirectory:
        return JobDirectory(self.settings.common.sandbox_directory, jobid)

    @cached_property
    def queue(self) -> Queue:
        return Queue(self.settings.common.queue_directory)

    def commands(self) -> list[Command]:
        """What is in the workload manager's queue; taken and finished."""
        entries = self.queue.take()
        for entry in entries:
            self.queue.finish(entry.name)
        return [read(entry.data) for entry in entries]

    def events(self, jobid: str) -> list[Event]:
        """The events in the event file of a job, in the order of logging."""
        files = EventFiles(self.settings.common.event_prefix)
        path = files.path(JobId.parse(jobid).unique)
        if not path.exists():
            return []
        return [ulm.parse(line.decode()) for line, _ in files.lines(path, 0)]

    def deliver(self, jobid: str) -> None:
        """Bring the events of a job to its LB server, as the interlogger does."""
        connection = StoreConnection(JobId.parse(jobid).server, pki.host(), pki.ca_dir())
        try:
            for event in self.events(jobid):
                reply = connection.deliver(ulm.encode(ulm.write(event)))
                assert reply.ok, reply
        finally:
            connection.close()

    def log(self, jobid: str, name: str, source: str, seqcode: str, **fields: Any) -> None:
        """Log an event of another component at LB."""
        event = make_event(name, JobId.parse(jobid), source, pki.USER_DN, seqcode, fields)
        Producer(pki.host(), pki.ca_dir()).send(event)


class User:
    """A client of the WMProxy with a credential of its own, knowing only contracts."""

    def __init__(self, chosen: Settings, credential: Credential) -> None:
        self.credential = credential
        self.http: requests.Session = session(credential, pki.ca_dir())
        self.url = chosen.endpoint
        self.main = Client(load("WMProxy"), self.url, self.http)

    def call(self, operation: str, **arguments: Any) -> Any:
        return self.main.call(operation, **arguments)

    def delegate(self, name: str = "mine", lifetime: timedelta = timedelta(hours=1)) -> str:
        port = Client(load(DELEGATION_2), self.url, self.http)
        request = port.call("getProxyReq", delegationID=name).getProxyReqReturn
        proxy = sign_request(self.credential, request.encode(), lifetime)
        port.call("putProxy", delegationID=name, proxy=proxy.decode())
        return name

    def register(self, jdl: str = HELLO) -> str:
        return str(self.call("jobRegister", jdl=jdl, delegationId="mine").jobIdStruct.id)

    def submit(self, jdl: str = HELLO) -> str:
        return str(self.call("jobSubmit", jdl=jdl, delegationId="mine").jobIdStruct.id)

    def lb(self, jobid: str) -> LbClient:
        server = JobId.parse(jobid)
        return LbClient(f"https://{server.host}:{server.port + 3}/", self.http)

    def state(self, jobid: str) -> str:
        return str(self.lb(jobid).job_status(jobid).state)


def other_user(chosen: Settings) -> User:
    return User(chosen, create_proxy(pki.other(), timedelta(hours=1)))


def counts(event: Event) -> Mapping[str, int]:
    """The counters of an event's sequence code that are not zero."""
    parts = (part.split("=") for part in event.seqcode.split(":"))
    return {name: int(value) for name, value in parts if int(value)}
