"""All jobs of a server in memory: what is let in, what follows from it, what is computed anew."""

import random
from errno import EINVAL, ENOENT
from typing import Any

import pytest

from lb.model import jobid as ids
from lb.model import ulm
from lb.model.eventjson import from_history
from lb.model.events import EVENTS, Event
from lb.model.jobid import JobId
from lb.model.ledger import Ledger, Step
from lb.model.rules import store
from lb.model.rules.store import Refusal, Sender
from lb.model.view import Flag
from lb.model.vocabulary import EXCLUSIVE
from lbbench import code
from lbrecorded import DUMPS, TRACES
from shared import needs_shared

USER = "/DC=org/DC=example/CN=Test User"
OTHER = "/DC=org/DC=example/CN=Other User"
SERVER = "lb.example.org:9000"
ME = Sender(USER)
LOGGER = Sender("/CN=wms", trusted=True)


def job(unique: str) -> JobId:
    return JobId("lb.example.org", 9000, unique)


def event(
    name: str, jobid: JobId, number: int, source: str = "UserInterface", user: str = USER, /, *, priority: int = 0,
    **fields: Any,
) -> Event:
    """An event at second `number`, with a code that grows with it."""
    return Event(EVENTS[name], (number, 0), "h", "SYSTEM", priority, jobid, code(number), user, source, "", fields)


def registration(jobid: JobId, number: int = 0, jobtype: str = "SIMPLE", user: str = USER, **more: Any) -> Event:
    return event("RegJob", jobid, number, "UserInterface", user, jobtype=jobtype, ns="NS", **more)


def life(jobid: JobId, start: int = 1) -> list[Event]:
    """From a registered job to one that is done."""
    accepted: dict[str, Any] = {"from": "UserInterface", "from_host": "ui"}
    return [
        event("Accepted", jobid, start, "NetworkServer", **accepted),
        event("Running", jobid, start + 1, "LogMonitor", node="wn"),
        event("Done", jobid, start + 2, "LogMonitor", status_code="OK", exit_code=0, reason="done"),
    ]


def filled(*events: Event, sender: Sender | None = None) -> Ledger:
    ledger = Ledger()
    for each in events:
        assert ledger.take(each, sender) is None
    return ledger


def state(ledger: Ledger, jobid: JobId) -> str:
    return ledger.jobs[jobid].status.state


ONE, TWO, MANY = job("one"), job("two"), job("many")

# ---- one job --------------------------------------------------------------------------------------------------------


def test_a_job_runs_through_its_states() -> None:
    events = [registration(ONE), *life(ONE)]
    ledger = filled(*events)
    assert list(ledger.jobs) == [ONE] and state(ledger, ONE) == "Done"
    assert ledger.events(ONE) == tuple(events)
    assert ledger.history(ONE) == [
        Step(name, (number, 0), events[number])
        for number, name in enumerate(("Submitted", "Waiting", "Running", "Done"))
    ]
    status = ledger.status(ONE)
    assert status is not None and (status.state, status.owner) == ("Done", USER)


def test_the_history_is_shown_to_those_who_ask() -> None:
    events = [registration(ONE), *life(ONE)]
    ledger = filled(*events)
    shown = ledger.status(ONE, Flag.HISTORY)
    assert shown is not None and shown.history is not None
    assert from_history(shown.history) == events
    assert shown == ledger.jobs[ONE].status.replace(history=shown.history)
    without = ledger.status(ONE)
    assert without is not None and without.history is None


def test_the_history_of_a_job_without_events_is_empty() -> None:
    ledger = filled(registration(MANY, jobtype="DAG", nsubjobs=1))
    [child] = ledger.children(MANY)
    of_child, of_parent = ledger.status(child, Flag.HISTORY), ledger.status(MANY, Flag.HISTORY | Flag.CHILDSTAT)
    assert of_child is not None and of_child.history == "[]"
    assert of_parent is not None and of_parent.children_states is not None
    assert [shown.history for shown in of_parent.children_states] == [None]


def test_a_ledger_that_keeps_no_events_shows_no_history() -> None:
    ledger = Ledger(keep=False)
    assert ledger.take(registration(ONE)) is None
    shown = ledger.status(ONE, Flag.HISTORY)
    assert shown is not None and shown.history is None


