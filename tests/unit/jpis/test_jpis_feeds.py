"""The feed loop (jp.md 3.4) against a service that speaks the Primary Storage's contract, on a clock of its own."""

import errno
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import soap.contract
import sql
from gsi.authz import Access, requires
from gsi.errors import CredentialError
from gsi.peers import PeerList
from jpis import feedloop, feeds
from jpis.config import Attribute, Condition, Configuration, Feed
from jpis.feedloop import FeedLoop
from jpis.feeds import FeedRow, State
from jpis.policy import IndexPolicy
from soap.client import Client, TransportError
from soap.faults import PosixFault
from soap.service import Call, application, not_yet
from unit.jpis import jpis_support
from unit.jpis.jpis_support import SERVER_DN, Index, wsgi_session

ENDPOINT = "https://jpis.example.org:8902"
STORAGE = "https://ps.example.org:8901"
CONDITIONS = (Condition("a:b", "WITHIN", "USER", "x", b"\0\1"), Condition("a:c", "EXISTS"))
BOTH = Feed(STORAGE, CONDITIONS, True, True)
TTL = timedelta(seconds=360)


def configuration(*wanted: Feed) -> Configuration:
    return Configuration((Attribute("a:b"), Attribute("a:c")), ("a:b",), (), wanted)


@dataclass
class PrimaryStorage:
    """Grants feeds and remembers what was asked; `fault` is what it answers instead."""

    clock: Callable[[], datetime]
    asked: list[dict[str, Any]] = field(default_factory=list)
    alive: dict[str, datetime] = field(default_factory=dict)
    fault: PosixFault | None = None

    @requires(Access.AUTHENTICATED)
    def feed_index(self, call: Call, **arguments: Any) -> Mapping[str, Any]:
        if self.fault is not None:
            raise self.fault
        self.asked.append(arguments)
        expires = self.clock() + TTL if arguments["continuous"] else datetime.fromtimestamp(0, UTC)
        feed_id = f"feed{len(self.asked)}"
        self.alive[feed_id] = expires
        return {"feedId": feed_id, "feedExpires": expires}

    @requires(Access.AUTHENTICATED)
    def feed_index_refresh(self, call: Call, *, feedId: str) -> Mapping[str, Any]:  # noqa: N803
        if self.fault is not None:
            raise self.fault
        if feedId not in self.alive:
            raise PosixFault(errno.ENOENT, "no such feed")
        self.alive[feedId] = self.clock() + TTL
        return {"feedExpires": self.alive[feedId]}

    register_job = start_upload = commit_upload = record_tag = record_multi_tags = not_yet(Access.ADMIN)
    get_job_files = get_job_attributes = not_yet(Access.ADMIN)


class World:
    """An index server with its feed loop, a Primary Storage, and the time."""

    def __init__(self, db_url: str, config: Configuration) -> None:
        # ahead of the clock by which a start of the server notes its feeds
        self.now = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
        self.config = config
        self.db_url = db_url
        self.down = False
        self.expired = False
        self.storage = PrimaryStorage(lambda: self.now)
        nobody = PeerList()
        contract = soap.contract.load("JobProvenancePS")
        self._app = application(contract, self.storage, policy=IndexPolicy(nobody, nobody))
        self.index = self.restart(config)

    def restart(self, config: Configuration) -> Index:
        """Start the index server (again)."""
        self.config = config
        self.index = jpis_support.start(self.db_url, config)
        self.loop = FeedLoop(self.index.engine, config, ENDPOINT, self._connect, lambda: self.now)
        return self.index

    def _connect(self, url: str) -> Client:
        assert url == STORAGE
        if self.down:
            raise TransportError("connection refused")
        if self.expired:
            raise CredentialError("the host certificate has expired")
        return Client(soap.contract.load("JobProvenancePS"), url, wsgi_session(self._app, SERVER_DN))

    def work(self) -> int:
        """Let the loop do what is due; return how many steps that took."""
        steps = 0
        while self.loop.step():
            steps += 1
            assert steps < 20
        return steps

    def wait(self, seconds: float) -> int:
        self.now += timedelta(seconds=seconds)
        return self.work()

    @property
    def feed(self) -> FeedRow:
        with sql.read(self.index.engine) as conn:
            (row,) = feeds.everything(conn)
        return row


