"""The rules of the store, one by one (lb.md 5.3, 7)."""

from dataclasses import replace
from errno import E2BIG, EEXIST, EINVAL, ENOENT, EPERM
from typing import Any

import pytest

import gsi.names
from lb.model import jobid as ids
from lb.model.events import EVENTS, Event
from lb.model.jobid import JobId
from lb.model.people import person, same_dn, same_person
from lb.model.rules import store
from lb.model.rules.store import Refusal, Relative, Sender, Zombie
from lb.model.vocabulary import EXCLUSIVE
from lb.storeproto import Reply, failure
from lbbench import code

OWNER, OTHER = "/CN=owner", "/CN=other"
JOB, PARENT = JobId("lb", 9000, "job"), JobId("lb", 9000, "parent")


def event(name: str = "Running", source: str = "LogMonitor", user: str = OWNER, /, **fields: Any) -> Event:
    return Event(EVENTS[name], (7, 8), "h", "SYSTEM", 0, JOB, code(1), user, source, "", fields)


def registration(user: str = OWNER, /, *, exclusive: bool = False, **fields: Any) -> Event:
    fields = {"jobtype": "SIMPLE", "ns": "NS", **fields}
    return replace(event("RegJob", "UserInterface", user, **fields), priority=EXCLUSIVE if exclusive else 0)


# ---- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("refusal", "reply"), [
    (store.NOT_REGISTERED, Reply(700, ENOENT, "job not registered")),
    (store.NOT_OWNER, Reply(600, 0, "check_auth()")),
    (store.FOREIGN_JOB, Reply(600, 0, "Job already registered with different owner. Rejecting event.")),
    (store.JOB_EXISTS, Reply(700, EEXIST, "Job with given jobid already exists. Rejecting event.")),
    (store.ENDLESS, Reply(700, EINVAL, "a job cannot be part of itself, nor nested deeper than 16 levels")),
    (Refusal(1409, "no job"), Reply(400, 1409, "no job")),
])
def test_what_the_sender_hears(refusal: Refusal, reply: Reply) -> None:
    assert failure(refusal.code, refusal.text) == reply


def test_words_for_people() -> None:
    assert str(store.NOT_OWNER) == "check_auth(): only the owner of the job may log this event"
    assert str(store.JOB_EXISTS) == store.JOB_EXISTS.text


# ---- identities -----------------------------------------------------------------------------------------------------


def test_one_person_and_two() -> None:
    assert person(f"{OWNER}/CN=proxy/CN=limited proxy") == OWNER
    assert person("/CN=proxy") == ""
    assert same_person(f"{OWNER}/CN=proxy", f"{OWNER}/CN=limited proxy")
    assert same_person("/CN=a/emailAddress=a@b/CN=proxy", "/CN=a/Email=a@b")
    assert same_dn("/CN=a/emailAddress=a@b", "/CN=a/Email=a@b") and not same_dn(f"{OWNER}/CN=proxy", OWNER)
    assert not same_person(OWNER, f"{OWNER}/CN=12345") and not same_person(OWNER, "/cn=owner")


def test_names_are_the_same_here_and_in_gsi() -> None:
    names = (OWNER, f"{OWNER}/CN=proxy", "/CN=a", "/cn=a", "/CN=a/emailAddress=a@b", "/CN=a/Email=a@b", "/CN=a/E=a@b",
             "/CN=a/emailaddress=a@b", "/Email=x/emailAddress=y", "/emailAddress=x/Email=y", "/CN=é", "")
    for one in names:
        assert [same_dn(one, other) for other in names] == [gsi.names.same_dn(one, other) for other in names]


@pytest.mark.parametrize(("sender", "user", "other", "of_registration"), [
    (Sender(OWNER), OWNER, None, None),
    (Sender(OWNER), f"{OWNER}/CN=proxy", None, None),
    (Sender(OWNER), OTHER, store.NOT_FOR_OTHERS, store.MUST_BE_DIRECT),
    (Sender(OWNER), "", store.NOT_FOR_OTHERS, store.MUST_BE_DIRECT),
    (Sender(OWNER, trusted=True), OTHER, None, None),
])
def test_who_speaks_for_whom(
    sender: Sender, user: str, other: Refusal | None, of_registration: Refusal | None
) -> None:
    assert store.check_sender(event("Running", "LogMonitor", user), sender) == other
    assert store.check_sender(registration(user), sender) == of_registration