def test_what_is_not_here() -> None:
    ledger = filled(registration(ONE))
    assert (ledger.status(TWO), ledger.events(TWO), ledger.history(TWO), ledger.children(TWO)) == (None, (), [], [])
    assert TWO not in ledger.jobs and len(ledger.jobs) == 1
    assert ledger.take(event("Running", TWO, 1, node="wn")) == store.NOT_REGISTERED


def test_a_repeated_event_is_dropped() -> None:
    events = [registration(ONE), *life(ONE)]
    ledger = filled(*events, *events)
    assert (ledger.events(ONE), ledger.repeated) == (tuple(events), 4)


def test_hosts_are_the_same_in_any_case() -> None:
    ledger = Ledger("LB.example.org")
    assert ledger.take(registration(JobId("lb.Example.org", 9000, "one"))) is None
    assert ledger.take(event("Running", ONE, 1, node="wn")) is None
    assert state(ledger, ONE) == state(ledger, JobId("LB.EXAMPLE.ORG", 9000, "one")) == "Running"


def test_every_server_or_one() -> None:
    elsewhere = JobId("lb.elsewhere.org", 9000, "one")
    assert filled(registration(ONE), registration(elsewhere)).jobs.keys() == {ONE, elsewhere}
    assert Ledger(SERVER).take(registration(elsewhere)) == Refusal(ENOENT, "job not registered")
    refusal = Ledger(SERVER).take(registration(job("a/b")))
    assert refusal is not None and refusal.code == EINVAL


# ---- who may do what ------------------------------------------------------------------------------------------------


def test_with_a_sender_the_rules_hold() -> None:
    ledger = Ledger(SERVER)
    by_other = registration(ONE, user=OTHER)
    assert ledger.take(by_other, ME) == store.MUST_BE_DIRECT
    assert ledger.take(registration(ONE), LOGGER) == store.MUST_BE_DIRECT
    assert ledger.take(registration(ONE), ME) is None
    assert ledger.take(registration(ONE, 1), LOGGER) is None
    assert ledger.take(by_other, Sender(OTHER)) == store.FOREIGN_JOB
    assert ledger.take(registration(ONE, 2, priority=EXCLUSIVE), ME) == store.JOB_EXISTS
    running = event("Running", ONE, 3, "LRMS", OTHER, node="wn")
    assert ledger.take(running, ME) == store.NOT_FOR_OTHERS
    assert ledger.take(running, LOGGER) == ledger.take(running, Sender(OTHER)) == store.NOT_OWNER
    assert len(ledger.events(ONE)) == 2


def test_without_a_sender_events_are_taken_as_they_stand() -> None:
    ledger = filled(registration(ONE), registration(ONE, 1, user=OTHER, priority=EXCLUSIVE))
    assert ledger.take(event("Running", ONE, 3, "LRMS", OTHER, node="wn")) is None
    assert ledger.jobs[ONE].status.owner == USER


def test_marks_of_proxies_are_no_part_of_the_owner() -> None:
    ledger = filled(registration(ONE, user=f"{USER}/CN=proxy/CN=limited proxy"))
    assert ledger.jobs[ONE].status.owner == USER


def grant(number: int, permission: str, operation: str = "ADD") -> Event:
    return event(
        "ChangeACL", ONE, number, user_id=OTHER, user_id_type="DN", permission=permission, permission_type="ALLOW",
        operation=operation,
    )


def test_access_lists_are_kept_and_shown() -> None:
    ledger = filled(registration(ONE), grant(1, "READ"))
    status = ledger.status(ONE)
    assert status is not None and status.acl is not None and OTHER.replace(" ", "+") in status.acl
    assert status.access_rights == f"READ:\n\tallowed: dn:{OTHER}\n"
    assert ledger.acl(ONE).permits("READ", OTHER) and ledger.acl(TWO).entries == ()
    refused = grant(2, "TAG", "REMOVE")
    assert ledger.take(refused) == Refusal(EINVAL, "ACL entry doesn't exist")
    assert refused not in ledger.events(ONE)
    assert ledger.jobs[ONE].status.lastUpdateTime == (0, 0), "it is not fed to the machine"


def test_tags_of_those_who_may() -> None:
    ledger = filled(registration(ONE), sender=ME)
    tag = event("UserTag", ONE, 3, "Application", OTHER, name="a", value="b")
    assert ledger.take(tag, Sender(OTHER)) == store.NOT_OWNER
    assert ledger.take(grant(2, "TAG"), ME) is None
    assert ledger.take(tag, Sender(OTHER)) is None
    assert ledger.jobs[ONE].status.user_tags == {"a": "b"}


