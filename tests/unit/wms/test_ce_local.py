"""The local computing element with real processes: life, limits, slots, kills, and what a successor finds."""

import json
import os
import resource
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pki
import tlsserver
from wms.ce.base import CeError, CeJob, CeState, Report
from wms.ce.local import LocalElement, end_all
from wms.ce.processes import Identity
from wms.ce.supervisor import Ending, claim, written
from wms.wrapper import Phase

SEQCODE = "UI=000000:NS=0000000004:WM=000005:BH=0000000000:JSS=000001:LM=000000:LRMS=000000:APP=000000:LBS=000000"


def job(key: str, script: str, **more: Any) -> CeJob:
    """A job that runs a shell script."""
    description = {
        "jobid": "https://localhost:9000/x", "seqcode": SEQCODE, "executable": "/bin/sh",
        "arguments": f"-c '{script}'", "environment": [], "input_sandbox": [], "output_sandbox": [],
    }
    return CeJob(key, description | more, pki.proxy_file())


class Elements:
    """Makes elements over one directory, as successive managers would; what still runs at the end is killed."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def new(self, **options: Any) -> LocalElement:
        return LocalElement(self.root, pki.ca_dir(), **{"slots": 4, "grace_s": 60.0} | options)

    def kill_all(self) -> None:
        for started in self.root.glob("*/started"):
            identity = Identity.from_json(json.loads(started.read_text()))
            if identity is not None and identity.alive:
                os.kill(identity.pid, signal.SIGKILL)


@pytest.fixture
def elements(tmp_path: Path) -> Iterator[Elements]:
    made = Elements(tmp_path / "ce")
    yield made
    made.kill_all()


def until(element: LocalElement, key: str, wanted: Callable[[Report], bool]) -> Report:
    found: list[Report] = []

    def look() -> bool:
        found[:] = [element.poll([key])[key]]
        return wanted(found[0])

    tlsserver.wait_for(look)
    return found[0]


def final(element: LocalElement, key: str) -> Report:
    return until(element, key, lambda report: report.state.final)


def running(element: LocalElement, key: str) -> Report:
    """Wait until the job's own program runs."""
    return until(element, key, lambda report: report.progress is not None and report.progress.payload_started)


def supervisor(element: LocalElement, key: str) -> Identity:
    identity = Identity.from_json(json.loads((element.root / key / "started").read_text()))
    assert identity is not None
    return identity


def test_a_job_runs_in_a_directory_and_session_of_its_own(elements: Elements) -> None:
    element = elements.new(environment={"SITE": "here"})
    script = "pwd; echo $SITE; ps -o sid= -p $$; cat $X509_USER_PROXY | head -1; exit 5"
    key = element.submit(job("a", script, std_output="out"))
    assert element.poll([key])[key].state is CeState.QUEUED
    report = final(element, key)
    assert (report.state, report.reason) == (CeState.FINISHED, "")
    assert report.progress is not None
    assert (report.progress.phase, report.progress.exit_code, report.progress.failure) == (Phase.DONE, 5, None)
    place = element.root / "a"
    pwd, site, session, pem = (place / "work" / "out").read_text().splitlines()
    assert (pwd, site, pem) == (str(place / "work"), "here", "-----BEGIN CERTIFICATE-----")
    assert int(session) == supervisor(element, key).pid != os.getsid(0)
    assert (place / "user.proxy").stat().st_mode & 0o777 == 0o600
    assert place.stat().st_mode & 0o777 == 0o700


def test_submission_is_idempotent(elements: Elements, tmp_path: Path) -> None:
    element, count = elements.new(), tmp_path / "count"
    one = job("a", f"echo x >> {count}")
    assert element.submit(one) == element.submit(one)
    final(element, "a")
    assert element.submit(one) == "a"
    assert elements.new().submit(one) == "a"
    assert element.poll(["a"])["a"].state is CeState.FINISHED
    assert count.read_text() == "x\n"


def test_a_successor_finds_queued_running_and_finished_jobs(elements: Elements, tmp_path: Path) -> None:
    first, go = elements.new(slots=2), tmp_path / "go"
    first.submit(job("done", "exit 7"))
    final(first, "done")
    first.submit(job("runs", f"until test -e {go}; do sleep 0.05; done"))
    running(first, "runs")
    first.slots = 1
    first.submit(job("waits", "true"))
    assert first.poll(["waits"])["waits"].state is CeState.QUEUED
    second = elements.new(slots=1)
    states = {key: report.state for key, report in second.poll(["done", "runs", "waits"]).items()}
    assert states == {"done": CeState.FINISHED, "runs": CeState.RUNNING, "waits": CeState.QUEUED}
    go.touch()
    assert final(second, "runs").state is CeState.FINISHED
    assert final(second, "waits").state is CeState.FINISHED


