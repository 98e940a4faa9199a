"""A job's whole life through the commands, on both databases: submit, run, track, purge, remember, find again."""

import errno
import gzip
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import examples
import grids
import mariadb
from grids import run, user_lb, wait_until
from gsi.credential import Credential
from httpg.client import session
from soap.client import Client
from soap.contract import load
from soap.faults import PosixFault
from testbed.layout import Layout

EXAMPLES = Path(next(iter(examples.__path__)))
ROOT = EXAMPLES.parent
LB_PLUGIN = "urn:org.glite.jp.primary:lb"
LB_ATTRIBUTES = "http://egee.cesnet.cz/en/Schema/LB/Attributes"


@pytest.fixture(scope="module", params=["sqlite", pytest.param("mariadb", marks=pytest.mark.mariadb)])
def grid(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Layout]:
    """A running grid on SQLite, and one on MariaDB."""
    url = None
    if request.param == "mariadb":
        server: mariadb.Server = request.getfixturevalue("mariadb_server")
        url = server.new_database()
    with grids.running_grid(tmp_path_factory.mktemp("grid"), url) as layout:
        yield layout


def submit(grid: Layout, jdl: str, *options: str) -> str:
    """Submit from the project's folder, as the README says; returns the job id."""
    printed = run(grid, "glite-wms-job-submit", "-a", *options, jdl, cwd=ROOT).stdout
    return re.search(r"^https://\S+$", printed, re.MULTILINE)[0]  # type: ignore[index]


def status(grid: Layout, jobid: str) -> dict[str, Any]:
    """What glite-wms-job-status says."""
    printed = run(grid, "glite-wms-job-status", "--json", jobid, check=False).stdout
    found = json.loads(printed)[jobid]
    return found if isinstance(found, dict) else {"error": found}


def wait_for_state(grid: Layout, jobid: str, *states: str) -> dict[str, Any]:
    """Wait until the status is one of these; returns it."""
    seen: dict[str, Any] = {}

    def reached() -> bool:
        seen.clear()
        seen.update(status(grid, jobid))
        return str(seen.get("current_status")).startswith(states)

    wait_until(reached, f"{jobid} to become {' or '.join(states)}, last seen {seen}")
    return seen


def test_a_job_lives_is_purged_and_found_again(grid: Layout, tmp_path: Path) -> None:
    jobid = submit(grid, "examples/slice-x.jdl")
    done = wait_for_state(grid, jobid, "Done", "Aborted")
    assert done["current_status"] == "Done (Success)"
    assert done["destination"].startswith("localhost:8443/cream-local-")

    run(grid, "glite-wms-job-output", "--nosubdir", "--dir", str(tmp_path / "fetched"), jobid)
    by_hand = tmp_path / "by-hand"
    by_hand.mkdir()
    subprocess.run([sys.executable, str(EXAMPLES / "slice.py"), "x", "slice-x.png"], cwd=by_hand, check=True,
                   capture_output=True)
    assert (tmp_path / "fetched" / "slice-x.png").read_bytes() == (by_hand / "slice-x.png").read_bytes()
    wait_for_state(grid, jobid, "Cleared")

    events = user_lb(grid).job_log(jobid)
    listed = tmp_path / "ids"
    listed.write_text(f"{jobid}\n")
    report = run(grid, "glite-lb-purge", "-s", "-l", "-j", str(listed)).stdout
    assert "Server dump: " in report
    assert jobid in report

    with pytest.raises(PosixFault) as refused:
        user_lb(grid).job_status(jobid)
    assert refused.value.code == errno.EIDRM == 43
    wait_until(lambda: status(grid, jobid).get("source") == "Job Provenance", "the index server to know the job")
    text = run(grid, "glite-wms-job-status", jobid).stdout
    assert "from Job Provenance" in text
    assert "purged" in text
    archived = status(grid, jobid)
    assert archived["current_status"] == "Cleared"
    assert archived["destination"] == done["destination"]
    assert len(dump_lines(grid, jobid)) == len(events)


def dump_lines(grid: Layout, jobid: str) -> list[bytes]:
    """The event lines that the Primary Storage keeps of the job, fetched as its owner."""
    connection = session(Credential.load(grid.user_proxy), grid.ca_dir)
    client = Client(load("JobProvenancePS"), grid.url("jpps"), connection)
    [url] = [file.url for file in client.call("GetJobFiles", jobid=jobid).files if file.class_ == LB_PLUGIN]
    answer = connection.get(url)
    assert answer.status_code == 200
    content = answer.content
    if content.startswith(b"\x1f\x8b"):
        content = gzip.decompress(content)
    return content.splitlines()


