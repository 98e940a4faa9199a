"""Clearing away stale delegations: what goes, what stays, and what is put meanwhile."""

import os
import stat
import threading
from datetime import timedelta
from pathlib import Path

import pytest

import pki
from gsi import private
from gsi.delegation import DelegationStore
from gsi.errors import DelegationError
from gsi.proxy import create_proxy, sign_request
from gsi.proxycache import purge

ENCODED = "%2FDC%3Dorg%2FDC%3Dexample%2FCN%3DTest%20User"
HOUR = timedelta(hours=1)


@pytest.fixture
def store(tmp_path: Path) -> DelegationStore:
    return DelegationStore(tmp_path / "proxycache", pki.trust())


def delegate(store: DelegationStore, name: str, *, expired: bool = False) -> Path:
    path = store.put(pki.USER_DN, name, sign_request(pki.proxy(), store.new_request(pki.USER_DN, name))).path
    if expired:
        create_proxy(pki.user(), timedelta(seconds=-1)).save(path)
    return path


def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour and a day have gone by: ctime cannot be set."""
    monkeypatch.setattr("gsi.proxycache.MIN_AGE_S", -1)
    monkeypatch.setattr("gsi.proxycache.PENDING_LIFETIME_S", -1)


def names(store: DelegationStore) -> set[str]:
    return {str(path.relative_to(store.root)) for path in store.root.rglob("*") if path.is_file()}


def test_an_expired_proxy_goes_with_its_directories(store: DelegationStore, monkeypatch: pytest.MonkeyPatch) -> None:
    delegate(store, "old", expired=True)
    later(monkeypatch)
    removed = list(purge(store.root))
    assert store.root / ENCODED / "old" / "userproxy.pem" in removed
    assert list(store.root.iterdir()) == [store.root / "cache"]
    with pytest.raises(DelegationError, match="no such delegation"):
        store.path(pki.USER_DN, "old")


def test_only_what_is_expired_goes(store: DelegationStore, monkeypatch: pytest.MonkeyPatch) -> None:
    delegate(store, "old", expired=True)
    good = delegate(store, "good")
    later(monkeypatch)
    list(purge(store.root))
    assert good.exists() and names(store) == {f"{ENCODED}/good/userproxy.pem"}


def test_what_expired_within_the_hour_stays(store: DelegationStore) -> None:
    path = delegate(store, "old", expired=True)
    store.new_request(pki.USER_DN, "asked")
    list(purge(store.root))
    assert path.exists()
    assert len(list((store.root / "cache" / ENCODED / "asked").iterdir())) == 1


def test_unanswered_requests_and_half_written_files_go(store: DelegationStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.new_request(pki.USER_DN, "asked")
    good = delegate(store, "good")
    torn = good.with_name(".userproxy.pem.0123456789ab")
    torn.write_bytes(b"")
    later(monkeypatch)
    removed = list(purge(store.root))
    assert torn in removed and not (store.root / "cache" / ENCODED).exists()
    assert names(store) == {f"{ENCODED}/good/userproxy.pem"}


def test_a_proxy_that_cannot_be_read_goes(store: DelegationStore, monkeypatch: pytest.MonkeyPatch) -> None:
    delegate(store, "broken").write_bytes(b"rubbish")
    later(monkeypatch)
    list(purge(store.root))
    assert names(store) == set()


def test_a_dry_run_says_the_same_and_removes_nothing(store: DelegationStore, monkeypatch: pytest.MonkeyPatch) -> None:
    delegate(store, "old", expired=True)
    delegate(store, "good")
    store.new_request(pki.USER_DN, "asked")
    later(monkeypatch)
    before = names(store)
    told = list(purge(store.root, dry_run=True))
    assert names(store) == before
    assert told == list(purge(store.root))


def test_other_things_are_left_alone(store: DelegationStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs' entries beside the DNs, unknown files, and whatever links point at."""
    delegate(store, "good")
    (store.root / "jobs" / ENCODED / "old").mkdir(parents=True)
    (store.root / ENCODED / "good" / "notes").write_text("x")
    target = tmp_path / "target"
    (target / "old").mkdir(parents=True)
    create_proxy(pki.user(), timedelta(seconds=-1)).save(target / "old" / "userproxy.pem")
    (store.root / "%2FCN%3DLink").symlink_to(target)
    (store.root / ENCODED / "link").symlink_to(target / "old")
    linked = store.root / ENCODED / "proxylink"
    linked.mkdir()
    (linked / "userproxy.pem").symlink_to(target / "old" / "userproxy.pem")
    later(monkeypatch)
    removed = list(purge(store.root))
    assert (target / "old" / "userproxy.pem").exists() and (linked / "userproxy.pem").is_symlink()
    assert (store.root / "jobs" / ENCODED / "old").is_dir() and (store.root / ENCODED / "good" / "notes").exists()
    assert not [path for path in removed if "ink" in path.name]


def test_a_store_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(purge(tmp_path / "never"))


def test_nothing_that_is_put_meanwhile_is_lost(store: DelegationStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every put that was acknowledged is there, however often the directories are cleared away below it."""
    later(monkeypatch)
    store.root.mkdir(parents=True)
    stop = threading.Event()

    def clear() -> None:
        while not stop.is_set():
            list(purge(store.root))

    clearing = threading.Thread(target=clear)
    clearing.start()
    try:
        for number in range(200):
            parts = (ENCODED, f"id{number % 3}")
            with private.locked(store.root, parts, create=True) as home:
                private.write(home, "userproxy.pem", pki.proxy().to_pem())
            with private.locked(store.root, parts) as home:
                assert private.read(home, "userproxy.pem")
                private.remove(home, "userproxy.pem")
    finally:
        stop.set()
        clearing.join()


def test_the_lock_makes_the_directory_private(tmp_path: Path) -> None:
    with private.locked(tmp_path / "root", ("a", "b"), create=True):
        pass
    for path in (tmp_path / "root", tmp_path / "root" / "a", tmp_path / "root" / "a" / "b"):
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o700


def test_a_directory_that_its_holder_removes_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever destroys a delegation holds its lock, but those who are about to lock it have none yet."""
    make, holders = private._make, [tmp_path / "root" / "a" / "b"]

    def make_in_vain(part: str, parent: int) -> None:
        make(part, parent)
        if part == "b" and holders:
            holders.pop().rmdir()

    monkeypatch.setattr(private, "_make", make_in_vain)
    with private.locked(tmp_path / "root", ("a", "b"), create=True) as home:
        private.write(home, "c", b"d")
    assert (tmp_path / "root" / "a" / "b" / "c").read_bytes() == b"d"
