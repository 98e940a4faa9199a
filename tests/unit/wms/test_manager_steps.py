"""The manager's steps in this process: matching, putting off, giving up, trying again, cancelling; real local jobs."""

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import pki
import tlsserver
from lb.model.seqcode import SeqCode
from wmgrid import cancel_command, ceid
from wms.ce.base import CeError, CeJob, CeState, Report
from wms.manager.lifecycle import Job, Lifecycle, Wish
from wms.manager.outcome import FATAL, NO_OUTPUT, Limits, Verdict, judge
from wms.manager.record import Stage
from wms.wrapper import Phase, Progress

A, B = "a.example.org", "b.example.org"
MATCHED = [
    "WM:Match", "WM:UserTag", "WM:EnQueued START", "WM:EnQueued OK", "JSS:DeQueued", "LM:Transfer START",
    "LM:Transfer OK",
]
BACK = ["LM:Done FAILED", "LM:Resubmission WILLRESUB", "LM:EnQueued START", "LM:EnQueued OK", "WM:DeQueued"]


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def poll(lifecycle: Lifecycle, job: Job) -> Report:
    """Ask the element of the job and tell the job."""
    attempt = job.record.attempt
    assert attempt is not None
    adapter = lifecycle.elements.get(attempt.ceid)
    assert adapter is not None
    report = adapter.poll([attempt.lrms_id])[attempt.lrms_id]
    job.inbox.append(report)
    lifecycle.advance(job)
    return report


def follow(lifecycle: Lifecycle, job: Job) -> None:
    """Until this attempt is over."""
    before = (Stage.AT_CE, job.record.attempts)
    tlsserver.wait_for(lambda: poll(lifecycle, job) and (job.record.stage, job.record.attempts) != before)


def test_a_job_that_succeeds(make: Any) -> None:
    grid = make()
    jobid = grid.submit(grid.shell("exit 0"))
    lifecycle = grid.lifecycle()
    job = grid.accept(lifecycle)
    lifecycle.advance(job)
    assert job.record.stage is Stage.AT_CE
    assert grid.status(jobid).state == "Scheduled"
    follow(lifecycle, job)
    assert grid.names(jobid, "WM", "JSS", "LM") == [
        "WM:DeQueued", *MATCHED, "LM:Running", "LM:ReallyRunning", "LM:Done OK",
    ]
    assert grid.names(jobid, "LRMS")[:2] == ["LRMS:Running", "LRMS:ReallyRunning"]
    status = grid.status(jobid)
    assert (status.state, status.done_code, status.exit_code) == ("Done", "OK", 0)
    assert (status.reason, status.destination) == ("Job Terminated Successfully", ceid(A))
    assert grid.finished(jobid)
    assert list((grid.root / "state" / "ce").glob("*/*")) == []


def test_every_event_is_the_users_and_every_code_is_new(make: Any) -> None:
    grid = make()
    jobid = grid.submit(grid.shell("exit 0"))
    lifecycle = grid.lifecycle()
    job = grid.accept(lifecycle)
    lifecycle.advance(job)
    follow(lifecycle, job)
    events = grid.events(jobid)
    assert {event.user for event in events} == {pki.USER_DN}
    codes = [event.seqcode for event in events if event.source != "LRMS"]
    assert codes == sorted(set(codes))
    match, really = (next(e for e in events if (e.source, e.name) == one) for one in (
        ("WorkloadManager", "Match"), ("LogMonitor", "ReallyRunning")))
    assert match.get("dest_id") == ceid(A)
    assert SeqCode.parse(really.get("wn_seq")).lrms == 2
    queued = [e for e in events if e.name == "EnQueued"]
    assert f'ce_id = "{ceid(A)}"' in queued[1].get("job") and 'Command = "Submit"' in queued[1].get("job")


def test_a_failing_program_is_done_with_its_exit_code(make: Any) -> None:
    grid = make()
    jobid = grid.submit(grid.shell("exit 17", "RetryCount = 3;"))
    lifecycle = grid.lifecycle()
    job = grid.accept(lifecycle)
    lifecycle.advance(job)
    follow(lifecycle, job)
    status = grid.status(jobid)
    assert (status.state, status.done_code, status.exit_code) == ("Done", "OK", 17)
    assert status.reason == "Warning: job exit code != 0"


