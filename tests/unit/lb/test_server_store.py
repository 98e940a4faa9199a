"""Storing events: registration, who may log what, repeated delivery, states (lb.md 5.3, 7)."""

import errno
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

import sql
from lb.model import jobid as ids
from lb.model.jobid import JobId
from lb.model.status import STATES
from lb.model.view import Flag
from lb.server import schema
from lb.server.batch import StoreOptions
from lb.server.errors import LbError
from lb.storeproto import Reply
from lbbench import HOST_DN, OTHER_DN, SERVER, USER_DN, Bench, life, line, registration

POLICY = f"""
resource "LB" {{
    action "LOG_WMS_EVENTS"     {{ rule permit {{ subject = "{HOST_DN}" }} }}
    action "LOG_CE_EVENTS"      {{ rule permit {{ subject = ".*" }} }}
    action "LOG_GENERAL_EVENTS" {{ rule permit {{ subject = ".*" }} }}
    action "REGISTER_JOBS"      {{ rule permit {{ subject = ".*" }} }}
}}
"""


@pytest.fixture
def bench(db_url: str) -> Bench:
    return Bench(db_url)


def new() -> JobId:
    return ids.new(SERVER)


def test_a_job_runs_through_its_states(bench: Bench) -> None:
    job = new()
    for text, state in zip(life(job, USER_DN), ("Submitted", "Waiting", "Waiting", "Running", "Running", "Done"),
                           strict=True):
        bench.must_log([text])
        assert bench.status(job).state == state
    status = bench.status(job, flags=Flag.CLASSADD)
    assert (status.owner, status.jobtype, status.done_code, status.exit_code) == (USER_DN, "SIMPLE", "OK", 0)
    assert status.destination == "ce.example.org:8443/local-short"
    assert status.user_tags == {"axis": "x\ny"}
    assert bench.status(job).jdl is None and status.jdl is not None
    assert (bench.count("events"), bench.count("events_flesh"), bench.count("status_tags")) == (6, 6, 1)


def test_all_at_once_gives_the_same_as_one_by_one(bench: Bench) -> None:
    together, alone = new(), new()
    bench.must_log(life(together))
    for text in life(alone):
        bench.must_log([text])
    first, second = bench.status(together, flags=Flag.CLASSADD), bench.status(alone, flags=Flag.CLASSADD)
    assert first.replace(jobId=None) == second.replace(jobId=None)


def test_a_repeated_delivery_is_stored_once(bench: Bench) -> None:
    job = new()
    lines = life(job)
    bench.must_log(lines)
    before = bench.status(job)
    bench.must_log([*lines, *lines])
    assert bench.count("events") == len(lines)
    assert bench.status(job) == before


def test_registration_again_by_the_owner_is_one_more_event(bench: Bench) -> None:
    job = new()
    bench.must_log([registration(job, jdl=None), registration(job, number=1, jdl="[ late = true ]")])
    assert bench.count("events") == 2
    assert bench.count("jobs") == 1
    status = bench.status(job, flags=Flag.CLASSADD)
    assert (status.state, status.jdl) == ("Submitted", "[ late = true ]")


def test_registration_by_somebody_else_is_refused(bench: Bench) -> None:
    job = new()
    bench.must_log([registration(job)])
    [reply] = bench.log(registration(job, OTHER_DN, number=1), by=OTHER_DN)
    assert reply == Reply(600, 0, "Job already registered with different owner. Rejecting event.")


def test_exclusive_registration_of_a_known_job_is_refused(bench: Bench) -> None:
    job = new()
    bench.must_log([registration(job, exclusive=True)])
    [reply] = bench.log(registration(job, number=1, exclusive=True))
    assert reply == Reply(700, errno.EEXIST, "Job with given jobid already exists. Rejecting event.")
    assert bench.count("events") == 1


