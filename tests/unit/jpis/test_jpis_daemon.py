"""glite-jp-indexd and glite-jpis-client as programs: options, start, restart, kill, the forms of answers."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

import pki
import soap.contract
from httpg.client import session
from jpis import config
from jpis.attributes import JOBID, LB_NAMESPACE
from soap.client import Client, TransportError
from tlsserver import free_port
from unit.jpis import jpis_support
from unit.jpis.jpis_support import FEED_ID, ask, condition, record, told

PROGRAMS = Path(sys.executable).parent
PATIENCE_S = 60.0
STATUS, BLOB = f"{LB_NAMESPACE}:status", "http://my/ns:blob"
JOB = "https://lb.example.org:9000/one"
CONFIGURATION = f"""<e:ServerConfiguration xmlns:e="http://glite.org/wsdl/elements/jp">
<attrs><name>{STATUS}</name></attrs><attrs><name>{BLOB}</name></attrs><indexedAttrs>{STATUS}</indexedAttrs>
<feeds><primaryServer>https://localhost:1</primaryServer><condition><attr>{STATUS}</attr><op>EXISTS</op></condition>
<history>1</history><continuous>0</continuous></feeds></e:ServerConfiguration>"""


class Daemon:
    """An index server in a folder of its own; the feed has its id already."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.port = free_port()
        self.url = f"https://localhost:{self.port}"
        self.database = f"sqlite:///{root / 'jpis.db'}"
        (root / "jpis.xml").write_text(CONFIGURATION)
        pki.host().save(root / "host.pem")
        jpis_support.start(self.database, config.load(root / "jpis.xml"), feed_id=FEED_ID).engine.dispose()

    def command(self, *options: str) -> list[str]:
        credential = str(self.root / "host.pem")
        return [
            str(PROGRAMS / "glite-jp-indexd"), "-x", str(self.root / "jpis.xml"), "-m", self.database,
            "-p", str(self.port), "--listen", "127.0.0.1", "--endpoint", self.url, "-c", credential, "-k", credential,
            "-C", str(pki.ca_dir()), *options,
        ]

    @contextmanager
    def running(self, *options: str) -> Iterator[subprocess.Popen[bytes]]:
        with (self.root / "log").open("ab") as log:
            process = subprocess.Popen(self.command("-d", *options), stdout=log, stderr=log)
        try:
            self.wait_for_answer(process)
            yield process
        finally:
            process.terminate()
            process.wait(PATIENCE_S)

    def wait_for_answer(self, process: subprocess.Popen[bytes] | None = None) -> None:
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                ask(self.client(pki.user()), [], [])
            except TransportError:
                assert process is None or process.poll() is None, (self.root / "log").read_text()
                assert time.monotonic() < end, (self.root / "log").read_text()
                time.sleep(0.05)
            except soap.faults.PosixFault:
                return

    def client(self, credential: Any) -> Client:
        return Client(soap.contract.load("JobProvenanceIS"), self.url, session(credential, pki.ca_dir()))

    def fill(self) -> None:
        client = self.client(pki.host())
        values = [(STATUS, "Done", 7201, "FILE", "urn:org.glite.jp.primary:lb "), (BLOB, bytes(range(12)), 0)]
        jobs = [record(client, JOB, pki.USER_DN, *values), record(client, f"{JOB}2", pki.OTHER_DN, (STATUS, "Done"))]
        client.call("UpdateJobs", feedId=FEED_ID, feedDone=True, jobAttributes=jobs)

    def user(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run glite-jpis-client as the user."""
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(self.root), "X509_USER_PROXY": str(pki.proxy_file()),
            "X509_CERT_DIR": str(pki.ca_dir()), "GLITE_JPIS_URL": self.url,
        }
        command = [str(PROGRAMS / "glite-jpis-client"), *arguments]
        return subprocess.run(command, env=environment, input=stdin, capture_output=True, text=True, check=False)


def _query(client: Client) -> list[str]:
    return sorted(job.jobid for job in ask(client, [condition(client, STATUS, ("EQUAL", "Done"))], []))


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A running server with two jobs of different owners."""
    made = Daemon(tmp_path_factory.mktemp("jpis"))
    with made.running():
        made.fill()
        yield made


def test_each_sees_their_own_jobs(daemon: Daemon) -> None:
    assert _query(daemon.client(pki.proxy())) == [JOB]
    assert _query(daemon.client(pki.other())) == [f"{JOB}2"]
    assert _query(daemon.client(pki.host())) == []


def test_killed_server_has_lost_nothing(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path)
    with daemon.running() as process:
        daemon.fill()
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE_S)
    with daemon.running("-n", "-s", "1"):
        assert _query(daemon.client(pki.user())) == [JOB, f"{JOB}2"]
    with daemon.running("-n", "-D"):
        assert _query(daemon.client(pki.user())) == []