def test_a_payload_owner_may_set_tags() -> None:
    ledger = filled(
        registration(ONE), event("GrantPayloadOwnership", ONE, 1, payload_owner=OTHER),
        event("TakePayloadOwnership", ONE, 2, "UserInterface", OTHER),
    )
    assert ledger.acl(ONE).permits("TAG", OTHER)


# ---- parents --------------------------------------------------------------------------------------------------------


def family(count: int, *, jobtype: str = "COLLECTION") -> tuple[Event, list[JobId]]:
    return registration(MANY, jobtype=jobtype, nsubjobs=count, seed="s"), ids.subjobs(MANY, "s", count)


def test_subjobs_are_born_with_their_parent() -> None:
    first, children = family(3)
    ledger = filled(first)
    assert list(ledger.jobs) == [MANY, *children]
    assert ledger.children(MANY) == sorted(children, key=str)
    child = ledger.jobs[children[0]].status
    assert (child.state, child.owner, child.parent_job) == ("Submitted", USER, str(MANY))
    assert ledger.history(children[0]) == [Step("Submitted", (0, 0), first)] and ledger.events(children[0]) == ()
    status = ledger.status(MANY, Flag.CHILDREN | Flag.CHILDSTAT | Flag.CHILDHIST_THOROUGH)
    assert status is not None and status.children == tuple(sorted(map(str, children)))
    assert status.children_hist is not None and status.children_hist[1] == 3
    assert status.children_states is not None and len(status.children_states) == 3


def test_an_absurd_number_of_subjobs_is_refused() -> None:
    ledger = filled(registration(MANY, jobtype="DAG", nsubjobs=-1))
    refusal = ledger.take(registration(ONE, jobtype="DAG", nsubjobs=2_000_000_000))
    assert refusal is not None and "100000 subjobs" in refusal.text and ONE not in ledger.jobs


def test_a_collection_follows_its_subjobs() -> None:
    """News come at the time when their cause arrived, if that is known."""
    first, (one, two) = family(2)
    ledger = filled(first, *life(one)[:2])
    assert state(ledger, MANY) == "Running"
    last = life(one)[2]
    last.arrived = (77, 0)
    assert ledger.take(last) is None
    assert state(ledger, MANY) == "Waiting"
    assert [(step.state, step.entered) for step in ledger.history(MANY)] == [
        ("Submitted", (0, 0)), ("Running", (2, 0)), ("Waiting", (77, 0)),
    ]
    for each in life(two):
        assert ledger.take(each) is None
    status = ledger.status(MANY, Flag.CHILDHIST_FAST)
    assert status is not None and status.children_hist is not None
    assert (status.state, status.children_hist[6]) == ("Done", 2)
    assert [each.name for each in ledger.events(MANY)] == ["RegJob"] + ["CollectionState"] * 4


def test_a_clock_of_its_own() -> None:
    ledger = Ledger(clock=lambda cause: (cause.timestamp[0] + 1000, 0), host="lb", dn="/CN=lb")
    first, (one,) = family(1)
    for each in (first, *life(one)[:2]):
        ledger.take(each)
    told = ledger.events(MANY)[-1]
    assert (told.timestamp, told.host, told.user) == ((1002, 0), "lb", "/CN=lb")


def test_an_inner_collection_tells_the_outer_one() -> None:
    outer = job("outer")
    inner = registration(MANY, 1, jobtype="COLLECTION", nsubjobs=1, seed="s", parent=outer)
    ledger = filled(registration(outer, jobtype="COLLECTION", nsubjobs=1, seed="x"), inner)
    (leaf,) = ids.subjobs(MANY, "s", 1)
    for each in life(leaf):
        ledger.take(each)
    assert [state(ledger, each) for each in (leaf, MANY, outer)] == ["Done"] * 3


def test_a_dag_keeps_its_own_state() -> None:
    first, (one,) = family(1, jobtype="DAG")
    ledger = filled(first, *life(one))
    status = ledger.status(MANY, Flag.CHILDHIST_FAST)
    assert status is not None and status.children_hist is not None
    assert (status.state, status.children_hist[6]) == ("Submitted", 1)


def test_a_subjob_that_says_it_is_none_leaves() -> None:
    first, (one, two) = family(2)
    assert filled(first, registration(one, 1)).children(MANY) == [two]


