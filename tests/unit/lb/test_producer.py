"""Producers: sequence codes, event files, and what is refused before it is written."""

from pathlib import Path

import pytest

from lb.model import ulm
from lb.model.events import Event
from lb.model.jobid import JobId
from lb.producer import EventSpool, JobLogger, make_event
from spool.eventfile import EventFiles

JOB = JobId.parse("https://lb.example.org:9000/abcdefghijklmnopqrstuv")
USER = "/DC=org/DC=example/CN=Test User"


def logged(prefix: Path) -> list[Event]:
    files = EventFiles(prefix)
    return [ulm.parse(line) for path in files.files() for line, _ in files.lines(path, 0)]


def test_the_code_is_incremented_when_taken_over_and_after_each_event(tmp_path: Path) -> None:
    logger = JobLogger(EventSpool(tmp_path / "log"), JOB, "WorkloadManager", USER)
    logger.log("DeQueued", queue="q")
    after = logger.log("Match", dest_id="ce.example.org:8443/cream-pbs-short")
    first, second = logged(tmp_path / "log")
    assert first.seqcode.startswith("UI=000000:NS=0000000000:WM=000001:")
    assert second.seqcode.startswith("UI=000000:NS=0000000000:WM=000002:")
    assert after == logger.seqcode
    assert "WM=000003" in after


def test_a_code_travels_from_one_component_to_the_next(tmp_path: Path) -> None:
    spool = EventSpool(tmp_path / "log")
    first = JobLogger(spool, JOB, "NetworkServer", USER)
    second = JobLogger(spool, JOB, "WorkloadManager", USER, first.log("Accepted", from_="UserInterface", from_host="h"))
    second.log("DeQueued", queue="q")
    codes = [event.seqcode for event in logged(tmp_path / "log")]
    assert codes == sorted(codes)
    assert logged(tmp_path / "log")[0].get("from") == "UserInterface"


@pytest.mark.parametrize(("name", "fields"), [("Nonsense", {}), ("Match", {"destination": "x"})])
def test_what_no_event_has_is_refused(name: str, fields: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="no event type|no field"):
        make_event(name, JOB, "WorkloadManager", USER, "", fields)
