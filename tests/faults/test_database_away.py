"""`kill -9` of the database server while jobs run: the services wait for it, none of their processes ends."""

import errno
from collections.abc import Iterator

import pytest
from rich.console import Console

import grids
import mariadb
from soap.faults import PosixFault
from testbed import grid as testbed
from testbed import process
from testbed.demo import Demo
from testbed.layout import Layout
from testbed.services import SERVICES

pytestmark = pytest.mark.mariadb


@pytest.fixture(scope="module")
def database() -> Iterator[mariadb.Server]:
    """A server of our own: it is killed."""
    if not mariadb.available():
        pytest.fail("mariadb-server is not installed; run `make test`, which installs it")
    with mariadb.Server() as server:
        yield server


@pytest.fixture(scope="module")
def grid(database: mariadb.Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Layout]:
    url = f"mysql://root@localhost/away?unix_socket={database.socket}"
    with grids.running_grid(tmp_path_factory.mktemp("grid"), url) as layout:
        yield layout


def processes(grid: Layout) -> set[process.Process]:
    """All processes of the services but those that run jobs."""
    servers = [process.find(testbed.mark(grid, service)) for service in SERVICES if service.name != "workload-manager"]
    assert None not in servers
    running = [server for server in servers if server is not None]
    return {*running, *(child for server in running for child in process.descendants(server.pid))}


def log_of(grid: Layout, name: str) -> str:
    return grid.log(name).read_text()


def test_killed_while_jobs_run_and_again_after_the_purge(grid: Layout, database: mariadb.Server) -> None:
    before = processes(grid)
    demo = Demo(grid, Console(quiet=True))
    demo.submit(["slice x", "fails"])
    database.kill()
    with pytest.raises(PosixFault, match="the database does not answer") as fault:
        grids.user_lb(grid).job_status(demo.jobs[0].jobid)
    assert fault.value.code == errno.EIO
    refused = demo.attempt("glite-lb-purge", "--done", "0")
    assert refused.returncode != 0 and "the database does not answer" in refused.stdout + refused.stderr
    grids.wait_until(lambda: "registrations wait" in log_of(grid, "lb"), "the export of registrations to notice")
    database.start()
    demo.watch()
    demo.fetch()
    demo.purge()
    database.kill()
    database.start()
    demo.find_again()
    assert [(job.exit_code, job.archived) for job in demo.jobs] == [("0", "Cleared"), ("3", "Cleared")]
    assert processes(grid) == before
