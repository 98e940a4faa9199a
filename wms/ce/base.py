"""The contract between the workload manager and a batch system."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from wms.wrapper.describe import Description
from wms.wrapper.facts import Progress


class CeError(Exception):
    """The batch system did not do what it was asked. `transient`: the same request may succeed later."""

    def __init__(self, reason: str, *, transient: bool) -> None:
        super().__init__(reason)
        self.transient = transient


class CeState(Enum):
    """Where a job is at the batch system. The last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    LOST = "lost"

    @property
    def final(self) -> bool:
        return self in (CeState.FINISHED, CeState.CANCELLED, CeState.LOST)


@dataclass(frozen=True)
class CeJob:
    """One attempt to run one job.

    `key` names the attempt: unique among all attempts of all jobs, a plain file name. `description` is the wrapper's
    job.json without the members that only the adapter knows (wms.wrapper.describe). `proxy` is the user's delegated
    proxy; the adapter gives the job a copy, readable by the job alone.
    """

    key: str
    description: Description
    proxy: Path


@dataclass(frozen=True)
class Report:
    """What is known of a job: the batch system's own view, what the wrapper wrote down, and in `reason` what the batch
    system did to the job (a limit that was exceeded, how it was lost), empty when it did nothing."""

    state: CeState
    progress: Progress | None = None
    reason: str = ""


class Adapter(ABC):
    """One computing element behind one batch system.

    What an adapter promises
    ------------------------
    The manager may be killed at any instant and started again. It then repeats its last request and goes on asking. So:

    * `submit` is durable and idempotent. When it has returned, the job is known to the batch system and survives this
      process. A second `submit` with the same key does not make a second job: it returns the id of the first. A
      request that was cut short either left nothing or is completed by its repetition.
    * An attempt is started at most once. If it cannot be told whether it was started, it counts as started and, when
      it is gone, as LOST; whether to try again is the manager's decision, under a new key.
    * `poll` answers from what is on disk or at the batch system, never from what this process remembers. A new adapter
      object over the same place gives the same answers.
    * A running job does not depend on this process: no pipe, no controlling terminal, no parent that it dies with.
    * A final report stays the same until `cleanup`.

    After `cleanup` the key is forgotten; the manager never uses it again, since it has noted the outcome before.

    Where jobs go
    -------------
    ::

        submit ─► QUEUED ─► RUNNING ─► FINISHED      the wrapper ended, or the batch system ended it (see reason)
                    │          ├─────► CANCELLED     because of `cancel`
                    │          └─────► LOST          it ran, it is gone, and nobody knows how it ended
                    └────────────────► CANCELLED, LOST

    What the manager makes of a state, with the events it logs (wms.md 4.1, 4.4, 4.6):

    ==========  =====================================================================================================
    QUEUED      nothing: the job is Scheduled since Transfer OK
    RUNNING     Running once `progress` is there, ReallyRunning once its payload has started
    FINISHED    progress says done and no failure: Done OK with the exit code; a failure or a reason: Done FAILED, then
                resubmission or Abort by the text (wms.md 4.8); no usable progress: Done FAILED, "Cannot read JobWrapper
                output, both from Condor and from Maradona."
    CANCELLED   Cancel DONE and Done CANCELLED when the user asked, otherwise as FINISHED with a failure
    LOST        Done FAILED with the reason, then resubmission
    ==========  =====================================================================================================

    Limits of the queue (wall clock, processor time, bytes written) are enforced by the batch system, not by the
    manager. A job over its limit is told with SIGXCPU (time) or SIGTERM, so that its wrapper can still send the output,
    and killed some time later with everything it started.

    Threads: the manager calls an adapter from several threads.
    """

    @abstractmethod
    def submit(self, job: CeJob) -> str:
        """Hand the job over; the answer is its id at the batch system, for logs and for the other calls.

        :raises CeError: it was not accepted; nothing was left behind that could start later.
        """

    @abstractmethod
    def poll(self, lrms_ids: Collection[str]) -> Mapping[str, Report]:
        """A report for each of the ids, also for unknown ones (LOST).

        :raises CeError: the batch system does not answer; nothing is known of any of them.
        """

    @abstractmethod
    def cancel(self, lrms_id: str) -> None:
        """Ask for the end of the job, queued or running; harmless when it has ended or is unknown. The outcome shows in
        a later report: a job that ended by itself meanwhile is FINISHED.

        :raises CeError: the request could not be passed on.
        """

    @abstractmethod
    def renew(self, lrms_id: str, proxy: Path, expires: float) -> None:
        """Give the job a copy of a newer proxy of its user, which ends at *expires* (epoch seconds): the file that the
        job knows is replaced, whole or not at all, and its wrapper is told (wms.wrapper.describe, proxy_expires).
        Harmless when the job has ended or is unknown.

        :raises CeError: the job still has the older one.
        """

    @abstractmethod
    def cleanup(self, lrms_id: str) -> None:
        """Forget a job in a final state and remove what it left; harmless when it is unknown.

        :raises CeError: the job is not in a final state.
        """
