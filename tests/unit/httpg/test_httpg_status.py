"""Health and metrics: what they say while a server lives, and when parts of it do not."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

import pki
from gsi.credential import Credential
from gsi.errors import CredentialError
from httpg import monitor
from httpg import status as statuses
from httpg.limits import Limits
from httpg.monitor import Picture
from httpg.server import Listener, Server
from httpg.solo import SoloStatus
from httpg.status import Check, Status
from httpg.wsgi import HttpProtocol
from rawtls import RawClient
from tlsserver import PATIENCE_S, Running, free_port, serving, wait_for

GET = b"GET / HTTP/1.1\r\n\r\n"


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Say who I am; wait for the file named in the query if there is one."""
    environ["httpg.operation"] = "WhoAreYou"
    if gate := environ["QUERY_STRING"]:
        wait_for(Path(gate).exists)
    start_response("200 OK", [])
    return [str(os.getpid()).encode()]


class Watched:
    """A server with its status port."""

    def __init__(self, process: Running, port: int) -> None:
        self.process, self.port = process, port

    def get(self, path: str, **options: Any) -> requests.Response:
        with requests.Session() as http:
            http.trust_env = False
            return http.get(f"http://127.0.0.1:{self.port}{path}", timeout=PATIENCE_S, **options)

    def metric(self, sample: str, **labels: str) -> float | None:
        """The value of a sample; None when there is none."""
        for family in text_string_to_metric_families(self.get("/metrics").text):
            for name, found, value, *_ in family.samples:
                if name == sample and found == labels:
                    return float(value)
        return None

    def ask(self) -> int:
        """The process id of the worker that answers."""
        with RawClient(self.process.ports[0]) as client:
            return int(client.send(GET).answer()[2])

    def ready(self) -> bool:
        return self.get("/healthz/ready").status_code == 200


@contextmanager
def watched(ready: Callable[[], None] = lambda: None, workers: int = 2, **options: Any) -> Iterator[Watched]:
    listener = Listener("127.0.0.1", 0, lambda: HttpProtocol(application))
    server = Server([listener], pki.host(), pki.ca_dir(), workers=workers,
                    status=Status("127.0.0.1", 0, "glite-test", ready), **options)
    server.bind()
    port = server.status_port
    assert port
    with serving(server) as process:
        site = Watched(process, port)
        wait_for(lambda: "does not accept" not in site.get("/healthz").text)
        yield site


def test_health_of_a_server_that_is_well() -> None:
    with watched() as site:
        assert (site.get("/healthz/live").status_code, site.get("/healthz/live").text) == (200, "ok\n")
        assert (site.get("/healthz/ready").status_code, site.get("/healthz/ready").text) == (200, "ok\n")
        assert site.get("/healthz").json() == {"live": True, "ready": True, "reasons": []}
        assert site.get("/nonsense").status_code == 404
        assert site.get("/healthz", headers={"Accept": "x" * 5000}).status_code == 200


def test_the_services_own_check(tmp_path: Path) -> None:
    """While it fails the server is not ready, but lives; why it fails is not told to everybody on the machine."""
    def check() -> None:
        (tmp_path / "asked").touch()
        if (tmp_path / "away").exists():
            raise RuntimeError("the password of the database is secret")

    with watched(check) as site:
        assert site.ready() and (tmp_path / "asked").exists()
        (tmp_path / "away").touch()
        wait_for(lambda: not site.ready())
        assert site.get("/healthz/live").status_code == 200
        text = site.get("/healthz").text
        assert "own check failed" in text and "secret" not in text
        (tmp_path / "away").unlink()
        wait_for(site.ready)


def test_a_check_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statuses, "_CHECK_S", 0.05)
    go, calls = threading.Event(), []

    def hang() -> None:
        calls.append(1)
        go.wait()

    check = Check(hang)
    assert all("takes longer" in check.failure() for _ in range(5))
    assert len(calls) == 1, "one at a time"
    go.set()
    wait_for(lambda: check.failure() == "")