def test_a_job_is_no_part_of_itself() -> None:
    ledger = filled(registration(ONE, jobtype="COLLECTION", nsubjobs=1, parent=TWO))
    assert ledger.take(registration(TWO, jobtype="COLLECTION", nsubjobs=1, parent=ONE)) == store.ENDLESS
    assert ledger.take(registration(job("three"), parent=job("three"))) == store.ENDLESS


def test_nobody_hangs_his_job_into_another_ones() -> None:
    ledger = filled(registration(ONE, jobtype="FILE_TRANSFER_COLLECTION", nsubjobs=1), sender=ME)
    other = Sender(OTHER)
    assert ledger.take(registration(TWO, user=OTHER, parent=ONE), other) == store.FOREIGN_PARENT
    assert ledger.take(registration(TWO, user=OTHER, jobtype="FILE_TRANSFER"), other) is None
    sandbox = event("Sandbox", TWO, 1, "UserInterface", OTHER, sandbox_type="INPUT", transfer_job=str(ONE))
    assert ledger.take(sandbox, other) == store.FOREIGN_PARENT


def test_a_deep_chain_of_collections() -> None:
    """Registered from the inside to the outside; neither the news nor a look at it goes down or up for ever."""
    chain = [job(f"c{number}") for number in range(1500)]
    ledger = filled(registration(ONE, parent=chain[0]), *(
        registration(each, jobtype="COLLECTION", nsubjobs=1, seed="s", parent=parent)
        for each, parent in zip(chain, chain[1:], strict=False)
    ))
    for each in life(ONE)[:2]:
        assert ledger.take(each) is None
    assert [state(ledger, each) for each in chain[:18]] == ["Running"] * 16 + ["Submitted"] * 2
    assert ledger.status(chain[1498], Flag.CHILDSTAT) is not None
    ledger.recompute()
    assert state(ledger, chain[0]) == "Running"


# ---- connections ----------------------------------------------------------------------------------------------------


def test_both_ends_of_a_connection() -> None:
    connect = event("ConnectJob", ONE, 5, dest_jobid=str(TWO), jobtype="VIRTUAL_MACHINE")
    ledger = filled(registration(ONE))
    assert ledger.take(connect) == Refusal(ENOENT, "job not registered")
    assert ledger.take(registration(TWO, jobtype="VIRTUAL_MACHINE")) is None
    assert ledger.take(connect) is None
    assert ledger.connections(ONE).active == {TWO} and ledger.connections(TWO).active == {ONE}
    assert ledger.events(TWO)[-1].source == "LBServer" and ledger.jobs[TWO].status.lastUpdateTime == (5, 0)
    ledger.take(event("DisconnectJob", TWO, 6, dest_jobid=str(ONE)))
    assert not ledger.connections(ONE).active and not ledger.connections(TWO).active
    assert ledger.connections(job("none")).by_job == {}


def test_the_end_of_a_job_ends_its_connections() -> None:
    ledger = filled(
        registration(ONE), registration(TWO), event("ConnectJob", ONE, 1, dest_jobid=str(TWO), jobtype="SIMPLE"),
        *life(TWO, 2),
    )
    assert not ledger.connections(ONE).active and not ledger.connections(TWO).active


def test_a_connection_to_no_job() -> None:
    ledger = filled(registration(ONE))
    assert ledger.take(event("DisconnectJob", ONE, 1, dest_jobid="nothing")) == Refusal(1409, "nothing")


# ---- from scratch ---------------------------------------------------------------------------------------------------


def test_computed_anew_in_the_order_of_the_codes() -> None:
    events = life(ONE)
    ledger = filled(registration(ONE), *reversed(events))
    assert state(ledger, ONE) == "Done" and len(ledger.history(ONE)) == 2
    ledger.recompute()
    assert state(ledger, ONE) == "Done"
    assert [step.state for step in ledger.history(ONE)] == ["Submitted", "Waiting", "Running", "Done"]
    assert ledger.events(ONE) == (registration(ONE), *events)


def test_parents_follow_what_is_computed_anew() -> None:
    """Whatever the order of arrival, afterwards all is as if it had been the right one."""
    first, children = family(4)
    lives = [each for place, child in enumerate(children) for each in life(child, 10 + 2 * place)]
    expected = filled(first, *sorted(lives, key=lambda each: each.timestamp))
    for seed in range(20):
        random.Random(seed).shuffle(lives)
        ledger = filled(first, *lives)
        ledger.recompute()
        assert {jobid: each.status for jobid, each in ledger.jobs.items()} == {
            jobid: each.status for jobid, each in expected.jobs.items()
        }
        assert [step[:2] for step in ledger.history(MANY)] == [step[:2] for step in expected.history(MANY)]


