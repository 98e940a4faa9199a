"""Starting a job exactly once: every place where the service can die, and the way on from there."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

import pki
import tlsserver
from gsi.gacl import Gacl
from spool.files import write_durably
from unit.wms import wmproxy_support as support
from unit.wms.wmproxy_support import HELLO, World, counts
from wms.config import Settings
from wms.jdl import Jdl, parse
from wms.jobdirectory import JobDirectory, held
from wms.queue import Submit
from wms.wmproxy import handover, starting
from wms.wmproxy.errors import Code, OperationError
from wms.wmproxy.handover import Handover, Pending
from wms.wmproxy.kit import Kit
from wms.wmproxy.main import prepare

CODE = "UI=000000:NS=0000000002:WM=000000:BH=0000000000:JSS=000000:LM=000000:LRMS=000000:APP=000000:LBS=000000"
JOBID = "https://localhost:9000/StartStartStartStartSt"


class Died(BaseException):
    """The process ends here."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = support.settings(tmp_path, "localhost:9000")
    prepare(settings)
    return settings


@pytest.fixture
def world(settings: Settings) -> World:
    return World(settings)


@pytest.fixture
def job(world: World) -> JobDirectory:
    """A registered job."""
    directory = world.directory(JOBID)
    directory.create()
    directory.write(directory.proxy, pki.proxy().to_pem())
    directory.write(directory.gacl, Gacl.of_owner(pki.USER_DN).write())
    jdl = parse(HELLO)
    jdl.set("edg_jobid", JOBID)
    jdl.set("CertificateSubject", pki.USER_DN)
    jdl.set("X509UserProxy", str(directory.proxy))
    jdl.set("LB_sequence_code", CODE)
    directory.write(directory.jdl_to_start, jdl.text())
    return directory


def start(settings: Settings, job: JobDirectory) -> None:
    """A start by a service that has just been started."""
    starting.start(Kit.of(settings), job, pki.USER_DN, "127.0.0.1")


def check_handed_over_once(world: World, job: JobDirectory) -> None:
    [command] = world.commands()
    assert isinstance(command, Submit)
    assert job.started and not job.jdl_to_start.exists()
    assert sorted(path.name for path in job.path.iterdir() if path.name.startswith(".")) == [
        ".gacl", ".startLockFile.lock",
    ]  # fmt: skip
    last = world.events(JOBID)[-1]
    assert (last.name, last.get("result")) == ("EnQueued", "OK")
    assert last.seqcode == command.seqcode
    assert all(event.seqcode <= command.seqcode for event in world.events(JOBID))


def dying(monkeypatch: pytest.MonkeyPatch, owner: type, name: str, *, after: bool) -> None:
    """Let the process die before or after this step."""
    step: Callable[..., object] = getattr(owner, name)

    def fatal(*arguments: object) -> object:
        if after:
            step(*arguments)
        raise Died

    monkeypatch.setattr(owner, name, fatal)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    "owner, step",
    [(Handover, "prepare"), (Handover, "deliver"), (JobDirectory, "mark_started"), (Handover, "close")],
)
def test_a_start_that_died_is_completed_by_the_next_one(
    settings: Settings,
    world: World,
    job: JobDirectory,
    monkeypatch: pytest.MonkeyPatch,
    owner: type,
    step: str,
    after: bool,
) -> None:
    with monkeypatch.context() as patch:
        dying(patch, owner, step, after=after)
        with pytest.raises(Died):
            start(settings, job)
    if (step, after) == ("close", True):  # all was done but the answer
        with pytest.raises(OperationError) as caught:
            start(settings, job)
        assert caught.value.code is Code.OPERATION_NOT_ALLOWED
    else:
        start(settings, job)
    check_handed_over_once(world, job)