def test_registration_must_be_direct(bench: Bench) -> None:
    """Not even a trusted logger registers a job for somebody else; a copy of a known registration is welcome."""
    job = new()
    for sender in (OTHER_DN, HOST_DN):
        [reply] = bench.log(registration(job), by=sender)
        assert reply == Reply(600, 0, "job registration must go directly")
    bench.must_log([registration(job)])
    bench.must_log([registration(job, number=1)], by=HOST_DN)
    assert bench.status(job).owner == USER_DN


def test_events_of_unknown_jobs_are_refused_for_good(bench: Bench) -> None:
    known, unknown = new(), new()
    replies = bench.log(
        registration(known), line("Running", unknown, 1, node="wn"), line("Cancel", known, 2, status_code="REQ")
    )
    assert [reply.ok for reply in replies] == [True, False, True]
    assert replies[1] == Reply(700, errno.ENOENT, "job not registered")
    assert replies[1].final


def test_jobs_of_other_servers_are_unknown_here(bench: Bench) -> None:
    [reply] = bench.log(registration(ids.new("lb.elsewhere.org:9000")))
    assert reply == Reply(700, errno.ENOENT, "job not registered")


@pytest.mark.parametrize("unique", ["a/b", "..", ".hidden", "x" * 256, "ä"])
def test_a_unique_part_that_could_not_name_a_file_is_refused(bench: Bench, unique: str) -> None:
    [reply] = bench.log(registration(JobId("localhost", 9000, unique)))
    assert (reply.major, reply.minor) == (700, errno.EINVAL)
    assert bench.count("jobs") == 0


@pytest.mark.parametrize(("text", "code"), [
    (b"no event at all", 1401), (b'DATE=1 DG.EVNT="NoSuch" ', 1402), (b'DG.EVNT="Running" ', 1403), (b"", 1402),
    (b"\xff\x00\xfe", 1401),
])
def test_bad_lines_are_refused_with_the_code_of_the_parser(bench: Bench, text: bytes, code: int) -> None:
    [reply] = bench.log(text)
    assert (reply.major, reply.minor) == (400, code)


def test_an_unauthenticated_sender_is_refused(bench: Bench) -> None:
    [reply] = bench.store.store([registration(new())], None)
    assert reply.major == 600


# ---- who speaks for whom --------------------------------------------------------------------------------------------


def test_only_trusted_loggers_speak_for_others(db_url: str) -> None:
    bench = Bench(db_url)
    job = new()
    bench.must_log([registration(job)])
    done = line("Done", job, 5, source="LogMonitor", status_code="OK", exit_code=1)
    [reply] = bench.log(done, by=OTHER_DN)
    assert reply.major == 600
    assert bench.status(job).state == "Submitted"
    bench.must_log([done], by=HOST_DN)
    assert bench.status(job).state == "Done"


def test_a_rule_for_everybody_makes_nobody_a_trusted_logger(db_url: str) -> None:
    everybody = 'resource "LB" { action "LOG_WMS_EVENTS" { rule permit { subject = ".*" } } ' \
                'action "REGISTER_JOBS" { rule permit { subject = ".*" } } }'
    bench = Bench(db_url, everybody)
    job = new()
    bench.must_log([registration(job)])
    [reply] = bench.log(line("Abort", job, 1, source="WorkloadManager", reason="because"), by=OTHER_DN)
    assert reply.major == 600


def test_a_rule_with_a_name_does(db_url: str) -> None:
    bench = Bench(db_url, POLICY.replace(HOST_DN, "/CN=broker"))
    job = new()
    bench.must_log([registration(job)])
    bench.must_log([line("Abort", job, 1, source="WorkloadManager", reason="because")], by="/CN=broker")
    assert bench.status(job).state == "Aborted"


def test_the_policy_decides_who_logs_what(db_url: str) -> None:
    bench = Bench(db_url, POLICY)
    job = new()
    bench.must_log([registration(job), line("UserTag", job, 1, source="Application", name="a", value="b")])
    [reply] = bench.log(line("Abort", job, 2, source="WorkloadManager", reason="because"))
    assert reply == Reply(600, 0, "Not allowed to log events here")


