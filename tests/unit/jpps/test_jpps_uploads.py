"""Uploads: one order of steps, one uploader, one deadline; and what is left when a step is broken off."""

import base64
import errno
import hashlib
import os
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

import sql
from jpps import files, jobs, recording, schema, tags, uploads
from jpps.errors import Denied, NotFound
from jpps.importer.primary import location
from soap.faults import PosixFault
from unit.jpps import jpps_support
from unit.jpps.jpps_support import JOB, LB, LB_SERVER, LB_URI, OTHER, SMALL_DUMP, USER, World

ISB_URI = "urn:org.glite.jp.primary:isb"


@pytest.fixture
def world(db_url: str, tmp_path: Path) -> World:
    made = jpps_support.start(db_url, tmp_path / "storage")
    made.register()
    return made


def code(world: World, operation: str, dn: str = LB_SERVER, **arguments: Any) -> int:
    with pytest.raises(PosixFault) as caught:
        world.client(dn).call(operation, **arguments)
    return caught.value.code


def stored(world: World) -> list[str]:
    return sorted(path.name for path in world.storage.root.glob("data/*/*/*/*"))


def expire(world: World) -> None:
    """Let every deadline be over."""
    with sql.write(world.engine) as conn:
        conn.execute(update(schema.files).values(deadline=datetime.now(UTC) - timedelta(seconds=1)))


def test_the_wanted_deadline_is_honoured_within_a_day(world: World) -> None:
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1000)
    assert world.start(before=soon).commitBefore == soon
    granted = world.start(name="far", before=datetime(2099, 1, 1, tzinfo=UTC)).commitBefore
    assert granted <= datetime.now(UTC) + timedelta(seconds=uploads.MAX_UPLOAD_S)
    past = datetime(2006, 1, 1, tzinfo=UTC)
    assert code(world, "StartUpload", job=JOB, class_=LB_URI, name=None, commitBefore=past, contentType="") == 22


@pytest.mark.parametrize(("job", "class_"), [(JOB, "urn:nosuch"), ("https://lb.example.org:9000/none", LB_URI)])
def test_unknown_class_or_job_is_enoent(world: World, job: str, class_: str) -> None:
    before = datetime.now(UTC) + timedelta(minutes=1)
    arguments: dict[str, Any] = {"job": job, "class_": class_, "name": None, "commitBefore": before}
    assert code(world, "StartUpload", contentType="text/lb", **arguments) == errno.ENOENT


@pytest.mark.parametrize("name", ["a/b", "..", "x\ty", " "])
def test_names_stay_inside_the_directory_of_the_job(world: World, name: str) -> None:
    if name == "..":  # harmless behind the class: lb...
        assert world.start(name=name).destination.endswith("/lb...")
        return
    before = datetime.now(UTC) + timedelta(minutes=1)
    arguments: dict[str, Any] = {"job": JOB, "class_": LB_URI, "name": name, "commitBefore": before, "contentType": ""}
    assert code(world, "StartUpload", **arguments) == errno.EINVAL


def test_an_upload_is_started_once(world: World) -> None:
    first = world.start()
    with pytest.raises(PosixFault) as caught:
        world.start()
    assert caught.value.code == errno.EEXIST
    assert location(caught.value) == first.destination
    world.http(LB_SERVER).put(first.destination, data=b"x")
    world.client().call("CommitUpload", destination=first.destination)
    with pytest.raises(PosixFault) as caught:
        world.start()
    assert caught.value.code == errno.EEXIST
    assert location(caught.value) == first.destination


def test_a_commit_needs_the_file_the_url_and_the_uploader(world: World) -> None:
    url = world.start().destination
    assert code(world, "CommitUpload", destination=url) == errno.ENOENT
    assert code(world, "CommitUpload", destination=url + "x") == errno.ENOENT
    assert code(world, "CommitUpload", destination=url.replace("https", "http")) == errno.ENOENT
    world.http(LB_SERVER).put(url, data=SMALL_DUMP)
    world.client().call("CommitUpload", destination=url)
    assert code(world, "CommitUpload", destination=url) == errno.ENOENT


def test_another_trusted_peer_cannot_finish_an_upload(world: World) -> None:
    url = world.start().destination
    world.http(LB_SERVER).put(url, data=SMALL_DUMP)
    with pytest.raises(Denied):
        world.uploads.commit(url, OTHER)


def test_after_the_deadline_there_is_no_upload(world: World) -> None:
    url = world.start().destination
    world.http(LB_SERVER).put(url, data=SMALL_DUMP)
    expire(world)
    assert code(world, "CommitUpload", destination=url) == errno.ENOENT
    assert world.http(LB_SERVER).put(url, data=SMALL_DUMP).status_code == 404
    assert world.start().destination == url
    assert stored(world) == []