def test_detached(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path)
    pidfile, log = tmp_path / "pid", tmp_path / "daemon.log"
    options = ("-i", str(pidfile), "-o", str(log))
    subprocess.run(daemon.command(*options), check=True, capture_output=True, timeout=PATIENCE_S)
    daemon.wait_for_answer()
    pid = int(pidfile.read_text())
    again = subprocess.run(daemon.command(*options), capture_output=True, text=True, check=False)
    assert again.returncode == 1
    os.kill(pid, signal.SIGTERM)
    end = time.monotonic() + PATIENCE_S
    while pidfile.exists():
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.05)
    assert log.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-x", "/nowhere/jpis.xml"], "/nowhere/jpis.xml: cannot be read"),
        (["-m", "sqlite:////nowhere/jpis.db"], "unable to open database file"),
        (["-m", "oracle://x"], "use sqlite or mysql"),
        (["-c", "/nowhere/cert.pem"], "/nowhere/cert.pem"),
        (["-s", "0"], "0"),
        (["-f", "/nowhere/jobs"], "/nowhere/jobs"),
    ],
)
def test_start_that_cannot_be(tmp_path: Path, options: list[str], message: str) -> None:
    done = subprocess.run(Daemon(tmp_path).command("-d", *options), capture_output=True, text=True, check=False)
    assert done.returncode in (1, 2)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr


def test_a_database_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    command = Daemon(tmp_path).command("-d", "-m", "mysql://jpis:secret@127.0.0.1:1/x")
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as waiting:
        assert waiting.stderr is not None
        line = next(line for line in waiting.stderr if "WARNING" in line)
        waiting.kill()
    assert "WARNING sql.patience: the database mysql+mysqldb://jpis:***@127.0.0.1:1/x" in line
    assert "does not answer, trying again in 1 s" in line


def test_local_feeding(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path)
    (tmp_path / "jobs").write_text(" Done;two three\n;Aborted\n\nReady\n")
    done = subprocess.run(daemon.command("-f", str(tmp_path / "jobs")), capture_output=True, text=True, check=True)
    assert done.stdout == "3 jobs loaded\n"
    with daemon.running():
        client = daemon.client(pki.host())
        found = ask(client, [condition(client, STATUS, ("EXISTS",))], [STATUS, BLOB])
        assert sorted([str(v[1]) for v in told(job)] for job in found) == [["Aborted"], ["Done", "two"], ["Ready"]]
        assert {job.owner for job in found} == {pki.host().dn}
        assert all(job.jobid.startswith("https://localhost-test:0/") for job in found)
    (tmp_path / "jobs").write_text("x" * 1024 + "\n")
    failed = subprocess.run(daemon.command("-f", str(tmp_path / "jobs")), capture_output=True, text=True, check=False)
    assert (failed.returncode, "line 1 has 1025 bytes" in failed.stderr) == (1, True)


QUERY = f"""<?xml version="1.0"?>
<jpelem:QueryJobs xmlns:jpelem="http://glite.org/wsdl/elements/jp">
<conditions><attr> {STATUS} </attr><origin>FILE</origin>
  <record><op>EQUAL</op><value><string>Done</string></value></record><record><op>EXISTS</op></record></conditions>
<conditions><attr>{BLOB}</attr><record><op>WITHIN</op><value><string>X</string></value><value2><blob>AAEC</blob>
</value2></record></conditions>
<attributes> {STATUS} </attributes><attributes>{BLOB}</attributes>
</jpelem:QueryJobs>"""
BASE64 = "AAECAwQFBgcICQoL"


