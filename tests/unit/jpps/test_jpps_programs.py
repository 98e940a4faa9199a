"""glite-jp-primarystoraged and glite-jp-importer as programs: over TLS, killed, restarted."""

import errno
import json
import signal
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import pki
from jpps import main as storage_main
from jpps.importer import main as importer_main
from jpps.plugins import registry
from rawtls import RawClient
from soap.client import Client
from soap.faults import PosixFault
from spool.maildir import Maildir
from tlsserver import free_port, wait_for
from unit.jpps import jpps_programs
from unit.jpps.jpps_programs import Daemon, told
from unit.jpps.jpps_support import JOB, JOB2, LB, LB_URI, SMALL_DUMP, SYSTEM, condition

STATUS, OWNER = f"{LB}:status", f"{SYSTEM}:owner"
#: Options that no start gets past without.
NEEDED = ["-B", "I,/nonexistent/x", "-B", "E,https://h:1/x"]


@pytest.fixture
def daemon(db_url: str, tmp_path: Path) -> Iterator[Daemon]:
    with jpps_programs.daemon(tmp_path, db_url) as made:
        yield made


def register(daemon: Daemon, *jobids: str) -> Client:
    client = daemon.client()
    for jobid in jobids:
        client.call("RegisterJob", job=jobid, owner=pki.user().dn)
    return client


def start(client: Client, jobid: str = JOB) -> str:
    before = datetime.now(UTC) + timedelta(minutes=10)
    url: str = client.call(
        "StartUpload", job=jobid, class_=LB_URI, name=None, commitBefore=before, contentType="text/lb"
    ).destination
    return url


def values(daemon: Daemon, *names: str, jobid: str = JOB) -> list[str]:
    answer = daemon.client(pki.proxy()).call("GetJobAttributes", jobid=jobid, attributes=list(names))
    return [each.value.string for each in answer.attrValues]


def test_a_job_over_tls_with_host_certificate_and_user_proxy(daemon: Daemon) -> None:
    client = register(daemon, JOB)
    url = start(client)
    host, user = daemon.http(), daemon.http(pki.proxy())
    assert user.put(url, data=SMALL_DUMP).status_code == 403
    assert host.put(url, data=iter([SMALL_DUMP[:100], SMALL_DUMP[100:]])).status_code == 201
    client.call("CommitUpload", destination=url)
    assert values(daemon, STATUS, OWNER) == ["Aborted", pki.user().dn]
    assert user.get(url).content == SMALL_DUMP
    assert host.get(url).status_code == 403
    assert daemon.http(pki.other()).get(url).status_code == 403
    with pytest.raises(PosixFault) as caught:
        daemon.client(pki.proxy()).call("RegisterJob", job=JOB2, owner=pki.user().dn)
    assert caught.value.code == errno.EPERM