@pytest.fixture
def world(db_url: str) -> World:
    return World(db_url, configuration(BOTH))


def test_feed_is_asked_as_configured(world: World) -> None:
    assert world.work() == 1
    (asked,) = world.storage.asked
    types = soap.contract.load("JobProvenancePS").types
    assert asked["destination"] == ENDPOINT
    assert asked["attributes"] == ["a:b", "a:c"]
    assert (asked["history"], asked["continuous"]) == (True, True)
    low, high = types.stringOrBlob(string="x"), types.stringOrBlob(blob=b"\0\1")
    assert asked["conditions"] == [
        types.primaryQuery("a:b", "WITHIN", "USER", low, high), types.primaryQuery("a:c", "EXISTS")
    ]
    assert (world.feed.feedid, world.feed.state) == ("feed1", State.HISTORY | State.CONTINUOUS)
    assert world.feed.expires == world.now + TTL


def test_refresh_at_a_quarter_of_the_life(world: World) -> None:
    world.work()
    assert world.wait(89) == 0
    assert world.wait(1) == 1
    assert world.feed.expires == world.now + TTL
    for _ in range(20):
        assert world.wait(90) == 1
    assert len(world.storage.asked) == 1


def test_feed_without_changes_to_come_is_not_refreshed(db_url: str) -> None:
    world = World(db_url, configuration(Feed(STORAGE, CONDITIONS, True, False)))
    world.work()
    assert world.wait(100_000) == 0
    assert world.feed.feedid == "feed1"


def test_storage_that_forgot_the_feed_is_asked_anew(world: World) -> None:
    world.work()
    world.storage.alive.clear()
    assert world.wait(90) == 2
    assert world.feed.feedid == "feed2"
    assert len(world.storage.asked) == 2


def test_expired_feed_is_asked_anew(world: World) -> None:
    """A refresh might succeed at an original server, and yet bring nothing any more (jp.md 2.5)."""
    world.work()
    world.down = True
    for _ in range(10):
        world.wait(60)
    assert world.feed.state & State.ERROR
    world.down = False
    world.wait(feedloop.UNREACHABLE_PAUSE_S)
    assert (world.feed.feedid, world.feed.state) == ("feed2", State.HISTORY | State.CONTINUOUS)


def test_storage_that_is_down_is_tried_later_and_later(world: World) -> None:
    world.down = True
    pauses = []
    for _ in range(10):
        assert world.work() == 1
        assert world.feed.due is not None
        pauses.append((world.feed.due - world.now).total_seconds())
        world.now = world.feed.due
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30, 30, 30]
    assert world.feed.state & State.ERROR
    world.down = False
    world.work()
    assert (world.feed.feedid, world.feed.failures) == ("feed1", 0)
    assert not world.feed.state & State.ERROR


def test_credential_that_cannot_be_used(world: World) -> None:
    world.expired = True
    world.work()
    world.expired = False
    assert world.wait(1) == 1
    assert world.feed.feedid == "feed1"


def test_database_that_fails_is_tried_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedloop, "DATABASE_PAUSE_S", 0.0)
    failing = FeedLoop(sql.engine("sqlite:////nowhere/jpis.db"), world.config, ENDPOINT, world._connect)
    stop = threading.Event()
    steps = []

    def step() -> bool:
        steps.append(1)
        if len(steps) == 3:
            stop.set()
        return FeedLoop.step(failing)

    monkeypatch.setattr(failing, "step", step)
    failing.run(stop)
    assert len(steps) == 3


def test_storage_that_refuses_is_tried_later(world: World) -> None:
    world.storage.fault = PosixFault(errno.EINVAL, "bad condition")
    for _ in range(12):
        world.work()
        assert world.feed.due is not None
        world.now = world.feed.due
    assert world.feed.feedid is None
    world.storage.fault = None
    world.work()
    assert world.feed.feedid == "feed1"