# ---- the job --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "code_of_refusal"), [
    ("https://lb/job", None), ("https://LB:9000/job", None), ("https://lb:9001/job", ENOENT),
    ("https://lb2:9000/job", ENOENT), ("https://lb/a/b", EINVAL), ("https://lb/.hidden", EINVAL),
    ("https://lb/" + "x" * 255, None), ("https://lb/" + "x" * 256, EINVAL), ("https://lb/ä", EINVAL),
])
def test_places(text: str, code_of_refusal: int | None) -> None:
    refusal = store.check_place(JobId.parse(text), ("lb", 9000))
    assert (refusal and refusal.code) == code_of_refusal


def test_a_registration_again() -> None:
    assert store.check_again(registration(), OWNER) is None
    assert store.check_again(registration(f"{OWNER}/CN=proxy"), OWNER) is None
    assert store.check_again(registration(OTHER), OWNER) == store.FOREIGN_JOB
    for user in (OWNER, OTHER):
        assert store.check_again(registration(user, exclusive=True), OWNER) == store.JOB_EXISTS


@pytest.mark.parametrize(("zombie", "exclusive", "exclusive_zombies", "refusal"), [
    (Zombie.NONE, False, True, None),
    (Zombie.NONE, True, True, None),
    (Zombie.PURGED, False, True, None),
    (Zombie.PURGED, True, True, store.ZOMBIE_EXISTS),
    (Zombie.PURGED, True, False, None),
    (Zombie.FOREIGN, False, True, store.FOREIGN_ZOMBIE),
    (Zombie.FOREIGN, True, True, store.ZOMBIE_EXISTS),
    (Zombie.FOREIGN, True, False, store.FOREIGN_ZOMBIE),
])
def test_a_new_registration(zombie: Zombie, exclusive: bool, exclusive_zombies: bool, refusal: Refusal | None) -> None:
    def check(user: str, direct: bool) -> Refusal | None:
        new = registration(user, exclusive=exclusive)
        return store.check_new(new, direct=direct, zombie=zombie, exclusive_zombies=exclusive_zombies)

    assert check(OWNER, True) == refusal
    assert check(OWNER, False) == store.MUST_BE_DIRECT
    nobody = check("anonymous", True)
    assert nobody is not None and (nobody.code, nobody.text) == (EPERM, "can't register jobs anonymously")


# ---- family ---------------------------------------------------------------------------------------------------------


def check_parent(known: dict[JobId, Relative], parent: JobId | None = PARENT) -> Refusal | None:
    return store.check_parent(registration(), parent, known.get)


def test_parents() -> None:
    assert check_parent({}) is None and check_parent({}, None) is None
    assert check_parent({PARENT: (f"{OWNER}/CN=proxy", None)}) is None
    assert check_parent({PARENT: (OTHER, None)}) == store.FOREIGN_PARENT
    grandparent = JobId("lb", 9000, "grandparent")
    assert check_parent({PARENT: (OWNER, grandparent), grandparent: (OTHER, None)}) == store.FOREIGN_PARENT
    assert check_parent({PARENT: (OWNER, grandparent), grandparent: (OWNER, JOB)}) == store.ENDLESS
    assert check_parent({}, JOB) == store.ENDLESS
    assert check_parent({PARENT: (OWNER, PARENT)}) == store.ENDLESS


def test_no_job_is_part_of_what_is_to_be_part_of_it() -> None:
    """The ids of subjobs are known before they are there."""
    family = registration(jobtype="COLLECTION", nsubjobs=2, seed="s")
    first, second = ids.subjobs(JOB, "s", 2)
    for known in ({}, {PARENT: (OWNER, first)}):
        parent = PARENT if known else second
        assert store.check_parent(family, parent, known.get) == store.ENDLESS
        assert store.check_parent(registration(), parent, known.get) is None


@pytest.mark.parametrize(("depth", "refusal"), [(15, None), (16, store.ENDLESS)])
def test_the_depth_of_families(depth: int, refusal: Refusal | None) -> None:
    chain = [PARENT, *(JobId("lb", 9000, f"p{number}") for number in range(depth - 1)), None]
    known = {job: (OWNER, parent) for job, parent in zip(chain, chain[1:], strict=False) if job is not None}
    assert check_parent(known) == refusal


def test_which_events_name_a_parent() -> None:
    sandbox = event("Sandbox", sandbox_type="INPUT", transfer_job=str(PARENT))
    assert store.named_parent(registration(parent=PARENT), None) == PARENT
    assert store.named_parent(registration(), "FILE_TRANSFER") is None
    assert store.named_parent(sandbox, "FILE_TRANSFER") == PARENT
    assert store.named_parent(sandbox, "SIMPLE") is None and store.named_parent(sandbox, None) is None
    assert store.named_parent(event("Sandbox", sandbox_type="INPUT", transfer_job="x"), "FILE_TRANSFER") is None
    both = event("Sandbox", sandbox_type="INPUT", transfer_job=str(PARENT), compute_job=str(JOB))
    assert store.named_parent(both, "FILE_TRANSFER") is None
    assert store.named_parent(event(), "FILE_TRANSFER") is None


