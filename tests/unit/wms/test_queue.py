"""Command ads of the workload manager's queue."""

from pathlib import Path

import pytest

from wms.jdl import parse
from wms.queue import Cancel, CommandError, Queue, Resubmit, Submit, cancel_text, read, resubmit_text, submit_text, text

JOBID = "https://lb.example.org:9000/x"
JOB = (
    f'[ edg_jobid = "{JOBID}"; LB_sequence_code = "UI=0"; X509UserProxy = "/p"; CertificateSubject = "/CN=u";'
    ' ExpiryTime = 77; Requirements = other.a > 3 && "]" == b; UserTags = [ a = "b" ]; ]'
)


def test_a_job_comes_out_as_it_went_in() -> None:
    command = read(submit_text(parse(JOB)).encode())
    assert isinstance(command, Submit)
    assert (command.jobid, command.seqcode, command.proxy, command.owner) == (JOBID, "UI=0", Path("/p"), "/CN=u")
    assert command.expires == 77
    assert command.jdl.text() == parse(JOB).text()
    assert command.jdl.expression("Requirements") == 'other.a > 3 && "]" == b'


def test_cancel_and_resubmit() -> None:
    assert read(cancel_text("https://lb.example.org/x", "UI=1").encode()) == Cancel(JOBID, "UI=1")
    assert read(resubmit_text(JOBID, "UI=1").encode()) == Resubmit(JOBID, "UI=1")
    assert read(text("jobcancel", {"id": JOBID}).encode()) == Cancel(JOBID, "")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "version"),
        (b"[", "not a command ad"),
        (b"\xff\xfe", "not a command ad"),
        (b'[ version = "2.0.0"; command = "jobcancel"; arguments = [ ] ]', "version"),
        (b'[ version = "1.0.0"; command = "jobcancel" ]', "arguments must be a record"),
        (b'[ version = "1.0.0"; command = "jobcancel"; arguments = [ id = 5 ] ]', "id"),
        (b'[ version = "1.0.0"; command = "jobcancel"; arguments = [ id = "x" ] ]', "id: "),
        (b'[ version = "1.0.0"; command = "frob"; arguments = [ ] ]', "unknown command 'frob'"),
        (b'[ version = "1.0.0"; command = "ism_dump"; arguments = [ ] ]', "not available"),
        (b'[ version = "1.0.0"; command = "jobsubmit"; arguments = [ ad = [ ] ] ]', "edg_jobid is missing"),
        (submit_text(parse(JOB.replace("LB_sequence_code", "x"))).encode(), "LB_sequence_code is missing"),
        (submit_text(parse(JOB.replace("77", '"soon"'))).encode(), "ExpiryTime"),
    ],
)
def test_what_is_no_command_is_refused_with_its_reason(data: bytes, words: str) -> None:
    with pytest.raises(CommandError, match=words):
        read(data)


def test_a_request_stays_until_it_is_finished(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.submit(parse(JOB))
    queue.cancel(JOBID, "UI=1")
    first, second = queue.take()
    assert isinstance(read(first.data), Submit) and isinstance(read(second.data), Cancel)
    assert queue.take() == []
    assert Queue(tmp_path).pending() == [first, second]
    queue.finish(first.name)
    assert Queue(tmp_path).pending() == [second]
