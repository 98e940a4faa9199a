"""glite-wms-workload-manager as a program: whole jobs, signals, kill -9 at every durable write, bad requests."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import pki
import tlsserver
from gsi.gacl import Gacl
from httpg.server import Listener
from httpg.wsgi import HttpProtocol
from lb.model.seqcode import SeqCode
from wmgrid import WmGrid, ceid
from wms.jdl import parse
from wms.jobdirectory import encode
from wms.manager.loop import Loop
from wms.manager.main import command
from wms.sandbox import upload
from wms.sandbox.app import SandboxApplication

#: The program, killed just before its n-th fsync: what is on disk then is all that a successor has.
KILLED_AT_FSYNC = """
import os, signal, sys
left, fsync = int(sys.argv.pop(1)), os.fsync
def counted(descriptor):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    fsync(descriptor)
os.fsync = counted
from wms.manager.main import main
main()
"""


def check_codes(grid: WmGrid, jobid: str) -> None:
    """One event per code, and codes that only grow in what each component has logged."""
    events = [event for event in grid.events(jobid) if event.name != "Cancel" and event.source != "LRMS"]
    codes = [event.seqcode for event in events]
    assert codes == sorted(set(codes))


def test_many_jobs_at_once(make: Any) -> None:
    grid = make(slots=3)
    jobs = {grid.submit(grid.shell(f"exit {n}")): n for n in range(12)}
    with grid.running():
        for jobid, number in jobs.items():
            assert grid.wait(jobid) == f"done, exit code {number}"
    for jobid, number in jobs.items():
        check_codes(grid, jobid)
        status = grid.status(jobid)
        assert (status.state, status.exit_code) == ("Done", number)


def test_a_whole_job_with_its_sandboxes_over_https(make: Any) -> None:
    grid = make()
    root = grid.settings.common.sandbox_directory
    upload.prepare(root)
    app = SandboxApplication(root, max_input_bytes=1 << 20, max_output_bytes=1 << 20)
    with tlsserver.running([Listener("127.0.0.1", 0, lambda: HttpProtocol(app))], pki.host(), pki.ca_dir()) as server:
        text = 'Executable = "run.sh"; Arguments = "a b"; StdOutput = "out"; InputSandbox = {"run.sh"};'
        jobid = grid.register(f'{text} OutputSandbox = {{"out"}};')
        directory = grid.directory(jobid)
        directory.write(directory.gacl, Gacl.of_owner(pki.USER_DN).write())
        (directory.input / "run.sh").write_text("#!/bin/sh\necho $1-$2; cat .BrokerInfo\n")
        jdl = parse(directory.jdl_started.read_text())
        jdl.set("WMPInputSandboxBaseURI", server.url(f"/{directory.relative}"))
        jdl.set("InputSandboxPath", str(directory.input))
        grid.queue.submit(jdl)
        with grid.running():
            assert grid.wait(jobid) == "done, exit code 0"
    output = (directory.output / "out").read_text()
    assert output.startswith("a-b\n")
    assert f'name = "{ceid("a.example.org")}"' in output
    assert "job exit status = 0" in directory.maradona.read_text()


def test_killed_before_every_fsync_and_started_again(make: Any, tmp_path: Path) -> None:
    """The manager dies at its 1st, 2nd, 3rd … fsync, each time started again, until the job is through."""
    grid, count = make(), tmp_path / "count"
    jobid = grid.submit(grid.shell(f"echo x >> {count}; exit 3"))
    kills = 0
    while not grid.finished(jobid):
        manager = grid.start(sys.executable, "-c", KILLED_AT_FSYNC, str(kills))
        if not ends_or_finishes(grid, manager, jobid):
            break
        assert manager.returncode == -signal.SIGKILL
        kills += 1
    assert kills > 10
    assert count.read_text() == "x\n"
    check_codes(grid, jobid)
    assert grid.names(jobid, "WM", "JSS", "LM") == [
        "WM:DeQueued", "WM:Match", "WM:UserTag", "WM:EnQueued START", "WM:EnQueued OK", "JSS:DeQueued",
        "LM:Transfer START", "LM:Transfer OK", "LM:Running", "LM:ReallyRunning", "LM:Done OK",
    ]
    status = grid.status(jobid)
    assert (status.state, status.done_code, status.exit_code) == ("Done", "OK", 3)


def ends_or_finishes(grid: WmGrid, manager: subprocess.Popen[bytes], jobid: str) -> bool:
    """Wait for the end of the manager, then True, or of the job."""
    tlsserver.wait_for(lambda: manager.poll() is not None or grid.finished(jobid))
    return manager.poll() is not None


def test_killed_while_a_job_runs(make: Any, tmp_path: Path) -> None:
    grid, count, go = make(), tmp_path / "count", tmp_path / "go"
    jobid = grid.submit(grid.shell(f"echo x >> {count}; until test -e {go}; do sleep 0.05; done"))
    manager = grid.start()
    tlsserver.wait_for(lambda: "LM:ReallyRunning" in grid.names(jobid))
    manager.kill()
    manager.wait()
    go.touch()
    with grid.running():
        assert grid.wait(jobid) == "done, exit code 0"
    assert count.read_text() == "x\n"
    assert grid.names(jobid).count("WM:DeQueued") == 1
    assert grid.status(jobid).state == "Done"


def test_the_job_goes_on_when_the_manager_is_ended(make: Any, tmp_path: Path) -> None:
    grid, go = make(), tmp_path / "go"
    jobid = grid.submit(grid.shell(f"until test -e {go}; do sleep 0.05; done; exit 2"))
    with grid.running():
        tlsserver.wait_for(lambda: "LM:ReallyRunning" in grid.names(jobid))
    go.touch()
    with grid.running():
        assert grid.wait(jobid) == "done, exit code 2"


def test_cancelling_through_the_queue(make: Any) -> None:
    grid = make()
    running, pending = grid.submit(grid.shell("sleep 1000")), grid.submit(grid.shell("exit 0", "Requirements = false;"))
    with grid.running():
        tlsserver.wait_for(lambda: "LM:ReallyRunning" in grid.names(running))
        tlsserver.wait_for(lambda: "WM:Pending" in grid.names(pending))
        for jobid in (running, pending):
            grid.queue.cancel(jobid, str(SeqCode(ns=5)))
        assert grid.wait(running) == "cancelled: Cancelled by user"
        assert grid.wait(pending) == "Aborted by user"
        grid.queue.cancel(running, str(SeqCode(ns=6)))
        tlsserver.wait_for(lambda: "WM:Cancel ABORT" in grid.names(running) and not grid.queue.pending())
    for jobid in (running, pending):
        assert grid.status(jobid).state == "Cancelled"


def test_a_job_that_is_handed_over_twice_runs_once(make: Any, tmp_path: Path) -> None:
    grid, count = make(), tmp_path / "count"
    jobid = grid.submit(grid.shell(f"echo x >> {count}"))
    (first,) = list((grid.queue.root / "new").iterdir())
    (grid.queue.root / "new" / f"{first.name}_again").write_bytes(first.read_bytes())
    with grid.running():
        grid.wait(jobid)
        grid.queue.submit(parse(grid.directory(jobid).jdl_started.read_text()))
        tlsserver.wait_for(lambda: not any((grid.queue.root / "new").iterdir()) and not grid.queue.pending())
    assert count.read_text() == "x\n"
    assert grid.names(jobid).count("WM:DeQueued") == 1


def test_bad_requests_are_dropped_and_do_no_harm(make: Any) -> None:
    grid = make()
    for number, data in enumerate([b"", b"\xff", b"[ version = \"1.0.0\"; command = \"match\"; arguments = [ ] ]"]):
        (grid.queue.root / "new" / f"2000{number}").write_bytes(data)
    grid.queue.cancel("https://localhost:9000/unknown", "")
    jobid = grid.submit(grid.shell("exit 0"))
    with grid.running():
        grid.wait(jobid)
    log = (grid.root / "manager.log").read_text()
    assert log.count("is dropped") == 3
    assert "to be cancelled, but not known" in log


def test_a_record_that_cannot_be_read_is_not_started_anew(make: Any, tmp_path: Path) -> None:
    grid, ran = make(), tmp_path / "ran"
    jobid = grid.submit(grid.shell(f"touch {ran}"))
    record = grid.root / "state" / "jobs" / f"{encode(jobid)}.json"
    record.parent.mkdir(parents=True)
    record.write_text('{"from": "another release"}')
    with grid.running():
        tlsserver.wait_for(lambda: "is left alone: repair" in (grid.root / "manager.log").read_text())
    assert "another release" in record.read_text()
    assert len(grid.queue.pending()) == 1 and not ran.exists()


def test_event_files_that_cannot_be_written_for_a_while(make: Any) -> None:
    """The step is repeated until it works: nothing is lost or doubled."""
    grid = make()
    jobid = grid.submit(grid.shell("exit 0"))
    events = grid.root / "events"
    events.mkdir()
    blocked = events / f"dglogd.log.{jobid.rsplit('/', 1)[1]}"
    blocked.mkdir()
    with grid.running():
        tlsserver.wait_for(lambda: "this step failed" in (grid.root / "manager.log").read_text())
        blocked.rmdir()
        assert grid.wait(jobid) == "done, exit code 0"
    check_codes(grid, jobid)
    assert grid.names(jobid)[0] == "WM:DeQueued"


def test_only_one_manager_works_on_a_directory(make: Any) -> None:
    grid = make()
    with grid.running():
        tlsserver.wait_for(lambda: "working on" in (grid.root / "manager.log").read_text())
        assert grid.start().wait() == 1
    assert "another workload manager" in (grid.root / "manager.log").read_text()


def test_check_tells_which_elements_can_be_reached(make: Any) -> None:
    grid = make(hosts=("a.example.org", "b.example.org"))
    grid.publish("b.example.org", "c.example.org")
    done = CliRunner().invoke(command, ["--check", "--config", str(grid.root / "wms.toml")])
    assert done.exit_code == 0
    assert f"{ceid('b.example.org')}: local" in done.output
    assert f"{ceid('c.example.org')}: no adapter" in done.output
    assert f"{ceid('a.example.org')}: not in" in done.output


@pytest.mark.parametrize(
    ("change", "words"), [("adapter = \"pbs\"", "no adapter 'pbs'; there are: local"), ("slot = 3", "did you mean")]
)
def test_a_bad_configuration_says_what_is_wrong(make: Any, change: str, words: str) -> None:
    grid = make(element=change) if "adapter" in change else make()
    if "slot" in change:
        with (grid.root / "wms.toml").open("a") as file:
            file.write(f"{change}\n")
    assert grid.start().wait() == 1
    assert words in (grid.root / "manager.log").read_text()


def test_help_has_examples() -> None:
    done = CliRunner().invoke(command, ["--help"])
    assert done.exit_code == 0 and "Examples:" in done.output


def test_the_sandbox_of_a_job_that_is_gone_is_forgotten(make: Any) -> None:
    grid = make()
    jobid = grid.submit(grid.shell("exit 0"))
    with grid.running():
        grid.wait(jobid)
    grid.directory(jobid).remove()
    with grid.running():
        tlsserver.wait_for(lambda: jobid not in grid.retired())


def test_a_signal_that_outlasts_the_wait_for_answers(make: Any) -> None:
    """It ends all the same: a SIGTERM at that moment is not forgotten."""
    loop = Loop(make().lifecycle())
    until = time.time() + 0.2

    def handle(_number: int, _frame: object) -> None:
        tlsserver.wait_for(lambda: time.time() > until)

    before = signal.signal(signal.SIGALRM, handle)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        loop._listen(until)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