def test_computing_anew_twice_changes_nothing() -> None:
    first, (one, two) = family(2)
    ledger = filled(first, registration(one, 1, parent=MANY), *life(one, 4), *life(two, 2))
    ledger.recompute()
    before = {jobid: (each, ledger.events(jobid), ledger.history(jobid)) for jobid, each in ledger.jobs.items()}
    ledger.recompute()
    assert {jobid: (each, ledger.events(jobid), ledger.history(jobid)) for jobid, each in ledger.jobs.items()} == before


def test_lists_and_connections_survive() -> None:
    connect = event("ConnectJob", ONE, 3, dest_jobid=str(TWO), jobtype="SIMPLE")
    ledger = filled(
        registration(ONE, wms_dn="/CN=wms\n"), registration(TWO), grant(1, "READ"), connect,
    )
    removal = event(
        "ChangeACL", ONE, 4, user_id="/CN=wms", user_id_type="DN", permission="READ", permission_type="ALLOW",
        operation="REMOVE",
    )
    assert ledger.take(removal) is None
    before = ledger.acl(ONE)
    ledger.recompute()
    assert ledger.acl(ONE) == before and len(before.entries) == 1
    assert ledger.connections(TWO).active == {ONE} and len(ledger.events(TWO)) == 2


def test_more_events_after_computing_anew() -> None:
    ledger = filled(registration(ONE), *life(ONE))
    ledger.recompute()
    assert ledger.take(life(ONE)[0]) is None
    assert ledger.take(event("Clear", ONE, 9, reason="USER")) is None
    assert state(ledger, ONE) == "Cleared" and len(ledger.events(ONE)) == 5


# ---- traces ---------------------------------------------------------------------------------------------------------


@needs_shared
@pytest.mark.parametrize("again", [False, True], ids=["as they came", "computed anew"])
def test_the_real_collection(again: bool) -> None:
    """100 subjobs, 1,782 events (lb.md 16.3)."""
    ledger, refused = Ledger(), []
    for name in ("perf_collection_avg_events.reg.log", "perf_collection_avg_events.log"):
        for line in (TRACES / name).read_bytes().splitlines():
            each = ulm.parse(line, complete=False)
            refused += [each] if each.missing or ledger.take(each) else []
    assert len(ledger.jobs) == 101
    if again:
        ledger.recompute()
    [parent] = [jobid for jobid, each in ledger.jobs.items() if each.status.children_num]
    status = ledger.status(parent, Flag.CHILDHIST_FAST)
    thorough = ledger.status(parent, Flag.CHILDHIST_THOROUGH)
    assert status is not None and thorough is not None and status.state == "Done"
    assert status.children_hist == thorough.children_hist


@needs_shared
@pytest.mark.parametrize("name", ["dump1.log", "dump4.log"])
def test_the_provenance_challenge_of_2006(name: str) -> None:
    ledger = Ledger()
    for line in (DUMPS / name).read_bytes().splitlines():
        each = ulm.parse(line, complete=False)
        if not each.missing:
            ledger.take(each)
    [dag] = [each.status for each in ledger.jobs.values() if each.status.jobtype == "DAG"]
    assert len(ledger.jobs) == 16 and dag.children_num == 15
    assert {each.status.state for each in ledger.jobs.values()} == {"Done"}
    before = {jobid: each.status.state for jobid, each in ledger.jobs.items()}
    ledger.recompute()
    assert {jobid: each.status.state for jobid, each in ledger.jobs.items()} == before


def test_a_ledger_that_keeps_nothing_knows_the_same_states() -> None:
    keeping, forgetting = Ledger(), Ledger(keep=False)
    parent = job("parent")
    child = ids.subjobs(parent, "s", 1)[0]
    for each in (registration(parent, jobtype="COLLECTION", nsubjobs=1, seed="s"), *life(child), life(child)[0]):
        assert keeping.take(each) == forgetting.take(each) is None
    assert {key: each.status for key, each in keeping.jobs.items()} == {
        key: each.status for key, each in forgetting.jobs.items()}
    assert keeping.repeated == forgetting.repeated == 1
    assert keeping.events(child) and keeping.history(child)
    assert not forgetting.events(child) and not forgetting.history(child)
    with pytest.raises(ValueError, match="has kept no events"):
        forgetting.recompute()
