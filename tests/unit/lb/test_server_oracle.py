"""The recorded sequences of the original server, delivered to ours: each reply and each final status is compared.

Differences that are intended, and why, are in lb.model.corrections, with the names of their cases: what may differ, and
how, test_oracle.py proves. Besides, access lists and connections between jobs are not built: the events are stored,
without what else they would do; and of our words about rights the original's are only the beginning.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest

import lbrecorded
from lb.model import corrections, native, ulm
from lb.model.jobid import JobId
from lb.model.view import Flag
from lb.server.errors import LbError
from lb.storeproto import Reply
from lbbench import USER_DN, Bench
from shared import SHARED, needs_shared

pytestmark = needs_shared

#: The policy of the recording, and the one peer is a trusted logger.
POLICY = f"""
resource "LB" {{
    action "LOG_WMS_EVENTS"     {{ rule permit {{ subject = "{USER_DN}" }} }}
    action "LOG_CE_EVENTS"      {{ rule permit {{ subject = ".*" }} }}
    action "LOG_GENERAL_EVENTS" {{ rule permit {{ subject = ".*" }} }}
    action "REGISTER_JOBS"      {{ rule permit {{ subject = ".*" }} }}
    action "GRANT_OWNERSHIP"    {{ rule permit {{ subject = ".*" }} }}
}}
"""
FLAGS = Flag.CLASSADD | Flag.CHILDREN | Flag.CHILDSTAT
OK = [0, 0, "OK"]
SERVER_TIMES = ("stateEnterTime", "lastUpdateTime", "stateEnterTimes")
NOT_BUILT = ("acl", "access_rights")


#: Corrections that change a reply.
ANSWERED_OTHERWISE = frozenset({"rights-of-the-owner", "unregistered-parent", "misused-key"})
#: Corrections that change a status without a reply that says so; where the server died nothing more was recorded.
NOT_COMPARED = frozenset({"recomputation", "condor-code", "virtual-machine-owner"})


def cases(name: str) -> list[dict[str, Any]]:
    """Those in which the original lived to the end."""
    return [
        case for case in lbrecorded.cases(name) if not any(event.get("server_failed") for event in case["events"])
    ]


def agrees(expected: list[Any], reply: Reply) -> bool:
    return [reply.major, reply.minor] == expected[:2] and reply.text.startswith(expected[2])


def comparable(status: dict[str, Any], *, with_times: bool) -> dict[str, Any]:
    left_out = NOT_BUILT if with_times else NOT_BUILT + SERVER_TIMES
    shown = {key: value for key, value in status.items() if key not in left_out}
    if "children_states" in shown:
        shown["children_states"] = [comparable(child, with_times=True) for child in shown["children_states"]]
    return shown


def compare(bench: Bench, case: dict[str, Any]) -> bool:
    """Deliver a case and compare; True when its status was compared too."""
    replies = bench.log(*(ulm.encode(event["ulm"]) for event in case["events"]))
    corrected = {correction.name for correction in corrections.of_case(case["name"])}
    same = True
    for event, reply in zip(case["events"], replies, strict=True):
        expected = event.get("reply", OK)
        if not agrees(expected, reply):
            intended = corrected & ANSWERED_OTHERWISE or expected[2] == "ACL entry doesn't exist"
            assert intended, (case["name"], event["ulm"][:400], expected, reply)
            same = False
    if not same or corrected & NOT_COMPARED:
        return False
    if case["status"] is None:
        with pytest.raises(LbError):
            bench.status(JobId.parse(case["main"]))
        return True
    with_times = "SERVER-TIME" not in json.dumps(case["status"])
    ours = native.to_object(bench.status(JobId.parse(case["main"]), flags=FLAGS))
    assert comparable(ours, with_times=with_times) == comparable(case["status"], with_times=with_times), case["name"]
    return True


@pytest.mark.parametrize(("name", "compared"), [("examples", 47), ("traces", 96)])
def test_recorded_jobs_end_as_with_the_original(db_url: str, name: str, compared: int) -> None:
    bench = Bench(db_url, POLICY)
    assert sum(compare(bench, case) for case in cases(name)) == compared


@pytest.mark.parametrize(("name", "compared"), [("generated-simple", 647), ("generated-other", 362)])
def test_generated_jobs_end_as_with_the_original(tmp_path: Path, name: str, compared: int) -> None:
    bench = Bench(f"sqlite:///{tmp_path / 'lb.db'}", POLICY)
    assert sum(compare(bench, case) for case in cases(name)) == compared


# ---- the traces as they were recorded -------------------------------------------------------------------------------


def real_lines(path: Path, jobs: dict[str, str]) -> list[bytes]:
    """The lines of a trace with the ids of this server and the user of this test; lines without an id are left out."""
    found = []
    for text in path.read_bytes().splitlines():
        if b"DG.JOBID=" not in text:
            continue
        moved = re.sub(rb"https://[^/\"\\]+/", b"https://localhost:9000/", text)
        moved = re.sub(rb'DG\.USER="[^"]*"', b"", moved) + f' DG.USER="{USER_DN}"'.encode()
        event = ulm.parse(moved)
        jobs.setdefault(str(event.jobid), event.name)
        found.append(moved)
    return found


@pytest.mark.parametrize("trace", ["challenge-2006/dump1.log", "challenge-2006/dump4.log"])
def test_the_provenance_challenge_of_2006(db_url: str, trace: str) -> None:
    """One DAG with its 15 nodes, all done, with the tags that later make the provenance."""
    bench = Bench(db_url, POLICY)
    jobs: dict[str, str] = {}
    lines = real_lines(SHARED / "data" / trace, jobs)
    bench.must_log(lines)
    bench.must_log(lines)
    assert bench.count("jobs") == len(jobs) == 16
    assert bench.count("events") == len({ulm.write(ulm.parse(text)) for text in lines}) == 312
    found = [bench.status(JobId.parse(job), flags=Flag.CHILDREN) for job in jobs]
    [parent] = [status for status in found if status.jobtype == "DAG"]
    assert parent.children is not None and len(parent.children) == 15
    assert {status.state for status in found} == {"Done"}
    assert {status.done_code for status in found} == {"OK"}
    logged = [event for event in map(ulm.parse, lines) if event.name == "UserTag"]
    tags = {(str(event.jobid), event.fields["name"].lower()) for event in logged}
    assert len(logged) == 102 and len(tags) == bench.count("status_tags")
    assert {(status.jobId, name) for status in found for name in status.user_tags or {}} == tags


@pytest.mark.parametrize(("trace", "state"), [
    ("sample_job_aborted.log", "Aborted"), ("sample_job_cleared.log", "Cleared"), ("sample_job_waiting.log", "Ready"),
    ("sample_job_tagged_done.log", "Done"),
])
def test_the_sample_jobs(db_url: str, trace: str, state: str) -> None:
    """`waiting` is Ready by its last event; the original says so too."""
    bench = Bench(db_url, POLICY)
    jobs: dict[str, str] = {}
    bench.must_log(real_lines(SHARED / "data" / "lb-traces" / trace, jobs))
    assert {bench.status(JobId.parse(job)).state for job, first in jobs.items() if first == "RegJob"} == {state}