def test_counts_of_requests() -> None:
    labels = {"operation": "WhoAreYou", "status": "200"}
    with watched() as site:
        with RawClient(site.process.ports[0]) as client:
            for _ in range(5):
                client.send(GET).answer()
        wait_for(lambda: site.metric("glite_requests_total", **labels) == 5)
        assert site.metric("glite_request_duration_seconds_count", **labels) == 5
        assert site.metric("glite_request_duration_seconds_bucket", le="+Inf", **labels) == 5
        assert (site.metric("glite_received_bytes_total", **labels) or 0) == 5 * len(GET)
        assert (site.metric("glite_sent_bytes_total", **labels) or 0) > 100
        assert site.metric("glite_connections_accepted_total") == 1
        wait_for(lambda: site.metric("glite_connections_open") == 0)
        expiry = site.metric("glite_certificate_expiry_seconds")
        assert expiry and abs(expiry - (pki.host().not_after.timestamp() - time.time())) < PATIENCE_S
        assert 0 <= (site.metric("glite_crl_age_seconds") or -1) < (site.metric("glite_crl_expiry_seconds") or 0)
        assert 'service="glite-test"' in site.get("/metrics").text
        assert pki.USER_DN not in site.get("/metrics").text


def test_counts_of_refusals(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with watched(workers=1, limits=Limits(max_address_connections=2, max_requests=1)) as site:
        port = site.process.ports[0]
        with RawClient(port) as one, RawClient(port) as two:
            one.send(b"GET /?%b HTTP/1.1\r\n\r\n" % str(gate).encode())
            wait_for(lambda: site.metric("glite_requests_in_flight") == 1)
            assert two.send(GET).answer()[0] == 503
            with socket.create_connection(("127.0.0.1", port)) as third:
                assert _ended(third)
            wait_for(lambda: site.metric("glite_refused_total", reason="requests") == 1)
            assert site.metric("glite_refused_total", reason="address") == 1
            assert site.metric("glite_connections_open") == 2
            gate.touch()
            one.answer()
        wait_for(lambda: site.metric("glite_connections_open") == 0)
        with socket.create_connection(("127.0.0.1", port)) as plain:
            plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
            plain.recv(1000)
        wait_for(lambda: site.metric("glite_handshakes_failed_total", reason="no TLS") == 1)


def _ended(sock: socket.socket) -> bool:
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True


def test_what_a_dead_worker_has_counted_stays_and_its_connections_do_not() -> None:
    labels = {"operation": "WhoAreYou", "status": "200"}
    with watched(workers=1) as site, RawClient(site.process.ports[0]) as client:
        worker = int(client.send(GET).answer()[2])
        wait_for(lambda: site.metric("glite_requests_total", **labels) == 1)
        wait_for(lambda: site.metric("glite_connections_open") == 1)
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: site.metric("glite_restarts_total") == 1)
        wait_for(site.ready)
        assert site.ask() != worker
        wait_for(lambda: site.metric("glite_requests_total", **labels) == 2)
        wait_for(lambda: site.metric("glite_connections_open") == 0)