def test_no_match_is_pending_until_the_request_expires(make: Any) -> None:
    grid, clock = make(manager="match_retry_period_s = 100\nexpiry_period_s = 250"), Clock()
    jobid = grid.submit(grid.shell("exit 0", "Requirements = other.GlueCEStateFreeCPUs > 5;"))
    lifecycle = grid.lifecycle()
    lifecycle.clock = clock
    job = grid.accept(lifecycle)
    for due in (1_000_100.0, 1_000_200.0, 1_000_250.0):
        assert lifecycle.advance(job) == due
        assert lifecycle.advance(job) == due
        clock.now = due
    lifecycle.advance(job)
    assert grid.names(jobid) == ["WM:DeQueued", "WM:Pending", "WM:Pending", "WM:Pending", "WM:Abort"]
    expected = "BrokerHelper: no compatible resources (of 1 computing element: 1 fail other.GlueCEStateFreeCPUs > 5)"
    assert set(grid.reasons(jobid, "Pending")) == {expected}
    assert (grid.status(jobid).state, grid.status(jobid).reason) == ("Aborted", "request expired")
    assert grid.finished(jobid)


def test_a_pending_job_goes_when_an_element_appears(make: Any) -> None:
    grid, clock = make(), Clock()
    grid.publish()
    jobid = grid.submit(grid.shell("exit 0"))
    lifecycle = grid.lifecycle()
    lifecycle.clock = clock
    job = grid.accept(lifecycle)
    assert lifecycle.advance(job) == clock.now + 300
    assert "no computing element is published" in grid.reasons(jobid, "Pending")[0]
    grid.publish(A)
    clock.now += 300
    lifecycle.advance(job)
    assert job.record.stage is Stage.AT_CE


def test_the_job_may_set_its_own_expiry(make: Any) -> None:
    grid, clock = make(), Clock()
    jobid = grid.submit(grid.shell("exit 0", "ExpiryTime = 999999; Requirements = false;"))
    lifecycle = grid.lifecycle()
    lifecycle.clock = clock
    lifecycle.advance(grid.accept(lifecycle))
    assert grid.reasons(jobid, "Abort") == ["request expired"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('SubmitTo = "nonsense";', "SubmitTo"),
        ('SubmitTo = "far.example.org:1/cream-x-y";', "no adapter is configured for far.example.org:1/cream-x-y"),
        ("Rank = other.NoSuchThing;", "Rank of the job is undefined"),
        ('InputData = { "lfn:/x" };', "not available in this release"),
        ("fuzzy_factor = \"x\";", "fuzzy_factor must be a finite number"),
    ],
)
def test_what_the_broker_cannot_do_is_pending_with_its_reason(make: Any, text: str, reason: str) -> None:
    grid = make()
    jobid = grid.submit(grid.shell("exit 0", text))
    lifecycle = grid.lifecycle()
    lifecycle.advance(grid.accept(lifecycle))
    assert reason in grid.reasons(jobid, "Pending")[0]


@pytest.mark.parametrize("kind", ["expired", "broken", "missing"])
def test_a_proxy_that_cannot_be_used_ends_the_job(make: Any, kind: str) -> None:
    grid = make()
    jobid = grid.submit(grid.shell("exit 0"), b"x" if kind == "broken" else None)
    if kind == "missing":
        grid.directory(jobid).proxy.unlink()
    lifecycle = grid.lifecycle()
    if kind == "expired":
        lifecycle.clock = lambda: (pki.proxy().not_after + timedelta(seconds=1)).timestamp()
    lifecycle.advance(grid.accept(lifecycle))
    texts = {
        "expired": "proxy expired", "broken": "invalid X509 proxy (user.proxy)",
        "missing": "X509 proxy not found or I/O error (user.proxy)",
    }
    assert grid.reasons(jobid, "Abort") == [texts[kind]]
    assert grid.status(jobid).state == "Aborted"


