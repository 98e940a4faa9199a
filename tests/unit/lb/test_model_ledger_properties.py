"""What holds for all jobs of a server together, whatever the events are: duplicates, histograms of parents."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lbsequences as sequences
from lb.model.events import EVENTS, Event
from lb.model.jobid import JobId, subjobs
from lb.model.ledger import Ledger
from lb.model.rules import parents
from lb.model.status import STATES
from lbsequences import JOB_TYPES, PARENT

properties = settings(max_examples=50)
CHILDREN = subjobs(PARENT, "seed", 3)
PARENTS = ("DAG", "COLLECTION", "FILE_TRANSFER_COLLECTION")
FINAL = frozenset({"Aborted", "Cancelled", "Cleared"})


def everything(ledger: Ledger) -> dict[JobId, tuple[str, Sequence[Event], str]]:
    """All that the ledger knows, for comparison."""
    return {
        jobid: (job.dump(), ledger.events(jobid), ledger.acl(jobid).to_xml()) for jobid, job in ledger.jobs.items()
    }


@pytest.mark.parametrize("jobtype", JOB_TYPES)
@properties
@given(data=st.data())
def test_a_duplicate_changes_nothing(jobtype: str, data: st.DataObject) -> None:
    """At whatever time it comes; the ledger takes it for what it has already."""
    ledger, stored = Ledger(), []
    for event in data.draw(sequences.wild(jobtype)):
        if ledger.take(event) is None:
            stored.append(event)
        if not stored:
            continue
        again, before = data.draw(st.sampled_from(stored)), everything(ledger)
        assert ledger.take(again) is None
        assert ledger.take(replace(again, arrived=(1, 0), priority=1)) is None, "how it came is no difference"
        assert everything(ledger) == before


# ---- parents --------------------------------------------------------------------------------------------------------


def registration(jobtype: str) -> Event:
    """Of the parent."""
    fields = {"ns": "n", "jobtype": jobtype, "nsubjobs": len(CHILDREN), "seed": "seed"}
    return Event(
        EVENTS["RegJob"], (1_770_000_000, 0), "h", "SYSTEM", 0, PARENT, "", sequences.OWNER, sequences.UI, "", fields
    )


def of_child(event: Event, child: JobId, kind: str) -> Event:
    """The same event of a subjob."""
    if event.name == "RegJob":
        fields = {name: value for name, value in event.fields.items() if name not in ("nsubjobs", "seed")}
        event = replace(event, fields={**fields, "jobtype": kind, "parent": PARENT})
    return replace(event, jobid=child)


@pytest.mark.parametrize("jobtype", PARENTS)
@properties
@given(data=st.data())
def test_a_histogram_counts_all_subjobs_in_their_classes(jobtype: str, data: st.DataObject) -> None:
    ledger = Ledger()
    assert ledger.take(registration(jobtype)) is None
    kind = "FILE_TRANSFER" if jobtype == "FILE_TRANSFER_COLLECTION" else "SIMPLE"
    for event in data.draw(st.lists(sequences.any_event(kind), min_size=5, max_size=25)):
        child = data.draw(st.sampled_from(CHILDREN))
        before = parents.class_of(ledger.jobs[child].status)
        ledger.take(of_child(event, child, kind))
        status = ledger.jobs[PARENT].status
        counted = Counter(parents.class_of(ledger.jobs[jobid].status) for jobid in CHILDREN)
        assert status.children_hist == tuple(counted[slot] for slot in range(len(STATES)))
        assert sum(status.children_hist or ()) == status.children_num == len(CHILDREN)
        if parents.class_of(ledger.jobs[child].status) != before and status.state not in FINAL:
            assert parents.state_of(status) in (None, status.state), "a collection follows its subjobs"
