"""SIGHUP to every daemon of a grid: none dies, none loses anything, and those that serve show their new certificate."""

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

import grids
from grids import wait_until
from gsi.context import client_ssl_context
from gsi.credential import Credential
from testbed import ca, process
from testbed import grid as testbed
from testbed.demo import Demo
from testbed.layout import HOST, Layout
from testbed.services import SERVICES, Service

PORTS = {"lb": ("lb", "lb_store", "lb_ws"), "jpps": ("jpps",), "jpis": ("jpis",), "wmproxy": ("wmproxy",)}


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Layout]:
    with grids.running_grid(tmp_path_factory.mktemp("grid")) as layout:
        yield layout


def running(grid: Layout, service: Service) -> process.Process:
    found = process.find(testbed.mark(grid, service))
    assert found is not None, f"{service.name} has ended:\n{grid.log(service.name).read_text()[-2000:]}"
    return found


def serial(grid: Layout, port: str) -> int:
    """The serial number of the certificate that a service shows."""
    context = client_ssl_context(Credential.load(grid.user_proxy), grid.ca_dir)
    with (socket.create_connection((HOST, grid.ports[port]), timeout=grids.PATIENCE_S) as plain,
          context.wrap_socket(plain, server_hostname=HOST) as tls):
        certificate = tls.getpeercert()
        assert certificate is not None
        return int(str(certificate["serialNumber"]), 16)


def replace_host_credential(grid: Layout) -> int:
    """Install a new certificate and key, as a sysadmin does once a year; return its serial number."""
    keep = grid.ca_dir.parent
    authority = ca.load_authority(keep / "cacert.pem", keep / "cakey.pem")
    new = ca.issue_host(authority, HOST, "127.0.0.1")
    for path in (grid.host_cert, grid.host_key):
        path.unlink()
    ca.save_pair(new, grid.host_cert, grid.host_key)
    return new.certificate.serial_number


def wait_for_workers(grid: Layout, times: int) -> None:
    """Until every worker has read its credential anew that many times: one shows the new one before others do."""
    for name in PORTS:
        def all_have(log: Path = grid.log(name)) -> bool:
            return log.read_text().count("SIGHUP: credentials, CAs and CRLs read anew") >= times * grid.choices.workers
        wait_until(all_have, f"all workers of {name} have read anew")


def test_all_daemons_go_on_and_a_job_that_is_running_is_accounted_for(grid: Layout) -> None:
    before = {service.name: running(grid, service) for service in SERVICES}
    children = {name: process.descendants(parent.pid) for name, parent in before.items() if name in PORTS}
    demo = Demo(grid, Console(quiet=True))
    demo.submit(["fails"])
    new = replace_host_credential(grid)
    for parent in before.values():
        parent.signal(signal.SIGHUP)
    for ports in PORTS.values():
        for port in ports:
            wait_until(lambda port=port: serial(grid, port) == new, f"the new certificate at {port}")  # type: ignore[misc]
    wait_for_workers(grid, 1)
    demo.watch()
    assert [job.state for job in demo.jobs] == ["Done (Exit Code !=0)"]
    demo.fetch()
    demo.purge()
    demo.find_again()
    assert {service.name: running(grid, service) for service in SERVICES} == before
    for name, known in children.items():
        assert all(child.alive for child in known), f"a process of {name} was started anew"


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_many_signals_do_no_harm(grid: Layout, service: Service) -> None:
    daemon = running(grid, service)
    for _ in range(50):
        daemon.signal(signal.SIGHUP)
    assert testbed.answers(grid, service)
    assert running(grid, service) == daemon


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_an_unusable_certificate_does_no_harm(grid: Layout, service: Service, tmp_path: Path) -> None:
    """What serves goes on with what it has; all say on their status port what is the matter, or serve on."""
    daemon = running(grid, service)
    kept = grid.host_cert.read_bytes()
    told_before = complaints_of_the_server(grid, service)
    grid.host_cert.write_text("garbage")
    try:
        daemon.signal(signal.SIGHUP)
        if service.name in PORTS:
            log = grid.log(service.name)
            wait_until(lambda: "the old one stays" in log.read_text(), "the complaint in the log")
            assert testbed.answers(grid, service)
        elif service.name != "workload-manager":  # which has no credential of its own
            wait_until(lambda: "cannot be read" in str(testbed.complaints(grid, service)), "the complaint")
    finally:
        grid.host_cert.write_bytes(kept)
    daemon.signal(signal.SIGHUP)
    wait_until(lambda: testbed.complaints(grid, service) == [], "no complaint")
    assert running(grid, service) == daemon
    new = complaints_of_the_server(grid, service)[len(told_before):]
    assert len(new) == 1 or service.name not in PORTS, f"one line says it, however many processes there are: {new}"


def complaints_of_the_server(grid: Layout, service: Service) -> list[str]:
    """The lines of the log in which the server complains of a credential."""
    lines = grid.log(service.name).read_text().splitlines()
    return [line for line in lines if " ERROR httpg" in line or " ERROR gsi" in line]