def test_a_missing_program_aborts_the_job_without_another_try(make: Any) -> None:
    grid = make()
    jobid = grid.submit('Executable = "nowhere"; RetryCount = 5;')
    lifecycle = grid.lifecycle()
    job = grid.accept(lifecycle)
    lifecycle.advance(job)
    follow(lifecycle, job)
    assert grid.names(jobid, "WM", "JSS", "LM")[-3:] == ["LM:Running", "LM:Done FAILED", "LM:Abort"]
    assert grid.status(jobid).state == "Aborted"
    assert grid.status(jobid).reason == "nowhere: not found or unreadable"


def test_deep_resubmission_up_to_the_limit_avoiding_hosts(make: Any) -> None:
    """RetryCount 3 gives 7 WILLRESUB events (wms.md 4.4)."""
    grid = make(hosts=(A, B))
    jobid = grid.submit(grid.shell("exit 0", 'RetryCount = 3; Epilogue = "gone";'))
    lifecycle = grid.lifecycle()
    job = grid.accept(lifecycle)
    lifecycle.advance(job)
    while job.record.stage is Stage.AT_CE:
        follow(lifecycle, job)
    round_ = [*MATCHED, "LM:Running", "LM:ReallyRunning", *BACK]
    expected = ["WM:DeQueued", *round_]
    for _ in range(3):
        expected += ["WM:Resubmission WILLRESUB", *round_]
    assert grid.names(jobid, "WM", "JSS", "LM") == [*expected, "WM:Abort"]
    assert [name.partition(":")[2] for name in grid.names(jobid)].count("Resubmission WILLRESUB") == 7
    assert grid.reasons(jobid, "Abort") == ["hit job retry count (3)"]
    assert grid.reasons(jobid, "Done")[1] == "epilogue failed: gone not found"
    hosts = [e.get("value") for e in grid.events(jobid) if e.name == "UserTag"]
    assert (hosts[0], hosts[1]) == (A, B)
    assert grid.status(jobid).state == "Aborted"


def test_shallow_resubmission_when_the_program_was_not_started(make: Any) -> None:
    grid = make()
    job_text = 'Executable = "/bin/true"; Prologue = "gone"; RetryCount = 5; ShallowRetryCount = 2;'
    jobid = grid.submit(job_text)
    lifecycle = grid.lifecycle()
    job = grid.accept(lifecycle)
    lifecycle.advance(job)
    while job.record.stage is Stage.AT_CE:
        assert grid.directory(jobid).token(0).exists()
        follow(lifecycle, job)
    shallow = [e for e in grid.events(jobid) if e.name == "Resubmission" and e.source == "WorkloadManager"]
    assert [(e.get("result"), e.get("reason")) for e in shallow] == [("SHALLOW", "token still exists")] * 2
    assert shallow[0].get("tag") == str(grid.directory(jobid).token(0))
    assert grid.reasons(jobid, "Abort") == ["hit job shallow retry count (2)"]


def test_deep_resubmission_when_the_token_was_taken(make: Any) -> None:
    grid = make(manager="max_retry_count = 1")
    text = 'Executable = "/bin/true"; Epilogue = "gone"; RetryCount = 5; ShallowRetryCount = 2;'
    jobid = grid.submit(text)
    lifecycle = grid.lifecycle()
    job = grid.accept(lifecycle)
    lifecycle.advance(job)
    while job.record.stage is Stage.AT_CE:
        follow(lifecycle, job)
    deep = [e for e in grid.events(jobid) if e.name == "Resubmission" and e.source == "WorkloadManager"]
    assert [(e.get("result"), e.get("reason")) for e in deep] == [("WILLRESUB", "token was grabbed")]
    assert grid.reasons(jobid, "Abort") == ["hit max retry count (1)"]


def test_a_resubmitted_job_may_succeed(make: Any, tmp_path: Path) -> None:
    grid, mark = make(), tmp_path / "mark"
    script = f"test -e {mark} && exit 4; touch {mark}; kill -9 $PPID"
    jobid = grid.submit(grid.shell(script, "RetryCount = 1;"))
    lifecycle = grid.lifecycle()
    job = grid.accept(lifecycle)
    lifecycle.advance(job)
    while job.record.stage is Stage.AT_CE:
        follow(lifecycle, job)
    assert NO_OUTPUT in grid.reasons(jobid, "Done")
    status = grid.status(jobid)
    assert (status.state, status.exit_code, status.resubmitted) == ("Done", 4, True)


