"""The process that delivers feeds: finds those with something to tell, gives each a thread, pauses after failures."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

import requests
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

import soap.client
import soap.contract
import sql
from gsi.errors import GsiError
from jpps import feeds, wire
from jpps.delivery import FeedRun, Record, Refused, Unreachable
from soap.faults import Fault

log = logging.getLogger(__name__)

#: Feeds served at the same time; one that hangs shall not stop the others.
MAX_THREADS = 16
#: How often the outbox is looked at, in seconds.
POLL_S = 0.2
#: How often expired feeds and uploads are dropped, in seconds.
CLEAN_S = 30.0
#: Pause after the database or the storage has failed, in seconds.
TROUBLE_PAUSE_S = 2.0
#: Before a feed is served for the first time, in seconds: its subscriber is just being told the feed's id.
GRACE_S = 0.5
#: Pauses after failures of a feed, in seconds: doubled from the first to the last.
FIRST_PAUSE_S = 1.0
LAST_PAUSE_S = 60.0


class SoapSender:
    """Calls UpdateJobs with the host credential; one connection per thread of delivery and piece of work."""

    def __init__(self, session: Callable[[], requests.Session], host: str) -> None:
        """session: makes a session; host: the name of this server, sent as primaryStorage (jp.md 2.10)."""
        self._session = session
        self._host = host
        self._contract = soap.contract.load("JobProvenanceIS")
        self._local = threading.local()

    def send(self, destination: str, feedid: str, records: Sequence[Record], done: bool) -> None:
        """See jpps.delivery.Sender."""
        listed = [self._job_record(record) for record in records]
        try:
            client = soap.client.Client(self._contract, _https(destination), self._thread_session())
            client.call("UpdateJobs", feedId=feedid, feedDone=done, jobAttributes=listed)
        except soap.client.TransportError as error:
            self.hang_up()
            kind = Unreachable if error.transient else Refused
            raise kind(f"{destination}: {error}") from error
        except GsiError as error:
            raise Unreachable(f"{destination}: {error}") from error
        except Fault as fault:
            raise Refused(f"{destination}: {fault}") from fault

    def hang_up(self) -> None:
        """Close this thread's connection; the next call makes a new one, with the credential of that time."""
        session = getattr(self._local, "session", None)
        if session is not None:
            session.close()
            self._local.session = None

    def _thread_session(self) -> requests.Session:
        if getattr(self._local, "session", None) is None:
            self._local.session = self._session()
        session: requests.Session = self._local.session
        return session

    def _job_record(self, record: Record) -> object:
        return self._contract.types.jobRecord(
            jobid=record.job.jobid, owner=record.job.owner, primaryStorage=[self._host], remove=False,
            attributes=[wire.attr_value(self._contract, value) for value in record.values],
        )


@dataclass(slots=True)
class _State:
    """A feed as the courier sees it."""

    work: Future[None] | None = None
    failures: int = 0
    resume: float = 0.0


class Courier:
    """Delivers until it is told to stop; made after the fork, in the process that uses it."""

    def __init__(self, engine: Engine, run: FeedRun, sender: SoapSender, housekeeping: Callable[[], object]) -> None:
        """housekeeping: called every CLEAN_S seconds, between other things."""
        self._engine = engine
        self._housekeeping = housekeeping
        self._run = run
        self._sender = sender
        self._states: dict[str, _State] = {}

    def run(self, stop: threading.Event) -> None:
        """Deliver until `stop` is set; what is being sent then is finished."""
        cleaned = 0.0
        with ThreadPoolExecutor(MAX_THREADS, "feed") as pool:
            while not stop.wait(POLL_S):
                try:
                    if time.monotonic() - cleaned >= CLEAN_S:
                        cleaned = time.monotonic()
                        self._drop_expired()
                        self._housekeeping()
                    self._look(pool, stop)
                except (SQLAlchemyError, OSError) as error:
                    log.error("database or storage fail, feeds wait: %s", error)
                    stop.wait(TROUBLE_PAUSE_S)

    def _look(self, pool: ThreadPoolExecutor, stop: threading.Event) -> None:
        with sql.read(self._engine) as conn:
            ready = feeds.with_work(conn, datetime.now(UTC))
        for feedid in ready:
            state = self._states.setdefault(feedid, _State(resume=time.monotonic() + GRACE_S))
            idle = state.work is None or state.work.done()
            if idle and time.monotonic() >= state.resume:
                state.work = pool.submit(self._serve, feedid, state, stop)

    def _serve(self, feedid: str, state: _State, stop: threading.Event) -> None:
        try:
            while not stop.is_set() and self._run.step(feedid, healthy=state.failures == 0):
                state.failures = 0
        except (Unreachable, Refused, SQLAlchemyError, OSError) as error:
            log.warning("feed %s: %s; next attempt in %g s", feedid, error, self._pause(state))
        except Exception:  # noqa: BLE001  (the guard of this process: one bad job shall not stop all feeds)
            log.exception("feed %s: internal error; next attempt in %g s", feedid, self._pause(state))
        finally:
            self._sender.hang_up()

    def _pause(self, state: _State) -> float:
        """Let the feed rest; return for how long, in seconds."""
        state.failures += 1
        pause = min(FIRST_PAUSE_S * 2.0 ** min(state.failures - 1, 10), LAST_PAUSE_S)
        state.resume = time.monotonic() + pause
        return pause

    def _drop_expired(self) -> None:
        dropped = sql.transact(self._engine, lambda conn: feeds.drop_expired(conn, datetime.now(UTC)))
        if dropped:
            log.info("%d feeds have expired", dropped)
        with sql.read(self._engine) as conn:
            live = set(feeds.live(conn))
        for feedid in self._states.keys() - live:
            if (work := self._states[feedid].work) is None or work.done():
                del self._states[feedid]


def _https(destination: str) -> str:
    """Peers spoke TLS whatever the URL said (jp.md 1.6)."""
    return "https" + destination.removeprefix("http") if urlsplit(destination).scheme == "http" else destination