def test_short_outage_keeps_the_feed(world: World) -> None:
    world.work()
    world.down = True
    assert world.wait(90) == 1
    world.down = False
    assert world.wait(1) == 1
    assert (world.feed.feedid, world.feed.expires) == ("feed1", world.now + TTL)


def test_restart_goes_on_with_the_same_feed(world: World) -> None:
    world.work()
    world.restart(world.config)
    assert world.work() == 0
    assert world.wait(90) == 1
    assert (len(world.storage.asked), world.feed.feedid) == (1, "feed1")


def test_restart_after_a_crash_while_asking(world: World) -> None:
    """The reservation of the dead process does not outlive the restart, nor its time."""
    with sql.write(world.index.engine) as conn:
        assert feeds.lock(conn, world.feed, world.now, feedloop.LOCK_S)
    assert world.work() == 0
    assert world.wait(feedloop.LOCK_S) == 1
    with sql.write(world.index.engine) as conn:
        feeds.ask_again(conn, world.feed.uniqueid, world.now)
        assert feeds.lock(conn, world.feed, world.now, feedloop.LOCK_S)
    world.restart(world.config)
    assert world.work() == 1


def test_history_that_arrived_stays_noted(world: World) -> None:
    world.work()
    client = world.index.client()
    client.call("UpdateJobs", feedId="feed1", feedDone=True, jobAttributes=[])
    world.wait(90)
    assert world.feed.state == State.HISTORY | State.CONTINUOUS | State.DONE
    world.storage.alive.clear()
    world.wait(90)
    assert world.feed.state == State.HISTORY | State.CONTINUOUS


def test_two_feeds_one_of_them_dead(db_url: str) -> None:
    """A storage that refuses does not hold up the other feed."""
    dead = Feed(STORAGE, (Condition("a:c", "EXISTS"),), True, True)
    world = World(db_url, configuration(dead, BOTH))
    world.down = True
    world.work()
    world.down = False
    world.wait(1)
    assert sorted(str(feed_id) for feed_id in world.index.feed_ids()) == ["feed1", "feed2"]


def test_administration(world: World) -> None:
    """AddFeed, DeleteFeed; ServerConfiguration shows what there is."""
    world.work()
    admin, user = world.index.client(), world.index.client("/CN=User")
    types = admin.contract.types
    value = types.stringOrBlob(string="x")
    query = types.primaryQuery(attr="a:c", op="EQUAL", value=value)
    admin.call("AddFeed", feed=types.feedSession(STORAGE, [query], 1, 0))
    world.wait(5)
    shown = admin.call("ServerConfiguration")
    assert [(a.name, a.multival, a.queriable) for a in shown.attrs] == [("a:b", "YES", "YES"), ("a:c", "YES", "YES")]
    assert shown.indexedAttrs == ["a:b"]
    assert [(f.primaryServer, f.history, f.continuous, f.feedId) for f in shown.feeds] == [
        (STORAGE, 1, 1, "feed1"), (STORAGE, 1, 0, "feed2")
    ]
    assert shown.feeds[1].condition == [query]
    assert [f.feedId for f in user.call("ServerConfiguration").feeds] == [None, None]
    world.restart(world.config)
    assert world.index.feed_ids() == ["feed1", "feed2"]
    admin = world.index.client()
    admin.call("DeleteFeed", feedId="feed2")
    assert world.index.feed_ids() == ["feed1"]
    assert _code(admin, "DeleteFeed", feedId="feed2") == errno.ENOENT
    assert _code(admin, "GetFeedIDs", feeds=[]) == errno.ENOSYS
    assert _code(admin, "AddFeed", feed=types.feedSession(STORAGE, [query], 0, 0)) == errno.EINVAL
    assert _code(admin, "AddFeed", feed=types.feedSession("nowhere", [query], 1, 0)) == errno.EINVAL
    user = world.index.client("/CN=User")
    assert _code(user, "AddFeed", feed=types.feedSession(STORAGE, [query], 1, 0)) == errno.EPERM
    assert _code(user, "DeleteFeed", feedId="feed1") == errno.EPERM


def _code(client: Client, operation: str, **arguments: Any) -> int:
    with pytest.raises(PosixFault) as caught:
        client.call(operation, **arguments)
    return caught.value.code
