"""How fast the index server is: jobs fed into it and jobs found again, over mutual TLS, on SQLite.

    python -m bench.jpis [jobs]

One server process, one feeder, one client; 14,000 jobs with ten attributes each, fed in UpdateJobs calls of 200 as a
Primary Storage sends them (every call durable before it is answered). Memory is the peak of the resident set (VmHWM).
Server and clients share the processors of one machine.
"""

import multiprocessing
import os
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sql
from bench.soap import peak_mb, serving
from gsi.credential import Credential
from gsi.peers import PeerList
from gsi.proxy import create_proxy
from httpg.client import session
from jpis import feeds, schema, service
from jpis.attributes import LB_NAMESPACE, LBTAG_NAMESPACE
from jpis.config import Attribute, Condition, Configuration, Feed
from jpis.policy import IndexPolicy
from soap.client import Client
from soap.contract import load
from soap.service import SoapApplication, application
from testbed import ca

JOBS = 14_000
BATCH = 200
FEED_ID = "AAAAAAAAAAAAAAAAAAAAAA"
USER = "/DC=org/DC=example/CN=Test User"
STATUS, OWNER, DESTINATION, *_REST = NAMES = [
    f"{LB_NAMESPACE}:{name}"
    for name in ("status", "owner", "destination", "doneCode", "exitCode", "stateEnterTime", "lastUpdateTime", "ceNode")
] + [f"{LBTAG_NAMESPACE}:experiment", f"{LBTAG_NAMESPACE}:step"]
CONFIGURATION = Configuration(
    tuple(map(Attribute, NAMES)), (STATUS, OWNER, DESTINATION), (),
    (Feed("https://jpps.example.org:8901", (Condition(STATUS, "EXISTS"),), True, True),),
)
_IS = load("JobProvenanceIS")


def prepare(url: str) -> None:
    """Make an empty index with a granted feed."""
    engine = sql.engine(url)
    schema.prepare(engine, CONFIGURATION)
    with sql.write(engine) as conn:
        feeds.load(conn, CONFIGURATION)
        feeds.change(conn, feeds.everything(conn)[0].uniqueid, feedid=FEED_ID)
    engine.dispose()


def app(url: str, feeder: str) -> SoapApplication:
    """The index server; `feeder` may feed."""
    peers = PeerList(names=[feeder])
    policy = IndexPolicy(peers, peers)
    handler = service.IndexServer(sql.engine(url), schema.Schema.of(CONFIGURATION), policy)
    return application(_IS, handler, policy=policy)


def job(number: int) -> Any:
    """A finished job."""
    types = _IS.types
    ended = datetime(2007, 7, 1, tzinfo=UTC) + timedelta(seconds=number)
    text = ended.strftime("%Y-%m-%dT%H:%M:%S.000000")
    ce = f"ce{number % 97}.example.org:2119/jobmanager-lcgpbs-long"
    status = ("Done", "Cleared", "Aborted")[number % 3]
    contents = (status, USER, ce, "OK", str(number % 2), text, text, f"wn{number % 997}", "atlas", str(number % 50))
    values = [
        types.attrValue(name, types.stringOrBlob(string=content), ended, "FILE", "urn:org.glite.jp.primary:lb ")
        for name, content in zip(NAMES, contents, strict=True)
    ]
    return types.jobRecord(jobid=f"https://lb.example.org:9000/{number:022}", owner=USER, attributes=values)


def _feeding(port: int, pem: bytes, ca_dir: Path, jobs: int) -> float:
    """Feed all jobs over one connection; seconds spent in calls."""
    spent = 0.0
    with session(Credential.from_pem(pem), ca_dir) as http:
        client = Client(_IS, f"https://localhost:{port}/", http)
        for first in range(0, jobs, BATCH):
            records = [job(number) for number in range(first, min(first + BATCH, jobs))]
            started = time.perf_counter()
            client.call("UpdateJobs", feedId=FEED_ID, feedDone=False, jobAttributes=records)
            spent += time.perf_counter() - started
    return spent


def _asking(port: int, pem: bytes, ca_dir: Path, op: str, content: str | None) -> tuple[float, float, int, int, float]:
    """Ask for jobs by status: seconds to the first and to the last, jobs, values, peak MB of this process."""
    types = _IS.types
    value = None if content is None else types.stringOrBlob(string=content)
    conditions = [types.indexQuery(attr=STATUS, record=[types.indexQueryRecord(op, value)])]
    with session(Credential.from_pem(pem), ca_dir) as http:
        client = Client(_IS, f"https://localhost:{port}/", http)
        first, jobs, values = 0.0, 0, 0
        started = time.perf_counter()
        for found in client.stream("QueryJobs", child="jobs", conditions=conditions, attributes=NAMES):
            first = first or time.perf_counter() - started
            jobs += 1
            values += len(found.attributes)
        return first, time.perf_counter() - started, jobs, values, peak_mb()


def _apart(function: Any, *arguments: Any) -> Any:
    """Call the function in a process of its own, so that its memory is its own."""
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.apply(function, arguments)


def _server_mb(pid: int) -> float:
    return max(map(peak_mb, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def main(jobs: int = JOBS) -> None:
    """Measure and print."""
    print(f"Index Server on SQLite, {os.cpu_count()} processors, 1 server process")
    with tempfile.TemporaryDirectory() as folder:
        authority = ca.new_authority()
        ca_dir = ca.write_ca_directory(Path(folder) / "ca", [authority])
        host = ca.issue_host(authority, "localhost")
        user = create_proxy(ca.issue_user(authority, USER)).to_pem()
        url = f"sqlite:///{folder}/jpis.db"
        prepare(url)
        with serving(lambda: app(url, host.dn), host, ca_dir) as (port, pid):
            for again in ("", " again, all known"):
                spent = _apart(_feeding, port, host.to_pem(), ca_dir, jobs)
                print(f"  UpdateJobs {jobs:,} jobs of {len(NAMES)} values in calls of {BATCH}{again}: "
                      f"{jobs / spent:,.0f} jobs/s, {jobs * len(NAMES) / spent:,.0f} values/s")
            for op, content in (("EXISTS", None), ("EXISTS", None), ("EQUAL", "Aborted"), ("EQUAL", "Waiting")):
                first, last, found, values, client_mb = _apart(_asking, port, user, ca_dir, op, content)
                print(f"  QueryJobs status {op} {content or 'at all'}: {found:,} jobs, {values:,} values: "
                      f"{last:.2f} s, first job after {first * 1000:.0f} ms; "
                      f"peak memory server {_server_mb(pid):.0f} MB, client {client_mb:.0f} MB")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
