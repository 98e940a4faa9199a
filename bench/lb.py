"""How fast the LB server stores events and answers about jobs, on SQLite with durable commits.

    python -m bench.lb [jobs]

Each job is a normal life of 15 events. Stored through the store logic (parsed, checked, state computed, committed):
one event at a time, by 16 threads that wait for each answer, and in batches as an interlogger sends them; then over
mutual TLS by one connection. Statuses are read one by one, and as the answer of UserJobs, as records of the web
service; then jobs are purged with dump and export.
"""

import os
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import sql
from gsi.credential import Credential
from gsi.peer import Peer, ProxyKind
from httpg.server import Listener, Server
from lb.export.jobfiles import JobFiles
from lb.model import jobid as ids
from lb.model import ulm
from lb.model.jobid import JobId
from lb.model.seqcode import SeqCode
from lb.model.view import ALL_WS, Flag
from lb.model.ws import status_to_ws
from lb.producer import make_event
from lb.server.admission import Admission
from lb.server.authority import Authority
from lb.server.conditions import Comparison, Group
from lb.server.node import SCRIPTS
from lb.server.purge import Exports, Purge, PurgeRequest
from lb.server.queries import Queries
from lb.server.store import Store
from lb.server.storeport import StoreProtocol
from lb.storeclient import StoreConnection
from soap.contract import load
from spool.maildir import Maildir
from testbed import ca

JOBS: Final = 1000
THREADS: Final = 16
BATCH: Final = 100
USER: Final = "/DC=org/DC=example/CN=Test User"
PEER: Final = Peer(USER, "", ProxyKind.NONE, False, (), datetime.now(UTC))

#: (event, source, fields) of a job that runs and is cleared (lb.md 3.5).
LIFE: Final[tuple[tuple[str, str, dict[str, Any]], ...]] = (
    ("RegJob", "UserInterface", {"jdl": "[ Executable = \"/bin/hostname\"; VirtualOrganisation = \"testvo\" ]",
                                 "ns": "https://wms.example.org:7443/", "jobtype": "SIMPLE"}),
    ("Accepted", "NetworkServer", {"from": "UserInterface", "from_host": "ui.example.org"}),
    ("EnQueued", "NetworkServer", {"queue": "/var/queue", "job": "[ Executable = \"/bin/hostname\" ]", "result": "OK"}),
    ("DeQueued", "WorkloadManager", {"queue": "/var/queue"}),
    ("HelperCall", "WorkloadManager", {"helper_name": "Broker", "src_role": "CALLING"}),
    ("Match", "WorkloadManager", {"dest_id": "ce.example.org:8443/cream-slurm-short"}),
    ("HelperReturn", "WorkloadManager", {"helper_name": "Broker", "src_role": "CALLING"}),
    ("EnQueued", "WorkloadManager", {"queue": "/var/jc", "job": "[ Executable = \"/bin/hostname\" ]", "result": "OK"}),
    ("DeQueued", "JobController", {"queue": "/var/jc"}),
    ("Transfer", "JobController", {"destination": "LRMS", "dest_host": "ce.example.org", "job": "(x)", "result": "OK"}),
    ("Accepted", "LogMonitor", {"from": "JobController", "from_host": "wms.example.org", "local_jobid": "17"}),
    ("Running", "LogMonitor", {"node": "wn1.example.org"}),
    ("UserTag", "Application", {"name": "axis", "value": "x"}),
    ("Done", "LogMonitor", {"status_code": "OK", "exit_code": 0}),
    ("Clear", "NetworkServer", {"reason": "USER"}),
)


def lines_of(jobid: JobId) -> list[bytes]:
    """The event lines of one job."""
    found = []
    for number, (name, source, fields) in enumerate(LIFE):
        code = str(SeqCode(ui=3, ns=number))
        found.append(ulm.encode(ulm.write(make_event(name, jobid, source, USER, code, fields, host="wms.example.org"))))
    return found


class Site:
    """A server without network in a folder."""

    def __init__(self, folder: Path, server: str = "localhost:9000") -> None:
        self.engine = sql.engine(f"sqlite:///{folder / 'lb.db'}")
        sql.migrate(self.engine, "lb", SCRIPTS)
        self.server = server
        self.authority = Authority("/DC=org/DC=example/CN=localhost")
        self.admission = Admission(server, self.authority)
        self.store = Store(self.engine, self.admission)
        self.queries = Queries(self.engine, self.authority, self.admission.is_ours)

    def jobs(self, count: int) -> list[list[bytes]]:
        return [lines_of(ids.new(self.server)) for _ in range(count)]

    def deliver(self, lines: Sequence[bytes]) -> None:
        assert all(reply.ok for reply in self.store.store(lines, PEER))


