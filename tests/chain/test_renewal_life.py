"""A job outlives its first proxy: the user renews the delegation with the command while the job runs."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import grids
from testbed.layout import Layout

#: Runs until its proxy is another one, then asks LB with it.
SCRIPT = """\
#!/bin/sh
first=$(cksum < $X509_USER_PROXY)
while [ "$first" = "$(cksum < $X509_USER_PROXY)" ]; do sleep 0.1; done
openssl x509 -in $X509_USER_PROXY -noout -enddate
"""
JOB = """\
[ Executable = "wait.sh"; InputSandbox = { "wait.sh" }; StdOutput = "out"; StdError = "err";
  OutputSandbox = { "out", "err" }; ]
"""


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Layout]:
    with grids.running_grid(tmp_path_factory.mktemp("grid")) as layout:
        yield layout


def test_a_running_job_gets_the_renewed_proxy(grid: Layout, tmp_path: Path) -> None:
    (tmp_path / "wait.sh").write_text(SCRIPT)
    (tmp_path / "job.jdl").write_text(JOB)
    delegate = ("glite-wms-job-delegate-proxy", "-d", "long", "--json")
    first = json.loads(grids.run(grid, *delegate, "--lifetime", "1:00").stdout)["servers"][0]["expires"]
    jobid = grids.run(grid, "glite-wms-job-submit", "-d", "long", "--nomsg", str(tmp_path / "job.jdl"), cwd=tmp_path
                      ).stdout.strip()
    grids.wait_until(lambda: grids.user_lb(grid).job_status(jobid).state == "RUNNING", "the job to run")
    second = json.loads(grids.run(grid, *delegate, "--renew").stdout)["servers"][0]["expires"]
    assert second > first
    grids.wait_until(lambda: grids.user_lb(grid).job_status(jobid).state == "DONE", "the job to see its new proxy")
    grids.run(grid, "glite-wms-job-output", "--nosubdir", "--dir", str(tmp_path / "output"), jobid)
    [output] = (tmp_path / "output").rglob("out")
    assert output.read_text().startswith("notAfter=") and f"{second[11:19]} " in output.read_text()
    assert "the renewed proxy was passed on" in grid.log("workload-manager").read_text()
