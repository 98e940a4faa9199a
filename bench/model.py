"""How fast event lines become the states of jobs, and what the states weigh: what is promised, and what was measured.

    python -m bench.model

The lines are those of the real traces when they are beside the checkout, otherwise those of made-up jobs. Rates are per
second of processor time, so they are those of one core that does nothing else. Memory is what Python has allocated, in
a process of its own.
"""

import multiprocessing
import time
import tracemalloc
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from rich.console import Console
from rich.table import Table

from lb.model import machine, ulm, ws
from lb.model.events import Event
from lb.model.jobid import JobId
from lb.model.jobstate import JobState
from lb.model.ledger import Ledger
from lb.model.seqcode import forget
from lb.model.status import Status

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
COLLECTION = DATA / "lb-traces" / "perf_collection_avg_events.log"
COLLECTION_EVENTS = 1782
#: Seconds of processor time that each measurement runs for at least.
MEASURE_S = 1.5
STATUSES = 10_000

#: What is promised, per second but for the last two.
PARSE_RATE, APPLY_RATE, STORE_RATE = 30_000, 40_000, 10_000
COLLECTION_S = 0.3
MEMORY_MB = 60
MADE_UP = (
    'DATE=20260101000000.000001 HOST="wms.example.org" PROG=edg-wms LVL=SYSTEM DG.PRIORITY=4 DG.SOURCE="{source}"'
    ' DG.SRC_INSTANCE="" DG.EVNT="{event}" DG.JOBID="https://lb.example.org:9000/{job:022d}" DG.SEQCODE="UI=000001:'
    'NS=0000000001:WM={step:06d}:BH=0000000000:JSS=000000:LM=000000:LRMS=000000:APP=000000:LBS=000000"'
    ' DG.USER="/DC=org/DC=example/CN=Test User" {fields}'
)
STEPS = (
    ("UserInterface", "RegJob", 'DG.REGJOB.JDL="{jdl}" DG.REGJOB.NS="https://wms:7443/" DG.REGJOB.JOBTYPE="SIMPLE"'),
    ("NetworkServer", "Accepted", 'DG.ACCEPTED.FROM="UserInterface" DG.ACCEPTED.FROM_HOST="ui.example.org"'),
    ("NetworkServer", "EnQueued", 'DG.ENQUEUED.QUEUE="q" DG.ENQUEUED.JOB="{jdl}" DG.ENQUEUED.RESULT="OK"'),
    ("WorkloadManager", "Match", 'DG.MATCH.DEST_ID="ce.example.org:2119/jobmanager-pbs-long"'),
    ("LogMonitor", "Running", 'DG.RUNNING.NODE="wn01.example.org"'),
    ("LogMonitor", "Done", 'DG.DONE.STATUS_CODE="OK" DG.DONE.REASON="done" DG.DONE.EXIT_CODE="0"'),
)