def test_overdue_uploads_are_cleaned_away(world: World) -> None:
    url = world.start().destination
    world.http(LB_SERVER).put(url, data=SMALL_DUMP)
    kept = world.upload(SMALL_DUMP, name="kept")
    expire(world)
    assert world.uploads.clean() == 1
    assert stored(world) == ["lb.kept", "tags"]
    assert world.http(USER).get(kept).status_code == 200


def test_a_repeated_put_replaces_the_content(world: World) -> None:
    url = world.start().destination
    for data in (b"one", SMALL_DUMP):
        assert world.http(LB_SERVER).put(url, data=data).status_code == 201
    world.client().call("CommitUpload", destination=url)
    assert world.http(USER).get(url).content == SMALL_DUMP


def test_a_put_that_breaks_off_leaves_what_was_there(world: World) -> None:
    url = world.start().destination
    place = world.storage.split_url(url)
    assert place is not None
    world.uploads.receive(*place, LB_SERVER, [SMALL_DUMP])

    def broken() -> Iterator[bytes]:
        yield b"half"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        world.uploads.receive(*place, LB_SERVER, broken())
    assert stored(world) == ["lb"]
    world.client().call("CommitUpload", destination=url)
    assert world.http(USER).get(url).content == SMALL_DUMP


def test_a_put_that_ends_after_the_commit_changes_nothing(world: World) -> None:
    url = world.start().destination
    place = world.storage.split_url(url)
    assert place is not None
    world.uploads.receive(*place, LB_SERVER, [SMALL_DUMP])

    def late() -> Iterator[bytes]:
        yield b"something"
        world.uploads.commit(url, LB_SERVER)
        yield b" else"

    with pytest.raises(NotFound):
        world.uploads.receive(*place, LB_SERVER, late())
    assert stored(world) == ["lb", "tags"]
    assert world.http(USER).get(url).content == SMALL_DUMP


def test_a_file_damaged_before_the_commit_is_not_committed(world: World) -> None:
    url = world.start().destination
    world.http(LB_SERVER).put(url, data=SMALL_DUMP)
    [path] = world.storage.root.glob("data/*/*/*/lb")
    path.write_bytes(b"damaged")
    assert code(world, "CommitUpload", destination=url) == errno.EIO
    assert world.http(LB_SERVER).put(url, data=SMALL_DUMP).status_code == 201
    world.client().call("CommitUpload", destination=url)


def test_a_file_that_came_by_another_door_can_be_committed(world: World) -> None:
    """A GridFTP server writes into the same tree (jp.md 2.4)."""
    url = world.start().destination
    [directory] = world.storage.root.glob("data/*/*/*")
    (directory / "lb").write_bytes(SMALL_DUMP)
    world.client().call("CommitUpload", destination=url)
    answer = world.http(USER).get(url)
    assert answer.content == SMALL_DUMP
    assert int(answer.headers["Content-Length"]) == len(SMALL_DUMP)


def test_a_commit_that_was_broken_off_records_its_tags_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    url = world.start().destination
    world.http(LB_SERVER).put(url, data=SMALL_DUMP)
    with monkeypatch.context() as broken:
        broken.setattr(files, "commit", _fail)
        with pytest.raises(RuntimeError):
            world.uploads.commit(url, LB_SERVER)
    world.client().call("CommitUpload", destination=url)
    assert world.values("http://my/ns:size") == [("http://my/ns:size", "17")]


def _fail(*_: object) -> None:
    raise RuntimeError("the process ends here")


def test_tags_of_a_commit_are_recorded_as_often_as_they_are_said(world: World, tmp_path: Path) -> None:
    with sql.read(world.engine) as conn:
        job = jobs.find(conn, JOB)
    when, said = datetime(2026, 1, 1, tzinfo=UTC), [("a:b", "x"), ("a:b", "x"), ("a:c", "y")]
    path = world.storage.make_directory(job) / tags.FILE_NAME
    tags.append(path, [tags.Tag("a:b", "x", when)])
    for _ in range(2):
        recording.record_of_commit(world.storage, job, said, when)
    assert [(tag.name, tag.content) for tag in tags.read(path)] == said


def test_large_files_are_compressed_under_the_same_name(world: World) -> None:
    data = SMALL_DUMP * 3
    url = world.upload(data)
    [path] = world.storage.root.glob("data/*/*/*/lb")
    assert path.read_bytes()[:2] == b"\x1f\x8b"
    answer = world.http(USER).get(url)
    assert answer.content == data
    assert answer.headers["Content-Type"] == "text/lb"


