"""The interlogger: every event arrives once, whatever dies or refuses in between (lb.md 5.2, 5.3)."""

import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

import pki
from httpg.client import session
from lb.client import LbClient
from lb.logger.interlogger import Interlogger
from lb.model import jobid as ids
from lb.model import ulm
from lb.model.jobid import JobId
from lb.producer import EventSpool, JobLogger, Producer
from lb.storeclient import StoreError
from lb.storeproto import OK, Reply, failure
from lbbench import SERVER, USER_DN, line, running, settings
from spool.eventfile import EventFiles
from testbed import ca
from tlsserver import free_port, wait_for

RETRY_S = 0.01


class Server:
    """The far end of the wire: what arrived, and what it answers: a reply, or None to break the connection."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.answers: dict[bytes, list[Reply | None]] = {}
        self.down = False
        self.connections = 0

    def deliver_all(self, lines: Sequence[bytes]) -> list[Reply]:
        replies = []
        for text in lines:
            if self.down:
                raise StoreError("down")
            answer = self._answer(text)
            if answer is None:
                raise StoreError("broken off")
            replies.append(answer)
            if answer.ok:
                self.lines.append(text)
        return replies

    def _answer(self, text: bytes) -> Reply | None:
        scripted = next((answers for mark, answers in self.answers.items() if mark in text and answers), None)
        return OK if scripted is None else scripted.pop(0)

    def close(self) -> None:
        self.connections -= 1


@contextmanager
def logging(files: EventFiles, *servers: tuple[str, Server]) -> Iterator[Interlogger]:
    """An interlogger that runs in a thread."""
    known = dict(servers)

    def connect(server: str) -> Server:
        known[server].connections += 1
        return known[server]

    interlogger = Interlogger(files, connect, poll_s=0.01, first_retry_s=RETRY_S, last_retry_s=RETRY_S)
    stop = threading.Event()
    thread = threading.Thread(target=interlogger.run, args=(stop,))
    thread.start()
    try:
        yield interlogger
    finally:
        stop.set()
        thread.join()


@pytest.fixture
def files(tmp_path: Path) -> EventFiles:
    return EventFiles(tmp_path / "spool" / "dglogd.log")


def new() -> JobId:
    return ids.new(SERVER)


def tags(job: JobId, *numbers: int) -> list[bytes]:
    return [line("UserTag", job, number, source="Application", name=f"n{number}-", value="v") for number in numbers]


def put(files: EventFiles, *lines: bytes) -> None:
    for text in lines:
        files.append(ulm.parse(text).jobid.unique, text)


def left(files: EventFiles) -> list[str]:
    return sorted(os.listdir(files.prefix.parent))


def test_events_are_delivered_in_order_and_the_file_goes(files: EventFiles) -> None:
    job, server = new(), Server()
    put(files, *tags(job, 1, 2, 3))
    with logging(files, (SERVER, server)):
        wait_for(lambda: left(files) == [])
        put(files, *tags(job, 4))
        wait_for(lambda: left(files) == [])
    assert server.lines == tags(job, 1, 2, 3, 4)
    assert server.connections == 0


def test_each_server_gets_its_own(files: EventFiles) -> None:
    other = "elsewhere.org:9100"
    here, there = Server(), Server()
    mine, theirs = new(), ids.new(other)
    put(files, *tags(mine, 1), *tags(theirs, 2))
    there.down = True
    with logging(files, (SERVER, here), (other, there)):
        wait_for(lambda: left(files) == [f"dglogd.log.{theirs.unique}"])
        there.down = False
        wait_for(lambda: left(files) == [])
    assert (here.lines, there.lines) == (tags(mine, 1), tags(theirs, 2))


def test_more_events_than_one_window(files: EventFiles) -> None:
    jobs, server = [new() for _ in range(3)], Server()
    for job in jobs:
        put(files, *tags(job, *range(150)))
    with logging(files, (SERVER, server)):
        wait_for(lambda: left(files) == [])
    for job in jobs:
        assert [text for text in server.lines if job.unique.encode() in text] == tags(job, *range(150))


@pytest.mark.parametrize("refusal", [
    failure(errno.EPERM, "not allowed"), failure(1403, "incomplete"), failure(errno.ENOENT, "job not registered"),
], ids=["PERM", "PROTO", "DBERR ENOENT"])
def test_what_is_refused_for_good_is_dropped(files: EventFiles, refusal: Reply) -> None:
    job, server = new(), Server()
    server.answers[b'"n2-"'] = [refusal]
    put(files, *tags(job, 1, 2, 3))
    with logging(files, (SERVER, server)):
        wait_for(lambda: left(files) == [])
    assert server.lines == tags(job, 1, 3)


@pytest.mark.parametrize("refusal", [
    failure(errno.ENOMEM, "memory"), failure(errno.EIO, "database"), failure(errno.EEXIST, "?"), Reply(800, 5, "?"),
], ids=["NOMEM", "DBERR EIO", "DBERR EEXIST", "SYS"])
def test_what_cannot_be_taken_now_is_sent_again_in_order(files: EventFiles, refusal: Reply) -> None:
    job, other, server = new(), new(), Server()
    server.answers[b'"n2-"'] = [refusal] * 3
    put(files, *tags(job, 1, 2, 3), *tags(other, 7))
    with logging(files, (SERVER, server)):
        wait_for(lambda: left(files) == [])
    mine = [text for text in server.lines if job.unique.encode() in text]
    assert list(dict.fromkeys(mine)) in (tags(job, 1, 2, 3), tags(job, 1, 3, 2))
    assert tags(other, 7)[0] in server.lines


def test_a_broken_connection_loses_nothing(files: EventFiles) -> None:
    job, server = new(), Server()
    server.answers[b'"n2-"'] = [None, None]
    put(files, *tags(job, 1, 2, 3))
    with logging(files, (SERVER, server)):
        wait_for(lambda: left(files) == [])
    assert list(dict.fromkeys(server.lines)) == tags(job, 1, 2, 3)


def test_a_restart_goes_on_where_it_was(files: EventFiles) -> None:
    job, server = new(), Server()
    put(files, *tags(job, 1, 2, 3))
    server.answers[b'"n3-"'] = [failure(errno.EIO, "no")] * 1000
    with logging(files, (SERVER, server)):
        wait_for(lambda: len(server.lines) == 2 and f"dglogd.log.{job.unique}.ctl" in left(files))
    server.answers.clear()
    put(files, *tags(job, 4))
    with logging(files, (SERVER, server)):
        wait_for(lambda: left(files) == [])
    assert server.lines == tags(job, 1, 2, 3, 4)


def test_a_line_that_is_still_being_written_waits(files: EventFiles) -> None:
    job, server = new(), Server()
    path = files.path(job.unique)
    first, second = tags(job, 1, 2)
    path.write_bytes(first[:40])
    with logging(files, (SERVER, server)) as interlogger:
        interlogger.scan()
        path.write_bytes(first + b"\n" + second[:30])
        wait_for(lambda: server.lines == [first])
        with path.open("ab") as file:
            file.write(second[30:] + b"\n")
        wait_for(lambda: left(files) == [])
    assert server.lines == [first, second]


@pytest.mark.parametrize("place", ["first", "later", "other job"])
def test_a_corrupt_file_is_put_aside(files: EventFiles, place: str) -> None:
    job, good, server = new(), new(), Server()
    bad = tags(new(), 5)[0] if place == "other job" else b"no event"
    before = [] if place == "first" else tags(job, 1)
    files.path(job.unique).write_bytes(b"".join(text + b"\n" for text in [*before, bad, *tags(job, 2)]))
    put(files, *tags(good, 3))
    with logging(files, (SERVER, server)):
        wait_for(lambda: left(files) == [f"dglogd.log.{job.unique}.quarantine.1"])
    assert sorted(server.lines) == sorted([*before, *tags(good, 3)])


def test_a_file_that_is_removed_by_hand_is_forgotten(files: EventFiles) -> None:
    job, server = new(), Server()
    server.down = True
    put(files, *tags(job, 1))
    with logging(files, (SERVER, server)):
        wait_for(lambda: server.connections == 0)
        files.path(job.unique).unlink()
        server.down = False
        put(files, *tags(job, 2))
        wait_for(lambda: server.lines == tags(job, 2))


# ---- with a real server ---------------------------------------------------------------------------------------------


def interlogd(prefix: Path, root: Path) -> "subprocess.Popen[bytes]":
    certificate, key = root / "hostcert.pem", root / "hostkey.pem"
    ca.save_pair(pki.host(), certificate, key)
    command = [Path(sys.executable).parent / "glite-lb-interlogd", "-d", "-f", prefix, "-c", certificate, "-k", key,
               "-C", pki.ca_dir(), "--poll", "0.05", "-i", root / "interlogd.pid"]
    return subprocess.Popen(list(map(str, command)))


def test_from_a_logger_to_a_status_while_everything_is_killed(tmp_path: Path) -> None:
    chosen = settings(tmp_path, f"sqlite:///{tmp_path / 'lb.db'}", port=free_port(1, 3))
    prefix = tmp_path / "spool" / "dglogd.log"
    job = ids.new(chosen.server)
    client = LbClient(f"https://localhost:{chosen.ws_port}/", session(pki.user(), pki.ca_dir()))
    with running(chosen):
        code = Producer(pki.proxy(), pki.ca_dir()).register(job, jdl="[]", ns="NS", source="NetworkServer")
    logger = JobLogger(EventSpool(prefix), job, "NetworkServer", USER_DN, code)
    code = logger.log("Accepted", from_="UserInterface", from_host="ui")
    daemon = interlogd(prefix, tmp_path)
    try:
        daemon.kill()  # before there was a server to deliver to
        daemon.wait()
        broker = JobLogger(EventSpool(prefix), job, "WorkloadManager", USER_DN, code)
        code = broker.log("Match", dest_id="ce.example.org:8443/short")
        broker = JobLogger(EventSpool(prefix), job, "LogMonitor", USER_DN, code)
        broker.log("Running", node="wn1")
        broker.log("UserTag", name="a", value="b")
        daemon = interlogd(prefix, tmp_path)
        with running(chosen):
            wait_for(lambda: client.job_status(str(job)).state == "RUNNING")
            broker.log("Done", status_code="OK", exit_code=0)
            wait_for(lambda: client.job_status(str(job)).state == "DONE")
            wait_for(lambda: os.listdir(prefix.parent) == [])
            assert len(client.job_log(str(job))) == 6
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait() == 0
        assert not (tmp_path / "interlogd.pid").exists()
    finally:
        daemon.kill()
        daemon.wait()


