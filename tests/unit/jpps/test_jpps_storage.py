"""Layout, arrival and compression of stored files."""

import gzip
import hashlib
import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jpps import storage
from jpps.errors import Invalid
from jpps.jobs import Job
from jpps.storage import Storage, open_plain

REGISTERED = datetime(2026, 11, 20, 12, 34, 56, tzinfo=UTC)
JOB = Job("w1", "https://lb.example.org:9000/w1", "/DC=ref/CN=Test User", REGISTERED)
#: Recorded from the original: jp-oracle/wire/ps-GetJobFiles.
PLACE = "data/5188a2773d7fd629e4696b52bfdf8b05/2968/w1"


@pytest.fixture
def store(tmp_path: Path) -> Storage:
    return Storage(tmp_path, "https://localhost:8901/jpps/")


def put(store: Storage, data: bytes, filename: str = "lb") -> Path:
    with store.receive(JOB, filename) as arrival:
        arrival.write(data)
        arrival.publish()
    return store.path(JOB, filename)


def test_the_place_is_that_of_the_original(store: Storage) -> None:
    assert store.url(JOB, "lb") == f"https://localhost:8901/jpps/{PLACE}/lb"
    assert store.path(JOB, "lb") == store.root / PLACE / "lb"


def test_every_level_is_private(store: Storage) -> None:
    directory = store.make_directory(JOB)
    for level in (directory, *directory.parents[:3]):
        assert stat.S_IMODE(level.stat().st_mode) == 0o700
    assert stat.S_IMODE(put(store, b"x").stat().st_mode) == 0o600


def test_urls_lead_back_to_the_file(store: Storage) -> None:
    for filename in ("lb", "lb.part one", "sandbox.100% ?#.tar"):
        assert store.split_url(store.url(JOB, filename)) == ("w1", filename)


@pytest.mark.parametrize("url", ["gsiftp://x/y", "", "https://localhost:8901/jpps/data/a/b", "https://localhost:8901/jpps"])
def test_other_urls_are_not_ours(store: Storage, url: str) -> None:
    assert store.split_url(url) is None


def test_a_prefix_without_path(tmp_path: Path) -> None:
    bare = Storage(tmp_path, "https://localhost:8901")
    assert bare.url_path == "/data/"
    assert bare.split_url(bare.url(JOB, "lb")) == ("w1", "lb")


def test_an_upload_that_breaks_leaves_nothing(store: Storage) -> None:
    with pytest.raises(ConnectionResetError), store.receive(JOB, "lb") as arrival:
        arrival.write(b"half")
        raise ConnectionResetError
    assert os.listdir(store.directory(JOB)) == []


def test_size_and_digest_are_those_of_the_content(store: Storage) -> None:
    with store.receive(JOB, "lb") as arrival:
        arrival.write(b"one")
        arrival.write(b"two")
        arrival.publish()
        assert (arrival.size, arrival.sha256) == (6, hashlib.sha256(b"onetwo").hexdigest())
    assert storage.digest(store.path(JOB, "lb")) == (6, hashlib.sha256(b"onetwo").hexdigest())


@pytest.mark.parametrize(("data", "packed"), [(b"a" * 1024, False), (b"a" * 1025, True), (os.urandom(5000), False)])
def test_files_over_1024_bytes_are_compressed_when_it_helps(store: Storage, data: bytes, packed: bool) -> None:
    path = put(store, data)
    assert store.pack(JOB, "lb") is packed
    assert (path.read_bytes()[:2] == b"\x1f\x8b") is packed
    assert open_plain(path, len(data)).read() == data
    assert open_plain(path, None).read() == data
    assert store.pack(JOB, "lb") is False
    assert os.listdir(store.directory(JOB)) == ["lb"]


def test_what_was_uploaded_as_gzip_stays_as_it_was(store: Storage) -> None:
    data = gzip.compress(os.urandom(3000))
    path = put(store, data, "sandbox")
    assert store.pack(JOB, "sandbox") is False
    assert open_plain(path, len(data)).read() == data


def test_compression_keeps_the_time_of_the_file(store: Storage) -> None:
    path = put(store, b"a" * 5000)
    os.utime(path, (10**9, 10**9))
    store.pack(JOB, "lb")
    assert path.stat().st_mtime == 10**9


def test_giving_up_an_upload_removes_all_of_it_and_nothing_else(store: Storage) -> None:
    put(store, b"x")
    put(store, b"x", "lb.two")
    for part in (".lb.0123456789abcdef.part", ".lb.two.0123456789abcdef.part"):
        (store.directory(JOB) / part).write_bytes(b"rest")
    with store.lock(JOB):
        store.remove(JOB, "lb")
    assert sorted(os.listdir(store.directory(JOB))) == [".lb.two.0123456789abcdef.part", "lb.two"]


@pytest.mark.parametrize("name", ["a/b", "../x", "a\nb", " a", "a ", "x" * 201, "\x7f"])
def test_names_that_cannot_be_files_are_refused(name: str) -> None:
    with pytest.raises(Invalid):
        storage.check_name(name)