def test_a_program_that_fails_leaves_its_exit_code(grid: Layout, tmp_path: Path) -> None:
    jobid = submit(grid, "examples/fails.jdl")
    done = wait_for_state(grid, jobid, "Done", "Aborted")
    assert done["current_status"] == "Done (Exit Code !=0)"
    assert done["exitCode"] == "3"
    run(grid, "glite-wms-job-output", "--dir", str(tmp_path), "--nopurge", jobid)
    [error] = tmp_path.glob("*/fails.err")
    assert error.read_text() == "this program fails\n"


def test_a_job_that_nothing_matches_is_given_up(grid: Layout, tmp_path: Path) -> None:
    listed = run(grid, "glite-wms-job-list-match", "-a", "examples/nomatch.jdl", cwd=ROOT)
    assert "No Computing Element matching" in listed.stdout
    jdl = tmp_path / "nomatch.jdl"
    jdl.write_text(f"{(EXAMPLES / 'nomatch.jdl').read_text()}ExpiryTime = {int(time.time()) + 5};\n")
    jobid = submit(grid, str(jdl))
    aborted = wait_for_state(grid, jobid, "Aborted", "Done")
    assert aborted["current_status"] == "Aborted"
    assert aborted["reason"] == "request expired"


def test_list_match_names_the_elements(grid: Layout) -> None:
    found = run(grid, "glite-wms-job-list-match", "-a", "--rank", "--json", "examples/hello.jdl", cwd=ROOT)
    names = {entry["ceid"] for entry in json.loads(found.stdout)["ces"]}
    assert names == {"localhost:8443/cream-local-short", "localhost:8443/cream-local-long"}


def test_a_running_job_can_be_cancelled(grid: Layout, tmp_path: Path) -> None:
    jdl = tmp_path / "sleep.jdl"
    jdl.write_text('Executable = "/bin/sleep"; Arguments = "600";\n')
    jobid = submit(grid, str(jdl))
    wait_for_state(grid, jobid, "Running")
    run(grid, "glite-wms-job-cancel", "--noint", jobid)
    wait_for_state(grid, jobid, "Cancelled")


def test_the_log_of_a_job_holds_the_events_of_its_life(grid: Layout) -> None:
    jobid = submit(grid, "examples/hello.jdl")
    wait_for_state(grid, jobid, "Done")
    printed = run(grid, "glite-wms-job-logging-info", "-v", "0", jobid).stdout
    names = [line.removeprefix("- ") for line in printed.splitlines() if line.startswith("- ")]
    life = ["RegJob", "Accepted", "EnQueued", "DeQueued", "Match", "UserTag", "Transfer", "Running", "ReallyRunning",
            "Done"]
    places = [names.index(name) for name in life]
    assert places == sorted(places), names


def test_a_bad_description_is_refused_with_line_and_attribute(grid: Layout, tmp_path: Path) -> None:
    jdl = tmp_path / "bad.jdl"
    jdl.write_text('Executable = "/bin/true";\nRetryCount = "often";\n')
    refused = run(grid, "glite-wms-job-submit", "-a", str(jdl), check=False)
    assert refused.returncode == 1
    assert "line 2" in refused.stderr
    assert "RetryCount" in refused.stderr


def test_commands_explain_what_is_missing(grid: Layout) -> None:
    wrong = run(grid, "glite-wms-job-submit", "-a", check=False)
    assert wrong.returncode == 255
    unknown = run(grid, "glite-wms-job-status", f"https://{grid.address('lb')}/nobodyknowsthisjob1234", check=False)
    assert unknown.returncode == 1
    assert "does not know" in unknown.stdout


def test_up_twice_is_harmless(grid: Layout) -> None:
    before = json.loads(run(grid, "glite-testbed", "status", "--json", str(grid.root)).stdout)
    run(grid, "glite-testbed", "up", str(grid.root))
    after = json.loads(run(grid, "glite-testbed", "status", "--json", str(grid.root)).stdout)
    assert before == after
    assert {state["state"] for state in after.values()} == {"running"}
