"""The operations (jp.md 2.5), called by the real client: what they do, and what they refuse with which errno."""

import errno
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from jpps import recording
from soap.client import Client
from soap.faults import PosixFault
from unit.jpps import jpps_support
from unit.jpps.jpps_support import (
    JOB,
    JOB2,
    LB,
    LB_SERVER,
    LB_URI,
    OTHER,
    SMALL_DUMP,
    SYSTEM,
    USER,
    World,
    condition,
    value,
)  # fmt: skip

OWNER, REGTIME, JOBID = f"{SYSTEM}:owner", f"{SYSTEM}:regtime", f"{SYSTEM}:jobId"


@pytest.fixture
def world(db_url: str, tmp_path: Path) -> World:
    return jpps_support.start(db_url, tmp_path / "storage")


def refused(client: Client, operation: str, **arguments: Any) -> PosixFault:
    with pytest.raises(PosixFault) as caught:
        client.call(operation, **arguments)
    return caught.value


def test_a_registered_job_has_an_owner_a_time_and_a_directory(world: World) -> None:
    before = int(datetime.now(UTC).timestamp())
    world.register()
    (owner, regtime) = world.values(OWNER, REGTIME)
    assert owner == (OWNER, USER)
    assert before <= float(regtime[1]) <= before + 3600
    assert str(regtime[1]).endswith(".000000")
    assert [path.name for path in world.storage.root.glob("data/*/*/*")] == ["w1"]


def test_a_second_registration_is_eexist_whoever_the_owner(world: World) -> None:
    world.register()
    assert refused(world.client(), "RegisterJob", job=JOB, owner=USER).code == errno.EEXIST
    assert refused(world.client(), "RegisterJob", job=JOB, owner=OTHER).code == errno.EEXIST
    assert world.values(OWNER) == [(OWNER, USER)]


def test_jobs_of_two_servers_with_the_same_unique_part_do_not_meet(world: World) -> None:
    twin = "https://other.example.org:9000/w1"
    world.register(JOB)
    world.register(twin, owner=OTHER)
    world.tag("http://my/ns:t", "mine")
    assert world.values(OWNER, jobid=twin, dn=OTHER) == [(OWNER, OTHER)]
    assert refused(world.client(OTHER), "GetJobAttributes", jobid=twin, attributes=["http://my/ns:t"]).code == 2


@pytest.mark.parametrize(
    "unique", ["..", ".hidden", "a" * 33, "ž", "FT:0123456789012345678901", "123.pbs.example.org", "q?x#y%41"]
)
def test_every_job_id_finds_its_place(world: World, unique: str) -> None:
    jobid = f"https://lb.example.org:9000/{unique}"
    world.register(jobid)
    world.upload(SMALL_DUMP, jobid)
    assert world.values(f"{LB}:status", jobid=jobid) == [(f"{LB}:status", "Aborted")]
    [place] = world.storage.root.glob("data/*/*/*/lb")
    assert place.resolve().is_relative_to(world.storage.root.resolve())


@pytest.mark.parametrize("jobid", ["nonsense", "https://lb/", "https://lb.example.org/a b", "https://lb/" + "x" * 300])
def test_what_is_no_job_id_is_einval(world: World, jobid: str) -> None:
    assert refused(world.client(), "RegisterJob", job=jobid, owner=USER).code == errno.EINVAL
    assert refused(world.client(USER), "GetJobFiles", jobid=jobid).code == errno.EINVAL


@pytest.mark.parametrize("owner", ["", " /CN=x", "/CN=" + "x" * 300, "/CN=a\nb"])
def test_what_is_no_owner_is_einval(world: World, owner: str) -> None:
    assert refused(world.client(), "RegisterJob", job=JOB, owner=owner).code == errno.EINVAL


@pytest.mark.parametrize("dn", [USER, None])
def test_only_trusted_peers_register_and_upload(world: World, dn: str | None) -> None:
    world.register()
    client = world.client(dn)
    started = world.start()
    assert refused(client, "RegisterJob", job=JOB2, owner=USER).code == errno.EPERM
    arguments = {"job": JOB, "class_": LB_URI, "name": "x", "commitBefore": datetime.now(UTC), "contentType": ""}
    assert refused(client, "StartUpload", **arguments).code == errno.EPERM
    assert refused(client, "CommitUpload", destination=started.destination).code == errno.EPERM


