"""Worked examples of docs/states.md: events of a job, given to the real machine, and what it says after each."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from docs import markdown
from lb.model import machine
from lb.model.events import EVENTS, Event
from lb.model.jobid import JobId
from lb.model.machine import Outcome
from lb.model.seqcode import SeqCode

JOB = JobId.parse("https://lb.example.org:9000/aNiceJob")
FIELDS: dict[str, dict[str, Any]] = {
    "RegJob": {"ns": "https://wms.example.org:7443", "jobtype": "SIMPLE"},
    "Accepted": {"from": "UserInterface", "from_host": "ui.example.org"},
    "EnQueued": {"queue": "queue", "result": "OK"},
    "DeQueued": {"queue": "queue"},
    "Transfer": {"destination": "LRMS", "dest_host": "ce", "job": "…", "result": "OK"},
    "Done": {"status_code": "OK", "exit_code": 0},
}
SHOWN = ("Match", "Done", "Running", "Resubmission")
"""Events of which a field is told."""


@dataclass(frozen=True)
class Step:
    """One event. `of`: logged on from where this try had got to. `arrives`: so many events later than it was logged."""

    source: str
    name: str
    fields: dict[str, Any]
    of: int | None = None
    arrives: int = 0


def step(source: str, name: str, *, of: int | None = None, arrives: int = 0, **fields: Any) -> Step:
    return Step(source, name, {**FIELDS.get(name, {}), **fields}, of, arrives)


SUBMITTED = (
    step("UserInterface", "RegJob"),
    step("NetworkServer", "Accepted"),
    step("NetworkServer", "EnQueued"),
    step("WorkloadManager", "DeQueued"),
)


def tried(number: int, transfer_arrives: int = 0) -> tuple[Step, ...]:
    """One try, from the match to the wrapper."""
    return (
        step("WorkloadManager", "Match", dest_id=f"ce{number}"),
        step("WorkloadManager", "EnQueued"),
        step("JobController", "DeQueued"),
        step("JobController", "Transfer"),
        step("LogMonitor", "Accepted"),
        step("LogMonitor", "Transfer", arrives=transfer_arrives),
        step("LogMonitor", "Running", node=f"wn{number}"),
    )


def again(verdict: str) -> tuple[Step, ...]:
    """A try has failed, and the job goes back to the workload manager."""
    return (
        step("LogMonitor", "Done", status_code="FAILED", reason="no heartbeat"),
        step("LogMonitor", "Resubmission", result="WILLRESUB"),
        step("LogMonitor", "EnQueued"),
        step("WorkloadManager", "DeQueued"),
        step("WorkloadManager", "Resubmission", result=verdict),
    )


LATE = (*SUBMITTED, *tried(1, transfer_arrives=2), step("Application", "VMRunning", of=1), step("LogMonitor", "Done"))
SHALLOW = (
    *SUBMITTED, *tried(1), *again("SHALLOW"), *tried(2),
    step("LRMS", "ReallyRunning", of=1),
    step("LogMonitor", "Done", of=2, status_code="FAILED", reason="no token"),
    step("LogMonitor", "Done", of=1),
)
DEEP = (
    *SUBMITTED, *tried(1), *again("WILLRESUB"), *tried(2),
    step("LRMS", "ReallyRunning", of=1),
    step("LRMS", "ReallyRunning", of=2),
    step("LogMonitor", "Done", of=2),
)


def table(steps: tuple[Step, ...]) -> str:
    """The events in the order of their arrival, and the status after each, computed by the machine."""
    return markdown.table(
        ("event", "counters of its code", "worth", "state", "destination", "node", "payload runs"), _rows(steps)
    )


def _rows(steps: tuple[Step, ...]) -> Iterator[tuple[str, ...]]:
    job = machine.new_status(JOB)
    for event in _arriving(steps):
        job = machine.apply(job, event)
        status = job.status
        yield (
            _words(event), _counters(event.seqcode), _worth(job.outcome), status.state,
            status.destination or "", status.ce_node or "", "yes" if status.payload_running else "",
        )


def _arriving(steps: tuple[Step, ...]) -> Iterator[Event]:
    """The events as they arrive; codes and times follow the order in which they were logged."""
    places = [(number + one.arrives + (0.5 if one.arrives else 0), event) for number, (one, event) in _logged(steps)]
    for _, event in sorted(places, key=lambda place: place[0]):
        yield event


def _logged(steps: tuple[Step, ...]) -> Iterator[tuple[int, tuple[Step, Event]]]:
    code, tries = SeqCode(), list[SeqCode]()
    for number, one in enumerate(steps):
        if one.of is None:
            own = code = code.increment(one.source)
        else:
            own = tries[one.of - 1] = tries[one.of - 1].increment(one.source)
        if one.name == "Running":
            tries.append(own)
        at = (1_767_225_600 + number, 0)
        kind = EVENTS[one.name]
        event = Event(kind, at, "host", "SYSTEM", 0, JOB, str(own), "/CN=User", one.source, "", one.fields)
        yield number, (one, event)


def _words(event: Event) -> str:
    told = [str(event.fields[name]) for name in ("dest_id", "node", "status_code", "result") if name in event.fields]
    return " ".join((f"{event.source}: {event.name}", *(told if event.name in SHOWN else ())))


def _counters(code: str) -> str:
    counters = SeqCode.parse(code)._asdict().items()
    return " ".join(f"{name.upper()}{number}" for name, number in counters if number)


def _worth(outcome: Outcome) -> str:
    return {Outcome.USED: "in time", Outcome.LATE: "late", Outcome.BAD: "bad"}[outcome]
