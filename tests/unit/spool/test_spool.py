"""The durable queues: nothing is lost, nothing is given twice, whatever moment a process dies at."""

import multiprocessing
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from spool.eventfile import EventFiles, Progress
from spool.files import write_durably, write_new
from spool.jobdir import JobDir
from spool.maildir import Maildir


def test_write_durably_replaces_whole_files_and_keeps_the_mode(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_durably(path, b"one")
    write_durably(path, b"two", mode=0o640)
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["x"]


def test_maildir_message_goes_from_writer_to_reader(tmp_path: Path) -> None:
    box = Maildir(tmp_path)
    name = box.store(b"https://h:9000/u\n/CN=x", "lb.example.org")
    assert name.endswith(".lb.example.org")
    assert (tmp_path / "new" / name).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "tmp" / name).exists()
    message = box.take_new()
    assert message is not None
    assert message.data == b"https://h:9000/u\n/CN=x"
    assert box.take_new() is None
    box.done(message)
    assert box.pending() == 0
    assert not (tmp_path / "tmp" / name).exists()


def test_maildir_retries_and_gives_up(tmp_path: Path) -> None:
    box = Maildir(tmp_path)
    name = box.store(b"data", "s")
    message = box.take_new()
    assert message is not None
    box.retry_later(message)
    assert box.take_retry(retry_after_s=3600, give_up_s=7200) is None
    again = box.take_retry(retry_after_s=0, give_up_s=7200)
    assert again == message
    box.retry_later(message)
    os.utime(tmp_path / "post" / name, (0, 0))
    assert box.take_retry(retry_after_s=0, give_up_s=7200) is None
    assert (tmp_path / "undeliverable" / name).read_bytes() == b"data"


def test_maildir_recovers_what_a_dead_reader_had_taken(tmp_path: Path) -> None:
    box = Maildir(tmp_path)
    box.store(b"data", "s")
    taken = box.take_new()
    fresh = Maildir(tmp_path)
    assert fresh.recover() == 1
    assert fresh.take_new() == taken


def test_maildir_failed_messages_are_kept(tmp_path: Path) -> None:
    box = Maildir(tmp_path)
    name = box.store(b"data", "s")
    message = box.take_new()
    assert message is not None
    box.failed(message)
    assert (tmp_path / "undeliverable" / name).read_bytes() == b"data"


def test_jobdir_keeps_the_order_and_remembers_the_unfinished(tmp_path: Path) -> None:
    queue = JobDir(tmp_path)
    for text in (b"1", b"2", b"3"):
        queue.deliver(text, tag="job")
    taken = queue.take()
    assert [entry.data for entry in taken] == [b"1", b"2", b"3"]
    assert queue.take() == []
    queue.finish(taken[1].name)
    assert [entry.data for entry in JobDir(tmp_path).pending()] == [b"1", b"3"]


def test_jobdir_delivers_in_two_halves(tmp_path: Path) -> None:
    queue = JobDir(tmp_path)
    name = queue.prepare(b"1")
    assert queue.take() == [] and (tmp_path / "tmp" / name).stat().st_mode & 0o777 == 0o660
    queue.publish(name)
    assert [entry.name for entry in queue.take()] == [name]
    with pytest.raises(FileNotFoundError):
        queue.publish(name)


def test_event_files_are_delivered_from_the_committed_offset(tmp_path: Path) -> None:
    files = EventFiles(tmp_path / "dglogd.log")
    files.append("u", b"one")
    files.append("u", b"two")
    [path] = files.files()
    assert path.name == "dglogd.log.u"
    (first, behind), *_ = files.lines(path, 0)
    assert first == b"one"
    files.commit(path, Progress("https://h:9000/u", behind))
    assert files.files() == [path]
    done = files.progress(path)
    assert done == Progress("https://h:9000/u", 4)
    assert [line for line, _ in files.lines(path, done.offset)] == [b"two"]
    assert files.remove_delivered(path) is False
    files.commit(path, Progress("https://h:9000/u", 8))
    assert files.remove_delivered(path) is True
    assert os.listdir(tmp_path) == []


def test_an_unfinished_line_is_not_given(tmp_path: Path) -> None:
    files = EventFiles(tmp_path / "log")
    files.append("u", b"one")
    with files.path("u").open("ab") as file:
        file.write(b"tw")
    assert [line for line, _ in files.lines(files.path("u"), 0)] == [b"one"]