def test_a_job_over_its_time_is_tried_again_and_given_up(make: Any) -> None:
    grid = make(element="max_wall_clock_s = 0")
    jobid = grid.submit(grid.shell("sleep 1000", "RetryCount = 0;"))
    lifecycle = grid.lifecycle()
    job = grid.accept(lifecycle)
    lifecycle.advance(job)
    follow(lifecycle, job)
    assert "wall clock limit of 0 s exceeded" in grid.reasons(jobid, "Done")[-1]
    assert grid.reasons(jobid, "Abort") == ["hit job retry count (0)"]


def test_cancelling_a_waiting_job_removes_it(make: Any) -> None:
    grid = make()
    jobid = grid.submit(grid.shell("exit 0", "Requirements = false;"))
    lifecycle = grid.lifecycle()
    job = grid.accept(lifecycle)
    lifecycle.advance(job)
    job.inbox.append(Wish("none", cancel_command(jobid)))
    lifecycle.advance(job)
    assert grid.names(jobid)[2:] == ["WM:Cancel REQ", "WM:Cancel DONE", "WM:Done CANCELLED"]
    assert grid.status(jobid).state == "Cancelled"
    assert not grid.directory(jobid).exists
    assert grid.finished(jobid)


def test_cancelling_a_running_job(make: Any) -> None:
    grid = make()
    jobid = grid.submit(grid.shell("sleep 1000", "RetryCount = 3;"))
    lifecycle = grid.lifecycle()
    job = grid.accept(lifecycle)
    lifecycle.advance(job)
    tlsserver.wait_for(lambda: poll(lifecycle, job) and "LM:ReallyRunning" in grid.names(jobid))
    wish = Wish(grid.queue.cancel(jobid, str(SeqCode(ns=5))), cancel_command(jobid))
    lifecycle.queue.take()
    job.inbox.extend([wish, wish])
    lifecycle.advance(job)
    follow(lifecycle, job)
    cancelling = [name for name in grid.names(jobid, "WM", "JSS", "LM") if "Cancel" in name or "CANCELLED" in name]
    assert cancelling == ["WM:Cancel REQ", "WM:Cancel DONE", "JSS:Cancel REQ", "LM:Cancel DONE", "LM:Done CANCELLED"]
    codes = [SeqCode.parse(e.seqcode) for e in grid.events(jobid) if e.name == "Cancel"]
    assert codes == sorted(codes) and codes[0] == SeqCode(ns=5, wm=1)
    assert grid.status(jobid).state == "Cancelled"
    assert grid.finished(jobid)
    assert grid.directory(jobid).exists


def test_a_cancellation_that_comes_too_late_is_refused(make: Any) -> None:
    grid = make()
    jobid = grid.submit(grid.shell("exit 0"))
    lifecycle = grid.lifecycle()
    job = grid.accept(lifecycle)
    lifecycle.advance(job)
    attempt = job.record.attempt
    assert attempt is not None
    adapter = lifecycle.elements.get(attempt.ceid)
    assert adapter is not None
    tlsserver.wait_for(lambda: adapter.poll([attempt.lrms_id])[attempt.lrms_id].state.final)
    job.inbox.append(Wish("none", cancel_command(jobid)))
    lifecycle.advance(job)
    assert [n for n in grid.names(jobid) if "Cancel" in n] == ["WM:Cancel REQ", "WM:Cancel ABORT"]
    status = grid.status(jobid)
    assert (status.state, status.cancelling) == ("Done", False)
    record = lifecycle.store.retired(jobid)
    assert record is not None
    lifecycle.refuse_cancel(record, Wish("none", cancel_command(jobid)))
    assert grid.reasons(jobid, "Cancel")[-1] == "the job is done, exit code 0"


class Broken:
    """An element that cannot be reached."""

    def __init__(self, transient: bool) -> None:
        self.transient = transient

    def submit(self, job: CeJob) -> str:
        raise CeError("connection refused", transient=self.transient)


