"""The daemons of this room as programs, and an index server that notes what it is told."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

import pki
import soap.contract
from gsi.authz import Access, ServicePolicy, requires
from gsi.credential import Credential
from httpg.client import session
from httpg.server import Listener
from httpg.wsgi import HttpProtocol
from soap.client import Client
from soap.service import Call, application, not_yet
from testbed import ca
from tlsserver import Running, free_port, running, wait_for

BIN = Path(sys.executable).parent


@dataclass
class Daemon:
    """glite-jp-primarystoraged on this machine; can be killed and started again on the same data."""

    root: Path
    database: str
    options: Sequence[str] = ()
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def start(self) -> None:
        peers = self.root / "peers"
        peers.write_text(f"# trusted\n{pki.host().dn}\n")
        command = [
            str(BIN / "glite-jp-primarystoraged"), "-d", "-B", f"I,{self.root / 'storage'}",
            "-B", f"E,{self.url}/jpps", "-B", f"D,{self.database}", "-a", str(peers), "-p", str(self.port),
            "--listen", "127.0.0.1", *credentials(self.root), *self.options,
        ]
        with (self.root / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_for(self.answers)

    def answers(self) -> bool:
        """Whether the server does; raises when it has ended instead."""
        if self.process is not None and self.process.poll() is not None:
            raise AssertionError((self.root / "log").read_text())
        try:
            self.http().get(f"{self.url}/?wsdl").raise_for_status()
        except requests.RequestException:
            return False
        return True

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal; the exit status."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(60)

    def http(self, credential: Credential | None = None) -> requests.Session:
        return session(credential or pki.host(), pki.ca_dir())

    def client(self, credential: Credential | None = None) -> Client:
        return Client(soap.contract.load("JobProvenancePS"), self.url, self.http(credential))

    def parts(self) -> list[str]:
        """Names of all files in the storage, temporary ones too."""
        return sorted(path.name for path in (self.root / "storage").glob("data/*/*/*/*"))


def credentials(root: Path) -> list[str]:
    """The options that name the host credential."""
    certificate, key = root / "hostcert.pem", root / "hostkey.pem"
    if not certificate.exists():
        ca.save_pair(pki.host(), certificate, key)
    return ["-c", str(certificate), "-k", str(key), "-C", str(pki.ca_dir())]


@contextmanager
def daemon(root: Path, database: str, *options: str) -> Iterator[Daemon]:
    """A running daemon; stopped at the end however often it was restarted."""
    made = Daemon(root, database, options)
    made.start()
    try:
        yield made
    finally:
        if made.process is not None and made.process.poll() is None:
            made.stop()


class NotingIndex:
    """A handler of JobProvenanceIS that writes a line per UpdateJobs."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @requires(Access.AUTHENTICATED)
    def update_jobs(self, call: Call, *, feedId: str, feedDone: bool, jobAttributes: Sequence[Any]) -> None:
        line = {
            "peer": call.peer and call.peer.dn, "feed": feedId, "done": feedDone,
            "jobs": [
                {"jobid": job.jobid, "owner": job.owner, "primaryStorage": job.primaryStorage, "remove": job.remove,
                 "values": [[each.name, each.value.string, each.origin] for each in job.attributes]}
                for job in jobAttributes
            ],
        }
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")

    query_jobs = not_yet(Access.AUTHENTICATED)
    add_feed = not_yet(Access.AUTHENTICATED)
    get_feed_ids = not_yet(Access.AUTHENTICATED)
    delete_feed = not_yet(Access.AUTHENTICATED)
    server_configuration = not_yet(Access.AUTHENTICATED)


@contextmanager
def index(path: Path, port: int = 0) -> Iterator[Running]:
    """An index server that writes what it is told to `path`."""

    def protocol() -> HttpProtocol:
        contract = soap.contract.load("JobProvenanceIS")
        return HttpProtocol(application(contract, NotingIndex(path), policy=ServicePolicy()))

    with running([Listener("127.0.0.1", port, protocol)], pki.host(), pki.ca_dir(), workers=1) as server:
        wait_for(lambda: _answers(server))
        yield server


def _answers(server: Running) -> bool:
    try:
        session(pki.host(), pki.ca_dir()).get(server.url("/?wsdl")).raise_for_status()
    except requests.RequestException:
        return False
    return True


def told(path: Path) -> list[dict[str, Any]]:
    """What the index server was told so far."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@contextmanager
def importer(root: Path, url: str, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """A running glite-jp-importer on the maildirs below `root`."""
    command = [
        str(BIN / "glite-jp-importer"), "-g", "-p", url, "-r", str(root / "jpreg"), "-d", str(root / "jpdump"),
        "-s", str(root / "jpsandbox"), "-t", "0.05", *credentials(root), *options,
    ]
    with (root / "importer.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(60)


