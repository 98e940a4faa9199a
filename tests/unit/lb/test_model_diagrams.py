"""The state diagrams: the files are those of the tables, and the machine does what they show, no more and no less."""

import shutil
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from docs import states
from lb.model import diagrams, dot, machine
from lb.model.catalogue import EventType, Field, Kind
from lb.model.diagrams import DIAGRAMS, Arrow, Diagram
from lb.model.events import EVENTS, Event
from lb.model.jobid import JobId
from lb.model.jobstate import JobState
from lb.model.rules import condor, cream, glite, parents, pbs, transfer, virtual
from lb.model.rules.rows import Rules
from lb.model.seqcode import CondorCode, PbsCode, SeqCode
from lb.model.status import STATES, TERMINAL, Status
from lb.model.vocabulary import SOURCES

JOB = JobId.parse("https://localhost:9000/abc")
KINDS: dict[str, tuple[Rules, str]] = {
    "SIMPLE": (glite.RULES, "simple"),
    "DAG": (glite.RULES, "simple"),
    "COLLECTION": (glite.RULES, "simple"),
    "CREAM": (cream.RULES, "cream"),
    "PBS": (pbs.RULES, "pbs"),
    "CONDOR": (condor.RULES, "condor"),
    "FILE_TRANSFER": (transfer.RULES, "file-transfer"),
    "FILE_TRANSFER_COLLECTION": (transfer.COLLECTION_RULES, "file-transfer-collection"),
    "VIRTUAL_MACHINE": (virtual.RULES, "virtual-machine"),
}
"""Rules and diagram of each type of job."""


# ---- the files ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DIAGRAMS)
def test_the_files_are_those_of_the_tables(name: str) -> None:
    assert (states.FOLDER / f"{name}.dot").read_text() == dot.text(DIAGRAMS[name]), "run `make docs`"
    picture = (states.FOLDER / f"{name}.svg").read_text()
    assert all(f">{state}</text>" in picture for state in DIAGRAMS[name].states), "run `make docs`"


def test_no_other_files() -> None:
    found = {path.name for path in states.FOLDER.iterdir()}
    assert found == {f"{name}.{end}" for name in DIAGRAMS for end in ("dot", "svg")}


def test_the_page_is_that_of_the_tables() -> None:
    text = states.PAGE.read_text()
    assert states.page(text) == text, "run `make docs`"
    assert all(f"diagrams/{name}.svg" in text for name in DIAGRAMS)


