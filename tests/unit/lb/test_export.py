"""glite-lb-dump_exporter: one file and one message per job (jp.md 4.3, 4.5)."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from lb.export.jobfiles import JobFiles, message
from lb.export.split import DumpError, split
from lb.model import jobid as ids
from lb.model.jobid import JobId
from lbbench import SERVER, life
from spool.maildir import Maildir

JOBS = [ids.new(SERVER) for _ in range(3)]
LINES = {job: [b"DG.ARRIVED=20260101000000.000000 " + text for text in life(job)] for job in JOBS}


def dump(path: Path, *lines: bytes) -> Path:
    path.write_bytes(b"".join(text + b"\n" for text in lines))
    return path


def grouped() -> list[bytes]:
    return [text for job in JOBS for text in LINES[job]]


def mixed() -> list[bytes]:
    return [text for event in zip(*LINES.values(), strict=True) for text in event]


def run(root: Path, *options: str, data: bytes | None = None) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / "glite-lb-dump_exporter"
    command = [program, "-s", root / "store", "-m", root / "mail", *options]
    done = subprocess.run(list(map(str, command)), input=data, capture_output=True, check=False)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def messages(root: Path) -> list[str]:
    maildir, found = Maildir(root / "mail"), []
    while taken := maildir.take_new():
        assert taken.name.endswith(".localhost")
        found.append(taken.data.decode())
        maildir.done(taken)
    return found


def check(root: Path, tail: str = "") -> None:
    """Every job has its file and its message."""
    found = {text.split("\n")[0].split()[1]: text for text in messages(root)}
    assert set(found) == set(map(str, JOBS))
    for job in JOBS:
        [path] = (root / "store").glob(f"{job.unique}.*_*")
        assert found[str(job)] == f"jobid  {job}\nfile   {path}{tail}"
        assert path.read_bytes() == b"".join(text + b"\n" for text in LINES[job])
        assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_grouped_dump(tmp_path: Path) -> None:
    done = run(tmp_path, "-d", str(dump(tmp_path / "dump", *grouped())))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    check(tmp_path)


@pytest.mark.parametrize("options", [["-x"], ["--mixed"], []])
def test_a_mixed_dump(tmp_path: Path, options: list[str]) -> None:
    assert run(tmp_path, "--dump", str(dump(tmp_path / "dump", *mixed())), *options).returncode == 0
    check(tmp_path)


def test_a_dump_through_a_pipe_with_a_target(tmp_path: Path) -> None:
    data = dump(tmp_path / "dump", *mixed()).read_bytes()
    assert run(tmp_path, "-j", "jpps.example.org:8901", data=data).returncode == 0
    check(tmp_path, tail="\njpps   jpps.example.org:8901")


def test_a_line_that_is_no_event_ends_it_before_anything_is_written(tmp_path: Path) -> None:
    done = run(tmp_path, "-d", str(dump(tmp_path / "dump", *grouped(), b"no event")))
    assert done.returncode == 1
    assert done.stderr.startswith(f"glite-lb-dump_exporter: line {len(grouped()) + 1} of the dump is no event")
    assert messages(tmp_path) == [] and os.listdir(tmp_path / "store") == []


def test_a_dump_that_is_not_there(tmp_path: Path) -> None:
    done = run(tmp_path, "-d", str(tmp_path / "none"))
    assert done.returncode == 2 and "does not exist" in done.stderr


def test_a_carriage_return_is_no_line_end(tmp_path: Path) -> None:
    text = LINES[JOBS[0]][4].replace(b'"x', b'"x\r')
    with dump(tmp_path / "dump", text).open("rb") as source:
        [exported] = split(source, JobFiles(tmp_path / "store"), Maildir(tmp_path / "mail"))
    assert exported.path.read_bytes() == text + b"\n"


def test_an_id_never_names_a_file_elsewhere(tmp_path: Path) -> None:
    job = JobId("localhost", 9000, "../../etc/x")
    with pytest.raises(ValueError, match="cannot name a file"):
        JobFiles(tmp_path / "store").write(job, [])


def test_names_are_unique(tmp_path: Path) -> None:
    files = JobFiles(tmp_path / "store")
    assert len({files.write(JOBS[0], [b"x"]) for _ in range(20)}) == 20


def test_a_dump_error_names_the_line(tmp_path: Path) -> None:
    with dump(tmp_path / "dump", b"", b"DATE=1").open("rb") as source, pytest.raises(DumpError, match="line 2"):
        split(source, JobFiles(tmp_path / "store"), Maildir(tmp_path / "mail"))
    assert message(JOBS[0], Path("/x/y")) == f"jobid  {JOBS[0]}\nfile   /x/y".encode()