@pytest.mark.parametrize("source", ["UserInterface", "LRMS", "Application"])
def test_sources_of_the_owner(bench: Bench, source: str) -> None:
    job = new()
    bench.must_log([registration(job)])
    foreign = line("Running", job, 1, OTHER_DN, source=source, node="wn")
    [reply] = bench.log(foreign, by=OTHER_DN)
    assert reply.major == 600 and reply.text.startswith("check_auth()")
    bench.must_log([line("TakePayloadOwnership", job, 2, OTHER_DN, source=source)], by=OTHER_DN)


def test_rights_are_changed_by_the_owner_whatever_the_source_says(bench: Bench) -> None:
    job = new()
    bench.must_log([registration(job)])
    grant = line("GrantPayloadOwnership", job, 1, OTHER_DN, source="LBServer", payload_owner=OTHER_DN)
    [reply] = bench.log(grant, by=OTHER_DN)
    assert reply.major == 600


def test_marks_of_proxies_do_not_make_another_person(bench: Bench) -> None:
    job = new()
    bench.must_log([registration(job)])
    bench.must_log([line("Cancel", job, 1, f"{USER_DN}/CN=proxy/CN=limited proxy", status_code="REQ")])
    assert bench.status(job).cancelling


# ---- families -------------------------------------------------------------------------------------------------------


def test_a_collection_has_its_subjobs_at_once(bench: Bench) -> None:
    parent = new()
    bench.must_log([registration(parent, jobtype="COLLECTION", nsubjobs=3, seed="WMPROXY")])
    children = ids.subjobs(parent, "WMPROXY", 3)
    assert bench.count("jobs") == 4
    for child in children:
        status = bench.status(child)
        assert (status.state, status.parent_job, status.owner) == ("Submitted", str(parent), USER_DN)
    shown = bench.status(parent, flags=Flag.CHILDREN | Flag.CHILDHIST_THOROUGH)
    assert shown.children == tuple(sorted(map(str, children)))
    assert shown.children_hist is not None and shown.children_hist[1] == 3


def test_a_collection_follows_its_children(bench: Bench) -> None:
    parent = new()
    bench.must_log([registration(parent, jobtype="COLLECTION", nsubjobs=2, seed="s")])
    first, second = ids.subjobs(parent, "s", 2)
    bench.must_log(life(first)[1:4])
    assert bench.status(parent).state == "Running"
    bench.must_log([life(first)[5], *life(second)[1:]])
    assert bench.status(parent).state == "Done"
    bench.must_log([line("Clear", job, 9, reason="USER") for job in (first, second)])
    status = bench.status(parent, flags=Flag.CHILDHIST_FAST)
    assert status.state == "Cleared"
    assert status.children_hist is not None and status.children_hist[7] == 2


def test_a_child_of_an_unknown_parent_is_a_job_like_any_other(bench: Bench) -> None:
    """The original refuses its events for ever (lb-oracle, update_parent_status)."""
    job = new()
    bench.must_log([registration(job, parent=new()), *life(job)[1:]])
    assert bench.status(job).state == "Done"


def test_nobody_hangs_his_job_into_another_ones(bench: Bench) -> None:
    parent, child = new(), new()
    bench.must_log([registration(parent, jobtype="DAG")])
    [reply] = bench.log(registration(child, OTHER_DN, parent=parent), by=OTHER_DN)
    assert reply.major == 600
    assert bench.count("jobs") == 1


def test_a_job_is_no_part_of_itself(bench: Bench) -> None:
    first, second = new(), new()
    bench.must_log([registration(first, jobtype="COLLECTION", nsubjobs=1, parent=second)])
    [reply] = bench.log(registration(second, jobtype="COLLECTION", nsubjobs=1, parent=first))
    assert (reply.major, reply.minor) == (700, errno.EINVAL)


