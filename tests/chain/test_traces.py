"""Real traces are logged to LB, purged, kept and indexed: every job, state and tag must arrive on the other side."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import grids
from grids import run, user_lb, wait_until
from gsi.credential import Credential
from httpg.client import session
from lb.model import ulm
from lb.storeclient import StoreConnection
from shared import SHARED, needs_shared
from soap.client import Client
from soap.contract import load
from testbed.layout import Layout

pytestmark = needs_shared

ORACLE_SERVER = "localhost:9000"
LB = "http://egee.cesnet.cz/en/Schema/LB/Attributes"
TAGS = "http://egee.cesnet.cz/en/WSDL/jp-lbtag"
SYSTEM = "http://egee.cesnet.cz/en/Schema/JP/System"
#: The tags of the provenance challenge, which the default configuration of the index server asks for.
WANTED_TAGS = ("IPAW_STAGE", "IPAW_PROGRAM", "IPAW_PARAM", "IPAW_INPUT", "IPAW_OUTPUT", "IPAW_HEADER")
#: Attributes of a job's own dump: a parent's state that follows from its children is LB's, not the dump's.
COLLECTION = "COLLECTION"
OK = [0, 0, "OK"]
#: The original refuses what concerns a job whose parent is not registered; the same traces are there without parent.
DEFECTS = ("update_parent_status()",)


@dataclass
class Case:
    """One trace as the original server saw it, with the job ids of this grid."""

    name: str
    events: list[tuple[bytes, list[Any]]]
    states: dict[str, str]
    tags: dict[str, set[tuple[str, str]]] = field(default_factory=dict)


def traces(server: str) -> Iterator[Case]:
    """The recorded traces in the order of the file, each under the ids of `server`; a job is taken from one trace."""
    seen: set[str] = set()
    with gzip.open(SHARED / "data/lb-oracle/traces.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            case = json.loads(line)
            if "@" in case["name"] or case["recomputed"] or seen & set(case["jobs"]):
                continue
            if any(event.get("server_failed") or event.get("reply", OK)[2] in DEFECTS for event in case["events"]):
                continue
            seen |= set(case["jobs"])
            yield _case(case, server)


def _case(case: dict[str, Any], server: str) -> Case:
    def moved(text: str) -> str:
        return text.replace(f"https://{ORACLE_SERVER}/", f"https://{server}/")

    found = Case(case["name"], [], {})
    for event in case["events"]:
        reply = event.get("reply", OK)
        line = moved(event["ulm"])
        found.events.append((ulm.encode(line), reply))
        if reply[0] == 0:
            parsed = ulm.parse(line)
            if parsed.name == "UserTag":
                tag = (parsed.fields["name"].lower(), parsed.fields["value"])
                found.tags.setdefault(str(parsed.jobid), set()).add(tag)
    statuses = [case["status"] or {}, *(case["status"] or {}).get("children_states", [])]
    statuses += [other["status"] for other in case.get("others", {}).values() if other["status"]]
    found.states = {moved(status["jobId"]): status["@name"] for status in statuses if "jobId" in status}
    return found


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Layout]:
    """A grid into whose LB all traces have been logged."""
    with grids.running_grid(tmp_path_factory.mktemp("grid")) as layout:
        yield layout


@pytest.fixture(scope="module")
def logged(grid: Layout) -> list[Case]:
    """All traces, delivered event by event, each reply as the original gave it.

    The original's policy let the user log all events; here a user registers, the grid's own identity logs the rest.
    """
    cases = list(traces(grid.address("lb")))
    assert len(cases) > 15
    user = StoreConnection(grid.address("lb"), Credential.load(grid.user_proxy), grid.ca_dir)
    host = StoreConnection(grid.address("lb"), Credential.load_pair(grid.host_cert, grid.host_key), grid.ca_dir)
    for case in cases:
        for line, expected in case.events:
            reply = (user if b'DG.EVNT="RegJob"' in line else host).deliver(line)
            assert reply.major == expected[0], (case.name, line[:300], reply, expected)
    user.close()
    host.close()
    return cases


def test_the_states_are_those_of_the_original(grid: Layout, logged: list[Case]) -> None:
    client = user_lb(grid)
    wrong = {}
    for case in logged:
        for jobid, state in case.states.items():
            found = client.job_status(jobid).state.capitalize()
            if found != state:
                wrong[case.name, jobid] = (found, state)
    assert not wrong


def test_every_job_state_and_tag_arrives_at_the_index_server(
    grid: Layout, logged: list[Case], tmp_path: Path
) -> None:
    before = user_lb(grid).user_jobs()
    states = {jobid: status.state.capitalize() for jobid, status in zip(before.jobs, before.states, strict=True)}
    parents = {status.jobId for status in before.states if status.jobtype == COLLECTION}
    for case in logged:
        assert set(case.states) <= set(states), case.name
    listed = tmp_path / "ids"
    listed.write_text("".join(f"{jobid}\n" for jobid in states))
    report = run(grid, "glite-lb-purge", "-s", "-l", "-j", str(listed)).stdout
    purged = {line for line in report.splitlines() if line.startswith("https://")}
    assert purged == set(states)

    index = _Index(grid)
    wait_until(lambda: set(index.jobs()) >= purged, "all purged jobs to be indexed")
    archived = index.jobs()
    differing = {
        jobid: (archived[jobid].states, state) for jobid, state in states.items()
        if jobid not in parents and state not in archived[jobid].states
    }
    assert not differing
    for case in logged:
        for jobid, tags in case.tags.items():
            wanted = {(name, value) for name, value in tags if name.upper() in WANTED_TAGS}
            assert wanted <= archived[jobid].tags, (case.name, jobid)
    assert sum(len(job.tags) for job in archived.values()) > 100


@dataclass
class _Indexed:
    states: set[str]
    tags: set[tuple[str, str]]


class _Index:
    """The index server as the user sees it."""

    def __init__(self, grid: Layout) -> None:
        self._contract = load("JobProvenanceIS")
        connection = session(Credential.load(grid.user_proxy), grid.ca_dir)
        self._client = Client(self._contract, grid.url("jpis"), connection)

    def jobs(self) -> dict[str, _Indexed]:
        """All jobs of the user that have a state."""
        types = self._contract.types
        any_state = types.indexQuery(attr=f"{LB}:status", record=[types.indexQueryRecord(op="EXISTS")])
        wanted = [f"{LB}:status", *(f"{TAGS}:{name}" for name in WANTED_TAGS)]
        found = {}
        for job in self._client.stream("QueryJobs", child="jobs", conditions=[any_state], attributes=wanted):
            values = [(value.name, value.value.string) for value in job.attributes]
            found[job.jobid] = _Indexed(
                {text for name, text in values if name == f"{LB}:status"},
                {(name.removeprefix(f"{TAGS}:").lower(), text) for name, text in values if name.startswith(TAGS)},
            )
        return found