def test_a_connection_cut_in_the_middle_leaves_nothing(daemon: Daemon) -> None:
    client = register(daemon, JOB)
    url = start(client)
    path = url.removeprefix(daemon.url)
    raw = RawClient(daemon.port, pki.host())
    raw.send(f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n".encode() + b"x" * 5000)
    wait_for(lambda: any(name.endswith(".part") for name in daemon.parts()))
    raw.tls.close()
    wait_for(lambda: daemon.parts() == [])
    with pytest.raises(PosixFault) as caught:
        client.call("CommitUpload", destination=url)
    assert caught.value.code == errno.ENOENT
    assert daemon.http().put(url, data=SMALL_DUMP).status_code == 201
    client.call("CommitUpload", destination=url)


def test_a_body_is_asked_for_before_it_is_sent(daemon: Daemon) -> None:
    url = start(register(daemon, JOB)).removeprefix(daemon.url)
    head = f"Host: localhost\r\nContent-Length: {len(SMALL_DUMP)}\r\nExpect: 100-continue\r\n\r\n"
    raw = RawClient(daemon.port, pki.host()).send(f"PUT {url}x HTTP/1.1\r\n{head}".encode())
    assert raw.answer()[0] == 404
    raw = RawClient(daemon.port, pki.host()).send(f"PUT {url} HTTP/1.1\r\n{head}".encode())
    assert raw.answer()[0] == 100
    assert raw.send(SMALL_DUMP).answer()[0] == 201


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_what_was_acknowledged_survives(daemon: Daemon, number: signal.Signals) -> None:
    client = register(daemon, JOB, JOB2)
    url = start(client)
    daemon.http().put(url, data=SMALL_DUMP).raise_for_status()
    client.call("CommitUpload", destination=url)
    uploaded = start(client, JOB2)
    daemon.http().put(uploaded, data=SMALL_DUMP).raise_for_status()
    user = daemon.client(pki.proxy())
    types = user.contract.types
    user.call("RecordTag", jobid=JOB, tag=types.tagValue(name="a:b", value=types.stringOrBlob(string="x")))
    assert daemon.stop(number) == (0 if number == signal.SIGTERM else -number)
    daemon.start()
    assert values(daemon, "a:b", STATUS, OWNER) == ["x", "Aborted", pki.user().dn]
    daemon.client().call("CommitUpload", destination=uploaded)
    assert values(daemon, STATUS, jobid=JOB2) == ["Aborted"]


def subscribe(daemon: Daemon, destination: str, *wanted: Any) -> str:
    feedid: str = daemon.client().call(
        "FeedIndex", destination=destination, attributes=[OWNER, STATUS], history=True, continuous=True,
        conditions=wanted or [condition(OWNER, "EXISTS")],
    ).feedId
    return feedid


def test_an_index_server_hears_that_there_is_nothing(daemon: Daemon, tmp_path: Path) -> None:
    """On the wire feedDone without any record, against the contract of the index server."""
    notes = tmp_path / "told"
    register(daemon, JOB)
    with jpps_programs.index(notes) as server:
        subscribe(daemon, server.url("/"), condition(OWNER, "EQUAL", "/CN=nobody"))
        wait_for(lambda: told(notes))
    [only] = told(notes)
    assert (only["done"], only["jobs"]) == (True, [])


def test_an_index_server_is_fed(daemon: Daemon, tmp_path: Path) -> None:
    notes = tmp_path / "told"
    register(daemon, JOB)
    with jpps_programs.index(notes) as server:
        feedid = subscribe(daemon, server.url("/"))
        wait_for(lambda: told(notes))
        url = start(register(daemon, JOB2), JOB2)
        daemon.http().put(url, data=SMALL_DUMP)
        daemon.client().call("CommitUpload", destination=url)
        wait_for(lambda: ["Aborted"] in [[each[1] for each in job["values"][-1:]] for job in all_jobs(notes)])
    history, *changes = told(notes)
    assert (history["done"], history["feed"], history["peer"]) == (True, feedid, pki.host().dn)
    [job] = history["jobs"]
    assert job == {
        "jobid": JOB, "owner": pki.user().dn, "primaryStorage": ["localhost"], "remove": False,
        "values": [[OWNER, pki.user().dn, "SYSTEM"]],
    }
    assert {each["done"] for each in changes} == {False}
    assert {job["jobid"] for each in changes for job in each["jobs"]} == {JOB2}


def all_jobs(notes: Path) -> list[dict[str, Any]]:
    return [job for each in told(notes) for job in each["jobs"]]


def test_feeds_wait_for_an_index_server_and_survive_a_kill(daemon: Daemon, tmp_path: Path) -> None:
    notes, port = tmp_path / "told", free_port()
    subscribe(daemon, f"https://localhost:{port}/")
    register(daemon, JOB)
    daemon.stop(signal.SIGKILL)
    daemon.start()
    register(daemon, JOB2)
    with jpps_programs.index(notes, port):
        wait_for(lambda: {job["jobid"] for job in all_jobs(notes)} >= {JOB, JOB2})
        wait_for(lambda: any(each["done"] for each in told(notes)))


# ---- importer ----


def test_the_importer_brings_jobs_from_the_maildirs(db_url: str, tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, db_url)
    dump = tmp_path / "w1.1_2"
    dump.write_bytes(SMALL_DUMP.replace(b"/DC=ref/CN=Test User", pki.user().dn.encode()))
    Maildir(tmp_path / "jpreg").store(f"{JOB}\n{pki.user().dn}".encode(), "lb")
    Maildir(tmp_path / "jpreg").store(f"{JOB2}\n{pki.user().dn}".encode(), "lb")
    Maildir(tmp_path / "jpdump").store(f"jobid  {JOB}\nfile   {dump}jpps   localhost:{daemon.port}".encode(), "x")
    with jpps_programs.importer(tmp_path, "https://localhost:1") as process:
        wait_for(lambda: "no answer" in (tmp_path / "importer.log").read_text())
        process.kill()
        process.wait()
    daemon.start()
    try:
        with jpps_programs.importer(tmp_path, daemon.url) as process:
            wait_for(lambda: not any(Maildir(tmp_path / name).pending() for name in ("jpreg", "jpdump")))
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        assert values(daemon, STATUS, OWNER) == ["Aborted", pki.user().dn]
        assert values(daemon, OWNER, jobid=JOB2) == [pki.user().dn]
        assert not dump.exists()
    finally:
        daemon.stop()


# ---- the command lines ----


@pytest.mark.parametrize("program", [storage_main, importer_main])
def test_help_has_examples(program: Any) -> None:
    shown = CliRunner().invoke(program.command, ["--help"])
    assert shown.exit_code == 0
    assert "Examples:" in shown.output


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ([], "Missing option '-B'"),
        (["-B", "I,/tmp/x"], "-B E,"),
        (["-B", "I"], "write I,PATH"),
        (["-B", "X,y"], "write I,PATH"),
        (["-B", "I,/tmp/x", "-B", "E,/no/url"], "write a URL with a host"),
        ([*NEEDED, "-p", "http"], "is not a valid integer"),
        ([*NEEDED, "-s", "0"], "is not in the range"),
    ],
)
def test_a_wrong_command_line_is_explained(options: list[str], text: str) -> None:
    shown = CliRunner().invoke(storage_main.command, options)
    assert shown.exit_code == 2
    assert text in shown.output


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["-P", "nosuch"], "there is no plug-in 'nosuch'; there are lb, sandbox, classad"),
        (["-a", "/nonexistent/peers"], "the list of peers /nonexistent/peers cannot be read"),
        (["-B", "D,nonsense"], "cannot read the database URL"),
        (["-B", "D,sqlite:////nonexistent/x.db"], "the database cannot be used"),
        (["-c", "/nonexistent/cert", "-k", "/nonexistent/key"], "/nonexistent/cert"),
    ],
)
def test_a_start_that_fails_says_why(tmp_path: Path, options: list[str], text: str) -> None:
    command = [
        str(jpps_programs.BIN / "glite-jp-primarystoraged"), "-d", "-B", f"I,{tmp_path / 's'}",
        "-B", f"E,https://localhost:{free_port()}/jpps", *jpps_programs.credentials(tmp_path), *options,
    ]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert text in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_plugins_of_the_original_are_understood() -> None:
    loaded = registry.load(["/opt/glite/lib/glite_lb_plugin.so", "glite-jp-classad.so", "lb"])
    assert [plugin.name for plugin in loaded.plugins] == ["lb", "classad"]


def test_one_server_per_pid_file(daemon: Daemon, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    daemon.stop()
    daemon.options = ("-i", str(pid_file))
    daemon.start()
    assert daemon.process is not None
    assert int(pid_file.read_text()) == daemon.process.pid
    command = [str(each) for each in json.loads(json.dumps(daemon.process.args))]
    command[command.index("-p") + 1] = str(free_port())
    second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert second.returncode == 1
    assert f"process {daemon.process.pid}" in second.stderr
    daemon.stop(signal.SIGKILL)
    daemon.start()
    assert daemon.stop() == 0
    assert not pid_file.exists()
