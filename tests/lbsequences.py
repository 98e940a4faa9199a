"""Sequences of events of one job for property tests: wild ones, and lives as the middleware logs them.

Wild: any events in any order, with codes that tie, branch, go back or cannot be read, and few different values, so that
events meet. Lives: a job on its way through the components, with the codes that these would have counted, with rounds
of resubmission, a cancellation, tags.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from hypothesis import strategies as st

from lb.model import machine
from lb.model.catalogue import EventType, Field, Kind
from lb.model.events import EVENTS, Event
from lb.model.families.batch import CONDOR, PBS
from lb.model.families.cream import CREAM
from lb.model.families.glite import GLITE
from lb.model.families.transfer import TRANSFER
from lb.model.families.virtual import VIRTUAL_MACHINE
from lb.model.jobid import JobId
from lb.model.jobstate import JobState
from lb.model.seqcode import CondorCode, PbsCode, SeqCode
from lb.model.status import ATTRIBUTE, NAMES, STATES, Status
from lb.model.vocabulary import SOURCES

JOB = JobId("lb.example.org", 9000, "job")
PARENT = JobId("lb.example.org", 9000, "parent")
OWNER = "/CN=Owner"
USERS = (OWNER, "/CN=Other", "/CN=Third")
UI, NS, WM, JC, LM, LRMS, APP = (
    "UserInterface", "NetworkServer", "WorkloadManager", "JobController", "LogMonitor", "LRMS", "Application"
)

GLITE_TYPES = ("SIMPLE", "DAG", "COLLECTION")
"""Jobs whose events have the order of the usual codes."""
JOB_TYPES = (*GLITE_TYPES, "CREAM", "PBS", "CONDOR", "FILE_TRANSFER", "FILE_TRANSFER_COLLECTION", "VIRTUAL_MACHINE")
_FAMILIES = {"CREAM": CREAM, "PBS": PBS, "CONDOR": CONDOR, "FILE_TRANSFER": TRANSFER,
             "FILE_TRANSFER_COLLECTION": TRANSFER, "VIRTUAL_MACHINE": VIRTUAL_MACHINE}
_EVERYWHERE = tuple(EVENTS[name] for name in ("RegJob", "UserTag", "Abort", "Sandbox", "CollectionState", "ChangeACL"))

# ---- values ---------------------------------------------------------------------------------------------------------

_CREAM_STATES = tuple(name.lower() for name in ATTRIBUTE["cream_state"].values)
_WORDS = st.sampled_from(("a", "b", "Unresolved", "N/A", "7", "two\nlines", 'q"\\', "\u010d"))
_PARTICULAR: dict[tuple[str, str], st.SearchStrategy[Any]] = {
    ("CollectionState", "state"): st.sampled_from((*STATES[1:], "nonsense")),
    ("CREAMStatus", "new_state"): st.sampled_from((*_CREAM_STATES, "nonsense")),
    ("Sandbox", "transfer_job"): st.sampled_from((str(PARENT), "no id")),
    ("Sandbox", "compute_job"): st.sampled_from((str(PARENT), "no id")),
    ("GrantPayloadOwnership", "payload_owner"): st.sampled_from(USERS),
    ("RegJob", "nsubjobs"): st.integers(1, 3),
    ("RegJob", "parent"): st.just(PARENT),
}


def moments() -> st.SearchStrategy[tuple[int, int]]:
    """Few, so that some are the same."""
    return st.tuples(st.integers(1_770_000_000, 1_770_000_009), st.integers(0, 2))


def values(kind: EventType, field: Field) -> st.SearchStrategy[Any]:
    """What the field may hold; never its null."""
    if (kind.name, field.name) in _PARTICULAR:
        return _PARTICULAR[kind.name, field.name]
    numbers = st.sampled_from([number for number in (-1, 0, 1, 7, 2**31 - 1) if number != field.null])
    if field.kind is Kind.INT:
        return numbers
    if field.kind is Kind.ENUM:
        return st.sampled_from(field.values)
    return {
        Kind.TEXT: _WORDS,
        Kind.PORT: st.integers(1, 65535),
        Kind.DOUBLE: st.sampled_from((0.5, 1e9)),
        Kind.SOURCE: st.sampled_from(SOURCES),
        Kind.JOBID: st.just(PARENT),
        Kind.TIME: moments(),
        Kind.TAGS: st.sampled_from(((("cput", "1"),), (("cput", "2"), ("mem", "3")))),
    }[field.kind]


def fields(kind: EventType) -> st.SearchStrategy[dict[str, Any]]:
    """The specific fields of an event of that type: all required ones, and some of the others."""
    needed = {field.name: values(kind, field) for field in kind.fields if field.required}
    return st.fixed_dictionaries(
        needed, optional={field.name: values(kind, field) for field in kind.fields if not field.required}
    )


def glite_codes() -> st.SearchStrategy[str]:
    """Few counters that move: codes tie, go back, and differ in the WM counter, which makes branches."""
    few = st.integers(0, 2)
    return st.builds(SeqCode, st.integers(3, 4), few, few, st.just(0), few, few, few, few, st.integers(0, 1)).map(str)


def condor_codes() -> st.SearchStrategy[str]:
    """Of Condor."""
    times, places = ("20260218215512", "20260218215513"), ("0000000100", "0000000200")
    parts = st.sampled_from(times), st.sampled_from(places), st.sampled_from(("017", "202")), st.sampled_from("LmNCHsS")
    return st.builds(CondorCode, *parts).map(str)


def codes(jobtype: str) -> st.SearchStrategy[str]:
    """Mostly of the form that the jobs have; now and then one that nobody can read."""
    if jobtype == "PBS":
        usual = st.builds(PbsCode, *[st.integers(0, 2)] * 5).map(str)
    else:
        usual = condor_codes() if jobtype == "CONDOR" else glite_codes()
    return st.one_of(usual, usual, usual, usual, usual, usual, st.sampled_from(("", "garbage", "UI=1", "SMOM=")))


# ---- wild sequences -------------------------------------------------------------------------------------------------


@cache
def _events_of(name: str, jobtype: str) -> st.SearchStrategy[Event]:
    return events_of(EVENTS[name], jobtype)


def events_of(kind: EventType, jobtype: str) -> st.SearchStrategy[Event]:
    """One event of a job of that type."""
    held = fields(kind)
    if kind.name == "RegJob":
        held = held.map(lambda found: {**found, "jobtype": jobtype})
    sources = SOURCES if jobtype not in GLITE_TYPES else (UI, NS, WM, JC, LM, LRMS, APP, "LBServer", "CREAMExecutor")
    return st.builds(
        Event, st.just(kind), moments(), st.sampled_from(("h1", "h2")), st.just("SYSTEM"), st.just(0), st.just(JOB),
        codes(jobtype), st.sampled_from(USERS), st.sampled_from(sources), st.sampled_from(("", "i", None)), held,
    )


def kinds_of(jobtype: str) -> tuple[EventType, ...]:
    """The event types that say something about jobs of that type, and some that do not."""
    own = _FAMILIES.get(jobtype)
    if own is None:
        return tuple(kind for kind in GLITE if kind.name != "Notification") + CREAM + PBS[:1]
    return own + _EVERYWHERE


@cache
def any_event(jobtype: str) -> st.SearchStrategy[Event]:
    """Any event of a job of that type."""
    return st.one_of([_events_of(kind.name, jobtype) for kind in kinds_of(jobtype)])


def named(jobtype: str, names: Iterable[str]) -> st.SearchStrategy[Event]:
    """Any event of one of these types."""
    return st.one_of([_events_of(name, jobtype) for name in names])


def registrations(jobtype: str) -> st.SearchStrategy[Event]:
    """The event that begins a job of that type."""
    return _events_of("RegJob", jobtype)


@cache
def wild(jobtype: str, *, most: int = 10) -> st.SearchStrategy[list[Event]]:
    """A registration and whatever comes after it."""
    rest = st.lists(any_event(jobtype), max_size=most)
    return st.tuples(registrations(jobtype), rest).map(lambda parts: [parts[0], *parts[1]])


# ---- lives ----------------------------------------------------------------------------------------------------------

Step = tuple[str, str, dict[str, Any]]
"""Source, event type, fields."""

_MATCHED: tuple[Step, ...] = (
    (WM, "HelperCall", {"helper_name": "Broker", "src_role": "CALLING"}),
    (WM, "Match", {"dest_id": "ce{round}.example.org:8443/q"}),
    (WM, "HelperReturn", {"helper_name": "Broker", "src_role": "CALLING"}),
    (WM, "EnQueued", {"queue": "jc", "job": "[ round = {round} ]", "result": "OK"}),
    (JC, "DeQueued", {"queue": "jc"}),
    (JC, "Transfer", {"destination": LM, "dest_host": "h", "job": "c{round}", "result": "OK"}),
    (LM, "Accepted", {"from": JC, "from_host": "h", "local_jobid": "l{round}"}),
    (LM, "Transfer", {"destination": LRMS, "dest_host": "h", "job": "r{round}", "result": "OK"}),
    (LM, "Running", {"node": "wn{round}.example.org"}),
)
_SUBMITTED: tuple[Step, ...] = (
    (NS, "Accepted", {"from": UI, "from_host": "ui.example.org"}),
    (NS, "EnQueued", {"queue": "wm", "job": "[]", "result": "OK"}),
    (WM, "DeQueued", {"queue": "wm"}),
)
_AGAIN: tuple[Step, ...] = (
    (LM, "Done", {"status_code": "FAILED", "reason": "round {round}", "exit_code": 1}),
    (LM, "Resubmission", {"result": "WILLRESUB", "reason": "round {round}"}),
    (LM, "EnQueued", {"queue": "wm", "job": "[]", "result": "OK"}),
    (WM, "DeQueued", {"queue": "wm"}),
)
_ENDS: tuple[tuple[Step, ...], ...] = (
    ((LM, "Done", {"status_code": "OK", "exit_code": 0}),),
    ((LM, "Done", {"status_code": "OK", "exit_code": 0}), (NS, "Clear", {"reason": "USER"})),
    ((LM, "Done", {"status_code": "FAILED", "exit_code": 3}),),
    ((WM, "Abort", {"reason": "no way"}),),
    ((WM, "Cancel", {"status_code": "REQ"}), (LM, "Cancel", {"status_code": "DONE", "reason": "as asked"})),
    ((LM, "Done", {"status_code": "CANCELLED", "exit_code": 0}),),
    (),
)
_TAG: tuple[Step, ...] = ((APP, "UserTag", {"name": "Color", "value": "red"}),)
_REALLY: tuple[Step, ...] = ((LRMS, "ReallyRunning", {}),)


def lived(steps: Sequence[Step]) -> list[Event]:
    """The events of these steps, with the codes that the components count and a second between any two."""
    code, found = SeqCode(ui=3), []
    for number, (source, name, held) in enumerate(steps):
        found.append(Event(
            EVENTS[name], (1_770_000_000 + number, 0), "h", "SYSTEM", 0, JOB, str(code), OWNER, source, "", dict(held)
        ))
        code = code.increment(source)
    return found


def _round(steps: Sequence[Step], number: int) -> list[Step]:
    return [
        (source, name, {key: _filled(value, number) for key, value in held.items()}) for source, name, held in steps
    ]


def _filled(value: Any, number: int) -> Any:
    return value.format(round=number) if isinstance(value, str) else value


@st.composite
def lives(draw: st.DrawFn, *, resubmitted: bool = True) -> list[Event]:
    """A simple job from its registration on, in the order in which it happened; with or without resubmission."""
    steps: list[Step] = [(UI, "RegJob", {"jdl": "[]", "ns": "https://wms.example.org", "jobtype": "SIMPLE"})]
    steps += _SUBMITTED
    last = draw(st.integers(1, 3)) if resubmitted else 1
    for number in range(1, last + 1):
        steps += _round(_MATCHED, number)
        if draw(st.booleans()):
            steps += _TAG
        if resubmitted and draw(st.booleans()):
            steps += _REALLY
        if number < last:
            verdict = draw(st.sampled_from(("WILLRESUB", "SHALLOW")))
            steps += _round([*_AGAIN, (WM, "Resubmission", {"result": verdict})], number)
    return lived(steps + list(draw(st.sampled_from(_ENDS))))


ENDS = {"Abort": None, "Clear": None, "Cancel": "DONE", "Done": "CANCELLED"}
"""Events that end a job: with this status code, with any where None."""


def numbered(events: Sequence[Event], jobtype: str) -> list[Event]:
    """The events with codes that grow in this order."""
    if jobtype == "PBS":
        form = "CLIENT=000000:SERVER={:010d}:SCHED=000000:SMOM=000000:MOM=000000"
    elif jobtype == "CONDOR":
        form = "TIMESTAMP=20260218215512:POS={:010d}:EV.CODE=202:SRC=C"
    else:
        form = "UI=000003:NS=0000000000:WM=000000:BH=0000000000:JSS={:06d}:LM=000000:LRMS=000000:APP=000000:LBS=000000"
    return [replace(event, seqcode=form.format(number)) for number, event in enumerate(events)]


# ---- running them ---------------------------------------------------------------------------------------------------


def fresh() -> JobState:
    """A job about which nothing is known."""
    return machine.new_status(JOB, OWNER)


def run(events: Sequence[Event]) -> JobState:
    """A job about which nothing was known, after these events in this order."""
    return machine.run(fresh(), events)


def differing(one: Status, other: Status) -> set[str]:
    """Names of the attributes that differ."""
    return {name for name in NAMES if getattr(one, name) != getattr(other, name)}
