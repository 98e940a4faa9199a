"""How fast event lines become job states: parse, apply, store, and the web service record.

    python -m bench.model

The lines are those of the real traces when they are beside the checkout, otherwise those of a made-up job.
"""

import resource
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from rich.console import Console
from rich.table import Table

from lb.model import machine, ulm, ws
from lb.model.events import Event
from lb.model.jobid import JobId
from lb.model.jobstate import JobState
from lb.model.seqcode import forget

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
#: Seconds that each measurement runs for at least.
MEASURE_S = 1.5
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
    done, start = 0, time.perf_counter()
    while (spent := time.perf_counter() - start) < MEASURE_S:
        done += work()
    return done / spent


def apply_all(events: list[Event]) -> dict[JobId, JobState]:
    jobs: dict[JobId, JobState] = {}
    for event in events:
        job = jobs.get(event.jobid)
        if job is None:
            job = machine.new_status(event.jobid)
        jobs[event.jobid] = machine.apply(job, event)
    return jobs


def _fresh(events: list[Event]) -> int:
    forget()
    apply_all(events)
    return len(events)


def _whole(raw: list[bytes]) -> int:
    jobs: dict[JobId, JobState] = {}
    for line in raw:
        event = ulm.parse(line)
        job = jobs.get(event.jobid) or machine.new_status(event.jobid)
        jobs[event.jobid] = job = machine.apply(job, event)
        job.dump()
    return len(raw)


def main() -> None:
    """Print the rates and the memory of 10,000 states."""
    raw = lines()
    events = [ulm.parse(line) for line in raw]
    jobs = list(apply_all(events).values())
    stored = [job.dump() for job in jobs]
    records = Records()
    table = Table("what", "per second", title=f"{len(raw)} lines of {sum(map(len, raw)) // len(raw)} bytes on average")
    for name, work in (
        ("event lines parsed", lambda: len([ulm.parse(line) for line in raw])),
        ("event lines written", lambda: len([ulm.write(event) for event in events])),
        ("events applied to states", lambda: _fresh(events)),
        ("parsed, applied, state serialised", lambda: _whole(raw)),
        ("stored states read", lambda: len([JobState.load(text) for text in stored])),
        ("states as web service records", lambda: len([ws.status_to_ws(job.status, records) for job in jobs])),
        ("events as web service records", lambda: len([ws.event_to_ws(event, records) for event in events])),
    ):
        table.add_row(name, f"{rate(work):,.0f}")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    kept = [JobState.load(stored[number % len(stored)]) for number in range(10_000)]
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    table.add_row(f"memory of {len(kept):,} states", f"{(after - before) / 1024:.0f} MB")
    Console().print(table)


if __name__ == "__main__":
    main()