def test_quarantined_files_are_left_alone(tmp_path: Path) -> None:
    files = EventFiles(tmp_path / "log")
    files.append("u", b"broken")
    aside = files.quarantine(files.path("u"))
    assert aside.name == "log.u.quarantine.1"
    assert files.files() == []


@pytest.mark.parametrize(("unique", "line"), [("a/b", b"x"), ("u", b"x\ny")])
def test_what_would_break_the_files_is_refused(tmp_path: Path, unique: str, line: bytes) -> None:
    with pytest.raises(ValueError, match="one line"):
        EventFiles(tmp_path / "log").append(unique, line)


def _append_many(prefix: Path, mark: str) -> None:
    files = EventFiles(prefix)
    for number in range(50):
        files.append("u", f"{mark}{number}".encode())


def test_writers_and_a_removing_reader_lose_no_event(tmp_path: Path) -> None:
    files = EventFiles(tmp_path / "log")
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_append_many, args=(tmp_path / "log", mark)) for mark in "ab"]
    for writer in writers:
        writer.start()
    seen: list[bytes] = []
    while any(writer.is_alive() for writer in writers) or files.files():
        for path in files.files():
            done = files.progress(path)
            offset = done.offset if done else 0
            for line, behind in files.lines(path, offset):
                seen.append(line)
                files.commit(path, Progress("https://h:9000/u", behind))
            files.remove_delivered(path)
    assert sorted(seen) == sorted(f"{mark}{n}".encode() for mark in "ab" for n in range(50))


def test_maildir_is_read_once_for_many_messages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = Maildir(tmp_path)
    names = [box.store(b"x", "s") for _ in range(20)]
    listings: list[str] = []

    def counted(path: Path) -> list[str]:
        listings.append(str(path))
        return [entry.name for entry in os.scandir(path)]

    monkeypatch.setattr("spool.maildir.os.listdir", counted)
    taken = [box.take_new() for _ in names]
    assert [message.name for message in taken if message] == sorted(names)
    assert len(listings) == 1
    late = box.store(b"y", "s")
    message = box.take_new()
    assert message is not None
    assert message.name == late


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """No file may become longer than `size` bytes: a write that would is cut short, the next one fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_an_event_that_does_not_fit_on_the_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    files = EventFiles(tmp_path / "log")
    files.append("u", b"first")
    with full_disk(10), pytest.raises(OSError, match="File too large"):
        files.append("u", b"the second event")
    files.append("u", b"third")
    assert files.path("u").read_bytes() == b"first\nthird\n"


@pytest.mark.parametrize("left", [b"half a li", b"x" * 3_000_000])
@pytest.mark.parametrize("whole", [b"", b"first\n"])
def test_what_a_dead_writer_left_unfinished_does_not_spoil_the_next_event(
    tmp_path: Path, whole: bytes, left: bytes
) -> None:
    files = EventFiles(tmp_path / "log")
    files.path("u").write_bytes(whole + left)
    files.append("u", b"next")
    assert files.path("u").read_bytes() == whole + b"next\n"


@pytest.mark.parametrize("store", [
    lambda root, data: write_durably(root / "x", data),
    lambda root, data: write_new(root / "x", data),
    lambda root, data: Maildir(root).store(data, "s"),
    lambda root, data: JobDir(root).deliver(data),
], ids=["write_durably", "write_new", "maildir", "jobdir"])
def test_what_does_not_fit_on_the_disk_leaves_nothing_behind(
    tmp_path: Path, store: Callable[[Path, bytes], object]
) -> None:
    with full_disk(100), pytest.raises(OSError, match="File too large"):
        store(tmp_path, b"x" * 1000)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_bytes_are_on_disk_when_they_are_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that are still in a buffer of the process when fsync is called would not survive a power cut."""
    synced = []
    monkeypatch.setattr("spool.files.sync", lambda descriptor: synced.append(os.fstat(descriptor).st_size))
    write_durably(tmp_path / "x", b"small")
    Maildir(tmp_path / "box").store(b"small", "s")
    JobDir(tmp_path / "queue").deliver(b"small")
    assert synced == [5, 5, 5]