def test_without_graphviz_the_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(states.PAGE, tmp_path / "page.md")
    monkeypatch.setattr(states, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(states, "FOLDER", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match="apt-get install graphviz"):
        states.write()
    assert (tmp_path / "simple.dot").read_text() == dot.text(DIAGRAMS["simple"])


def test_every_type_of_job_is_drawn() -> None:
    assert KINDS.keys() == machine.KINDS.keys()
    assert {name for _, name in KINDS.values()} | {"collection"} == DIAGRAMS.keys()


@pytest.mark.parametrize("name", DIAGRAMS)
def test_final_states_have_a_double_line(name: str) -> None:
    lines = dot.text(DIAGRAMS[name]).splitlines()
    for state in DIAGRAMS[name].states:
        (node,) = [line for line in lines if line.strip().startswith(f"{state} [")]
        assert ("peripheries=2" in node) == (state in TERMINAL)


# ---- the machine ----------------------------------------------------------------------------------------------------


def values(kind: EventType, field: Field, jobtype: str, code: str) -> list[Any]:
    """All values of a field that might make a difference, one of those that do not."""
    if kind.name == "RegJob" and field.name == "jobtype":
        return [jobtype]
    named = {
        "new_state": [row[1] for row in cream.ROWS if row[0] == "CREAMStatus"] + ["no state of CREAM"],
        "newstate": [*range(len(pbs.LETTERS) + 1), -1],
        "state": [*sorted(made_by_subjobs(jobtype)), "no state"],
        "wn_seq": [None, "no code", code],
        "callee": ["LRMS", "LogMonitor"],
    }
    if field.name in named:
        return named[field.name]
    if field.kind is Kind.ENUM:
        return list(field.values)
    plain = {Kind.TEXT: "x", Kind.INT: 1, Kind.PORT: 1, Kind.DOUBLE: 1.0, Kind.SOURCE: "LRMS", Kind.JOBID: JOB}
    plain |= {Kind.TIME: (1, 0), Kind.TAGS: (("x", "y"),)}
    return [plain[field.kind]]


CLASSES = (parents.RUNNING, parents.DONE, parents.CLEARED, parents.ABORTED, parents.REST)


@cache
def made_by_subjobs(jobtype: str) -> frozenset[str]:
    """The states that the server may find that subjobs make of their parent, from all histograms of a few subjobs."""
    found = frozenset[str]()
    for classes in product(CLASSES, repeat=3):
        histogram = tuple(classes.count(slot) for slot in range(len(STATES)))
        state = parents.state_of(Status(jobtype=jobtype, children_num=3, children_hist=histogram))
        found |= {state} if state is not None else set()
    return found


def code(jobtype: str, step: int, letter: str = "C") -> str:
    """Codes that grow, on one branch."""
    if jobtype == "PBS":
        return str(PbsCode(mom=step))
    if jobtype == "CONDOR":
        return str(CondorCode(f"{20260101000000 + step}", "0000000001", "001", letter))
    return str(SeqCode(ui=1, wm=1, lbs=step))


@lru_cache(maxsize=4)
def events(jobtype: str, step: int) -> tuple[Event, ...]:
    """Every type of event with every outcome from every source, in order after ``step`` others."""
    return tuple(_events(jobtype, step))


def _events(jobtype: str, step: int) -> Iterator[Event]:
    who = [(source, "m") for source in SOURCES]
    who += [("LRMS", letter) for letter in condor.DAEMONS] if jobtype == "CONDOR" else []
    for kind, (source, letter) in product(EVENTS.values(), who):
        if kind.name == "CollectionState" and jobtype not in parents.COLLECTIONS:
            continue  # The server logs it to collections only.
        own = code(jobtype, step, letter)
        for chosen in product(*(values(kind, field, jobtype, own) for field in kind.fields)):
            pairs = zip(kind.fields, chosen, strict=True)
            fields = {field.name: value for field, value in pairs if value is not None}
            yield Event(kind, (step, 0), "h", "SYSTEM", 0, JOB, own, "/CN=u", source, "", fields)


def registered(jobtype: str) -> JobState:
    return machine.apply(machine.new_status(JOB), next(event for event in events(jobtype, 1) if event.name == "RegJob"))


def distinct(job: JobState) -> tuple[Any, ...]:
    """What may matter for what comes next."""
    status = job.status
    branch = (job.branch_tag_seqcode is None, job.last_branch_seqcode is None, job.deep_resubmit_seqcode is None)
    return status.state, status.vm_state, branch


_LEADS: dict[int, dict[tuple[str, tuple[str, str | None, str]], list[Arrow]]] = {}


def arrows_of(jobtype: str, event: Event, rules: Rules, state: str, diagram: Diagram) -> list[Arrow]:
    """The arrows that the diagram has for an event in a state."""
    if event.type.name == "CollectionState" and jobtype == "COLLECTION":
        diagram = DIAGRAMS["collection"]
    read = rules.outcome.get(event.type.name)
    speaker = event.source if rules.speaker is None else rules.speaker(event)
    key = (event.type.name, None if read is None else read(event), speaker)
    known = _LEADS.setdefault(id(diagram), {})
    if (state, key) not in known:
        known[state, key] = diagram.leads(state, *key)
    return known[state, key]


@pytest.mark.parametrize("jobtype", KINDS)
def test_the_machine_does_what_is_drawn(jobtype: str) -> None:
    """From every state, by every event in order, what the arrows say; each arrow is seen from each of its states."""
    rules, name = KINDS[jobtype]
    diagram = DIAGRAMS[name]
    start = registered(jobtype)
    assert start.status.state == "Submitted"
    seen, todo = {distinct(start)}, [(start, 2)]
    taken: set[tuple[str, Arrow]] = set()
    passed: set[Arrow] = set()
    for job, step in todo:
        state = job.status.state
        for event in events(jobtype, step):
            after = machine.apply(job, event)
            arrows = arrows_of(jobtype, event, rules, state, diagram)
            heads = {arrow.head for arrow in arrows} or {state}
            allowed = heads | {state} if any(arrow.perhaps for arrow in arrows) else heads
            assert after.status.state in allowed and len(arrows) <= 1, (state, event)
            taken.update((state, arrow) for arrow in arrows if arrow.head == after.status.state)
            passed.update(arrow for arrow in arrows if arrow.head != after.status.state)
            if distinct(after) not in seen:
                seen.add(distinct(after))
                todo.append((after, step + 1))
    drawn = diagram.arrows + (DIAGRAMS["collection"].arrows if jobtype == "COLLECTION" else ())
    assert taken == {(tail, arrow) for arrow in drawn for tail in arrow.tails}
    assert passed == {arrow for arrow in drawn if arrow.perhaps}
    assert {job.status.state for job, _ in todo} == {state for arrow in drawn for state in (*arrow.tails, arrow.head)}


@pytest.mark.parametrize(("jobtype", "name"), [("COLLECTION", "collection"), ("FILE_TRANSFER_COLLECTION",) * 2])
def test_what_subjobs_can_make_of_a_collection_is_drawn(jobtype: str, name: str) -> None:
    diagram = DIAGRAMS[name.lower().replace("_", "-")]
    told = {arrow.head for arrow in diagram.arrows if arrow.cause.event == diagrams.COLLECTION_STATE}
    assert told == made_by_subjobs(jobtype)
