"""The importer (jp.md 4): messages, what is done with them, and that it may be killed at any instant."""

import errno
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from requests.adapters import BaseAdapter

from httpg.daemon import AlreadyRunning
from jpps.importer import messages, primary, tasks
from jpps.importer.messages import BadMessage, Registration, Upload
from jpps.importer.primary import Primary, Stored, Unreachable
from jpps.importer.queues import Queue, Times
from jpps.importer.tasks import Outcome, Primaries
from soap.faults import PosixFault
from spool.maildir import Maildir, Message
from unit.jpps import jpps_support
from unit.jpps.jpps_support import JOB, JOB2, LB, LB_SERVER, OTHER, SMALL_DUMP, SYSTEM, USER, World

OWNER, STATUS = f"{SYSTEM}:owner", f"{LB}:status"
TIMES = Times(poll_s=0.01, retry_s=300, give_up_s=3000)


@pytest.fixture
def world(db_url: str, tmp_path: Path) -> World:
    return jpps_support.start(db_url, tmp_path / "storage")


@pytest.fixture
def primaries(world: World) -> Primaries:
    return Primaries(jpps_support.PREFIX, lambda: world.http(LB_SERVER), LB_SERVER)


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    path = tmp_path / "export" / "w1.1795178320_123456"
    path.parent.mkdir()
    path.write_bytes(SMALL_DUMP)
    return path


def about(path: Path, jobid: str = JOB) -> Message:
    return Message("1_2.localhost", f"jobid  {jobid}\nfile   {path}".encode())


def refused(world: World, jobid: str = JOB, dn: str = USER) -> int:
    with pytest.raises(PosixFault) as caught:
        world.client(dn).call("GetJobFiles", jobid=jobid)
    return caught.value.code


# ---- messages ----


@pytest.mark.parametrize("data", [b"https://h/x\n/CN=me", b"https://h/x\n/CN=me\n", b" https://h/x \r\n/CN=me\r\n"])
def test_registrations(data: bytes) -> None:
    assert Registration.parse(data) == Registration("https://h/x", "/CN=me")


@pytest.mark.parametrize("data", [b"", b"https://h/x", b"https://h/x\n", b"\n/CN=me", b"\xff\n/CN=me"])
def test_bad_registrations(data: bytes) -> None:
    with pytest.raises(BadMessage):
        Registration.parse(data)


@pytest.mark.parametrize(
    ("data", "path", "target"),
    [
        ("jobid  J\nfile   /d/x.1_2", "/d/x.1_2", None),
        ("jobid\tJ\nfile\t/d/x\nproxy\t/tmp/p\njpps\thost:8901\n", "/d/x", "https://host:8901"),
        ("jobid  J\nfile   /d/x.1_2jpps   host.example.org:8901", "/d/x.1_2", "https://host.example.org:8901"),
        ("jobid  J\nfile   /d/x.1_2jpps   http://host:8901/jpps", "/d/x.1_2", "https://host:8901/jpps"),
        ("jobid  J\nfile   /d/my jpps files/x", "/d/my jpps files/x", None),
        ("file /d/x\nother thing\n\njobid J", "/d/x", None),
        ("jobid J\nfile /d/x\njpps host", "/d/x", "https://host:8901"),
    ],
)
def test_uploads(data: str, path: str, target: str | None) -> None:
    assert Upload.parse(data.encode()) == Upload("J", Path(path), target)


@pytest.mark.parametrize("data", [b"", b"jobid J", b"file /x", b"jobid\nfile /x", b"jobid J\nfile \xff"])
def test_bad_uploads(data: bytes) -> None:
    with pytest.raises(BadMessage):
        Upload.parse(data)


def test_targets() -> None:
    assert messages.url("http://localhost:8901") == "https://localhost:8901"
    assert messages.url("jpps.example.org") == "https://jpps.example.org:8901"
    assert messages.url("https://h:1/x") == "https://h:1/x"


# ---- registrations ----


def test_a_job_is_registered_and_a_second_time_is_fine(world: World, primaries: Primaries) -> None:
    message = Message("1_2.lb", f"{JOB}\n{USER}".encode())
    assert tasks.register(message, primaries) is Outcome.DONE
    assert tasks.register(message, primaries) is Outcome.DONE
    assert world.values(OWNER) == [(OWNER, USER)]


@pytest.mark.parametrize("data", [b"nothing", b"no-job-id\n/CN=me"])
def test_a_registration_that_makes_no_sense_is_kept_aside(primaries: Primaries, data: bytes) -> None:
    assert tasks.register(Message("1_2.lb", data), primaries) is Outcome.HOPELESS