@pytest.mark.parametrize("dn", [LB_SERVER, OTHER, None])
def test_only_the_owner_fetches_files(world: World, dn: str | None) -> None:
    url = world.upload(SMALL_DUMP)
    assert world.http(dn).get(url).status_code == 403
    assert world.http(USER).get(url).status_code == 200


def test_the_uploader_may_ask_what_is_stored(world: World) -> None:
    url = world.upload(SMALL_DUMP)
    answer = world.http(LB_SERVER).head(url)
    digest = hashlib.sha256(SMALL_DUMP).digest()
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Repr-Digest"] == f"sha-256=:{base64.b64encode(digest).decode()}:"
    assert world.http(OTHER).head(url).status_code == 403


def test_what_is_not_committed_cannot_be_fetched(world: World) -> None:
    url = world.start().destination
    world.http(LB_SERVER).put(url, data=SMALL_DUMP)
    assert world.http(USER).get(url).status_code == 404
    assert world.http(LB_SERVER).head(url).status_code == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Range": "bytes 0-1/2"}, 400),
        ({"Content-Encoding": "gzip"}, 415),
        ({"Content-Encoding": "identity"}, 201),
    ],
)
def test_files_are_uploaded_whole_and_as_they_are(world: World, headers: dict[str, str], status: int) -> None:
    url = world.start().destination
    assert world.http(LB_SERVER).put(url, data=SMALL_DUMP, headers=headers).status_code == status


def test_other_methods_and_places_are_refused(world: World) -> None:
    url = world.upload(SMALL_DUMP)
    session = world.http(LB_SERVER)
    assert session.put(url, data=b"x").status_code == 409
    assert session.delete(url).status_code == 405
    assert session.put(url + "2", data=b"x").status_code == 404
    assert session.put(f"{jpps_support.PREFIX}/data/../../etc/passwd", data=b"x").status_code == 404
    assert session.put("https://jpps.test:8901/elsewhere", data=b"x").status_code == 404
    assert world.http(OTHER).put(world.start(name="b").destination, data=b"x").status_code == 403


def test_files_have_a_limit(db_url: str, tmp_path: Path) -> None:
    world = jpps_support.start(db_url, tmp_path, max_file=1000)
    world.register()
    url = world.start().destination
    assert world.http(LB_SERVER).put(url, data=b"x" * 1001).status_code == 413
    assert stored(world) == []
    assert world.http(LB_SERVER).put(url, data=b"x" * 1000).status_code == 201


def test_a_full_disk_is_said_and_leaves_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    url = world.start().destination
    monkeypatch.setattr(os, "fsync", _no_space)
    answer = world.http(LB_SERVER).put(url, data=SMALL_DUMP)
    assert answer.status_code == 507
    assert "/" not in answer.text
    assert stored(world) == []


def _no_space(_: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_sandbox_tells_its_members(world: World, tmp_path: Path) -> None:
    (tmp_path / "run.sh").write_text("echo hello\n")
    archive = tmp_path / "sandbox.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(tmp_path / "run.sh", "bin/run.sh")
        tar.add(tmp_path, "directory", recursive=False)
    world.upload(archive.read_bytes(), uri=ISB_URI)
    space = "http://egee.cesnet.cz/en/Schema/JP/ISB"
    assert world.values(f"{space}:filename", f"{space}:content:bin/run.sh") == [
        (f"{space}:filename", "bin/run.sh"), (f"{space}:content:bin/run.sh", "echo hello\n"),
    ]


@pytest.mark.parametrize("data", [b"", b"no dump\n", SMALL_DUMP + b"broken\n", b"\xff\xfe\x1f\x8b", b"\x1f\x8b\x08cut"])
def test_whatever_is_uploaded_is_kept_though_it_tells_nothing(world: World, data: bytes) -> None:
    url = world.upload(data)
    assert world.http(USER).get(url).content == data
    assert code(world, "GetJobAttributes", USER, jobid=JOB, attributes=[f"{LB}:status"]) == errno.ENOENT


def test_the_job_description_is_read_when_its_plugin_is_there(db_url: str, tmp_path: Path) -> None:
    world = jpps_support.start(db_url, tmp_path, plugins=["lb", "classad"])
    world.register()
    world.upload(SMALL_DUMP)
    executable = f"{LB}:JDL:executable"
    assert world.values(f"{LB}:VO", executable) == [(f"{LB}:VO", "voce"), (executable, "/bin/true")]
    world.upload(b'A = 1 + 2; b = {"x"}; C = undefined;', uri="urn:org.glite.jp.primary:classad")
    names = [f"http://jdl:{name}" for name in "abcd"]
    assert [content for _, content in world.values(*names)] == ["1 + 2", '{ "x" }']