def test_jobs_wait_for_a_slot_in_their_order(elements: Elements, tmp_path: Path) -> None:
    element, log = elements.new(slots=1), tmp_path / "log"
    keys = [element.submit(job(f"j{n}", f"echo begin{n} >> {log}; sleep 0.1; echo end{n} >> {log}")) for n in (3, 1, 2)]
    for key in keys:
        final(element, key)
    assert log.read_text().split() == ["begin3", "end3", "begin1", "end1", "begin2", "end2"]


def test_two_elements_over_one_directory_start_a_job_once(elements: Elements, tmp_path: Path) -> None:
    count = tmp_path / "count"
    first, second = elements.new(), elements.new()
    for element in (first, second):
        element.submit(job("a", f"echo x >> {count}"))
    for element in (first, second):
        element.poll(["a"])
    assert final(first, "a").state is CeState.FINISHED
    assert final(second, "a").state is CeState.FINISHED
    tlsserver.wait_for(lambda: all(s.process.poll() is not None for e in (first, second) for s in e._starts.values()))
    assert count.read_text() == "x\n"


def test_the_wall_clock_limit_ends_the_job_and_everything_it_started(elements: Elements) -> None:
    element = elements.new(max_wall_clock_s=0.0)
    key = element.submit(job("a", "(setsid sleep 1000 & echo $! > child) ; sleep 1000"))
    report = final(element, key)
    assert (report.state, report.reason) == (CeState.FINISHED, "wall clock limit of 0 s exceeded")
    assert report.progress is None or report.progress.failure == "Job has been terminated (got SIGXCPU)"
    assert not running_with(key)


