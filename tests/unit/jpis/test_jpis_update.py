"""UpdateJobs (jp.md 3.5): what is stored, once, and from whom it is taken."""

import errno
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import sql
from jpis import feeds, service
from jpis.config import Attribute, Condition, Configuration, Feed
from soap.client import Client
from soap.faults import PosixFault
from unit.jpis import jpis_support
from unit.jpis.jpis_support import FEED_ID, SERVER_DN, Index, ask, condition, record, told

S, T, B = "http://my/ns:s", "http://my/ns:t", "http://my/ns:b"
OWNER, OTHER = "/DC=org/CN=Owner", "/DC=org/CN=Other"
JOB, JOB2 = "https://lb.example.org:9000/one", "https://lb.example.org:9000/two"
ALL_JOBS = Feed("https://ps.example.org:8901", (Condition("a:b", "EXISTS"),), True, True)
CONFIGURATION = Configuration((Attribute(S), Attribute(T), Attribute(B)), (S,), (), (ALL_JOBS,))


@pytest.fixture
def index(db_url: str) -> Index:
    return jpis_support.start(db_url, CONFIGURATION, feed_id=FEED_ID)


def update(client: Client, *records: Any, feed_id: str = FEED_ID, done: bool = False) -> None:
    client.call("UpdateJobs", feedId=feed_id, feedDone=done, jobAttributes=list(records))


def everything(index: Index) -> dict[str, Any]:
    """Job id → jobRecord of all jobs."""
    client = index.client(open_to_all=True)
    jobid = "http://egee.cesnet.cz/en/Schema/JP/System:jobId"
    return {job.jobid: job for job in ask(client, [condition(client, jobid, ("EXISTS",))], [S, T, B])}


def refused(index: Index, code: int, *records: Any, dn: str = SERVER_DN, feed_id: str = FEED_ID) -> PosixFault:
    with pytest.raises(PosixFault) as caught:
        update(index.client(dn), *records, feed_id=feed_id)
    assert caught.value.code == code
    return caught.value


def test_values_come_back_as_they_were_sent(index: Index) -> None:
    client = index.client()
    sent = [
        (S, "text\nwith <markup> & ž", 1, "FILE", "urn:org.glite.jp.primary:lb "),
        (T, "", 2, "USER", None),
        (B, b"\0\xff", 3, "SYSTEM", None),
    ]
    update(client, record(client, JOB, OWNER, *sent))
    job = everything(index)[JOB]
    assert told(job) == sent
    assert (job.owner, job.primaryStorage) == (OWNER, ["https://ps.example.org:8901"])


def test_absent_time_and_origin(index: Index) -> None:
    """Some peers leave them out; gSOAP then takes 0 and the first of the enumeration (jp.md 1.6)."""
    client = index.client()
    update(client, record(client, JOB, OWNER, (S, "v", None, None)))
    assert told(everything(index)[JOB]) == [(S, "v", 0, "SYSTEM", None)]


def test_repetition_changes_nothing(index: Index) -> None:
    client = index.client()
    again = record(client, JOB, OWNER, (S, "x", 1, "FILE", "urn:a "), (T, "y", 1), (T, "y", 1))
    for _ in range(3):
        update(client, again, done=True)
    without_detail = record(client, JOB, OWNER, (S, "x", 1, "FILE"))
    update(client, without_detail, without_detail)
    assert told(everything(index)[JOB]) == [
        (S, "x", 1, "FILE", "urn:a "), (T, "y", 1, "USER", None), (T, "y", 1, "USER", None)
    ]


def test_later_values_are_added(index: Index) -> None:
    client = index.client()
    update(client, record(client, JOB, OWNER, (S, "later", 20)))
    update(client, record(client, JOB, OWNER, (S, "earlier", 10), (S, "later", 20, "FILE")))
    first, *rest = told(everything(index)[JOB])
    assert first == (S, "earlier", 10, "USER", None)
    assert sorted(value[3] for value in rest) == ["FILE", "USER"]


def test_unconfigured_attributes_are_ignored(index: Index) -> None:
    client = index.client()
    update(client, record(client, JOB, OWNER, ("http://no/ns:x", "1"), ("HTTP://MY/NS:S", "v")))
    assert told(everything(index)[JOB]) == [(S, "v", 7201, "USER", None)]


def test_job_without_values(index: Index) -> None:
    client = index.client()
    update(client, record(client, JOB, OWNER))
    assert told(everything(index)[JOB]) == []


