"""The steps of a job's life. Each makes a draft of the job's record, logs into it, and commits it.

    commit: the record is written ─► its events go out ─► what past attempts left is removed

Before the commit nothing has happened to the outside but requests to a computing element, and those may be repeated
(wms.ce.base). After it, sending and removing may be repeated. So a step can be cut short anywhere and done again.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from gsi.errors import CredentialError
from lb.model import ulm
from lb.producer import EventSpool
from wms.broker import BrokerError, Match, match, why_not
from wms.ce.base import Adapter, CeError, CeJob, Report
from wms.config import Settings
from wms.infosys import GlueFile, InfosysError
from wms.jdl import Jdl, JdlError, parse
from wms.jobdirectory import JobDirectory, encode
from wms.manager.elements import Elements
from wms.manager.journal import JSS, LM, UNAVAILABLE, WM, Journal, follows, parse_code, wrapper_code
from wms.manager.matched import add_broker_info, matched_jdl, submit_command, write_broker_info
from wms.manager.outcome import Outcome, Verdict, judge
from wms.manager.proxies import pass_on, proxy_expires, proxy_trouble, proxy_version
from wms.manager.record import Attempt, Record, Stage, Store
from wms.manager.retry import Policy, abort, finish, resubmit
from wms.queue import Cancel, Queue, Submit
from wms.wrapper import describe
from wms.wrapper.describe import Description

log = logging.getLogger(__name__)

ABORTED_BY_USER = "Aborted by user"


@dataclass(frozen=True)
class Wish:
    """Somebody wants the job cancelled; `entry` is the name of the request in the queue."""

    entry: str
    command: Cancel


@dataclass(frozen=True)
class NewProxy:
    """The job's proxy was replaced: its owner renewed the delegation."""


Message = Wish | Report | NewProxy


@dataclass
class Job:
    """A job in memory: its record as it is on disk, and what is to be told to it, oldest first.

    One thread at a time works on a job. settled: the record's events have gone out and its leftovers are removed.
    """

    record: Record
    inbox: deque[Message] = field(default_factory=deque)
    settled: bool = True


