"""`kill -9` of any one server while jobs run: all jobs are accounted for in the end, in LB and in Job Provenance."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

import grids
from grids import wait_until
from testbed import grid as testbed
from testbed import process
from testbed.demo import Demo
from testbed.layout import Layout
from testbed.services import SERVICES, Service

JOBS = ("slice x", "fails")


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Layout]:
    """One grid for all kills: what one leaves behind must not disturb the next."""
    with grids.running_grid(tmp_path_factory.mktemp("grid")) as layout:
        yield layout


def kill(grid: Layout, service: Service) -> None:
    """Kill the server and wait until it and its children are gone: its ports are free again."""
    running = process.find(testbed.mark(grid, service))
    assert running is not None
    children = process.descendants(running.pid)
    running.signal(signal.SIGKILL)
    wait_until(lambda: not running.alive and not any(child.alive for child in children), f"{service.name} to die")


def restart(grid: Layout, service: Service) -> None:
    """Start the server again."""
    assert testbed.start_service(grid, service)
    testbed.wait_for(grid, service)


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_killed_while_jobs_run(grid: Layout, service: Service, tmp_path: Path) -> None:
    demo = Demo(grid, Console(quiet=True))
    demo.submit(JOBS)
    kill(grid, service)
    restart(grid, service)
    demo.watch()
    assert {job.name: job.state for job in demo.jobs} == {"slice x": "Done (Success)", "fails": "Done (Exit Code !=0)"}
    demo.fetch()
    assert demo.jobs[0].picture is not None
    demo.purge()
    demo.find_again()
    assert [job.after for job in demo.jobs] == ["purged", "purged"]


@pytest.mark.parametrize("name", ["lb", "jpps", "importer", "jpis"])
def test_killed_after_the_purge(grid: Layout, name: str) -> None:
    [service] = [service for service in SERVICES if service.name == name]
    demo = Demo(grid, Console(quiet=True))
    demo.submit(["fails"])
    demo.watch()
    demo.fetch()
    demo.purge()
    kill(grid, service)
    restart(grid, service)
    demo.find_again()