def test_removal(index: Index) -> None:
    client = index.client()
    update(client, record(client, JOB, OWNER, (S, "a")), record(client, JOB2, OWNER, (S, "b")))
    update(client, record(client, JOB, None, remove=True), record(client, "https://never/seen", None, remove=True))
    assert list(everything(index)) == [JOB2]
    update(
        client, record(client, JOB, OWNER, (S, "new")), record(client, JOB2, OWNER, remove=True),
        record(client, JOB2, OWNER, (S, "back")),
    )
    assert {jobid: told(job)[0][1] for jobid, job in everything(index).items()} == {JOB: "new", JOB2: "back"}


def test_feed_done(index: Index) -> None:
    client = index.client()
    update(client, record(client, JOB, OWNER, (S, "a")))
    assert not _state(index) & feeds.State.DONE
    update(client, done=True)
    assert _state(index) == feeds.State.HISTORY | feeds.State.CONTINUOUS | feeds.State.DONE


def _state(index: Index) -> feeds.State:
    with sql.read(index.engine) as conn:
        return feeds.everything(conn)[0].state


@pytest.mark.parametrize("feed_id", ["nosuch", "", "ž", "x" * 5000, "' OR 1=1 --"])
def test_unknown_feed(index: Index, feed_id: str) -> None:
    client = index.client()
    refused(index, errno.ENOENT, record(client, JOB, OWNER, (S, "a")), feed_id=feed_id)
    assert everything(index) == {}


@pytest.mark.parametrize(
    ("jobid", "owner", "values", "message"),
    [
        (JOB2, None, [], f"owner of job {JOB2} is missing"),
        (JOB2, "", [], f"owner of job {JOB2} is missing"),
        ("", OWNER, [], "jobid is missing"),
        ("https://x/" + "y" * 300, OWNER, [], "longer than 255 bytes"),
        (JOB2, "/CN=" + "y" * 2000, [], "longer than 1024 bytes"),
        (JOB2, OWNER, [(S, None)], "has no value"),
    ],
)
def test_nothing_of_a_bad_call_is_stored(
    index: Index, jobid: str, owner: str | None, values: list[Any], message: str
) -> None:
    client = index.client()
    good = record(client, JOB, OWNER, (S, "a"))
    fault = refused(index, errno.EINVAL, good, record(client, jobid, owner, *values))
    assert message in (fault.description or "")
    assert everything(index) == {}


def test_only_trusted_peers_may_feed(index: Index) -> None:
    client = index.client()
    refused(index, errno.EPERM, record(client, JOB, OWNER, (S, "a")), dn=OWNER)
    assert everything(index) == {}


def test_values_for_another_owner_are_left_out(index: Index) -> None:
    """What is said of somebody else's job must not become readable for the one who was there first."""
    client = index.client()
    update(client, record(client, JOB, OWNER, (S, "mine")))
    update(client, record(client, JOB, OTHER, (S, "secret")), record(client, JOB2, OTHER, (S, "other")))
    found = everything(index)
    assert {jobid: (job.owner, told(job)[0][1]) for jobid, job in found.items()} == {
        JOB: (OWNER, "mine"), JOB2: (OTHER, "other")
    }
    assert len(told(found[JOB])) == 1


def test_update_that_comes_before_the_feed_id(db_url: str) -> None:
    """A Primary Storage may send before the answer of FeedIndex has arrived here: the call waits for the id."""
    index = jpis_support.start(db_url, CONFIGURATION)
    now = datetime.now(UTC)
    with sql.write(index.engine) as conn:
        (row,) = feeds.everything(conn)
        assert feeds.lock(conn, row, now, 600)

    def grant() -> None:
        with sql.write(index.engine) as conn:
            feeds.change(conn, row.uniqueid, feedid=FEED_ID)

    timer = threading.Timer(0.2, grant)
    timer.start()
    client = index.client()
    update(client, record(client, JOB, OWNER, (S, "a")))
    timer.join()
    assert list(everything(index)) == [JOB]


def test_update_for_a_feed_that_is_not_granted(db_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "FEED_WAIT_S", 0.0)
    index = jpis_support.start(db_url, CONFIGURATION)
    with sql.write(index.engine) as conn:
        (row,) = feeds.everything(conn)
        assert feeds.lock(conn, row, datetime.now(UTC), 600)
        assert not feeds.lock(conn, row, datetime.now(UTC), 600)
        assert feeds.lock(conn, row, datetime.now(UTC) + timedelta(seconds=601), 600)
    refused(index, errno.EAGAIN, record(index.client(), JOB, OWNER, (S, "a")))


def test_many_writers_of_the_same_jobs(index: Index) -> None:
    errors: list[Exception] = []

    def write(offset: int) -> None:
        client = index.client()
        jobs = [record(client, f"{JOB}{(n + offset) % 50}", OWNER, (S, "a"), (T, "b")) for n in range(50)]
        try:
            update(client, *jobs)
        except PosixFault as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(n * 7,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    found = everything(index)
    assert len(found) == 50
    assert all(len(job.attributes) == 2 for job in found.values())