@dataclass
class Lifecycle:
    """What the steps work with. `clock` gives epoch seconds."""

    settings: Settings
    glue: GlueFile
    elements: Elements
    store: Store
    queue: Queue
    events: EventSpool
    clock: Callable[[], float] = time.time

    # -- coming and going

    def accept(self, entry: str, command: Submit) -> Job:
        """A new job from the queue; from here on it is remembered. Its first event goes out with its first step."""
        now = self.clock()
        record = Record(
            jobid=command.jobid,
            owner=command.owner,
            proxy=str(command.proxy),
            entry=entry,
            seqcode=command.seqcode,
            first_seen=now,
            expires=command.expires or now + self.settings.workload_manager.expiry_period_s,
        )
        self._journal(record).log(WM, "DeQueued", queue=self.queue.name)
        self.store.add(record, command.jdl.text())
        return Job(record, settled=False)

    def advance(self, job: Job) -> float | None:
        """Do what can be done for the job now; the answer is when to come again (epoch seconds), None: when there is
        something in its inbox. A job whose stage is FINISHED afterwards has been retired; what is left in its inbox
        came too late."""
        if not job.settled:
            self._settle(job)
        while job.inbox and job.record.stage is not Stage.FINISHED:
            self._receive(job, job.inbox[0])
            job.inbox.popleft()  # only now: a message whose handling fails is handled again
        while job.record.stage in (Stage.WAITING, Stage.DELIVERING):
            if job.record.stage is Stage.DELIVERING:
                self._deliver(job)
            elif job.record.next_try > self.clock() and not job.record.cancel_seqcode:
                return job.record.next_try
            else:
                self._place(job)
        if job.record.stage is Stage.AT_CE and self._cancel_waits(job.record) and not self._cancel_at_ce(job):
            return self.clock() + self.settings.workload_manager.poll_period_s
        if job.record.stage is Stage.FINISHED:
            self._close(job)
        return None

    def refuse_cancel(self, record: Record, wish: Wish) -> None:
        """The job of a cancellation is through already: say that nothing will come of it."""
        draft = record.draft()
        draft.cancel_seqcode = str(parse_code(wish.command.seqcode))
        self._journal(draft).log_cancel(WM, "Cancel", status_code="ABORT", reason=f"the job is {record.outcome}")
        self.store.update_retired(draft)
        self._send(draft)
        self.queue.finish(wish.entry)

    def _close(self, job: Job) -> None:
        if job.record.outcome == ABORTED_BY_USER:
            self._directory(job.record).remove()
        self.store.retire(job.record)
        self.queue.finish(job.record.entry)
        log.info("%s: %s", job.record.jobid, job.record.outcome)

    # -- committing

    def _commit(self, job: Job, draft: Record) -> None:
        self.store.save(draft)
        job.record, job.settled = draft, False
        self._settle(job)

    def _settle(self, job: Job) -> None:
        self._send(job.record)
        for ceid, lrms_id in job.record.leftovers:
            adapter = self.elements.get(ceid)
            if adapter is not None:
                _clean_up(adapter, lrms_id)
        job.settled = True

    def _send(self, record: Record) -> None:
        for line in record.outbox:
            self.events.append(ulm.parse(line))

    def _journal(self, record: Record) -> Journal:
        return Journal(record, self.settings.common.host)

    # -- messages

    def _receive(self, job: Job, message: Message) -> None:
        if isinstance(message, Wish):
            self._note_wish(job, message)
        elif job.record.stage is not Stage.AT_CE:
            return
        elif isinstance(message, NewProxy):
            self._pass_on_proxy(job)
        else:
            self._follow(job, message)

    def _note_wish(self, job: Job, wish: Wish) -> None:
        """The wish becomes part of the record (wms.md 4.6, step 2); it is acted on where the job is."""
        if not job.record.cancel_seqcode:
            draft = job.record.draft()
            draft.cancel_seqcode = str(parse_code(wish.command.seqcode))
            self._journal(draft).log_cancel(WM, "Cancel", status_code="REQ")
            self._commit(job, draft)
        self.queue.finish(wish.entry)

    # -- WAITING: find a computing element

    def _place(self, job: Job) -> None:
        """Match the job, or end it, or put it off."""
        draft, now = job.record.draft(), self.clock()
        journal = self._journal(draft)
        if draft.cancel_seqcode:
            self._end_cancelled(draft, journal, WM, ABORTED_BY_USER)
        elif (trouble := proxy_trouble(draft.proxy, now)) is not None:
            abort(draft, journal, trouble)
        elif now >= draft.expires:
            abort(draft, journal, "request expired")
        else:
            self._match(draft, journal, now)
        self._commit(job, draft)

    def _match(self, draft: Record, journal: Journal, now: float) -> None:
        try:
            jdl = parse(self.store.jdl(draft.jobid))
            found = self._best(jdl, draft.previous_hosts)
        except (BrokerError, InfosysError) as error:
            self._pending(draft, journal, now, str(error))
        except JdlError as error:
            abort(draft, journal, str(error))
        else:
            self._matched(draft, journal, jdl, found)

    def _best(self, jdl: Jdl, previous_hosts: list[str]) -> Match:
        """The best element that this manager can reach."""
        ces = self.glue.ces()
        matches = match(jdl, ces, previous_hosts=previous_hosts)
        for found in matches:
            if self.elements.get(found.ceid) is not None:
                return found
        if matches:
            raise BrokerError(f"no adapter is configured for {', '.join(found.ceid for found in matches[:3])}")
        raise BrokerError(why_not(jdl, ces))

    def _pending(self, draft: Record, journal: Journal, now: float, reason: str) -> None:
        journal.log(WM, "Pending", reason=reason)
        draft.next_try = min(now + self.settings.workload_manager.match_retry_period_s, draft.expires)
        log.info("%s: pending: %s", draft.jobid, reason)

    def _matched(self, draft: Record, journal: Journal, jdl: Jdl, found: Match) -> None:
        """Rows 8 to 13 of wms.md 4.1."""
        journal.log(WM, "Match", dest_id=found.ceid)
        journal.log(WM, "UserTag", name="CEInfoHostName", value=found.host)
        queue = self.elements.queue_name(found.ceid)
        journal.log(WM, "EnQueued", queue=queue, result="START")
        write_broker_info(jdl, found)
        command = submit_command(matched_jdl(jdl, found.ceid, found.host, draft.seqcode))
        journal.log(WM, "EnQueued", queue=queue, result="OK", job=command)
        journal.log(JSS, "DeQueued", queue=queue, local_jobid=draft.jobid)
        draft.attempts += 1
        draft.attempt = Attempt(draft.attempts, found.ceid, found.host, wrapper_code(draft.seqcode))
        draft.attempt.proxy_version = proxy_version(draft.proxy)  # it is submitted with this one, or with a newer one
        self._log_transfer(journal, draft.attempt, "START", jdl)
        draft.previous_hosts.append(found.host)
        draft.stage = Stage.DELIVERING
        log.info("%s: matched %s", draft.jobid, found.ceid)

    def _log_transfer(
        self, journal: Journal, attempt: Attempt, result: str, jdl: Jdl, reason: str = UNAVAILABLE
    ) -> None:
        job = matched_jdl(jdl, attempt.ceid, attempt.host, attempt.seqcode).text()
        journal.log(
            LM, "Transfer", destination="LRMS", dest_host=attempt.host, dest_instance=UNAVAILABLE, job=job,
            result=result, reason=reason, dest_jobid=attempt.lrms_id or UNAVAILABLE,
        )

    # -- DELIVERING: hand over to the computing element

    def _deliver(self, job: Job) -> None:
        draft = job.record.draft()
        journal, attempt = self._journal(draft), draft.attempt
        assert attempt is not None
        try:
            jdl = parse(self.store.jdl(draft.jobid))
            self._lay_token(draft)
            attempt.lrms_id = self._submit(draft, attempt, jdl)
        except (JdlError, CredentialError) as error:
            abort(draft, journal, str(error))
        except CeError as error:
            self._not_delivered(draft, journal, attempt, jdl, error)
        else:
            self._log_transfer(journal, attempt, "OK", jdl)
            draft.stage = Stage.AT_CE
        self._commit(job, draft)

    def _submit(self, draft: Record, attempt: Attempt, jdl: Jdl) -> str:
        adapter = self.elements.get(attempt.ceid)
        if adapter is None:
            raise CeError("the computing element is no longer configured", transient=True)
        key = f"{encode(draft.jobid)}.{attempt.number}"
        return adapter.submit(CeJob(key, self._description(draft, attempt, jdl), Path(draft.proxy)))

    def _description(self, draft: Record, attempt: Attempt, jdl: Jdl) -> Description:
        add_broker_info(jdl)
        return describe(
            jdl,
            seqcode=attempt.seqcode,
            proxy_expires=proxy_expires(draft.proxy),
            max_output_bytes=self.settings.wmproxy.max_output_sandbox_bytes,
        )

    def _not_delivered(self, draft: Record, journal: Journal, attempt: Attempt, jdl: Jdl, error: CeError) -> None:
        self._log_transfer(journal, attempt, "FAIL", jdl, str(error))
        reason = f"Transfer to {attempt.ceid} failed due to exception: {error}"
        if not error.transient:
            abort(draft, journal, reason, source=LM)
            return
        journal.log(LM, "Done", status_code="FAILED", reason=reason, exit_code=0)
        again = f"Resubmitting because of exception {error} CEUrl [{attempt.ceid}]"
        self._resubmit(draft, journal, jdl, again)

    # -- AT_CE: follow

    def _pass_on_proxy(self, job: Job) -> None:
        """Give the element the job's newer proxy; if it cannot take it now, it is offered again after the next poll."""
        draft = job.record.draft()
        if pass_on(draft, self.elements):
            self._commit(job, draft)

    def _follow(self, job: Job, report: Report) -> None:
        draft = job.record.draft()
        journal, attempt = self._journal(draft), draft.attempt
        assert attempt is not None
        if report.progress is not None:
            self._log_progress(draft, journal, attempt, report)
        if report.state.final:
            self._conclude(draft, journal, attempt, judge(report, cancelled=bool(draft.cancel_seqcode)))
        elif draft.cancel_seqcode and not attempt.cancelled:
            self._pass_on_cancel(journal, attempt)
        if draft != job.record.draft():
            self._commit(job, draft)

    def _log_progress(self, draft: Record, journal: Journal, attempt: Attempt, report: Report) -> None:
        """Rows 15 to 17 of wms.md 4.1, each event once."""
        progress = report.progress
        assert progress is not None
        for fact in progress.facts[attempt.facts:]:
            if follows(fact.seqcode, attempt.seqcode):
                journal.forward(fact)
        attempt.facts = max(attempt.facts, len(progress.facts))
        if not attempt.running:
            attempt.running = True
            journal.log(LM, "Running", node=progress.node)
        if progress.payload_started and not attempt.really_running:
            attempt.really_running = True
            self._directory(draft).token(0).unlink(missing_ok=True)
            code = progress.wn_seq or ""
            journal.log(LM, "ReallyRunning", wn_seq=code if follows(code, attempt.seqcode) else attempt.seqcode)

    @staticmethod
    def _cancel_waits(record: Record) -> bool:
        return bool(record.cancel_seqcode) and record.attempt is not None and not record.attempt.cancelled

    def _cancel_at_ce(self, job: Job) -> bool:
        """Ask the computing element to end the job, unless it has ended; False when the element does not answer."""
        attempt = job.record.attempt
        adapter = self.elements.get(attempt.ceid) if attempt is not None else None
        if adapter is None or attempt is None:
            return True
        try:
            self._follow(job, adapter.poll([attempt.lrms_id])[attempt.lrms_id])
        except CeError as error:
            log.warning("%s: cannot be cancelled at %s now: %s", job.record.jobid, attempt.ceid, error)
            return False
        return True

    def _pass_on_cancel(self, journal: Journal, attempt: Attempt) -> None:
        """Step 4 of wms.md 4.6."""
        adapter = self.elements.get(attempt.ceid)
        if adapter is None:
            return
        adapter.cancel(attempt.lrms_id)
        attempt.cancelled = True
        journal.log_cancel(WM, "Cancel", status_code="DONE")
        journal.log_cancel(JSS, "Cancel", status_code="REQ", reason="Cancel request issued by user")

    def _conclude(self, draft: Record, journal: Journal, attempt: Attempt, outcome: Outcome) -> None:
        draft.leftovers.append((attempt.ceid, attempt.lrms_id))
        if outcome.verdict is Verdict.DONE:
            journal.log(LM, "Done", status_code="OK", reason=outcome.reason, exit_code=outcome.exit_code)
            if draft.cancel_seqcode and not attempt.cancelled:
                journal.log_cancel(WM, "Cancel", status_code="ABORT", reason="the job has ended by itself")
            finish(draft, f"done, exit code {outcome.exit_code}")
        elif outcome.verdict is Verdict.CANCELLED:
            self._end_cancelled(draft, journal, LM, outcome.reason)
        else:
            journal.log(LM, "Done", status_code="FAILED", reason=outcome.reason, exit_code=0)
            if outcome.verdict is Verdict.ABORT:
                abort(draft, journal, outcome.reason, source=LM)
            else:
                self._resubmit(draft, journal, parse(self.store.jdl(draft.jobid)))

    def _end_cancelled(self, draft: Record, journal: Journal, source: str, reason: str) -> None:
        journal.log_cancel(source, "Cancel", status_code="DONE", reason=reason)
        journal.log_cancel(source, "Done", status_code="CANCELLED", reason=reason, exit_code=0)
        finish(draft, ABORTED_BY_USER if source == WM else f"cancelled: {reason}")

    # -- trying again

    def _resubmit(self, draft: Record, journal: Journal, jdl: Jdl, reason: str = "") -> None:
        directory = self._directory(draft)
        # Its presence would say that the output is complete.
        directory.maradona.unlink(missing_ok=True)
        try:
            policy = Policy.of(jdl, self.settings.workload_manager)
        except JdlError as error:
            abort(draft, journal, str(error))
            return
        resubmit(draft, journal, policy, queue=self.queue.name, token=str(directory.token(0)), reason=reason)

    def _lay_token(self, draft: Record) -> None:
        """The token in the job directory says that the job's own program has not been started (wms.md 4.4)."""
        directory = self._directory(draft)
        if directory.exists and not directory.token(0).exists():
            directory.write(directory.token(0), b"")

    def _directory(self, record: Record) -> JobDirectory:
        return JobDirectory(self.settings.common.sandbox_directory, record.jobid)


def _clean_up(adapter: Adapter, lrms_id: str) -> None:
    """What cannot be removed stays there: it does no harm to the job."""
    try:
        adapter.cleanup(lrms_id)
    except CeError as error:
        log.warning("%s is not cleaned up: %s", lrms_id, error)