@pytest.mark.parametrize("dn", [LB_SERVER, OTHER, None])
def test_only_the_owner_reads_and_tags(world: World, dn: str | None) -> None:
    world.register()
    client = world.client(dn)
    types = client.contract.types
    tag, record = types.tagValue(name="a:b", value=value("x")), types.jobRecord(jobid=JOB)
    for operation, arguments in (
        ("GetJobFiles", {"jobid": JOB}),
        ("GetJobAttributes", {"jobid": JOB, "attributes": [OWNER]}),
        ("RecordTag", {"jobid": JOB, "tag": tag}),
        ("RecordMultiTags", {"jobs": [record]}),
    ):
        assert refused(client, operation, **arguments).code == errno.EPERM


def test_an_unknown_job_is_enoent_before_it_is_eperm(world: World) -> None:
    fault = refused(world.client(OTHER), "GetJobFiles", jobid=JOB)
    assert (fault.code, fault.description, fault.source) == (
        errno.ENOENT, "Cannot retrieve job info", "GetJobFiles"
    )
    assert fault.reason is not None
    assert fault.reason.description == "No records for this job"


def test_without_owner_checks_everybody_reads(db_url: str, tmp_path: Path) -> None:
    world = jpps_support.start(db_url, tmp_path, open_to_all=True)
    world.register()
    world.tag("a:b", "x", dn=OTHER)
    assert world.values("a:b", dn=LB_SERVER) == [("a:b", "x")]
    assert refused(world.client(USER), "RegisterJob", job=JOB2, owner=USER).code == errno.EPERM


def test_tags_come_back_in_order_text_and_binary(world: World) -> None:
    world.register()
    for content in ("first", "", "žluť <&>\n", b"\0\1\xff", b"", "first"):
        world.tag("http://my/ns:t", content)
    assert [content for _, content in world.values("http://my/ns:t")] == [
        "first", "", "žluť <&>\n", b"\0\1\xff", b"", "first"
    ]


def test_tags_say_that_the_user_said_so(world: World) -> None:
    world.register()
    world.tag(JOBID, "pretended")
    [told] = world.client(USER).call("GetJobAttributes", jobid=JOB, attributes=[JOBID]).attrValues
    assert (told.origin, told.originDetail, told.timestamp.microsecond) == ("USER", None, 0)


@pytest.mark.parametrize(("name", "content"), [("", "x"), ("a:b", None)])
def test_a_tag_needs_name_and_value(world: World, name: str, content: str | None) -> None:
    world.register()
    client = world.client(USER)
    tag = client.contract.types.tagValue(name=name, value=None if content is None else value(content))
    assert refused(client, "RecordTag", jobid=JOB, tag=tag).code == errno.EINVAL


