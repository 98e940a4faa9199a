"""What the services of a grid tell about themselves while a job lives its life."""

from collections.abc import Iterator

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

import grids
from grids import wait_until
from testbed import grid as testbed
from testbed.demo import Demo
from testbed.layout import HOST, USER_DN, Layout
from testbed.services import SERVICES


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Layout]:
    with grids.running_grid(tmp_path_factory.mktemp("grid")) as layout:
        yield layout


def metrics(grid: Layout, service: str) -> str:
    answer = requests.get(grid.status_url(service, "/metrics"), timeout=grids.PATIENCE_S)
    answer.raise_for_status()
    return answer.text


def operations(grid: Layout, service: str) -> set[tuple[str, str]]:
    """(operation, status) of the requests that a service has answered."""
    return {
        (labels["operation"], labels["status"])
        for family in text_string_to_metric_families(metrics(grid, service))
        for name, labels, *_ in family.samples if name == "glite_requests_total"
    }


def test_every_service_tells_how_it_is(grid: Layout) -> None:
    for service in SERVICES:
        wait_until(lambda service=service: testbed.complaints(grid, service) == [], service.name)  # type: ignore[misc]
        text = metrics(grid, service.name)
        assert "glite_build_info" in text and "glite_process_resident_memory_bytes" in text
        if service.name != "workload-manager":  # it has no credential of its own
            assert "glite_certificate_expiry_seconds" in text
    assert {found["state"] for found in testbed.status(grid).values()} == {"running"}


def test_the_operations_of_a_job_are_counted_by_name(grid: Layout) -> None:
    demo = Demo(grid, Console(quiet=True))
    demo.submit(["fails"])
    demo.watch()
    demo.fetch()
    demo.purge()
    demo.find_again()
    for service, expected in {
        "wmproxy": {("jobSubmit", "200"), ("putProxy", "200")}, "jpis": {("QueryJobs", "200"), ("UpdateJobs", "200")},
        "jpps": {("RegisterJob", "200"), ("StartUpload", "200"), ("CommitUpload", "200"), ("PUT", "201")},
        "lb": {("JobStatus", "200"), ("store", "0")},
    }.items():
        wait_until(lambda a=service, b=expected: b <= operations(grid, a), f"{expected} of {service}")  # type: ignore[misc]


def test_nothing_of_users_jobs_or_files_is_shown(grid: Layout) -> None:
    for service in SERVICES:
        text = metrics(grid, service.name)
        assert USER_DN not in text and f"https://{HOST}" not in text and str(grid.root) not in text