def test_a_registration_that_is_refused_waits(world: World) -> None:
    untrusted = Primaries(jpps_support.PREFIX, lambda: world.http(OTHER), OTHER)
    assert tasks.register(Message("1_2.lb", f"{JOB}\n{USER}".encode()), untrusted) is Outcome.LATER


# ---- dumps ----


def test_a_dump_is_uploaded_and_deleted(world: World, primaries: Primaries, dump: Path) -> None:
    world.register()
    assert tasks.dumps(None)(about(dump), primaries) is Outcome.DONE
    assert world.values(STATUS) == [(STATUS, "Aborted")]
    assert not dump.exists()


def test_a_dump_is_moved_to_the_store(world: World, primaries: Primaries, dump: Path, tmp_path: Path) -> None:
    world.register()
    assert tasks.dumps(tmp_path / "store")(about(dump), primaries) is Outcome.DONE
    assert (tmp_path / "store" / dump.name).read_bytes() == SMALL_DUMP
    assert not dump.exists()


def test_a_dump_of_an_unknown_job_registers_it_for_its_user(world: World, primaries: Primaries, dump: Path) -> None:
    assert tasks.dumps(None)(about(dump), primaries) is Outcome.DONE
    assert world.values(OWNER, STATUS) == [(STATUS, "Aborted"), (OWNER, USER)]


def test_without_a_registration_in_the_dump_the_importer_is_the_owner(
    world: World, primaries: Primaries, dump: Path
) -> None:
    dump.write_bytes(b"".join(SMALL_DUMP.splitlines(keepends=True)[1:]))
    assert tasks.dumps(None)(about(dump), primaries) is Outcome.DONE
    assert world.values(OWNER, dn=LB_SERVER) == [(OWNER, LB_SERVER)]


def test_the_owner_is_taken_from_a_dump_of_that_job_only(dump: Path) -> None:
    assert tasks.owner_of_dump(dump, JOB) == USER
    assert tasks.owner_of_dump(dump, JOB2) is None
    assert tasks.owner_of_dump(dump, "nonsense") is None


def test_an_identical_dump_that_is_stored_is_done(world: World, primaries: Primaries, dump: Path) -> None:
    world.register()
    world.upload(SMALL_DUMP)
    assert tasks.dumps(None)(about(dump), primaries) is Outcome.DONE
    assert not dump.exists()


def test_another_dump_than_the_stored_one_is_kept_aside(world: World, primaries: Primaries, dump: Path) -> None:
    world.register()
    world.upload(SMALL_DUMP + b"\n")
    assert tasks.dumps(None)(about(dump), primaries) is Outcome.HOPELESS
    assert dump.exists()


def test_a_dump_that_is_gone_is_done_if_it_is_stored(world: World, primaries: Primaries, dump: Path) -> None:
    world.register(JOB, JOB2)
    world.upload(SMALL_DUMP)
    dump.unlink()
    assert tasks.dumps(None)(about(dump), primaries) is Outcome.DONE
    assert tasks.dumps(None)(about(dump, JOB2), primaries) is Outcome.HOPELESS
    assert tasks.dumps(None)(about(dump, "https://lb.example.org:9000/no"), primaries) is Outcome.HOPELESS


def test_a_sandbox_waits_for_its_job_and_stays_where_it_is(world: World, primaries: Primaries, dump: Path) -> None:
    assert tasks.sandboxes()(about(dump), primaries) is Outcome.LATER
    world.register()
    assert tasks.sandboxes()(about(dump), primaries) is Outcome.DONE
    assert dump.exists()
    [listed] = world.client(USER).call("GetJobFiles", jobid=JOB).files
    assert listed.class_ == "urn:org.glite.jp.primary:isb"


def test_a_storage_that_wants_gridftp_is_told_apart(world: World, primaries: Primaries, dump: Path) -> None:
    world.register()
    world.storage.prefix = "gsiftp://jpps.test:8911/home/glite/jpps"
    assert tasks.dumps(None)(about(dump), primaries) is Outcome.LATER
    assert dump.exists()


class Killed(BaseException):
    """What SIGKILL is to a test."""