def test_a_tag_is_no_file(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MAX_VALUE", 10)
    world.register()
    world.tag("a:b", "x" * 10)
    client = world.client(USER)
    tag = client.contract.types.tagValue(name="a:b", value=value("x" * 11))
    assert refused(client, "RecordTag", jobid=JOB, tag=tag).code == errno.EINVAL


def test_multi_tags_are_recorded_for_all_jobs_or_for_none(world: World) -> None:
    world.register(JOB, JOB2)
    client = world.client(USER)
    types = client.contract.types

    def record(jobid: str, **tags: str) -> Any:
        given = [types.attrValue(name=name, value=value(content)) for name, content in tags.items()]
        return types.jobRecord(jobid=jobid, attributes=given)

    client.call("RecordMultiTags", jobs=[record(JOB, a="1", b="2"), record(JOB2, a="3")])
    assert world.values("a", "b") == [("a", "1"), ("b", "2")]
    assert world.values("a", jobid=JOB2) == [("a", "3")]
    unknown = record("https://lb.example.org:9000/none", a="x")
    assert refused(client, "RecordMultiTags", jobs=[record(JOB, a="x"), unknown]).code == errno.ENOENT
    assert world.values("a") == [("a", "1")]


def test_attributes_tags_before_files_storage_last(world: World) -> None:
    world.register()
    status = f"{LB}:status"
    world.tag(status, "tagged")
    world.tag("a:b", "x")
    world.upload(SMALL_DUMP)
    names = [REGTIME, status, "a:b", OWNER, "no:such"]
    assert [each[0] for each in world.values(*names)] == [status, status, "a:b", REGTIME, OWNER]
    assert [each[1] for each in world.values(status)] == ["tagged", "Aborted"]


def test_values_of_files_name_their_origin(world: World) -> None:
    world.register()
    world.upload(SMALL_DUMP)
    world.upload(SMALL_DUMP, name="again")
    told = world.client(USER).call("GetJobAttributes", jobid=JOB, attributes=[f"{LB}:STATUS"]).attrValues
    assert [(each.name, each.origin, each.originDetail) for each in told] == [
        (f"{LB}:STATUS", "FILE", f"{LB_URI} "), (f"{LB}:STATUS", "FILE", f"{LB_URI} again"),
    ]


def test_no_value_at_all_is_enoent(world: World) -> None:
    world.register()
    fault = refused(world.client(USER), "GetJobAttributes", jobid=JOB, attributes=[JOBID, f"{LB}:status", "a:b"])
    assert (fault.code, fault.description) == (errno.ENOENT, "no attributes found")


def test_only_committed_files_are_listed_with_their_names(world: World) -> None:
    world.register()
    assert refused(world.client(USER), "GetJobFiles", jobid=JOB).code == errno.ENOENT
    world.start(uri="urn:org.glite.jp.primary:isb")
    first, second = world.upload(SMALL_DUMP), world.upload(SMALL_DUMP, name="a.b")
    listed = world.client(USER).call("GetJobFiles", jobid=JOB).files
    assert [(each.class_, each.name, each.url) for each in listed] == [
        (LB_URI, None, first), (LB_URI, "a.b", second),
    ]


def test_the_commit_hook_records_tags_with_a_colon(world: World) -> None:
    world.register()
    world.upload(SMALL_DUMP)
    [told] = world.client(USER).call("GetJobAttributes", jobid=JOB, attributes=["http://my/ns:size"]).attrValues
    assert (told.value.string, told.origin) == ("17", "USER")
    assert told.timestamp.year >= datetime.now(UTC).year
    assert world.values("http://egee.cesnet.cz/en/WSDL/jp-lbtag:COLOR") != []


def test_what_was_acknowledged_is_there_after_a_restart(db_url: str, tmp_path: Path) -> None:
    world = jpps_support.start(db_url, tmp_path)
    world.register()
    world.tag("a:b", "x")
    world.upload(SMALL_DUMP)
    world.engine.dispose()
    again = jpps_support.start(db_url, tmp_path)
    assert again.values("a:b", f"{LB}:status") == [("a:b", "x"), (f"{LB}:status", "Aborted")]


def test_feeds_are_for_index_servers(world: World) -> None:
    arguments = {"destination": "https://x:1", "attributes": ["a"], "conditions": [condition("a", "EXISTS")],
                 "history": True, "continuous": True}
    for dn in (USER, None):
        assert refused(world.client(dn), "FeedIndex", **arguments).code == errno.EPERM


@pytest.mark.parametrize(
    "wrong",
    [
        {"destination": ""},
        {"destination": "gsiftp://x/y"},
        {"destination": "https://" + "x" * 300},
        {"history": False, "continuous": False},
        {"attributes": []},
        {"attributes": ["a", ""]},
        {"conditions": [condition("a", "EQUAL")]},
        {"conditions": [condition("a", "WITHIN", "x")]},
        {"conditions": [condition(REGTIME, "GREATER", "now")]},
        {"conditions": [condition("a", "EXISTS")] * 101},
    ],
)
def test_a_feed_that_cannot_be_served_is_refused_at_once(world: World, wrong: dict[str, Any]) -> None:
    right = {"destination": "https://x:1", "attributes": ["a"], "conditions": [condition("a", "EXISTS")],
             "history": True, "continuous": False}
    assert len(world.client().call("FeedIndex", **right).feedId) == 22
    assert refused(world.client(), "FeedIndex", **{**right, **wrong}).code == errno.EINVAL


def test_feeds_are_refreshed_by_their_subscriber_only(db_url: str, tmp_path: Path) -> None:
    world = jpps_support.start(db_url, tmp_path)
    feedid = world.feed(["a"], continuous=True)
    assert world.client().call("FeedIndexRefresh", feedId=feedid).feedExpires > datetime.now(UTC)
    assert refused(world.client(USER), "FeedIndexRefresh", feedId=feedid).code == errno.EPERM
    for unknown in ("nosuch", "", "' OR 1=1 --"):
        assert refused(world.client(), "FeedIndexRefresh", feedId=unknown).code == errno.ENOENT
