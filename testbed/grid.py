"""Bring a grid up and down."""

import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests

from gsi.credential import Credential
from gsi.errors import CredentialError
from gsi.proxy import create_proxy
from httpg.client import session
from testbed import ca, configuration, process, voms
from testbed.layout import HOST, USER_DN, VO, VOMS_HOST, Layout
from testbed.services import SERVICES, Service
from wms.ce.local import end_all

START_TIMEOUT_S = 90.0
PROXY_LIFETIME = timedelta(hours=12)
#: A proxy with less than this left is renewed by `up`.
PROXY_MARGIN = timedelta(hours=1)
#: How long one question to a starting service may take, in seconds.
PROBE_TIMEOUT_S = 5.0
#: How long jobs may take to end when the grid goes down, in seconds.
JOB_PATIENCE_S = 5.0


class NotUp(Exception):
    """A service does not start or does not answer; the message names it and its log."""


def up(grid: Layout, say: Callable[[str], None] = lambda text: None) -> None:
    """Make what is missing, start what does not run, wait until all answers. Raises NotUp."""
    configuration.make_directories(grid)
    credentials(grid)
    _check_ports(grid)
    configuration.make_databases(grid)
    host, user = Credential.load_pair(grid.host_cert, grid.host_key), Credential.load(grid.user_proxy)
    configuration.write(grid, host.dn, user.dn, str(Path(sys.executable).parent))
    grid.save()
    started = [service for service in SERVICES if start_service(grid, service)]
    for service in SERVICES:
        wait_for(grid, service)
        if service in started:
            say(f"  {service.name} is up" + (f" at {grid.url(service.port)}" if service.port else ""))


def down(grid: Layout) -> None:
    """Stop all services and the jobs they run; harmless when none runs."""
    for service in reversed(SERVICES):
        if (running := process.find(mark(grid, service))) is not None:
            process.stop([running])
        mark(grid, service).unlink(missing_ok=True)
    # Jobs outlive the workload manager, so that it may be restarted; here nothing is to be left running.
    end_all(grid.root / "wms" / "manager" / "ce", JOB_PATIENCE_S)


def status(grid: Layout) -> dict[str, dict[str, Any]]:
    """For each service: `state` (running, not ready, not answering, stopped), `why` not ready, `pid`, `url`, `log`."""
    found: dict[str, dict[str, Any]] = {}
    for service in SERVICES:
        running, why = process.find(mark(grid, service)), []
        state = "stopped"
        if running is not None:
            why = complaints(grid, service)
            state = "not answering" if not answers(grid, service) else "not ready" if why else "running"
        found[service.name] = {
            "state": state, "why": why, "pid": running.pid if running else None,
            "url": grid.url(service.port) if service.port else None, "log": str(grid.log(service.name)),
        }
    return found


def credentials(grid: Layout) -> None:
    """Make the CA, the host's and the user's credential once, and a fresh proxy when the old one ends soon."""
    if not grid.user_key.exists():
        _make_authority(grid)
    if not grid.voms_key.exists():
        _make_voms_server(grid)
    try:
        left = Credential.load(grid.user_proxy).not_after - datetime.now(UTC)
    except CredentialError:
        left = timedelta(0)
    if left < PROXY_MARGIN:
        new_proxy(grid, PROXY_LIFETIME)


def _make_authority(grid: Layout) -> None:
    """The CA, its directory, the host's and the user's certificate; the user's key comes last and marks the end."""
    authority = ca.new_authority()
    ca.write_ca_directory(grid.ca_dir, [authority])
    keep = grid.ca_dir.parent
    for old in (keep / "cakey.pem", grid.host_key):
        old.unlink(missing_ok=True)
    ca.save_authority(authority, keep / "cacert.pem", keep / "cakey.pem")
    ca.save_pair(ca.issue_host(authority, HOST, "127.0.0.1"), grid.host_cert, grid.host_key)
    ca.save_pair(ca.issue_user(authority, USER_DN), grid.user_cert, grid.user_key)