STEPS: list[tuple[str, Callable[[], tuple[object, str]]]] = [
    ("the start", lambda: (Primary, "start")),
    ("the registration", lambda: (Primary, "register")),
    ("the upload", lambda: (Primary, "put")),
    ("the commit", lambda: (Primary, "commit")),
    ("the dump is deleted", lambda: (tasks, "_put_away")),
    ("the message is done", lambda: (Maildir, "done")),
]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", [each[1] for each in STEPS], ids=[each[0] for each in STEPS])
def test_an_importer_that_is_killed_goes_on_at_the_next_start(
    world: World, primaries: Primaries, dump: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    step: Callable[[], tuple[object, str]], after: bool,
) -> None:
    root = tmp_path / "jpdump"
    Maildir(root).store(about(dump).data, "localhost")
    stop = threading.Event()
    owner, name = step()
    real = getattr(owner, name)

    def killed(*arguments: object) -> None:
        if after:
            real(*arguments)
        raise Killed

    with monkeypatch.context() as deadly:
        deadly.setattr(owner, name, killed)
        queue = Queue(root, tasks.dumps(None), TIMES)
        with pytest.raises(Killed):
            queue.once(primaries, stop)
        queue.close()
    again = Queue(root, tasks.dumps(None), TIMES)
    again.once(primaries, stop)
    assert Maildir(root).pending() == 0
    assert os.listdir(root / "undeliverable") == []
    assert not dump.exists()
    assert world.values(OWNER, STATUS) == [(STATUS, "Aborted"), (OWNER, USER)]
    assert len(world.client(USER).call("GetJobFiles", jobid=JOB).files) == 1


# ---- queues ----


def queue_of(root: Path, answers: Iterator[Outcome | Exception], seen: list[str]) -> Queue:
    def task(message: Message, primaries: Primaries) -> Outcome:
        seen.append(message.data.decode())
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return Queue(root, task, TIMES)


def nobody() -> Primaries:
    return Primaries("https://nobody", requests.Session, "/CN=nobody")


@pytest.mark.parametrize(
    ("outcome", "place"),
    [(Outcome.DONE, None), (Outcome.HOPELESS, "undeliverable"), (Outcome.LATER, "post"), (ValueError("bug"), "post")],
)
def test_where_messages_go(tmp_path: Path, outcome: Outcome | Exception, place: str | None) -> None:
    name = Maildir(tmp_path).store(b"x", "lb")
    seen: list[str] = []
    queue_of(tmp_path, iter([outcome]), seen).once(nobody(), threading.Event())
    assert seen == ["x"]
    for directory in ("new", "work", "post", "undeliverable"):
        assert os.listdir(tmp_path / directory) == ([name] if directory == place else [])


def test_a_storage_that_is_down_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jpps.importer.queues.FIRST_PAUSE_S", 0.001)
    Maildir(tmp_path).store(b"x", "lb")
    seen: list[str] = []
    answers: list[Outcome | Exception] = [Unreachable("down"), Unreachable("down"), Outcome.DONE]
    queue_of(tmp_path, iter(answers), seen).once(nobody(), threading.Event())
    assert seen == ["x"] * 3
    assert Maildir(tmp_path).pending() == 0


def test_stopping_while_waiting_leaves_the_message_in_work(tmp_path: Path) -> None:
    name = Maildir(tmp_path).store(b"x", "lb")
    stop = threading.Event()

    def task(message: Message, primaries: Primaries) -> Outcome:
        stop.set()
        raise Unreachable("down")

    Queue(tmp_path, task, TIMES).run(nobody(), stop)
    assert os.listdir(tmp_path / "work") == [name]


def test_two_importers_do_not_share_a_maildir(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    first = Queue(tmp_path / "m", tasks.register, TIMES)
    with pytest.raises(AlreadyRunning):
        Queue(tmp_path / "m", tasks.register, TIMES)
    first.close()
    Queue(tmp_path / "m", tasks.register, TIMES).close()


# ---- the client ----


class _Answering(BaseAdapter):
    def __init__(self, status: int, headers: dict[str, str]) -> None:
        super().__init__()
        self._status, self._headers = status, headers

    def send(self, request: requests.PreparedRequest, *args: object, **kwargs: object) -> requests.Response:
        answer = requests.Response()
        answer.status_code, answer._content, answer.url = self._status, b"", request.url or ""
        answer.headers.update(self._headers)
        return answer

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("status", "headers", "same"),
    [
        (404, {}, None),
        (200, {}, True),
        (200, {"Repr-Digest": "sha-256=:!!:"}, True),
        (200, {"Repr-Digest": "md5=:AAAA:, sha-256=:AAAA:"}, False),
    ],
)
def test_what_a_storage_says_of_a_file(dump: Path, status: int, headers: dict[str, str], same: bool | None) -> None:
    session = requests.Session()
    session.mount("https://", _Answering(status, headers))
    stored = Primary("https://x", lambda: session).stored("https://x/data")
    assert (stored and stored.same_as(dump)) is same


def test_other_answers_about_a_file_are_failures() -> None:
    session = requests.Session()
    session.mount("https://", _Answering(403, {}))
    with pytest.raises(primary.UploadFailed):
        Primary("https://x", lambda: session).stored("https://x/data")
    assert Stored(None).same_as(Path("/nonexistent"))


def test_a_fault_without_a_place_is_not_taken_for_one() -> None:
    assert primary.location(PosixFault(errno.EEXIST, "file already stored")) is None