@pytest.mark.parametrize("transient", [True, False])
def test_an_element_that_does_not_take_the_job(make: Any, transient: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    grid = make(hosts=(A, B))
    jobid = grid.submit(grid.shell("exit 0", "RetryCount = 1;"))
    lifecycle = grid.lifecycle()
    monkeypatch.setitem(lifecycle.elements._adapters, ceid(A), Broken(transient))
    job = grid.accept(lifecycle)
    lifecycle.advance(job)
    names = grid.names(jobid)
    assert names[6:9] == ["LM:Transfer START", "LM:Transfer FAIL", "LM:Done FAILED" if transient else "LM:Abort"]
    reason = f"Transfer to {ceid(A)} failed due to exception: connection refused"
    if transient:
        assert job.record.attempt is not None and job.record.attempt.ceid == ceid(B)
        assert grid.reasons(jobid, "Done")[0] == reason
        assert "CEUrl" in grid.reasons(jobid, "Resubmission")[0]
    else:
        assert grid.reasons(jobid, "Abort") == [reason]


def test_forged_events_of_a_job_are_not_forwarded(make: Any) -> None:
    grid = make()
    forged = {
        "event": "UserTag", "time": [1, 1], "host": "h", "fields": {"name": "a", "value": "b"},
        "seqcode": str(SeqCode(ns=9999)),
    }
    script = f"echo {json.dumps(json.dumps(forged))} >> ../state/events.jsonl"
    (grid.root / "forge.sh").write_text(f"#!/bin/sh\n{script}\n")
    os.chmod(grid.root / "forge.sh", 0o755)
    jobid = grid.submit(f'Executable = "{grid.root}/forge.sh";')
    lifecycle = grid.lifecycle()
    job = grid.accept(lifecycle)
    lifecycle.advance(job)
    follow(lifecycle, job)
    assert "LRMS:Done OK" in grid.names(jobid)
    assert "LRMS:UserTag" not in grid.names(jobid)


def progress(**values: Any) -> Progress:
    return Progress(Phase.DONE, "n", **values)


@pytest.mark.parametrize(
    ("report", "cancelled", "verdict", "reason"),
    [
        (Report(CeState.FINISHED, progress(exit_code=0)), False, Verdict.DONE, "Job Terminated Successfully"),
        (Report(CeState.FINISHED, progress(exit_code=1)), True, Verdict.DONE, "Warning: job exit code != 0"),
        (Report(CeState.FINISHED, progress(failure="Cannot upload x")), False, Verdict.RESUBMIT, "Cannot upload x"),
        (Report(CeState.FINISHED, progress(failure=f"x: {FATAL[0]}")), False, Verdict.ABORT, f"x: {FATAL[0]}"),
        (Report(CeState.FINISHED, None), False, Verdict.RESUBMIT, NO_OUTPUT),
        (Report(CeState.FINISHED, progress()), False, Verdict.RESUBMIT, NO_OUTPUT),
        (Report(CeState.FINISHED, progress(exit_code=0), "limit"), False, Verdict.RESUBMIT, "limit"),
        (Report(CeState.LOST, None, "gone"), False, Verdict.RESUBMIT, "gone"),
        (Report(CeState.LOST, None, "gone"), True, Verdict.CANCELLED, "gone"),
        (Report(CeState.CANCELLED, progress(failure="Job has been terminated")), False, Verdict.RESUBMIT,
         "Job has been terminated"),
    ],
)
def test_verdicts(report: Report, cancelled: bool, verdict: Verdict, reason: str) -> None:
    outcome = judge(report, cancelled=cancelled)
    assert (outcome.verdict, outcome.reason) == (verdict, reason)


def test_texts_of_limits() -> None:
    assert Limits(3, 10).exceeded_text() == "hit job retry count (3)"
    assert Limits(30, 10).exceeded_text() == "hit max retry count (10)"
    assert Limits(3, 10).exceeded_text("shallow ") == "hit job shallow retry count (3)"
    assert Limits(30, 10).exceeded_text("shallow ") == "hit shallow max retry count (10)"
    assert Limits(-1, 10).effective == 0