def test_nobody_hangs_his_transfer_into_another_ones_collection(bench: Bench) -> None:
    """A Sandbox event makes a parent of the job that it names."""
    parent, child = new(), new()
    bench.must_log([registration(parent, jobtype="FILE_TRANSFER_COLLECTION", nsubjobs=1, seed="s")])
    bench.must_log([registration(child, OTHER_DN, jobtype="FILE_TRANSFER")], by=OTHER_DN)
    sandbox = line("Sandbox", child, 1, OTHER_DN, sandbox_type="INPUT", transfer_job=str(parent))
    assert bench.log(sandbox, by=OTHER_DN) == [Reply(600, 0, "the parent job belongs to somebody else")]
    bench.must_log([line("FileTransfer", child, 2, OTHER_DN, result="START")], by=OTHER_DN)
    assert bench.status(parent).state == "Submitted"
    own = new()
    bench.must_log([
        registration(own, jobtype="FILE_TRANSFER"),
        line("Sandbox", own, 1, sandbox_type="INPUT", transfer_job=str(parent)),
        line("FileTransfer", own, 2, result="START"),
    ])
    assert bench.status(parent).state == "Running"


def test_a_parent_that_comes_later_has_no_strangers_for_subjobs(bench: Bench) -> None:
    parent, stranger = new(), new()
    bench.must_log([registration(stranger, OTHER_DN, parent=parent)], by=OTHER_DN)
    bench.must_log([registration(parent, jobtype="COLLECTION", nsubjobs=1, seed="s")])
    bench.must_log([line("Running", stranger, 1, OTHER_DN, node="wn")], by=OTHER_DN)
    status = bench.status(parent, flags=Flag.CHILDREN | Flag.CHILDSTAT)
    [own] = ids.subjobs(parent, "s", 1)
    assert (status.state, status.children) == ("Submitted", (str(own),))
    assert status.children_states is not None and len(status.children_states) == 1


def test_news_do_not_climb_for_ever(bench: Bench) -> None:
    """Registered from the inside to the outside, nobody sees how deep it becomes."""
    chain = [new() for _ in range(700)]
    bench.must_log([registration(chain[0], parent=chain[1])])
    bench.must_log([
        registration(job, jobtype="COLLECTION", nsubjobs=1, seed="s", parent=parent)
        for job, parent in zip(chain[1:], chain[2:], strict=False)
    ])
    bench.must_log(life(chain[0])[1:4])
    states = [bench.status(job).state for job in chain[:20]]
    assert states == ["Running"] * 17 + ["Submitted"] * 3
    assert bench.status(chain[-2], flags=Flag.CHILDSTAT).children_states


@pytest.mark.parametrize("name", ["ConnectJob", "DisconnectJob"])
def test_a_job_is_connected_to_a_registered_one(bench: Bench, name: str) -> None:
    job, other = new(), new()
    more: dict[str, Any] = {"jobtype": "SIMPLE"} if name == "ConnectJob" else {}
    bench.must_log([registration(job)])
    [reply] = bench.log(line(name, job, 1, dest_jobid=str(other), **more))
    assert reply == Reply(700, errno.ENOENT, "job not registered")
    [reply] = bench.log(line(name, job, 2, dest_jobid="no job", **more))
    assert reply == Reply(400, 1409, "no job")
    bench.must_log([registration(other), line(name, job, 3, dest_jobid=str(other), **more)])
    foreign = new()
    bench.must_log([registration(foreign, OTHER_DN)], by=OTHER_DN)
    with sql.write(bench.engine) as conn:  # what nobody can read: the other job is left in peace
        conn.execute(update(schema.states).where(schema.states.c.jobid == foreign.unique).values(int_status=b"x"))
        flesh = schema.events_flesh
        conn.execute(update(flesh).where(flesh.c.jobid == foreign.unique).values(ulm=b"x"))
    bench.must_log([line(name, job, 4, dest_jobid=str(foreign), **more)])