def test_client_xml(daemon: Daemon, tmp_path: Path) -> None:
    (tmp_path / "q.xml").write_text(QUERY)
    done = daemon.user("-q", str(tmp_path / "q.xml"))
    assert done.returncode == 0, done.stderr
    root = etree.fromstring(done.stdout.encode())
    assert root.tag == "QueryJobsResponse"
    assert [element.text for element in root.findall("jobs/jobid")] == [JOB]
    assert root.findtext("jobs/attributes/value/blob") == BASE64
    assert "\n  <jobs>\n    <jobid>" in done.stdout
    assert done.stderr.startswith(f"query: using JPIS {daemon.url}\n")
    assert done.stderr.endswith("\nOK\n")
    assert "origin == FILE" in done.stderr and "origin IS ANY" in done.stderr
    assert "== Done" in done.stderr and "WITHIN X AND BLOB(000102)" in done.stderr
    stripped = daemon.user("-f", "strippedxml", "-q", "-", stdin=QUERY)
    assert "><jobs><jobid>" in stripped.stdout
    assert _canonical(stripped.stdout) == _canonical(done.stdout)


def _canonical(text: str) -> str:
    root = etree.fromstring(text.encode(), etree.XMLParser(remove_blank_text=True))
    return str(etree.tostring(root, method="c14n").decode())


def test_client_human(daemon: Daemon) -> None:
    done = daemon.user("-f", "human", "-q", "-", stdin=QUERY)
    assert [line.strip() for line in done.stdout.splitlines()] == [
        "Result 1 jobs:",
        f"jobid = {JOB}, owner = {pki.USER_DN}",
        STATUS, "value = Done", "origin = FILE, urn:org.glite.jp.primary:lb", "time = Thu Jan  1 02:00:01 1970 UTC",
        BLOB, "value = BLOB(00010203040506070809...)", "origin = USER (no detail)",
    ]


def test_client_options_of_ours(daemon: Daemon) -> None:
    done = daemon.user("--json", "--jobid", JOB, "--jobid", f"{JOB}2", "--attribute", "status", "--attribute", BLOB)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["jobs"] == [
        {
            "jobid": JOB, "owner": pki.USER_DN, "primaryStorage": ["https://localhost:1"],
            "attributes": [
                {
                    "name": STATUS, "value": "Done", "timestamp": "1970-01-01T02:00:01Z", "origin": "FILE",
                    "originDetail": "urn:org.glite.jp.primary:lb ",
                },
                {"name": BLOB, "blob": BASE64, "origin": "USER"},
            ],
        }
    ]
    nothing = daemon.user("--json", "--jobid", "https://no/such")
    assert (nothing.returncode, json.loads(nothing.stdout)) == (0, {"jobs": []})


def test_client_example_and_test(daemon: Daemon, tmp_path: Path) -> None:
    example = tmp_path / "example.xml"
    assert daemon.user("-e", str(example)).returncode == 0
    assert daemon.user("-e", "-").stdout == example.read_text()
    tested = daemon.user("-t", str(example))
    assert tested.returncode == 0
    assert f"{LB_NAMESPACE}:finalStatus" in tested.stdout and "<> God" in tested.stdout
    fault = daemon.user("-q", str(example))
    assert fault.returncode == 1
    assert "QueryJobs: Invalid argument (No indexed attribute in query" in fault.stderr
    assert fault.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 1, "Usage"),
        (["-h"], 0, ""),
        (["--nonsense"], 1, "No such option"),
        (["-q", "/nowhere/q.xml"], 1, "/nowhere/q.xml"),
        (["-q", "-"], 0, "the query cannot be read: the document is empty"),
        (["-i", "https://localhost:1", "--jobid", JOB], 1, "check the address"),
    ],
)
def test_client_failures(daemon: Daemon, arguments: list[str], code: int, message: str) -> None:
    done = daemon.user(*arguments)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_jobid_is_an_attribute(daemon: Daemon) -> None:
    client = daemon.client(pki.user())
    assert [job.jobid for job in ask(client, [condition(client, JOBID, ("LESS", "i"))], [JOBID])] == [JOB]
