"""Files that are read again when they change, and what holds while they are bad."""

import os
import threading
from pathlib import Path

import pytest

from gsi.errors import RulesError
from gsi.watched import MAX_BYTES, Watched


def read(data: bytes) -> list[str]:
    if b"bad" in data:
        raise RulesError("line 1 is bad")
    return data.decode().split()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "rules").write_text("one two")
    return tmp_path / "rules"


def test_what_it_said_stays_while_it_makes_no_sense(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rules = Watched(path, read, "the rules")
    path.write_text("bad")
    assert rules.current == rules.current == ["one", "two"]
    path.unlink()
    assert rules.current == ["one", "two"]
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert "line 1 is bad" in caplog.text and "stays in force" in caplog.text
    path.write_text("three")
    assert rules.current == ["three"]


def test_or_something_else_holds_meanwhile(path: Path) -> None:
    rules = Watched(path, read, "the rules", meanwhile=list[str]())
    path.write_text("bad")
    assert rules.current == []
    path.write_text("three")
    assert rules.current == ["three"]


@pytest.mark.parametrize("change", ["written", "replaced", "same size and time"])
def test_every_way_to_change_it_is_seen(path: Path, change: str) -> None:
    rules = Watched(path, read, "the rules")
    if change == "written":
        path.write_text("one two three")
    else:
        new = path.with_name("new")
        new.write_text("six ten")
        os.utime(new, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
        os.replace(new, path)
    assert rules.current != ["one", "two"]


def test_unchanged_it_is_read_once(path: Path) -> None:
    times: list[bytes] = []
    rules = Watched(path, lambda data: times.append(data) or len(times), "the rules")  # type: ignore[func-returns-value]
    assert [rules.current, rules.current, rules.current] == [1, 1, 1]


def test_it_has_to_be_good_at_the_start(path: Path) -> None:
    path.write_text("bad")
    with pytest.raises(RulesError, match="line 1 is bad"):
        Watched(path, read, "the rules", meanwhile=list[str]())
    with pytest.raises(RulesError, match="cannot be read: No such file"):
        Watched(path.with_name("absent"), read, "the rules")
    with pytest.raises(RulesError, match="cannot be read: Is a dir"):
        Watched(path.parent, read, "the rules")
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(RulesError, match="more than"):
        Watched(path, read, "the rules")


def test_many_threads_see_whole_contents(path: Path) -> None:
    path.write_text("x " * 100)
    rules = Watched(path, read, "the rules")
    seen: list[int] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            seen.append(len(rules.current))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(1, 50):
        new = path.with_name("new")
        new.write_text("x " * (100 + number))
        os.replace(new, path)
    stop.set()
    for thread in threads:
        thread.join()
    assert set(seen) <= set(range(100, 150)) and rules.current == ["x"] * 149
