"""Whatever comes to a ledger, in whatever order: it answers, shows everything, and computes the same once more."""

import random
from typing import Any

import pytest

from lb.model import native
from lb.model.catalogue import Field, Kind
from lb.model.events import EVENTS, Event
from lb.model.jobid import JobId, subjobs
from lb.model.ledger import Ledger
from lb.model.rules.store import Sender
from lb.model.status import STATES
from lb.model.view import Flag
from lb.model.vocabulary import EXCLUSIVE, SOURCES

NAMED = [JobId("lb", 9000, f"job{number}") for number in range(4)]
JOBS = [*NAMED, *subjobs(NAMED[0], "s", 2), *subjobs(NAMED[1], "s", 2)]
USERS = ("/CN=one", "/CN=two", "")
#: Events that move jobs and those around them.
BUSY = (
    "RegJob", "RegJob", "ChangeACL", "Sandbox", "ConnectJob", "DisconnectJob", "Running", "Done", "CollectionState",
    "FileTransfer", "Clear", "Abort", "UserTag", "GrantPayloadOwnership", "TakePayloadOwnership", "CREAMStatus",
)
VIEWS = (Flag(0), Flag.CHILDREN | Flag.CHILDSTAT, Flag.CHILDHIST_FAST, Flag.CHILDHIST_THOROUGH | Flag.CLASSADD)


def value(pick: random.Random, field: Field) -> Any:
    if field.kind in (Kind.ENUM, Kind.SOURCE):
        return pick.choice(field.values or SOURCES)
    if field.kind is Kind.JOBID or ("job" in field.name and pick.random() < 0.8):
        job = pick.choice(JOBS)
        return job if field.kind is Kind.JOBID else str(job)
    plain = {Kind.PORT: 1, Kind.DOUBLE: 0.5, Kind.TIME: (1, 1), Kind.TAGS: (("a", "b"),)}
    if field.kind is Kind.INT:
        return pick.choice((1, 2, 7, -2))
    return plain.get(field.kind) or pick.choice((*STATES, "s", "done-ok", "x\ny", "/CN=two", "\udcff"))


def code(pick: random.Random) -> str:
    """One that can be read, mostly."""
    ns, wm = pick.randrange(9), pick.randrange(3)
    usual = f"UI=000003:NS={ns:010}:WM={wm:06}:BH=0000000000:JSS=000000:LM=000000:LRMS=000000:APP=000000:LBS=000000"
    return pick.choice((usual, usual, usual, "", "TIMESTAMP=20260101000000:POS=0000000100:EV.CODE=203:SRC=C"))


def event(pick: random.Random) -> Event:
    kind = EVENTS[pick.choice(BUSY if pick.random() < 0.8 else tuple(EVENTS))]
    fields = {field.name: value(pick, field) for field in kind.fields if field.required or pick.random() < 0.6}
    if kind.name == "RegJob":
        fields |= {"seed": "s", "nsubjobs": pick.randrange(3)}
    return Event(
        kind, (pick.randrange(99), 0), "h", None, pick.choice((0, EXCLUSIVE)), pick.choice(JOBS), code(pick),
        pick.choice(USERS), pick.choice(SOURCES), "", fields,
    )


def registrations(pick: random.Random) -> list[Event]:
    kind = EVENTS["RegJob"]
    types = [pick.choice(field.values) for field in kind.fields if field.name == "jobtype" for _ in NAMED]
    return [
        Event(kind, (0, 0), "h", None, 0, job, code(pick), "/CN=one", "UserInterface", "", {
            "ns": "NS", "jobtype": jobtype, "nsubjobs": pick.randrange(3), "seed": "s",
        })
        for job, jobtype in zip(NAMED, types, strict=True)
    ]


def everything(ledger: Ledger) -> dict[JobId, Any]:
    return {
        jobid: (job, ledger.events(jobid), ledger.history(jobid), ledger.acl(jobid), ledger.connections(jobid))
        for jobid, job in ledger.jobs.items()
    }


@pytest.mark.parametrize("sender", [None, Sender("/CN=one"), Sender("/CN=one", trusted=True)], ids=str)
def test_whatever_comes(sender: Sender | None) -> None:
    taken = 0
    for seed in range(120):
        pick = random.Random(seed)
        ledger = Ledger()
        for each in (*registrations(pick), *(event(pick) for _ in range(60))):
            taken += ledger.take(each, sender) is None
        ledger.recompute()
        before = everything(ledger)
        for jobid in ledger.jobs:
            for flags in VIEWS:
                status = ledger.status(jobid, flags)
                assert status is not None and native.to_object(status)["@name"] == ledger.jobs[jobid].status.state
        ledger.recompute()
        assert everything(ledger) == before
    assert taken > 500
