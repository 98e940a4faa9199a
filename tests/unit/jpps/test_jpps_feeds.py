"""Feeds (jp.md 2.10): what an index server is told, how often, and what happens when it does not answer."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

import sql
from jpps import delivery, feeds, jobs, schema
from jpps.attributes import Origin, Value
from jpps.delivery import BATCH, FeedRun, Refused, Unreachable
from jpps.feeds import Change
from unit.jpps import jpps_support
from unit.jpps.jpps_support import JOB, JOB2, LB, OTHER, SMALL_DUMP, SYSTEM, USER, Index, World, deliver, value

OWNER, REGTIME, JOBID = f"{SYSTEM}:owner", f"{SYSTEM}:regtime", f"{SYSTEM}:jobId"
STATUS = f"{LB}:status"
T1, T2 = "http://my/ns:t1", "http://my/ns:t2"


@pytest.fixture
def world(db_url: str, tmp_path: Path) -> World:
    return jpps_support.start(db_url, tmp_path / "storage")


@pytest.fixture
def index() -> Index:
    return Index()


def waiting(world: World, table: Any = schema.outbox) -> int:
    with sql.read(world.engine) as conn:
        return conn.scalar(select(func.count()).select_from(table)) or 0


def many(world: World, count: int) -> list[str]:
    """Register jobs without the way over SOAP."""
    names = [f"https://lb.example.org:9000/many{number:04}" for number in range(count)]
    with sql.write(world.engine) as conn:
        for name in names:
            jobs.register(conn, name, USER, datetime.now(UTC).replace(microsecond=0))
    return names


# ---- history ----


def test_history_tells_all_there_is(world: World, index: Index) -> None:
    world.register()
    world.tag(T1, "x")
    world.tag(T1, b"\0y")
    world.upload(SMALL_DUMP)
    [told] = deliver(world, index, world.feed([OWNER, REGTIME, JOBID, T1, STATUS, "no:such"], history=True))
    assert told.done
    [record] = told.records
    assert (record.job.jobid, record.job.owner) == (JOB, USER)
    assert [(each.name, each.origin) for each in record.values] == [
        (OWNER, "SYSTEM"), (REGTIME, "SYSTEM"), (JOBID, "SYSTEM"), (T1, "USER"), (T1, "USER"), (STATUS, "FILE"),
    ]
    regtime = record.values[1]
    assert regtime.content == str(int(regtime.time.timestamp()))  # no fraction in a history feed (jp.md 2.8)
    assert record.values[5].detail == "urn:org.glite.jp.primary:lb "


@pytest.mark.parametrize("count", [0, 1, BATCH - 1, BATCH, BATCH + 1])
def test_history_comes_in_calls_of_200_and_the_last_says_so(world: World, index: Index, count: int) -> None:
    names = many(world, count)
    told = deliver(world, index, world.feed([OWNER], history=True))
    assert [jobid for each in told for jobid in each.jobs] == names
    assert [each.done for each in told] == [False] * (count // BATCH) + [True]
    assert all(len(each.records) <= BATCH for each in told)


@pytest.mark.parametrize("history", [True, False])
def test_large_records_go_in_calls_of_their_own(
    world: World, index: Index, monkeypatch: pytest.MonkeyPatch, history: bool
) -> None:
    monkeypatch.setattr(delivery, "MAX_CALL_BYTES", 1000)
    feedid = world.feed([T1], history=history, continuous=True)
    world.register(JOB, JOB2)
    for jobid in (JOB, JOB2):
        world.tag(T1, "x" * 1000, jobid)
    told = deliver(world, index, feedid)
    assert [each.jobs for each in told] == [[JOB], [JOB2]] + ([[]] if history else [])
    assert [each.done for each in told][-1] is history


def test_history_ends_also_when_nothing_matches(world: World, index: Index) -> None:
    world.register()
    [told] = deliver(world, index, world.feed([OWNER], [(OWNER, "EQUAL", OTHER)], history=True))
    assert (told.done, told.records) == (True, [])


@pytest.mark.parametrize(
    ("conditions", "found"),
    [
        ([(OWNER, "EQUAL", USER)], {JOB, JOB2}),
        ([(OWNER, "UNEQUAL", USER)], {"https://lb.example.org:9000/w3"}),
        ([(OWNER, "EQUAL", USER), (T1, "EQUAL", "red")], {JOB}),
        ([(T1, "EXISTS")], {JOB, JOB2}),
        ([(T1, "WITHIN", "a", "c")], {JOB2}),
        ([(STATUS, "EQUAL", "Aborted")], {JOB}),
        ([(JOBID, "EQUAL", JOB2)], {JOB2}),
        ([(REGTIME, "GREATER", "0")], {JOB, JOB2, "https://lb.example.org:9000/w3"}),
        ([(REGTIME, "LESS", "0")], set()),
        ([(f"{SYSTEM}:Owner", "EXISTS")], set()),
    ],
)
def test_history_conditions(world: World, index: Index, conditions: list[tuple[str, ...]], found: set[str]) -> None:
    world.register(JOB, JOB2)
    world.register("https://lb.example.org:9000/w3", owner=OTHER)
    world.tag(T1, "red")
    world.tag(T1, "blue", JOB2)
    world.upload(SMALL_DUMP)
    [told] = deliver(world, index, world.feed([OWNER], conditions, history=True))
    assert set(told.jobs) == found


def test_a_job_without_any_of_the_attributes_is_not_told(world: World, index: Index) -> None:
    world.register(JOB, JOB2)
    world.tag(T1, "x")
    [told] = deliver(world, index, world.feed([T1], history=True))
    assert told.jobs == [JOB]


def test_history_goes_on_where_it_was_broken_off(world: World, index: Index) -> None:
    names = many(world, 2 * BATCH + 5)
    feedid = world.feed([OWNER], history=True)
    index.trouble = [None, Unreachable("the network is down")]
    with pytest.raises(Unreachable):
        deliver(world, index, feedid)
    assert [len(each.records) for each in index.told] == [BATCH]
    told = deliver(world, index, feedid)
    assert [jobid for each in told for jobid in each.jobs] == names[BATCH:]
    assert told[-1].done


def test_history_keeps_its_feed_alive(world: World, index: Index) -> None:
    many(world, 1)
    feedid = world.feed([OWNER], history=True)
    with sql.write(world.engine) as conn:
        conn.execute(update(schema.feeds).values(expires=datetime.now(UTC) + timedelta(seconds=30)))
    deliver(world, index, feedid)
    with sql.read(world.engine) as conn:
        feed = feeds.get(conn, feedid, datetime.now(UTC))
    assert feed is not None
    assert feed.expires > datetime.now(UTC) + timedelta(seconds=200)


# ---- changes ----


def test_a_registration_is_told(world: World, index: Index) -> None:
    feedid = world.feed([OWNER, REGTIME, T1], [(OWNER, "EQUAL", USER)], continuous=True)
    world.register()
    world.register(JOB2, owner=OTHER)
    [told] = deliver(world, index, feedid)
    assert (told.jobs, told.done) == ([JOB], False)
    assert [name for name, _ in told.contents] == [OWNER, REGTIME]
    assert str(told.contents[1][1]).endswith(".000000")
    assert waiting(world) == 0


def test_of_a_known_job_only_what_is_new_is_told(world: World, index: Index) -> None:
    feedid = world.feed([OWNER, T1], continuous=True)
    world.register()
    deliver(world, index, feedid)
    world.tag(T1, "one")
    world.tag(T2, "not asked for")
    world.tag(T1, b"\0two")
    assert [each.contents for each in deliver(world, index, feedid)] == [[(T1, "one"), (T1, b"\0two")]]
    world.tag(T2, "again")
    assert deliver(world, index, feedid) == []
    assert waiting(world) == 0


def test_a_job_registered_before_the_feed_is_told_in_full_at_its_first_change(world: World, index: Index) -> None:
    world.register()
    world.tag(T1, "before")
    feedid = world.feed([OWNER, T1, T2], continuous=True)
    assert deliver(world, index, feedid) == []
    world.tag(T2, "after")
    [told] = deliver(world, index, feedid)
    assert told.contents == [(OWNER, USER), (T1, "before"), (T2, "after")]


def test_a_job_is_told_once_it_meets_the_conditions(world: World, index: Index) -> None:
    """Also when only a condition speaks of what changed, which the original overlooked."""
    feedid = world.feed([OWNER, T1], [(OWNER, "EQUAL", USER), (T2, "EQUAL", "go")], continuous=True)
    world.register()
    world.tag(T1, "x")
    world.tag(T2, "wait")
    assert deliver(world, index, feedid) == []
    world.tag(T2, "go")
    [told] = deliver(world, index, feedid)
    assert told.contents == [(OWNER, USER), (T1, "x")]
    world.tag(T2, "stop")
    world.tag(T1, "y")
    assert [each.contents for each in deliver(world, index, feedid)] == [[(T1, "y")]]


def test_a_committed_file_is_told(world: World, index: Index) -> None:
    feedid = world.feed([STATUS, f"{LB}:owner", "http://my/ns:size"], continuous=True)
    other = world.feed([T1], continuous=True)
    world.register()
    world.upload(SMALL_DUMP)
    [told] = deliver(world, index, feedid)
    assert told.contents == [(STATUS, "Aborted"), (f"{LB}:owner", USER), ("http://my/ns:size", "17")]
    world.upload(SMALL_DUMP, name="second")
    [told] = deliver(world, index, feedid)
    assert told.contents == [("http://my/ns:size", "17"), (STATUS, "Aborted"), (f"{LB}:owner", USER)]
    assert told.records[0].values[1].detail == "urn:org.glite.jp.primary:lb second"
    assert deliver(world, index, other) == []


def test_tags_of_several_jobs_are_one_call(world: World, index: Index) -> None:
    world.register(JOB2)
    feedid = world.feed([OWNER, T1], continuous=True)
    world.register(JOB)
    deliver(world, index, feedid)
    client = world.client(USER)
    types = client.contract.types
    records = [
        types.jobRecord(jobid=jobid, attributes=[types.attrValue(name=T1, value=value("m"))]) for jobid in (JOB, JOB2)
    ]
    client.call("RecordMultiTags", jobs=records)
    [told] = deliver(world, index, feedid)
    assert [(each.job.jobid, [v.name for v in each.values]) for each in told.records] == [
        (JOB, [T1]), (JOB2, [OWNER, T1]),
    ]


def test_history_and_changes_share_a_feed_and_tell_nothing_twice(world: World, index: Index) -> None:
    world.register(JOB)
    world.tag(T1, "x")
    feedid = world.feed([OWNER, T1], history=True, continuous=True)
    world.tag(T1, "y")
    world.register(JOB2)
    [told] = deliver(world, index, feedid)
    assert told.done
    assert sorted(told.contents) == sorted([(OWNER, USER), (T1, "x"), (T1, "y"), (OWNER, USER)])
    world.tag(T1, "z")
    assert [each.contents for each in deliver(world, index, feedid)] == [[(T1, "z")]]


# ---- trouble ----


def test_what_was_not_confirmed_is_told_again(world: World, index: Index) -> None:
    feedid = world.feed([OWNER, T1], continuous=True)
    world.register()
    world.tag(T1, "x")
    index.trouble = [Unreachable("no route")] * 2
    for _ in range(2):
        with pytest.raises(Unreachable):
            deliver(world, index, feedid)
    [told] = deliver(world, index, feedid)
    assert told.contents == [(OWNER, USER), (T1, "x")]


def test_changes_wait_through_a_restart(db_url: str, tmp_path: Path, index: Index) -> None:
    world = jpps_support.start(db_url, tmp_path)
    feedid = world.feed([OWNER, T1], history=True, continuous=True)
    world.register()
    world.tag(T1, "x")
    world.engine.dispose()
    [told] = deliver(jpps_support.start(db_url, tmp_path), index, feedid)
    assert told.contents == [(OWNER, USER), (T1, "x")]


def test_a_record_that_is_refused_holds_up_only_its_own_job(world: World, index: Index) -> None:
    feedid = world.feed([OWNER, T1], continuous=True)
    world.register(JOB, JOB2)
    index.poison = {JOB}
    assert [each.jobs for each in deliver(world, index, feedid)] == [[JOB2]]
    world.tag(T1, "x")
    world.tag(T1, "y", JOB2)
    assert [each.contents for each in deliver(world, index, feedid)] == [[(T1, "y")]]
    index.poison = set()
    assert deliver(world, index, feedid) == []  # not yet
    with sql.write(world.engine) as conn:
        conn.execute(update(schema.outbox).values(not_before=datetime.now(UTC)))
    assert [each.contents for each in deliver(world, index, feedid)] == [[(OWNER, USER), (T1, "x")]]


def test_history_gets_past_a_record_that_is_refused(world: World, index: Index) -> None:
    names = many(world, 3)
    feedid = world.feed([OWNER], history=True)
    index.poison = {names[1]}
    assert [each.jobs for each in deliver(world, index, feedid)] == [[names[0]], [names[2]], []]
    assert index.told[-1].done
    index.poison = set()
    with sql.write(world.engine) as conn:
        conn.execute(update(schema.outbox).values(not_before=datetime.now(UTC)))
    assert [each.jobs for each in deliver(world, index, feedid)] == [[names[1]]]


def test_an_index_server_that_refuses_everything_loses_nothing(world: World, index: Index) -> None:
    names = many(world, 20)
    feedid = world.feed([OWNER], history=True)
    index.poison = set(names)
    with pytest.raises(Refused):
        deliver(world, index, feedid)
    index.poison = set()
    [told] = deliver(world, index, feedid)
    assert told.jobs == names


def test_an_expired_feed_is_forgotten_with_all_that_waits_for_it(world: World, index: Index) -> None:
    feedid, alive = (world.feed([OWNER], continuous=True) for _ in range(2))
    world.register()
    deliver(world, index, feedid)
    world.register(JOB2)
    with sql.write(world.engine) as conn:
        over = datetime.now(UTC) - timedelta(seconds=1)
        conn.execute(update(schema.feeds).where(schema.feeds.c.feedid == feedid).values(expires=over))
    assert deliver(world, index, feedid) == []
    with sql.write(world.engine) as conn:
        assert feeds.drop_expired(conn, datetime.now(UTC)) == 1
        assert feeds.live(conn) == [alive]
    assert waiting(world, schema.fed_jobs) == 0
    assert [each.jobs for each in deliver(world, index, alive)] == [[JOB, JOB2]]


def test_only_feeds_with_work_are_served(world: World, index: Index) -> None:
    feedid = world.feed([OWNER], continuous=True)

    def ready() -> list[str]:
        with sql.read(world.engine) as conn:
            return feeds.with_work(conn, datetime.now(UTC))

    assert ready() == []
    world.register()
    assert ready() == [feedid]
    index.poison = {JOB}
    deliver(world, index, feedid)
    assert ready() == []


def test_changes_survive_the_way_through_the_database() -> None:
    when = datetime(2026, 1, 1, tzinfo=UTC)
    change = Change((Value("a", "ž", when, Origin.USER), Value("b", b"\0", when, Origin.FILE, "urn x")), "lb.x")
    assert Change.loads(change.dumps()) == change


def test_a_job_in_the_outbox_that_is_no_more_is_dropped(world: World, index: Index) -> None:
    feedid = world.feed([OWNER], continuous=True)
    world.register()
    with sql.write(world.engine) as conn:
        conn.execute(update(schema.outbox).values(jobid="gone"))
    assert deliver(world, index, feedid) == []
    assert waiting(world) == 0


def test_a_long_history_run_needs_no_call_to_stay_alive(
    world: World, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two batches without a match: the feed must not expire while they are looked through."""
    many(world, 4)
    monkeypatch.setattr(delivery, "BATCH", 2)
    feedid = world.feed([OWNER], [(T1, "EXISTS")], history=True)
    with sql.write(world.engine) as conn:
        conn.execute(update(schema.feeds).values(expires=datetime.now(UTC) + timedelta(seconds=30)))
    index.trouble = [Unreachable("down")]
    run = FeedRun(world.engine, world.sources, index, 360)
    with pytest.raises(Unreachable):
        run.step(feedid, healthy=True)
    with sql.read(world.engine) as conn:
        feed = feeds.get(conn, feedid, datetime.now(UTC) + timedelta(seconds=100))
    assert feed is not None
