"""Starts of the index server: a fresh database, a restart, a changed configuration (jp.md 3.3, 3.4)."""

import errno
from dataclasses import replace

import pytest

from jpis.attributes import JOBID
from jpis.config import Attribute, Condition, Configuration, Feed
from soap.faults import PosixFault
from unit.jpis import jpis_support
from unit.jpis.jpis_support import FEED_ID, Index, ask, condition, record, told

S, T = "http://my/ns:s", "http://my/ns:t"
OWNER = "/DC=org/CN=Owner"
JOB = "https://lb.example.org:9000/one"
FEED = Feed("https://ps.example.org:8901", (Condition("a:b", "EXISTS"),), True, True)
CONFIGURATION = Configuration((Attribute(S), Attribute(T)), (S,), (), (FEED,))


@pytest.fixture
def filled(db_url: str) -> str:
    """A database with one job in it."""
    index = jpis_support.start(db_url, CONFIGURATION, feed_id=FEED_ID)
    client = index.client()
    values = [(S, "one"), (T, "two")]
    client.call("UpdateJobs", feedId=FEED_ID, feedDone=True, jobAttributes=[record(client, JOB, OWNER, *values)])
    return db_url


def values(index: Index, *names: str) -> list[str | bytes]:
    client = index.client(OWNER)
    return [v[1] for job in ask(client, [condition(client, JOBID, ("EQUAL", JOB))], list(names)) for v in told(job)]


def test_restart_keeps_jobs_and_feeds(filled: str) -> None:
    index = jpis_support.start(filled, CONFIGURATION)
    assert values(index, S, T) == ["one", "two"]
    assert index.feed_ids() == [FEED_ID]


def test_force_feed_keeps_jobs_and_asks_anew(filled: str) -> None:
    index = jpis_support.start(filled, CONFIGURATION, force=True)
    assert values(index, S, T) == ["one", "two"]
    assert index.feed_ids() == [None]


def test_wipe_forgets_everything(filled: str) -> None:
    index = jpis_support.start(filled, CONFIGURATION, wipe=True)
    assert values(index, S, T) == []
    assert index.feed_ids() == [None]


def test_new_attribute(filled: str) -> None:
    """It can be asked at once, and the feeds are asked for it."""
    more = replace(CONFIGURATION, attributes=(*CONFIGURATION.attributes, Attribute("a:new")), indexed=(S, T, "a:new"))
    index = jpis_support.start(filled, more)
    assert values(index, S, "a:new") == ["one"]
    assert index.feed_ids() == [None]
    client = index.client(OWNER)
    assert len(ask(client, [condition(client, T, ("EQUAL", "two"))], [])) == 1


def test_removed_attribute_comes_back_with_its_values(filled: str) -> None:
    less = replace(CONFIGURATION, attributes=(Attribute(S),))
    index = jpis_support.start(filled, less)
    assert values(index, S) == ["one"]
    with pytest.raises(PosixFault) as caught:
        values(index, T)
    assert caught.value.code == errno.EINVAL
    assert values(jpis_support.start(filled, CONFIGURATION), T) == ["two"]


def test_changed_index(filled: str) -> None:
    other = replace(CONFIGURATION, indexed=(T,))
    index = jpis_support.start(filled, other)
    client = index.client(OWNER)
    assert len(ask(client, [condition(client, T, ("EQUAL", "two"))], [])) == 1
    with pytest.raises(PosixFault, match="No indexed attribute"):
        ask(client, [condition(client, S, ("EQUAL", "one"))], [])
    assert index.feed_ids() == [FEED_ID]


def test_changed_feeds(filled: str) -> None:
    """Feeds that are the same keep their ids, the others are forgotten or new."""
    second = replace(FEED, primary_server="https://ps2.example.org:8901")
    assert jpis_support.start(filled, replace(CONFIGURATION, feeds=(second, FEED))).feed_ids() == [FEED_ID, None]
    assert jpis_support.start(filled, replace(CONFIGURATION, feeds=(FEED,))).feed_ids() == [FEED_ID]
    assert jpis_support.start(filled, replace(CONFIGURATION, feeds=(second,))).feed_ids() == [None]
    assert jpis_support.start(filled, replace(CONFIGURATION, feeds=())).feed_ids() == []
