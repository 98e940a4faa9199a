"""A workload manager with one or two local computing elements, for tests: in this process or as the real program."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pki
import tlsserver
from lb.model import ulm
from lb.model.events import EVENTS, Event
from lb.model.jobid import JobId
from lb.model.machine import recompute
from lb.model.seqcode import SeqCode
from lb.model.status import Status
from wms.ce.processes import Identity
from wms.config import Settings, load
from wms.jdl import parse
from wms.jobdirectory import JobDirectory
from wms.manager.lifecycle import Job, Lifecycle
from wms.manager.main import make_lifecycle
from wms.queue import Cancel, Queue, Submit, read

FIRST_CODE = SeqCode(ns=4)
CONFIG = """\
[common]
document_root = "{root}/wms"
queue_directory = "{root}/wms/queue"
event_prefix = "{root}/events/dglogd.log"
host_certificate = "unused"
host_key = "unused"
ca_directory = "{ca}"
glue_file = "{root}/glue.ldif"
host = "wms.example.org"

[workload_manager]
state_directory = "{root}/state"
dispatch_period_s = 0.02
poll_period_s = 0.02
{manager}
"""
CE = """
[[computing_element]]
id = "{id}"
slots = {slots}
{more}
"""
GLUE = """\
dn: GlueClusterUniqueID={host},o=grid

dn: GlueSubClusterUniqueID={host},GlueClusterUniqueID={host},o=grid

dn: GlueCEUniqueID={id},o=grid
GlueCEInfoHostName: {host}
GlueCEStateEstimatedResponseTime: {ert}
GlueCEPolicyMaxWallClockTime: 10
GlueCEAccessControlBaseRule: VO:testvo
GlueForeignKey: GlueClusterUniqueID={host}