def test_workers_that_are_killed_while_metrics_are_read() -> None:
    """Every answer is whole and counters never go back."""
    labels = {"operation": "WhoAreYou", "status": "200"}
    with watched() as site:
        last = 0.0
        for _ in range(10):
            victim = site.ask()
            os.kill(victim, signal.SIGKILL)
            for _ in range(5):
                answer = site.get("/metrics")
                assert answer.status_code == 200 and "glite_build_info" in answer.text
                now = site.metric("glite_requests_total", **labels) or 0.0
                assert now >= last
                last = now
        assert (site.metric("glite_restarts_total") or 0) > 0


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers made by the test believe in a silent process for less long: the rule is tested, not our patience."""
    monkeypatch.setattr(monitor, "SILENCE_S", 3.0)


@pytest.mark.usefixtures("impatient")
def test_a_server_without_workers_that_answer_lives_but_is_not_ready() -> None:
    """A worker that hangs says nothing any more; the others, and the monitor, go on."""
    with watched(workers=2) as site:
        hanging = site.ask()
        os.kill(hanging, signal.SIGSTOP)
        try:
            wait_for(lambda: not site.ready())
            assert "does not accept connections" in site.get("/healthz/ready").text
            assert site.get("/healthz/live").status_code == 200
            assert site.metric("glite_workers") == 1
        finally:
            os.kill(hanging, signal.SIGCONT)
        wait_for(site.ready)


@pytest.mark.usefixtures("impatient")
def test_a_supervisor_that_hangs_is_dead() -> None:
    with watched(workers=1) as site:
        site.process.signal(signal.SIGSTOP)
        try:
            wait_for(lambda: site.get("/healthz/live").status_code == 503)
            assert "the supervisor does not react" in site.get("/healthz/live").text
        finally:
            site.process.signal(signal.SIGCONT)
        wait_for(lambda: site.get("/healthz/live").status_code == 200)


def test_the_monitor_is_started_again() -> None:
    with watched(workers=1) as site:
        worker = site.ask()
        [watching] = set(_children(site.process.pid)) - {worker}
        os.kill(watching, signal.SIGKILL)
        wait_for(lambda: _children(site.process.pid) and watching not in _children(site.process.pid))
        wait_for(lambda: _tries_ready(site))
        assert site.metric("glite_restarts_total") == 1
        assert site.ask() == worker


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_full_worker_is_not_ready() -> None:
    with watched(workers=1, limits=Limits(max_connections=1)) as site:
        with RawClient(site.process.ports[0]) as client:
            client.send(GET).answer()
            wait_for(lambda: not site.ready())
        wait_for(site.ready)


def test_silent_clients_of_the_status_port_do_not_take_it_from_others() -> None:
    with watched() as site:
        silent = [socket.create_connection(("127.0.0.1", site.port)) for _ in range(8)]
        assert site.ready()
        many = [socket.create_connection(("127.0.0.1", site.port)) for _ in range(30)]
        for sock in silent + many:
            sock.close()
        wait_for(lambda: _tries_ready(site))


def _tries_ready(site: Watched) -> bool:
    try:
        return site.ready()
    except requests.RequestException:
        return False


def test_an_expired_certificate_is_not_ready() -> None:
    picture = Picture(["worker 1"])
    picture.take({"processes": {"worker 1": 7}, "restarts": 0, "reloads": {}})
    state = {"connections": 0, "full": False, "not_after": time.time() + 1000}
    picture.take({"worker": "worker 1", "pid": 7, "state": state})
    assert picture.health().ready
    picture.take({"worker": "worker 1", "pid": 7, "state": state | {"not_after": time.time() - 1}})
    assert picture.health().unfit == ("the server's certificate has expired",)
    picture.take({"processes": {"worker 1": 8}, "restarts": 1, "reloads": {}})
    assert picture.health().unfit == ("worker 1 does not accept connections",)
    assert picture.not_after() is None


def test_a_port_that_is_taken_stops_the_start() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        status = Status("127.0.0.1", taken.getsockname()[1], "glite-test")
        with pytest.raises(OSError, match="in use"):
            SoloStatus(status)


def test_a_daemon_that_is_a_single_process() -> None:
    usable = [True]

    def credential() -> Credential:
        if not usable[0]:
            raise CredentialError("the key has gone")
        return pki.proxy()

    port = free_port()
    status = SoloStatus(Status("127.0.0.1", port, "glite-solo"), credential)
    status.start()
    site = Watched(Running(os.getpid(), []), port)
    assert site.get("/healthz").json() == {"live": True, "ready": True, "reasons": []}
    assert (site.metric("glite_certificate_expiry_seconds") or 0) > 0
    assert (site.metric("glite_process_resident_memory_bytes", process="main") or 0) > 1e6
    usable[0] = False
    assert site.get("/healthz/ready").status_code == 503
    assert site.get("/healthz").json()["live"] is True


def test_without_the_option_nothing_is_bound() -> None:
    SoloStatus(None, pki.proxy).start()
    server = Server([Listener("127.0.0.1", 0, lambda: HttpProtocol(application))], pki.host(), pki.ca_dir())
    server.bind()
    assert server.status_port is None
    for sock in server._sockets:
        sock.close()
