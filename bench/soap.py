"""How fast the SOAP binding is, with handlers that have no database.

    python -m bench.soap [seconds for each rate]

RegisterJob decoded, handled and encoded, in process and over mutual TLS; a QueryJobs answer of 14,000 jobs with ten
attributes each, made from a generator, sent over TLS and parsed by our streaming client. Memory is the peak of the
resident set (VmHWM) of each process. Server and clients share the processors of one machine.
"""

import io
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.tls import CLIENTS
from gsi.authz import Access, ServicePolicy, requires
from gsi.context import client_ssl_context
from gsi.credential import Credential
from gsi.peer import Peer, ProxyKind
from gsi.proxy import create_proxy
from httpg.client import session
from httpg.server import Listener, Server
from httpg.wsgi import HttpProtocol
from soap import contract
from soap.client import Client
from soap.envelope import Writer
from soap.service import Call, SoapApplication, application, not_yet
from testbed import ca

JOBS = 14_000
ATTRIBUTES = tuple(
    "http://egee.cesnet.cz/en/Schema/LB/Attributes:" + name
    for name in ("status", "owner", "jobId", "destination", "doneCode", "exitCode", "stateEnterTime", "reason",
                 "ceNode", "networkServer")
)
#: What the project promises; printed beside what was measured, never judged.
PROMISED_IN_PROCESS, PROMISED_OVER_TLS, PROMISED_QUERY_S, PROMISED_MB = 10_000, 3_000, 0.7, 100
_PS = contract.load("JobProvenancePS")
_IS = contract.load("JobProvenanceIS")
_STAMP = datetime(2007, 7, 1, 12, 0, tzinfo=UTC)


class Storage:
    """Primary Storage that forgets: RegisterJob counts, the rest is not there."""

    def __init__(self) -> None:
        self.registered = 0

    @requires(Access.AUTHENTICATED)
    def register_job(self, call: Call, *, job: str, owner: str) -> None:
        """Count the job."""
        self.registered += 1

    start_upload = not_yet(Access.AUTHENTICATED)
    commit_upload = not_yet(Access.AUTHENTICATED)
    record_tag = not_yet(Access.AUTHENTICATED)
    record_multi_tags = not_yet(Access.AUTHENTICATED)
    feed_index = not_yet(Access.AUTHENTICATED)
    feed_index_refresh = not_yet(Access.AUTHENTICATED)
    get_job_files = not_yet(Access.AUTHENTICATED)
    get_job_attributes = not_yet(Access.AUTHENTICATED)


class Index:
    """Index Server that finds the same jobs whatever is asked."""

    @requires(Access.AUTHENTICATED)
    def query_jobs(self, call: Call, *, conditions: list[Any], attributes: list[str]) -> Mapping[str, Any]:
        """All jobs, one after the other, with the attributes wanted."""
        return {"jobs": _jobs(attributes)}

    update_jobs = not_yet(Access.AUTHENTICATED)
    add_feed = not_yet(Access.AUTHENTICATED)
    get_feed_ids = not_yet(Access.AUTHENTICATED)
    delete_feed = not_yet(Access.AUTHENTICATED)
    server_configuration = not_yet(Access.AUTHENTICATED)


def _jobs(attributes: list[str]) -> Iterator[Any]:
    types = _IS.types
    for number in range(JOBS):
        values = [
            types.attrValue(
                name=name, value=types.stringOrBlob(string=f"value {number}"), timestamp=_STAMP,
                origin="FILE", originDetail="urn:org.glite.jp.primary:lb ",
            )
            for name in attributes
        ]
        yield types.jobRecord(
            jobid=f"https://lb.example.org:9000/{number:022}", owner="/DC=org/DC=example/CN=Test User",
            attributes=values, primaryStorage=["https://jpps.example.org:8901"],
        )


def storage_app() -> SoapApplication:
    """The application behind the RegisterJob figures."""
    return application(_PS, Storage(), policy=ServicePolicy())


def index_app() -> SoapApplication:
    """The application behind the QueryJobs figures."""
    return application(_IS, Index(), policy=ServicePolicy())


def register_request() -> bytes:
    """The envelope of a RegisterJob."""
    values = {"job": "https://lb.example.org:9000/AAAAAAAAAAAAAAAAAAAAAA", "owner": "/DC=org/DC=example/CN=Test User"}
    return b"".join(Writer(_PS, _PS.operations["RegisterJob"].input).chunks(values))