@pytest.mark.parametrize("jobtype", ["DAG", "COLLECTION", "PARTITIONED", "FILE_TRANSFER_COLLECTION"])
def test_families(jobtype: str) -> None:
    family = registration(jobtype=jobtype, nsubjobs=3, seed="s")
    assert store.born(family) == ids.subjobs(JOB, "s", 3) and store.check_family(family) is None
    assert store.born(registration(jobtype=jobtype)) == store.born(registration(jobtype=jobtype, nsubjobs=-1)) == []
    assert store.check_family(registration(jobtype=jobtype, nsubjobs=store.MAX_SUBJOBS)) is None
    refusal = store.check_family(registration(jobtype=jobtype, nsubjobs=store.MAX_SUBJOBS + 1))
    assert refusal is not None and refusal.code == E2BIG


def test_jobs_without_family() -> None:
    alone = registration(jobtype="SIMPLE", nsubjobs=2_000_000_000)
    assert store.born(alone) == [] and store.check_family(alone) is None


# ---- authors --------------------------------------------------------------------------------------------------------

MANAGER, APPLICATION, SERVER = "WorkloadManager", "Application", "LBServer"


@pytest.mark.parametrize(("name", "source", "others", "others_by_a_trusted_logger"), [
    ("Running", MANAGER, True, True),
    ("Running", "LRMS", False, False),
    ("Done", "UserInterface", False, False),
    ("UserTag", APPLICATION, False, False),
    ("UserTag", MANAGER, False, True),
    ("CurDescr", SERVER, False, True),
    ("ChangeACL", MANAGER, False, False),
    ("GrantPayloadOwnership", SERVER, False, False),
    ("TakePayloadOwnership", "UserInterface", True, True),
])
def test_who_logs_what(name: str, source: str, others: bool, others_by_a_trusted_logger: bool) -> None:
    for trusted, allowed in ((False, others), (True, others_by_a_trusted_logger)):
        expected = None if allowed else store.NOT_OWNER
        assert store.check_author(event(name, source, OTHER), OWNER, trusted=trusted) == expected
        assert store.check_author(event(name, source, OWNER), OWNER, trusted=trusted) is None
        assert store.check_author(event(name, source, f"{OWNER}/CN=proxy"), OWNER, trusted=trusted) is None
        assert store.check_author(event(name, source, "anonymous"), OWNER, trusted=trusted) == store.NOBODY


def test_the_permission_to_tag() -> None:
    def check(name: str, may_tag: bool) -> Refusal | None:
        return store.check_author(event(name, APPLICATION, OTHER), OWNER, trusted=False, may_tag=may_tag)

    assert check("UserTag", True) is None
    assert check("UserTag", False) == check("CurDescr", True) == check("ChangeACL", True) == store.NOT_OWNER


# ---- connections ----------------------------------------------------------------------------------------------------


def test_both_ends_of_a_connection_are_here() -> None:
    connect = event("ConnectJob", "UserInterface", dest_jobid=str(PARENT), jobtype="SIMPLE")
    assert store.check_connection(connect, {PARENT}.__contains__) is None
    assert store.check_connection(connect, {JOB}.__contains__) == store.NOT_REGISTERED
    broken = event("DisconnectJob", "UserInterface", dest_jobid="http://x")
    assert store.check_connection(broken, {PARENT}.__contains__) == Refusal(1409, "http://x")
    assert store.check_connection(event(), {JOB}.__contains__) is None
    assert store.check_connection(replace(connect, source=SERVER), {JOB}.__contains__) is None


# ---- repetition -----------------------------------------------------------------------------------------------------


def test_what_makes_it_another_event() -> None:
    first = event(node="wn")
    same: list[dict[str, Any]] = [
        {"priority": 8}, {"arrived": (9, 0)}, {"src_instance": "x"}, {"fields": {"node": "other"}},
    ]
    other: list[dict[str, Any]] = [
        {"type": EVENTS["Done"]}, {"source": "LRMS"}, {"host": "x"}, {"timestamp": (7, 9)}, {"timestamp": (8, 8)},
        {"level": None}, {"user": OTHER}, {"seqcode": code(2)},
    ]
    assert all(store.identity(replace(first, **change)) == store.identity(first) for change in same)
    different = {store.identity(replace(first, **change)) for change in other}
    assert len(different | {store.identity(first)}) == len(other) + 1