def _make_voms_server(grid: Layout) -> None:
    """The credential that signs VO attributes, and what tells the services to believe it."""
    keep = grid.ca_dir.parent
    credential = ca.issue_host(ca.load_authority(keep / "cacert.pem", keep / "cakey.pem"), VOMS_HOST)
    voms.write_vomsdir(grid.vomsdir, [voms.VomsServer(VO, credential, VOMS_HOST)])
    ca.save_pair(credential, grid.voms_cert, grid.voms_key)


def new_proxy(grid: Layout, lifetime: timedelta, limited: bool = False, fqans: Sequence[str] = ()) -> Credential:
    """Make a new proxy of the user and return it; fqans: what its VO says of the user, first is primary."""
    user = Credential.load_pair(grid.user_cert, grid.user_key)
    extensions = []
    if fqans:
        server = voms.VomsServer(VO, Credential.load_pair(grid.voms_cert, grid.voms_key), VOMS_HOST)
        extensions = [voms.extension([voms.attribute_certificate(server, user.certificate, fqans, lifetime=lifetime)])]
    made = create_proxy(user, lifetime, limited=limited, extensions=extensions)
    made.save(grid.user_proxy)
    return made


def start_service(grid: Layout, service: Service) -> bool:
    """Start a service unless it runs already; True when it was started."""
    marked = mark(grid, service)
    if process.find(marked) is not None:
        return False
    environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": os.environ.get("HOME", "/"),
                   "X509_CERT_DIR": str(grid.ca_dir), "X509_VOMS_DIR": str(grid.vomsdir),
                   "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1"}
    process.start(service.command(grid), grid.log(service.name), marked, environment)
    return True


def wait_for(grid: Layout, service: Service) -> None:
    """Wait until the service answers. Raises NotUp with the end of its log."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.find(mark(grid, service)) is None:
            raise NotUp(f"{service.name} stopped right after its start:\n{_tail(grid, service)}")
        if answers(grid, service) and not complaints(grid, service):
            return
        time.sleep(0.1)
    raise NotUp(f"{service.name} does not answer within {START_TIMEOUT_S:.0f} s:\n{_tail(grid, service)}")


def answers(grid: Layout, service: Service) -> bool:
    """True when the service completes a TLS handshake with the user's proxy and answers HTTP."""
    if service.port is None:
        return complaints(grid, service) == []
    try:
        with session(Credential.load(grid.user_proxy), grid.ca_dir, timeout=PROBE_TIMEOUT_S) as connection:
            return connection.get(grid.url(service.port, "/?wsdl")).status_code < 500
    except requests.RequestException:
        return False


def complaints(grid: Layout, service: Service) -> list[str]:
    """Why the service is not ready, in its own words; empty when it is."""
    try:
        with requests.Session() as connection:
            connection.trust_env = False
            answer = connection.get(grid.status_url(service.name, "/healthz"), timeout=PROBE_TIMEOUT_S)
            return list(answer.json()["reasons"])
    except (requests.RequestException, ValueError):
        return ["it does not tell how it is"]


def _check_ports(grid: Layout) -> None:
    """A port held by somebody else is told before anything is started."""
    running = [service for service in SERVICES if process.find(mark(grid, service)) is not None]
    ours = {service.port for service in running} | {f"{service.name}_status" for service in running}
    if "lb_ws" in ours:
        ours |= {"lb", "lb_store"}
    for name, port in grid.ports.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                if name not in ours:
                    probe.bind((HOST, port))
            except OSError:
                raise NotUp(
                    f"port {port} ({name}) is in use; stop what uses it, or choose others: "
                    f"glite-testbed up NEWDIR --base-port 19000"
                ) from None


def mark(grid: Layout, service: Service) -> Path:
    """The file that names the process of a service."""
    return grid.root / "run" / f"{service.name}.json"


def _tail(grid: Layout, service: Service) -> str:
    log = grid.log(service.name)
    lines = log.read_text(errors="replace").splitlines()[-15:] if log.exists() else []
    return "\n".join([*lines, f"(log: {log})"])