def test_a_job_that_ignores_its_limit_is_killed(elements: Elements, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    element = elements.new(grace_s=0.0)
    key = element.submit(job("a", f"trap : TERM XCPU; touch {ready}; while :; do sleep 1000; done"))
    tlsserver.wait_for(lambda: element.poll([key]) and ready.exists())
    element.cancel(key)
    assert final(element, key).state is CeState.CANCELLED
    assert not running_with(key)


@pytest.mark.parametrize(
    "script", ["head -c 5000000 /dev/zero > big", "for i in 1 2 3 4; do head -c 400000 /dev/zero > f$i; done"]
)
def test_the_output_limit_counts_one_file_and_all_together(elements: Elements, script: str) -> None:
    element = elements.new(max_output_bytes=1_000_000)
    key = element.submit(job("a", script))
    report = final(element, key)
    assert (report.state, report.reason) == (CeState.FINISHED, "output limit of 1000000 bytes exceeded")
    assert written(element.root / key / "work") <= 1_700_000


def test_cancelling_a_running_job(elements: Elements) -> None:
    element = elements.new()
    key = element.submit(job("a", "sleep 1000"))
    running(element, key)
    element.cancel(key)
    report = final(element, key)
    assert (report.state, report.reason) == (CeState.CANCELLED, "Cancelled by user")
    assert not running_with(key)
    element.cancel(key)
    assert elements.new().poll([key])[key].state is CeState.CANCELLED


def test_cancelling_a_queued_job_means_it_never_runs(elements: Elements, tmp_path: Path) -> None:
    element, ran = elements.new(slots=0), tmp_path / "ran"
    key = element.submit(job("a", f"touch {ran}"))
    element.cancel(key)
    assert element.poll([key])[key].state is CeState.CANCELLED
    other = elements.new()
    assert other.submit(job("a", f"touch {ran}")) == key
    assert other.poll([key])[key].state is CeState.CANCELLED
    assert not ran.exists()


def test_a_job_that_ended_before_it_was_cancelled_has_finished(elements: Elements) -> None:
    element = elements.new()
    key = element.submit(job("a", "exit 2"))
    final(element, key)
    element.cancel(key)
    assert elements.new().poll([key])[key].state is CeState.FINISHED


def test_a_job_whose_supervisor_is_killed_is_lost_and_nothing_of_it_stays(elements: Elements) -> None:
    element = elements.new()
    key = element.submit(job("a", "setsid sleep 1000 & sleep 1000"))
    running(element, key)
    os.kill(supervisor(element, key).pid, signal.SIGKILL)
    report = final(element, key)
    assert (report.state, report.reason) == (CeState.LOST, "the job disappeared from the computing element")
    assert report.progress is not None and report.progress.payload_started
    tlsserver.wait_for(lambda: not running_with(key))
    assert elements.new().poll([key])[key].state is CeState.LOST


@pytest.mark.parametrize(
    ("script", "patience"), [("sleep 1000", 60.0), ("trap : TERM; while :; do sleep 1000; done", 0.0)]
)
def test_everything_can_be_ended(elements: Elements, script: str, patience: float) -> None:
    element = elements.new()
    key = element.submit(job("a", script))
    running(element, key)
    assert end_all(elements.root.parent, patience) == 1
    tlsserver.wait_for(lambda: not running_with(key))
    report = final(elements.new(), key)
    assert (report.state, report.reason) in (
        (CeState.FINISHED, "the computing element is being shut down"),
        (CeState.LOST, "the job disappeared from the computing element"),
    )
    assert end_all(elements.root.parent, patience) == 0


def test_a_pid_that_was_given_away_again_is_not_the_job(elements: Elements) -> None:
    element = elements.new(slots=0)
    key = element.submit(job("a", "true"))
    mine = Identity.mine()
    assert claim(element.root / key, {"pid": mine.pid, "start": mine.start + 1, "boot": mine.boot})
    assert elements.new().poll([key])[key].state is CeState.LOST


def test_a_job_that_cannot_be_started_is_lost_in_the_end(elements: Elements) -> None:
    element = elements.new(slots=0)
    key = element.submit(job("a", "true"))
    (element.root / key / "spec.json").write_text('{"surplus": 1}')
    report = final(elements.new(), key)
    assert (report.state, report.reason) == (CeState.LOST, "the job could not be started in 3 tries")


def test_unknown_and_malformed_ids(elements: Elements) -> None:
    element = elements.new()
    assert element.poll(["nothing"])["nothing"].state is CeState.LOST
    element.cancel("nothing")
    element.cleanup("nothing")
    for bad in ("", "../x", ".hidden"):
        with pytest.raises(CeError):
            element.poll([bad])


def test_cleanup_forgets_only_what_has_ended(elements: Elements) -> None:
    element = elements.new()
    key = element.submit(job("a", "mkdir d; touch d/f; chmod 0 d"))
    assert not element.poll([key])[key].state.final
    with pytest.raises(CeError, match="has not ended"):
        element.cleanup(key)
    final(element, key)
    element.cleanup(key)
    assert list(element.root.iterdir()) == []
    assert element.poll([key])[key].state is CeState.LOST


def test_a_submission_that_does_not_fit_on_the_disk_leaves_nothing_and_may_be_repeated(elements: Elements) -> None:
    element = elements.new()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(CeError) as refused:
            element.submit(job("a", "exit 4"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert refused.value.transient and os.listdir(element.root) == []
    element.submit(job("a", "exit 4"))
    report = final(element, "a")
    assert report.progress is not None and report.progress.exit_code == 4


def test_an_unfinished_submission_is_swept_away(elements: Elements) -> None:
    elements.root.mkdir()
    (elements.root / ".new-1").mkdir()
    (elements.root / ".removed-1").mkdir()
    elements.new()
    assert list(elements.root.iterdir()) == []


MANAGER = """
import sys, time
from pathlib import Path
sys.path.insert(0, "tests")
import test_ce_local as t
element = t.LocalElement(Path(sys.argv[1]), Path(sys.argv[2]), slots=1)
element.submit(t.CeJob("a", eval(sys.argv[3]), Path(sys.argv[4])))
while True:
    element.poll(["a"])
    time.sleep(0.01)
"""


def test_a_killed_manager_neither_kills_nor_forgets_its_job(elements: Elements, tmp_path: Path) -> None:
    going, go, count = tmp_path / "going", tmp_path / "go", tmp_path / "count"
    one = job("a", f"echo x >> {count}; touch {going}; until test -e {go}; do sleep 0.05; done; exit 9")
    arguments = [str(elements.root), str(pki.ca_dir()), repr(one.description), str(one.proxy)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    manager = subprocess.Popen([sys.executable, "-c", textwrap.dedent(MANAGER), *arguments], env=environment)
    tlsserver.wait_for(going.exists)
    manager.kill()
    manager.wait()
    element = elements.new()
    assert element.submit(one) == "a"
    assert element.poll(["a"])["a"].state is CeState.RUNNING
    go.touch()
    report = final(element, "a")
    assert report.progress is not None and report.progress.exit_code == 9
    assert Ending.read(elements.root / "a") == Ending("", "", 0)
    assert count.read_text() == "x\n"


def running_with(key: str) -> list[str]:
    """Commands of the processes that belong to the attempt."""
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"GLITE_LOCAL_CE_JOB={key}".encode() in environ.read_bytes().split(b"\0"):
                found.append(environ.with_name("cmdline").read_text())
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found