class Records:
    """Stands for the record classes of the contract; what is measured is our side."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return SimpleNamespace


def lines() -> list[bytes]:
    """Complete event lines, real ones if there are any."""
    files = [*DATA.glob("lb-traces/*.log"), *DATA.glob("challenge-2006/*.log")]
    found = [line for path in sorted(files) for line in path.read_bytes().split(b"\n") if line.strip()]
    return [line for line in found if not ulm.parse(line, complete=False).missing] or list(made_up())


def made_up() -> list[bytes]:
    jdl = '[ Executable = \\"/bin/hostname\\"; StdOutput = \\"out\\"; ]' * 8
    return [
        MADE_UP.format(source=source, event=event, job=job, step=step, fields=fields.format(jdl=jdl)).encode()
        for job in range(400)
        for step, (source, event, fields) in enumerate(STEPS, 1)
    ]


def rate(work: Callable[[], int]) -> float:
    """Items per second of a piece of work that returns how many it did."""
    done, start = 0, time.process_time()
    while (spent := time.process_time() - start) < MEASURE_S:
        done += work()
    return done / spent


def apply_all(events: Iterable[Event]) -> dict[JobId, JobState]:
    """The states that the events lead to, each job for itself."""
    jobs: dict[JobId, JobState] = {}
    for event in events:
        job = jobs.get(event.jobid)
        jobs[event.jobid] = machine.apply(machine.new_status(event.jobid) if job is None else job, event)
    return jobs


def apply_afresh(events: Sequence[Event]) -> int:
    """As above, with nothing known of sequence codes that were met before."""
    forget()
    apply_all(events)
    return len(events)


def store(raw: Sequence[bytes]) -> int:
    """What a server does for each line: parse it, check it, apply it, and write the state for storage."""
    forget()
    ledger = Ledger()
    for line in raw:
        event = ulm.parse(line)
        refusal = ledger.take(event)
        assert refusal is None, refusal
        ledger.jobs[event.jobid].dump()
    return len(raw)


def collection_trace(path: Path) -> int:
    """From a file to the statuses of all its jobs, as glite-lb-state does it; returns the number of events."""
    forget()
    ledger = Ledger()
    count = 0
    for count, line in enumerate(path.read_bytes().splitlines(), 1):  # noqa: B007
        ledger.take(ulm.parse(line))
    assert all(ledger.status(jobid) for jobid in ledger.jobs)
    assert count == COLLECTION_EVENTS
    return count


# ---- memory ---------------------------------------------------------------------------------------------------------


def megabytes(make: Callable[[Sequence[str]], object], stored: Sequence[str]) -> float:
    """What `make` keeps of 10,000 stored states, measured in a fresh process."""
    texts = [stored[number % len(stored)] for number in range(STATUSES)]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_allocated, (make, texts))


def _allocated(make: Callable[[Sequence[str]], object], texts: Sequence[str]) -> float:
    make(texts[:1])  # what is made once for all is none of what is measured
    tracemalloc.start()
    kept = make(texts)
    size, _ = tracemalloc.get_traced_memory()
    del kept
    return size / 1e6


def load_statuses(texts: Sequence[str]) -> list[Status]:
    return [JobState.load(text).status for text in texts]


def load_states(texts: Sequence[str]) -> list[JobState]:
    return [JobState.load(text) for text in texts]


def load_descriptions(texts: Sequence[str]) -> list[list[str | None]]:
    """The job descriptions alone: as user, matchmaker and CondorG wrote them."""
    statuses = (JobState.load(text).status for text in texts)
    return [[status.jdl, status.matched_jdl, status.condor_jdl, status.rsl] for status in statuses]


# ---- the tables -----------------------------------------------------------------------------------------------------


def promises(raw: Sequence[bytes], events: Sequence[Event], stored: Sequence[str]) -> Table:
    """What is promised of the model, and what was measured."""
    title = f"{len(raw):,} lines of {sum(map(len, raw)) // len(raw):,} bytes on average"
    table = Table("what", "promised", "measured", title=title)
    for what, promised, work in (
        ("parse a ULM line", PARSE_RATE, lambda: len([ulm.parse(line) for line in raw])),
        ("apply an event to a status", APPLY_RATE, lambda: apply_afresh(events)),
        ("parse, check, apply, serialise for storage, per event", STORE_RATE, lambda: store(raw)),
    ):
        table.add_row(what, f"{promised:,}/s", f"{rate(work):,.0f}/s")
    if COLLECTION.exists():
        spent = COLLECTION_EVENTS / rate(lambda: collection_trace(COLLECTION))
        what = f"{COLLECTION_EVENTS:,} events of a collection, file to statuses"
        table.add_row(what, f"{COLLECTION_S} s", f"{spent:.2f} s")
    table.add_row(f"memory of {STATUSES:,} statuses", f"{MEMORY_MB} MB", f"{megabytes(load_statuses, stored):.0f} MB")
    return table


def more(raw: Sequence[bytes], events: Sequence[Event], stored: Sequence[str]) -> Table:
    """What else is worth knowing."""
    records, states = Records(), load_states(stored)
    table = Table("what", "measured")
    for what, work in (
        ("event lines written", lambda: len([ulm.write(event) for event in events])),
        ("stored states read", lambda: len(load_states(stored))),
        ("states written for storage", lambda: len([state.dump() for state in states])),
        ("states as web service records", lambda: len([ws.status_to_ws(state.status, records) for state in states])),
        ("events as web service records", lambda: len([ws.event_to_ws(event, records) for event in events])),
    ):
        table.add_row(what, f"{rate(work):,.0f}/s")
    table.add_row("job descriptions in the statuses above", f"{megabytes(load_descriptions, stored):.0f} MB")
    table.add_row(f"memory of {STATUSES:,} states with bookkeeping", f"{megabytes(load_states, stored):.0f} MB")
    return table


def main() -> None:
    """Print both tables."""
    raw = lines()
    events = [ulm.parse(line) for line in raw]
    stored = [job.dump() for job in apply_all(events).values()]
    console = Console()
    console.print(promises(raw, events, stored))
    console.print(more(raw, events, stored))


if __name__ == "__main__":
    main()