"""


def ceid(host: str) -> str:
    return f"{host}:8443/cream-local-q"


@dataclass
class WmGrid:
    """Everything below one directory. Elements are named by their hosts, the first one is preferred."""

    root: Path
    hosts: tuple[str, ...] = ("a.example.org",)
    slots: int = 2
    manager: str = ""
    element: str = ""
    more_jdl: str = ""
    jobs: int = 0
    _managers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        text = CONFIG.format(root=self.root, ca=pki.ca_dir(), manager=self.manager)
        for host in self.hosts:
            text += CE.format(id=ceid(host), slots=self.slots, more=self.element)
        (self.root / "wms.toml").write_text(text)
        self.publish(*self.hosts)
        self.settings.common.sandbox_directory.mkdir(parents=True, exist_ok=True)

    @property
    def settings(self) -> Settings:
        return load(self.root / "wms.toml")

    @property
    def queue(self) -> Queue:
        return Queue(self.settings.common.queue_directory)

    def publish(self, *hosts: str) -> None:
        """Make these hosts the content of the information system."""
        draft = self.root / "glue.new"
        draft.write_text("".join(GLUE.format(id=ceid(h), host=h, ert=n) for n, h in enumerate(hosts)))
        os.replace(draft, self.root / "glue.ldif")

    # -- jobs

    def directory(self, jobid: str) -> JobDirectory:
        return JobDirectory(self.settings.common.sandbox_directory, jobid)

    def register(self, text: str, proxy: bytes | None = None) -> str:
        """What WMProxy does before it hands a job over; the answer is the job id."""
        self.jobs += 1
        jobid = f"https://localhost:9000/Job{self.jobs:03d}-{'x' * 15}"
        directory = self.directory(jobid)
        directory.create()
        directory.write(directory.proxy, pki.proxy().to_pem() if proxy is None else proxy)
        base = {
            "edg_jobid": jobid, "LB_sequence_code": str(FIRST_CODE), "X509UserProxy": str(directory.proxy),
            "CertificateSubject": pki.USER_DN, "VirtualOrganisation": "testvo",
        }
        jdl = parse(f"[ {text} {self.more_jdl} ]")
        for name, value in base.items():
            jdl.set(name, value)
        directory.write(directory.jdl_started, jdl.text())
        return jobid

    def submit(self, text: str, proxy: bytes | None = None) -> str:
        jobid = self.register(text, proxy)
        self.queue.submit(parse(self.directory(jobid).jdl_started.read_text()))
        return jobid

    def shell(self, script: str, more: str = "") -> str:
        """A description that runs a shell script."""
        return f"Executable = \"/bin/sh\"; Arguments = {json.dumps('-c ' + repr(script))}; {more}"

    # -- events

    def events(self, jobid: str) -> list[Event]:
        """The distinct events in the event file of the job, in the order of writing."""
        path = self.root / "events" / f"dglogd.log.{JobId.parse(jobid).unique}"
        lines = path.read_bytes().splitlines() if path.exists() else []
        return [ulm.parse(line) for line in dict.fromkeys(lines)]

    def names(self, jobid: str, *sources: str) -> list[str]:
        """The events as `WM:Match`, of these sources only."""
        short = {"WorkloadManager": "WM", "JobController": "JSS", "LogMonitor": "LM", "LRMS": "LRMS"}
        result = []
        for event in self.events(jobid):
            text = event.get("result") or event.get("status_code")
            name = f"{short[event.source]}:{event.name}" + (f" {text}" if text else "")
            if not sources or short[event.source] in sources:
                result.append(name)
        return result

    def reasons(self, jobid: str, name: str) -> list[str]:
        return [event.get("reason") or "" for event in self.events(jobid) if event.name == name]

    def status(self, jobid: str, arrived: bool = False) -> Status:
        """What LB makes of the job, with the events that WMProxy logs before."""
        return recompute([*self.registration(jobid), *self.events(jobid)]).status

    def registration(self, jobid: str) -> list[Event]:
        """Rows 1, 3 and 5 of wms.md 4.1."""
        def event(name: str, number: int, **fields: Any) -> Event:
            code = str(SeqCode(ns=number))
            return Event(
                EVENTS[name], (number, 0), "wms.example.org", "SYSTEM", 0, JobId.parse(jobid), code, pki.USER_DN,
                "NetworkServer", "", fields,
            )

        return [
            event("RegJob", 1, ns="https://wms.example.org:7443/", jobtype="SIMPLE"),
            event("Accepted", 2, **{"from": "UserInterface", "from_host": "ui"}),
            event("EnQueued", 4, queue="q", result="OK", job="[ ]"),
        ]

    # -- a manager in this process, step by step

    def lifecycle(self) -> Lifecycle:
        return make_lifecycle(self.settings)

    def accept(self, lifecycle: Lifecycle) -> Job:
        """Take the one new job from the queue."""
        (entry,) = lifecycle.queue.take()
        command = read(entry.data)
        assert isinstance(command, Submit)
        return lifecycle.accept(entry.name, command)

    # -- the real program

    def start(self, *command: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        program = command or (sys.executable, "-m", "wms.manager.main")
        log = (self.root / "manager.log").open("ab")
        manager = subprocess.Popen(
            [*program, "--foreground", "--config", str(self.root / "wms.toml")], stdout=log, stderr=log,
            env=os.environ | dict(environment or {}),
        )
        log.close()
        self._managers.append(manager)
        return manager

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """A manager that is ended by SIGTERM, which has to be its ordinary end."""
        manager = self.start()
        yield manager
        if manager.poll() is None:
            manager.send_signal(signal.SIGTERM)
            assert manager.wait(tlsserver.PATIENCE_S) == 0

    def finished(self, jobid: str) -> bool:
        """Is the manager through with the job, and has it forgotten the request?"""
        return not self.queue.pending() and jobid in self.retired()

    def retired(self) -> dict[str, str]:
        """Outcome by job id of the jobs that are through."""
        records = [json.loads(path.read_text()) for path in (self.root / "state" / "done").glob("*/*.json")]
        return {record["jobid"]: record["outcome"] for record in records}

    def wait(self, jobid: str) -> str:
        """Wait for the end of the job; its outcome."""
        tlsserver.wait_for(lambda: self.finished(jobid))
        return self.retired()[jobid]

    def close(self) -> None:
        """Kill what is left: managers, jobs."""
        for manager in self._managers:
            manager.kill()
            manager.wait()
        for started in self.root.glob("state/ce/*/*/started"):
            identity = Identity.from_json(json.loads(started.read_text()))
            if identity is not None and identity.alive:
                os.kill(identity.pid, signal.SIGKILL)


def cancel_command(jobid: str) -> Cancel:
    return Cancel(jobid, str(SeqCode(ns=5)))


__all__ = ["WmGrid", "cancel_command", "ceid"]
