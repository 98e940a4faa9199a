"""From the report of a computing element to a verdict on the job (wms.md 4.8)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from wms.ce.base import CeState, Report
from wms.wrapper import Phase

#: Fragments of a wrapper's reason after which another try makes no sense; after all others the job is resubmitted.
FATAL = ("not found or unreadable", "Job killed")
NO_OUTPUT = "Cannot read JobWrapper output, both from Condor and from Maradona."
SUCCESS = "Job Terminated Successfully"
NON_ZERO = "Warning: job exit code != 0"


class Verdict(Enum):
    DONE = auto()
    RESUBMIT = auto()
    ABORT = auto()
    CANCELLED = auto()


@dataclass(frozen=True)
class Outcome:
    """`reason` is the text for the events; `exit_code` counts only for DONE."""

    verdict: Verdict
    reason: str
    exit_code: int = 0


def judge(report: Report, *, cancelled: bool) -> Outcome:
    """The verdict on a final report; `cancelled`: the user wants the job to end."""
    progress = report.progress
    done = progress is not None and progress.phase is Phase.DONE and progress.failure is None and not report.reason
    if done and progress is not None and progress.exit_code is not None:
        return Outcome(Verdict.DONE, SUCCESS if progress.exit_code == 0 else NON_ZERO, progress.exit_code)
    reason = _reason(report)
    if cancelled:
        return Outcome(Verdict.CANCELLED, report.reason or reason)
    if any(fragment in reason for fragment in FATAL):
        return Outcome(Verdict.ABORT, reason)
    return Outcome(Verdict.RESUBMIT, reason)


def _reason(report: Report) -> str:
    """What the wrapper says and what the batch system says, as far as they say something."""
    failure = report.progress.failure if report.progress is not None else None
    parts = [part for part in (failure, report.reason) if part]
    if parts:
        return "; ".join(parts)
    return NO_OUTPUT if report.state is CeState.FINISHED else report.state.value


@dataclass(frozen=True)
class Limits:
    """How often a job may be resubmitted. `of_job`: the job's own number; `of_server`: the server's greatest."""

    of_job: int
    of_server: int

    @property
    def effective(self) -> int:
        return max(0, min(self.of_job, self.of_server))

    def exceeded_text(self, word: str = "") -> str:
        """`hit job retry count (n)`, `hit max retry count (n)`; with "shallow " as the word their shallow forms."""
        if self.of_job <= self.of_server:
            return f"hit job {word}retry count ({self.effective})"
        return f"hit {word}max retry count ({self.effective})"