def test_a_command_that_is_finished_already_is_not_delivered_again(
    settings: Settings, world: World, job: JobDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        dying(patch, Handover, "deliver", after=True)
        with pytest.raises(Died):
            start(settings, job)
    [command] = world.commands()  # the manager was fast: taken and finished
    start(settings, job)
    assert world.commands() == [] and job.started
    events = world.events(JOBID)
    assert [event.get("result") for event in events if event.name == "EnQueued"] == ["START", "OK"]
    assert isinstance(command, Submit) and events[-1].seqcode == command.seqcode
    assert counts(events[-1]) == {"NS": 5}


def test_a_crash_between_writing_and_marking_leaves_no_command(
    settings: Settings, world: World, job: JobDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def first_only(path: Path, data: bytes, mode: int = 0o600) -> None:
        if path.name == handover.MARKER:
            raise Died
        write_durably(path, data, mode)

    with monkeypatch.context() as patch:
        patch.setattr(handover, "write_durably", first_only)
        with pytest.raises(Died):
            start(settings, job)
    start(settings, job)
    check_handed_over_once(world, job)


def test_a_full_disk_is_told_and_the_start_can_be_repeated(
    settings: Settings, world: World, job: JobDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Handover, directory: JobDirectory, jdl: Jdl, seqcode: str) -> Pending:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Handover, "prepare", full)
        with pytest.raises(OperationError) as caught:
            start(settings, job)
    assert caught.value.code is Code.FILE_SYSTEM_ERROR
    start(settings, job)
    check_handed_over_once(world, job)


def test_while_one_start_runs_another_is_refused(settings: Settings, job: JobDirectory) -> None:
    with held(job.start_lock), pytest.raises(OperationError, match="jobStart operation already in progress"):
        start(settings, job)
    job.remove()
    with pytest.raises(OperationError) as caught:
        start(settings, job)
    assert caught.value.code is Code.JOB_NOT_FOUND


@pytest.mark.parametrize(
    "text, expected",
    [
        ('OutputSandbox = { "a", "d/b c" };', ["u/output/a", "u/output/b%20c"]),
        ('OutputSandbox = { "a" }; OutputSandboxBaseDestURI = "gsiftp://se/x/";', ["gsiftp://se/x/a"]),
        ('OutputSandbox = { "a", "b" }; OutputSandboxDestURI = { "https://h/z", "q" };', ["https://h/z", "u/output/q"]),
        ('OutputSandbox = { "*.png" };', None),
        ("", None),
    ],
)
def test_every_output_file_gets_its_destination(text: str, expected: list[str] | None) -> None:
    jdl = parse(text)
    starting.set_output_destinations(jdl, "u/output")
    assert jdl.strings("OutputSandboxDestURI") == (expected or [])
    assert (jdl.string("OutputSandboxBaseDestURI") == "u/output") is ("*" in text)


def test_perusal_is_set_up_with_the_minimal_interval(settings: Settings, world: World, job: JobDirectory) -> None:
    jdl = parse(job.jdl_to_start.read_text())
    jdl.set("PerusalFileEnable", True)
    jdl.set("PerusalTimeInterval", 5)
    jdl.set("WMPInputSandboxBaseURI", "u")
    job.write(job.jdl_to_start, jdl.text())
    start(settings, job)
    final = parse(job.description())
    assert final.integer("PerusalTimeInterval") == 1000
    assert final.string("PerusalListFileURI") == "u/peek/files2peek"
    assert final.string("PerusalFilesDestURI") == "u/peek"


def test_a_killed_service_loses_nothing_between_registration_and_start(tmp_path: Path) -> None:
    with support.lb_server(tmp_path / "lb") as lb:
        settings = support.settings(tmp_path / "wms", lb)
        world = World(settings)
        with support.wmproxy_server(settings) as running:
            user = world.user()
            user.delegate()
            jobids = [user.register() for _ in range(3)]
            user.call("jobStart", jobId=jobids[0])
            os.kill(running.pid, signal.SIGKILL)
            tlsserver.wait_for(running.ended)
        # Its workers die with it, but not at the same moment.
        tlsserver.wait_for(lambda: all(map(tlsserver.is_free, running.ports)))
        with support.wmproxy_server(settings):
            user = world.user()
            for jobid in jobids[1:]:
                user.call("jobStart", jobId=jobid)
            assert [user.state(jobid) for jobid in jobids] == ["SUBMITTED"] * 3
    commands = world.commands()
    assert [command.jobid for command in commands] == jobids
    for jobid in jobids:
        assert [event.name for event in world.events(jobid)] == ["Accepted", "EnQueued", "EnQueued"]