def _say(what: str, number: int, since: float, unit: str) -> None:
    print(f"  {what}: {number / (time.perf_counter() - since):,.0f} {unit}/s")


def _one_by_one(site: Site, jobs: int) -> None:
    lives, start = site.jobs(jobs), time.perf_counter()
    for life in lives:
        for line in life:
            site.deliver([line])
    _say("stored one at a time, each with a commit of its own", jobs * len(LIFE), start, "events")


def _by_threads(site: Site, jobs: int) -> None:
    lives = iter(site.jobs(jobs))
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                life = next(lives, None)
            if life is None:
                return
            for line in life:
                site.deliver([line])

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    _say(f"stored by {THREADS} threads, each waiting for its answer", jobs * len(LIFE), start, "events")


def _in_batches(site: Site, jobs: int) -> None:
    lines, start = [line for life in site.jobs(jobs) for line in life], time.perf_counter()
    for begin in range(0, len(lines), BATCH):
        site.deliver(lines[begin:begin + BATCH])
    _say(f"stored in batches of {BATCH}", len(lines), start, "events")


@contextmanager
def _serving(folder: Path, credential: Credential, ca_dir: Path) -> Iterator[int]:
    """The store port in a process of its own; yields the query port that job ids name."""
    ports: list[int] = []
    listener = Listener("127.0.0.1", 0, lambda: StoreProtocol(Site(folder, f"localhost:{ports[0] - 1}").store))
    server = Server([listener], credential, ca_dir, workers=1)
    ports += server.bind()
    pid = os.fork()
    if not pid:
        server.run()
        os._exit(0)
    try:
        yield ports[0] - 1
    finally:
        os.kill(pid, 15)
        os.waitpid(pid, 0)


def _over_tls(folder: Path, jobs: int) -> None:
    authority = ca.new_authority()
    ca_dir = ca.write_ca_directory(folder / "ca", [authority])
    user = ca.issue_user(authority, USER)
    with _serving(folder, ca.issue_host(authority, "localhost"), ca_dir) as port:
        lines = [line for _ in range(jobs) for line in lines_of(ids.new(f"localhost:{port}"))]
        sender = StoreConnection(f"localhost:{port}", user, ca_dir)
        for size, part in ((1, lines[:len(lines) // 4]), (BATCH, lines[len(lines) // 4:])):
            start = time.perf_counter()
            for begin in range(0, len(part), size):
                assert all(reply.ok for reply in sender.deliver_all(part[begin:begin + size]))
            how = "one at a time" if size == 1 else f"{size} on their way at once"
            _say(f"stored over mutual TLS, one connection, {how}", len(part), start, "events")
        sender.close()


def _read(site: Site) -> None:
    mine = [Group("OWNER", (Comparison("EQUAL", USER),))]
    found = site.queries.find_jobs(mine, PEER)
    start = time.perf_counter()
    sample = found[:1000]
    for jobid in sample:
        site.queries.job_status(jobid, PEER, Flag(0))
    _say("statuses read one by one", len(sample), start, "jobs")
    types = load("LB").types
    start = time.perf_counter()
    statuses = site.queries.statuses(site.queries.find_jobs(mine, PEER), ALL_WS)
    number = sum(1 for status in statuses if status_to_ws(status, types))
    _say(f"UserJobs of {number:,} jobs, as records", number, start, "jobs")


def _purge(site: Site, folder: Path) -> None:
    exports = Exports(JobFiles(folder / "export"), Maildir(folder / "jpdump"))
    purge = Purge(site.engine, folder / "purge", exports, lambda: time.time() + 90 * 86400)
    start = time.perf_counter()
    result = purge.run(PurgeRequest(really=True, dump=True))
    _say(f"purged with dump and export, {len(result.jobs):,} jobs", len(result.jobs), start, "jobs")


def main(jobs: int = JOBS) -> None:
    """Measure and print."""
    print(f"LB server on SQLite, durable, {len(LIFE)} events a job, {os.cpu_count()} processors")
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        folder = Path(first)
        site = Site(folder)
        _one_by_one(site, max(jobs // 10, 1))
        _by_threads(site, max(jobs // 4, 1))
        _in_batches(site, jobs)
        _over_tls(Path(second), max(jobs // 4, 1))
        _read(site)
        _purge(site, folder)
    print(f"  peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
