"""Whether and how a failed job is tried again (wms.md 4.4)."""

from __future__ import annotations

from dataclasses import dataclass

from wms.config import WorkloadManager
from wms.jdl import Jdl
from wms.manager.journal import LM, UNAVAILABLE, WM, Journal
from wms.manager.outcome import Limits
from wms.manager.record import Record, Stage
from wms.queue import resubmit_text

TOKEN_EXISTS = "token still exists"
TOKEN_GRABBED = "token was grabbed"
SHALLOW_DISABLED = "shallow resubmission is disabled"
#: ShallowRetryCount with which shallow resubmission is switched off; so it is for a job that says nothing.
DISABLED = -1


@dataclass(frozen=True)
class Policy:
    """What a job and the server allow."""

    deep: Limits
    shallow: Limits

    @classmethod
    def of(cls, jdl: Jdl, server: WorkloadManager) -> Policy:
        deep, shallow = jdl.integer("RetryCount"), jdl.integer("ShallowRetryCount")
        return cls(
            Limits(deep or 0, server.max_retry_count),
            Limits(DISABLED if shallow is None else shallow, server.max_shallow_retry_count),
        )

    @property
    def shallow_enabled(self) -> bool:
        return self.shallow.of_job != DISABLED


def resubmit(record: Record, journal: Journal, policy: Policy, *, queue: str, token: str, reason: str = "") -> None:
    """Log the way back to the workload manager and its decision; the record is WAITING or FINISHED afterwards.

    `token`: path of the job's token, for the events; `reason`: of the log monitor's own Resubmission event.
    """
    attempt = record.attempt
    started = attempt is not None and attempt.really_running
    journal.log(LM, "Resubmission", result="WILLRESUB", reason=reason or UNAVAILABLE, tag=UNAVAILABLE)
    command = resubmit_text(record.jobid, record.seqcode)
    for result in ("START", "OK"):
        journal.log(LM, "EnQueued", queue=queue, job=command, result=result)
    journal.log(WM, "DeQueued", queue=queue)
    if policy.shallow_enabled and not started:
        if record.shallow >= policy.shallow.effective:
            abort(record, journal, policy.shallow.exceeded_text("shallow "))
            return
        record.shallow += 1
        journal.log(WM, "Resubmission", result="SHALLOW", reason=TOKEN_EXISTS, tag=token)
    else:
        if record.deep >= policy.deep.effective:
            abort(record, journal, policy.deep.exceeded_text())
            return
        record.deep, record.shallow = record.deep + 1, 0
        why = TOKEN_GRABBED if policy.shallow_enabled else SHALLOW_DISABLED
        journal.log(WM, "Resubmission", result="WILLRESUB", reason=why, tag=token)
    record.stage, record.attempt, record.next_try = Stage.WAITING, None, 0.0


def abort(record: Record, journal: Journal, reason: str, *, source: str = WM) -> None:
    """The job is given up."""
    journal.log(source, "Abort", reason=reason)
    finish(record, f"aborted: {reason}")


def finish(record: Record, outcome: str) -> None:
    """Nothing more is to be done for the job but to clear away."""
    record.stage, record.outcome = Stage.FINISHED, outcome
