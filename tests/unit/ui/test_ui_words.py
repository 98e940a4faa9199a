"""How the commands put things: names, values, states, identifiers from files."""

from datetime import UTC, datetime
from pathlib import Path

import click
import pytest

from soap.contract import load
from soap.faults import PosixFault
from ui.frame import UiError, describe, jobids_of, read_jobids, stripe
from ui.status import describe_state
from ui.words import attributes, title, value_text


@pytest.mark.parametrize(("name", "words"), [
    ("stateEnterTime", "State enter time"), ("jobId", "Job id"), ("owner", "Owner"), ("from_", "From"),
])
def test_titles(name: str, words: str) -> None:
    assert title(name) == words


def test_values_of_records_are_flattened() -> None:
    types = load("JobProvenancePS").types
    file = types.jppsFile(class_="urn:x", url="https://h/x")
    assert dict(attributes(file)) == {"class_": "urn:x", "url": "https://h/x"}
    assert value_text([True, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)]) == "1, Fri Jan  2 03:04:05 2026 UTC"


@pytest.mark.parametrize(("state", "code", "exit_code", "words"), [
    ("DONE", "OK", 0, "Done (Success)"), ("DONE", "OK", 3, "Done (Exit Code !=0)"),
    ("DONE", "FAILED", 0, "Done (Failed)"), ("DONE", "CANCELLED", 0, "Done (Cancelled)"),
    ("RUNNING", None, 0, "Running"), ("Done", "OK", 0, "Done (Success)"),
])
def test_states(state: str, code: str | None, exit_code: int, words: str) -> None:
    assert describe_state(state, code, exit_code) == words


def test_a_chain_of_faults_is_indented_level_by_level() -> None:
    inner = PosixFault(2, "no such job")
    assert describe(PosixFault(5, reason=inner)) == "Input/output error\n  No such file or directory (no such job)"


def test_files_of_identifiers_may_hold_comments(tmp_path: Path) -> None:
    path = tmp_path / "ids"
    path.write_text("###Submitted Job Ids###\nhttps://h:9000/a\n\nhttps://h:9000/b\n")
    assert read_jobids(path) == ["https://h:9000/a", "https://h:9000/b"]
    assert jobids_of(("https://h:9000/c",), path)[0] == "https://h:9000/c"
    path.write_text("# nothing\n")
    with pytest.raises(UiError, match="no job identifier"):
        read_jobids(path)
    with pytest.raises(click.UsageError):
        jobids_of((), None)


def test_the_stripe_is_as_wide_as_asked() -> None:
    assert len(stripe("glite-wms-job-submit Success", 74)) == 74