def in_process(seconds: float) -> float:
    """RegisterJob calls per second through the WSGI application."""
    storage = Storage()
    app = application(_PS, storage, policy=ServicePolicy())
    body = register_request()
    peer = Peer("/CN=Test User", "CN=Test User", ProxyKind.NONE, False, (), _STAMP)
    started = time.perf_counter()
    while time.perf_counter() - started < seconds:
        for _ in range(100):
            environ = {"REQUEST_METHOD": "POST", "CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": "text/xml",
                       "wsgi.input": io.BytesIO(body), "gsi.peer": peer}
            b"".join(app(environ, lambda status, headers: None))
    return storage.registered / (time.perf_counter() - started)


@contextmanager
def serving(app: Callable[[], SoapApplication], host: Credential, ca_dir: Path) -> Iterator[tuple[int, int]]:
    """Run one worker that serves the application; yields the port and the server's pid."""
    server = Server([Listener("127.0.0.1", 0, lambda: HttpProtocol(app()))], host, ca_dir, workers=1)
    port = server.bind()[0]
    pid = os.fork()
    if not pid:
        try:
            server.run()
        finally:
            os._exit(0)
    try:
        yield port, pid
    finally:
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)


def _registering(port: int, pem: bytes, ca_dir: Path, seconds: float) -> int:
    """Send RegisterJob over one connection for so long; return how many were answered."""
    body = register_request()
    head = f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length: {len(body)}\r\n\r\n"
    request = head.encode() + body
    with socket.create_connection(("127.0.0.1", port)) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        context = client_ssl_context(Credential.from_pem(pem), ca_dir)
        with context.wrap_socket(plain, server_hostname="localhost") as tls:
            answered, end = 0, time.monotonic() + seconds
            while time.monotonic() < end:
                tls.sendall(request)
                if not (answer := tls.recv(16384)).startswith(b"HTTP/1.1 200"):
                    raise SystemExit(f"the server answered something else: {answer[:300]!r}")
                answered += 1
            return answered


def over_tls(port: int, proxy: Credential, ca_dir: Path, seconds: float) -> float:
    """RegisterJob calls per second that CLIENTS processes get together."""
    with multiprocessing.get_context("fork").Pool(CLIENTS) as pool:
        return sum(pool.starmap(_registering, [(port, proxy.to_pem(), ca_dir, seconds)] * CLIENTS)) / seconds


def peak_mb(pid: int | str = "self") -> float:
    """Peak resident set of a process, in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _querying(port: int, pem: bytes, ca_dir: Path) -> tuple[float, float, int, int, float]:
    """Ask for all jobs: seconds to the first and to the last, jobs, values, peak MB of this process."""
    with session(Credential.from_pem(pem), ca_dir) as http:
        client = Client(_IS, f"https://localhost:{port}/", http)
        first, jobs, values = 0.0, 0, 0
        started = time.perf_counter()
        for job in client.stream("QueryJobs", child="jobs", attributes=ATTRIBUTES):
            first = first or time.perf_counter() - started
            jobs += 1
            values += len(job.attributes)
        return first, time.perf_counter() - started, jobs, values, peak_mb()


def _query(port: int, server: int, proxy: Credential, ca_dir: Path) -> None:
    for number in range(3):
        with multiprocessing.get_context("fork").Pool(1) as pool:
            first, last, jobs, values, client_mb = pool.apply(_querying, (port, proxy.to_pem(), ca_dir))
        workers = Path(f"/proc/{server}/task/{server}/children").read_text().split()
        server_mb = max(map(peak_mb, workers))
        print(f"  QueryJobs {jobs:,} jobs, {values:,} values, run {number + 1}: {last:.2f} s "
              f"(promised {PROMISED_QUERY_S}: {PROMISED_QUERY_S / last:.1f} x), first job after {first * 1000:.0f} ms; "
              f"peak memory server {server_mb:.0f} MB, client {client_mb:.0f} MB (promised {PROMISED_MB} each)")


def _rate(measured: float, promised: int) -> str:
    return f"{measured:,.0f}/s (promised {promised:,}/s: {measured / promised:.1f} x)"


def main(seconds: float = 5.0) -> None:
    """Measure and print."""
    print(f"SOAP binding, {os.cpu_count()} processors")
    print(f"  RegisterJob in process: {_rate(in_process(seconds), PROMISED_IN_PROCESS)}")
    with tempfile.TemporaryDirectory() as folder:
        authority = ca.new_authority()
        ca_dir = ca.write_ca_directory(Path(folder), [authority])
        host = ca.issue_host(authority, "localhost")
        proxy = create_proxy(ca.issue_user(authority, "/DC=org/DC=example/CN=Test User"))
        with serving(storage_app, host, ca_dir) as (port, _):
            print(f"  RegisterJob over mutual TLS, {CLIENTS} keep-alive clients, 1 server process: "
                  f"{_rate(over_tls(port, proxy, ca_dir, seconds), PROMISED_OVER_TLS)}")
        with serving(index_app, host, ca_dir) as (port, pid):
            _query(port, pid, proxy, ca_dir)


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
