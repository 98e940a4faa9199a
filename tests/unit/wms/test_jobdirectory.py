"""The directory of a job: names, contents, removal, locks."""

import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wms.jobdirectory import JobDirectory, Locked, decode, encode, held, sweep

JOBID = "https://host.example.org:9000/TuV_x-0123456789abcdef"


def test_the_path_is_the_documented_one(tmp_path: Path) -> None:
    directory = JobDirectory(tmp_path / "SandboxDir", JOBID)
    name = "https_3a_2f_2fhost.example.org_3a9000_2fTuV_5fx-0123456789abcdef"
    assert directory.path == tmp_path / "SandboxDir" / "Tu" / name
    assert directory.relative == f"SandboxDir/Tu/{name}"
    assert decode(name) == JOBID


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_every_id_is_one_safe_file_name_and_comes_back(jobid: str) -> None:
    name = encode(jobid)
    assert decode(name) == jobid
    assert "/" not in name and "\0" not in name


def test_a_directory_is_private_and_made_once(tmp_path: Path) -> None:
    directory = JobDirectory(tmp_path, JOBID)
    directory.create()
    for path in (directory.path, directory.input, directory.output, directory.peek):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    with pytest.raises(FileExistsError):
        directory.create()


def test_a_description_is_registered_then_started(tmp_path: Path) -> None:
    directory = JobDirectory(tmp_path, JOBID)
    directory.create()
    with pytest.raises(FileNotFoundError):
        directory.description()
    directory.write(directory.jdl_to_start, "[ a = 1; ]")
    assert (directory.description(), directory.started) == ("[ a = 1; ]", False)
    directory.mark_started()
    assert (directory.description(), directory.started) == ("[ a = 1; ]", True)
    assert stat.S_IMODE(directory.jdl_started.stat().st_mode) == 0o600


def test_removal_is_whole_and_an_interrupted_one_is_finished(tmp_path: Path) -> None:
    directory = JobDirectory(tmp_path, JOBID)
    directory.create()
    (directory.input / "x").write_text("x")
    assert directory.remove() is True
    assert directory.remove() is False
    left = directory.path.with_name(".removed-half")
    (left / "input").mkdir(parents=True)
    directory.create()  # a registration that was never finished
    kept = JobDirectory(tmp_path, JOBID + "2")
    kept.create()
    kept.write(kept.jdl_to_start, "[ ]")
    sweep(tmp_path)
    assert list(directory.path.parent.iterdir()) == [kept.path]


@pytest.mark.parametrize("jobid", ["https://host:9000/..", "https://host:9000/.", "https://host:9000/", ""])
def test_ids_that_would_leave_the_sandbox_have_no_path(tmp_path: Path, jobid: str) -> None:
    with pytest.raises(ValueError, match="not a job id"):
        JobDirectory(tmp_path, jobid).path  # noqa: B018


def test_a_lock_keeps_threads_apart_and_frees_itself(tmp_path: Path) -> None:
    refused: list[bool] = []

    def attempt() -> None:
        try:
            with held(tmp_path / "lock"):
                refused.append(False)
        except Locked:
            refused.append(True)

    with held(tmp_path / "lock"):
        thread = threading.Thread(target=attempt)
        thread.start()
        thread.join()
    attempt()
    assert refused == [True, False]
    with pytest.raises(FileNotFoundError), held(tmp_path / "gone" / "lock"):
        pass
