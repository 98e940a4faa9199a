"""Who does what when: one thread that decides, a few that work.

The main thread takes requests from the queue, asks the computing elements for news, and gives each job that has
something to do to a worker; a job is with one worker at most. Workers answer through `_answers`, the only thing threads
share. Everything that must survive is in the records (wms.manager.record): this module may forget all it knows.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from spool.jobdir import Entry
from wms.ce.base import CeError, Report
from wms.manager.lifecycle import Job, Lifecycle, NewProxy, Wish
from wms.manager.proxies import has_new_proxy
from wms.manager.record import RecordExists, Stage
from wms.queue import Cancel, Command, CommandError, Resubmit, Submit, read

log = logging.getLogger(__name__)

#: Seconds after which a job whose step failed is tried again.
ERROR_PAUSE_S = 5.0
#: Seconds between two looks for jobs that can be forgotten.
SWEEP_PERIOD_S = 3600.0
#: Longest wait of the main thread in seconds, so that it notices being stopped.
MAX_WAIT_S = 0.5


@dataclass
class _Entry:
    """A job of the loop. due: epoch seconds, None: only when something arrives; news: what was last told to it."""

    job: Job
    due: float | None
    working: bool = False
    news: tuple[object, ...] | None = None


@dataclass(frozen=True)
class _Worked:
    jobid: str
    due: float | None
    failed: bool = False


@dataclass(frozen=True)
class _Polled:
    ceid: str
    reports: Mapping[str, Report]


@dataclass
class Loop:
    lifecycle: Lifecycle
    _jobs: dict[str, _Entry] = field(default_factory=dict)
    #: Not a SimpleQueue: a signal during its `get` can make that wait for ever (CPython 3.11, 3.12).
    _answers: queue.Queue[_Worked | _Polled] = field(default_factory=queue.Queue)
    _polling: set[str] = field(default_factory=set)
    _postponed: list[Entry] = field(default_factory=list)

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; then let the steps that are under way end."""
        settings = self.lifecycle.settings.workload_manager
        self._recover()
        next_take = next_poll = next_sweep = 0.0
        workers = ThreadPoolExecutor(settings.worker_threads, thread_name_prefix="worker")
        while not stop.is_set():
            now = time.time()
            if now >= next_take:
                self._dispatch([*self._postponed, *self.lifecycle.queue.take()])
                next_take = now + settings.dispatch_period_s
            if now >= next_poll:
                self._poll(workers)
                next_poll = now + settings.poll_period_s
            if now >= next_sweep:
                self.lifecycle.store.sweep(self.lifecycle.settings.common.sandbox_directory)
                next_sweep = now + SWEEP_PERIOD_S
            self._launch(workers, now)
            self._listen(min(next_take, next_poll, self._first_due()))
        workers.shutdown(cancel_futures=True)

    # -- what an earlier run left

    def _recover(self) -> None:
        for record in self.lifecycle.store.load():
            self._jobs[record.jobid] = _Entry(Job(record, settled=False), due=0.0)
            attempt = record.attempt
            if attempt is not None and self.lifecycle.elements.get(attempt.ceid) is None:
                log.error("%s is at %s, which is not configured any more", record.jobid, attempt.ceid)
        self._dispatch(self.lifecycle.queue.pending())
        if self._jobs:
            log.info("%d jobs taken up again", len(self._jobs))

    # -- requests

    def _dispatch(self, entries: list[Entry]) -> None:
        self._postponed = []
        for entry in entries:
            try:
                self._obey(entry.name, read(entry.data))
            except CommandError as error:
                log.error("request %s is dropped: %s", entry.name, error)
                self.lifecycle.queue.finish(entry.name)
            except RecordExists as error:
                log.error("request %s is left alone: repair or remove the record %s", entry.name, error)
            except OSError as error:
                log.error("request %s has to wait: %s", entry.name, error)
                self._postponed.append(entry)

    def _obey(self, name: str, command: Command) -> None:
        match command:
            case Submit():
                self._submit(name, command)
            case Cancel():
                self._cancel(Wish(name, command))
            case Resubmit():
                raise CommandError("resubmission is decided here, not asked for")

    def _submit(self, name: str, command: Submit) -> None:
        known = self._jobs.get(command.jobid)
        record = known.job.record if known is not None else self.lifecycle.store.retired(command.jobid)
        if record is None:
            self._jobs[command.jobid] = _Entry(self.lifecycle.accept(name, command), due=0.0)
            log.info("%s: accepted", command.jobid)
        elif name != record.entry or record.stage is Stage.FINISHED:
            log.warning("%s: submitted again, ignored", command.jobid)
            self.lifecycle.queue.finish(name)

    def _cancel(self, wish: Wish) -> None:
        known = self._jobs.get(wish.command.jobid)
        if known is not None:
            known.job.inbox.append(wish)
            known.due = 0.0
            return
        record = self.lifecycle.store.retired(wish.command.jobid)
        if record is not None:
            self.lifecycle.refuse_cancel(record, wish)
            return
        log.warning("%s: to be cancelled, but not known", wish.command.jobid)
        self.lifecycle.queue.finish(wish.entry)

    # -- computing elements

    def _poll(self, workers: ThreadPoolExecutor) -> None:
        """Ask every element, also one without jobs of ours: it may have queued ones to start."""
        at: dict[str, list[str]] = {}
        for entry in self._jobs.values():
            record, attempt = entry.job.record, entry.job.record.attempt
            if attempt is not None and record.stage is Stage.AT_CE:
                at.setdefault(attempt.ceid, []).append(attempt.lrms_id)
                if not entry.working and has_new_proxy(record):
                    entry.job.inbox.append(NewProxy())
                    entry.due = 0.0
        for ceid, adapter in self.lifecycle.elements:
            if ceid not in self._polling:
                self._polling.add(ceid)
                asked = workers.submit(adapter.poll, at.get(ceid, []))
                asked.add_done_callback(partial(self._polled, ceid))

    def _polled(self, ceid: str, poll: Future[Mapping[str, Report]]) -> None:
        """What came of a poll; nothing, when the element did not answer."""
        if poll.cancelled():
            return
        error = poll.exception()
        if error is not None:
            expected = isinstance(error, CeError | OSError)
            log.warning("%s does not answer: %s", ceid, error, exc_info=None if expected else error)
        self._answers.put(_Polled(ceid, poll.result() if error is None else {}))

    def _deliver(self, polled: _Polled) -> None:
        """Tell the jobs what is new."""
        self._polling.discard(polled.ceid)
        for entry in self._jobs.values():
            attempt = entry.job.record.attempt
            if attempt is None or attempt.ceid != polled.ceid or attempt.lrms_id not in polled.reports:
                continue
            report = polled.reports[attempt.lrms_id]
            if (news := (attempt.number, *_news(report))) != entry.news:
                entry.news = news
                entry.job.inbox.append(report)
                entry.due = 0.0

    # -- steps

    def _launch(self, workers: ThreadPoolExecutor, now: float) -> None:
        for jobid, entry in self._jobs.items():
            if entry.due is not None and entry.due <= now and not entry.working:
                entry.working, entry.due = True, None
                workers.submit(self.lifecycle.advance, entry.job).add_done_callback(partial(self._stepped, jobid))

    def _stepped(self, jobid: str, step: Future[float | None]) -> None:
        """What came of a step. The one place where everything is caught: a step that fails must not stop the others."""
        if step.cancelled():
            return
        error = step.exception()
        if error is None:
            self._answers.put(_Worked(jobid, step.result()))
        else:
            log.error("%s: this step failed and will be repeated", jobid, exc_info=error)
            self._answers.put(_Worked(jobid, None, failed=True))

    def _listen(self, until: float) -> None:
        """Wait for answers until then, and take all there are."""
        try:
            answer = self._answers.get(timeout=max(0.0, min(until - time.time(), MAX_WAIT_S)))
            while True:
                if isinstance(answer, _Polled):
                    self._deliver(answer)
                else:
                    self._worked(answer)
                answer = self._answers.get_nowait()
        except queue.Empty:
            return

    def _worked(self, answer: _Worked) -> None:
        entry = self._jobs[answer.jobid]
        entry.working = False
        if answer.failed:
            entry.news, entry.due = None, time.time() + ERROR_PAUSE_S
        elif entry.job.record.stage is Stage.FINISHED:
            del self._jobs[answer.jobid]
            for message in entry.job.inbox:
                if isinstance(message, Wish):
                    self._cancel(message)
        elif entry.job.inbox:
            entry.due = 0.0
        elif answer.due is not None and entry.due is None:
            entry.due = answer.due

    def _first_due(self) -> float:
        dues = [entry.due for entry in self._jobs.values() if entry.due is not None and not entry.working]
        return min(dues, default=float("inf"))


def _news(report: Report) -> tuple[object, ...]:
    """What makes a report worth telling."""
    progress = report.progress
    if progress is None:
        return (report.state, report.reason)
    return (report.state, report.reason, progress.phase, progress.payload_started, len(progress.facts))