@pytest.mark.parametrize(
    "other", [b"https://localhost:9000/a\xe9", b"https://h/" + b"x" * 4086, b"https://localhost/" + b"y" * 300]
)
def test_what_no_job_can_be_called_harms_nobody(bench: Bench, other: bytes) -> None:
    """Other jobs are named by any text; one that the database cannot hold is an id of no job here, and no failure."""
    here, place = ids.new(SERVER), JobId("place.example.org", 1, "x")
    child, transfer, bystander = new(), new(), new()
    lines = [
        *map(registration, (bystander, here)), registration(child, parent=place), *life(child)[1:4],
        registration(transfer, jobtype="FILE_TRANSFER"),
        line("Sandbox", transfer, 1, sandbox_type="INPUT", transfer_job=str(place)),
        line("FileTransfer", transfer, 2, result="START"),
    ]
    bench.must_log([text.replace(str(place).encode(), other) for text in lines])
    states = [bench.status(job).state for job in (child, transfer, bystander)]
    assert states == ["Running", "Running", "Submitted"]
    connect = line("ConnectJob", here, 1, dest_jobid=str(place), jobtype="SIMPLE").replace(str(place).encode(), other)
    assert not bench.log(connect)[0].ok
    with sql.write(bench.engine) as conn:
        conn.execute(update(schema.states).values(int_status=b'{"v":"0"}'))
    assert [bench.status(job).state for job in (child, transfer, bystander)] == states


def test_an_id_that_grows_too_long_by_its_port_is_none(bench: Bench) -> None:
    """It could be written, and not read again."""
    job = new()
    longer = f"https://localhost/{job.unique}?".encode()
    text = registration(job).replace(str(job).encode(), longer + b"x" * (4096 - len(longer)))
    [reply] = bench.log(text)
    assert reply.minor == 1403
    assert bench.count("events") == 0


def test_an_absurd_number_of_subjobs_is_refused(bench: Bench) -> None:
    [reply] = bench.log(registration(new(), jobtype="DAG", nsubjobs=2_000_000_000))
    assert (reply.major, reply.minor) == (700, errno.E2BIG)
    assert bench.count("jobs") == 0


# ---- what is stored -------------------------------------------------------------------------------------------------


def test_bytes_that_are_no_utf8_come_back_as_they_came(bench: Bench) -> None:
    job = new()
    text = line("UserTag", job, 1, source="Application", name="a", value="PLACE").replace(b"PLACE", b"\xff\xfe\x01\r")
    bench.must_log([registration(job), text])
    with sql.read(bench.engine) as conn:
        stored = conn.execute(select(schema.events_flesh.c.ulm).where(schema.events_flesh.c.event == 2)).scalar_one()
    assert stored == text


def test_a_state_of_other_rules_is_computed_anew(bench: Bench) -> None:
    parent = new()
    bench.must_log([registration(parent, jobtype="COLLECTION", nsubjobs=2, seed="s")])
    first, second = ids.subjobs(parent, "s", 2)
    bench.must_log(life(first)[1:])
    before = [bench.status(job, flags=Flag.CHILDHIST_FAST) for job in (parent, first, second)]
    with sql.write(bench.engine) as conn:
        conn.execute(update(schema.states).where(schema.states.c.jobid != first.unique).values(int_status=b'{"v":"0"}'))
    assert [bench.status(job, flags=Flag.CHILDHIST_FAST) for job in (parent, first, second)] == before
    bench.must_log(life(second)[1:])
    assert bench.status(parent).state == "Done"


def test_subjobs_of_other_rules_are_counted_as_what_they_are(bench: Bench) -> None:
    """When they change later, the histogram of the parent must have them where they come from."""
    parent, adopted = new(), new()
    bench.must_log([registration(parent, jobtype="COLLECTION", nsubjobs=3, seed="s")])
    first, second, third = ids.subjobs(parent, "s", 3)
    bench.must_log([*life(first)[1:4], *life(second)[1:]])
    bench.must_log([registration(adopted, OTHER_DN)], by=OTHER_DN)
    with sql.write(bench.engine) as conn:
        conn.execute(update(schema.states).values(int_status=b'{"v":"0"}'))
    bench.must_log([life(first)[5], line("Clear", second, 6, source="NetworkServer", reason="USER")])
    seen = bench.status(parent, flags=Flag.CHILDHIST_FAST)
    assert seen.children_hist is not None
    numbers = {state: number for state, number in zip(STATES, seen.children_hist, strict=True) if number}
    assert (seen.state, numbers) == ("Waiting", {"Unknown": 1, "Done": 1, "Cleared": 1})
    bench.must_log(life(third)[1:])
    assert bench.status(parent).state == "Done"


def test_registrations_are_listed_for_export(db_url: str) -> None:
    bench = Bench(db_url, options=StoreOptions("localhost", HOST_DN, export=True))
    bench.must_log([registration(new()), registration(new(), jobtype="DAG", nsubjobs=4)])
    assert bench.count("jpreg") == 6


def test_two_servers_on_one_database_do_not_disturb_each_other(db_url: str) -> None:
    """Both register the same job in turn, as after a lost answer; each event is there once."""
    job = new()
    benches = [Bench(db_url), Bench(db_url)]
    for text in life(job):
        for bench in benches:
            bench.must_log([text])
    assert benches[0].count("events") == len(life(job))
    assert benches[1].status(job).state == "Done"


def test_many_writers_and_one_collection(db_url: str) -> None:
    """Two servers, four threads each: every child's news reaches the parent, none is lost or counted twice."""
    benches = [Bench(db_url), Bench(db_url)]
    parent, count = new(), 24
    benches[0].must_log([registration(parent, jobtype="COLLECTION", nsubjobs=count, seed="s")])
    waiting = ids.subjobs(parent, "s", count)
    lock = threading.Lock()
    refused: list[Reply] = []

    def work(bench: Bench) -> None:
        while True:
            with lock:
                child = waiting.pop() if waiting else None
            if child is None:
                return
            for text in life(child)[1:]:
                refused.extend(reply for reply in bench.log(text) if not reply.ok)

    threads = [threading.Thread(target=work, args=(bench,)) for bench in benches for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == []
    status = benches[0].status(parent, flags=Flag.CHILDHIST_FAST | Flag.CHILDREN)
    assert status.state == "Done"
    assert status.children_hist is not None and status.children_hist[6] == count == sum(status.children_hist)


def test_others_do_not_see_the_job(bench: Bench) -> None:
    job = new()
    bench.must_log([registration(job)])
    with pytest.raises(LbError) as refused:
        bench.status(job, by=OTHER_DN)
    assert (refused.value.code, refused.value.description) == (errno.EPERM, "not owner")
    assert bench.status(job, by=HOST_DN).state == "Submitted"


def test_the_payload_owner_sees_the_job(bench: Bench) -> None:
    job = new()
    bench.must_log([registration(job), line("GrantPayloadOwnership", job, 1, payload_owner=OTHER_DN)])
    bench.must_log([line("TakePayloadOwnership", job, 2, OTHER_DN)], by=OTHER_DN)
    assert bench.status(job, by=OTHER_DN).payload_owner == OTHER_DN


def test_the_database_outlives_the_server(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'lb.db'}"
    job = new()
    Bench(url).must_log(life(job))
    assert Bench(url).status(job).state == "Done"


@pytest.mark.parametrize("source", ["NetworkServer", "LBServer", "WorkloadManager"])
def test_nobody_puts_words_into_the_owners_mouth(db_url: str, source: str) -> None:
    bench = Bench(db_url, POLICY)
    job = new()
    bench.must_log([registration(job)])
    forged = [
        line("UserTag", job, 1, OTHER_DN, source=source, name="result", value="forged"),
        line("CurDescr", job, 2, OTHER_DN, source=source, descr="[ forged = true ]"),
    ]
    assert [reply.major for reply in bench.log(*forged, by=OTHER_DN)] == [600, 600]
    assert not bench.status(job, by=HOST_DN).user_tags
    bench.must_log([line("UserTag", job, 3, HOST_DN, source=source, name="ce", value="a")], by=HOST_DN)
    bench.must_log([line("UserTag", job, 4, source="UserInterface", name="mine", value="b")])
    assert bench.status(job, by=HOST_DN).user_tags == {"ce": "a", "mine": "b"}
